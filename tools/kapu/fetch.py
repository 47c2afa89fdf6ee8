# SPDX-License-Identifier: Apache-2.0
"""Third-party sources and packages: pinned by third_party/lock.json, fetched with a private apt.

Nothing of the host's apt changes. The mirror is the one that the host uses; apt checks the
archive's signatures, and each file must then have the SHA-256 that the lock file says.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from . import textfile
from .errors import KapuError
from .paths import CACHE, ROOT
from .steps import digest_file

LOCK = ROOT / "third_party" / "lock.json"
WANTED = ROOT / "third_party" / "wanted.json"
DOWNLOADS = CACHE / "downloads"
APT = CACHE / "apt"
BATCH = 8  # entries fetched by one apt command
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def host_release() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.split("=", 1)[1].strip('"')
    raise KapuError("/etc/os-release names no VERSION_CODENAME: is this Debian?")


def host_mirrors() -> tuple[str, str]:
    """The URIs from which the host takes Debian and Debian's security updates."""
    # Others (Docker, say) name releases of theirs like Debian's; a source may say "stable" too.
    text = subprocess.run(["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)",
                           "Origin: Debian"], capture_output=True, text=True, check=True).stdout
    found = dict(line.split(" ", 1) for line in text.splitlines())
    release = host_release()
    if release not in found:
        raise KapuError(f"the host's apt has no source for '{release}', so no mirror is known; "
                        "add one to /etc/apt/sources.list.d and run apt-get update")
    return found[release], found.get(f"{release}-security", found[release])


