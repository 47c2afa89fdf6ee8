# SPDX-License-Identifier: Apache-2.0
"""Types commands into the lab flavour's root shell over the console socket."""

import itertools
import re
import threading
import time

from kapu.errors import KapuError
from kapu.qemu import Machine, connect

PROMPT = "kapu-lab# "
NUMBERS = itertools.count()


class Shell:
    """A root shell on the console. Leave it open as long as commands are to be typed."""

    def __init__(self, machine: Machine, timeout: float = 300):
        machine.wait_for(re.escape(PROMPT), timeout, partial=True)
        self.machine = machine
        self.socket = connect(machine.console_socket)
        # What nobody reads stops the gateway's serial port: read all; the log file has it too.
        threading.Thread(target=self._drain, daemon=True).start()
        self._silence(timeout)

    def _silence(self, timeout: float) -> None:
        """What else is said on the console would fall into commands' output: the kernel's messages stay in
        dmesg, and the report of the gateway's status at the end of its start is waited for."""
        self.run("dmesg -n 1", timeout, check=False)
        self.run("systemctl is-system-running --wait", timeout, check=False)

    def _drain(self) -> None:
        self.socket.settimeout(None)
        try:
            while self.socket.recv(65536):
                pass
        except OSError:
            pass  # closed

    def run(self, command: str, timeout: float = 120, check: bool = True) -> str:
        """The command's output; with `check`, a failing command raises with what it said."""
        mark = f"done-{next(NUMBERS)}"
        seen = len(self.machine.text())
        # the quotes keep the echo of the command line from looking like its end
        self.socket.sendall(f"{command}; echo -e \"\\n\"{mark[:4]}\"\"{mark[4:]} $?\n".encode())
        found = self.machine.wait_for(rf"^{mark} (\d+)\s*$", timeout, start=seen)
        text = self.machine.text()[seen:][:found.start()].replace("\r", "")
        output = text.split("\n", 1)[1] if "\n" in text else ""
        if check and found.group(1) != "0":
            raise KapuError(f"'{command}' failed with status {found.group(1)}: {output}")
        return output.strip()

    def reset(self, timeout: float = 300) -> None:
        """Press reset and wait for the next prompt."""
        seen = len(self.machine.text())
        self.machine.reset()
        found = self.machine.wait_for(r"BL1: Booting BL2", timeout, start=seen)
        seen += found.end()  # a prompt that comes after this is the new one
        self.machine.wait_for(re.escape(PROMPT), timeout, start=seen, partial=True)
        time.sleep(0.1)  # the prompt is there; let the line discipline settle before typing
        self._silence(timeout)

    def close(self) -> None:
        self.socket.close()
