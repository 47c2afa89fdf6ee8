# SPDX-License-Identifier: Apache-2.0
"""Reference values of a release: what the PCRs of a gateway are that booted it (wire/reference.cddl).

Each PCR is a chain of hashes of build outputs, in the order in which the boot stages measure them
(boot/tf-a). The PCR that closes the boot phase is the same for all releases and not in the file.
"""

import hashlib
from pathlib import Path

from . import build
from .errors import KapuError
from .paths import version

FORMAT = 1
PCRS = (0, 7, 8, 9)


def digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def extended(*measurements: bytes) -> bytes:
    """The value of a PCR after these."""
    value = bytes(32)
    for measurement in measurements:
        value = hashlib.sha256(value + measurement).digest()
    return value


def pcrs(tfa: Path, optee: Path, linux: Path, device_tree: Path) -> dict[int, bytes]:
    """PCR -> value, from the results of the build's steps."""
    root_key = bytes.fromhex((tfa / "root-key.sha256").read_text().strip())
    return {0: extended(digest(tfa / "bl1.bin"), digest(tfa / "bl2.bin"), digest(tfa / "bl31.bin"),
                        digest(optee / "optee.bin")),
            7: extended(root_key),
            8: extended(digest(linux / "Image")),
            9: extended(digest(device_tree / "gateway.dtb"))}


def cbor(value) -> bytes:
    """Deterministic CBOR of unsigned integers, texts, byte strings, lists, and maps of those."""
    def head(major: int, n: int) -> bytes:
        if n < 24:
            return bytes([major << 5 | n])
        for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
            if n < 1 << 8 * size:
                return bytes([major << 5 | extra]) + n.to_bytes(size, "big")
        raise ValueError(f"{n} does not fit")
    if isinstance(value, int) and value >= 0:
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return head(3, len(text)) + text
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    if isinstance(value, dict):
        items = sorted((cbor(key), cbor(item)) for key, item in value.items())
        return head(5, len(items)) + b"".join(key + item for key, item in items)
    raise TypeError(f"no CBOR for {type(value).__name__}")


def encode(releases: list[tuple[str, str, int, dict[int, bytes]]]) -> bytes:
    """The file: version, flavour, security counter and PCRs of each."""
    return cbor({0: FORMAT, 1: [{0: version, 1: flavour, 2: counter,
                                 3: [values[pcr] for pcr in PCRS]}
                                for version, flavour, counter, values in releases]})


def of_release(flavour: str) -> tuple[dict[int, bytes], bytes]:
    """PCR -> value of the release that was built, and the file with that for a verifier."""
    built = build.release(flavour)
    missing = [step.name for step in (built.tfa, built.optee, built.linux, built.device_tree)
               if not step.out.exists()]
    if missing:
        raise KapuError(f"not built: {', '.join(missing)}; run: make build")
    values = pcrs(built.tfa.out, built.optee.out, built.linux.out, built.device_tree.out)
    return values, encode([(version(), flavour, build.security_counter(), values)])
