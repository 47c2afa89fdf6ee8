# SPDX-License-Identifier: Apache-2.0
"""Releases of simulated gateways: small, but whole and signed, so that `kapu update publish` takes them; and what
an operator must know of them. Nothing here is made by kapu's own code but the signatures.
"""

import hashlib
import hmac
import json
import secrets
import subprocess
import time
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kapu import certs, reference, symbols, update_keys
from kapu.cbor import cbor
from kapu.keys import key_set
from kapu.paths import host_environment

import native
from simulated import KERNEL_SIZE, KERNEL_SYMBOLS, Fleet, Simulated

BLOCK = 4096
DAY_MS = 86400000
RELEASE_KEYS = ("release-1", "release-2", "release-3")  # of which two must sign
# What soft_gateway boots: PCR, name; of PCR 7 alone the release says nothing.
EVENTS = ((0, "BL1"), (7, "root key"), (0, "BL2"), (0, "BL31"), (0, "OP-TEE"), (8, "Linux"), (9, "device tree"))


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def pcrs_of(release: str) -> dict[int, bytes]:
    pcrs = {pcr: bytes(32) for pcr in reference.PCRS}
    for pcr, name in EVENTS:
        event = sha(("" if pcr == 7 else release).encode(), name.encode())
        pcrs[pcr] = sha(pcrs[pcr], event)
    return pcrs


def index_of(content: bytes, payload: bytes) -> bytes:
    blocks = [content[at:at + BLOCK] for at in range(0, len(content), BLOCK)]
    return cbor({0: 1, 1: 16, 2: 0, 3: b"".join(sha(block)[:12] for block in blocks),
                 4: len(payload).to_bytes(4, "big")})


def file_key(key: bytes, name: str, salt: bytes) -> bytes:
    return hmac.new(key, b"kapu release file\0" + name.encode() + b"\0" + salt, hashlib.sha256).digest()


