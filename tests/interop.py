# SPDX-License-Identifier: Apache-2.0
"""Evidence checked by implementations that are not kapu's (tests/interop): npm packages with a lock
file, installed below build/."""

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
from kapu.paths import BUILD  # noqa: E402

SOURCE = ROOT / "tests" / "interop"
FOLDER = BUILD / "interop"
SCRIPT = "check-evidence.mjs"
FILES = ("package.json", "package-lock.json", SCRIPT)


def install() -> Path:
    """The folder with script and packages; installs when the lock file is another."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    lock = (SOURCE / "package-lock.json").read_bytes()
    stamp = FOLDER / "installed"
    with open(FOLDER / "lock", "w", encoding="ascii") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_bytes() == lock + (SOURCE / SCRIPT).read_bytes():
            return FOLDER
        for name in FILES:
            shutil.copy(SOURCE / name, FOLDER)
        # not "npm ci": it wants optional native parts of other machines in the lock file too
        subprocess.run(["npm", "install", "--no-save", "--ignore-scripts", "--omit=optional", "--no-audit",
                        "--no-fund"], cwd=FOLDER, check=True, capture_output=True, timeout=300)
        stamp.write_bytes(lock + (SOURCE / SCRIPT).read_bytes())
    return FOLDER


class NotVerified(Exception):
    """The file was refused; the message says why."""


def check(file: Path, tee: Path, ak: Path | None = None) -> dict:
    """Claims of a token or message (labels as text, byte strings in hexadecimal) that verified."""
    command = ["node", install() / SCRIPT, "--tee", tee]
    if ak:
        command += ["--ak", ak]
    done = subprocess.run([str(word) for word in [*command, file]], capture_output=True, text=True,
                          check=False, timeout=60)
    if done.returncode != 0:
        raise NotVerified(done.stderr.strip())
    return json.loads(done.stdout)["claims"]
