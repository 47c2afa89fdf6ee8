# SPDX-License-Identifier: Apache-2.0
"""Where things are: the checkout, what it builds, and the cache that outlives it."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
REPORT = BUILD / "report"
CACHE = Path(os.environ.get("KAPU_CACHE")
             or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kapu")


def version() -> str:
    return (ROOT / "VERSION").read_text().strip()


def host_environment() -> dict[str, str]:
    """The environment that build commands see: nothing of the user's that could change a result."""
    keep = {k: v for k, v in os.environ.items()
            if k in ("HOME", "USER", "LOGNAME", "TERM", "TMPDIR", "SOFTHSM2_CONF")}
    return keep | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC",
                   "SOURCE_DATE_EPOCH": "1767225600"}  # 2026-01-01: one date for every build
