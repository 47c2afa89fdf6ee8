# SPDX-License-Identifier: Apache-2.0
"""The attack tests can fail: with verification taken out, each kind of attack gets through.

The firmware here is the real one but for no-verification.patch, for the TPM (tests/bench/no-tpm), or
for no-cap.patch; the root image attack meets a signed command line that does not ask for dm-verity.
"""

import shutil
import struct
import subprocess
import time

import pytest

from attacks.test_boot_chain import CERTIFICATES, IMAGES, PARTS, mix
from attacks.test_root_of_trust import NOW, OLD, helper, stopped_after_boot
from attacks.test_table_mutations import Debugged, small_package
from board import BASE, Board, Firmware
from e2e.test_lab import AVB_TA, ITEM_NOT_FOUND, offer, opened, tee_program
from guest import Guest, Kernel, inspect
from kapu import build, tpm
from kapu.paths import BUILD, ROOT, host_environment
from kapu.steps import Progress
from monitored import Monitor
from shell import Shell
from shares import share
from tpm_bus import TpmBus
from watched import ship, watched_instance

PATCH = ROOT / "tests" / "attacks" / "no-verification.patch"
BOOT_SECONDS = 900
NOP = struct.pack("<I", 0xd503201f)
WATCHED_SECONDS = 12  # two passes over all pages


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


