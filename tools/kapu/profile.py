# SPDX-License-Identifier: Apache-2.0
"""Kernel profile: what the monitor must know of a kernel (lib/introspect/profile_format.h)."""

import hashlib
import re
import struct
import zlib
from pathlib import Path

from . import patchsites, sectioned
from .btf import Btf
from .errors import KapuError
from .kernelimage import PAGE, KernelImage
from .paths import ROOT

DEFINITIONS = ROOT / "lib" / "introspect" / "profile.def"
MAGIC, VERSION, HEADER, ABSENT = b"KAPUPROF", 4, 32, 0xffffffff
TEXT, RODATA = 1, 2
GRANULE = 32
TABLES = ("sys_call_table",)
POINTER_ANY_TYPE = 1  # of lib/introspect/profile_format.h
ITEM = re.compile(r"^(FIELD|SIZE|COUNT|VALUE|SYMBOL)(_IF)?\((.*)\)$")


def parse_definitions(text: str) -> list[tuple[str, str | None, list[str]]]:
    """(what, kernel option or None, names) of each line of profile.def."""
    items = []
    for number, line in enumerate(re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text,
                                         flags=re.DOTALL).splitlines(), 1):
        if not line.strip():
            continue
        match = ITEM.match(line.strip())
        if match is None:
            raise KapuError(f"profile.def, line {number}: cannot read '{line.strip()}'")
        what, conditional, names = match.groups()
        names = [name.strip() for name in names.split(",")]
        option = names.pop(0) if conditional else None
        if len(names) != (2 if what in ("FIELD", "COUNT") else 1):
            raise KapuError(f"profile.def, line {number}: wrong number of names")
        items.append((what, option, names))
    return items


def item_name(what: str, names: list[str]) -> str:
    return ".".join(names) + ("[]" if what == "COUNT" else "")


def names_digest(items) -> int:
    """FNV-1a, 32 bits, over the names of all items: reader and profile mean the same list."""
    digest = 0x811c9dc5
    for what, _, names in items:
        for byte in item_name(what, names).encode() + b"\0":
            digest = (digest ^ byte) * 0x01000193 & 0xffffffff
    return digest


def enabled_options(config: str) -> set[str]:
    return set(re.findall(r"^CONFIG_(\w+)=y$", config, re.MULTILINE))


def item_values(items, kernel: KernelImage, types: Btf, options: set[str]) -> list[int]:
    """The value of each item. All that are missing are named in one error."""
    values, missing = [], []
    look = {"FIELD": lambda names: types.offset(*names), "SIZE": lambda names: types.size(*names),
            "COUNT": lambda names: types.elements(*names),
            "SYMBOL": lambda names: kernel.offset(*names),
            "VALUE": lambda names: types.values.get(names[0])}
    for what, option, names in items:
        if option is not None and option not in options:
            values.append(ABSENT)
            continue
        try:
            value = look[what](names)
        except KapuError as error:
            missing.append(f"{item_name(what, names)}: {error}")
            continue
        if value is None or not 0 <= value < ABSENT:
            missing.append(f"{item_name(what, names)}: not there, or out of range")
            continue
        values.append(value)
    if missing:
        raise KapuError("the kernel lacks what its profile needs:\n  " + "\n  ".join(missing))
    return values


def ranges_of(kernel: KernelImage) -> list[tuple[int, int, int]]:
    found = [(kernel.offset("_stext"), kernel.offset("_etext"), TEXT),
             (kernel.offset("__start_rodata"), kernel.offset("__inittext_begin"), RODATA)]
    for start, end, _ in found:
        if start % PAGE or end % PAGE or start >= end:
            raise KapuError(f"the kernel's range {start:#x}..{end:#x} is not made of whole pages")
    return found


