# SPDX-License-Identifier: Apache-2.0
"""A gateway instance: a folder with one board's flashes, disk, TPM and identity."""

import json
import re
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from . import tpm
from .build import FLASH_SIZE, SLOT_SIZE
from .errors import KapuError
from .making import new_file, new_folder, remove_folder
from .paths import BUILD, host_environment
from .qemu import CORES, CPU, Machine

INSTANCES = BUILD / "gateways"
MIB = 1 << 20
ROOT_PARTITION_MIB = 128
DATA_PARTITION_MIB = 256
FIRST_MIB = 1  # where the first partition starts
DISK_MIB = FIRST_MIB + 2 * ROOT_PARTITION_MIB + DATA_PARTITION_MIB + 1
PARTITIONS = ("kapu-root-a", "kapu-root-b", "kapu-data")
SLOTS = ("a", "b")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def fits(source: Path, image: Path, limit: int) -> None:
    try:
        size = source.stat().st_size
    except OSError as error:
        raise KapuError(f"{source}: {error.strerror}") from error
    if size > limit:
        raise KapuError(f"{source} has {size} bytes, its place in {image} only {limit}")


def write_at(path: Path, offset: int, source: Path, limit: int) -> None:
    """Copy a file into a place of an image; what lies behind it in that place stays."""
    fits(source, path, limit)
    with open(source, "rb") as data, open(path, "r+b") as image:
        image.seek(offset)
        shutil.copyfileobj(data, image)


def sparse_file(path: Path, size: int) -> None:
    with open(path, "wb") as file:
        file.truncate(size)


def release_folder(flavour: str) -> Path:
    """Where the current build of a flavour is; an error that says what to run if there is none."""
    if not (BUILD / flavour / "firmware.fip").exists():
        raise KapuError(f"{flavour} is not built; run: tools/build {flavour}")
    return BUILD / flavour


