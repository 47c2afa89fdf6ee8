# SPDX-License-Identifier: Apache-2.0
"""An operator's folder, and the two MQTT brokers that run out of it.

    operator.conf          where the brokers are; read by kapu
    ca.pem, ca.key         issues the brokers' and the gateways' certificates
    staff-ca.pem, .key     issues certificates of the operator's programs, and nothing else
    broker.pem, .key       the brokers', as TLS servers
    kapu.pem, .key         kapu's, as their client
    release.keys, rollout.keys, approval.keys
                           whose manifests, rollouts and approvals gateways believe
    release-keys.pem       whose reference values of releases are believed: public keys
    factory-keys.pem       whose board records are believed: public keys
    ek-cas.pem             who may have made TPMs: certificates of endorsement keys lead there
    nonce.key              32 bytes that verifiers of this fleet share
    brokers/main, brokers/enrolment

Whoever holds a gateway's certificate is a client, never a server: the extended key usage says so,
and TLS clients look at it.
"""

import datetime
import fcntl
import getpass
import ipaddress
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import keys, patience, textfile, tpm, update_keys
from .errors import KapuError
from .making import new_file, new_folder
from .paths import BUILD, ROOT, host_environment
from .processes import end_process, read_pid

DEFAULT = BUILD / "operator"
TEMPLATES = ROOT / "operator" / "broker"
BODY_MAX = 60672    # PROTOCOL_BODY_MAX
PACKET_MAX = BODY_MAX + 1024
BROKERS = ("main", "enrolment")
SIDES = ("operators", "gateways")
GATEWAYS_SEE = "10.0.2.100"  # the brokers, from within QEMU
GATEWAY_PORTS = {"main": 8883, "enrolment": 8884}
YEARS = 10
START_SECONDS = 60
# What the brokers are called: by everybody, on this host, and from within a gateway's QEMU.
NAMES = [x509.DNSName("kapu-broker"), x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
         x509.IPAddress(ipaddress.ip_address("10.0.2.2"))]


# ---- certificates -------------------------------------------------------------------------------

def write_private(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "wb") as file:
        file.write(data)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def issue(folder: Path, name: str, common_name: str, issuer: str | None = None, *, usage=None,
          names=None) -> None:
    """A new key and its certificate, NAME.key and NAME.pem; without an issuer, an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    signer, by = key, subject
    if issuer:
        signer = serialization.load_pem_private_key((folder / f"{issuer}.key").read_bytes(), None)
        by = x509.load_pem_x509_certificate((folder / f"{issuer}.pem").read_bytes()).subject
    now = datetime.datetime.utcnow()
    authority = issuer is None
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(by)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
            .add_extension(x509.BasicConstraints(ca=authority,
                                                 path_length=0 if authority else None), True)
            .add_extension(x509.KeyUsage(
                digital_signature=not authority, content_commitment=False, key_encipherment=False,
                data_encipherment=False, key_agreement=False, key_cert_sign=authority,
                crl_sign=authority, encipher_only=False, decipher_only=False), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                           False))
    if usage:
        made = made.add_extension(x509.ExtendedKeyUsage([usage]), False)
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), False)
    write_private(folder / f"{name}.key", key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    (folder / f"{name}.pem").write_bytes(pem(made.sign(signer, hashes.SHA256())))


def take_authority(folder: Path) -> None:
    """The authority that this build's gateways believe: its certificate is in the root image."""
    certificate = keys.operator_ca()
    key = certificate.with_suffix(".key")
    if not key.exists():
        raise KapuError(f"the private key of the operator's authority is missing: {key}")
    shutil.copy(certificate, folder / "ca.pem")
    write_private(folder / "ca.key", key.read_bytes())


def certificates_in(path: Path) -> list[bytes]:
    """All certificates (DER) of a PEM file; what is not one is refused, not passed over. OpenSSL reads them, as kapu
    will: makers of TPMs have some that stricter readers refuse."""
    found = []
    for line, label, der in textfile.pem(path):
        if label != "CERTIFICATE":
            raise KapuError(f"{path}, line {line}: a block that is not a certificate")
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=der)
        except ssl.SSLError as error:
            raise KapuError(f"{path}, line {line}: the certificate that begins here is damaged") from error
        found.append(der)
    return found


def trust_tpms(folder: Path, authorities: list[Path]) -> None:
    """Add certificates of TPM makers to those that endorsement certificates may lead to."""
    path = folder / "ek-cas.pem"
    added = [one for authority in authorities for one in certificates_in(authority)]
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # else what another adds at the same time is lost
        known = certificates_in(path) if path.exists() else []
        for one in added:
            known += [] if one in known else [one]
        if known:
            with new_file(path) as new:
                new.write_text("".join(map(ssl.DER_cert_to_PEM_cert, known)))
    finally:
        os.close(lock)


def read_facts(path: Path) -> dict[str, str]:
    """A name and a word in each line, as kapu reads it (operator/files/settings.h)."""
    facts: dict[str, str] = {}
    for number, line in textfile.text_lines(path):
        words = re.sub(r"(^|[ \t])#.*", "", line).split()
        if not words:
            continue
        if len(words) != 2 or words[0] in facts or not (words[0] + words[1]).isascii():
            raise KapuError(f"{path}, line {number}: not a name and a word, or the name is there twice")
        facts[words[0]] = words[1]
    if not facts:
        raise KapuError(f"{path}: says nothing: it has no setting")
    return facts


