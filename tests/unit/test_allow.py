# SPDX-License-Identifier: Apache-2.0
"""The allow-list's maker: mistakes in a policy are named, hashes are those of the image's pages."""

import hashlib
import re
import struct

import pytest

from kapu import allow, sectioned
from kapu.errors import KapuError

PROFILE = sectioned.pack(b"KAPUPROF", 4, bytes(16), [])
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
    policy.write_text(text.rstrip("\n") + "\n")
    return allow.make_allow_list(tree, allow.Policy([policy]), "ab" * 32, PROFILE)


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
    ("[program /usr/bin/tool]\nusers = root\nio_uring = 1", "line 3: expected yes or no"),
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


@pytest.mark.parametrize("text, seconds", [("report", 0), ("reset 5", 5), ("reset 120", 120)])
def test_what_follows_an_alarm_is_said_by_policy(tmp_path, text, seconds):
    (tmp_path / "policy").write_text(f"[reaction]\non_alarm = {text}\n")
    assert allow.reset_seconds(allow.Policy([tmp_path / "policy"])) == seconds


@pytest.mark.parametrize("text, message", [
    ("[reaction]\non_alarm = reset", "line 2: expected 'report', or 'reset SECONDS'"),
    ("[reaction]\non_alarm = reset 121", "line 2: expected"),
    ("[reaction]\non_alarm = reset 4", "line 2: expected"),
    ("[reaction]\non_alarm = ignore", "line 2: expected"),
    ("[reaction]\nwhen = report", "line 2: 'when' is not known here; known: on_alarm"),
    ("[state]\nlockdown = none", "does not say on_alarm"),
])
def test_a_mistake_in_the_reaction_is_named(tmp_path, text, message):
    (tmp_path / "policy").write_text(f"{text}\n")
    with pytest.raises(KapuError) as error:
        allow.reset_seconds(allow.Policy([tmp_path / "policy"]))
    assert message in str(error.value)


def test_a_later_policy_replaces_what_it_names(tree):
    first, second = tree.parent / "first", tree.parent / "second"
    first.write_text(GOOD)
    second.write_text("[state]\nlockdown = none\n")
    data = allow.make_allow_list(tree, allow.Policy([first, second]), "", PROFILE)
    assert section(data, 5, 8) == [struct.pack("<II", 1, 0)]


def program(tree, words):
    """Record and numbers of the one program, whose policy has these words more."""
    data = make(tree, GOOD + words)
    return section(data, 3, 32)[0], section(data, 4, 4)


def test_peers_are_addresses_prefixes_and_ports(tree):
    record, numbers = program(tree, "peers = 10.1.0.0/16:8883 [fd00::1]:*\n")
    assert struct.unpack_from("<H", record, 24) == (2,)
    four, six = (b"".join(numbers)[-48 + 24 * i:][:24] for i in range(2))
    assert four == struct.pack("<II", 4 << 16 | 16, 8883) + bytes((10, 1)) + bytes(14)
    assert six == struct.pack("<II", 16 << 16 | 128, 0) + bytes((0xfd,)) + bytes(14) + b"\1"


def test_any_peer_is_a_flag(tree):
    record, _ = program(tree, "peers = any\n")
    assert struct.unpack_from("<I", record, 4)[0] & allow.ANY_PEER


def test_a_program_that_may_use_io_uring_has_a_flag(tree):
    flags = [struct.unpack_from("<I", program(tree, words)[0], 4)[0]
             for words in ("", "io_uring = no\n", "io_uring = yes\n")]
    assert [bits & allow.IO_URING for bits in flags] == [0, 0, allow.IO_URING]


def test_namespaces_that_each_process_has_and_that_it_may_have(tree):
    record, _ = program(tree, "namespaces = mnt net?\n")
    assert struct.unpack_from("<I", record, 4)[0] & 0xffff00 == 0x010300


def test_modules_and_what_may_be_loaded(tree):
    data = make(tree, GOOD.replace("[state]", "[state]\nmodules = one two\nbpf = yes\nkprobes = no"))
    states = [struct.unpack("<II", record) for record in section(data, 5, 8)]
    assert {(4, 1), (5, 0)} <= set(states)
    strings = b"".join(section(data, 7, 1))
    assert [strings[at:].split(b"\0")[0] for key, at in states if key == 19] == [b"one", b"two"]


@pytest.mark.parametrize("words", [
    "peers = 10.0.0.1", "peers = 10.0.0.1/8:1", "peers = fd00::1:1", "peers = [10.0.0.1]:1",
    "peers = 10.0.0.0/8:0", "peers = 10.0.0.0/8:70000", "namespaces = mount"])
def test_a_wrong_peer_or_namespace_is_named(tree, words):
    with pytest.raises(KapuError, match="policy, line 9.*" + re.escape(words.split()[-1])):
        make(tree, GOOD + words + "\n")
