# SPDX-License-Identifier: Apache-2.0
"""What an attacker with the board's disk does to secure storage, while the board is off."""

import contextlib
import json
import subprocess
from pathlib import Path

from kapu import tpm
from kapu.instance import FIRST_MIB, MIB, ROOT_PARTITION_MIB, Instance
from kapu.paths import host_environment

DATA_OFFSET = (FIRST_MIB + 2 * ROOT_PARTITION_MIB) * MIB
DATA_SIZE = 256 * MIB
FOLDER = "/lib/tee"  # of the data partition, which is /var


def read_data(instance: Instance) -> bytes:
    with open(instance.folder / "disk.img", "rb") as disk:
        disk.seek(DATA_OFFSET)
        return disk.read(DATA_SIZE)


def write_data(instance: Instance, data: bytes) -> None:
    with open(instance.folder / "disk.img", "r+b") as disk:
        disk.seek(DATA_OFFSET)
        disk.write(data)


@contextlib.contextmanager
def data_partition(instance: Instance):
    """The data partition as a file, which is put back afterwards; its journal is played first."""
    path = instance.folder / "data.img"
    path.write_bytes(read_data(instance))
    try:
        done = subprocess.run(["/usr/sbin/e2fsck", "-fy", path], env=host_environment(), check=False,
                              capture_output=True)
        assert done.returncode in (0, 1), done.stdout
        yield path
        write_data(instance, path.read_bytes())
    finally:
        path.unlink()


def debugfs(partition: Path, command: str, write: bool = True) -> str:
    done = subprocess.run(["/usr/sbin/debugfs", *(["-w"] if write else []), "-R", command, partition],
                          env=host_environment(), check=True, capture_output=True, text=True)
    return done.stdout


def names(partition: Path) -> list[str]:
    """The files of secure storage."""
    rows = debugfs(partition, f"ls -p {FOLDER}", write=False).splitlines()
    return [name for name in (row.split("/")[5] for row in rows if row.startswith("/"))
            if name not in (".", "..")]


def delete(partition: Path, *which: str) -> None:
    for name in which:
        debugfs(partition, f"rm {FOLDER}/{name}")


def read(partition: Path, name: str) -> bytes:
    out = partition.with_suffix(".file")
    debugfs(partition, f"dump {FOLDER}/{name} {out}", write=False)
    data = out.read_bytes()
    out.unlink()
    return data


def replace(partition: Path, name: str, data: bytes) -> None:
    """With the owner that it had: the storage daemon reads it as before."""
    stat = debugfs(partition, f"stat {FOLDER}/{name}", write=False)
    owner = {word: stat.split(f"{word}:")[1].split()[0] for word in ("User", "Group")}
    source = partition.with_suffix(".file")
    source.write_bytes(data)
    debugfs(partition, f"rm {FOLDER}/{name}")
    debugfs(partition, f"write {source} {FOLDER}/{name}")
    for field, value in (("mode", "0100600"), ("uid", owner["User"]), ("gid", owner["Group"])):
        debugfs(partition, f"sif {FOLDER}/{name} {field} {value}")
    source.unlink()


def make_var_anew(instance: Instance) -> None:
    """As docs/root-image.md has it."""
    path = instance.folder / "data.img"
    with open(path, "wb") as file:
        file.truncate(DATA_SIZE)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", "kapu-data", "-m", "0", path],
                   env=host_environment() | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, check=True)
    write_data(instance, path.read_bytes())
    path.unlink()


def counters(instance: Instance) -> tuple[int, int]:
    """Commits and starts, as the TPM has them; the board is off."""
    facts = json.loads(tpm.show(instance.folder, True))
    return facts["storage_counter"], facts["storage_starts"]
