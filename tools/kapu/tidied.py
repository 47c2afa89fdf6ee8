# SPDX-License-Identifier: Apache-2.0
"""Which C files clang-tidy need not look at again: those that were found good as they are, in whatever checkout.

A file has two keys. The first is of its content and all headers of the tree, and costs nothing. The second is of what the
preprocessor makes of it, so that a change of a header concerns only the files that include it.

    python3 -m kapu.tidied GOOD FILE...     prints a line for each that is to be looked at: its two keys, and its name
"""

import hashlib
import json
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .errors import run_main
from .paths import ROOT, host_environment
from .schedule import cores_of_host

COMPILED = ROOT / "build" / "meson-native"
OUTPUTS = ("-o", "-MF", "-MQ", "-MT")


def digest(*parts: bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()[:32]


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, env=host_environment(), check=True,
                            capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.splitlines()]


def around() -> bytes:
    """What concerns all files: rules and packages."""
    packages = subprocess.run(["dpkg-query", "-W"], env=host_environment(), check=True, capture_output=True).stdout
    return (ROOT / ".clang-tidy").read_bytes() + packages


def headers() -> bytes:
    return b"".join(hashlib.sha256(path.read_bytes()).digest() for path in tracked("*.h", "*.inc", "*.def"))


def commands() -> dict[Path, list[list[str]]]:
    """How each file is compiled."""
    found: dict[Path, list[list[str]]] = {}
    for entry in json.loads((COMPILED / "compile_commands.json").read_text()):
        found.setdefault((COMPILED / entry["file"]).resolve(), []).append(shlex.split(entry["command"]))
    return found


def preprocessed(words: list[str]) -> bytes:
    """With comments, in which a line may ask to be left alone, and with macros. Empty: it cannot be."""
    words = words[1:] if words[0] == "ccache" else words
    kept = [word for before, word in zip(["", *words], words) if word not in (*OUTPUTS, "-c", "-MD") and before not in OUTPUTS]
    done = subprocess.run([*kept, "-E", "-P", "-CC", "-dD"], cwd=COMPILED, env=host_environment(), check=False,
                          capture_output=True)
    return done.stdout.replace(str(ROOT).encode(), b".") if done.returncode == 0 else b""


def main() -> int:
    good, names = Path(sys.argv[1]), sys.argv[2:]
    common, all_headers, compiled = around(), headers(), commands()

    def look(name: str) -> str | None:
        path = ROOT / name
        how = sorted(compiled.get(path.resolve(), []))
        text = name.encode() + b"\n" + json.dumps(how).replace(str(ROOT), ".").encode()
        first = good / digest(common, text, path.read_bytes(), all_headers)
        if first.exists():
            return None
        seen = [preprocessed(words) or all_headers for words in how] or [all_headers]  # not known what it sees: all of them
        second = good / digest(common, text, *seen, path.read_bytes())
        if second.exists():
            first.touch()
            return None
        return f"{first} {second} {name}"

    with ThreadPoolExecutor(cores_of_host()) as pool:
        for line in pool.map(look, names):
            if line:
                print(line)
    return 0


if __name__ == "__main__":
    run_main(main, tells=False)
