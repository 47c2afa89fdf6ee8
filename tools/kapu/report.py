# SPDX-License-Identifier: Apache-2.0
"""Figures that a target prints also go to build/report/NAME.json: numbers by name."""

import fcntl
import json

from .paths import REPORT


def write_report(name: str, **figures) -> None:
    REPORT.mkdir(parents=True, exist_ok=True)
    path = REPORT / f"{name}.json"
    path.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")


def update_report(name: str, **figures: float) -> None:
    """Like write_report, but figures of other runs of the same report stay, of those at the same time too."""
    REPORT.mkdir(parents=True, exist_ok=True)
    path = REPORT / f"{name}.json"
    with open(REPORT / f".{name}.lock", "w", encoding="ascii") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        old = json.loads(path.read_text()) if path.exists() else {}
        write_report(name, **(old | figures))
