# SPDX-License-Identifier: Apache-2.0
"""The allow-list's maker: mistakes in a policy are named, hashes are those of the image's pages."""

import hashlib
import struct

import pytest

from kapu import allow
from kapu.errors import KapuError

GOOD = """
[state]
lockdown = confidentiality
[program /usr/bin/tool]
users = root daemon 500-600
capabilities = net_raw CAP_CHOWN
no_new_privs = yes
listen = tcp/80 udp/53
"""


def elf(code: bytes) -> bytes:
    """A file with one executable segment at offset 0x1000."""
    head = b"\x7fELF\x02\x01" + bytes(26) + struct.pack("<Q", 64) + bytes(14)
    head += struct.pack("<HH", 56, 1) + bytes(6)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0x1000, 0x1000, 0x1000, len(code), len(code), 4096)
    return (head + segment).ljust(0x1000, b"\0") + code


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    (root / "etc").mkdir(parents=True)
    (root / "usr/bin").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/:/\ndaemon:x:7:7::/:/\n")
    (root / "usr/bin/tool").write_bytes(elf(b"A" * 4096 + b"B"))
    (root / "usr/bin/script").write_text("#!/bin/sh\n")
    return root


def make(tree, text):
    policy = tree.parent / "policy"
    policy.write_text(text)
    return allow.make_allow_list(tree, [policy], "ab" * 32)


def section(data: bytes, number: int, size: int) -> list[bytes]:
    offset, count = struct.unpack_from("<II", data, allow.HEADER + 8 * number)
    return [data[offset + i * size:offset + (i + 1) * size] for i in range(count)]


def test_each_executable_page_has_its_hash(tree):
    assert section(make(tree, GOOD), 1, 32) == [
        hashlib.sha256(b"A" * 4096).digest(), hashlib.sha256(b"B".ljust(4096, b"\0")).digest()]


def test_hashes_are_in_order(tree):
    data = make(tree, GOOD)
    hashes = section(data, 1, 32)
    order = [struct.unpack("<I", n)[0] for n in section(data, 2, 4)]
    assert [hashes[n] for n in order] == sorted(hashes)


def test_a_program_has_what_its_policy_says(tree):
    data = make(tree, GOOD)
    program, = section(data, 3, 32)
    _, flags, caps, first, users, ports, _ = struct.unpack("<IIQIHHQ", program)
    assert (flags, caps, first, users, ports) == (1, 1 << 13 | 1, 0, 3, 2)
    numbers = [struct.unpack("<I", n)[0] for n in section(data, 4, 4)]
    assert numbers == [0, 0, 7, 7, 500, 600, 6 << 16 | 80, 17 << 16 | 53]


@pytest.mark.parametrize("text, message", [
    ("[program /usr/bin/tool]\nusers = nobody", "line 2: the image has no user 'nobody'"),
    ("[program /usr/bin/tool]\nusers = root\ncapabilities = net_rw", "line 3: there is no capability"),
    ("[program /usr/bin/tool]\nusers = root\nlisten = 80", "line 3: a port is"),
    ("[program /usr/bin/tool]\nusers = root\nlisten = tcp/70000", "line 3: a port is"),
    ("[program /usr/bin/tool]\nusers = root\nseccomp = on", "line 3: expected yes or no"),
    ("[program /usr/bin/tool]\nuser = root", "line 2: 'user' is not known"),
    ("[program /usr/bin/tool]\nusers = root\nusers = root", "line 3: 'users' is there twice"),
    ("[program /usr/bin/tool]\nseccomp = yes", "does not say as which users"),
    ("[program /usr/bin/none]\nusers = root", "has no such program"),
    ("[program /usr/bin/script]\nusers = root", "has no such program"),
    ("[program tool]\nusers = root", "line 1: sections are"),
    ("users = root", "line 1: expected"),
    ("[state]\nlockdown = yes", "line 2: lockdown is one of"),
    ("[state]\nptrace_scope = high", "line 2: expected a number"),
    ("[state]\nlockdown =", "line 2: expected"),
    ("[program /usr/bin/tool]\nusers = 9-3", "line 2: the range"),
])
def test_a_mistake_is_named_with_its_line(tree, text, message):
    with pytest.raises(KapuError) as error:
        make(tree, text)
    assert message in str(error.value)


def test_a_later_policy_replaces_what_it_names(tree):
    first, second = tree.parent / "first", tree.parent / "second"
    first.write_text(GOOD)
    second.write_text("[state]\nlockdown = none\n")
    data = allow.make_allow_list(tree, [first, second], "")
    assert section(data, 5, 8) == [struct.pack("<II", 1, 0)]