class Instance:
    """One gateway in its folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        path = folder / "instance.json"
        if not path.exists():
            raise KapuError(f"no gateway in {folder}; make one with: tools/gateway create NAME")
        self.facts = json.loads(path.read_text())
        share = folder / "share"
        self.machine = Machine(folder, mac=self.facts["mac"], cores=self.facts["cores"],
                               cpu=self.facts["cpu"], share=share if share.exists() else None)

    # -- making

    @classmethod
    def create(cls, folder: Path, flavour: str = "gateway", *, cores: int = CORES,
               cpu: str = CPU) -> "Instance":
        """Make a new board: ROM, both slots with the current release, disk, identity."""
        release_folder(flavour)
        with new_folder(folder) as temporary:
            cls._fill(temporary, flavour, cores, cpu)
        return cls(folder)

    def off(self) -> "Instance":
        """Itself, if no process uses the board; an error else."""
        name = self.folder.name
        if self.machine.pid():
            raise KapuError(f"{name} is running; tools/gateway stop {name} first")
        if self.machine.in_use():
            raise KapuError(f"{name}: another command uses it now (its images or its TPM are locked)")
        return self

    def destroy(self) -> None:
        remove_folder(self.folder)

    @classmethod
    def _fill(cls, folder: Path, flavour: str, cores: int, cpu: str) -> None:
        """Everything of a new board, in a folder that is no gateway yet."""
        identity = uuid.uuid4()
        mac = "52:54:00:" + ":".join(f"{b:02x}" for b in identity.bytes[:3])
        make_disk(folder / "disk.img", identity)
        if flavour == "lab":
            (folder / "share").mkdir()
        (folder / "instance.json").write_text(json.dumps(
            {"id": str(identity), "mac": mac, "flavour": flavour, "cores": cores, "cpu": cpu},
            indent=1) + "\n")
        made = cls(folder)
        made.write_release()
        made.provision()

    def provision(self, again: bool = False) -> None:
        """The factory step: the board's TPM and its fuses belong together from here on, and the TPM names the release
        that slot A holds."""
        release = release_folder(self.facts["flavour"])
        with open(self.folder / "slots.img", "rb") as flash, tempfile.NamedTemporaryFile(prefix="kapu-") as firmware:
            firmware.write(flash.read(SLOT_SIZE))
            firmware.flush()
            tpm.provision(self.folder, self.facts["id"], (release / "root-key.sha256").read_text().strip(), again,
                          Path(firmware.name))
        tpm.burn(self.folder / tpm.FUSES, self.folder / "rom.img")

    def upgrade(self) -> None:
        """The factory step on a board of an earlier release: it keeps its keys and counters."""
        release = release_folder(self.facts["flavour"])
        tpm.upgrade(self.folder, (release / "root-key.sha256").read_text().strip())
        tpm.burn(self.folder / tpm.FUSES, self.folder / "rom.img")

    def write_release(self) -> None:
        """The current build of this flavour: ROM, and firmware and root image in both slots."""
        release = release_folder(self.facts["flavour"])
        rom, slots, disk = (self.folder / name for name in ("rom.img", "slots.img", "disk.img"))
        for name, image, limit in (("rom.img", rom, tpm.FUSES_OFFSET), ("firmware.fip", slots, SLOT_SIZE),
                                   ("root.img", disk, ROOT_PARTITION_MIB * MIB)):
            fits(release / name, image, limit)
        with new_file(rom) as new:
            sparse_file(new, FLASH_SIZE)
            write_at(new, 0, release / "rom.img", tpm.FUSES_OFFSET)
            tpm.burn(self.folder / tpm.FUSES, new)
        with new_file(slots) as new:
            sparse_file(new, FLASH_SIZE)
            for slot in SLOTS:
                write_at(new, SLOTS.index(slot) * SLOT_SIZE, release / "firmware.fip", SLOT_SIZE)
        for slot in SLOTS:
            self.write_root(slot, release / "root.img")

    def write_firmware(self, slot: str, package: Path) -> None:
        offset = SLOTS.index(slot) * SLOT_SIZE
        write_at(self.folder / "slots.img", offset, package, SLOT_SIZE)

    def erase_slot(self, slot: str) -> None:
        """Nothing is left in a slot: flash as it comes from its maker, and an empty partition."""
        with open(self.folder / "slots.img", "r+b") as flash, open(self.folder / "disk.img", "r+b") as disk:
            flash.seek(SLOTS.index(slot) * SLOT_SIZE)
            flash.write(b"\xff" * SLOT_SIZE)
            disk.seek(self.root_offset(slot))
            disk.write(bytes(ROOT_PARTITION_MIB * MIB))

    def root_offset(self, slot: str) -> int:
        """Byte offset of a slot's root partition on the disk."""
        return (FIRST_MIB + SLOTS.index(slot) * ROOT_PARTITION_MIB) * MIB

    def write_root(self, slot: str, image: Path) -> None:
        write_at(self.folder / "disk.img", self.root_offset(slot), image, ROOT_PARTITION_MIB * MIB)


def make_disk(path: Path, identity: uuid.UUID) -> None:
    """A GPT disk: two root partitions, and an empty file system for what a gateway keeps."""
    sparse_file(path, DISK_MIB * MIB)
    sizes = (ROOT_PARTITION_MIB, ROOT_PARTITION_MIB, DATA_PARTITION_MIB)
    table = f"label: gpt\nlabel-id: {identity}\n"
    start = FIRST_MIB
    for i, (name, size) in enumerate(zip(PARTITIONS, sizes)):
        part = uuid.uuid5(identity, name)
        table += (f"start={start}MiB, size={size}MiB, name={name}, uuid={part}, "
                  "type=0FC63DAF-8483-4772-8E79-3D69D8477DE4\n")
        if i == 2:
            data_start, data_size, data_id = start * MIB, size, part
        start += size
    for command, text in (
            (["sfdisk", "--quiet", path], table),
            (["mke2fs", "-q", "-t", "ext4", "-L", "kapu-data", "-U", str(data_id), "-m", "0",
              "-E", f"offset={data_start},root_owner=0:0", path, f"{data_size}m"], "")):
        result = subprocess.run(command, input=text, env=host_environment(), capture_output=True,
                                text=True, check=False)
        if result.returncode != 0:
            raise KapuError(f"{command[0]}: {result.stderr.strip()}")


def instance_folder(name: str) -> Path:
    if not NAME.fullmatch(name):
        raise KapuError(f"'{name}' is no name for a gateway: use a-z, 0-9 and '-', at most 32")
    return INSTANCES / name


def all_instances() -> list[Instance]:
    if not INSTANCES.exists():
        return []
    return [Instance(p) for p in sorted(INSTANCES.iterdir())
            if NAME.fullmatch(p.name) and (p / "instance.json").exists()]
