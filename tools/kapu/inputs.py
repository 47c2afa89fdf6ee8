# SPDX-License-Identifier: Apache-2.0
"""Which files of the checkout a running step reads: they must be inputs of it."""

import os
import re
import sys
import threading
from pathlib import Path

from .paths import BUILD, ROOT


class Inputs:
    """What a step may read of the checkout. The build stops when it reads something else, which
    could change without the step being run again."""

    # Their content counts in another way: the code by closure.py, pins by fetch.identity(), keys by
    # their public halves.
    COUNTED = (ROOT / "tools/kapu", ROOT / "third_party/lock.json",
               Path(os.environ.get("KAPU_KEYS") or ROOT / "keys"))
    IN_WORD = re.compile(re.escape(str(ROOT)) + r"(?:/[^:,=\s\"']*)?")

    of_thread = threading.local()  # its .running: the inputs of the step that a thread runs

    def __init__(self, files: list[Path]):
        self.files = [Path(os.path.abspath(file)) for file in (*files, *self.COUNTED)]
        self.undeclared: set[str] = set()

    def note(self, name) -> None:
        """A path that was opened, or that a command was given."""
        path = Path(os.path.abspath(os.fsdecode(name)))
        if not path.is_relative_to(ROOT) or path == ROOT or path.is_relative_to(BUILD):
            return
        above = any(path.is_relative_to(file) for file in self.files)
        below = path.is_dir() and any(file.is_relative_to(path) for file in self.files)
        if not above and not below:
            self.undeclared.add(str(path.relative_to(ROOT)))

    def note_command(self, words: list[str]) -> None:
        for word in words:
            for name in self.IN_WORD.findall(word):
                self.note(name)

    def __enter__(self) -> "Inputs":
        self.of_thread.running = self
        return self

    def __exit__(self, *_) -> None:
        self.of_thread.running = None


def note_open(event: str, arguments: tuple) -> None:
    if event != "open":
        return
    inputs = getattr(Inputs.of_thread, "running", None)
    path, mode = arguments[:2]
    # A relative name for os.open(), without a mode, may be below another folder (dir_fd).
    if inputs and not isinstance(path, int) and (mode is not None or os.path.isabs(path)):
        inputs.note(path)


sys.addaudithook(note_open)
