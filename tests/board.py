# SPDX-License-Identifier: Apache-2.0
"""A board without a disk, for tests of the boot chain: it runs BL1 and BL2 and stops there.

Everything is real but for what a test changes: ROM, packages and keys come from the build.
"""

import hashlib
import hmac
import json
import shutil
import struct
from pathlib import Path

from kapu import build, certs, fip, tpm
from kapu.instance import FLASH_SIZE, SLOT_SIZE, sparse_file, write_at
from kapu.keys import KeySet, key_set
from kapu.qemu import Machine

VERDICT = r"kapu: HALT: .*$|kapu: slot ([AB]): all images verified"
SECURE_VERDICT = r"kapu: HALT: .*$|Primary CPU switching to normal world boot"
SECONDS = 300
BASE = {"a": 0, "b": SLOT_SIZE}
PAIRING = 8 + 2 + 16 + 34 + 34  # places in the board's record (lib/fusebox/board.c)
COUNTER_BASE = PAIRING + 32
NV_BOOT = 0x01406b05  # FUSEBOX_NV_BOOT of kapu/fusebox.h


class Board:
    """ROM and slots in a folder; tests damage the slots, run it, and read the verdict."""

    def __init__(self, folder: Path, rom: Path, package: Path, factory: Path, slots: str = "ab"):
        folder.mkdir(parents=True)
        self.folder = folder
        self.slots = folder / "slots.img"
        tpm.clone(factory, folder)
        self.write_rom(rom)
        sparse_file(self.slots, FLASH_SIZE)
        for slot in slots:
            self.write_package(slot, package)
        self.machine = Machine(folder, cores=1)

    def write_rom(self, rom: Path) -> None:
        """BL1, and the board's fuses behind it."""
        (self.folder / "rom.img").unlink(missing_ok=True)
        sparse_file(self.folder / "rom.img", FLASH_SIZE)
        write_at(self.folder / "rom.img", 0, rom, FLASH_SIZE)
        tpm.burn(self.folder / tpm.FUSES, self.folder / "rom.img")

    def write_package(self, slot: str, package: Path) -> None:
        self.write(BASE[slot], bytes(SLOT_SIZE) if self.slots.stat().st_blocks else b"")
        write_at(self.slots, BASE[slot], package, SLOT_SIZE)

    def place(self, slot: str, name: str) -> fip.Place:
        return fip.image_place(self.slots, BASE[slot], name)

    def read(self, offset: int, size: int) -> bytes:
        with open(self.slots, "rb") as file:
            file.seek(offset)
            return file.read(size)

    def write(self, offset: int, data: bytes) -> None:
        with open(self.slots, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def flip(self, offset: int, mask: int = 1) -> None:
        self.write(offset, bytes([self.read(offset, 1)[0] ^ mask]))

    def run(self) -> str:
        """Boot until the chain of trust has decided; returns the console up to there."""
        self.machine.console.unlink(missing_ok=True)
        self.machine.start()
        try:
            self.machine.wait_for(VERDICT, SECONDS)
        finally:
            self.machine.stop()
        return self.machine.text()

    def run_secure(self) -> str:
        """Boot until OP-TEE has decided too, or the chain has refused; the secure console."""
        self.machine.console.unlink(missing_ok=True)
        self.machine.secure_console.unlink(missing_ok=True)
        self.machine.start()
        try:
            self.machine.wait_for(SECURE_VERDICT, SECONDS, secure=True)
        finally:
            self.machine.stop()
        return self.machine.text(secure=True)

    def run_until(self, pattern: str) -> str:
        """Boot, and boot again at each reset, until the console has that; the console."""
        self.machine.console.unlink(missing_ok=True)
        self.machine.start()
        try:
            self.machine.wait_for(f"(?s){pattern}", SECONDS)
        finally:
            self.machine.stop()
        return self.machine.text()

    def tpm_tool(self, *commands: str) -> str:
        """Run tpm2-tools commands on the TPM while the board is off, before any firmware ran."""
        with tpm.served(self.folder) as socket:
            script = " && ".join(["tpm2_startup -c", *commands])
            return tpm.run(["env", f"TPM2TOOLS_TCTI=swtpm:path={socket}", "sh", "-c", script],
                           "tpm2-tools")

    def facts(self) -> dict:
        """What `kapu factory show` reads in the TPM while the board is off."""
        return json.loads(tpm.show(self.folder, True))

    def set_counter_base(self, base: int) -> None:
        """Change where the counter starts in the board's fuses: a lower base is a higher counter."""
        record = bytearray((self.folder / tpm.FUSES).read_bytes()[:-32])
        struct.pack_into(">Q", record, COUNTER_BASE, base)
        (self.folder / tpm.FUSES).write_bytes(record + hashlib.sha256(record).digest())
        tpm.burn(self.folder / tpm.FUSES, self.folder / "rom.img")

    def counter_base(self) -> int:
        return struct.unpack_from(">Q", (self.folder / tpm.FUSES).read_bytes(), COUNTER_BASE)[0]

    def board_value(self, handle: int) -> str:
        """The authorisation value that the board has for an object of the TPM, in hexadecimal: KDFa (TPM 2.0
        Part 1, 11.4.10.2) of its pairing secret."""
        pairing = (self.folder / tpm.FUSES).read_bytes()[PAIRING:PAIRING + 32]
        text = struct.pack(">I", 1) + b"kapu board\0" + struct.pack(">II", handle, 256)
        return hmac.new(pairing, text, hashlib.sha256).hexdigest()

    def set_boot_state(self, slot: str, tries: int = 0, confirmed: bytes = bytes(32), tried: bytes = bytes(32)) -> None:
        """Write it into the TPM (lib/bootstate) as only the secure world can; with tries: on trial."""
        state = b"KBS\2" + bytes(["ab".index(slot), tries > 0, tries, 0]) + confirmed + tried
        (self.folder / "state").write_bytes(state)
        self.tpm_tool(f"tpm2_nvwrite -C {NV_BOOT:#x} -P hex:{self.board_value(NV_BOOT)} "
                      f"-i {self.folder / 'state'} {NV_BOOT:#x}")

    def destroy(self) -> None:
        self.machine.stop()
        shutil.rmtree(self.folder)


class Firmware:
    """The build's results, and new packages made from them with other images or other keys."""

    def __init__(self, flavour: str = "gateway"):
        self.release = build.release(flavour)
        self.rom = self.release.firmware.out / "rom.img"
        self.package = self.release.firmware.out / "firmware.fip"
        tfa = self.release.tfa.out
        self.images = {"bl2": tfa / "bl2.bin", "bl31": tfa / "bl31.bin",
                       "optee": self.release.optee.out / "optee.bin",
                       "linux": self.release.linux.out / "Image",
                       "device-tree": self.release.device_tree.out / "gateway.dtb"}

    def make(self, out: Path, images: dict[str, Path] | None = None, keys: KeySet | None = None,
             counter: int | None = None) -> Path:
        signer = certs.Signer(self.release.native.out / "kapu-sign", keys or key_set())
        return build.make_package(out, self.images | (images or {}),
                                  build.security_counter() if counter is None else counter,
                                  signer, self.release.tfa.out / "fiptool")
