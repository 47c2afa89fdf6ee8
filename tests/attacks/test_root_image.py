# SPDX-License-Identifier: Apache-2.0
"""Attacks on the root partition: what does not hash to the signed root hash is never used.

The kernel resets at the first corrupt block. test_bite.py shows the same change reaching user
space when the signed command line does not ask for verification.
"""

import json

import pytest

from kapu.fip import image_place
from kapu.paths import BUILD
from shares import share

BOOT_SECONDS = 900
BLOCK = 4096
CORRUPT = r"verity: \d+:\d+: (data|metadata) block \d+ is corrupted"


def damage(instance, slot: str, block: int, offset: int = 100) -> None:
    """Flip a bit of a block of a slot's root partition."""
    with open(instance.folder / "disk.img", "r+b") as disk:
        at = instance.root_offset(slot) + block * BLOCK + offset
        disk.seek(at)
        byte = disk.read(1)[0]
        disk.seek(at)
        disk.write(bytes([byte ^ 0x10]))


def root_facts() -> dict:
    return json.loads((BUILD / "gateway" / "root.json").read_text())


def init_block() -> int:
    """A block that the boot must read: in the middle of what is run as process 1."""
    image = (BUILD / "gateway" / "root.img").read_bytes()
    program = (BUILD / "gateway" / "root-tree/usr/lib/systemd/systemd").read_bytes()
    at = image.index(program[:BLOCK])
    return at // BLOCK


@pytest.mark.parametrize("what", share(["superblock", "program", "hash tree root", "hash tree leaf"]))
def test_a_changed_root_image_leads_to_reset(make_instance, what):
    instance = make_instance()
    facts = root_facts()
    block = {"superblock": 0, "program": init_block(),
             "hash tree root": facts["hash_start_block"],
             "hash tree leaf": facts["hash_start_block"] + 1}[what]
    # The erofs superblock starts 1024 bytes into block 0; a leaf that covers block 0 is always read.
    damage(instance, "a", block, 1024 + 4 if what == "superblock" else 5)
    instance.machine.start(reboot=False)
    instance.machine.wait_for(CORRUPT, BOOT_SECONDS)
    instance.machine.wait_for_end(60)
    assert "KAPU-STATUS" not in instance.machine.text()


@pytest.mark.share(4)
def test_a_root_image_of_another_release_leads_to_reset(make_instance):
    """Valid in itself, with a hash tree of its own, but not what the firmware names."""
    instance = make_instance()
    other = bytearray((BUILD / "gateway" / "root.img").read_bytes())
    other[1024 + 4] ^= 0x10
    forged = instance.folder / "forged.img"
    forged.write_bytes(other)
    instance.write_root("a", forged)
    instance.machine.start(reboot=False)
    instance.machine.wait_for(CORRUPT, BOOT_SECONDS)
    instance.machine.wait_for_end(60)
    assert "KAPU-STATUS" not in instance.machine.text()


def test_the_partition_of_the_other_slot_is_not_used(make_instance):
    """Slot A boots with root partition A even when B's content is damaged."""
    instance = make_instance()
    damage(instance, "b", 0, 1024)
    instance.machine.start(reboot=False)
    instance.machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS)


@pytest.mark.share(2)
def test_slot_b_boots_from_its_own_partition(make_instance):
    """Slot A has a bad kernel and a bad root partition: B must need neither."""
    instance = make_instance()
    damage(instance, "a", 0, 1024 + 4)
    place = image_place(instance.folder / "slots.img", 0, "linux")
    with open(instance.folder / "slots.img", "r+b") as slots:
        slots.seek(place.offset + place.size // 2)
        slots.write(b"attack")
    instance.machine.start()
    instance.machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS)
    console = instance.machine.text()
    assert "slot A refused: BL33 (Linux)" in console and "slot B: all images verified" in console
    assert "on dm-verity, PARTLABEL=kapu-root-b" in console
    assert "slot B, confirmed, security counter" in console  # what the secure world says runs


@pytest.mark.share(3)
def test_a_corrupt_root_image_gives_way_to_the_other_slot(make_instance):
    """Firmware A is good, its root is not: Linux resets, and after three starts slot B is used."""
    instance = make_instance()
    damage(instance, "a", init_block())
    instance.machine.start()
    instance.machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS)
    console = instance.machine.text()
    assert console.count("kapu: slot A: all images verified") == 3
    assert "on dm-verity, PARTLABEL=kapu-root-b" in console
    assert "slot B, confirmed, security counter" in console  # what the secure world says runs