def put_update_keys(folder: Path) -> str:
    """The sets of keys of updates; what operator.conf says of them and of the operator's own keys. With
    KAPU_KEYS these are whatever file or token the operator names there."""
    text = ""
    for role in update_keys.UPDATE_ROLES:
        (folder / f"{role}.keys").write_bytes(update_keys.set_file(role))
        text += f"{role}-set {role}.keys\n"
    for role in ("rollout", "approval"):
        if os.environ.get("KAPU_KEYS"):
            text += f"# {role}-key FILE, or a pkcs11: URI\n"
        else:
            write_private(folder / f"{role}.key", update_keys.development_key(role).read_bytes())
            text += f"{role}-key {role}.key\n"
    return text


def own_tpm_authorities() -> list[Path]:
    """The authority that stands for the TPMs' maker in this checkout."""
    return [path for path in (tpm.CA / "swtpm-localca-rootca-cert.pem", tpm.CA / "issuercert.pem")
            if path.exists()]


# ---- the folder ---------------------------------------------------------------------------------

def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def forwards(folder: Path = DEFAULT) -> str:
    """What a gateway's QEMU needs to reach this operator's brokers; nothing when there is none."""
    return Operator(folder).forwards() if (folder / "operator.conf").exists() else ""


def fill(text: str, values: dict) -> str:
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


class Operator:
    """One operator's folder."""

    def __init__(self, folder: Path = DEFAULT):
        self.folder = folder.resolve()
        path = self.folder / "operator.conf"
        if not path.exists():
            raise KapuError(f"no operator in {folder}; make one with: tools/broker create")
        self.facts = read_facts(path)

    @classmethod
    def create(cls, folder: Path = DEFAULT, authorities: list[Path] | None = None) -> "Operator":
        folder = folder.resolve()
        with new_folder(folder, 0o700) as temporary:
            take_authority(temporary)
            issue(temporary, "staff-ca", "kapu operator's programs")
            issue(temporary, "broker", "kapu broker", "ca",
                  usage=ExtendedKeyUsageOID.SERVER_AUTH, names=NAMES)
            issue(temporary, "kapu", "kapu", "staff-ca", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
            (temporary / "release-keys.pem").write_bytes(keys.reference_public())
            (temporary / "factory-keys.pem").write_bytes(tpm.factory_public())
            write_private(temporary / "nonce.key", secrets.token_bytes(32))
            trust_tpms(temporary, own_tpm_authorities() if authorities is None else authorities)
            ports = iter(free_ports(len(BROKERS) * len(SIDES)))
            text = "# Where the brokers are; tools/broker made this file.\nhost 127.0.0.1\n"
            for broker in BROKERS:
                (temporary / "brokers" / broker).mkdir(parents=True)
                text += "".join(f"{broker}-{side} {next(ports)}\n" for side in SIDES)
            text += put_update_keys(temporary)
            (temporary / "operator.conf").write_text(text)
        return cls(folder)

    def port(self, broker: str, side: str) -> int:
        return int(self.facts[f"{broker}-{side}"])

    # -- brokers

    def broker_folder(self, broker: str) -> Path:
        return self.folder / "brokers" / broker

    def configure(self, broker: str) -> Path:
        """Write a broker's configuration anew: an edited template takes effect at the next start."""
        folder = self.broker_folder(broker)
        values = {"WHAT": f"The {broker} broker", "USER": getpass.getuser(), "FOLDER": folder,
                  "OPERATOR": self.folder, "BODY_MAX": BODY_MAX, "PACKET_MAX": PACKET_MAX,
                  "PORT_OPERATORS": self.port(broker, "operators"),
                  "PORT_GATEWAYS": self.port(broker, "gateways")}
        text = "".join((TEMPLATES / f"{name}.conf.in").read_text() for name in ("common", broker))
        (folder / "mosquitto.conf").write_text(fill(text, values))
        for side in SIDES:
            path = folder / f"{side}.acl"
            path.write_text((TEMPLATES / f"{broker}-{side}.acl").read_text())
            path.chmod(0o600)
        return folder / "mosquitto.conf"

    def forwards(self) -> str:
        """For QEMU's network: where a gateway finds the brokers (gateway/rootfs/files/etc/kapu)."""
        return "".join(f",guestfwd=tcp:{GATEWAYS_SEE}:{port}-cmd:nc 127.0.0.1 "
                       f"{self.port(broker, 'gateways')}"
                       for broker, port in GATEWAY_PORTS.items())

    def pid(self, broker: str) -> int | None:
        return read_pid(self.broker_folder(broker) / "pid")

    def is_up(self, broker: str) -> bool:
        """Whether it speaks TLS, with the certificate that it should have."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if broker == "main":  # asks for a certificate only after its own was seen
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            with socket.create_connection(("127.0.0.1", self.port(broker, "gateways")), 2) as raw:
                with context.wrap_socket(raw, server_hostname="localhost"):
                    return True
        except OSError:
            return False

    def start(self, broker: str) -> None:
        if self.pid(broker):
            return
        trust_tpms(self.folder, own_tpm_authorities())
        configuration = self.configure(broker)
        log = self.broker_folder(broker) / "log"
        try:
            process = subprocess.Popen(
                ["mosquitto", "-c", str(configuration)], env=host_environment(),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True)
        except OSError as error:
            raise KapuError(f"mosquitto: {error}; run: make packages") from error
        waiting = patience.of_process(process.pid, START_SECONDS)
        while not self.is_up(broker):
            if process.poll() is not None or waiting.over():
                if process.poll() is None:
                    process.kill()
                said = log.read_text().strip().splitlines()[-3:] if log.exists() else []
                raise KapuError(f"the {broker} broker does not start: " + "; ".join(said))
            time.sleep(0.02)

    def stop(self, broker: str) -> None:
        pid = self.pid(broker)
        if pid:
            end_process(pid)

    def kill(self, broker: str) -> None:
        """As a crash would: for tests."""
        pid = self.pid(broker)
        if pid:
            os.kill(pid, signal.SIGKILL)