def holes_of(kernel: KernelImage) -> list[tuple[int, int]]:
    """What is written before it becomes read-only, and page tables."""
    return sorted([(kernel.offset("__start_ro_after_init"), kernel.offset("__end_ro_after_init")),
                   (kernel.offset("idmap_pg_dir"), kernel.offset("swapper_pg_dir") + PAGE)])


def page_hashes(kernel: KernelImage, ranges, holes) -> list[bytes]:
    content = bytearray(kernel.content)
    for start, end in holes:
        content[start:end] = bytes(end - start)
    return [hashlib.sha256(content[at:at + PAGE]).digest()
            for start, end, _ in ranges for at in range(start, end, PAGE)]


def granule_checks(kernel: KernelImage, ranges, holes) -> list[bytes]:
    """One byte for every 32 bytes of text: where a page differs, for people; its hash is the judge."""
    first, *others = (kind == TEXT for _, _, kind in ranges)
    if not first or any(others) or any(in_any(hole[0], ranges[:1]) for hole in holes):
        raise KapuError("the kernel's text is not its first range, or has holes")
    start, end, _ = ranges[0]
    content = bytes(kernel.content[start:end])
    checks = bytes(zlib.crc32(content[at:at + GRANULE]) & 255
                   for at in range(0, end - start, GRANULE))
    return [checks[at:at + PAGE // GRANULE] for at in range(0, len(checks), PAGE // GRANULE)]


def in_any(offset: int, spans) -> bool:
    return any(span[0] <= offset < span[1] for span in spans)


def relocation_maps(kernel: KernelImage, ranges, holes) -> list[bytes]:
    maps: dict[int, int] = {}
    for offset in kernel.relocations:
        if in_any(offset, ranges) and not in_any(offset, holes):
            maps[offset // PAGE] = maps.get(offset // PAGE, 0) | 1 << offset % PAGE // 8
    return [struct.pack("<I", page) + bits.to_bytes(64, "little")
            for page, bits in sorted(maps.items())]


def site_records(sites) -> tuple[list[bytes], list[bytes]]:
    """Records of SITES and WORDS."""
    records, words = [], []
    for site in sites:
        if site.words > 255 or len(site.variants) > 255:
            raise KapuError(f"the patch site at {site.offset:#x} is too large")
        records.append(struct.pack("<IBBBBII", site.offset, site.words, site.kind,
                                   len(site.variants), 0, len(words), site.extra))
        words += [struct.pack("<I", word) for variant in site.variants for word in variant]
    return records, words


def table_records(kernel: KernelImage) -> tuple[list[bytes], list[bytes]]:
    """Tables of function pointers; each ends where the relocated words end or a symbol starts."""
    tables, entries = [], []
    places = set(kernel.relocations)
    symbols = set(kernel.symbols.values())
    for name in TABLES:
        start = at = kernel.offset(name)
        first = len(entries)
        while at in places and (at == start or kernel.base + at not in symbols):
            target = kernel.pointer(at)
            if not kernel.is_function(target):
                raise KapuError(f"{name}[{(at - start) // 8}] is not the address of a function")
            entries.append(struct.pack("<I", target))
            at += 8
        if len(entries) == first:
            raise KapuError(f"{name} is empty")
        tables.append(struct.pack("<III", start, len(entries) - first, first))
    return tables, entries


def pointer_records(kernel: KernelImage) -> list[bytes]:
    """Function pointers that stand in data from the start which is or was writable."""
    text = (kernel.offset("_stext"), kernel.offset("_etext"))
    parts = ((kernel.offset("_data"), kernel.offset("_edata")),
             (kernel.offset("__start_ro_after_init"), kernel.offset("__end_ro_after_init")))
    # A traced event calls its only probe through its static call, whatever that probe returns.
    probes = {kernel.offset(name) for name in kernel.symbols if name.startswith("__SCK__tp_func_")}
    records = []
    for at in kernel.relocations:
        if in_any(at, parts):
            target = kernel.pointer(at)
            if text[0] <= target < text[1] and kernel.is_function(target):
                records.append(struct.pack("<II", at | (POINTER_ANY_TYPE if at in probes else 0),
                                           target))
    return records


def hook_records(kernel: KernelImage, types: Btf) -> list[bytes]:
    """Hooks of security modules: entries that point into the table of their static calls."""
    table = kernel.offset("static_calls_table")
    size, count = types.size("lsm_static_calls_table"), types.elements("lsm_static_calls_table", None)
    slots = types.offset("security_hook_list", "scalls")
    hook = types.offset("security_hook_list", "hook")
    start, end = kernel.offset("__start_ro_after_init"), kernel.offset("__end_ro_after_init")
    records = []
    for at in kernel.relocations:
        target = kernel.pointer(at)
        if not start <= at < end or not table <= target < table + size or table <= at < table + size:
            continue
        function = kernel.pointer(at - slots + hook)
        if not kernel.is_function(function):
            raise KapuError(f"the security hook at {at - slots:#x} has no function")
        records.append(struct.pack("<IIII", at - slots, function, target, count))
    if not records:
        raise KapuError("the kernel has no hook of a security module")
    return records


def slot_records(kernel: KernelImage, types: Btf) -> list[bytes]:
    """Static calls of all security hooks: where their function and their switch are."""
    table, one = kernel.offset("static_calls_table"), types.size("lsm_static_call")
    members = [types.offset("lsm_static_call", member) for member in ("key", "active")]
    linked = set(kernel.relocations)
    records = []
    for at in range(table, table + types.size("lsm_static_calls_table"), one):
        if not all(at + member in linked for member in members):
            raise KapuError(f"the static call of a security hook at {at:#x} leads nowhere")
        records.append(struct.pack("<II", *(kernel.pointer(at + member) for member in members)))
    return records


def banner(kernel: KernelImage) -> bytes:
    at = kernel.offset("linux_banner")
    return bytes(kernel.content[at:kernel.content.index(0, at)])


def make_profile(vmlinux: bytes, btf: bytes, image: bytes, config: str,
                 definitions: str | None = None) -> bytes:
    """The profile of a kernel; a KapuError names what the kernel lacks."""
    kernel = KernelImage(vmlinux)
    kernel.check_image(image)
    items = parse_definitions(definitions or DEFINITIONS.read_text())
    types = Btf(btf)
    values = item_values(items, kernel, types, enabled_options(config))
    ranges, holes = ranges_of(kernel), holes_of(kernel)
    sites = patchsites.all_sites(kernel, lambda at: in_any(at, ranges) and not in_any(at, holes))
    site_list, words = site_records(sites)
    tables, entries = table_records(kernel)
    text = banner(kernel)
    first, range_list = 0, []
    for start, end, kind in ranges:
        range_list.append(struct.pack("<IIII", start, end, kind, first))
        first += (end - start) // PAGE
    sections = ([struct.pack("<I", value) for value in values], range_list,
                [struct.pack("<II", *hole) for hole in holes],
                page_hashes(kernel, ranges, holes), relocation_maps(kernel, ranges, holes),
                site_list, words, tables, entries, pointer_records(kernel),
                [text[i:i + 1] for i in range(len(text))], hook_records(kernel, types),
                granule_checks(kernel, ranges, holes), slot_records(kernel, types))
    return pack(kernel.base, kernel.end // PAGE, names_digest(items), sections)


def pack(base: int, pages: int, digest: int, sections) -> bytes:
    return sectioned.pack(MAGIC, VERSION, struct.pack("<QII", base, pages, digest), sections)


def write_profile(kernel: Path, out: Path) -> None:
    """Make a profile from a folder with vmlinux, vmlinux.btf, Image and config."""
    data = make_profile((kernel / "vmlinux").read_bytes(), (kernel / "vmlinux.btf").read_bytes(),
                        (kernel / "Image").read_bytes(), (kernel / "config").read_text())
    out.write_bytes(data)
