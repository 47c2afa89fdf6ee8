# SPDX-License-Identifier: Apache-2.0
"""A gateway on which attacks are mounted one after the other, and what each left in a record."""

import json
import shutil
import time
from pathlib import Path

import pytest

import snapshots
from guest import Guest, Kernel, inspect
from kapu import load
from kapu.allow import executable_parts
from kapu.errors import KapuError
from kapu.paths import BUILD, REPORT
from kapu.qemu import CORES
from shell import Shell

from .detector import Detector, HostInspector, until_clean, watch
from .technique import LAB, Technique
from .tools import build_tools

BOOT_SECONDS = 900
BOOT_ATTEMPTS = 3
VICTIM_SECONDS = 300
RUN_ATTEMPTS = 3
DETECTIONS = REPORT / "detections"


class Bench:
    """A running gateway whose memory is a file, with somebody who watches it."""

    def __init__(self, folder: Path, flavour: str, detector: Detector | None = None):
        self.flavour = flavour
        self.instance = snapshots.running(folder / "gw", flavour)
        self.folder = self.instance.folder
        self.machine = self.instance.machine
        self.detector = detector or HostInspector(self.folder, flavour)
        self.kernel = Kernel(flavour)
        self.shell: Shell | None = None
        self.remains: dict[str, str] = {}  # what a mounted attack needs to be taken back
        self._guest: Guest | None = None
        self._clean = False
        self._stays_stopped = False
        self._spoiled = False
        self._secure_start = 0  # of what the secure console says since this boot

    def start(self) -> None:
        """Boot. Where nobody can act in the gateway it is stopped then: attacks are from outside."""
        if self.flavour == LAB:
            build_tools(self.folder / "share")
        self._boot()

    def _come_up(self) -> None:
        """On a busy host the gateway may miss its time limits, and restart."""
        for attempt in range(BOOT_ATTEMPTS):
            self.machine.start(reboot=False)
            try:
                if self.flavour == LAB:
                    self.shell = Shell(self.machine)
                else:
                    self.machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS)
                return
            except KapuError:
                if attempt == BOOT_ATTEMPTS - 1:
                    raise
                self.machine.stop()
                self.machine.console.unlink()

    def _boot(self) -> None:
        self._secure_start = len(self.machine.text(secure=True))
        self._come_up()
        if self.shell is not None:
            self.shell.run("insmod /lab/harmless.ko")
            for kind, place in (("tracefs", "tracing"), ("debugfs", "debug")):
                self.shell.run(f"grep -q ' /sys/kernel/{place} ' /proc/mounts || "
                               f"mount -t {kind} {kind} /sys/kernel/{place}")
        assert self.clean() == []
        self._stays_stopped = self.shell is None and not self.detector.runs_with_gateway
        if self._stays_stopped:
            self._wait_for_victim()
            self._stop()

    def _wait_for_victim(self) -> None:
        """The service that most attacks are on is running for systemd as soon as it was started; then
        it has to load its libraries."""
        deadline = time.monotonic() + VICTIM_SECONDS * load.factor()
        while True:
            _, report = inspect(self.flavour, self.folder)
            if any(c["name"] == "tee-supplicant" and "libc.so" in c["file"] and c["resident_pages"]
                   for c in report["code"]):
                return
            assert time.monotonic() < deadline, "tee-supplicant has no libraries"

    def _stop(self) -> dict:
        """At a moment when no core is in the secure world, which hides the registers of Linux; the report."""
        deadline = time.monotonic() + VICTIM_SECONDS * load.factor()
        while True:
            self.machine.qmp("stop")
            _, report = inspect(self.flavour, self.folder)
            if all(c["done"] for c in report["checks"] if c["id"] == "registers"):
                return report
            assert time.monotonic() < deadline, "a core stays in the secure world"
            self.machine.qmp("cont")
            time.sleep(0.1)

    def _boot_again(self) -> None:
        """An attack was too much for the gateway, or was not taken back."""
        if self.shell is not None:
            self.shell.close()
        self.machine.stop()
        self.machine.console.unlink()
        self._guest, self._clean, self._spoiled = None, False, False
        self._boot()

    def close(self) -> None:
        if self.shell is not None:
            self.shell.close()
        self.machine.stop()
        shutil.rmtree(self.folder)

    # -- attacks from outside

    def guest(self) -> Guest:
        """The stopped machine; restore() takes back what was changed and lets it go on."""
        if self._guest is None:
            report = inspect(self.flavour, self.folder)[1] if self._stays_stopped else self._stop()
            self._guest = Guest(self.machine, self.kernel, report)
            self._guest.report = report
        return self._guest

    def restore(self) -> None:
        if self._guest is not None:
            if self.detector.runs_with_gateway and not self._stays_stopped:
                self.machine.qmp("stop")
            self._guest.restore()
            if not self._stays_stopped:
                self._guest = None
                self.machine.qmp("cont")

    # -- attacks from inside

    def start_process(self, command: str, name: str) -> None:
        """In the background; returns when the process is called `name`."""
        pid = self.shell.run(f"({command} > /dev/null 2>&1 < /dev/null & echo $!)").splitlines()[-1]
        self.remains["pid"] = pid
        self.shell.run(f"until test \"$(cat /proc/{pid}/comm)\" = {name}; do sleep 0.1; done",
                       timeout=30)

    def end_process(self) -> None:
        self.shell.run(f"kill -9 {self.remains.pop('pid')}")

    def pid(self, name: str) -> int:
        return int(self.shell.run(f"pgrep -o -x {name}"))

    def executable_page(self, program: str) -> int:
        """Number of the first page of a program of the image that holds code."""
        data = (BUILD / self.flavour / "root-tree" / program.lstrip("/")).read_bytes()
        return executable_parts(data)[0][0]

    # -- one attack

    def clean(self) -> list[dict]:
        """What is wrong when nothing should be; a look that was clean need not be repeated."""
        if self._clean:
            return []
        found = until_clean(self.detector)
        self._clean = not found
        return found

    def run(self, technique: Technique):
        """Mount, watch, take back; the findings before, meanwhile and after. Leaves a record.

        The monitor in the secure world watches too. On a busy host its deep check after an attack may
        miss its time limit, and it resets the board in the middle of a later attack, which is done again.
        """
        if technique.cores > CORES:
            pytest.skip(f"it takes {technique.cores} cores (KAPU_TEST_CORES)")
        for _ in range(RUN_ATTEMPTS - 1):
            try:
                return self._run(technique)
            except (KapuError, OSError, AssertionError):
                if self.machine.pid() is not None or not self._was_reset_by_the_monitor():
                    raise
        return self._run(technique)

    def _was_reset_by_the_monitor(self) -> bool:
        return "kapu: RESET" in self.machine.text(secure=True)[self._secure_start:]

    def _run(self, technique: Technique):
        if self._spoiled:
            self._boot_again()
        self._spoiled = True
        before = self.clean()
        self._clean = False
        begin = time.monotonic()
        try:
            technique.mount(self)
            mounted = time.monotonic()
            if technique.outside and self.detector.runs_with_gateway:
                self.machine.qmp("cont")
            seen = watch(self.detector, technique.required)
        finally:
            technique.undo(self)
        record(technique, self.detector, seen, mounted - begin)
        after = self.clean()
        self._spoiled = bool(after)
        return before, seen, after


def record(technique: Technique, detector: Detector, seen, mount_seconds: float) -> None:
    """For tools/detection-matrix: what really happened."""
    DETECTIONS.mkdir(parents=True, exist_ok=True)
    (DETECTIONS / f"{technique.name}.json").write_text(json.dumps({
        "name": technique.name, "family": technique.family, "flavour": technique.flavour,
        "description": technique.description, "from": "outside" if technique.outside else "inside",
        "expected": sorted(technique.expected), "required": sorted(technique.required),
        "detector": detector.name, "findings": seen.findings, "ids": sorted(seen.ids),
        "checks": sorted(seen.checks), "looks": seen.looks,
        "mount_seconds": round(mount_seconds, 2),
        "first_seconds": seen.first_seconds and round(seen.first_seconds, 2),
        "seconds": seen.seconds and round(seen.seconds, 2)}, indent=1) + "\n")
