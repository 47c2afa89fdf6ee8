# SPDX-License-Identifier: Apache-2.0
"""Linux uses up the secure world's heap, and an alarm is an alarm all the same: the reset is because of it. The
lab here resets on alarms as a gateway does (lab-resets.patch).
"""

import re
import shutil
import struct

import pytest

from attacks.corpus.tools import build_tools
from board import Firmware
from guest import Guest, Kernel, inspect
from kapu import build
from kapu.paths import ROOT
from kapu.steps import Progress
from monitored import AGAIN, RESET, Monitor
from shell import Shell
from watched import ship, watched_instance

BOOT_SECONDS = 900
CHECK_SECONDS = 600
FOUND = re.compile("kapu: alarm text.page: ")
NOP = struct.pack("<I", 0xd503201f)
MONITOR_TA = "4c7a9b3e-61f0-4b7c-8d21-5e90d4a60f13"
OUT_OF_MEMORY = "0xffff000c"
ROUNDS = 5


class Lab:
    def __init__(self, folder, *patches):
        firmware = Firmware("lab")
        paths = [ROOT / "tests/attacks" / f"{name}.patch" for name in patches]
        step = build.optee_variant(firmware.release, "optee-lab-" + "-".join(patches), *paths)
        step.build(Progress())
        self.instance = watched_instance(folder / "gw", "lab")
        ship(self.instance, firmware.make(folder / "package", images={"optee": step.out / "optee.bin"}))
        build_tools(self.instance.folder / "share")
        self.machine = self.instance.machine
        self.monitor = Monitor(self.machine)
        self.machine.start()
        self.shell = Shell(self.machine)
        self.monitor.next_check(BOOT_SECONDS)

    def exhaust(self) -> None:
        """Until nothing is left for anybody else; what others give back meanwhile is taken too. Nobody asks for a deep
        check until the attack: one in between would find the program that does this."""
        self.shell.run("systemctl kill -s STOP kapu-agent kapu-link")
        for _ in range(ROUNDS):
            said = self.shell.run(f"/lab/tee exhaust {MONITOR_TA}")
            assert re.search(r"exhausted: \d+ .*, \d+ sessions", said), said
            if self.shell.run(f"/lab/tee open {MONITOR_TA} 0") in (OUT_OF_MEMORY, "errno 12"):
                return
        raise AssertionError(f"there is still heap after {ROUNDS} rounds")

    def attack(self) -> None:
        _, report = inspect("lab", self.instance.folder)
        guest = Guest(self.machine, Kernel("lab"), report)
        guest.write(guest.symbol("vfs_read") + 64, NOP)
        self.monitor.skip()
        # the reset may come before the reply
        self.shell.send("systemctl kill -s CONT kapu-agent && systemctl kill -s USR1 kapu-agent")

    def said_after_the_reset(self) -> str:
        self.monitor.wait(AGAIN, BOOT_SECONDS)
        self.machine.wait_for("kapu-lab# ", BOOT_SECONDS, start=self.machine.text().rfind("BL1: "),
                              partial=True)
        self.monitor.next_check(BOOT_SECONDS)
        return self.shell.run("kapu-agent status", check=False)

    def destroy(self) -> None:
        self.shell.close()
        self.machine.stop()
        shutil.rmtree(self.instance.folder)


@pytest.mark.share(4)
def test_an_alarm_without_heap_is_the_reason_of_the_reset(tmp_path):
    lab = Lab(tmp_path, "lab-resets")
    try:
        lab.exhaust()
        lab.attack()
        lab.monitor.wait(FOUND, CHECK_SECONDS)
        assert "because of the alarms" in lab.monitor.wait(RESET, CHECK_SECONDS)[1]
        said = lab.said_after_the_reset()
        assert "because of an alarm" in said and "alarm text.page" in said
    finally:
        lab.destroy()


@pytest.mark.share(2)
def test_with_the_alarm_on_the_heap_it_is_lost(tmp_path):
    """What the test above sees otherwise: the monitor TA cannot say what it found, and ends."""
    lab = Lab(tmp_path, "lab-resets", "alarm-on-heap")
    try:
        lab.exhaust()
        lab.attack()
        assert "has crashed" in lab.monitor.wait(RESET, CHECK_SECONDS)[1]
    finally:
        lab.destroy()
