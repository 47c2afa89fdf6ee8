# SPDX-License-Identifier: Apache-2.0
"""tools/kapu/windows.py: a load window over memory in use fails the build, which names both."""

import re
import shutil
import struct
import subprocess

import pytest
from elftools.elf.elffile import ELFFile

from kapu import build, windows
from kapu.errors import KapuError
from kapu.paths import ROOT
from kapu.steps import Quiet
from kapu.windows import BL1_TABLE, BL2_TABLE, Region, Stage, conflicts, start_conflicts

SECURE, NORMAL = Region("secure", 0x0e000000, 0x1000000), Region("normal", 0x40000000, 0x40000000)
BL1 = [Region("BL1 .text", 0, 0x14000), Region("BL1 .data", 0x0e0ee000, 0x209),
       Region("BL1 .xlat_table", 0x0e0f6000, 0x6000)]
BL2 = [Region("BL2 .text", 0x0e05b000, 0x12000), Region("BL2 .stacks", 0x0e071540, 0x3000)]
BL31 = [Region("BL31 .text", 0x0e090000, 0xb000), Region("BL31 .bss", 0x0e0bd080, 0xade0)]
IN_USE = [Region("event_log", 0x0e002000, 0x1000), Region("hardware_device_tree", 0x40000000, 0x100000)]
GOOD = {"bl2": Region("bl2", 0x0e05b000, 0x35000), "bl31": Region("bl31", 0x0e090000, 0x5e000),
        "optee": Region("optee", 0x0e100000, 0xf00000), "linux": Region("linux", 0x40200000, 0x3000000),
        "device-tree": Region("device-tree", 0x44000000, 0x10000)}


def found(**changed: tuple[int, int]) -> list[str]:
    changed = {name.replace("_", "-"): Region(name.replace("_", "-"), *at) for name, at in changed.items()}
    return conflicts(GOOD | changed, BL1, BL2, IN_USE, SECURE, NORMAL)


def test_windows_that_cover_nothing_are_accepted():
    assert found() == [] and start_conflicts(GOOD, BL2, BL31, IN_USE) == []


@pytest.mark.parametrize("image, at, other", [
    ("bl31", (0x0e090000, 0x70000), "BL1 .data (0x0e0ee000 to 0x0e0ee209)"),  # as it was
    ("bl31", (0x0e090000, 0x5e001), "BL1 .data"),
    ("bl31", (0x0e090000, 0x70000), "BL1 .xlat_table"),
    ("bl2", (0x0e05b000, 0x93001), "BL1 .data"),
    ("bl31", (0x0e070000, 0x1541), "BL2 .stacks"),
    ("device_tree", (0x44000000, 0x10000), None),
    ("device_tree", (0x400ff000, 0x10000), "hardware_device_tree"),
    ("optee", (0x0e002fff, 1), "event_log"),
    ("linux", (0x40000000, 0x100001), "hardware_device_tree"),
    ("linux", (0x40200000, 0x3e00001), "device-tree"),
    ("optee", (0x0e0edfff, 0x20000), "bl31"),
    ("linux", (0x7fff0000, 0x20000), "not in normal"),
    ("linux", (0x0e100000, 0x1000), "not in normal"),
    ("optee", (0x0eff0000, 0x20000), "not in secure"),
    ("bl31", (0x40000000, 0x5e000), "not in secure"),
    ("device_tree", (0x44000000, 0), "not in normal"),
])
def test_a_window_over_memory_in_use_is_named_with_what_it_covers(image, at, other):
    said = found(**{image: at})
    if other is None:
        assert said == []
    else:
        assert any(image.replace("_", "-") in line and other in line for line in said), said


@pytest.mark.parametrize("section, other", [
    (Region("BL31 .bss", 0x0e0f0000, 0x11000), "the loaded optee"),
    (Region("BL31 .bss", 0x0e071000, 0x1000), "BL2 .stacks"),
    (Region("BL31 .bss", 0x0e001000, 0x1001), "event_log"),
])
def test_memory_that_bl31_clears_over_what_waits_for_it_is_named(section, other):
    said = start_conflicts(GOOD, BL2, BL31 + [section], IN_USE)
    assert any(section.name in line and other in line for line in said), said


