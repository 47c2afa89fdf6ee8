# SPDX-License-Identifier: Apache-2.0
"""Known vulnerabilities of what is pinned: third_party/vulnerabilities.json, checked, as a page.

Each claim that can be checked is: that a version has the fix, that a patch is among Debian's or ours,
that code or an option is not in what was built. A source whose pin has changed since its entries were
gone through fails, so that nobody forgets to go through them again.
"""

import functools
import json
import subprocess
import tarfile
from pathlib import Path

from . import fetch, windows
from .errors import KapuError
from .paths import ROOT, host_environment

DATA = ROOT / "third_party" / "vulnerabilities.json"
PAGE = ROOT / "docs" / "vulnerabilities.md"
STATES = {
    "fixed": "fixed in the pinned version",
    "debian": "patched by Debian",
    "ours": "patched by us",
    "unreachable": "unreachable",
    "open": "**open**",
}
HEAD = """# Known vulnerabilities

What is publicly known against the pinned third-party sources, and why it does or does not matter here: made by `tools/vulnerabilities`
out of `third_party/vulnerabilities.json`. Do not edit. The tool checks what can be checked: versions, the names of patches, and that code
or an option is not in the build. It fails when a pin has changed since the entries were gone through.

An entry says what was found out on its date, from the lists named with the source. What nobody published, and what was published later,
is not in it.

"""


def upstream(version: str) -> str:
    """The upstream part of a Debian version."""
    return version.split(":", 1)[-1].rsplit("-", 1)[0].split("+")[0]


def at_least(version: str, other: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", version, "ge", other], check=False).returncode == 0


@functools.cache
def debian_series(name: str) -> set[str]:
    """Names of Debian's patches to a pinned source."""
    archive = next(path for path in fetch.files_of(name) if ".debian.tar." in path.name)
    with tarfile.open(archive) as tar:
        text = tar.extractfile("debian/patches/series").read().decode()
    return {line.split()[0] for line in text.splitlines() if line.strip() and not line.startswith("#")}


def settings(path: Path) -> dict[str, str]:
    """NAME=VALUE lines."""
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)


def defines(path: Path) -> dict[str, str]:
    """What a C header defines."""
    words = (line.split(None, 2) for line in path.read_text().splitlines() if line.startswith("#define "))
    return {word[1]: (word[2:] or [""])[0] for word in words}


def defined_in(library: Path) -> set[str]:
    """Symbols that a static library has."""
    text = subprocess.run(["aarch64-linux-gnu-nm", "--defined-only", library], check=True, capture_output=True,
                          text=True, env=host_environment()).stdout
    return {words[2] for words in map(str.split, text.splitlines()) if len(words) == 3}


class Built:
    """What the build left, looked into for proofs. `release` is a build.Release that is built."""

    def __init__(self, release):
        self.symbols = {stage: set(windows.Stage(stage, release.tfa.out / f"{stage}.elf").symbols)
                        for stage in ("bl1", "bl2", "bl31")}
        self.symbols["libcurl"] = defined_in(release.curl.out / "libcurl.a")
        self.options = {"linux": settings(release.linux.out / "config"),
                        "optee-os": settings(release.optee.needs[0].out / "optee-os/out/conf.mk"),
                        "curl": defines(release.curl.out / "curl_config.h")}

    def option(self, of: str, name: str) -> str:
        return self.options[of].get(name, "n")

    def proves(self, proof: dict) -> bool:
        if "symbol" in proof:
            return all(proof["symbol"] not in self.symbols[stage] for stage in proof["absent_from"])
        if "option" in proof:
            return self.option(proof["of"], proof["option"]) == proof["is"]
        if "lacks" in proof:
            return not any(proof["lacks"].encode() in path.read_bytes()
                           for path in (ROOT / proof["folder"]).rglob("*") if path.is_file())
        return proof["says"] in (ROOT / proof["file"]).read_text()


