# SPDX-License-Identifier: Apache-2.0
"""One gateway as processes: QEMU, and swtpm behind its TPM device.

The machine is DESIGN's qemu-virt: flash 0 is the ROM and read-only, flash 1 holds the slots, the
second serial port belongs to the secure world. Both consoles go to files; the first is a socket
too, so that a person can attach.
"""

import fcntl
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import time
from pathlib import Path

from . import load, patience, tpm
from .errors import KapuError
from .paths import host_environment
from .processes import end_process, processor_seconds, read_pid

CORES = int(os.environ.get("KAPU_TEST_CORES", "2"))  # of a gateway; a test run may want 1
MEMORY_MIB = 1024
CPU = "cortex-a57"
F_OFD_GETLK = 36  # fcntl(2)
SOCKET_PATH_MAX = 107  # unix(7): sun_path, without its end
# What is waited for at the end of a boot: for the time that it took, which tools/test adds up.
START_SECONDS = 120  # of QEMU, in which it does nothing
STILL_SECONDS = 300  # in which no console says anything: then a gateway is given up
STARTS_MAX = 10      # of a board that restarts for ever
READY = ("KAPU-STATUS", "HALT", "all images verified", "switching to normal world")


def connect(path: Path, timeout: float = 30.0) -> socket.socket:
    """Connect to a socket that a process of ours is about to listen on."""
    deadline = time.monotonic() + timeout
    while True:
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(timeout)
        try:
            line.connect(str(path))
            return line
        except (FileNotFoundError, ConnectionRefusedError):
            line.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def is_locked(path: Path) -> bool:
    """Whether a process holds a lock of the file, as QEMU does for images and swtpm for its state (fcntl(2), F_OFD_GETLK)."""
    if not path.exists():
        return False
    with open(path, "rb") as file:
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        return struct.unpack("hhqqi4x", fcntl.fcntl(file, F_OFD_GETLK, asked))[0] != fcntl.F_UNLCK


