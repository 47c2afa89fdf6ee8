# SPDX-License-Identifier: Apache-2.0
"""What the writer of updates is asked and answers (wire/protocol.cddl), read by a decoder that is not ours."""

IDLE, WAITING, ON_TRIAL, OVER = range(4)
RESTING, FETCHING, ASKING, RESTARTING, COPYING, STOPPED = range(6)
DONE, ROLLBACK = 0, 1
UPDATE, INSTALL, HALT, APPROVE = 5, 6, 7, 8
WORDS = ("kind", "stage", "last", "reset", "work", "answer", "why", "release", "done", "all", "fetched", "rollout",
         "boot", "memory_kib")


def item(data: bytes, at: int):
    """An unsigned integer, byte string or text (RFC 8949), and where the next one is."""
    major, short = data[at] >> 5, data[at] & 31
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(short, 0)
    value = int.from_bytes(data[at + 1:at + 1 + size], "big") if size else short
    at += 1 + size
    if major in (2, 3):
        value, at = data[at:at + value], at + value
    return value.decode() if major == 3 else value, at


def decoded(data: bytes) -> dict:
    """A map of such items by their labels."""
    assert data[0] >> 5 == 5
    at, items = 1, []
    for _ in range(2 * (data[0] & 31)):
        value, at = item(data, at)
        items.append(value)
    assert at == len(data)
    return dict(zip(items[::2], items[1::2]))


def content_of(signed: bytes) -> bytes:
    """What is signed by a COSE_Sign (RFC 9052)."""
    assert signed[:3] == b"\xd8\x62\x84"
    _, at = item(signed, 3)
    assert signed[at] == 0xa0
    return item(signed, at + 1)[0]


def reply(data: bytes) -> dict:
    """The state of updates, by its words; of an error {0: 0, 1: why}."""
    items = decoded(data)
    return dict(zip(WORDS, (items[n] for n in range(len(WORDS))))) if items[0] == UPDATE else items
