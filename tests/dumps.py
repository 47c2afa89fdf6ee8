# SPDX-License-Identifier: Apache-2.0
"""A machine's memory in the formats in which common tools write it. What is only zeros costs no room."""

import struct
import zlib
from pathlib import Path

BASE, SIZE = 0x40000000, 0x40000000  # RAM of qemu-virt
PAGE = 4096
ZLIB, LZO, SNAPPY, ZSTD = 1, 2, 4, 0x20  # flags of a page in a kdump file
ELF_HEAD = struct.Struct("<16sHHIQQQIHHHHHH")
ELF_PART = struct.Struct("<IIQQQQQQ")
ELF_SECTION = struct.Struct("<IIQQQQIIQQ")


def sparse(path: Path, pieces, size: int) -> Path:
    """A file of that size with pieces at their offsets."""
    with open(path, "wb") as file:
        for offset, data in pieces:
            file.seek(offset)
            file.write(data)
        file.truncate(size)
    return path


def raw(path: Path, ram: bytes, *, base: int = BASE, size: int = SIZE) -> Path:
    """What lies from `base` on: QEMU's pmemsave, LiME's padded format (base 0)."""
    return sparse(path, [(BASE - base, ram)], BASE - base + size)


def elf(path: Path, ram: bytes, *, parts=None, many: bool = False, size: int = SIZE) -> Path:
    """As QEMU's dump-guest-memory writes it: notes, then parts in any order. parts: (address, size) in the file's order.
    many: more program headers than their field can count."""
    parts = parts or [(BASE, size)]
    headers = len(parts) + 1 + (0x10000 if many else 0)
    table = ELF_HEAD.size + ELF_SECTION.size
    at = table + headers * ELF_PART.size
    notes = struct.pack("<III", 5, 0, 1) + b"CORE\0\0\0\0"
    entries, pieces = [ELF_PART.pack(4, 0, at, 0, 0, len(notes), len(notes), 0)], [(at, notes)]
    at = (at + len(notes) + PAGE - 1) // PAGE * PAGE
    for address, length in parts:
        entries.append(ELF_PART.pack(1, 0, at, 0, address, length, length, 0))
        pieces.append((at, ram[address - BASE:address - BASE + length]))
        at += length
    entries += [bytes(ELF_PART.size)] * (headers - len(entries))
    head = ELF_HEAD.pack(b"\x7fELF\2\1\1" + bytes(9), 4, 183, 1, 0, ELF_HEAD.size + ELF_SECTION.size, ELF_HEAD.size, 0,
                         ELF_HEAD.size, ELF_PART.size, 0xffff if many else headers, ELF_SECTION.size, 1, 0)
    section = ELF_SECTION.pack(0, 0, 0, 0, 0, 0, 0, headers, 0, 0)
    return sparse(path, [(0, head + section + b"".join(entries)), *pieces], at)


def lime(path: Path, ram: bytes, *, parts=None, version: int = 1, size: int = SIZE) -> Path:
    at, pieces = 0, []
    for address, length in parts or [(BASE, size)]:
        pieces.append((at, b"EMiL" + struct.pack("<IQQQ", version, address, address + length - 1, 0)
                       + ram[address - BASE:address - BASE + length]))
        at += 32 + length
    return sparse(path, pieces, at)


def kdump(path: Path, ram: bytes, *, block: int = PAGE, flags: int = ZLIB, pack=zlib.compress, absent=(),
          level: int = 0) -> Path:
    """As makedumpfile and QEMU write it; all blocks of zeros are one. absent: numbers of blocks of RAM that are left out;
    level: what makedumpfile says that it has left out, 1: zeros."""
    first, count = BASE // block, SIZE // block
    bits = bytearray((first + count + 7) // 8)
    for n in range(count):
        if n not in absent:
            bits[(first + n) // 8] |= 1 << (first + n) % 8
    bitmap = bytes(bits).ljust((len(bits) + block - 1) // block * block, b"\0")
    head = b"KDUMP   " + struct.pack("<I", 6) + bytes(390 + 22) + struct.pack(
        "<IIIIIIIIII", flags, block, 1, 2 * len(bitmap) // block, 0, 0, 0, 0, 0, 1)
    known = bytearray(bits)
    for n in absent:
        known[(first + n) // 8] |= 1 << (first + n) % 8
    sub = struct.pack("<QIIQQQQQQQQQQQ", 0, level, 0, *[0] * 10, first + count)
    descs, data = [], b""
    at = 2 * block + 2 * len(bitmap) + 24 * (count - len(absent))

    def describe(content: bytes) -> bytes:
        nonlocal data
        packed = pack(content)
        how = flags if len(packed) < block else 0
        packed = packed if how else content
        desc = struct.pack("<QIIQ", at + len(data), len(packed), how, 0)
        data += packed
        return desc
    zeros = describe(bytes(block))
    for n in range(-(-len(ram) // block)):
        if n not in absent:
            content = ram[n * block:(n + 1) * block].ljust(block, b"\0")
            descs.append(zeros if not any(content) else describe(content))
    descs.append(zeros * (count - len(absent) - len(descs)))
    path.write_bytes(head.ljust(block, b"\0") + sub.ljust(block, b"\0") + bytes(known).ljust(len(bitmap), b"\0") + bitmap + b"".join(descs) + data)
    return path


def flattened(path: Path, file: Path, *, step: int = 1 << 16) -> Path:
    """As makedumpfile writes it to a pipe: pieces with their places, here the last ones first."""
    data = file.read_bytes()
    pieces = [(at, data[at:at + step]) for at in range(0, len(data), step)]
    path.write_bytes(b"makedumpfile".ljust(16, b"\0") + struct.pack(">qq", 1, 1) + bytes(4096 - 32) + b"".join(
        struct.pack(">qq", at, len(piece)) + piece for at, piece in reversed(pieces)) + struct.pack(">qq", -1, -1))
    return path
