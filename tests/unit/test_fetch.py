# SPDX-License-Identifier: Apache-2.0
"""What tools/kapu/fetch.py promises. No network: apt is a script that serves a folder."""

import hashlib
import json
import runpy
import subprocess
from urllib.parse import urlsplit

import pytest

from kapu import fetch
from kapu.errors import KapuError
from kapu.paths import ROOT

# Serves pool/NAME=VERSION/ and answers/NAME, and writes down every call.
FAKE_APT = '''#!/bin/sh
here=%s
echo "${0##*/} $*" >> $here/calls
for verb; do
    case $verb in
    indextargets) cat $here/targets; exit ;;
    update) cat $here/update; exit ;;
    madison | showsrc | show) break ;;
    esac
done
for word; do
    name=${word%%/*}
    case $word in
    Dir::* | -*) ;;
    *=*)
        [ -d "$here/pool/$word" ] || { echo "E: no $word" >&2; exit 100; }
        cp "$here/pool/$word"/* . ;;
    *) [ ! -e "$here/answers/$verb-$name" ] || { cat "$here/answers/$verb-$name"; exit 0; } ;;
    esac
done
case $verb in show*) echo "E: No packages found" >&2; exit 100 ;; esac
'''


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Archive:
    """What the mirror has, and a lock file."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("bin", "pool", "answers"):
            (folder / name).mkdir()
        for tool in ("apt-get", "apt-cache"):
            (folder / "bin" / tool).write_text(FAKE_APT % folder)
            (folder / "bin" / tool).chmod(0o755)
        release = fetch.host_release()
        (folder / "targets").write_text(f"{release} http://mirror.example/debian/\n")
        (folder / "update").write_text("Hit:1 trixie\n")
        self.entries = {"sources": [], "packages": []}
        self.lock()

    def lock(self, kind=None, name="", version="", files=()):
        """Pin an entry whose files have these contents."""
        if kind:
            entry = {"name": name, "suite": "trixie", "version": version,
                     "files": [{"name": f, "sha256": sha256(text)} for f, text in files]}
            self.entries[kind].append(entry)
        fetch.LOCK.write_text(json.dumps(self.entries))

    def serve(self, name, version, files):
        place = self.folder / "pool" / f"{name}={version}"
        place.mkdir()
        for file, text in files:
            (place / file).write_text(text)

    def keep(self, entry, text):
        """Put the only file of an entry where fetched files lie."""
        path = fetch.stored(entry["files"][0])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def answer(self, question, name, text):
        (self.folder / "answers" / f"{question}-{name}").write_text(text)

    def offer(self, name, version):
        """Say that this is the package version that the archive has now."""
        self.answer("show", name, f"Package: {name}\nVersion: {version}\nArchitecture: arm64\n"
                    f"Filename: pool/{name}_{version}_arm64.deb\nSHA256: 00\n\n")

    def calls(self):
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def archive(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "LOCK", tmp_path / "lock.json")
    monkeypatch.setattr(fetch, "WANTED", tmp_path / "wanted.json")
    monkeypatch.setattr(fetch, "DOWNLOADS", tmp_path / "downloads")
    monkeypatch.setattr(fetch, "APT", tmp_path / "apt")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return Archive(tmp_path)


HELLO = [("hello_1_arm64.deb", "hello 1")]
SOURCE = [("src_1.dsc", "dsc"), ("src_1.orig.tar.xz", "orig"), ("src_1-2.debian.tar.xz", "deb")]


def kept(archive):
    folder = archive.folder / "downloads"
    return sorted(p.name for p in folder.rglob("*") if p.is_file()) if folder.exists() else []


# ---- fetching

def test_what_the_lock_file_pins_is_fetched_and_then_found(archive):
    archive.lock("packages", "hello", "1", HELLO)
    archive.lock("sources", "src", "1-2", SOURCE)
    archive.serve("hello", "1", HELLO)
    archive.serve("src", "1-2", SOURCE)
    assert fetch.fetch_all() == 2
    assert fetch.file_of("hello").read_text() == "hello 1"
    assert "orig" in [file.read_text() for file in fetch.files_of("src")]
    fetch.file_of("hello").write_text("hello 2")  # damaged in the cache, after it was verified
    with pytest.raises(KapuError, match="not the one that third_party/lock.json pins"):
        fetch.file_of("hello")


def test_more_entries_than_one_apt_command_takes_are_all_fetched(archive):
    count = 2 * fetch.BATCH + 1
    for i in range(count):
        files = [(f"p{i}_1_all.deb", f"text {i}")]
        archive.lock("packages", f"p{i}", "1", files)
        archive.serve(f"p{i}", "1", files)
    assert fetch.fetch_all() == count and len(kept(archive)) == count
    assert sum(" download " in call for call in archive.calls()) == 3


def test_apt_is_not_called_at_all_when_all_is_present(archive):
    archive.lock("packages", "hello", "1", HELLO)
    archive.serve("hello", "1", HELLO)
    fetch.fetch_all()
    (archive.folder / "calls").unlink()
    assert fetch.fetch_all() == 0 and archive.calls() == []


def test_only_what_is_missing_is_fetched(archive):
    for name in ("here", "new"):
        archive.lock("packages", name, "1", [(f"{name}_1_all.deb", name)])
        archive.serve(name, "1", [(f"{name}_1_all.deb", name)])
    archive.keep(archive.entries["packages"][0], "here")
    assert fetch.fetch_all() == 1
    assert not any("here=1" in call for call in archive.calls())


def test_a_version_with_an_epoch_is_found_under_the_name_that_apt_gives_it(archive):
    archive.lock("packages", "hello", "1:2", [("hello_2_arm64.deb", "text")])
    archive.serve("hello", "1:2", [("hello_1%3a2_arm64.deb", "text")])
    fetch.fetch_all()
    assert fetch.file_of("hello").name == "hello_2_arm64.deb"


@pytest.mark.parametrize("kind, name, version, files, bad", [
    ("packages", "hello", "1", HELLO, 0), ("sources", "src", "1-2", SOURCE, 1),
], ids=["package", "file of a source"])
def test_a_file_with_another_hash_is_refused_and_not_kept(archive, kind, name, version, files, bad):
    archive.lock(kind, name, version, files)
    served = [(f, "evil" if i == bad else text) for i, (f, text) in enumerate(files)]
    archive.serve(name, version, served)
    with pytest.raises(KapuError) as caught:
        fetch.fetch_all()
    text = str(caught.value)
    assert files[bad][0] in text and sha256("evil") in text and sha256(files[bad][1]) in text
    assert files[bad][0] not in kept(archive)
    assert not list(archive.folder.rglob("get.*")), "the refused file still lies about"
    with pytest.raises(KapuError, match="make fetch"):
        fetch.locked(name)


def test_a_file_that_apt_does_not_bring_is_named(archive):
    files = HELLO + [("other_1_arm64.deb", "other")]
    archive.lock("packages", "hello", "1", files)
    archive.serve("hello", "1", HELLO)
    archive.offer("hello", "1")
    with pytest.raises(KapuError, match=r"apt did not bring other_1_arm64\.deb"):
        fetch.fetch_all()


# ---- what the messages say

def test_a_pinned_package_that_left_the_archive_says_what_is_there_and_what_to_do(archive):
    for name in ("there", "hello"):
        archive.lock("packages", name, "1", [(f"{name}_1_all.deb", name)])
    archive.serve("there", "1", [("there_1_all.deb", "there")])
    archive.offer("hello", "2")
    with pytest.raises(KapuError) as caught:
        fetch.fetch_all()
    text = str(caught.value)
    assert "hello 1, which third_party/lock.json pins, has left the archive" in text
    assert "trixie now has 2" in text and "tools/fetch --update hello" in text
    assert str(archive.folder / "downloads") in text and "there" in kept(archive)[0]


def test_a_pinned_source_that_left_the_archive_says_what_is_there(archive):
    archive.lock("sources", "src", "1-2", SOURCE)
    archive.answer("madison", "src", " src | 3-1 | http://mirror.example sid/main Sources\n"
                                     " src | 1-9 | http://mirror.example trixie/main Sources\n")
    archive.answer("showsrc", "src", "Package: src\nVersion: 3-1\nChecksums-Sha256:\n"
                   " 11 5 src_3.dsc\n\nPackage: src\nVersion: 1-9\nChecksums-Sha256:\n"
                   " 22 5 src_1.dsc\n\n")
    with pytest.raises(KapuError, match="src 1-2, .* trixie now has 1-9"):
        fetch.fetch_all()


def test_the_newest_version_of_a_source_is_taken_in_whatever_order_apt_lists_them(archive):
    versions = ["1-2+deb13u5", "1-2+deb13u10", "1-2+deb13u7"]
    archive.answer("madison", "src", "".join(f" src | {version} | http://mirror.example trixie-security/main Sources\n"
                                             for version in versions))
    archive.answer("showsrc", "src", "".join(f"Package: src\nVersion: {version}\nChecksums-Sha256:\n 11 5 src.dsc\n\n"
                                             for version in versions))
    assert fetch.resolve_source(fetch.PrivateApt(), "src", "trixie")["version"] == "1-2+deb13u10"


def test_a_name_that_the_archive_no_longer_has_is_said(archive):
    archive.lock("packages", "hello", "1", HELLO)
    with pytest.raises(KapuError, match="trixie has no hello any more"):
        fetch.fetch_all()


def test_a_fetch_that_fails_for_another_reason_gives_apts_words(archive):
    archive.lock("packages", "hello", "1", HELLO)
    archive.offer("hello", "1")
    with pytest.raises(KapuError, match="hello 1 could not be fetched: .*E: no hello=1"):
        fetch.fetch_all()


def test_an_archive_that_cannot_be_read_is_an_error(archive):
    archive.lock("packages", "hello", "1", HELLO)
    (archive.folder / "update").write_text("Err:1 http://mirror.example trixie InRelease\n")
    with pytest.raises(KapuError, match="apt-get update failed:(?s:.*)mirror.example"):
        fetch.fetch_all()


def test_what_is_locked_but_not_here_says_make_fetch(archive):
    archive.lock("packages", "hello", "1", HELLO)
    with pytest.raises(KapuError, match="hello 1 is not in .*downloads; run 'make fetch'"):
        fetch.locked("hello")


def test_what_is_not_locked_says_where_to_add_it(archive):
    with pytest.raises(KapuError, match="hello is not in third_party/lock.json; add it to "
                                        "third_party/wanted.json .*tools/fetch --update hello"):
        fetch.locked("hello")


def test_the_command_ends_with_status_1_and_one_error(archive, monkeypatch, capsys):
    archive.lock("packages", "hello", "1", HELLO)
    monkeypatch.setattr("sys.argv", ["fetch"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "tools/fetch"), run_name="__main__")
    assert ended.value.code == 1 and capsys.readouterr().err.startswith("error: hello 1, which")


# ---- the lock file

@pytest.fixture
def wanted(archive):
    """Two packages are wanted and locked at version 1; the archive has version 2 of both."""
    fetch.WANTED.write_text(json.dumps({"sources": [], "recipes": [], "packages":
                                        [["hello", "trixie"], ["other", "trixie"]]}))
    for name in ("hello", "other"):
        archive.lock("packages", name, "1", [(f"{name}_1_arm64.deb", name)])
        archive.offer(name, "2")
    return archive


def versions():
    return {entry["name"]: entry["version"] for entry in fetch.read_lock()["packages"]}


def test_an_update_moves_only_the_pins_that_were_asked_for(wanted):
    assert fetch.write_lock({"hello"}) == ["hello: 1 -> 2"]
    assert versions() == {"hello": "2", "other": "1"}


def test_an_update_of_everything_moves_every_pin(wanted):
    assert fetch.write_lock(None) == ["hello: 1 -> 2", "other: 1 -> 2"]
    assert fetch.write_lock(None) == []


def test_an_update_of_what_nothing_wants_is_refused(wanted):
    before = fetch.LOCK.read_bytes()
    with pytest.raises(KapuError, match="nothing wants helo"):
        fetch.write_lock({"helo"})
    assert fetch.LOCK.read_bytes() == before and wanted.calls() == []


def test_a_package_list_has_a_name_a_line_and_comments(tmp_path):
    (tmp_path / "packages").write_text("# heading\n\nlibc6  # the C library\n  # indented\n"
                                       "systemd   starts the rest\n   \nbash\n")
    assert fetch.recipe_packages(tmp_path) == ["libc6", "systemd", "bash"]


def test_the_identity_of_an_entry_changes_with_its_files(archive):
    for name, text in (("one", "1"), ("two", "2"), ("same", "2")):
        archive.lock("packages", name, "1", [("file.deb", text)])
        archive.keep(archive.entries["packages"][-1], text)
    assert fetch.identity("one") != fetch.identity("two") == fetch.identity("same")


# ---- mirrors, with the real apt on a host that is made up

RELEASE = "Origin: {}\nSuite: stable\nCodename: {}\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n" \
          "Architectures: amd64\nComponents: main\nSHA256:\n {} 0 main/binary-amd64/Packages\n"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host whose apt has these sources: (URI, suite in the source, origin, code name)."""
    def make(*sources):
        lists = tmp_path / "lists"
        (lists / "partial").mkdir(parents=True)
        (tmp_path / "sources.list").write_text("".join(
            f"deb [arch=amd64 trusted=yes] http://{uri} {suite} main\n"
            for uri, suite, *_ in sources))
        (tmp_path / "apt.conf").write_text(
            f'Dir::State "{tmp_path}";\nDir::State::lists "{lists}";\nDir::Cache "{tmp_path}";\n'
            f'Dir::Etc::sourcelist "{tmp_path}/sources.list";\nDir::Etc::sourceparts "{lists}";\n')
        for uri, suite, origin, codename in sources:
            stem = f"{uri.replace('/', '_')}_dists_{suite}"
            (lists / f"{stem}_Release").write_text(RELEASE.format(origin, codename, sha256("")))
            (lists / f"{stem}_main_binary-amd64_Packages").touch()
        monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
        monkeypatch.setattr(fetch, "host_release", lambda: "bookworm")
    return make


