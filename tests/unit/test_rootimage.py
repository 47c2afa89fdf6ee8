# SPDX-License-Identifier: Apache-2.0
"""What tools/rootimage.py promises, on recipes and packages made here (no network, no root privileges)."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "rootimage.py"
NEEDED_TOOLS = ("dpkg-deb", "mkfs.erofs", "veritysetup")
pytestmark = pytest.mark.skipif(not all(shutil.which(t, path=os.environ["PATH"] + ":/usr/sbin:/sbin") for t in NEEDED_TOOLS),
                                reason="needs " + ", ".join(NEEDED_TOOLS))


def make_deb(debs, name, files, links=()):
    """A tiny package; files is {path: (text, mode)}."""
    root = debs.parent / ("pkg-" + name)
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: arm64\nMaintainer: test\nDescription: test\n")
    for path, (data, mode) in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data if isinstance(data, bytes) else data.encode())
        target.chmod(mode)
    for path, to in links:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(to)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", root, debs / f"{name}_1_arm64.deb"], check=True,
                   stdout=subprocess.DEVNULL)


def shared_library(path, soname, needed=()):
    """A real ELF file, made by the host's compiler, with the given soname and needed libraries."""
    source = path.parent / (path.name + ".c")
    source.write_text("int kapu_test;\n")
    stubs = []
    for name in needed:
        stub = path.parent / name
        if not stub.exists():
            shared_library(stub, name)
        stubs.append(stub)
    subprocess.run(["gcc", "-shared", "-nostdlib", "-fPIC", f"-Wl,-soname,{soname}", "-Wl,--no-as-needed", "-o", path, source,
                    *stubs], check=True)


class Bench:
    """A recipe, its packages, and a way to build them."""

    def __init__(self, base):
        self.base = base
        self.debs = base / "debs"
        self.recipe = base / "recipe"
        self.debs.mkdir()
        (self.recipe / "files" / "etc").mkdir(parents=True)
        make_deb(self.debs, "hello", {"usr/bin/hello": ("hello\n", 0o755), "usr/share/doc/hello": ("unused\n", 0o644)})
        self.write("packages", "hello  the only one\n")
        self.write("keep", "hello  /usr/bin/hello  said to the world\n")
        self.write("layout", "dir /dev 0755\nlink /bin usr/bin\n")
        self.write("files/etc/release.in", "version @VERSION@\n")

    def write(self, name, text, recipe=None):
        path = (recipe or self.recipe) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, out="out", recipes=None, adds=(), umask=0o022, env=None):
        target = self.base / out
        target.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, TOOL, "--debs", self.debs, "--version", "1.2.3", "--out", target / "root.img",
                   "--info", target / "root.json", "--tree", target / "tree"]
        for recipe in recipes or [self.recipe]:
            command += ["--recipe", recipe]
        for add in adds:
            command += ["--add", add]
        full = dict(os.environ, **(env or {}))
        full["PATH"] += ":/usr/sbin:/sbin"
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=full,
                              preexec_fn=lambda: os.umask(umask))

    def build(self, **options):
        done = self.run(**options)
        assert done.returncode == 0, done.stderr
        target = self.base / options.get("out", "out")
        return target, json.loads((target / "root.json").read_text())

    def refused(self, **options):
        done = self.run(**options)
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
        assert not (self.base / options.get("out", "out") / "root.img").exists()
        return done.stderr


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


# ---------------------------------------------------------------------------------------------- what is in the image

def test_only_what_a_rule_names_enters_the_image(bench):
    target, info = bench.build()
    found = sorted(str(p.relative_to(target / "tree")) for p in (target / "tree").rglob("*"))
    assert found == ["bin", "dev", "etc", "etc/release", "usr", "usr/bin", "usr/bin/hello"]
    assert info["files"] == 2 and info["setuid"] == 0 and info["elf"] == 0


def test_the_version_is_filled_in_where_a_file_asks_for_it(bench):
    target, _info = bench.build()
    assert (target / "tree/etc/release").read_text() == "version 1.2.3\n"


def test_set_id_bits_of_a_package_do_not_survive(bench):
    make_deb(bench.debs, "mount", {"usr/bin/mount": ("x\n", 0o4755), "usr/bin/wall": ("x\n", 0o2755)})
    bench.write("packages", "hello a\nmount b\n")
    bench.write("keep", "hello /usr/bin/hello a\nmount /usr/bin/* b\n")
    target, info = bench.build()
    assert info["setuid"] == 0
    assert (target / "tree/usr/bin/mount").stat().st_mode & 0o7777 == 0o755


