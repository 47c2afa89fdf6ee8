# SPDX-License-Identifier: Apache-2.0
"""Gateways whose memory is a file on the host."""

from pathlib import Path

from kapu.instance import Instance
from kapu.qemu import MEMORY_MIB, Machine

RAM_BASE = 0x40000000


class WatchedMachine(Machine):
    """As the gateway is started, but for where its memory lies."""

    @property
    def ram(self) -> Path:
        return self.folder / "ram.img"

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