def proof_text(proof: dict) -> str:
    if "symbol" in proof:
        places = (name if name == "libcurl" else name.upper() for name in proof["absent_from"])
        return f"no `{proof['symbol']}` in {' and '.join(places)}"
    if "option" in proof:
        return f"`{proof['option']}={proof['is']}`"
    if "lacks" in proof:
        return f"no `{proof['lacks']}` in `{proof['folder']}`"
    return f"`{proof['says']}` in `{proof['file']}`"


def pinned(name: str) -> str:
    return fetch.locked(name)["version"]


def wrong_entry(source: dict, name: str, entry: dict, built: Built) -> list[str]:
    """What an entry claims that is not so."""
    state, said = entry["state"], []
    if state not in STATES:
        return [f"has the unknown state '{state}'"]
    if state == "fixed" and not at_least(upstream(pinned(name)), entry["fixed_in"]):
        said.append(f"is fixed in {entry['fixed_in']}, but {pinned(name)} is pinned")
    if state == "debian":
        lacking = set(entry["patches"]) - debian_series(name)
        said += [f"Debian's package has no patch {patch}" for patch in sorted(lacking)]
    if state == "ours":
        said += [f"there is no third_party/{source.get('source', name)}/{patch}" for patch in entry["patches"]
                 if not (ROOT / "third_party" / source.get("source", name) / patch).is_file()]
    if state in ("unreachable", "open") and not entry.get("why"):
        said.append("does not say why")
    if state == "unreachable" and not entry.get("proofs"):
        said.append("proves nothing of being unreachable")
    if state in ("debian", "ours") and not entry.get("patches"):
        said.append("names no patch")
    said += [f"is not so: {proof_text(proof)}" for proof in entry.get("proofs", ())
             if not built.proves(proof)]
    return said


def problems(data: dict, built: Built) -> list[str]:
    """All that is wrong with the data file."""
    found = []
    for source in data["sources"]:
        for name, version in source["checked"].items():
            if pinned(name) != version:
                found.append(f"{name}: {pinned(name)} is pinned, but the entries were gone through for "
                             f"{version}; go through the advisories since {source['date']}, then update "
                             "'checked' and 'date'")
        seen = set()
        for entry in source["entries"]:
            what = f"{source['name']}, {entry['ids'][0]}"
            if seen & set(entry["ids"]):
                found.append(f"{what}: is listed twice")
            seen |= set(entry["ids"])
            package = entry.get("package", next(iter(source["checked"])))
            found += [f"{what}: {said}" for said in wrong_entry(source, package, entry, built)]
    listed = {name for source in data["sources"] for name in source["checked"]}
    found += [f"{entry['name']} is pinned as a source, but third_party/vulnerabilities.json has nothing of it"
              for entry in fetch.read_lock()["sources"] if entry["name"] not in listed]
    return found


def row(entry: dict) -> str:
    how = STATES[entry["state"]]
    if entry["state"] == "fixed":
        how += f" (since {entry['fixed_in']})"
    if entry.get("patches"):
        how += ": " + ", ".join(f"`{patch}`" for patch in entry["patches"])
    why = entry.get("why", "")
    if entry.get("proofs"):
        why += (" " if why else "") + "Checked: " + "; ".join(map(proof_text, entry["proofs"])) + "."
    return f"| {', '.join(entry['ids'])} | {entry['what']} | {how} | {why} |"


def page(data: dict) -> str:
    text = HEAD
    for source in data["sources"]:
        versions = ", ".join(f"`{name}` {version}" for name, version in source["checked"].items())
        text += f"## {source['name']}\n\n{versions}. Gone through on {source['date']}: {source['lists']}.\n"
        text += f"\n{source['text']}\n" if source.get("text") else ""
        if source["entries"]:
            text += "\n| known as | what | here | why |\n|---|---|---|---|\n"
            text += "\n".join(map(row, source["entries"])) + "\n"
        text += "\n"
    counts = {state: sum(e["state"] == state for s in data["sources"] for e in s["entries"]) for state in STATES}
    return text + "## Sum\n\n| here | entries |\n|---|---|\n" + "".join(
        f"| {words} | {counts[state]} |\n" for state, words in STATES.items())


def load() -> dict:
    try:
        return json.loads(DATA.read_text())
    except ValueError as error:
        raise KapuError(f"{DATA}: {error}") from error
