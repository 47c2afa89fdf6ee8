# SPDX-License-Identifier: Apache-2.0
"""An arm64 kernel as linked: contents from _text on, symbols, words that relocation changes."""

import struct
from bisect import bisect_right
from pathlib import Path

from .errors import KapuError

PAGE = 4096
R_AARCH64_NONE, R_AARCH64_ABS64, R_AARCH64_RELATIVE = 0, 257, 1027
SHT_SYMTAB, SHT_RELA, SHT_NOBITS, SHT_RELR = 2, 4, 8, 19
SHF_ALLOC = 2


class Section:
    def __init__(self, name, kind, flags, address, offset, size, link):
        self.name, self.kind, self.flags, self.address = name, kind, flags, address
        self.offset, self.size, self.link = offset, size, link


class KernelImage:
    """vmlinux; `content` holds what Image holds, and addresses where relocation will put them."""

    def __init__(self, vmlinux: bytes):
        if vmlinux[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", vmlinux, 18)[0] != 183:
            raise KapuError("vmlinux is not a little-endian 64-bit ELF file for AArch64")
        self.elf = vmlinux
        self.sections = self._read_sections()
        self.symbols, self.functions = {}, []
        self._read_symbols()
        self.base = self.address("_text")
        self.end = self.address("_end") - self.base
        self.content = bytearray(self.end)
        for section in self.sections:
            if section.flags & SHF_ALLOC and section.kind != SHT_NOBITS and section.address:
                at = section.address - self.base
                if at < 0 or at + section.size > self.end:
                    raise KapuError(f"section {section.name} lies outside of _text.._end")
                self.content[at:at + section.size] = self._data(section)
        self.linked = bytes(self.content)
        self.relocations = self._relocate()

    def _data(self, section: Section) -> bytes:
        return self.elf[section.offset:section.offset + section.size]

    def _read_sections(self) -> list[Section]:
        table, = struct.unpack_from("<Q", self.elf, 40)
        size, count, names = struct.unpack_from("<HHH", self.elf, 58)
        raw = [struct.unpack_from("<IIQQQQI", self.elf, table + i * size) for i in range(count)]
        strings = raw[names][4]

        def name(at):
            return self.elf[strings + at:self.elf.index(b"\0", strings + at)].decode()
        return [Section(name(r[0]), r[1], r[2], r[3], r[4], r[5], r[6]) for r in raw]

    def section(self, name: str) -> Section | None:
        return next((s for s in self.sections if s.name == name), None)

    def symbol_table(self):
        """Name, type and binding (ELF's st_info), section and value of each symbol."""
        table = next((s for s in self.sections if s.kind == SHT_SYMTAB), None)
        if table is None:
            raise KapuError("vmlinux has no symbol table")
        strings = self._data(self.sections[table.link])
        for name, info, _, where, value, _ in struct.iter_unpack("<IBBHQQ", self._data(table)):
            if name and where != 0:
                yield strings[name:strings.index(b"\0", name)].decode(), info, where, value

    def _read_symbols(self) -> None:
        functions, twice = [], set()
        for text, info, _, value in self.symbol_table():
            if text.startswith("$"):
                continue  # mapping symbols of the assembler
            if info & 15 == 2:
                functions.append((value, text))
            if self.symbols.setdefault(text, value) != value:
                twice.add(text)
        self.twice = twice
        self.functions = sorted(functions)
        self.function_at = [f[0] for f in self.functions]

    def address(self, name: str) -> int:
        if name not in self.symbols:
            raise KapuError(f"the kernel has no symbol {name}")
        if name in self.twice:
            raise KapuError(f"the kernel has more than one symbol {name}")
        return self.symbols[name]

    def offset(self, name: str) -> int:
        return self.address(name) - self.base

    def names_at(self, address: int) -> set[str]:
        return {name for name, value in self.symbols.items() if value == address}

    def is_function(self, offset: int) -> bool:
        """Whether a function starts there."""
        i = bisect_right(self.function_at, offset + self.base) - 1
        return i >= 0 and self.function_at[i] == offset + self.base

    def word(self, offset: int) -> int:
        return struct.unpack_from("<I", self.content, offset)[0]

    def _relocate(self) -> list[int]:
        """Put every address where it will be, with offset 0; the offsets of these words, sorted."""
        places = set()
        for section in self.sections:
            if not section.flags & SHF_ALLOC:
                continue
            if section.kind == SHT_RELA:
                places |= self._apply_rela(section)
            elif section.kind == SHT_RELR:
                places |= self._apply_relr(section)
        return sorted(places)

    def _place(self, address: int) -> int:
        at = address - self.base
        if not 0 <= at <= self.end - 8 or at % 8:
            raise KapuError(f"a relocation at {address:#x} is outside of the kernel or misaligned")
        return at

    def _apply_rela(self, section: Section) -> set[int]:
        places = set()
        for address, info, addend in struct.iter_unpack("<QQQ", self._data(section)):
            kind, symbol = info & 0xffffffff, info >> 32
            if kind == R_AARCH64_NONE:
                continue
            if kind != R_AARCH64_RELATIVE or symbol:
                raise KapuError(f"relocation type {kind} with symbol {symbol} at {address:#x} "
                                "is none that the kernel applies to itself")
            at = self._place(address)
            struct.pack_into("<Q", self.content, at, addend)
            places.add(at)
        return places

    def _apply_relr(self, section: Section) -> set[int]:
        """Addresses, each followed by bitmaps of the 63 words behind; the values stand in place."""
        places, at = set(), 0
        for entry, in struct.iter_unpack("<Q", self._data(section)):
            if entry & 1 == 0:
                at = entry
                places.add(self._place(at))
                at += 8
                continue
            for bit in range(63):
                if entry >> (bit + 1) & 1:
                    places.add(self._place(at + 8 * bit))
            at += 8 * 63
        return places

    def pointer(self, offset: int) -> int:
        """What a relocated word points to, as offset."""
        return struct.unpack_from("<Q", self.content, offset)[0] - self.base

    def check_image(self, image: bytes) -> None:
        """Image is this kernel, byte for byte; what Image leaves out is zeros."""
        if len(image) > self.end or self.linked[:len(image)] != image:
            raise KapuError("Image and vmlinux are not the same kernel")
        if any(self.linked[len(image):]):
            raise KapuError("Image is shorter than the kernel's data")


def load(path: Path) -> KernelImage:
    return KernelImage(path.read_bytes())
