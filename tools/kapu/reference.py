# SPDX-License-Identifier: Apache-2.0
"""Reference values of a release: what the PCRs of a gateway are that booted it (wire/reference.cddl).

Each PCR is a chain of hashes of build outputs, in the order in which the boot stages measure them
(boot/tf-a). The PCR that closes the boot phase is the same for all releases and not in the file.
"""

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from .cbor import cbor
from .certs import Signer
from .keys import REFERENCE_ROLE

FORMAT = 2
PCRS = (0, 7, 8, 9)
TYPE = "application/x.kapu.reference-values+cose"
COSE_SIGN1 = b"\xd2"  # tag 18


def digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def extended(*measurements: bytes) -> bytes:
    """The value of a PCR after these."""
    value = bytes(32)
    for measurement in measurements:
        value = hashlib.sha256(value + measurement).digest()
    return value


def pcrs_of(tfa: Path, images: dict[str, Path]) -> dict[int, bytes]:
    """PCR -> value, of a ROM and the images of a release, by their names in the chain of trust."""
    root_key = bytes.fromhex((tfa / "root-key.sha256").read_text().strip())
    return {0: extended(digest(tfa / "bl1.bin"), *(digest(images[name]) for name in ("bl2", "bl31", "optee"))),
            7: extended(root_key),
            8: extended(digest(images["linux"])),
            9: extended(digest(images["device-tree"]))}


def pcrs(tfa: Path, optee: Path, linux: Path, device_tree: Path) -> dict[int, bytes]:
    """The same from the results of the build's steps."""
    return pcrs_of(tfa, {"bl2": tfa / "bl2.bin", "bl31": tfa / "bl31.bin", "optee": optee / "optee.bin",
                         "linux": linux / "Image", "device-tree": device_tree / "gateway.dtb"})


def release(version: str, flavour: str, counter: int, values: dict[int, bytes],
            kernel: dict | None = None) -> dict:
    """One release; its kernel as symbols.packed gives it."""
    made = {0: version, 1: flavour, 2: counter, 3: [values[pcr] for pcr in PCRS]}
    return made | ({4: kernel} if kernel else {})


def encode(platform: str, releases: list[dict]) -> bytes:
    """What is signed: the board that it is about, and its releases."""
    return cbor({0: FORMAT, 1: platform, 2: releases})


def thumbprint(x: int, y: int) -> bytes:
    """RFC 9679, of a key on P-256: the kid."""
    return hashlib.sha256(cbor({1: 2, -1: 1, -2: x.to_bytes(32, "big"),
                                -3: y.to_bytes(32, "big")})).digest()


def sign(content: bytes, signer: Signer, role: str = REFERENCE_ROLE, kind: str = TYPE) -> bytes:
    """COSE_Sign1 (RFC 9052) around it: of reference values, by the release's key for these."""
    public = serialization.load_der_public_key(signer.public_der(role)).public_numbers()
    protected = cbor({1: -7, 4: thumbprint(public.x, public.y), 16: kind})
    r, s = decode_dss_signature(signer.sign(role, cbor(["Signature1", protected, b"", content])))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return COSE_SIGN1 + cbor([protected, {}, content, signature])
