# SPDX-License-Identifier: Apache-2.0
"""Gateways whose memory is a file on the host."""

import os
import secrets
import time
from pathlib import Path
from typing import BinaryIO

from kapu import load
from kapu.errors import KapuError
from kapu.instance import Instance
from kapu.qemu import MEMORY_MIB, Machine

RAM_BASE = 0x40000000
IN_MEMORY = Path("/dev/shm")  # a gateway clears all of its memory at each boot: not on a disk, where there is room
MIB = 1 << 20
RESTORE_SECONDS = 300
# For tests of what a gateway does over its life, whatever the processor. It costs two shares of a Cortex-A57 to emulate:
# with FEAT_E0PD, Linux needs no KPTI, which empties QEMU's translations twice in each system call. Attacks on Linux run
# on the Cortex-A57, which hinders them less: on this one a call into patched code ends in a fault (FEAT_BTI).
LIGHT_CPU = "max,pauth=off,sve=off,lpa2=off"


class WatchedMachine(Machine):
    """As the gateway is started, but for where its memory lies. With `incoming` the next start is none: it goes on
    from that saved state (tests/snapshots.py), an open file, because its name may be gone by then."""
    incoming: BinaryIO | None = None

    @property
    def ram(self) -> Path:
        return self.folder / "ram.img"

    def start(self, **options) -> None:
        if not self.ram.is_symlink() and IN_MEMORY.is_dir():
            room = os.statvfs(IN_MEMORY)
            if room.f_bavail * room.f_frsize > 3 * MEMORY_MIB * MIB:
                file = IN_MEMORY / f"kapu-ram-{os.getpid()}-{secrets.token_hex(4)}"
                file.touch(mode=0o600, exist_ok=False)  # QEMU would try for ever to make what a link points to
                self.ram.symlink_to(file)
        super().start(**options)
        if self.incoming:
            self._go_on()

    def _begins(self, event: str) -> None:
        if self.incoming:
            self._note("restore")
        else:
            super()._begins(event)

    def _go_on(self) -> None:
        deadline = time.monotonic() + RESTORE_SECONDS * load.factor()
        while (status := self.qmp("query-status")["status"]) == "inmigrate":
            if time.monotonic() > deadline:
                raise KapuError(f"{self.folder}: its saved state is not taken")
            time.sleep(0.02)
        self.incoming.close()
        self.incoming = None
        if status == "paused":
            self.qmp("cont")

    def stop(self) -> None:
        super().stop()
        if self.ram.is_symlink():
            self.ram.resolve().unlink(missing_ok=True)
            self.ram.unlink()

    def arguments(self, *, reboot: bool) -> list[str]:
        words = super().arguments(reboot=reboot)
        machine = words.index("-machine") + 1
        words[machine] += ",memory-backend=ram"
        if self.incoming:
            words += ["-incoming", f"exec:cat /proc/{os.getpid()}/fd/{self.incoming.fileno()}"]
        return words + ["-object", f"memory-backend-file,id=ram,size={MEMORY_MIB}M,"
                        f"mem-path={self.ram},share=on",
                        "-gdb", f"unix:{self.folder / 'gdb.sock'},server=on,wait=off"]


def ship(instance: Instance, package: Path, slots: str = "a") -> None:
    """The board leaves the factory with another firmware package than the build's."""
    for slot in slots:
        instance.write_firmware(slot, package)
    instance.provision(again=True)


def watched_instance(folder: Path, flavour: str = "gateway", **options) -> Instance:
    return as_watched(Instance.create(folder, flavour, **options))


def as_watched(instance: Instance) -> Instance:
    plain = instance.machine
    instance.machine = WatchedMachine(instance.folder, mac=instance.facts["mac"],
                                      cores=instance.facts["cores"], cpu=instance.facts["cpu"],
                                      share=plain.share)
    return instance