def ctr(key: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(data)


def encrypted(key: bytes, name: str, data: bytes) -> bytes:
    """As kapu/cipher.h says."""
    salt = secrets.token_bytes(16)
    return salt + ctr(file_key(key, name, salt), data)


def decrypted(key: bytes, name: str, data: bytes) -> bytes:
    return ctr(file_key(key, name, data[:16]), data[16:])


def key_check(key: bytes) -> bytes:
    return hmac.new(key, b"kapu release key", hashlib.sha256).digest()


class Release:
    """A release in a folder, as `kapu release make` and `sign` leave it; with a key, as --encrypt does."""

    def __init__(self, folder: Path, version: str, counter: int, *, signers=RELEASE_KEYS[:2], key: bytes | None = None,
                 **other):
        folder.mkdir()
        self.folder, self.version, self.counter = folder, version, counter
        self.root = (version.encode() * BLOCK)[:BLOCK] + bytes(BLOCK)
        # no byte that a call or an address of a page has: kapu/install_code.h would change it
        self.firmware = bytes(byte & 0x7f for byte in sha(version.encode())) * 100
        salt = sha(b"salt", version.encode())
        tree = (sha(salt, self.root[:BLOCK]) + sha(salt, self.root[BLOCK:])).ljust(BLOCK, b"\0")
        content = self.root + self.firmware.ljust(BLOCK, b"\0")
        payload = subprocess.run(["zstd", "-q", "-c", "-19"], input=content, capture_output=True, check=True,
                                 env=host_environment()).stdout
        index = index_of(content, payload)
        self.identity = sha(b"identity", version.encode())
        self.says = {0: 1, 1: self.identity, 2: version, 3: "simulated", 4: "gateway", 5: counter, 6: 0,
                     7: int(time.time() * 1000), 8: int(time.time() * 1000) + 365 * DAY_MS,
                     9: [len(self.firmware), sha(self.firmware)], 10: [len(self.root), salt, sha(salt, tree)],
                     11: [len(index), sha(index)], 12: True} | ({13: key_check(key)} if key else {}) | other
        self.key, self.files = key, {"payload": payload, "index": index}
        for name, data in self.files.items():
            (folder / name).write_bytes(encrypted(key, name, data) if key else data)
        if key:
            (folder / "key").touch(0o600)
            (folder / "key").write_bytes(key)
        (folder / "manifest").write_bytes(b"\xd8\x62" + cbor(
            [cbor({16: "application/x.kapu.release+cose"}), {}, self.manifest, []]))
        for signer in signers:
            self.sign(signer)

    @property
    def manifest(self) -> bytes:
        # cbor() sorts by encoding, which is the order of the format
        return cbor(self.says)

    @property
    def digest(self) -> str:
        return sha(self.manifest).hex()

    def sign(self, name: str) -> None:
        subprocess.run([native.FOLDER / "operator/kapu/kapu", "release", "sign", "--key",
                        update_keys.development_key(name), self.folder / "manifest"], check=True,
                       capture_output=True)


def know(fleet: Fleet, release: Release) -> None:
    """The verifier gets the reference values of a release."""
    content = reference.encode("simulated", [reference.release(
        release.version, "gateway", release.counter, pcrs_of(release.version),
        symbols.packed(KERNEL_SIZE, KERNEL_SYMBOLS))])
    path = fleet.folder / "reference.cbor"
    path.write_bytes(reference.sign(content, certs.Signer(native.FOLDER / "tools/sign/kapu-sign", key_set())))
    done = fleet.kapu("reference", "add", path)
    assert done.returncode == 0, done.stderr


class Updates:
    """A fleet that can be updated, a release after the other."""

    def __init__(self, fleet: Fleet, labels):
        self.fleet = fleet
        self.web = fleet.folder / "web"
        self.web.mkdir()
        self.built_in = fleet.folder / "built-in"  # the first sets of keys, as gateways have them
        self.built_in.mkdir()
        for role in update_keys.UPDATE_ROLES:
            (self.built_in / role).write_bytes(update_keys.first_set(role))
        self.counter = 3
        self.gateways = {}
        for label in labels:
            self.add(label)

    def add(self, label: str) -> Simulated:
        gateway = self.fleet.enrolled(label)
        gateway.behave(f"update begin {self.built_in}")
        self.gateways[label] = gateway
        return gateway

    def make(self, **other) -> Release:
        """The next release: not published, not known."""
        self.counter += 1
        version = f"0.{self.counter}.0"
        return Release(self.fleet.folder / f"release-{version}", version, self.counter, **other)

    def published(self, **other) -> Release:
        release = self.make(**other)
        know(self.fleet, release)
        done = self.kapu("publish", release.folder, "--to", self.web)
        assert done.returncode == 0, done.stderr
        return release

    def kapu(self, *words, timeout: float = 120) -> subprocess.CompletedProcess:
        return self.fleet.kapu("update", *words, timeout=timeout)

    def rollout(self, release: Release, *words) -> subprocess.CompletedProcess:
        return self.kapu("rollout", release.version, *(words or ("--all",)))

    def start(self, *words) -> subprocess.Popen:
        return self.fleet.start_kapu("update", *words)

    def status(self, release: Release, *words) -> dict:
        """Of its latest rollout; before there is any, of none."""
        done = self.kapu("status", release.version, "--json", *words)
        assert done.returncode == 0, done.stderr
        return (json.loads(done.stdout) or [{"gateways": []}])[0]

    def states(self, release: Release) -> dict[str, dict]:
        return {row["label"]: row for row in self.status(release)["gateways"]}

    def state(self, release: Release) -> dict[str, str]:
        return {label: row["state"] for label, row in self.states(release).items()}

    def wait(self, release: Release, label: str, *states: str, seconds: float = 30) -> dict:
        end = time.monotonic() + seconds
        while (row := self.states(release).get(label, {"state": "none"}))["state"] not in states:
            assert time.monotonic() < end, row
            time.sleep(0.1)
        return row
