# SPDX-License-Identifier: Apache-2.0
"""Structure layouts from BTF (the kernel's own type format, Documentation/bpf/btf.rst)."""

import struct

from .errors import KapuError

MAGIC = 0xeb9f
ARRAY, STRUCT, UNION, ENUM, ENUM64 = 3, 4, 5, 6, 19
MODIFIERS = (8, 9, 10, 11, 18)  # typedef, volatile, const, restrict, type tag
# kind -> bytes behind the 12-byte head, for a type with n members
BEHIND = {1: lambda n: 4, 2: lambda n: 0, 3: lambda n: 12, STRUCT: lambda n: 12 * n,
          UNION: lambda n: 12 * n, ENUM: lambda n: 8 * n, 7: lambda n: 0, 8: lambda n: 0,
          9: lambda n: 0, 10: lambda n: 0, 11: lambda n: 0, 12: lambda n: 0,
          13: lambda n: 8 * n, 14: lambda n: 4, 15: lambda n: 12 * n, 16: lambda n: 0,
          17: lambda n: 4, 18: lambda n: 0, ENUM64: lambda n: 12 * n}


class Btf:
    """The types of one kernel."""

    def __init__(self, data: bytes):
        magic, version, _, head = struct.unpack_from("<HBBI", data)
        if magic != MAGIC or version != 1:
            raise KapuError("this is not BTF of version 1")
        types, type_size, strings, string_size = struct.unpack_from("<IIII", data, 8)
        self.data = data
        self.strings = data[head + strings:head + strings + string_size]
        self.types = [(0, 0, 0, False, 0)]  # name, kind, members, kind flag, place; number 0 is void
        self.structs: dict[str, list[int]] = {}
        self.values: dict[str, int] = {}
        at, end = head + types, head + types + type_size
        while at < end:
            name, info, _ = struct.unpack_from("<III", data, at)
            kind, members = info >> 24 & 0x1f, info & 0xffff
            if kind not in BEHIND:
                raise KapuError(f"BTF has a type of unknown kind {kind}")
            self.types.append((name, kind, members, bool(info >> 31), at))
            if kind in (STRUCT, UNION) and name:
                self.structs.setdefault(self.string(name), []).append(len(self.types) - 1)
            if kind in (ENUM, ENUM64):
                self._enumerators(kind, members, at + 12)
            at += 12 + BEHIND[kind](members)

    def _enumerators(self, kind: int, members: int, at: int) -> None:
        size = 8 if kind == ENUM else 12
        for i in range(members):
            name, value = struct.unpack_from("<Ii", self.data, at + i * size)
            self.values.setdefault(self.string(name), value & 0xffffffff)

    def string(self, at: int) -> str:
        return self.strings[at:self.strings.index(b"\0", at)].decode()

    def size(self, name: str) -> int:
        sizes = {struct.unpack_from("<I", self.data, self.types[number][4] + 8)[0]
                 for number in self._named(name)}
        if len(sizes) != 1:
            raise KapuError(f"BTF has {len(sizes)} different sizes of struct {name}")
        return sizes.pop()

    def offset(self, name: str, member: str) -> int:
        """Offset of a member in bytes."""
        found = {place[0] for number in self._named(name)
                 for place in [self._find(number, member)] if place is not None}
        if not found:
            raise KapuError(f"struct {name} has no member {member}")
        if len(found) > 1:
            raise KapuError(f"struct {name} has {member} at {len(found)} different offsets")
        bits = found.pop()
        if bits % 8:
            raise KapuError(f"{name}.{member} does not start at a byte")
        return bits // 8

    def elements(self, name: str, member: str | None) -> int:
        """Elements of a member that is an array; without a name, of a structure's first member."""
        number = self._named(name)[0]
        found = self._find(number, member)
        if found is None:
            raise KapuError(f"struct {name} has no member {member or 'at all'}")
        array = self._strip(found[1])
        if self.types[array][1] != ARRAY:
            raise KapuError(f"{name}.{member or '(first)'} is no array")
        return struct.unpack_from("<I", self.data, self.types[array][4] + 20)[0]

    def _named(self, name: str) -> list[int]:
        if name not in self.structs:
            raise KapuError(f"there is no struct {name}")
        return self.structs[name]

    def _find(self, number: int, member: str | None) -> tuple[int, int] | None:
        """Offset in bits and type of a member, looked for in anonymous members too; None: the first."""
        _, _, members, flag, at = self.types[number]
        for i in range(members):
            name, kind, offset = struct.unpack_from("<III", self.data, at + 12 + 12 * i)
            offset = offset & 0xffffff if flag else offset
            if member is None or name and self.string(name) == member:
                return offset, kind
            if not name:
                inner = self._strip(kind)
                found = (self._find(inner, member)
                         if self.types[inner][1] in (STRUCT, UNION) else None)
                if found is not None:
                    return offset + found[0], found[1]
        return None

    def _strip(self, number: int) -> int:
        while self.types[number][1] in MODIFIERS:
            number = struct.unpack_from("<I", self.data, self.types[number][4] + 8)[0]
        return number
