# SPDX-License-Identifier: Apache-2.0
"""Signed files of updates for a gateway of the development keys: manifests without a payload, rollouts, approvals.

Encoded here by themselves (wire/release.cddl), so that the gateway's decoder is not compared with its own
encoder; signed by `kapu release sign`.
"""

import hashlib
import subprocess
import time
from pathlib import Path

from kapu import certs
from kapu.cbor import cbor
from kapu.keys import make_key
from kapu.paths import BUILD, host_environment
from kapu.update_keys import development_key

HARDWARE = "qemu-virt"
DAY_MS = 24 * 3600 * 1000
RELEASE_KEYS = ("release-1", "release-2", "release-3")
INSTALL, HALT = 1, 2


def now_ms() -> int:
    return int(time.time() * 1000)


def signed_file(path: Path, kind: str, content: bytes, keys: tuple) -> Path:
    """COSE_Sign with a signature of each key: a name of a development key, or a file."""
    protected = cbor({16: f"application/x.kapu.{kind}+cose"})
    path.write_bytes(b"\xd8\x62\x84" + cbor(protected) + b"\xa0" + cbor(content) + b"\x80")
    for key in keys:
        file = key if isinstance(key, Path) else development_key(key)
        subprocess.run([BUILD / "lab" / "kapu", "release", "sign", "--key", file, path], check=True,
                       env=host_environment(), capture_output=True)
    return path


def stranger(folder: Path) -> Path:
    """A key that nobody knows."""
    path = folder / "stranger.pem"
    if not path.exists():
        make_key(path)
    return path


class Release:
    """A firmware package as a release: what a manifest says of it, as it is or with something changed."""

    def __init__(self, firmware, package: Path, counter: int):
        data, now = package.read_bytes(), now_ms()
        self.package, self.images, self.counter = package, firmware.images, counter
        self.said = {"identity": certs.release_identity(firmware.images, counter), "version": f"test {counter}",
                     "hardware": HARDWARE, "product": "lab", "counter": counter, "from": 0, "made": now - DAY_MS,
                     "expires": now + 100 * DAY_MS, "firmware": [len(data), hashlib.sha256(data).digest()],
                     "approval": True}

    def content(self, **change) -> bytes:
        said = self.said | change
        root, index = [4096, bytes(32), bytes(32)], [1, bytes(32)]  # the secure world does not read them
        return cbor(dict(enumerate([1, *list(said.values())[:8], said["firmware"], root, index, said["approval"]])))

    def digest(self, **change) -> bytes:
        return hashlib.sha256(self.content(**change)).digest()

    def manifest(self, to: Path, keys: tuple = RELEASE_KEYS[:2], **change) -> Path:
        return signed_file(to, "release", self.content(**change), keys)


def rollout(to: Path, release: bytes, number: int, action: int = INSTALL, keys: tuple = ("rollout",), **change) -> Path:
    """For all gateways, or for those of `gateways` (UEIDs), or for a `group`."""
    said = {"issued": now_ms(), "until": now_ms() + 30 * DAY_MS, "gateways": None, "group": "all"} | change
    who = {6: said["gateways"]} if said["gateways"] else {7: said["group"]}
    return signed_file(to, "rollout", cbor({0: 1, 1: release, 2: action, 3: number, 4: said["issued"],
                                            5: said["until"], **who}), keys)


def approval(to: Path, release: bytes, gateway: bytes, boot: bytes, keys: tuple = ("approval",)) -> Path:
    return signed_file(to, "approval", cbor({0: 1, 1: release, 2: gateway, 3: boot, 4: now_ms()}), keys)