def test_regions_that_touch_do_not_overlap():
    one, other = Region("one", 0x1000, 0x1000), Region("other", 0x2000, 0x1000)
    assert not one.overlaps(other) and not other.overlaps(one)
    assert one.overlaps(Region("x", 0x1fff, 1)) and Region("x", 0, 0x5000).overlaps(one)
    assert not one.overlaps(Region("empty", 0x1800, 0))


# ---- real ELF files: small ones, made by the compiler that makes the stages

SOURCE = """
struct node {{ unsigned id; char p[12]; unsigned long base; unsigned size, max; char q[152]; }};
struct node images_to_load[] = {{ {rows} }};
struct desc {{ unsigned id; char p[20]; unsigned long base; unsigned size, max; char q[88]; }};
struct desc bl2_to_load = {{ 1, {{0}}, 0x0e05b000, 0, {bl2_max} }};
char stack[0x3000];
asm(".globl kapu_in_use.event_log.base, kapu_in_use.event_log.size\\n"
    ".set kapu_in_use.event_log.base, 0x0e002000\\n.set kapu_in_use.event_log.size, 4096\\n"
    ".globl kapu_ram.secure.base, kapu_ram.secure.size, kapu_ram.normal.base, kapu_ram.normal.size\\n"
    ".set kapu_ram.secure.base, 0x0e000000\\n.set kapu_ram.secure.size, 0x1000000\\n"
    ".set kapu_ram.normal.base, 0x40000000\\n.set kapu_ram.normal.size, 0x40000000\\n");
int _start(void) {{ return images_to_load[0].id + bl2_to_load.id + stack[0]; }}
"""
WINDOWS = {3: (0x0e090000, 0x5e000), 4: (0x0e100000, 0xf00000), 27: (0x44000000, 0x10000),
           5: (0x40200000, 0x3000000)}


def make(folder, *, changed=None, bl2_max=0x35000, at=None):
    """bl1.elf, bl2.elf and bl31.elf with these windows, linked at these addresses."""
    rows = ", ".join(f"{{ {number}, {{0}}, {base}, 0, {size} }}"
                     for number, (base, size) in (WINDOWS | (changed or {})).items())
    (folder / "stage.c").write_text(SOURCE.format(rows=rows, bl2_max=bl2_max))
    for name, address in ({"bl1": 0x0e0ee000, "bl2": 0x0e05b000, "bl31": 0x0e090000} | (at or {})).items():
        subprocess.run(["aarch64-linux-gnu-gcc", "-O1", "-ffreestanding", "-nostdlib", "-static",
                        f"-Wl,-Ttext={address:#x},--build-id=none,-z,noseparate-code,-z,norelro,-N",
                        folder / "stage.c", "-o", folder / f"{name}.elf"], check=True)
    return folder


def test_stages_as_they_should_be_are_proved(tmp_path):
    windows.prove(make(tmp_path))
    assert Stage("BL1", tmp_path / "bl1.elf").windows(BL1_TABLE) == [Region("bl2", 0x0e05b000, 0x35000)]
    assert {w.name for w in Stage("BL2", tmp_path / "bl2.elf").windows(BL2_TABLE)} == set(GOOD) - {"bl2"}