@pytest.mark.parametrize("name", share(list(CERTIFICATES | IMAGES)))
def test_without_verification_a_flipped_bit_boots(weak_board, name):
    place = weak_board.place("a", name)
    if name in ("bl2", "device-tree"):  # what runs or is parsed must stay whole: damage its tail
        content = weak_board.read(place.offset, place.size)
        weak_board.write(BASE["a"] + (24 << 20), content + b"more")
        weak_board.write(place.entry + 16, struct.pack("<QQ", 24 << 20, place.size + 4))
    else:
        weak_board.flip(place.offset + place.size // 3)
    assert "kapu: slot A: all images verified" in weak_board.run()


@pytest.mark.share(1)
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


@pytest.mark.share(2)
def test_without_its_release_in_each_certificate_parts_of_two_boot_together(firmware, factory, tmp_path):
    """What test_parts_of_two_releases_never_boot_together sees refused."""
    step = build.tfa_step("tf-a-no-release-identity", firmware.release.native,
                          ROOT / "tests" / "attacks" / "no-release-identity.patch")
    step.build(Progress())
    images = {name: step.out / f"{name}.bin" for name in ("bl2", "bl31")}
    longer = tmp_path / "longer"
    longer.write_bytes(firmware.images["linux"].read_bytes() + bytes(4096))
    older = firmware.make(tmp_path / "older", images=images)
    newer = firmware.make(tmp_path / "newer", images=images | {"linux": longer})
    board = Board(tmp_path / "board", step.out / "bl1.bin", older, factory)
    try:
        mix(board, "a", older, newer, PARTS["Linux"])
        assert "kapu: slot A: all images verified" in board.run()
    finally:
        board.destroy()


@pytest.mark.share(3)
def test_without_counters_in_the_tpm_old_firmware_boots(firmware, factory, tmp_path):
    """What test_the_counter_that_a_board_has_is_the_least_that_boots sees refused."""
    step = build.tfa_step("tf-a-no-tpm", firmware.release.native,
                          overlay=ROOT / "tests" / "bench" / "no-tpm")
    step.build(Progress())
    images = {name: step.out / f"{name}.bin" for name in ("bl2", "bl31")}
    old = firmware.make(tmp_path / "old", images=images, counter=OLD)
    board = Board(tmp_path / "board", step.out / "bl1.bin", old, factory)
    try:
        board.set_counter_base(board.counter_base() - NOW)
        assert "kapu: slot A: all images verified" in board.run()
    finally:
        board.destroy()


@pytest.mark.share(4)
def test_without_the_cap_linux_takes_the_key(firmware, factory, tmp_path):
    """What test_after_boot_nobody_gets_the_key_even_with_the_boards_fuses sees refused."""
    step = build.optee_variant(firmware.release, "optee-no-cap",
                               ROOT / "tests" / "attacks" / "no-cap.patch")
    step.build(Progress())
    package = firmware.make(tmp_path / "package", images={"optee": step.out / "optee.bin"})
    board = Board(tmp_path / "board", firmware.rom, package, factory)
    bus = TpmBus(board.machine)
    try:
        stopped_after_boot(board)
        bus.serve(board.folder / "raw.sock")
        result = helper("now", board.folder / "raw.sock", board.folder / tpm.FUSES)
        assert result.returncode == 0 and result.stdout.startswith("root "), result.stdout
    finally:
        board.destroy()
        bus.close()


@pytest.mark.share(5)
def test_without_the_watch_nobody_sees_what_is_gone_when_the_check_comes(firmware, tmp_path):
    """What test_a_change_that_is_gone_when_the_check_comes_was_seen_by_the_watch sees found."""
    step = build.optee_variant(firmware.release, "optee-no-watch",
                               ROOT / "tests" / "attacks" / "no-watch.patch")
    step.build(Progress())
    instance = watched_instance(tmp_path / "gw")
    ship(instance, firmware.make(tmp_path / "package", images={"optee": step.out / "optee.bin"}))
    monitor = Monitor(instance.machine)
    instance.machine.start()
    try:
        monitor.next_check(BOOT_SECONDS)
        monitor.next_check(BOOT_SECONDS)  # the watch looks, and the next check is half a minute away
        _, report = inspect("gateway", instance.folder)
        guest = Guest(instance.machine, Kernel("gateway"), report)
        guest.write(guest.symbol("vfs_read") + 64, NOP)
        time.sleep(WATCHED_SECONDS)
        guest.restore()
        assert monitor.next_check(BOOT_SECONDS).findings == []
    finally:
        instance.machine.stop()
        shutil.rmtree(instance.folder)


@pytest.mark.share(6)
def test_with_applications_from_linux_a_signed_one_is_loaded(make_instance, tmp_path):
    """What test_a_trusted_application_from_linux_is_not_loaded_however_it_is_signed sees refused."""
    firmware = Firmware("lab")
    step = build.optee_variant(firmware.release, "optee-ree-fs-ta", options=("CFG_REE_FS_TA=y",))
    step.build(Progress())
    instance = make_instance("lab")
    ship(instance, firmware.make(tmp_path / "package", images={"optee": step.out / "optee.bin"}))
    shutil.copy(tee_program(tmp_path, "open-ta"), instance.folder / "share")
    instance.machine.start()
    shell = Shell(instance.machine)
    shell.instance = instance
    assert opened(shell, AVB_TA) == ITEM_NOT_FOUND
    offer(shell, firmware.release.optee.needs[0].out / f"optee-os/out/ta/avb/{AVB_TA}.ta")
    assert opened(shell, AVB_TA) == "0x00000000"
    shell.close()


@pytest.mark.share(1)
def test_without_verity_a_changed_root_image_reaches_user_space(make_instance, firmware, tmp_path):
    line = "console=ttyAMA0 root=PARTLABEL=kapu-root-a rootfstype=erofs ro panic=-1"
    text = (ROOT / "platform/qemu-virt/dts/gateway.dts.in").read_text()
    source, tree = tmp_path / "weak.dts", tmp_path / "weak.dtb"
    source.write_text(text.replace("@BOOTARGS_A@", line).replace("@BOOTARGS_B@", line))
    subprocess.run(["dtc", "-I", "dts", "-O", "dtb", "-o", tree, source], check=True,
                   env=host_environment(), capture_output=True)
    instance = make_instance()
    ship(instance, firmware.make(tmp_path / "package", images={"device-tree": tree}))
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
