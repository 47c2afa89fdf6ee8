# SPDX-License-Identifier: Apache-2.0
"""Kinds: missing data is reported as tampering; damage is mistaken for a finding.

`kapu inspect` on the model kernel (tests/support/model_image.c) in each format in which tools write memory, whole, cut,
with holes, and changed; on files of other formats; and with profiles and allow-lists that are damaged or of another
build. What could not be looked at is exit status 2 and a sentence, never a finding; what is wrong is found all the same.
"""

import json
import random
import re
import shutil
import subprocess
import zlib

import pytest

import dumps
import edges
import native
from kapu.paths import ROOT

MISSING, DAMAGE = "missing data", "reference data"
MIB = 1 << 20
FLIPS = 24
SEED = 15


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


def parts(*mib: tuple[int, int]):
    """(first, end) in MiB of RAM."""
    return [(dumps.BASE + first * MIB, (end - first) * MIB) for first, end in mib]


HALF = dumps.SIZE // 2
# Of each format: how it is written, whole.
WHOLE = {
    "raw": dumps.raw,
    "raw from address 0": lambda path, ram: dumps.raw(path, ram, base=0),
    "ELF core": dumps.elf,
    "ELF core, parts in another order": lambda path, ram: dumps.elf(path, ram, parts=parts((512, 1024), (0, 1), (1, 512))),
    "ELF core, parts twice": lambda path, ram: dumps.elf(path, ram, parts=parts((0, 600), (0, 1), (500, 1024))),
    "ELF core, many headers": lambda path, ram: dumps.elf(path, ram, many=True),
    "LiME": dumps.lime,
    "LiME, ranges": lambda path, ram: dumps.lime(path, ram, parts=parts((0, 1), (1, 1000), (1000, 1024))),
    "kdump, zlib": dumps.kdump,
    "kdump, blocks of 64 KiB": lambda path, ram: dumps.kdump(path, ram, block=65536),
    "kdump, zstd": lambda path, ram: dumps.kdump(path, ram, block=65536, flags=dumps.ZSTD, pack=zstd),
    "kdump, not compressed": lambda path, ram: dumps.kdump(path, ram, block=65536, flags=0, pack=lambda data: data),
    "kdump without zeros": lambda path, ram: dumps.kdump(path, ram, block=65536, level=1, absent=range(16, 16384)),
    "kdump, flattened": lambda path, ram: dumps.flattened(path, dumps.kdump(path.with_name("plain"), ram, block=65536)),
}
# The same without some of RAM that the checks need or do not need.
LACKING = {
    "raw, 1023 of 1024 MiB": lambda path, ram: dumps.raw(path, ram, size=1023 * MIB),
    "raw, the first MiB": lambda path, ram: dumps.raw(path, ram, size=MIB),
    "raw from address 0, half": lambda path, ram: dumps.raw(path, ram, base=0, size=HALF),
    "ELF core of the first half": lambda path, ram: dumps.elf(path, ram, size=HALF),
    "ELF core without 16 MiB": lambda path, ram: dumps.elf(path, ram, parts=parts((0, 300), (316, 1024))),
    "ELF core without a page of text": lambda path, ram: dumps.elf(path, ram, parts=[
        (dumps.BASE, 0x15000), (dumps.BASE + 0x16000, dumps.SIZE - 0x16000)]),
    "LiME without 16 MiB": lambda path, ram: dumps.lime(path, ram, parts=parts((0, 300), (316, 1024))),
    "kdump without blocks": lambda path, ram: dumps.kdump(path, ram, absent=range(0x15, 0x17)),
    "kdump without other pages": lambda path, ram: dumps.kdump(path, ram, block=65536, level=31, absent=range(16, 16384)),
}
# Files that are something else, or cannot be read here: their beginning, and what is said.
FOREIGN = {
    "lzo": (lambda path, ram: dumps.kdump(path, ram, block=65536, flags=dumps.LZO), "compressed by lzo"),
    "snappy": (lambda path, ram: dumps.kdump(path, ram, block=65536, flags=dumps.SNAPPY), "compressed by snappy"),
    "AVML": (lambda path, ram: dumps.lime(path, ram[:4096], version=2, size=4096), "compressed by AVML"),
    "LiME, other": (lambda path, ram: dumps.lime(path, ram[:4096], version=7, size=4096), "version that is not known"),
    "x86 core": (lambda path, ram: changed(dumps.elf(path, ram[:4096], size=4096), 18, 62), "64-bit Arm"),
    "program": (lambda path, ram: changed(dumps.elf(path, ram[:4096], size=4096), 16, 2), "ELF program"),
    "elsewhere": (lambda path, ram: dumps.elf(path, ram, parts=[(dumps.BASE, 4096)]) and rebased(path), "holds no memory"),
    "not whole pages": (lambda path, ram: written(path, ram[:-1]), "neither an ELF core nor raw memory"),
    **{name: (lambda path, ram, magic=magic: written(path, magic + ram), told) for name, magic, told in (
        ("gzip", b"\x1f\x8b", "compressed by gzip"), ("xz", b"\xfd7zXZ\0", "compressed by xz"),
        ("zstd", b"\x28\xb5\x2f\xfd", "compressed by zstd"), ("bzip2", b"BZh9", "compressed by bzip2"),
        ("lz4", b"\x04\x22\x4d\x18", "compressed by lz4"), ("zip", b"PK\3\4", "ZIP archive"),
        ("qcow2", b"QFI\xfb", "disk image"), ("vmdk", b"KDMV", "disk image"), ("migration", b"QEVM", "QEMU saved"),
        ("libvirt", b"LibvirtQemudSave", "libvirt saved"), ("windows", b"PAGEDU64", "Windows crash dump"),
        ("windows32", b"PAGEDUMP", "Windows crash dump"), ("minidump", b"MDMP", "minidump"),
        ("diskdump", b"DISKDUMP", "old format"), ("vmware", b"\xd2\xbe\xd2\xbe", "VMware saved"),
        ("ewf", b"EVF\x09\x0d\x0a\xff\0", "EWF"))},
}