@pytest.mark.parametrize("options, said", [
    ({"changed": {3: (0x0e090000, 0x70000)}}, r"load window of bl31 .* covers BL1 \."),
    ({"changed": {4: (0x0e002000, 0x1000)}}, "load window of optee .* covers event_log"),
    ({"changed": {5: (0x43fff000, 0x2000)}}, "load windows of .*device-tree .*linux .*overlap"),
    ({"bl2_max": 0x94000}, r"load window of bl2 .* covers BL1 \."),
    ({"bl2_max": 0x100}, "BL2 has memory outside of bl2"),
    ({"at": {"bl1": 0x0e0ed000}}, r"load window of bl31 .* covers BL1 \."),
    ({"at": {"bl31": 0x0e0ff000}}, r"BL31 \S+ .* covers the loaded optee"),
    ({"changed": {99: (0, 1)}}, "loads an image with the identifier 99"),
])
@pytest.mark.dealt
def test_a_stage_with_a_window_over_something_fails_the_build(tmp_path, options, said):
    with pytest.raises(KapuError, match=said):
        windows.prove(make(tmp_path, **options))


def test_op_tee_means_the_same_addresses_as_the_boot_stages():
    theirs = dict(re.findall(r"#define (PLATFORM_\w+) (0x[0-9a-f]+)UL",
                             (ROOT / "platform/qemu-virt/optee/platform.h").read_text()))
    ours = (ROOT / "platform/qemu-virt/tf-a/include/platform_def.h").read_text()
    bl_ram = 0x0e001000  # BL_RAM_BASE of TF-A's platform_def.h for QEMU
    for name, there in (("EVENT_LOG", "KAPU_EVENT_LOG_BASE"), ("LAST_WORDS", "KAPU_LAST_WORDS_BASE")):
        offset = re.search(rf"#define {there} \(BL_RAM_BASE \+ (0x[0-9a-f]+)\)", ours).group(1)
        assert int(theirs[f"PLATFORM_{name}"], 16) == bl_ram + int(offset, 16)


# ---- the stages that were built

@pytest.fixture(scope="module")
def built():
    release = build.release()
    release.tfa.build(Quiet())
    return release.tfa.out


def patched(built, folder, image: int, base: int | None = None, size: int | None = None):
    """The built stages with another window for an image in BL2's table."""
    for name in ("bl1", "bl2", "bl31"):
        shutil.copy(built / f"{name}.elf", folder)
    path = folder / "bl2.elf"
    with open(path, "rb") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".symtab").get_symbol_by_name("images_to_load")[0]
        data = elf.get_section_by_name(".data")
        at = table["st_value"] - data["sh_addr"] + data["sh_offset"]
    content = bytearray(path.read_bytes())
    row = next(r for r in range(at, at + table["st_size"], BL2_TABLE["row"])
               if int.from_bytes(content[r:r + 4], "little") == image)
    if base is not None:
        struct.pack_into("<Q", content, row + BL2_TABLE["base"], base)
    if size is not None:
        struct.pack_into("<I", content, row + BL2_TABLE["max"], size)
    path.write_bytes(content)
    return folder


def test_the_built_stages_are_proved(built, tmp_path):
    windows.prove(built)
    windows.prove(patched(built, tmp_path, 3, size=0x5e000))  # as it is: patching alone breaks nothing


@pytest.mark.parametrize("image, change, said", [
    (3, {"size": 0x70000}, r"load window of bl31 .* covers BL1 \.data"),  # as it was
    (3, {"size": 0x5e001}, r"load window of bl31 .* covers BL1 \.data"),
    (3, {"base": 0x0e070000, "size": 0x1000}, r"load window of bl31 .* covers BL2 \.rodata"),
    (4, {"base": 0x0e003000, "size": 0x1000}, "load window of optee .* covers last_words"),
    (4, {"base": 0x0e000000, "size": 0x1000}, "load window of optee .* covers mailbox_and_handover"),
    (5, {"base": 0x400fffff}, "load window of linux .* covers hardware_device_tree"),
    (5, {"size": 0x3e01000}, "load windows of device-tree .* and linux .* overlap"),
    (27, {"base": 0x0e100000}, "load window of device-tree .* is not in normal"),
])
@pytest.mark.dealt
def test_the_built_stages_with_another_window_are_refused(built, tmp_path, image, change, said):
    with pytest.raises(KapuError, match=said):
        windows.prove(patched(built, tmp_path, image, **change))
