# SPDX-License-Identifier: Apache-2.0
"""Processes of ours that outlive the command that started them: found by their pid files."""

import os
import signal
import time
from pathlib import Path

from .errors import KapuError


EXITING = 4  # of a process' flags: PF_EXITING


def _state(pid: int) -> tuple[str, int] | None:
    """Its state and flags (proc(5))."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return words[0], int(words[6])


def process_alive(pid: int) -> bool:
    """Whether a process of ours runs; one that ended but was not waited for does not."""
    state = _state(pid)
    return state is not None and state[0] != "Z"


def processor_seconds(pid: int) -> float:
    """User and system time of a process (proc(5), stat, fields 14 and 15); 0 when it has gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def read_pid(path: Path) -> int | None:
    """The process of a pid file, if it still runs and was started from our folder. One that is ending has no command
    line any more, but still holds files and locks: its end is awaited."""
    try:
        pid = int(path.read_text())
        while not (words := Path(f"/proc/{pid}/cmdline").read_text()):
            state = _state(pid)
            if state is None or state[0] == "Z" or not state[1] & EXITING:
                return None
            time.sleep(0.002)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return pid if str(path.parent) in words and process_alive(pid) else None


def end_process(pid: int) -> None:
    """Ask a process to end, then make it; it has ended when this returns."""
    for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 120)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not process_alive(pid):
                return
            time.sleep(0.02)
    raise KapuError(f"process {pid} does not end, though it was killed")