class Qmp:
    """QEMU's control socket, one command at a time."""

    def __init__(self, path: Path):
        self.socket = connect(path)
        self.stream = self.socket.makefile("rw")
        self._receive()  # greeting
        self.command("qmp_capabilities")

    def _receive(self) -> dict:
        line = self.stream.readline()
        if not line:
            raise KapuError("QEMU closed its control socket")
        return json.loads(line)

    def command(self, name: str, **arguments):
        self.stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            message = self._receive()
            if "error" in message:
                raise KapuError(f"QEMU refuses {name}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


class Machine:
    """QEMU on the files of a folder: rom.img, slots.img, disk.img, tpm/."""

    def __init__(self, folder: Path, *, mac: str = "52:54:00:6b:61:70", cores: int = CORES,
                 cpu: str = CPU, share: Path | None = None):
        self.folder = folder
        self.mac = mac
        self.cores = cores
        self.cpu = cpu
        self.share = share
        self.console = folder / "console.log"
        self.secure_console = folder / "secure.log"
        self.console_socket = folder / "console.sock"
        self.qmp_socket = folder / "qmp.sock"
        self.channel_socket = folder / "channel.sock"  # lab: commands and what they say (tests/shell.py)
        self.forwards = ""  # what the network lets out, as words of QEMU's user network
        self.tpm_socket: Path | None = None  # of something that stands between QEMU and the TPM
        self._switched_on: float | None = None  # or reset, until it was ready

    # -- how often, and how long

    def _note(self, event: str, **more) -> None:
        log = os.environ.get("KAPU_BOOTS_LOG")
        if log:
            kind = "lab" if self.share else "gateway" if (self.folder / "disk.img").exists() else "board"
            test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition("/")[2]
            with open(log, "a", encoding="ascii") as file:
                file.write(json.dumps({"event": event, "kind": kind, "test": test, **more}) + "\n")

    def _begins(self, event: str) -> None:
        self._note(event)
        self._switched_on = time.monotonic()

    def is_ready(self) -> None:
        """It has come up, as far as its user wants; only the first time since power-on or reset counts."""
        if self._switched_on is not None:
            self._note("ready", seconds=round(time.monotonic() - self._switched_on, 2))
            self._switched_on = None

    # -- processes

    def pid(self) -> int | None:
        return read_pid(self.folder / "qemu.pid")

    def _start_tpm(self) -> list[str]:
        control = self.folder / "tpm.sock"
        tpm.start_swtpm(self.folder, "--ctrl", f"type=unixio,path={control}", "--terminate")
        return ["-chardev", f"socket,id=tpm,path={self.tpm_socket or control}",
                "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-tis-device,tpmdev=tpm0"]

    def arguments(self, *, reboot: bool) -> list[str]:
        files = self.folder
        words = ["qemu-system-aarch64", "-machine", "virt,secure=on,gic-version=3",
                 "-cpu", self.cpu, "-smp", str(self.cores), "-m", str(MEMORY_MIB),
                 "-nodefaults", "-display", "none", "-no-user-config",
                 "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={files / 'rom.img'}",
                 "-drive", f"if=pflash,unit=1,format=raw,file={files / 'slots.img'}",
                 "-chardev", f"socket,id=console,path={self.console_socket},server=on,wait=off,"
                 f"logfile={self.console},logappend=on", "-serial", "chardev:console",
                 "-chardev", f"file,id=secure,path={self.secure_console},append=on",
                 "-serial", "chardev:secure",
                 "-qmp", f"unix:{self.qmp_socket},server=on,wait=off",
                 "-pidfile", str(files / "qemu.pid"),
                 "-global", "virtio-mmio.force-legacy=off",
                 "-device", "virtio-rng-device,bus=virtio-mmio-bus.2"]
        if (files / "disk.img").exists():
            words += ["-drive", f"if=none,id=disk,format=raw,file={files / 'disk.img'}",
                      "-device", "virtio-blk-device,drive=disk,bus=virtio-mmio-bus.0",
                      # the gateway gets an address, and reaches nothing outside of this process
                      "-netdev", f"user,id=net,restrict=on{self.forwards}",
                      "-device", f"virtio-net-device,netdev=net,bus=virtio-mmio-bus.1,"
                      f"mac={self.mac}"]
        if self.share:
            words += ["-fsdev", f"local,id=lab,path={self.share},security_model=none",
                      "-device", "virtio-9p-device,fsdev=lab,mount_tag=kapu-lab,"
                      "bus=virtio-mmio-bus.3",
                      "-chardev", f"socket,id=lab-channel,path={self.channel_socket},server=on,wait=off",
                      # port 0 would be a console
                      "-device", "virtio-serial-device,max_ports=2,bus=virtio-mmio-bus.4",
                      "-device", "virtserialport,nr=1,chardev=lab-channel,name=kapu.lab"]
        return words + ([] if reboot else ["-no-reboot"])

    def start(self, *, with_tpm: bool = True, reboot: bool = True) -> None:
        if self.pid():
            raise KapuError(f"{self.folder} is running already (process {self.pid()})")
        if len(str(self.console_socket)) > SOCKET_PATH_MAX:
            raise KapuError(f"the path {self.folder} is too long for sockets in it; use a checkout "
                            f"nearer to the root, at most {SOCKET_PATH_MAX} characters with names")
        for old in (self.qmp_socket, self.console_socket, self.channel_socket, self.folder / "qemu.pid",
                    self.folder / "inspect.stopped"):
            old.unlink(missing_ok=True)
        words = self.arguments(reboot=reboot)
        if not shutil.which(words[0]):
            raise KapuError(f"{words[0]} is not installed; run: make packages")
        self._begins("start")
        try:
            self._start(words, with_tpm)
        except BaseException:  # an error, or a signal
            self.stop()  # swtpm too, which no QEMU would end
            raise

    def _start(self, words: list[str], with_tpm: bool) -> None:
        left = read_pid(self.folder / "swtpm.pid")
        if left:  # of a start that was killed
            end_process(left)
        if with_tpm:
            words += self._start_tpm()
        with open(self.folder / "qemu.log", "wb") as log:
            process = subprocess.Popen(words, env=host_environment(), stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, start_new_session=True)
        self.process = process
        waiting = patience.of_process(process.pid, START_SECONDS)
        while not (self.qmp_socket.exists() and self.pid()):
            if process.poll() is not None or waiting.over():
                process.kill()
                process.wait()
                text = (self.folder / "qemu.log").read_text(errors="replace").strip()
                raise KapuError(f"QEMU did not start: {text}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Cut the power. The gateway must stand that at any time."""
        for name in ("qemu.pid", "swtpm.pid"):
            pid = read_pid(self.folder / name)
            if pid:
                if name == "qemu.pid":
                    self._note("off", processor=round(processor_seconds(pid), 1))
                end_process(pid)
            (self.folder / name).unlink(missing_ok=True)
        process = getattr(self, "process", None)
        if process is not None:
            process.wait()

    def reset(self) -> None:
        self._begins("reset")
        self.qmp("system_reset")

    def qmp(self, name: str, **arguments):
        if not self.pid():
            raise KapuError(f"{self.folder} is not running")
        control = Qmp(self.qmp_socket)
        try:
            return control.command(name, **arguments)
        finally:
            control.close()

    # -- what it says

    def text(self, secure: bool = False) -> str:
        path = self.secure_console if secure else self.console
        return path.read_bytes().decode(errors="replace") if path.exists() else ""

    def wait_for(self, pattern: str, timeout: float, start: int = 0, secure: bool = False,
                 partial: bool = False) -> re.Match:
        """Wait until the console, from character `start` on, matches; the match is relative to it.

        Only complete lines count, unless `partial` (for a prompt). Raises when the time is over, or when QEMU has ended and the console does not match.
        """
        timeout *= load.factor()
        expression = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + timeout
        while True:
            alive = self.pid() is not None
            text = self.text(secure)[start:]
            found = expression.search(text if partial else text[:text.rfind("\n") + 1])
            if found:
                if any(word in pattern for word in READY):
                    self.is_ready()
                return found
            if not alive or time.monotonic() > deadline:
                why = f"within {timeout:.0f} s" if alive else "before QEMU ended"
                tail = "\n".join(f"  | {line}" for line in self.text(secure)[start:].splitlines()[-15:])
                raise KapuError(f"{self.folder.name}: the console did not show /{pattern}/ {why}"
                                f"\n{tail}")
            time.sleep(0.05)

    def wait_up(self, start: int = 0, pattern: str = r"^KAPU-STATUS (.*)$|kapu: HALT.*$") -> re.Match:
        """Wait until it has come up or refuses to, however slow the machine is: as long as one of the consoles moves."""
        expression = re.compile(pattern, re.MULTILINE)
        waiting = patience.Patience(STILL_SECONDS, lambda: patience.sizes(self.console, self.secure_console))
        while True:
            alive = self.pid() is not None
            text = self.text()[start:]
            whole = text[:text.rfind("\n") + 1]
            found = expression.search(whole)
            if found:
                self.is_ready()
                return found
            starts = len(re.findall("BL1: v", whole))
            if not alive or waiting.over() or starts > STARTS_MAX:
                why = ("QEMU has ended" if not alive else f"it has started {starts} times" if starts > STARTS_MAX else
                       f"its consoles have said nothing for {waiting.seconds:.0f} s")
                last = [line for line in text.splitlines() if line.strip()][-5:]
                raise KapuError(f"{self.folder.name} has not come up: {why}. It said last:\n"
                                + "\n".join(f"  | {line}" for line in last))
            time.sleep(0.05)

    def in_use(self) -> bool:
        """Whether any process has its flash or its TPM in hand, whatever the files with process numbers say."""
        return self.pid() is not None or any(is_locked(self.folder / name) for name in (
            "slots.img", "disk.img", "tpm/.lock"))

    def wait_for_end(self, timeout: float) -> None:
        """Wait until QEMU ends by itself (a reset, with reboot=False)."""
        timeout *= load.factor()
        deadline = time.monotonic() + timeout
        while self.pid():
            if time.monotonic() > deadline:
                raise KapuError(f"{self.folder.name}: QEMU still runs after {timeout:.0f} s")
            time.sleep(0.05)
        process = getattr(self, "process", None)
        if process is not None:
            process.wait()
