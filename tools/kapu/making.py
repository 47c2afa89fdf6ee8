# SPDX-License-Identifier: Apache-2.0
"""Folders that appear when all of them is there, and go at once.

While one is made or removed it is called .NAME.kapu.PID, as nobody else calls a folder. One that a killed command left is
removed by the next that makes something beside it.
"""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from .errors import KapuError
from .processes import end_process, read_pid


def remove_abandoned(beside: Path) -> None:
    """What commands left that were killed: their processes, then their folders."""
    for left in beside.glob(".*.kapu.*"):
        pid = left.suffix.lstrip(".")
        if pid.isdigit() and left.is_dir() and not Path("/proc", pid).exists():
            for name in ("qemu.pid", "swtpm.pid"):
                process = read_pid(left / name)
                if process:
                    end_process(process)
            shutil.rmtree(left, ignore_errors=True)


def temporary_name(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.kapu.{os.getpid()}")


@contextmanager
def new_folder(folder: Path, mode: int = 0o777):
    """A folder to fill, which takes its name at the end of the block; an error or a signal leaves nothing."""
    if folder.exists():
        raise KapuError(f"{folder} exists already")
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder.parent)
    temporary = temporary_name(folder)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(mode=mode)
        yield temporary
        try:
            temporary.rename(folder)
        except OSError as error:
            if folder.exists():
                raise KapuError(f"{folder} was made by another command in the meantime") from error
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def new_file(path: Path):
    """The name of a file to write, which takes the place of the other at the end of the block."""
    temporary = path.with_name(f"{path.name}.kapu-new")
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Under its name there is all of it, or nothing."""
    remove_abandoned(folder.parent)
    temporary = temporary_name(folder)
    folder.rename(temporary)
    shutil.rmtree(temporary)
