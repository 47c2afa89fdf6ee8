# SPDX-License-Identifier: Apache-2.0
"""Gateways whose memory is a file on the host."""

import os
import secrets
from pathlib import Path

from kapu.instance import Instance
from kapu.qemu import MEMORY_MIB, Machine

RAM_BASE = 0x40000000
IN_MEMORY = Path("/dev/shm")  # a gateway clears all of its memory at each boot: not on a disk, where there is room
MIB = 1 << 20


class WatchedMachine(Machine):
    """As the gateway is started, but for where its memory lies."""

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

    def stop(self) -> None:
        super().stop()
        if self.ram.is_symlink():
            self.ram.resolve().unlink(missing_ok=True)
            self.ram.unlink()

    def arguments(self, *, reboot: bool) -> list[str]:
        words = super().arguments(reboot=reboot)
        machine = words.index("-machine") + 1
        words[machine] += ",memory-backend=ram"
        return words + ["-object", f"memory-backend-file,id=ram,size={MEMORY_MIB}M,"
                        f"mem-path={self.ram},share=on",
                        "-gdb", f"unix:{self.folder / 'gdb.sock'},server=on,wait=off"]


def watched_instance(folder: Path, flavour: str = "gateway", **options) -> Instance:
    instance = Instance.create(folder, flavour, **options)
    plain = instance.machine
    instance.machine = WatchedMachine(folder, mac=instance.facts["mac"],
                                      cores=instance.facts["cores"], cpu=instance.facts["cpu"],
                                      share=plain.share)
    return instance
