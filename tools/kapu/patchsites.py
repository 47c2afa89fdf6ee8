# SPDX-License-Identifier: Apache-2.0
"""Places of a kernel's text that it patches itself, and every value that each may hold."""

import struct
from dataclasses import dataclass, field

from .errors import KapuError
from .kernelimage import PAGE, KernelImage

NOP = 0xd503201f
MOV_X9_X30 = 0xaa1e03e9  # keeps the return address of a traced function
HVC_0, SMC_0 = 0xd4000002, 0xd4000003
CALLBACK = 0x8000  # ARM64_CB_BIT of an alternative's capability
BHB_LOOPS = (0, 8, 11, 24, 32, 38, 132)  # iterations by spectre_bhb_loop_affected(); 0: a core that needs none

VARIANTS, JUMP, FTRACE, POINTER, SHIFT = 1, 2, 3, 4, 5  # enum profile_site


@dataclass
class Site:
    """`variants[0]` is what was linked; all variants have the same number of words."""
    offset: int
    kind: int
    variants: list[tuple[int, ...]] = field(default_factory=list)
    extra: int = 0

    @property
    def words(self) -> int:
        return len(self.variants[0])


def signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def branch(source: int, target: int, link: bool = False) -> int:
    """B or BL (Arm ARM C6.2.26, C6.2.34)."""
    return (0x94000000 if link else 0x14000000) | (target - source) >> 2 & 0x3ffffff


def moved(word: int, old: int, new: int, inside) -> int:
    """A replacement instruction as it reads at its destination: PC-relative ones are adjusted."""
    for mask, value, shift, bits in ((0x7c000000, 0x14000000, 0, 26),   # b, bl
                                     (0x7e000000, 0x34000000, 5, 19),   # cbz, cbnz
                                     (0x7e000000, 0x36000000, 5, 14),   # tbz, tbnz
                                     (0xff000010, 0x54000000, 5, 19)):  # b.cond
        if word & mask == value:
            field_mask = (1 << bits) - 1
            target = old + 4 * signed(word >> shift, bits)
            if inside(target):
                return word
            return word & ~(field_mask << shift) | ((target - new) >> 2 & field_mask) << shift
    if word & 0x9f000000 == 0x90000000:  # adrp
        pages = signed((word >> 29 & 3) | (word >> 5 & 0x7ffff) << 2, 21)
        pages += old // PAGE - new // PAGE
        return word & 0x9f00001f | (pages & 3) << 29 | (pages >> 2 & 0x7ffff) << 5
    if word & 0x9f000000 == 0x10000000 or word & 0x3b000000 == 0x18000000:  # adr, ldr literal
        raise KapuError(f"the alternative at {old:#x} has an instruction that Linux cannot move")
    return word


def callback_variants(name: str, original: tuple[int, ...]) -> list[tuple[int, ...]]:
    """What a patching function of the kernel may write."""
    nops = (NOP,) * len(original)
    if name in ("alt_cb_patch_nops", "spectre_v4_patch_fw_mitigation_enable", "kasan_hw_tags_enable",
                "spectre_bhb_patch_loop_mitigation_enable", "spectre_bhb_patch_clearbhb"):
        return [nops]
    if name == "smccc_patch_fw_mitigation_conduit":
        return [(HVC_0,), (SMC_0,)]
    if name == "spectre_bhb_patch_loop_iter":  # movz Xd, #iterations
        return [(0xd2800000 | loops << 5 | original[0] & 0x1f,) for loops in BHB_LOOPS]
    raise KapuError(f"alternative with the unknown patching function {name}: say in "
                    "tools/kapu/patchsites.py what it may write")


def read_alternatives(kernel: KernelImage, table: bytes, at: int, content: bytes, name_of) -> list:
    """(offset, original words, other variants) of a table of struct alt_instr that lies at `at`."""
    found = []

    def words(offset, size):
        return struct.unpack_from(f"<{size // 4}I", content, offset)
    for i in range(0, len(table), 12):
        original, other, capability, size, other_size = struct.unpack_from("<iiHBB", table, i)
        place, source = at + i + original, at + i + 4 + other
        if not size:
            continue
        if capability & CALLBACK:
            names = name_of(source)
            known = names & {"alt_cb_patch_nops"} or names
            found.append((place, words(place, size),
                          callback_variants(sorted(known)[0] if known else f"at {source:#x}",
                                            words(place, size))))
            continue
        if size != other_size:
            raise KapuError(f"the alternative at {place:#x} has {other_size} bytes for {size}")
        end = source + size
        found.append((place, words(place, size), [tuple(
            moved(word, source + 4 * j, place + 4 * j, lambda t: source <= t <= end)
            for j, word in enumerate(words(source, size)))]))
    return found


def group(found: list) -> list[Site]:
    """One site for alternatives of the same words; overlapping ones are taken word by word."""
    sites, pending = [], []

    def close():
        if not pending:
            return
        spans = {(place, len(original)) for place, original, _ in pending}
        if len(spans) == 1:
            place, original, _ = pending[0]
            sites.append(Site(place, VARIANTS, unique([original] + [
                variant for _, _, variants in pending for variant in variants])))
            return
        by_word = {}
        for place, original, variants in pending:
            for j, word in enumerate(original):
                by_word.setdefault(place + 4 * j, [(word,)]).extend((v[j],) for v in variants)
        sites.extend(Site(place, VARIANTS, unique(variants))
                     for place, variants in by_word.items())

    end = 0
    for item in sorted(found, key=lambda f: (f[0], -len(f[1]))):
        if item[0] >= end:
            close()
            pending = []
        pending.append(item)
        end = max(end, item[0] + 4 * len(item[1]))
    close()
    return sites


