# SPDX-License-Identifier: Apache-2.0
"""Gateways that have just come up, without the time that a boot takes: one is booted for real, stopped, and saved with its
memory, disk and TPM. Whoever wants a gateway continues a copy. A reset or a later start of it is a real boot.

    instance = snapshots.running(folder / "gw", "lab")   # made by the first who asks
    instance.machine.start()                             # goes on where the saved one was stopped

All copies are the same board: who needs two, makes the other as ever.
"""

import fcntl
import hashlib
import mmap
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from kapu import instance, load, qemu, tpm
from kapu.build import release
from kapu.errors import KapuError
from kapu.gdb import Gdb
from kapu.instance import Instance, release_folder
from kapu.paths import BUILD, host_environment
from kapu.qemu import CORES, CPU
from kapu.windows import Stage
import watched
from monitored import Monitor
from shell import Shell
from watched import WatchedMachine, as_watched, watched_instance

BOOT_SECONDS = 900
SAVE_SECONDS = 300
FOLDER = BUILD / "snapshots"
STATE = "state"  # of the machine, as QEMU migrates it
TIMER_FIRED = 4  # ISTATUS of CNTPS_CTL_EL1
PROCESSES = ("*.sock", "*.pid", "ram.img")
CODE = (instance, qemu, tpm, watched)  # how a gateway is made and started


def register_number(gdb: Gdb, name: str) -> int:
    """Of a system register, from QEMU's description of them."""
    gdb.command("qSupported:xmlRegisters=aarch64")
    text, more = "", b"m"
    gdb.command("qXfer:features:read:target.xml:0,800")
    while more.startswith(b"m"):
        more = gdb.command(f"qXfer:features:read:system-registers.xml:{len(text):x},800")
        text += more[1:].decode()
    return int(re.search(rf'name="{name}"[^>]* regnum="(\d+)"', text)[1])


def stop_in_ticks(machine: WatchedMachine, interrupt: int) -> Gdb:
    """With each core where the interrupt of its secure timer has just come: what is left of the interrupt makes the
    secure world set the timer again. QEMU 7.2 saves the timer's registers, but not that it runs."""
    gdb = Gdb(machine.folder / "gdb.sock")
    control = register_number(gdb, "CNTPS_CTL_EL1")
    breakpoint_ = f"1,{interrupt:x},4"
    for core in range(1, machine.cores + 1):
        deadline = time.monotonic() + SAVE_SECONDS * load.factor()
        while True:
            if time.monotonic() > deadline:
                raise KapuError(f"{machine.folder}: core {core - 1} has no secure timer")
            assert gdb.command(f"Z{breakpoint_}") == b"OK"
            gdb.run(f"vCont;c:{core:x}")
            assert gdb.command(f"z{breakpoint_}") == b"OK" and gdb.command(f"Hg{core:x}") == b"OK"
            if int.from_bytes(bytes.fromhex(gdb.command(f"p{control:x}").decode()), "little") & TIMER_FIRED:
                break
            gdb.run(f"vCont;s:{core:x}")
    return gdb


def say_paused(state: Path) -> None:
    """QEMU starts nothing that a debugger had stopped (its section "globalstate": a word, padded to 100 bytes)."""
    with open(state, "r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        at = content.rfind(b"debug".ljust(100, b"\0"))
        assert at > 0
        content[at:at + 6] = b"paused"


def save(running: Instance, to: Path) -> None:
    """Stop the gateway where it is, and keep it in a new folder. Nobody may have a shell in it."""
    machine, firmware = running.machine, release(running.facts["flavour"]).tfa.out
    making = to.with_name(f".{to.name}.{os.getpid()}")
    making.mkdir(parents=True)
    try:
        gdb = stop_in_ticks(machine, Stage("bl31", firmware / "bl31.elf").symbols["fiq_aarch64"]["st_value"])
        machine.qmp("migrate", uri=f"exec:cat > {making / STATE}")
        deadline = time.monotonic() + SAVE_SECONDS
        while (status := machine.qmp("query-migrate").get("status")) != "completed":
            if status in ("failed", "cancelled") or time.monotonic() > deadline:
                raise KapuError(f"{running.folder}: its state cannot be saved ({status})")
            time.sleep(0.05)
        gdb.close()
        machine.stop()
        say_paused(making / STATE)
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
    """A copy, off: its first start goes on where it was saved, also when another test has removed the saved one since."""
    folder.mkdir(parents=True)
    copy(saved, folder)
    made = as_watched(Instance(folder))
    made.machine.incoming = open(saved / STATE, "rb")
    return made


def come_up(machine: WatchedMachine, flavour: str) -> None:
    """Wait for the end of the first deep check. The lab's shared folder is then unmounted, because QEMU cannot save a
    machine while it is mounted."""
    if flavour == "lab":
        shell = Shell(machine)
        Monitor(machine).next_check(BOOT_SECONDS)
        shell.run("systemctl stop lab.mount; sync")
        shell.close()
    else:
        machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS)
        Monitor(machine).next_check(BOOT_SECONDS)


def of_release(flavour: str, cpu: str, cores: int) -> str:
    """All that a saved gateway depends on."""
    digest = hashlib.sha256(f"{cores} {cpu}".encode())
    version = subprocess.run(["qemu-system-aarch64", "--version"], env=host_environment(), check=True,
                             capture_output=True).stdout
    for content in (version, tpm.factory_public(), Path(__file__).read_bytes(),
                    *(Path(module.__file__).read_bytes() for module in CODE),
                    *((release_folder(flavour) / name).read_bytes() for name in ("rom.img", "firmware.fip", "root.img"))):
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def kind_of(flavour: str, cpu: str, cores: int) -> str:
    """Of each there is one: a newer one takes its place. Stages with one core and with two run side by side."""
    return f"{flavour}-{re.split('[^a-z0-9]', cpu)[0]}-{cores}"


def running(folder: Path, flavour: str = "gateway", cpu: str = CPU, cores: int = CORES) -> Instance:
    """A gateway of the present release that has just come up; it goes on when it is started."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    kind = kind_of(flavour, cpu, cores)
    saved = FOLDER / f"{kind}-{of_release(flavour, cpu, cores)}"
    with open(FOLDER / f"{kind}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait for the first
        if not saved.exists():
            for old in FOLDER.glob(f"{kind}-*"):
                shutil.rmtree(old)
            made = watched_instance(FOLDER / f"{kind}.{os.getpid()}", flavour, cpu=cpu, cores=cores)
            try:
                made.machine.start(reboot=False)
                come_up(made.machine, flavour)
                save(made, saved)
            finally:
                made.machine.stop()
                shutil.rmtree(made.folder)
        return restored(saved, folder)
