# SPDX-License-Identifier: Apache-2.0
"""What is in the slots of a gateway, as its flash and its disk have it on the host."""

from pathlib import Path

from kapu.build import SLOT_SIZE
from kapu.instance import SLOTS, Instance

FLASH, DISK = "slots.img", "disk.img"


def holds(instance: Instance, slot: str, package: Path, root: Path) -> bool:
    """Whether firmware slot and root partition begin with these, byte for byte, hash tree included."""
    places = ((FLASH, SLOTS.index(slot) * SLOT_SIZE, package), (DISK, instance.root_offset(slot), root))
    return all(_begins(instance.folder / file, at, content.read_bytes()) for file, at, content in places)


def _begins(file: Path, at: int, content: bytes) -> bool:
    with open(file, "rb") as image:
        image.seek(at)
        return image.read(len(content)) == content
