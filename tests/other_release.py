# SPDX-License-Identifier: Apache-2.0
"""A release like the built gateway's, of which the root image has other blocks."""

import json
import re
import subprocess
from pathlib import Path

from kapu import build, certs
from kapu.keys import key_set
from kapu.paths import BUILD, host_environment

BLOCK = 4096
FIRMWARE, ROOT_IMAGE = BUILD / "gateway" / "firmware.fip", BUILD / "gateway" / "root.img"
FACTS = json.loads((BUILD / "gateway" / "root.json").read_text())


def images_of_the_build() -> dict:
    release = build.release()
    return {"bl2": release.tfa.out / "bl2.bin", "bl31": release.tfa.out / "bl31.bin",
            "optee": release.optee.out / "optee.bin", "linux": release.linux.out / "Image",
            "device-tree": release.device_tree.out / "gateway.dtb"}


def file_system() -> bytearray:
    """Of the built root image: all but the hash tree."""
    return bytearray(ROOT_IMAGE.read_bytes()[:FACTS["data_blocks"] * BLOCK])


def make_other(folder: Path, blocks: bytes) -> tuple:
    """Root image and firmware package in the folder; gives the options of kapu release that name them."""
    root = folder / "root.img"
    root.write_bytes(blocks)
    said = subprocess.run(["veritysetup", "format", "--no-superblock", "--salt", FACTS["salt"], root, folder / "tree"],
                          capture_output=True, text=True, check=True, env=host_environment()).stdout
    root.write_bytes(blocks + (folder / "tree").read_bytes())
    created = FACTS["dm_create"].replace(FACTS["root_hash"], re.search(r"Root hash:\s+(\w+)", said)[1])
    text = (build.PLATFORM / "dts" / "gateway.dts.in").read_text()
    for slot in "ab":
        line = build.kernel_command_line("gateway", {"dm_create": created}, slot).replace('"', '\\"')
        text = text.replace(f'"@BOOTARGS_{slot.upper()}@"', f'"{line}"')
    (folder / "dts").write_text(text)
    subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", folder / "dtb", folder / "dts"], check=True,
                   env=host_environment())
    release = build.release()
    images = images_of_the_build() | {"device-tree": folder / "dtb"}
    build.make_package(folder, images, build.security_counter(), certs.Signer(release.native.out / "kapu-sign", key_set()),
                       release.tfa.out / "fiptool")
    return ("--firmware", folder / "firmware.fip", "--root", root)
