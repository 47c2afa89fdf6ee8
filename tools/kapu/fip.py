# SPDX-License-Identifier: Apache-2.0
"""Where things lie in a firmware package. For tests and demos that damage one on purpose.

Layout: a 16 byte header, then 40 byte entries (UUID, offset, size, flags) up to a null UUID.
"""

import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

from .errors import KapuError

HEADER = struct.Struct("<IIQ")
ENTRY = struct.Struct("<16sQQQ")
MAGIC = 0xAA640001

# Images and certificates of our chain by their UUIDs (TF-A, firmware_image_package.h).
UUIDS = {
    "bl2": "5ff9ec0b4d22", "bl31": "47d4086d4cfe", "optee": "05d0e18953dc",
    "linux": "d6d0eea7fcea", "device-tree": "28da981593e8",
    "tb-fw-cert": "d6e269ea5d63", "trusted-key-cert": "827ee890f860",
    "soc-fw-key-cert": "8ab8beccf960", "soc-fw-cert": "e2b20c205e63",
    "tos-fw-key-cert": "9477d603fb60", "tos-fw-cert": "a49f44115e63",
    "nt-fw-key-cert": "8ad5832afb60", "nt-fw-cert": "8ec4c1f35d63",
}


@dataclass
class Place:
    """An entry of the table: where it stands, and the image that it points at."""
    entry: int   # file offset of the entry itself
    offset: int  # file offset of the image
    size: int


def entries(path: Path, base: int) -> dict[str, Place]:
    """Everything in the package at file offset `base`, by our names."""
    found = {}
    with open(path, "rb") as file:
        file.seek(base)
        header = file.read(HEADER.size)
        if len(header) < HEADER.size or HEADER.unpack(header)[0] != MAGIC:
            raise KapuError(f"{path}: no firmware package at {base:#x}")
        while True:
            at = file.tell()
            entry = file.read(ENTRY.size)
            if len(entry) < ENTRY.size:
                raise KapuError(f"{path}: the package at {base:#x} has no end of table")
            identity, offset, size, _ = ENTRY.unpack(entry)
            if identity == bytes(16):
                return found
            name = next((n for n, start in UUIDS.items() if identity.hex().startswith(start)),
                        str(uuid.UUID(bytes=identity)))
            found[name] = Place(at, base + offset, size)


def image_place(path: Path, base: int, name: str) -> Place:
    place = entries(path, base).get(name)
    if place is None:
        raise KapuError(f"{path}: the package at {base:#x} has no {name}")
    return place
