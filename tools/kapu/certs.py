# SPDX-License-Identifier: Apache-2.0
"""Certificates of TF-A's chain of trust (TBBR), made so that the same release gives the same bytes.

TF-A's cert_create puts the current time, random serial numbers and random nonces into what it
makes. Here the dates are fixed, a serial number is the hash of the content, and kapu-sign derives
nonces from the message. A certificate carries its statement in extensions: a security counter,
and hashes of images or public keys for the next level (TF-A documentation, "Trusted Board Boot";
object identifiers from include/tools_share/tbbr_oid.h). And the release that it belongs to, so that
BL2 takes no parts of another one.
"""

import datetime
import hashlib
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from . import fip
from .errors import KapuError
from .keys import KeySet
from .paths import host_environment

ARM = "1.3.6.1.4.1.4128.2100."
TRUSTED_COUNTER = ARM + "1"
NORMAL_COUNTER = ARM + "2"
RELEASE = ARM + "9001"  # boot/tf-a/release.c

NOT_BEFORE = datetime.datetime(2026, 1, 1)
NOT_AFTER = datetime.datetime(9999, 12, 31, 23, 59, 59)  # RFC 5280 4.1.2.5: no expiry; counters do

# DER of AlgorithmIdentifier: SHA-256 with NULL, ecdsa-with-SHA256 (RFC 5758).
SHA256_ALGORITHM = bytes.fromhex("300d06096086480165030402010500")
ECDSA_SHA256_ALGORITHM = bytes.fromhex("300a06082a8648ce3d040302")


@dataclass
class Certificate:
    """One row of the chain: who signs it, which counter it carries, what it states."""
    name: str
    signer: str                        # role of the signing key
    counter: str
    fiptool_option: str
    images: dict[str, str | None] = field(default_factory=dict)  # OID -> image; None: not used
    keys: dict[str, str] = field(default_factory=dict)           # OID -> role of the key


CHAIN = (
    Certificate("Trusted Boot FW Certificate", "root", TRUSTED_COUNTER, "tb-fw-cert",
                images={ARM + "201": "bl2", ARM + "202": None, ARM + "203": None,
                        ARM + "204": None}),
    Certificate("Trusted Key Certificate", "root", TRUSTED_COUNTER, "trusted-key-cert",
                keys={ARM + "302": "trusted-world", ARM + "303": "normal-world"}),
    Certificate("SoC Firmware Key Certificate", "trusted-world", TRUSTED_COUNTER,
                "soc-fw-key-cert", keys={ARM + "501": "bl31"}),
    Certificate("SoC Firmware Content Certificate", "bl31", TRUSTED_COUNTER, "soc-fw-cert",
                images={ARM + "603": "bl31", ARM + "604": None}),
    Certificate("Trusted OS Firmware Key Certificate", "trusted-world", TRUSTED_COUNTER,
                "tos-fw-key-cert", keys={ARM + "901": "optee"}),
    Certificate("Trusted OS Firmware Content Certificate", "optee", TRUSTED_COUNTER, "tos-fw-cert",
                images={ARM + "1001": "optee", ARM + "1002": None, ARM + "1003": None,
                        ARM + "1004": None}),
    Certificate("Non-Trusted Firmware Key Certificate", "normal-world", NORMAL_COUNTER,
                "nt-fw-key-cert", keys={ARM + "1101": "linux"}),
    Certificate("Non-Trusted Firmware Content Certificate", "linux", NORMAL_COUNTER, "nt-fw-cert",
                images={ARM + "1201": "linux", ARM + "1202": "device-tree"}),
)


def der(tag: int, content: bytes) -> bytes:
    """One DER element; lengths up to 65535."""
    n = len(content)
    if n < 0x80:
        length = bytes([n])
    elif n < 0x100:
        length = bytes([0x81, n])
    else:
        length = bytes([0x82, n >> 8, n & 0xff])
    return bytes([tag]) + length + content


