# SPDX-License-Identifier: Apache-2.0
"""Makes this machine as busy as a slower one, for as long as a block lasts.

KAPU_TEST_LOAD=4 leaves tests about a quarter of each core: three processes for each core do nothing but
count, at normal priority. Whoever waits for a gateway then waits four times as long.
"""

import os
import subprocess
import sys

from .errors import KapuError
from .schedule import cores_of_host

BUSY = "while True: pass"


def factor() -> int:
    """How much slower the machine is made; 1: not at all."""
    text = os.environ.get("KAPU_TEST_LOAD", "1")
    if not text.isdigit() or not 1 <= int(text) <= 16:
        raise KapuError(f"KAPU_TEST_LOAD is '{text}'; it is a number from 1 to 16")
    return int(text)


class Load:
    """Processes that keep cores busy; ended by their own numbers when the block ends."""

    def __init__(self, factor: int):
        self.count = (factor - 1) * cores_of_host()
        self.processes: list[subprocess.Popen] = []

    @classmethod
    def wanted(cls) -> "Load":
        """As the environment has it."""
        return cls(factor())

    def __enter__(self) -> "Load":
        for _ in range(self.count):
            self.processes.append(subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.DEVNULL))
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