def test_all_programs_end_up_in_one_folder(bench):
    make_deb(bench.debs, "old", {"sbin/a": ("a\n", 0o755), "usr/sbin/b": ("b\n", 0o755), "bin/c": ("c\n", 0o755)},
             links=[("usr/sbin/c", "/bin/c")])
    bench.write("packages", "hello a\nold b\n")
    bench.write("keep", "hello /usr/bin/hello a\nold /usr/sbin/* b\n")
    target, _info = bench.build()
    assert sorted(os.listdir(target / "tree/usr/bin")) == ["a", "b", "c", "hello"]
    assert (target / "tree/usr/bin/c").read_text() == "c\n"


def test_a_second_recipe_adds_and_replaces(bench):
    second = bench.base / "second"
    make_deb(bench.debs, "more", {"usr/bin/more": ("more\n", 0o755)})
    bench.write("packages", "more  for tests\n", second)
    bench.write("keep", "more /usr/bin/more  for tests\n", second)
    bench.write("files/etc/release.in", "lab @VERSION@\n", second)
    target, info = bench.build(recipes=[bench.recipe, second])
    assert (target / "tree/etc/release").read_text() == "lab 1.2.3\n"
    assert (target / "tree/usr/bin/hello").exists() and (target / "tree/usr/bin/more").exists()
    assert info["files"] == 3


def test_an_added_file_lands_with_its_mode(bench):
    tool = bench.base / "tool"
    tool.write_text("tool\n")
    target, _info = bench.build(adds=[f"{tool}:/usr/sbin/tool:0755"])
    assert (target / "tree/usr/bin/tool").stat().st_mode & 0o7777 == 0o755


# ---------------------------------------------------------------------------------------------- same in, same out

