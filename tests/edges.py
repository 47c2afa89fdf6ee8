# SPDX-License-Identifier: Apache-2.0
"""Tests of kinds of mistakes, over all places of a kind: what places there are, taken from the programs themselves,
damage to files, and build/report/edges.json.
"""

import fcntl
import json
import re
import subprocess
from pathlib import Path

from kapu.paths import REPORT, ROOT

OPERATOR = ROOT / "operator"
# Words in the usage of a command that stand for a file that is read.
FILES = re.compile(r"(--[a-z-]+ )?\[?(FILE|KEY|MANIFEST|DIR)\b")


def count(kind: str, cases: int, failed: int) -> None:
    """What a test of a kind came to. The report: how many kinds, cases, failures; and the same of each kind."""
    REPORT.mkdir(parents=True, exist_ok=True)
    path = REPORT / "edges.json"
    with open(REPORT / ".edges.lock", "w", encoding="ascii") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        each = json.loads(path.read_text())["each"] if path.exists() else {}
        each[kind] = {"cases": cases, "failed": failed}
        report = {"kinds": len({name.partition(":")[0] for name in each}), "cases": sum(row["cases"] for row in each.values()),
                  "failed": sum(row["failed"] for row in each.values()), "each": each}
        path.write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")


class Cases:
    """Collects what is wrong, so that one place does not hide the others; reports all of it at the end."""

    def __init__(self, kind: str):
        self.kind, self.cases = kind, 0
        self.wrong: list[str] = []

    def check(self, good: bool, what: str) -> None:
        self.cases += 1
        if not good:
            self.wrong.append(what)

    def __enter__(self) -> "Cases":
        return self

    def __exit__(self, kind, error, trace) -> None:
        count(self.kind, self.cases, len(self.wrong) + (error is not None))
        if error is None:
            assert self.cases and not self.wrong, f"{len(self.wrong)} of {self.cases}:\n" + "\n".join(self.wrong)


# ---- places ----

def commands(kapu: Path) -> list[str]:
    said = subprocess.run([kapu, "--help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  (\w+) +\S", said.partition("\n\n")[2].partition("\n\n")[0], re.MULTILINE)


def usages(kapu: Path) -> dict[str, str]:
    """By command and verb ("release sign", "fleet"): the words after it in the usage."""
    found: dict[str, str] = {}
    for command in commands(kapu):
        said = subprocess.run([kapu, command, "--help"], capture_output=True, text=True, check=True).stdout
        for line in re.split(r"(?:usage:|\n +)\s*kapu ", said.partition("\n\n")[0])[1:]:
            words = line.split()
            n = 2 if len(words) > 1 and re.fullmatch(r"[a-z]+", words[1]) else 1
            key = " ".join(words[:n])
            found[key] = f"{found.get(key, '')} {' '.join(words[n:])}"
        own = {key: usage for key, usage in found.items() if key.split()[0] == command}
        for option in re.findall(r"^  (--[a-z-]+ [A-Z]+)\b", said.partition("\n\n")[2], re.MULTILINE):
            if not any(option.split()[0] in usage for usage in own.values()):  # behind "[OPTION]..."
                for key in own:
                    found[key] += f" {option}"
    return found


def files_of_commands(kapu: Path) -> set[tuple[str, str]]:
    """(command, option or word of the usage) for each file that a command is given."""
    return {(command, (option or word).strip()) for command, usage in usages(kapu).items()
            for option, word in FILES.findall(usage) if option.strip() != "--operator"}


def source() -> dict[Path, str]:
    return {path: path.read_text() for path in sorted(OPERATOR.rglob("*.[ch]"))}


def files_of_the_folder() -> set[str]:
    """Names of files that kapu opens in an operator's folder."""
    found = set()
    for text in source().values():
        defined = dict(re.findall(r'#define (\w+) "([\w.-]+)"', text))
        for name in re.findall(r'operator_path\([^,;]+,\s*("[\w.-]+"|[A-Z_]+),', text):
            found.add(defined.get(name, name.strip('"')))
    return found


# ---- damage ----

def damaged(data: bytes, text: bool, pem: bool) -> dict[str, bytes]:
    """Files that must be refused, whatever is in the good one."""
    half = len(data) // 2
    made = {"empty": b"", "half": data[:half], "two shares": data[:len(data) * 2 // 3], "a byte short": data[:-1],
            "zeros": bytes(len(data)), "a zero in it": data[:half] + b"\0" + data[half:],
            "other things": b"\x7fELF" + bytes(range(256)), "too large": data + b"#" * (8 << 20)}
    if text:
        middle = data.rfind(b"\n", 0, half) + 1
        made |= {"UTF-16": data.decode().encode("utf-16"), "byte order mark": b"\xef\xbb\xbf" + data,
                 "blank": b" \n\t\n", "comment": b"# nothing\n",
                 "escape": data[:middle] + b"\x1b[2K" + data[middle:],
                 "vertical tab": data[:middle] + b"\v" + data[middle:],
                 "carriage returns": data.replace(b"\n", b"\r")}
        for short in ("half", "two shares", "a byte short"):  # cut at the end of a line, it may be whole
            made[short] = made[short].rstrip(b"\n")
        if pem:  # which may lack its last line feed
            made["a byte short"] = made["a byte short"][:-1]
    else:
        made |= {"a byte more": data + b"\0", "twice": data + data}
    return made