def unique(variants: list) -> list:
    return list(dict.fromkeys(variants))


def alternatives(kernel: KernelImage) -> list[Site]:
    section = kernel.section(".altinstructions")
    if section is None:
        raise KapuError("the kernel has no section .altinstructions")
    at = section.address - kernel.base
    return group(read_alternatives(kernel, bytes(kernel.content[at:at + section.size]), at,
                                   kernel.content,
                                   lambda offset: kernel.names_at(kernel.base + offset)))


def vdso_alternatives(kernel: KernelImage) -> list[Site]:
    """The code that the kernel lends to every process is an ELF file in its read-only data."""
    start, end = kernel.offset("vdso_start"), kernel.offset("vdso_end")
    vdso = bytes(kernel.content[start:end])
    table, = struct.unpack_from("<Q", vdso, 40)
    size, count, names = struct.unpack_from("<HHH", vdso, 58)
    headers = [struct.unpack_from("<IIQQQQ", vdso, table + i * size) for i in range(count)]
    for name, _, _, _, offset, length in headers:
        at = headers[names][4] + name
        if vdso[at:vdso.index(b"\0", at)] == b".altinstructions":
            found = read_alternatives(kernel, vdso[offset:offset + length], offset, vdso,
                                      lambda _: set())
            for site in (sites := group(found)):
                site.offset += start
            return sites
    return []


def runtime_constants(kernel: KernelImage) -> list[Site]:
    """Values that are known at boot and then written into the instructions that use them."""
    sites = []
    for section in kernel.sections:
        for prefix, kind, count in (("runtime_ptr_", POINTER, 4), ("runtime_shift_", SHIFT, 1)):
            if not section.name.startswith(prefix):
                continue
            variable = kernel.offset(section.name.removeprefix(prefix))
            at = section.address - kernel.base
            for i in range(0, section.size, 4):
                place = at + i + signed(kernel.word(at + i), 32)
                sites.append(Site(place, kind, [tuple(kernel.word(place + 4 * j)
                                                      for j in range(count))], variable))
    return sites


def jump_labels(kernel: KernelImage) -> list[Site]:
    if "__start___jump_table" not in kernel.symbols:
        return []
    sites = []
    for at in range(kernel.offset("__start___jump_table"), kernel.offset("__stop___jump_table"), 16):
        code, target, key = struct.unpack_from("<iiq", kernel.content, at)
        place, target, key = at + code, at + 4 + target, at + 8 + key
        sites.append(Site(place, JUMP, [(kernel.word(place),), (NOP,), (branch(place, target),)],
                          key & ~2))
    return sites


def traced_functions(kernel: KernelImage) -> list[Site]:
    """Two instructions at the start of each function that ftrace may turn into a call."""
    if "__start_mcount_loc" not in kernel.symbols:
        return []
    callers = [kernel.offset("ftrace_caller")]
    sites = []
    for at in range(kernel.offset("__start_mcount_loc"), kernel.offset("__stop_mcount_loc"), 8):
        place = kernel.pointer(at)
        if place == -kernel.base:
            continue  # null: of a function that the linker left out
        linked = (kernel.word(place), kernel.word(place + 4))
        if linked != (NOP, NOP):
            raise KapuError(f"the traced function at {place:#x} does not start with two nops")
        sites.append(Site(place, FTRACE, [linked, (MOV_X9_X30, NOP)] + [
            (MOV_X9_X30, branch(place + 4, caller, link=True)) for caller in callers]))
    call = kernel.offset("ftrace_call")
    sites.append(Site(call, VARIANTS, unique(
        [(kernel.word(call),)] + [(branch(call, kernel.offset(name), link=True),)
                                  for name in ("ftrace_stub", "arch_ftrace_ops_list_func")])))
    return sites


def split_at_pages(site: Site) -> list[Site]:
    """A site that crosses a page becomes one for each page."""
    room = (PAGE - site.offset % PAGE) // 4
    if site.words <= room:
        return [site]
    if site.kind not in (VARIANTS, FTRACE):
        raise KapuError(f"the patch site at {site.offset:#x} crosses a page")
    return [Site(site.offset, site.kind, [v[:room] for v in site.variants], site.extra),
            Site(site.offset + 4 * room, site.kind, [v[room:] for v in site.variants], site.extra)]


def all_sites(kernel: KernelImage, covered) -> list[Site]:
    """Every patch site for whose offset covered() says yes, ascending."""
    sites = [part for make in (alternatives, vdso_alternatives, runtime_constants, jump_labels,
                               traced_functions)
             for site in make(kernel) if covered(site.offset)
             for part in split_at_pages(site)]
    sites.sort(key=lambda site: site.offset)
    for one, other in zip(sites, sites[1:]):
        if one.offset + 4 * one.words > other.offset:
            raise KapuError(f"the patch sites at {one.offset:#x} and {other.offset:#x} overlap")
    return sites
