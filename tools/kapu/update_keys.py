# SPDX-License-Identifier: Apache-2.0
"""The first set of keys of each role that has a part in updates (docs/update.md), as gateways have it built in.

Production: the folder that KAPU_KEYS names has release.keys, rollout.keys and approval.keys, as `kapu
release keys` makes them: public keys only. Development: the sets are made of keys in the folder of
development keys, two of three for releases, and one each for rollouts and approvals.
"""

import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from .cbor import cbor
from .errors import KapuError
from .keys import Development, key_set, make_key

# role -> its number in the format, how many of its keys must sign, development keys (wire/release.cddl)
UPDATE_ROLES = {"release": (1, 2, ("release-1", "release-2", "release-3")),
                "rollout": (2, 1, ("rollout",)),
                "approval": (3, 1, ("approval",))}
COSE_SIGN = b"\xd8\x62\x84"  # tag 98, an array of four
BYTES, EMPTY_MAP = 2, b"\xa0"
TYPE, SET_TYPE = 16, "application/x.kapu.keys+cose"  # RFC 9596


def development_key(name: str) -> Path:
    """A private key of a role's first set; made when it is asked for first."""
    with Development() as folder:
        path = folder / f"{name}.pem"
        if not path.exists():
            make_key(path)
    return path


def point(path: Path) -> list[bytes]:
    key = serialization.load_pem_private_key(path.read_bytes(), None).public_key().public_numbers()
    return [key.x.to_bytes(32, "big"), key.y.to_bytes(32, "big")]


def development_set(role: str) -> bytes:
    number, threshold, names = UPDATE_ROLES[role]
    points = sorted(point(development_key(name)) for name in names)
    return cbor({0: 1, 1: number, 2: 1, 3: threshold, 4: points})


def byte_string(data: bytes, at: int) -> tuple[bytes, int]:
    """A CBOR byte string of fewer than 65,536 bytes, and where it ends."""
    more = data[at] & 31
    size = {24: 1, 25: 2}.get(more, 0)
    if data[at] >> 5 != BYTES or more > 25:
        raise ValueError
    begin = at + 1 + size
    end = begin + (int.from_bytes(data[at + 1:begin], "big") if size else more)
    if end > len(data):
        raise ValueError
    return data[begin:end], end


def content(path: Path, role: str) -> bytes:
    """What is signed in a file of `kapu release keys`; all else of the set is seen by the gateway's own decoder."""
    data = path.read_bytes()
    try:
        if not data.startswith(COSE_SIGN):
            raise ValueError
        _, at = byte_string(data, len(COSE_SIGN))
        if data[at:at + 1] != EMPTY_MAP:
            raise ValueError
        found = byte_string(data, at + 1)[0]
        if not found.startswith(bytes([0xa5, 0, 1, 1, UPDATE_ROLES[role][0]])):  # five members: format 1, the role
            raise ValueError
        return found
    except (ValueError, IndexError):
        raise KapuError(f"{path} is no set of {role} keys as `kapu release keys` makes it") from None


def first_set(role: str) -> bytes:
    """The encoded set."""
    if not os.environ.get("KAPU_KEYS"):
        return development_set(role)
    path = key_set().folder / f"{role}.keys"
    if not path.exists():
        raise KapuError(f"the set of {role} keys is missing: {path} (kapu release keys --role {role} ...)")
    return content(path, role)


def set_file(role: str) -> bytes:
    """The first set as a file of `kapu release keys` that nobody has signed."""
    return COSE_SIGN + cbor(cbor({TYPE: SET_TYPE})) + EMPTY_MAP + cbor(first_set(role)) + cbor([])


def first_sets_identity() -> str:
    """Changes with any of them."""
    return hashlib.sha256(b"".join(first_set(role) for role in UPDATE_ROLES)).hexdigest()
