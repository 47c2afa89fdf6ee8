# SPDX-License-Identifier: Apache-2.0
"""The vault TA names a key's user as the kernel does: by a UUID of the account's number."""

import re
import uuid

import pytest

from kapu.build import ATTEST_TA, MONITOR_TA, UPDATE_TA, VAULT_TA
from kapu.paths import ROOT

KERNEL = uuid.UUID("58ac9ca0-2086-4683-a1b8-ec4bc08e01b6")  # tee_client_uuid_ns of Linux' drivers/tee/tee_core.c
USERS = {"VAULT_TA_USER_LINK": "kapu-link"}


def accounts() -> dict[str, int]:
    lines = (ROOT / "gateway/rootfs/files/etc/passwd").read_text().splitlines()
    return {name: int(number) for name, _, number, *_ in (line.split(":") for line in lines)}


def uuids(header: str) -> dict[str, uuid.UUID]:
    """NAME -> UUID of each initialiser of a header in wire/."""
    text = re.sub(r"[\\\s]+", " ", (ROOT / "wire" / header).read_text())
    found = re.findall(r"#define (\w+) { (0x\w+), (0x\w+), (0x\w+), { ([^}]*) } }", text)
    return {name: uuid.UUID(bytes=int(low, 16).to_bytes(4, "big") + int(mid, 16).to_bytes(2, "big")
                            + int(high, 16).to_bytes(2, "big") + bytes(int(b, 16) for b in rest.split(",")))
            for name, low, mid, high, rest in found}


@pytest.mark.parametrize("name", USERS)
def test_a_user_is_the_account_of_the_root_image(name):
    number = accounts()[USERS[name]]
    assert uuids("vault_ta.h")[name] == uuid.uuid5(KERNEL, f"uid={number:x}")
    assert len({uuid.uuid5(KERNEL, f"uid={n:x}") for n in accounts().values()}) == len(accounts())


@pytest.mark.parametrize("header, name, built", [
    ("vault_ta.h", "VAULT_TA_UUID", VAULT_TA), ("attest_ta.h", "ATTEST_TA_UUID", ATTEST_TA),
    ("monitor_ta.h", "MONITOR_TA_UUID", MONITOR_TA), ("update_ta.h", "UPDATE_TA_UUID", UPDATE_TA)])
def test_a_trusted_application_is_built_by_the_name_that_it_is_called_by(header, name, built):
    assert str(uuids(header)[name]) == built
