# SPDX-License-Identifier: Apache-2.0
"""Proof that an image which is not verified yet overwrites nothing: load windows against memory in use.

A boot stage copies an image into its window, up to the window's size, and verifies it there;
certificates go through the window of the image that they vouch for. This module reads the windows
out of the linked stages (the tables that BL1 and BL2 go by), and what must not be overwritten: the
stages' own sections, and the regions of memory_use.S.
"""

from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from .errors import KapuError

SHF_ALLOC = 2
# TF-A's image_desc_t and bl_mem_params_node_t; bl1.c and bl2_images.c assert these at compile time.
BL1_TABLE = {"symbol": "bl2_to_load", "row": None, "base": 24, "max": 36}
BL2_TABLE = {"symbol": "images_to_load", "row": 184, "base": 16, "max": 28}
# include/export/common/tbbr/tbbr_img_def_exp.h
IMAGE_IDS = {1: "bl2", 3: "bl31", 4: "optee", 5: "linux", 27: "device-tree"}
SECURE = ("bl2", "bl31", "optee")
# In memory when BL31 and OP-TEE start, though BL1 and BL2 are gone.
LEFT_BEHIND = ("mailbox_and_handover", "event_log", "last_words")


@dataclass(frozen=True)
class Region:
    """Addresses from base up to, not including, base + size."""
    name: str
    base: int
    size: int

    @property
    def end(self) -> int:
        return self.base + self.size

    def overlaps(self, other: "Region") -> bool:
        return self.size > 0 and other.size > 0 and self.base < other.end and other.base < self.end

    def holds(self, other: "Region") -> bool:
        return self.base <= other.base and other.end <= self.end

    def __str__(self) -> str:
        return f"{self.name} (0x{self.base:08x} to 0x{self.end:08x})"


class Stage:
    """A linked boot stage."""

    def __init__(self, name: str, path: Path):
        with open(path, "rb") as file:
            elf = ELFFile(file)
            sections = list(elf.iter_sections())
            self.sections = [Region(f"{name} {s.name}", s["sh_addr"], s["sh_size"]) for s in sections
                             if s["sh_flags"] & SHF_ALLOC and s["sh_size"]]
            self.symbols = {s.name: s.entry for s in elf.get_section_by_name(".symtab").iter_symbols()}
            self._data = [(s["sh_addr"], s.data()) for s in sections
                          if s["sh_flags"] & SHF_ALLOC and s["sh_type"] == "SHT_PROGBITS"]
        self.name = name

    def _number(self, address: int, size: int) -> int:
        for base, data in self._data:
            if base <= address and address + size <= base + len(data):
                return int.from_bytes(data[address - base:address - base + size], "little")
        raise KapuError(f"{self.name}: nothing is initialised at 0x{address:x}")

    def windows(self, table: dict) -> list[Region]:
        """The windows of a table of image descriptors."""
        symbol = self.symbols.get(table["symbol"])
        if symbol is None:
            raise KapuError(f"{self.name} has no table of images '{table['symbol']}'")
        size = symbol["st_size"]
        found = []
        for at in range(symbol["st_value"], symbol["st_value"] + size, table["row"] or size):
            number = self._number(at, 4)
            if number not in IMAGE_IDS:
                raise KapuError(f"{self.name} loads an image with the identifier {number}, which "
                                "windows.py does not know")
            found.append(Region(IMAGE_IDS[number], self._number(at + table["base"], 8),
                                self._number(at + table["max"], 4)))
        return found

    def regions(self, kind: str) -> list[Region]:
        """Those of memory_use.S."""
        prefix = f"kapu_{kind}."
        names = [name.removeprefix(prefix).removesuffix(".base") for name in self.symbols
                 if name.startswith(prefix) and name.endswith(".base")]
        return [Region(name, *(self.symbols[f"{prefix}{name}.{part}"]["st_value"]
                               for part in ("base", "size"))) for name in sorted(names)]


def load_windows(tfa: Path) -> dict[str, Region]:
    """Image -> where it may be loaded, of all that BL1 and BL2 load."""
    found = Stage("BL1", tfa / "bl1.elf").windows(BL1_TABLE) + \
        Stage("BL2", tfa / "bl2.elf").windows(BL2_TABLE)
    windows = {window.name: window for window in found}
    if set(windows) != set(IMAGE_IDS.values()) or len(found) != len(windows):
        raise KapuError(f"the boot stages load {', '.join(w.name for w in found)}; expected one window "
                        f"each for {', '.join(IMAGE_IDS.values())}")
    return windows


def conflicts(windows: dict[str, Region], bl1: list[Region], bl2: list[Region], in_use: list[Region],
              secure_ram: Region, normal_ram: Region) -> list[str]:
    """What a load would overwrite, a sentence each. bl1 and bl2 are sections in RAM and ROM."""
    found = []
    for name, window in windows.items():
        ram = secure_ram if name in SECURE else normal_ram
        if window.size == 0 or not ram.holds(window):
            found.append(f"the load window of {window} is not in {ram}")
        # BL2 is what BL1 loads: its window is for its own sections.
        for region in bl1 + in_use + ([] if name == "bl2" else bl2):
            if window.overlaps(region):
                found.append(f"the load window of {window} covers {region}")
    ordered = list(windows.values())
    for i, one in enumerate(ordered):
        found += [f"the load windows of {one} and {other} overlap" for other in ordered[i + 1:]
                  if one.overlaps(other)]
    return found


def start_conflicts(windows: dict[str, Region], bl2: list[Region], bl31: list[Region],
                    in_use: list[Region]) -> list[str]:
    """What BL31, once it clears its memory, would overwrite of what waits for it: BL2's parameters,
    the images that it starts, and what the boot left to OP-TEE."""
    waiting = [Region(f"the loaded {name}", w.base, w.size) for name, w in windows.items()
               if name not in ("bl2", "bl31")]
    waiting += bl2 + [region for region in in_use if region.name in LEFT_BEHIND]
    return [f"{section} covers {other}" for section in bl31 for other in waiting
            if section.overlaps(other)]


def prove(tfa: Path) -> None:
    """Raise KapuError unless every load window of a finished build is free."""
    bl1, bl2, bl31 = (Stage(name.upper(), tfa / f"{name}.elf") for name in ("bl1", "bl2", "bl31"))
    windows = load_windows(tfa)
    ram = {region.name: region for region in bl2.regions("ram")}
    in_use = bl2.regions("in_use")
    if in_use != bl1.regions("in_use") or not in_use:
        raise KapuError("BL1 and BL2 do not agree on the memory in use (memory_use.S)")
    found = conflicts(windows, bl1.sections, bl2.sections, in_use, ram["secure"], ram["normal"])
    found += start_conflicts(windows, bl2.sections, bl31.sections, in_use)
    if not all(windows["bl2"].holds(section) for section in bl2.sections):
        found.append(f"BL2 has memory outside of {windows['bl2']}")
    if found:
        raise KapuError("memory map of the boot stages (platform_def.h): " + "; ".join(found))
