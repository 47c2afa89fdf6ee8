# SPDX-License-Identifier: Apache-2.0
"""Random damage to what no signature covers: header and table of contents of a package.

One QEMU serves many mutations: while the board is held in reset the slot's first bytes are written
through QEMU's debug port, then BL1 and BL2 run. The kernel is a small stand-in, signed like the
real one, so that hashing does not take the time.
"""

import os
import random
import re
import time

import pytest

from board import VERDICT, Board
from kapu import load
from kapu.gdb import Gdb
from kapu.qemu import Qmp
from shares import share_of

COUNT = int(os.environ.get("KAPU_MUTATIONS", "1000"))
PARTS = 2  # pytest runs them side by side
SEED = os.environ.get("KAPU_SEED", "kapu")
SLOT_A = 0x04000000   # flash 1 as the CPU sees it
KERNEL = 0x40200000   # where BL2 puts BL33
BRANCH_TO_SELF = bytes.fromhex("00000014")
HANG_SECONDS = 120


class Debugged(Board):
    """A board that runs on, reset by reset."""

    def start(self) -> None:
        self.gdb_socket = self.folder / "gdb.sock"
        original = self.machine.arguments
        self.machine.arguments = lambda **options: original(**options) + [
            "-S", "-gdb", f"unix:{self.gdb_socket},server=on,wait=off"]
        self.machine.start()
        self.gdb = Gdb(self.gdb_socket)
        self.qmp = Qmp(self.machine.qmp_socket)

    def run_with(self, head: bytes) -> str:
        """Reset, put `head` at the start of slot A, run until the verdict; the console of it."""
        self.qmp.command("stop")
        self.qmp.command("system_reset")
        while self.qmp.command("query-status")["running"]:
            time.sleep(0.001)
        self.gdb.write(SLOT_A, head)
        seen = len(self.machine.text())
        self.qmp.command("cont")
        deadline = time.monotonic() + HANG_SECONDS * load.factor()
        while time.monotonic() < deadline:
            text = self.machine.text()[seen:]
            if re.search(VERDICT, text[:text.rfind("\n") + 1], re.MULTILINE):
                return text
            time.sleep(0.004)
        return text


    def loaded_memory(self, size: int) -> bytes:
        """What BL2 loaded as BL33."""
        dump = self.folder / "memory"
        self.qmp.command("pmemsave", val=KERNEL, size=size, filename=str(dump))
        return dump.read_bytes()


def small_package(firmware, folder, images=None):
    """A signed package whose kernel is a few pages; the package and the kernel's bytes."""
    kernel = folder / "kernel"
    kernel.write_bytes(BRANCH_TO_SELF + bytes(range(256)) * 16)
    package = firmware.make(folder / "small", images={"linux": kernel} | (images or {}))
    return package, kernel.read_bytes()


@pytest.fixture
def debugged(firmware, factory, tmp_path):
    package, kernel = small_package(firmware, tmp_path)
    made = Debugged(tmp_path / "board", firmware.rom, package, factory, slots="a")
    made.kernel = kernel
    try:
        made.start()
        yield made
    finally:
        made.destroy()


def mutate(head: bytes, random_: random.Random) -> tuple[bytes, str]:
    at = random_.randrange(len(head))
    value = head[at]
    while value == head[at]:  # a mutation changes something
        value = random_.choice([head[at] ^ (1 << random_.randrange(8)), random_.randrange(256),
                                0x00, 0xff, (head[at] + 1) & 0xff])
    return head[:at] + bytes([value]) + head[at + 1:], f"byte {at}: {head[at]:#x} -> {value:#x}"


@pytest.mark.parametrize("part", range(PARTS))
def test_a_mutated_table_boots_the_signed_code_or_halts(debugged, part):
    table_end = min(debugged.place("a", name).offset for name in ("bl2", "bl31", "optee"))
    head = debugged.read(0, table_end)
    source = random.Random(f"{SEED} {part}")
    outcomes = {"halted": 0, "booted": 0}
    mutations = [mutate(head, source) for _ in range(COUNT // PARTS)]
    for i in share_of(len(mutations)):
        changed, what = mutations[i]
        console = debugged.run_with(changed)
        if "kapu: HALT" in console:
            assert "all images verified" not in console, f"mutation {i}, {what}: {console}"
            outcomes["halted"] += 1
        else:
            assert "slot A: all images verified" in console, f"mutation {i}, {what}: {console}"
            debugged.qmp.command("stop")
            assert debugged.loaded_memory(len(debugged.kernel)) == debugged.kernel, f"mutation {i}, {what}: other code was loaded"
            outcomes["booted"] += 1
    print(outcomes)
    # Both must occur, else the campaign did not test what it says.
    done = sum(outcomes.values())
    assert outcomes["halted"] > done // 4
    assert outcomes["booted"] > done // 20
