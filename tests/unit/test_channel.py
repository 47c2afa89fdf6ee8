# SPDX-License-Identifier: Apache-2.0
"""Commands and results over a port of their own: both ends, here with a socket between them."""

import itertools
import socket
import struct
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest

from kapu.errors import KapuError
from native import programs
from shell import MARK, Shell


@pytest.fixture
def ends(tmp_path):
    """A shell whose gateway is this host, and the other end of its port."""
    ours, theirs = socket.socketpair()
    shell = Shell.__new__(Shell)
    shell.machine = SimpleNamespace(folder=tmp_path, text=lambda: "console line")
    shell.socket, shell._received = ours, b""
    yield shell, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def shell(ends):
    made, theirs = ends
    program, = programs("gateway/lab-channel/kapu-lab-channel")
    with subprocess.Popen([program], stdin=theirs) as process:
        theirs.close()
        yield made
        made.close()
        assert process.wait(10) == 0


def test_output_and_errors_come_as_they_were_said(shell):
    assert shell.run("echo one; echo two >&2; printf 'three\\n\\n four'") == "one\ntwo\nthree\n\n four"


def test_a_failure_is_told_with_what_was_said(shell):
    with pytest.raises(KapuError, match="status 3: because"):
        shell.run("echo because; exit 3")
    assert shell.run("echo because; exit 3", check=False) == "because"
    with pytest.raises(KapuError, match=f"status {128 + 9}"):
        shell.run("kill -9 $$")


def test_what_stays_in_the_background_is_not_waited_for(shell):
    begin = time.monotonic()
    pid = shell.run("sleep 60 & echo $!")  # it holds the output open
    assert time.monotonic() - begin < 30
    assert shell.run(f"kill {pid} && echo ended") == "ended"


def test_output_may_look_like_a_reply_and_be_large(shell):
    assert shell.run("printf 'KAPU\\1\\2\\3\\4\\5\\6\\7\\10'").startswith("KAPU\1\2\3\4")
    assert len(shell.run("head -c 3000000 /dev/zero | tr '\\0' x")) == 3000000


def test_commands_have_no_input_and_may_be_long_and_of_many_lines(shell):
    assert shell.run("cat; echo end") == "end"
    assert shell.run("x='" + "y" * 60000 + "'\necho ${#x}\n") == "60000"


def test_what_is_left_of_an_earlier_reply_is_passed_over(ends, monkeypatch):
    """As after a reset in the middle of one, with the next behind it."""
    shell, theirs = ends
    monkeypatch.setattr("shell.IDS", itertools.count(7))
    theirs.sendall(b"tail" + MARK + struct.pack("<III", 6, 0, 9) + b"cut"
                   + MARK + struct.pack("<III", 7, 0, 2) + b"ok")
    assert shell.run("anything") == "ok"


def test_a_command_that_got_lost_is_sent_again(ends, monkeypatch):
    """The probe that was sent after it is answered first."""
    shell, theirs = ends
    monkeypatch.setattr("shell.PROBE_SECONDS", 0.2)
    lost = []

    def serve():
        while not lost or lost[-1] != b"done":
            number, size = struct.unpack("<II", theirs.recv(8, socket.MSG_WAITALL))
            command = theirs.recv(size, socket.MSG_WAITALL)
            if command == b"anything" and not lost:
                lost.append(command)
                continue
            theirs.sendall(MARK + struct.pack("<III", number, 0, 2) + b"ok")
            lost.append(b"done" if command == b"anything" else command)
    thread = threading.Thread(target=serve)
    thread.start()
    assert shell.run("anything", timeout=30) == "ok"
    thread.join()
    assert lost == [b"anything", b"true", b"done"]


def test_silence_and_the_end_are_errors_that_show_the_console(ends):
    shell, theirs = ends
    with pytest.raises(KapuError, match="did not end within"):
        shell.run("anything", timeout=0.1)
    theirs.close()
    with pytest.raises(KapuError, match="no answer to 'anything'") as raised:
        shell.run("anything", timeout=5)
    assert "console line" in str(raised.value)