def written(path, data: bytes):
    path.write_bytes(data)
    return path


def changed(path, at: int, value: int):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(bytes([value]))
    return path


def rebased(path):
    """The only part of a core, at an address where a gateway has no RAM."""
    at = dumps.ELF_HEAD.size + dumps.ELF_SECTION.size + dumps.ELF_PART.size
    return changed(changed(path, at + 27, 0), at + 26, 9)


class World:
    def __init__(self, folder):
        self.folder = folder
        self.kapu, self.image = native.programs("operator/kapu/kapu", "tests/support/model_image")
        self.ram = {}
        for name in ("clean", "changed", "starting"):
            (folder / name).mkdir()
            subprocess.run([self.image, folder / name, *([] if name == "clean" else [name])], check=True)
            self.ram[name] = (folder / name / "ram").read_bytes()
        self.release = folder / "clean"

    def inspect(self, *words) -> subprocess.CompletedProcess:
        return subprocess.run([self.kapu, "inspect", "--release", self.release, *words], capture_output=True, text=True,
                              check=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("dumps"))


def found(report: dict) -> set[str]:
    return {finding["id"] for finding in report["findings"]}


@pytest.mark.share(2)
def test_each_whole_memory_is_read(world, tmp_path):
    with edges.Cases(f"{MISSING}: whole") as cases:
        for name, write in WHOLE.items():
            for state, status, ids in (("clean", 0, set()), ("changed", 1, {"state.ptrace", "text.page"})):
                done = world.inspect("--json", write(tmp_path / "dump", world.ram[state]))
                cases.check(done.returncode == status and not done.stderr and found(json.loads(done.stdout)) == ids and
                            json.loads(done.stdout)["absent"] == [], f"{name}, {state}: {done}")


@pytest.mark.share(6)
def test_memory_that_is_not_in_the_file_is_no_finding(world, tmp_path):
    """And what is wrong in the rest is one."""
    with edges.Cases(f"{MISSING}: lacking") as cases:
        for name, write in LACKING.items():
            for state, status, ids in (("clean", 2, set()), ("changed", 1, {"state.ptrace", "text.page"})):
                path = write(tmp_path / "dump", world.ram[state])
                done = world.inspect("--json", path)
                report = json.loads(done.stdout)
                cases.check(done.returncode == status and found(report) == ids and report["absent"] and
                            f"{path}: " in done.stderr and "KiB of the memory are not in the file" in done.stderr,
                            f"{name}, {state}: {done.stderr} {found(report)}")


@pytest.mark.share(1)
def test_a_file_that_is_cut_anywhere_is_no_finding(world, tmp_path):
    """Each format, cut at places of its beginning: what it has is looked at, what it lacks is said."""
    random_ = random.Random(SEED)
    with edges.Cases(f"{MISSING}: cut") as cases:
        for name, write in WHOLE.items():
            if name in ("ELF core, many headers", "ELF core, parts twice"):
                continue  # ends with what is there already
            whole = write(tmp_path / "dump", world.ram["clean"])
            size = whole.stat().st_size
            inside = min(size, 3 * MIB)
            for at in [size - 1, *(random_.randrange(1, inside) for _ in range(2))]:
                at = at // 4096 * 4096 or 4096 if name.startswith("raw") else at
                with open(whole, "r+b") as file:
                    file.truncate(at)
                done = world.inspect("--quiet", whole)
                cases.check(done.returncode == 2 and not done.stdout and str(whole) in done.stderr,
                            f"{name}, {at} of {size}: {done}")
                write(tmp_path / "dump", world.ram["clean"])


def test_zeros_in_the_place_of_memory_are_no_finding(world, tmp_path):
    """Bytes that a tool could not read and wrote as zeros. What is not in them is judged."""
    first, end = 0x13000, 0x17000  # of text, all in one place, and the changed byte next to it
    with edges.Cases(f"{MISSING}: zeros") as cases:
        for state, status, ids in (("clean", 2, set()), ("changed", 1, {"state.ptrace"})):
            ram = world.ram[state]
            path = dumps.raw(tmp_path / "dump", ram[:first] + bytes(end - first) + ram[end:])
            done = world.inspect("--json", path)
            report = json.loads(done.stdout)
            cases.check(done.returncode == status and found(report) == ids and "zeros there" in done.stderr,
                        f"{state}: {done.stderr} {report['findings']}")


