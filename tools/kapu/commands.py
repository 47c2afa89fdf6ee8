# SPDX-License-Identifier: Apache-2.0
"""How the steps of the build run commands. This is part of every step's key: it decides what a
command sees."""

import subprocess
from pathlib import Path

from .paths import host_environment


def run_logged(words: list[str], log_path: Path, *, cwd=None, env=None, stdin=None) -> int:
    """Run a command with its output at the end of a log; its status."""
    with open(log_path, "ab") as log:
        log.write(f"+ {' '.join(words)}\n".encode())
        log.flush()
        try:
            return subprocess.run(words, cwd=cwd, env=host_environment() | env, stdout=log,
                                  stderr=subprocess.STDOUT, stdin=stdin or subprocess.DEVNULL,
                                  check=False).returncode
        except OSError as error:  # not installed, or not a program
            log.write(f"{error}\n".encode())
            return 127  # as a shell says it
