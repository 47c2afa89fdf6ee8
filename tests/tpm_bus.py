# SPDX-License-Identifier: Apache-2.0
"""Somebody on the bus between the board and its TPM: sees, keeps, changes and adds commands.

QEMU talks to swtpm over a control socket, through which it hands a second one for TPM commands
(swtpm_ioctls(3)). The bus stands between on both. Attach it before the machine starts.
"""

import os
import socket
import struct
import threading
from pathlib import Path

from kapu.qemu import Machine, connect

CMD_INIT = struct.pack(">II", 2, 0)  # what a reset line does
HEADER = 10                          # of TPM commands and answers: tag, size, code

STARTUP, PCR_EXTEND, NV_READ, READ_PUBLIC = 0x144, 0x182, 0x14E, 0x173
HIERARCHY_CONTROL, NV_READ_PUBLIC, UNSEAL, START_AUTH_SESSION = 0x121, 0x169, 0x15E, 0x176


def code_of(message: bytes) -> int:
    return struct.unpack(">I", message[6:10])[0]


def answer(rc: int) -> bytes:
    """An answer without parameters: success, or the TPM's error."""
    return struct.pack(">HII", 0x8001, HEADER, rc)


def read_message(line: socket.socket) -> bytes:
    """One TPM command or answer; empty when the other side has left."""
    data = b""
    size = HEADER
    while len(data) < size:
        part = line.recv(size - len(data))
        if not part:
            return b""
        data += part
        if len(data) == HEADER:
            size = struct.unpack(">I", data[2:6])[0]
    return data


class TpmBus:
    """`on_command` may return an answer of its own (bytes) or None; `on_answer` returns the answer."""

    def __init__(self, machine: Machine):
        self.machine = machine
        self.on_command = lambda code, command: None
        self.on_answer = lambda code, command, answer: answer
        self.seen: list[bytes] = []  # both ways, as it really passed
        self.lock = threading.RLock()
        self.tpm: socket.socket | None = None
        self.control: socket.socket | None = None
        machine.tpm_socket = machine.folder / "bus.sock"
        machine.tpm_socket.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(machine.tpm_socket))
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                board = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._relay_control, args=(board,), daemon=True).start()

    def _relay_control(self, board: socket.socket) -> None:
        self.control = connect(self.machine.folder / "tpm.sock")
        self.control.settimeout(None)
        while True:
            try:
                message, passed, _, _ = socket.recv_fds(board, 4096, 1)
            except OSError:
                return
            if not message:
                return
            with self.lock:
                if passed:
                    ours, theirs = socket.socketpair()
                    socket.send_fds(self.control, [message], [theirs.fileno()])
                    theirs.close()
                    self.tpm = ours
                    threading.Thread(target=self._relay_commands, daemon=True,
                                     args=(socket.socket(fileno=passed[0]),)).start()
                else:
                    self.control.sendall(message)
                reply = self.control.recv(4096)
            board.sendall(reply)

    def _relay_commands(self, board: socket.socket) -> None:
        while True:
            try:
                command = read_message(board)
                if not command:
                    return
                board.sendall(self._exchange(command))
            except OSError:
                return

    def _exchange(self, command: bytes) -> bytes:
        own = self.on_command(code_of(command), command)
        if own is not None:
            return own
        got = self.command(command)
        return self.on_answer(code_of(command), command, got)

    # -- what the attacker does himself

    def command(self, command: bytes) -> bytes:
        """One command to the TPM, between those of the board; keeps both."""
        with self.lock:
            self.tpm.sendall(command)
            got = read_message(self.tpm)
            self.seen += [command, got]
        return got

    def reset_tpm(self) -> None:
        """Pull the TPM's reset line, while the board goes on."""
        with self.lock:
            self.control.sendall(CMD_INIT)
            self.control.recv(4)

    def serve(self, path: Path) -> None:
        """A socket that takes TPM commands, for programs: raw access beside the board's."""
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()

        def work():
            client = listener.accept()[0]
            while command := read_message(client):
                client.sendall(self.command(command))
            client.close()
            listener.close()
            os.unlink(path)
        threading.Thread(target=work, daemon=True).start()

    def capture(self) -> bytes:
        return b"".join(self.seen)

    def close(self) -> None:
        self.listener.close()
