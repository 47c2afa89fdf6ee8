# SPDX-License-Identifier: Apache-2.0
"""Signing keys of a release.

Development: a key set of the user's in ~/.local/share/kapu/keys, made on first use, private files mode
0600, so that all checkouts build the same and find each other's results in the cache. A checkout that has
a folder keys/dev has its own there. Production: KAPU_KEYS names a folder with the same files, and KAPU_ROOT_KEY may name the
root key separately, as a PEM file or a pkcs11: URI, so that it can stay in an HSM. The factory's key,
which signs board records, is no key of a release: KAPU_FACTORY_KEY names it in the same way, else it
is factory.pem in that folder.
"""

import fcntl
import os
import stat
import subprocess
from pathlib import Path

from .errors import KapuError
from .paths import ROOT, host_environment

# TF-A's chain of trust (docs/boot.md): role -> file. All are ECDSA P-256.
EC_ROLES = ("root", "trusted-world", "normal-world", "bl31", "optee", "linux")
# Signs reference values, for verifiers; no gateway knows it. ECDSA P-256 too.
REFERENCE_ROLE = "reference"
ROLES = EC_ROLES + (REFERENCE_ROLE,)
# Signs board records (wire/board-record.cddl): the factory's, which has no key of a release, and who
# makes releases does not have it. ECDSA P-256.
FACTORY_ROLE = "factory"


def development_folder() -> Path:
    own = ROOT / "keys" / "dev"
    if own.exists():
        return own
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "kapu" / "keys"


class Development:
    """The folder of development keys, for one process at a time."""

    def __enter__(self) -> Path:
        folder = development_folder()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        return folder

    def __exit__(self, *_) -> None:
        os.close(self.lock)


def openssl(*arguments: str) -> bytes:
    result = subprocess.run(("openssl",) + arguments, env=host_environment(), capture_output=True,
                            check=False)
    if result.returncode != 0:
        raise KapuError(f"openssl {arguments[0]}: {result.stderr.decode().strip()}")
    return result.stdout


def make_key(path: Path) -> None:
    """Write a new private key; it is never readable by others, not even for a moment."""
    pem = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(pem)
    temporary.rename(path)


class KeySet:
    """Where each private key is. `root` may be a pkcs11: URI; the others are files."""

    def __init__(self, folder: Path, root: str | None = None):
        self.folder = folder
        self.root = root or str(folder / "root.pem")
        for role in ROLES:
            if not self.is_token(role):
                self._check_file(Path(self[role]), role)

    def __getitem__(self, role: str) -> str:
        return self.root if role == "root" else str(self.folder / f"{role}.pem")

    def is_token(self, role: str) -> bool:
        return self[role].startswith("pkcs11:")

    @staticmethod
    def _check_file(path: Path, role: str) -> None:
        if not path.exists():
            raise KapuError(f"the {role} key is missing: {path}")
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KapuError(f"the {role} key {path} can be read by others; chmod 600 it")


def key_set() -> KeySet:
    """The keys of this build: those of the environment, or the development set."""
    folder = os.environ.get("KAPU_KEYS")
    root = os.environ.get("KAPU_ROOT_KEY")
    if folder:
        return KeySet(Path(folder).resolve(), root)
    if root:
        raise KapuError("KAPU_ROOT_KEY is set without KAPU_KEYS: a release's root key must not vouch "
                        "for development keys")
    with Development() as folder:
        for role in ROLES + (FACTORY_ROLE,):
            path = folder / f"{role}.pem"
            if not path.exists():
                make_key(path)
    return KeySet(folder)


def factory_key() -> str:
    """Where the factory's private key is: a file, or a pkcs11: URI."""
    named = os.environ.get("KAPU_FACTORY_KEY")
    if named and named.startswith("pkcs11:"):
        return named
    folder = os.environ.get("KAPU_KEYS")
    if named:
        path = Path(named).resolve()
    elif folder:
        path = Path(folder).resolve() / f"{FACTORY_ROLE}.pem"
    else:
        path = key_set().folder / f"{FACTORY_ROLE}.pem"
    KeySet._check_file(path, FACTORY_ROLE)
    return str(path)


def reference_public() -> bytes:
    """The public half of the key that signs this build's reference values, as PEM: for verifiers."""
    return openssl("pkey", "-in", key_set()[REFERENCE_ROLE], "-pubout")


# The operator's certification authority: gateways believe who it certified (docs/attestation.md).
OPERATOR_CA_DAYS = 3650


def make_operator_ca(folder: Path) -> None:
    """For development; its private key stays beside the others, the operator's tools use it there."""
    key = folder / "operator-ca.key"
    if not key.exists():
        make_key(key)
    temporary = folder / "operator-ca.new"
    openssl("req", "-x509", "-new", "-key", str(key), "-sha256", "-days", str(OPERATOR_CA_DAYS),
            "-subj", "/CN=kapu operator (development)", "-out", str(temporary), "-addext",
            "keyUsage=critical,keyCertSign,cRLSign")
    temporary.rename(folder / "operator-ca.pem")


def operator_ca() -> Path:
    """Certificate of the authority of this build's operator: goes into the root image."""
    keys = key_set()
    path = keys.folder / "operator-ca.pem"
    if not path.exists() and keys.folder != development_folder():
        raise KapuError(f"the certificate of the operator's authority is missing: {path}")
    if not path.exists():
        with Development() as folder:
            if not path.exists():  # nobody else was faster
                make_operator_ca(folder)
    return path
