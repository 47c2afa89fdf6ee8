# SPDX-License-Identifier: Apache-2.0
"""Processes of ours that outlive the command that started them: found by their pid files."""

import os
import signal
import time
from pathlib import Path


def process_alive(pid: int) -> bool:
    """Whether a process of ours runs; one that ended but was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def read_pid(path: Path) -> int | None:
    """The process of a pid file, if it still runs and was started from our folder."""
    try:
        pid = int(path.read_text())
        started_here = str(path.parent) in Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return pid if started_here and process_alive(pid) else None


def end_process(pid: int, patience: float = 5.0) -> None:
    """Ask a process to end, then make it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not process_alive(pid):
                return
            time.sleep(0.02)