def der_integer(value: int) -> bytes:
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def hash_statement(image: Path | None) -> bytes:
    """DigestInfo of an image; all zeros say that the release has no such image."""
    digest = hashlib.sha256(image.read_bytes()).digest() if image else bytes(32)
    return der(0x30, SHA256_ALGORITHM + der(0x04, digest))


class Signer:
    """Signs with the keys of a key set through the kapu-sign tool."""

    def __init__(self, tool: Path, keys: KeySet):
        self.tool = tool
        self.keys = keys

    def _run(self, verb: str, role: str, data: bytes = b"") -> bytes:
        result = subprocess.run([self.tool, verb, self.keys[role]], input=data,
                                env=host_environment(), capture_output=True, check=False)
        if result.returncode != 0:
            raise KapuError(f"the {role} key: {result.stderr.decode().strip()}")
        return result.stdout

    def public_der(self, role: str) -> bytes:
        return self._run("public", role)

    def sign(self, role: str, data: bytes) -> bytes:
        return self._run("sign", role, data)


def to_be_signed(row: Certificate, statements: list[tuple[str, bytes]], public: bytes) -> bytes:
    """The TBSCertificate. The library wants a key to sign with: one that is thrown away."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, row.name)])
    content = b"".join(oid.encode() + value for oid, value in statements)
    serial = int.from_bytes(hashlib.sha256(row.name.encode() + content).digest()[:16], "big") >> 1
    builder = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
               .not_valid_before(NOT_BEFORE).not_valid_after(NOT_AFTER)
               .serial_number(serial or 1)
               .public_key(serialization.load_der_public_key(public)))
    for oid, value in statements:
        builder = builder.add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), critical=True)
    throwaway = ec.generate_private_key(ec.SECP256R1())
    return builder.sign(throwaway, hashes.SHA256()).tbs_certificate_bytes


def release_identity(images: dict[str, Path], counter: int) -> bytes:
    """The same for all parts of a release, and for no two releases: of its counter and of all its images."""
    total = hashlib.sha256(f"kapu release, counter {counter}\n".encode())
    for name in sorted(images):
        total.update(f"{name} {hashlib.sha256(images[name].read_bytes()).hexdigest()}\n".encode())
    return total.digest()


def identity_of(package: Path, base: int = 0) -> bytes:
    """The release's that a firmware package at file offset `base` is of, from its BL2 certificate."""
    place = fip.image_place(package, base, "tb-fw-cert")
    with open(package, "rb") as file:
        file.seek(place.offset)
        certificate = x509.load_der_x509_certificate(file.read(place.size))
    statement = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(RELEASE)).value.value
    return statement[2:]  # without the head of its octet string


def release_statement(images: dict[str, Path], counter: int) -> list[tuple[str, bytes]]:
    return [(RELEASE, der(0x04, release_identity(images, counter)))]


def make_certificate(row: Certificate, images: dict[str, Path], counter: int,
                     signer: Signer) -> bytes:
    statements = [(row.counter, der_integer(counter)), *release_statement(images, counter)]
    statements += [(oid, hash_statement(images[image] if image else None))
                   for oid, image in row.images.items()]
    statements += [(oid, signer.public_der(role)) for oid, role in row.keys.items()]
    tbs = to_be_signed(row, statements, signer.public_der(row.signer))
    signature = signer.sign(row.signer, tbs)
    return der(0x30, tbs + ECDSA_SHA256_ALGORITHM + der(0x03, b"\0" + signature))


def make_chain(out: Path, images: dict[str, Path], counter: int, signer: Signer) -> dict[str, Path]:
    """Write all certificates below `out`; returns fiptool option -> file."""
    files = {}
    for row in CHAIN:
        path = out / f"{row.fiptool_option}.crt"
        path.write_bytes(make_certificate(row, images, counter, signer))
        files[row.fiptool_option] = path
    return files
