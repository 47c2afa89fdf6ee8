# SPDX-License-Identifier: Apache-2.0
"""Releases to update a gateway of this checkout with, for the demonstration and for tests: the next one, and one that is
well signed and does not come up."""

import subprocess
from pathlib import Path

from . import build, certs, reference
from .build import Release
from .errors import KapuError
from .keys import key_set
from .paths import BUILD, host_environment, version
from .update_keys import UPDATE_ROLES, development_key

RELEASE_SIGNERS = UPDATE_ROLES["release"][2][:UPDATE_ROLES["release"][1]]  # as many as must sign


def next_version(steps: int = 1) -> str:
    """The version of this checkout with a higher last number."""
    *first, last = version().split(".")
    return ".".join([*first, str(int(last) + steps)])


def next_release(flavour: str) -> Release:
    """This checkout as the release after this one."""
    return build.release(flavour, next_version(), build.security_counter() + 1)


def package_that_does_not_come_up(of: Release, folder: Path) -> Path:
    """The release after that one, with a mistake in the kernel's command line: no root file system is there. With
    reference.cbor, as for any release."""
    folder.mkdir(parents=True)
    text = (of.device_tree.out / "gateway.dts").read_text()
    if text.count("root=/dev/dm-0") != 2:
        raise KapuError("the device tree names its root file system in another way")
    (folder / "gateway.dts").write_text(text.replace("root=/dev/dm-0", "root=/dev/dm-1"))
    tree = folder / "gateway.dtb"
    subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", tree, folder / "gateway.dts"], check=True,
                   env=host_environment())
    images = {"bl2": of.tfa.out / "bl2.bin", "bl31": of.tfa.out / "bl31.bin", "optee": of.optee.out / "optee.bin",
              "linux": of.linux.out / "Image", "device-tree": tree}
    signer = certs.Signer(of.native.out / "kapu-sign", key_set())
    said = reference.release(next_version(2), of.flavour, of.counter + 1, reference.pcrs_of(of.tfa.out, images))
    (folder / "reference.cbor").write_bytes(reference.sign(reference.encode(build.PLATFORM.name, [said]), signer))
    return build.make_package(folder, images, of.counter + 1, signer, of.tfa.out / "fiptool")


def make_publishable(package: Path, root: Path, said_version: str, product: str, folder: Path, level: int = 6,
                     before: Release | None = None, encrypt: bool = False) -> Path:
    """As `kapu release make` makes it, signed by as many release keys as must sign; with a patch for gateways that have
    the release before; encrypted if that is asked for."""
    def kapu(*words) -> None:
        done = subprocess.run([BUILD / product / "kapu", "release", *map(str, words)], env=host_environment(),
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise KapuError(f"kapu release {words[0]}: {done.stderr.strip()}")

    kapu("make", "--firmware", package, "--root", root, "--version", said_version, "--hardware", build.PLATFORM.name,
         "--product", product, "--out", folder, "--level", level, *(["--encrypt"] if encrypt else []))
    if before:
        kapu("patch", "--firmware", before.firmware.out / "firmware.fip", "--root", before.root.out / "root.img",
             "--level", level, folder)
    for name in RELEASE_SIGNERS:
        kapu("sign", "--key", development_key(name), folder / "manifest")
    return folder