class PrivateApt:
    """An apt with its own lists, cache and sources, for suites that the host does not use."""

    def __init__(self):
        main, security = host_mirrors()
        for folder in ("state/lists/partial", "cache/archives/partial", "none"):
            (APT / folder).mkdir(parents=True, exist_ok=True)
        (APT / "state" / "status").touch()
        option = f"[arch=arm64 signed-by={KEYRING}]"
        source = f"[signed-by={KEYRING}]"
        (APT / "sources.list").write_text(
            "".join(f"deb {option} {uri} {suite} main\ndeb-src {source} {uri} {suite} main\n"
                    for uri, suite in ((main, "trixie"), (security, "trixie-security"),
                                       (main, "sid"))))
        (APT / "apt.conf").write_text(
            f'Dir::State "{APT}/state";\nDir::State::status "{APT}/state/status";\n'
            f'Dir::Cache "{APT}/cache";\nDir::Etc::sourcelist "{APT}/sources.list";\n'
            f'Dir::Etc::sourceparts "{APT}/none";\nDir::Etc::preferencesparts "{APT}/none";\n'
            'APT::Architecture "arm64";\nAPT::Architectures { "arm64"; };\n'
            'APT::Default-Release "/^trixie(|-security)$/";\nAcquire::Languages "none";\n'
            f'APT::Sandbox::User "{os.environ.get("USER", "root")}";\n')
        self.environment = {**os.environ, "APT_CONFIG": str(APT / "apt.conf"), "LC_ALL": "C"}

    def run(self, tool: str, *arguments: str, cwd=None) -> str:
        # The host may have switched the package cache off; without it each call takes seconds.
        cache = ["-o", "Dir::Cache::pkgcache=pkgcache.bin",
                 "-o", "Dir::Cache::srcpkgcache=srcpkgcache.bin"]
        result = subprocess.run([tool, *cache, *arguments], cwd=cwd, env=self.environment,
                                capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise KapuError(f"{tool} {' '.join(arguments)}: {result.stderr.strip()}")
        return result.stdout

    def update(self) -> None:
        print("  reading the archive's package lists", flush=True)
        output = self.run("apt-get", "update", "--error-on=any")
        if "Err:" in output:
            raise KapuError(f"apt-get update failed:\n{output}")


def paragraphs(text: str):
    """Fields of each paragraph of a Debian control file, continuation lines kept."""
    for block in text.split("\n\n"):
        fields, name = {}, None
        for line in block.splitlines():
            if line.startswith((" ", "\t")) and name:
                fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                fields[name] = value.strip()
        if fields:
            yield fields


def newest(versions: list[str]) -> str:
    """By Debian's order. apt lists sources in the order of the archive's files."""
    best = versions[0]
    for version in versions[1:]:
        if subprocess.run(["dpkg", "--compare-versions", version, "gt", best], check=False).returncode == 0:
            best = version
    return best


def resolve_source(apt: PrivateApt, name: str, suite: str) -> dict:
    """The newest version of a source package in a suite, with its files."""
    madison = apt.run("apt-cache", "madison", name)
    rows = [[part.strip() for part in line.split("|")] for line in madison.splitlines()]
    versions = [row[1] for row in rows if "Sources" in row[2]
                and re.search(rf" {suite}(-security)?/", row[2])]
    if not versions:
        raise KapuError(f"source package {name} is not in {suite}")
    version = newest(versions)
    for fields in paragraphs(apt.run("apt-cache", "showsrc", "--only-source", name)):
        if fields["Version"] == version:
            files = [line.split() for line in fields["Checksums-Sha256"].split("\n") if line]
            return {"name": name, "suite": suite, "version": version,
                    "files": [{"name": f[2], "sha256": f[0]} for f in files]}
    raise KapuError(f"apt knows {name} {version} but not its files")


def resolve_package(apt: PrivateApt, name: str, suite: str) -> dict:
    """The candidate version of a binary package, arm64 or all."""
    show = apt.run("apt-cache", "show", "--no-all-versions", f"{name}/{suite}"
                   if suite != "trixie" else name)
    fields = next(paragraphs(show))
    return {"name": name, "suite": suite, "version": fields["Version"],
            "architecture": fields["Architecture"],
            "files": [{"name": Path(fields["Filename"]).name, "sha256": fields["SHA256"]}]}


def wanted() -> dict[str, list[tuple[str, str]]]:
    """What is wanted, as (name, suite): sources, and packages with those of the root images."""
    spec = json.loads(WANTED.read_text())
    packages = [tuple(entry) for entry in spec["packages"]]
    for recipe in spec["recipes"]:
        packages += [(name, "trixie") for name in recipe_packages(ROOT / recipe)]
    return {"sources": [tuple(e) for e in spec["sources"]],
            "packages": list(dict.fromkeys(packages))}


def recipe_packages(recipe: Path) -> list[str]:
    """Names in a root image recipe's package list: the first word of each line."""
    return [line.split()[0] for _, line in textfile.rules(recipe / "packages")]


def read_lock() -> dict:
    return json.loads(LOCK.read_text())


def write_lock(only: set[str] | None) -> list[str]:
    """Resolve what is wanted (only these names, or all) and rewrite the lock file."""
    names = {name for entries in wanted().values() for name, _ in entries}
    if only and only - names:
        raise KapuError(f"nothing wants {', '.join(sorted(only - names))}; add it to "
                        "third_party/wanted.json or to a recipe first")
    apt = PrivateApt()
    apt.update()
    old = read_lock() if LOCK.exists() else {"sources": [], "packages": []}
    changes = []
    lock = {}
    for kind, resolve in (("sources", resolve_source), ("packages", resolve_package)):
        known = {entry["name"]: entry for entry in old[kind]}
        lock[kind] = []
        for name, suite in wanted()[kind]:
            entry = known.get(name)
            if entry is None or only is None or name in only:
                entry = resolve(apt, name, suite)
            if entry != known.get(name):
                before = known[name]["version"] if name in known else "nothing"
                changes.append(f"{name}: {before} -> {entry['version']}")
            lock[kind].append(entry)
        lock[kind].sort(key=lambda e: e["name"])
    LOCK.write_text(json.dumps(lock, indent=1) + "\n")
    return changes


def stored(file: dict) -> Path:
    return DOWNLOADS / file["sha256"] / file["name"]


def present(entry: dict) -> bool:
    return all(stored(file).exists() for file in entry["files"])


def gone_message(apt: PrivateApt, kind: str, entry: dict, why: str) -> str:
    """Why a pinned version cannot be fetched, and what to do."""
    resolve = resolve_source if kind == "sources" else resolve_package
    try:
        now = resolve(apt, entry["name"], entry["suite"])["version"]
    except KapuError:
        now = None
    if now is None:
        there = f"{entry['suite']} has no {entry['name']} any more"
    elif now == entry["version"]:
        return f"{entry['name']} {entry['version']} could not be fetched: {why}"
    else:
        there = f"{entry['suite']} now has {now}"
    return (f"{entry['name']} {entry['version']}, which third_party/lock.json pins, has left the "
            f"archive; {there}.\n  To take what is there: tools/fetch --update {entry['name']}, "
            "then review and commit the lock file.\n  To keep the pin: copy the file from a "
            f"machine that has it into {DOWNLOADS}/SHA256/NAME.")


def take(work: Path, entry: dict) -> None:
    """Move the entry's files from where apt put them into the cache, if their hashes are right."""
    for file in entry["files"]:
        # apt writes an epoch's colon as %3a into names of packages
        stem = file["name"].split("_")[0]
        got = [p for p in work.iterdir() if p.name.split("_")[0] == stem]
        exact = next((p for p in got if p.name == file["name"]), got[0] if len(got) == 1 else None)
        if exact is None:
            raise KapuError(f"apt did not bring {file['name']}")
        actual = digest_file(exact)
        if actual != file["sha256"]:
            raise KapuError(f"{file['name']} has SHA-256 {actual}, but third_party/lock.json "
                            f"pins {file['sha256']}; nothing was taken")
        stored(file).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(exact, stored(file))


def download(apt: PrivateApt, kind: str, entries: list[dict]) -> None:
    """Fetch locked entries of one kind through apt."""
    work = APT / f"get.{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    verb = ("source", "--download-only") if kind == "sources" else ("download",)
    try:
        apt.run("apt-get", *verb, *(f"{e['name']}={e['version']}" for e in entries), cwd=work)
        for entry in entries:
            take(work, entry)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def fetch_all() -> int:
    """Fetch what the lock file names and the cache lacks; returns how many entries were fetched."""
    lock = read_lock()
    todo = [(kind, entry) for kind in ("sources", "packages") for entry in lock[kind]
            if not present(entry)]
    if not todo:
        return 0
    apt = PrivateApt()
    apt.update()
    done = 0
    for kind in ("sources", "packages"):
        entries = [entry for of_kind, entry in todo if of_kind == kind]
        for start in range(0, len(entries), BATCH):
            batch = entries[start:start + BATCH]
            print(f"  {done:3} of {len(todo)} fetched; next: "
                  f"{', '.join(e['name'] for e in batch)}", flush=True)
            fetch_batch(apt, kind, batch)
            done += len(batch)
    return done


def fetch_batch(apt: PrivateApt, kind: str, batch: list[dict]) -> None:
    try:
        download(apt, kind, batch)
    except KapuError as error:
        if "pins" in str(error):
            raise
        for entry in batch:  # one by one, to name the one that cannot be had
            if not present(entry):
                try:
                    download(apt, kind, [entry])
                except KapuError as why:
                    raise KapuError(gone_message(apt, kind, entry, str(why))) from error


def locked(name: str) -> dict:
    """The lock entry of a source or package; an error that says what to do if it is not here."""
    lock = read_lock()
    for entry in lock["sources"] + lock["packages"]:
        if entry["name"] == name:
            if not present(entry):
                raise KapuError(f"{name} {entry['version']} is not in {DOWNLOADS}; "
                                "run 'make fetch' while there is a network")
            return entry
    raise KapuError(f"{name} is not in third_party/lock.json; add it to third_party/wanted.json "
                    f"(or the recipe) and run tools/fetch --update {name}")


def verified(file: dict) -> Path:
    """A stored file, hashed again: the cache may have been damaged, or filled by hand."""
    path = stored(file)
    actual = digest_file(path)
    if actual != file["sha256"]:
        raise KapuError(f"{path} has SHA-256 {actual}, not the one that third_party/lock.json "
                        "pins; delete the file and run 'make fetch'")
    return path


def files_of(name: str) -> list[Path]:
    """The stored files of a locked entry, verified."""
    return [verified(file) for file in locked(name)["files"]]


def file_of(name: str) -> Path:
    """The only file of a locked package, verified."""
    return files_of(name)[0]


def identity(name: str) -> str:
    """Changes whenever the pinned files of an entry change: a key for build steps."""
    return hashlib.sha256(json.dumps(locked(name)["files"]).encode()).hexdigest()