def test_what_is_no_memory_of_a_gateway_is_named(world, tmp_path):
    with edges.Cases(f"{MISSING}: formats") as cases:
        for name, (write, told) in FOREIGN.items():
            path = tmp_path / "file"
            write(path, world.ram["clean"])
            done = world.inspect(path)
            cases.check(done.returncode == 2 and not done.stdout and told in done.stderr and
                        done.stderr.startswith(f"kapu: {path}: ") and done.stderr.count("\n") == 1, f"{name}: {done}")
        done = world.inspect(tmp_path)
        cases.check(done.returncode == 2 and "is a folder" in done.stderr, f"folder: {done}")
        # each magic in the table of formats is a case above
        source = (ROOT / "operator/kapu/inspect_formats.c").read_text()
        cases.check(len(re.findall(r"^    OTHER\(", source, re.MULTILINE)) == len(FOREIGN) - 8, "a format has no case")
        cases.check(len(re.findall(r"^    MEMORY\(", source, re.MULTILINE)) == 4, "a format has no case in WHOLE")


def test_a_kernel_that_only_starts_is_not_judged(world, tmp_path):
    with edges.Cases(f"{MISSING}: state") as cases:
        done = world.inspect(dumps.raw(tmp_path / "dump", world.ram["starting"]))
        cases.check(done.returncode == 2 and not done.stdout and "had not started its first program" in done.stderr,
                    f"{done}")
        done = world.inspect(dumps.raw(tmp_path / "dump", bytes(MIB)))
        cases.check(done.returncode == 2 and "no kernel of this release" in done.stderr, f"{done}")


def test_addresses_are_the_platforms():
    header = (ROOT / "platform/qemu-virt/optee/platform.h").read_text()
    ours = (ROOT / "operator/kapu/inspect_memory.h").read_text()
    for theirs, name in (("PLATFORM_NORMAL_RAM", "MEMORY_RAM_BASE"), ("PLATFORM_NORMAL_RAM_SIZE", "MEMORY_RAM_SIZE")):
        value = re.search(rf"#define {theirs} (0x[0-9a-f]+)", header).group(1)
        assert re.search(rf"#define {name} (0x[0-9a-f]+)", ours).group(1) == value


# ---- profile and allow-list ----

def test_flipped_bits_of_profile_and_allow_list_are_named(world, tmp_path):
    """Before any check runs: nothing is printed. All flips: tests/unit/test_introspect_absent.c."""
    random_ = random.Random(SEED)
    dump = dumps.raw(tmp_path / "dump", world.ram["clean"])
    with edges.Cases(f"{DAMAGE}: flips") as cases:
        for name, option in (("kernel.profile", "--profile"), ("allow.list", "--allow")):
            good = (world.release / name).read_bytes()
            path = tmp_path / name
            for bit in [None, *random_.sample(range(8 * len(good)), FLIPS), None]:
                data = bytearray(good)
                if bit is not None:
                    data[bit // 8] ^= 1 << bit % 8
                path.write_bytes(data)
                done = world.inspect(option, path, dump)
                if bit is None:
                    cases.check(done.returncode == 0 and not done.stderr, f"{name}, control: {done}")
                else:
                    cases.check(done.returncode == 2 and not done.stdout and done.stderr.startswith(f"kapu: {path}: ") and
                                done.stderr.count("\n") == 1, f"{name}, bit {bit}: {done}")
            for what, data, told in (("cut", good[:-1], "was cut"), ("more", good + b"\0", "something was added"),
                                     ("twice", good + good, "something was added"),
                                     ("other", b"x" * 600, "is not a"), ("version", good[:8] + b"\x09" + good[9:],
                                                                         "another version")):
                path.write_bytes(data)
                done = world.inspect(option, path, dump)
                cases.check(done.returncode == 2 and told in done.stderr and str(path) in done.stderr and not done.stdout,
                            f"{name}, {what}: {done}")


def test_an_allow_list_of_another_build_is_one_sentence(world, tmp_path):
    dump = dumps.raw(tmp_path / "dump", world.ram["clean"])
    other = tmp_path / "allow.list"
    with edges.Cases(f"{DAMAGE}: another build") as cases:
        subprocess.run([world.image, tmp_path, "other"], check=True)
        done = world.inspect("--allow", other, dump)
        cases.check(done.returncode == 2 and not done.stdout and done.stderr ==
                    f"kapu: {other}: this allow-list is of another build than {world.release}/kernel.profile\n", f"{done}")
        done = world.inspect("--profile", tmp_path / "kernel.profile", "--allow", other, dump)
        cases.check(done.returncode == 0, f"control, both of one build: {done}")