DEBIAN = ("one.example/debian", "bookworm", "Debian", "bookworm")
SECURITY = ("two.example/security", "bookworm-security", "Debian", "bookworm-security")


def test_mirrors_are_those_of_the_hosts_apt(host):
    host(DEBIAN, SECURITY)
    assert fetch.host_mirrors() == ("http://one.example/debian/", "http://two.example/security/")


def test_a_host_without_security_updates_takes_them_from_its_mirror(host):
    host(DEBIAN)
    assert fetch.host_mirrors() == ("http://one.example/debian/",) * 2


def test_a_source_of_others_for_the_same_release_is_not_a_mirror(host):
    host(DEBIAN, ("shop.example/apt", "bookworm", "Shop", "bookworm"))
    assert fetch.host_mirrors()[0] == "http://one.example/debian/"


def test_a_host_whose_sources_say_stable_has_a_mirror(host):
    host(("one.example/debian", "stable", "Debian", "bookworm"))
    assert fetch.host_mirrors()[0] == "http://one.example/debian/"


def test_a_host_without_a_source_for_its_release_is_told_so(host):
    host(("one.example/debian", "trixie", "Debian", "trixie"))
    with pytest.raises(KapuError, match="no source for 'bookworm'.*/etc/apt/sources.list.d"):
        fetch.host_mirrors()