def test_the_same_inputs_give_the_same_bits_elsewhere_later_and_under_another_umask(bench, tmp_path):
    one, info_one = bench.build(out="one")
    elsewhere = tmp_path / "another" / "place"
    shutil.copytree(bench.recipe, elsewhere)
    for path in elsewhere.rglob("*"):
        os.utime(path, (1e9, 1e9))
    two, info_two = bench.build(out="deep/two", recipes=[elsewhere], umask=0o077,
                                env={"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "123456789"})
    assert (one / "root.img").read_bytes() == (two / "root.img").read_bytes()
    assert info_one == info_two


def test_another_version_gives_another_root_hash(bench):
    _one, info_one = bench.build(out="one")
    bench.write("files/etc/release.in", "other @VERSION@\n")
    _two, info_two = bench.build(out="two")
    assert info_one["root_hash"] != info_two["root_hash"] and info_one["salt"] != info_two["salt"]


# ---------------------------------------------------------------------------------------------- the hash tree

def hash_tree_root(data, salt):
    """dm-verity's root hash (version 1, sha256, 4096) worked out independently of the tool under test."""
    def digest(block):
        return hashlib.sha256(salt + block).digest()
    level = [digest(data[i:i + 4096]) for i in range(0, len(data), 4096)]
    while True:
        packed = b"".join(level)
        blocks = [packed[i:i + 4096].ljust(4096, b"\0") for i in range(0, len(packed), 4096)]
        if len(blocks) == 1:
            return digest(blocks[0]).hex()
        level = [digest(block) for block in blocks]


def test_the_root_hash_is_that_of_the_file_system_in_the_image(bench):
    bench.write("files/etc/large", "x" * 900_000)                       # more than one level of hashes
    target, info = bench.build()
    image = (target / "root.img").read_bytes()
    data = image[:info["data_blocks"] * 4096]
    assert hashlib.sha256(data).hexdigest() == info["salt"]
    assert hash_tree_root(data, bytes.fromhex(info["salt"])) == info["root_hash"]


def test_one_changed_bit_no_longer_verifies(bench):
    target, info = bench.build()
    command = ["/usr/sbin/veritysetup" if os.path.exists("/usr/sbin/veritysetup") else "veritysetup", "verify",
               "--no-superblock", "--format=1", "--hash=sha256", f"--salt={info['salt']}", "--data-block-size=4096",
               "--hash-block-size=4096", f"--data-blocks={info['data_blocks']}",
               f"--hash-offset={info['hash_start_block'] * 4096}", target / "root.img", target / "root.img", info["root_hash"]]
    assert subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0
    with open(target / "root.img", "r+b") as image:
        image.seek(info["data_blocks"] * 4096 - 1)
        last = image.read(1)[0]
        image.seek(-1, os.SEEK_CUR)
        image.write(bytes([last ^ 1]))
    assert subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0


def test_the_description_says_what_the_kernel_needs(bench):
    target, info = bench.build()
    assert info["size"] == (target / "root.img").stat().st_size and info["size"] % 4096 == 0
    assert info["sectors"] == info["data_blocks"] * 8 and info["hash_start_block"] == info["data_blocks"]
    part = "@DEVICE@"
    assert info["dm_create"] == (
        f"root,,,ro,0 {info['sectors']} verity 1 {part} {part} 4096 4096 {info['data_blocks']} {info['hash_start_block']} "
        f"sha256 {info['root_hash']} {info['salt']} 1 restart_on_corruption")


# ---------------------------------------------------------------------------------------------- mistakes are told

def test_a_missing_package_is_told_with_file_and_line(bench):
    bench.write("packages", "# comment\nhello a\nabsent b\n")
    assert "recipe/packages:3: package absent is missing" in bench.refused()


def test_a_rule_that_matches_nothing_is_told_with_file_and_line(bench):
    bench.write("keep", "hello /usr/bin/hello a\n\nhello /usr/bin/nothing* b\n")
    assert "recipe/keep:3: /usr/bin/nothing* matches nothing in package hello" in bench.refused()


def test_a_rule_without_a_reason_is_refused(bench):
    bench.write("keep", "hello /usr/bin/hello\n")
    assert "recipe/keep:1: expected 3 fields" in bench.refused()


def test_a_package_of_which_nothing_is_kept_is_refused(bench):
    make_deb(bench.debs, "idle", {"usr/bin/idle": ("x\n", 0o755)})
    bench.write("packages", "hello a\nidle b\n")
    assert "recipe/packages:2: nothing of package idle is kept" in bench.refused()


def test_two_versions_of_a_package_are_refused(bench):
    shutil.copy(bench.debs / "hello_1_arm64.deb", bench.debs / "hello_2_arm64.deb")
    assert "package hello is there more than once" in bench.refused()


def test_a_set_uid_mode_cannot_be_asked_for(bench):
    tool = bench.base / "tool"
    tool.write_text("tool\n")
    assert "mode 4755 is not allowed" in bench.refused(adds=[f"{tool}:/usr/bin/tool:4755"])


def test_a_link_that_leads_nowhere_is_refused(bench):
    bench.write("layout", "link /etc/lost ../usr/lib/lost\n")
    assert "recipe/layout:1: link /etc/lost -> ../usr/lib/lost leads nowhere" in bench.refused()


def test_a_link_into_what_is_filled_at_run_time_is_fine(bench):
    bench.write("layout", "dir /proc 0555\nlink /etc/mtab ../proc/self/mounts\n")
    bench.build()


def test_a_script_without_its_interpreter_is_refused(bench):
    make_deb(bench.debs, "script", {"usr/bin/script": ("#!/bin/sh -e\n", 0o755)})
    bench.write("packages", "hello a\nscript b\n")
    bench.write("keep", "hello /usr/bin/hello a\nscript /usr/bin/script b\n")
    assert "/usr/bin/script is a script for /bin/sh, which is not in the image" in bench.refused()


def test_naming_a_path_twice_in_one_recipe_is_refused(bench):
    bench.write("files/usr/bin/hello", "mine\n")
    assert "/usr/bin/hello is already there" in bench.refused()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a compiler")
class TestLibraries:
    def with_library(self, bench, needed, reason="used"):
        library = bench.base / "liba.so.1"
        shared_library(library, "liba.so.1", needed)
        make_deb(bench.debs, "liba", {"usr/lib/liba.so.1": (library.read_bytes(), 0o644)})
        bench.write("packages", "hello a\nliba b\n")
        bench.write("keep", f"hello /usr/bin/hello a\nliba /usr/lib/liba.so.1 {reason}\n")

    def test_a_missing_library_is_told(self, bench):
        self.with_library(bench, ["libgone.so.7"], "loaded by dlopen")
        assert "/usr/lib/liba.so.1 needs libgone.so.7, which is not in the image" in bench.refused()

    def test_a_library_that_nothing_needs_is_refused(self, bench):
        self.with_library(bench, [])
        assert "/usr/lib/liba.so.1 is a library that nothing needs" in bench.refused()

    def test_a_library_that_is_loaded_at_run_time_is_kept_when_the_reason_says_so(self, bench):
        self.with_library(bench, [], "loaded by dlopen")
        _target, info = bench.build()
        assert info["elf"] == 1
