# SPDX-License-Identifier: Apache-2.0
"""A stopped gateway's memory, read and written from outside: what an attacker in its kernel could do.

Knows the kernel from vmlinux and BTF directly, not from the profile that the monitor uses.
"""

import json
import mmap
import struct
import subprocess

from kapu.btf import Btf
from kapu.kernelimage import KernelImage
from kapu.paths import BUILD, host_environment
from watched import RAM_BASE

LINEAR_MAP = 0xffff000000000000
PAGE = 4096
PTE_ADDRESS = 0xfffffffff000
PTE_VALID, PTE_TABLE, PTE_USER, PTE_RDONLY = 1, 2, 1 << 6, 1 << 7
PTE_WRITE, PTE_PXN, PTE_UXN = 1 << 51, 1 << 53, 1 << 54


class Kernel:
    """What the build knows of a flavour's kernel."""

    def __init__(self, flavour: str):
        folder = (BUILD / flavour / "vmlinux").resolve().parent
        self.image = KernelImage((folder / "vmlinux").read_bytes())
        self.types = Btf((folder / "vmlinux.btf").read_bytes())


def inspect(flavour: str, source, *more) -> tuple[int, dict]:
    """kapu inspect: its exit status, and what it says."""
    command = [BUILD / flavour / "kapu", "inspect", "--json", "--release", BUILD / flavour, *more,
               *([source] if source.is_file() else ["--live", source])]
    result = subprocess.run(command, env=host_environment(), capture_output=True, text=True,
                            check=False)
    assert result.returncode in (0, 1), result.stderr
    return result.returncode, json.loads(result.stdout)


class Guest:
    """Memory of a gateway that does not run while it is changed; every change can be taken back."""

    def __init__(self, machine, kernel: Kernel, report: dict):
        with open(machine.ram, "r+b") as file:
            self.ram = mmap.mmap(file.fileno(), 0)
        self.kernel = kernel
        self.text_pa = int(report["text_pa"], 16)
        self.slide = int(report["slide"], 16)
        self.memory_start = self.u64(self.symbol("memstart_addr"))
        self.undo: list[tuple[int, bytes]] = []

    # -- addresses

    def symbol(self, name: str) -> int:
        return self.kernel.image.address(name) + self.slide

    def offset(self, structure: str, member: str) -> int:
        return self.kernel.types.offset(structure, member)

    def root(self) -> int:
        return self.text_pa + self.kernel.image.offset("swapper_pg_dir")

    def physical(self, va: int) -> int:
        base = self.kernel.image.base + self.slide
        if base <= va < base + self.kernel.image.end:
            return self.text_pa + va - base
        if LINEAR_MAP <= va < LINEAR_MAP | 1 << 47:
            return (va - LINEAR_MAP + self.memory_start) % (1 << 64)  # it may be "negative"
        entry, at, level = self.entry(self.root(), va)
        assert entry & PTE_VALID, hex(va)
        size = 1 << (39 - 9 * level)
        return (entry & PTE_ADDRESS & -size) + va % size

    def entry(self, table: int, va: int) -> tuple[int, int, int]:
        """The last descriptor on the way to va, where it is, and its level."""
        for level in range(4):
            at = table + 8 * (va >> (39 - 9 * level) & 511)
            entry = struct.unpack("<Q", self.read_pa(at, 8))[0]
            if level == 3 or not entry & PTE_VALID or not entry & PTE_TABLE:
                return entry, at, level
            table = entry & PTE_ADDRESS
        raise AssertionError

    # -- memory

    def read_pa(self, pa: int, size: int) -> bytes:
        return self.ram[pa - RAM_BASE:pa - RAM_BASE + size]

    def write_pa(self, pa: int, data: bytes) -> None:
        self.undo.append((pa, self.read_pa(pa, len(data))))
        self.ram[pa - RAM_BASE:pa - RAM_BASE + len(data)] = data

    def read(self, va: int, size: int) -> bytes:
        return self.read_pa(self.physical(va), size)

    def write(self, va: int, data: bytes) -> None:
        self.write_pa(self.physical(va), data)

    def u64(self, va: int) -> int:
        return struct.unpack("<Q", self.read(va, 8))[0]

    def u32(self, va: int) -> int:
        return struct.unpack("<I", self.read(va, 4))[0]

    def put_u64(self, va: int, value: int) -> None:
        self.write(va, struct.pack("<Q", value))

    def put_u32(self, va: int, value: int) -> None:
        self.write(va, struct.pack("<I", value))

    def change_entry(self, table: int, va: int, change) -> None:
        entry, at, _ = self.entry(table, va)
        self.write_pa(at, struct.pack("<Q", change(entry)))

    def restore(self) -> None:
        while self.undo:
            pa, data = self.undo.pop()
            self.ram[pa - RAM_BASE:pa - RAM_BASE + len(data)] = data

    # -- kernel objects

    def per_cpu(self, name: str) -> list[int]:
        """A per-CPU variable of each core that may be there."""
        offsets = self.symbol("__per_cpu_offset")
        return [self.symbol(name) + self.u64(offsets + 8 * cpu)
                for cpu in range(self.u32(self.symbol("nr_cpu_ids")))]

    def link(self, head: int, node: int) -> None:
        """list_add()"""
        after = self.u64(head)
        self.put_u64(node, after)
        self.put_u64(node + 8, head)
        self.put_u64(after + 8, node)
        self.put_u64(head, node)

    def field(self, va: int, structure: str, member: str) -> int:
        return self.u64(va + self.offset(structure, member))

    def unlink(self, node: int) -> None:
        """list_del() of somebody who covers the traces."""
        after, before = self.u64(node), self.u64(node + 8)
        self.put_u64(before, after)
        self.put_u64(after + 8, before)
        self.put_u64(node, node)
        self.put_u64(node + 8, node)

    def page_tables(self, task: int) -> int:
        mm = self.field(task, "task_struct", "mm")
        return self.physical(self.field(mm, "mm_struct", "pgd"))