def test_the_private_apt_checks_signatures_and_leaves_the_hosts_apt_alone(archive):
    apt = fetch.PrivateApt()
    sources = (archive.folder / "apt" / "sources.list").read_text().splitlines()
    assert len(sources) == 6
    assert all(f"signed-by={fetch.KEYRING}" in line and "mirror.example" in line
               and "trusted" not in line for line in sources)
    places = subprocess.run(["/usr/bin/apt-config", "dump"], env=apt.environment, check=True,
                            capture_output=True, text=True).stdout
    for name in ("State", "State::status", "Cache", "Etc::sourcelist", "Etc::sourceparts"):
        assert f'Dir::{name} "{archive.folder}/apt/' in places


def test_no_file_of_the_tree_names_the_hosts_mirror():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    text = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)"], check=True,
                          capture_output=True, text=True).stdout
    hosts = {urlsplit(uri).hostname for uri in text.split()} - {None, "localhost"}
    if not hosts:
        pytest.skip("the host's apt has no source with a host name")
    words = [word for host in sorted(hosts) for word in ("-e", host)]
    found = subprocess.run(["git", "grep", "-lIFi", *words], cwd=ROOT, capture_output=True,
                           text=True, check=False)
    assert (found.returncode, found.stdout) == (1, ""), f"{hosts} are named in:\n{found.stdout}"
