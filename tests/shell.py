# SPDX-License-Identifier: Apache-2.0
"""Runs commands as root in the lab flavour, over a port that only commands and their results use.

Nothing is read from the console, where kernel and services speak too. gateway/lab-channel is the other
end, and says what a message looks like.
"""

import itertools
import os
import re
import struct
import time

from kapu import load
from kapu.errors import KapuError
from kapu.qemu import Machine, connect

MARK = b"KAPU"
HEAD = struct.Struct("<II")
COMMAND_MAX = 64 << 10
PROBE_SECONDS = 10
IDS = itertools.count(int.from_bytes(os.urandom(3), "little"))  # no two runs use the same


def type_line(machine: Machine, line: str) -> None:
    """On the console, as a person would. Somebody who stays connected and does not read would soon stop the machine:
    QEMU waits for them with each character."""
    seen = len(machine.text())
    console = connect(machine.console_socket)
    try:
        console.sendall(line.encode() + b"\n")
        machine.wait_for(re.escape(line[:20]), 300, start=seen, partial=True)  # its echo: it has been read
    finally:
        console.close()


class Shell:
    """A root shell in a lab that runs. Each command is a bash of its own: a `cd` does not outlive it."""

    def __init__(self, machine: Machine, timeout: float = 900):
        self.machine = machine
        self._open(timeout)

    def _open(self, timeout: float) -> None:
        """Connect, and wait for the end of the gateway's start. QEMU keeps a command until somebody in
        the gateway opens the port, which happens when the services are up."""
        self.socket = connect(self.machine.channel_socket)
        self._received = b""
        self.run("systemctl is-system-running --wait; systemctl start lab.mount", timeout, check=False)
        self.machine.is_ready()

    def run(self, command: str, timeout: float = 600, check: bool = True) -> str:
        """The command's output; with `check`, a failing command raises with what it said."""
        timeout *= load.factor()
        deadline = time.monotonic() + timeout
        try:
            self.socket.settimeout(timeout)
            status, output = self._answer(command, deadline)
        except TimeoutError:
            raise KapuError(f"{self.machine.folder.name}: '{command}' did not end within {timeout:.0f} s"
                            f"\n{self._last_words()}") from None
        except OSError as error:
            raise KapuError(f"{self.machine.folder.name}: no answer to '{command}': {error}"
                            f"\n{self._last_words()}") from None
        output = output.decode(errors="replace").replace("\r", "").strip()
        if check and status != 0:
            raise KapuError(f"'{command}' failed with status {status}: {output}")
        return output

    def send(self, command: str) -> int:
        """Its number; what it says is dropped, unless _reply() is asked for that number."""
        text, number = command.encode(), next(IDS)
        assert len(text) <= COMMAND_MAX, f"a command of {len(text)} bytes"
        self.socket.sendall(HEAD.pack(number, len(text)) + text)
        return number

    def heard(self, number: int, seconds: float) -> str | None:
        """What a command that was sent has said, if that comes in so many seconds: also after the power has gone."""
        try:
            return self._reply({number}, time.monotonic() + seconds)[2].decode(errors="replace").strip()
        except OSError:
            return None

    def _answer(self, command: str, deadline: float) -> tuple[int, bytes]:
        """The reply. Now and then a message does not reach the gateway, or it is not told of it: another one, that does
        nothing, makes it look. Commands are done in their order: if that one is answered first, ours got lost."""
        number, probe, boots = self.send(command), None, self._boots()
        while True:
            try:
                got, status, output = self._reply({number, probe}, min(deadline, time.monotonic() + PROBE_SECONDS))
            except TimeoutError:
                if time.monotonic() >= deadline:
                    raise
                self.socket.settimeout(PROBE_SECONDS)
                probe = self.send("true")
                continue
            if got == number:
                return status, output
            if self._boots() != boots:
                raise ConnectionResetError("the gateway was reset while it ran")
            number, probe = self.send(command), None

    def _boots(self) -> int:
        return self.machine.text().count("BL1: Booting BL2")

    def _reply(self, numbers: set, deadline: float) -> tuple[int, int, bytes]:
        """The first to one of these commands; whatever else comes is left of earlier ones, and dropped."""
        heads = {MARK + struct.pack("<I", number): number for number in numbers if number is not None}
        while True:
            places = [(at, head) for head in heads if (at := self._received.find(head)) >= 0]
            if places:
                at, head = min(places)
                self._received = self._received[at:]
                if len(self._received) >= len(head) + HEAD.size:
                    status, size = HEAD.unpack_from(self._received, len(head))
                    end = len(head) + HEAD.size + size
                    if len(self._received) >= end:
                        output = self._received[len(head) + HEAD.size:end]
                        self._received = self._received[end:]
                        return heads[head], status, output
            else:
                self._received = self._received[-len(MARK) - 3:]
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.socket.settimeout(left)
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionResetError("its end of the port was closed")
            self._received += data

    def _last_words(self) -> str:
        """For a person who reads why a test failed."""
        return "\n".join(f"  | {line}" for line in self.machine.text().splitlines()[-15:])

    def reset(self, timeout: float = 900) -> None:
        """Press reset and wait until commands run again."""
        seen = len(self.machine.text())
        self.close()  # with what the old run may still say
        self.machine.reset()
        self.machine.wait_for(r"BL1: Booting BL2", timeout, start=seen)
        self._open(timeout)

    def cut_power(self, timeout: float = 900) -> None:
        """Switch off and on, and wait until commands run again."""
        self.close()
        self.machine.stop()
        self.machine.start()
        self._open(timeout)

    def close(self) -> None:
        self.socket.close()
