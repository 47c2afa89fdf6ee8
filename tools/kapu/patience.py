# SPDX-License-Identifier: Apache-2.0
"""Waiting for something that takes as long as it takes: as long as it moves, it is waited for."""

import time
from pathlib import Path

from . import load
from .processes import processor_seconds


def sizes(*paths: Path) -> tuple[int, ...]:
    return tuple(path.stat().st_size if path.exists() else 0 for path in paths)


class Patience:
    """Is over when nothing moved for so many seconds. `sign`: something that changes while it moves."""

    def __init__(self, seconds: float, sign):
        self.seconds = seconds * load.factor()
        self.sign, self.was, self.since = sign, sign(), time.monotonic()

    def over(self) -> bool:
        now = self.sign()
        if now != self.was:
            self.was, self.since = now, time.monotonic()
        return time.monotonic() > self.since + self.seconds


def of_process(pid: int, seconds: float) -> Patience:
    """A process that starts: as long as it uses a tenth of a second of processor from time to time."""
    return Patience(seconds, lambda: round(10 * processor_seconds(pid)))
