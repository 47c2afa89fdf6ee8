# SPDX-License-Identifier: Apache-2.0
"""Gateways that have just come up, without the time that a boot takes: one is booted for real, stopped, and saved with its
memory, disk and TPM. Whoever wants a gateway continues a copy. A reset or a later start of it is a real boot.

    instance = snapshots.running(folder / "gw", "lab")   # made by the first who asks
    instance.machine.start()                             # goes on where the saved one was stopped

All copies are the same board: who needs two, makes the other as ever.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

from kapu import instance, qemu, tpm
from kapu.errors import KapuError
from kapu.instance import Instance, release_folder
from kapu.paths import BUILD, host_environment
from kapu.qemu import CORES, CPU
from monitored import Monitor
from shell import Shell
from watched import WatchedMachine, as_watched, watched_instance

BOOT_SECONDS = 900
SAVE_SECONDS = 300
FOLDER = BUILD / "snapshots"
STATE = "state"  # of the machine, as QEMU migrates it
PROCESSES = ("*.sock", "*.pid", "ram.img")
CODE = (instance, qemu, tpm)  # how a gateway is made and started


def save(running: Instance, to: Path) -> None:
    """Stop the gateway where it is, and keep it in a new folder. Nobody may have a shell in it."""
    machine = running.machine
    making = to.with_name(f".{to.name}.{os.getpid()}")
    making.mkdir(parents=True)
    try:
        machine.qmp("stop")
        machine.qmp("migrate", uri=f"exec:cat > {making / STATE}")
        deadline = time.monotonic() + SAVE_SECONDS
        while (status := machine.qmp("query-migrate").get("status")) != "completed":
            if status in ("failed", "cancelled") or time.monotonic() > deadline:
                raise KapuError(f"{running.folder}: its state cannot be saved ({status})")
            time.sleep(0.05)
        machine.stop()
        copy(running.folder, making)
        making.rename(to)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def copy(source: Path, to: Path) -> None:
    """All that makes the board, but for the processes' own files; holes stay holes."""
    for path in source.iterdir():
        if not any(path.match(pattern) for pattern in PROCESSES) and path.name != STATE:
            subprocess.run(["cp", "-a", "--sparse=always", "--reflink=auto", path, to], check=True,
                           env=host_environment())


def restored(saved: Path, folder: Path) -> Instance:
    """A copy, off: its first start goes on where it was saved."""
    folder.mkdir(parents=True)
    copy(saved, folder)
    made = as_watched(Instance(folder))
    made.machine.incoming = saved / STATE
    return made


def come_up(machine: WatchedMachine, flavour: str) -> None:
    """With its first deep check made. The lab's shared folder is let go: QEMU saves nobody who has it mounted."""
    if flavour == "lab":
        shell = Shell(machine)
        Monitor(machine).next_check(BOOT_SECONDS)
        shell.run("systemctl stop lab.mount; sync")
        shell.close()
    else:
        machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS)
        Monitor(machine).next_check(BOOT_SECONDS)


def of_release(flavour: str) -> str:
    """All that a saved gateway depends on."""
    digest = hashlib.sha256(f"{CORES} {CPU}".encode())
    version = subprocess.run(["qemu-system-aarch64", "--version"], env=host_environment(), check=True,
                             capture_output=True).stdout
    for content in (version, *(Path(module.__file__).read_bytes() for module in CODE), Path(__file__).read_bytes(),
                    *((release_folder(flavour) / name).read_bytes() for name in ("rom.img", "firmware.fip", "root.img"))):
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def running(folder: Path, flavour: str = "gateway") -> Instance:
    """A gateway of the present release that has just come up; it goes on when it is started."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    saved = FOLDER / f"{flavour}-{of_release(flavour)}"
    with open(FOLDER / f"{flavour}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait for the first
        if not saved.exists():
            for old in FOLDER.glob(f"{flavour}-*"):
                shutil.rmtree(old)
            made = watched_instance(FOLDER / f"{flavour}.{os.getpid()}", flavour)
            try:
                made.machine.start(reboot=False)
                come_up(made.machine, flavour)
                save(made, saved)
            finally:
                made.machine.stop()
                shutil.rmtree(made.folder)
        return restored(saved, folder)
