# SPDX-License-Identifier: Apache-2.0
"""Whether a slot holds a release is seen in flash and on disk, to the last byte."""

from types import SimpleNamespace

import pytest

import slots
from kapu.build import SLOT_SIZE
from kapu.instance import ROOT_PARTITION_MIB, SLOTS, sparse_file, write_at

MIB = 1 << 20
FIRMWARE, ROOT = b"firmware" * 1000, b"root image and hash tree" * 1000


def root_offset(slot: str) -> int:
    return (1 + SLOTS.index(slot) * ROOT_PARTITION_MIB) * MIB


@pytest.fixture
def gateway(tmp_path):
    """Its slot B holds the release."""
    made = SimpleNamespace(folder=tmp_path, root_offset=root_offset)
    sparse_file(tmp_path / slots.FLASH, 2 * SLOT_SIZE)
    sparse_file(tmp_path / slots.DISK, 300 * MIB)
    for name, content, file, at in (("package", FIRMWARE, slots.FLASH, SLOT_SIZE), ("root", ROOT, slots.DISK, root_offset("b"))):
        (tmp_path / name).write_bytes(content)
        write_at(tmp_path / file, at, tmp_path / name, MIB)
    return made


def holds(gateway, slot: str) -> bool:
    return slots.holds(gateway, slot, gateway.folder / "package", gateway.folder / "root")


def test_a_slot_holds_what_was_written_into_it(gateway):
    assert holds(gateway, "b") and not holds(gateway, "a")


@pytest.mark.parametrize("file, at", [(slots.FLASH, SLOT_SIZE), (slots.FLASH, SLOT_SIZE + len(FIRMWARE) - 1),
                                      (slots.DISK, root_offset("b")), (slots.DISK, root_offset("b") + len(ROOT) - 1)])
def test_one_byte_less_is_seen(gateway, file, at):
    with open(gateway.folder / file, "r+b") as image:
        image.seek(at)
        image.write(b"\0")
    assert not holds(gateway, "b")
