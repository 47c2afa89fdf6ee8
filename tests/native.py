# SPDX-License-Identifier: Apache-2.0
"""Programs of this host that tests run, built as the unit tests are."""

import fcntl
import subprocess
from pathlib import Path

from kapu.paths import BUILD, ROOT

FOLDER = BUILD / "meson-native"


def programs(*targets: str) -> list[Path]:
    FOLDER.parent.mkdir(exist_ok=True)
    with open(FOLDER.with_suffix(".lock"), "w", encoding="ascii") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if not (FOLDER / "build.ninja").exists():
            subprocess.run(["meson", "setup", FOLDER, ROOT], check=True, capture_output=True)
        subprocess.run(["ninja", "-j1", "-C", FOLDER, *targets], check=True, capture_output=True)
    return [FOLDER / target for target in targets]
