# SPDX-License-Identifier: Apache-2.0
"""Just enough of the GDB remote protocol to read and write a board's memory from outside, as the
processor sees it, and to stop it at an address."""

from pathlib import Path

from .qemu import connect


class Gdb:
    def __init__(self, path: Path):
        self.socket = connect(path)
        self.pending = b""

    def _receive(self) -> bytes:
        """One packet's content; acknowledges it."""
        while True:
            start = self.pending.find(b"$")
            end = self.pending.find(b"#", start)
            if start >= 0 and end >= 0 and len(self.pending) >= end + 3:
                content = self.pending[start + 1:end]
                self.pending = self.pending[end + 3:]
                self.socket.sendall(b"+")
                return content
            self.pending += self.socket.recv(65536)

    def command(self, text: str) -> bytes:
        checksum = sum(text.encode()) & 0xff
        self.socket.sendall(f"${text}#{checksum:02x}".encode())
        answer = self._receive()
        while answer.startswith(b"T"):  # QEMU reports a stop that the control socket asked for
            answer = self._receive()
        return answer

    def write(self, address: int, data: bytes) -> None:
        for at in range(0, len(data), 512):
            part = data[at:at + 512]
            answer = self.command(f"M{address + at:x},{len(part):x}:{part.hex()}")
            assert answer == b"OK", answer

    def read(self, address: int, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = min(512, size - len(data))
            answer = self.command(f"m{address + len(data):x},{part:x}")
            assert len(answer) == 2 * part, answer
            data += bytes.fromhex(answer.decode())
        return data

    def run(self, how: str) -> None:
        """"c", "vCont;c:CORE" or the like, until it has stopped; QEMU counts cores from 1."""
        self.socket.sendall(f"${how}#{sum(how.encode()) & 0xff:02x}".encode())
        stopped = self._receive()
        assert stopped.startswith(b"T05"), stopped

    def run_to(self, address: int) -> None:
        """Let the board run until it is about to execute this address."""
        assert self.command(f"Z1,{address:x},4") == b"OK"
        self.run("c")
        assert self.command(f"z1,{address:x},4") == b"OK"

    def close(self) -> None:
        self.socket.close()
