# SPDX-License-Identifier: Apache-2.0
"""The symbols of a kernel, packed, for whoever has to say what is at an address (wire/reference.cddl)."""

import zlib

from .errors import KapuError
from .kernelimage import KernelImage

STT_NOTYPE, STT_FUNC, STB_LOCAL = 0, 2, 0  # ELF-64: symbol types and bindings
SHN_LORESERVE = 0xff00                     # no section but a meaning, such as "absolute"
NAME_MAX = 255
# Of compiler and linker, and not what a person looks for: padding and type words before functions.
PREFIXES = ("__pfx_", "__cfi_", ".L")


def rank(name: str, info: int) -> tuple:
    """The least is the one that a person expects: functions and data before marks of the linker, global
    before local, and of aliases the plainest."""
    plain = name.lstrip("_")
    return (info & 15 == STT_NOTYPE, info >> 4 == STB_LOCAL, name.startswith("__pi_"),
            len(name) - len(plain), len(name), name)


def symbols_of(kernel: KernelImage) -> list[tuple[int, str]]:
    """Offset in the image and name: one at each place, ascending."""
    best: dict[int, tuple] = {}
    for name, info, where, value in kernel.symbol_table():
        offset = value - kernel.base
        if (where >= SHN_LORESERVE or info & 15 > STT_FUNC or not 0 <= offset < kernel.end
                or "$" in name or name.startswith(PREFIXES)):
            continue
        here = rank(name, info)
        if offset not in best or here < best[offset]:
            best[offset] = here
    return [(offset, best[offset][-1]) for offset in sorted(best)]


def leb128(n: int) -> bytes:
    out = b""
    while n > 0x7f:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def table(symbols: list[tuple[int, str]]) -> bytes:
    """Distances from one to the next, then names: alike stands with alike, so it packs well."""
    distances, names, last = [], [], 0
    for offset, name in symbols:
        if not 0 < len(name) <= NAME_MAX or not name.isascii() or not name.isprintable():
            raise KapuError(f"the kernel has a symbol with an unusual name: {name!r}")
        distances.append(leb128(offset - last))
        names.append(name.encode() + b"\0")
        last = offset
    return b"".join(distances + names)


def packed(size: int, symbols: list[tuple[int, str]]) -> dict:
    """The map "kernel" of wire/reference.cddl."""
    whole = table(symbols)
    return {0: size, 1: len(symbols), 2: len(whole), 3: zlib.compress(whole, 9)}
