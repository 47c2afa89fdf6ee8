# SPDX-License-Identifier: Apache-2.0
"""The attack tests can fail: with verification taken out, each kind of attack gets through.

The firmware here is the real one but for no-verification.patch; the root image attack meets a
signed command line that does not ask for dm-verity.
"""

import struct
import subprocess

import pytest

from attacks.test_boot_chain import CERTIFICATES, IMAGES
from attacks.test_table_mutations import Debugged, small_package
from board import BASE, Board
from kapu import build
from kapu.paths import BUILD, ROOT, host_environment
from kapu.steps import Progress

PATCH = ROOT / "tests" / "attacks" / "no-verification.patch"
BOOT_SECONDS = 240


@pytest.fixture(scope="module")
def weak(firmware):
    """The images of the release, with a BL1 and BL2 that verify nothing."""
    step = build.tfa_step("tf-a-weakened", firmware.release.native, PATCH)
    step.build(Progress())
    return step.out


@pytest.fixture
def weak_board(firmware, weak, factory, tmp_path):
    package = firmware.make(tmp_path / "package",
                            images={name: weak / f"{name}.bin" for name in ("bl2", "bl31")})
    made = Board(tmp_path / "board", weak / "bl1.bin", package, factory)
    yield made
    made.destroy()


@pytest.mark.parametrize("name", CERTIFICATES | IMAGES)
def test_without_verification_a_flipped_bit_boots(weak_board, name):
    place = weak_board.place("a", name)
    if name in ("bl2", "device-tree"):  # what runs or is parsed must stay whole: damage its tail
        content = weak_board.read(place.offset, place.size)
        weak_board.write(BASE["a"] + (24 << 20), content + b"more")
        weak_board.write(place.entry + 16, struct.pack("<QQ", 24 << 20, place.size + 4))
    else:
        weak_board.flip(place.offset + place.size // 3)
    assert "kapu: slot A: all images verified" in weak_board.run()


def test_without_verification_a_mutated_table_loads_other_code(firmware, weak, factory, tmp_path):
    package, kernel = small_package(firmware, tmp_path, {name: weak / f"{name}.bin"
                                                         for name in ("bl2", "bl31")})
    board = Debugged(tmp_path / "board", weak / "bl1.bin", package, factory, slots="a")
    board.start()
    try:
        entry = board.place("a", "linux").entry
        head = bytearray(board.read(0, 4096))
        head[entry + 16] ^= 4  # its offset
        console = board.run_with(bytes(head))
        assert "slot A: all images verified" in console
        board.qmp.command("stop")
        assert board.loaded_memory(len(kernel)) != kernel
    finally:
        board.destroy()


def test_without_verity_a_changed_root_image_reaches_user_space(make_instance, firmware, tmp_path):
    line = "console=ttyAMA0 root=PARTLABEL=kapu-root-a rootfstype=erofs ro panic=-1"
    text = (ROOT / "platform/qemu-virt/dts/gateway.dts.in").read_text()
    source, tree = tmp_path / "weak.dts", tmp_path / "weak.dtb"
    source.write_text(text.replace("@BOOTARGS_A@", line).replace("@BOOTARGS_B@", line))
    subprocess.run(["dtc", "-I", "dts", "-O", "dtb", "-o", tree, source], check=True,
                   env=host_environment(), capture_output=True)
    instance = make_instance()
    instance.write_firmware("a", firmware.make(tmp_path / "package", images={"device-tree": tree}))
    image = (BUILD / "gateway" / "root.img").read_bytes()
    product = (BUILD / "gateway" / "root-tree/usr/lib/os-release").read_bytes()
    shown = b'PRETTY_NAME="'  # what kapu-status prints
    at = image.index(product) + product.index(shown) + len(shown)
    with open(instance.folder / "disk.img", "r+b") as disk:
        disk.seek(instance.root_offset("a") + at)
        disk.write(b"evil gateway")
    instance.machine.start(reboot=False)
    instance.machine.wait_for("^KAPU-STATUS", BOOT_SECONDS)
    assert "evil gateway" in instance.machine.text()
