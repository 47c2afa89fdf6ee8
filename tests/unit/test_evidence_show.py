# SPDX-License-Identifier: Apache-2.0
"""kapu evidence show: what it prints of tokens and messages, how it ends, and that the parts that it
writes are read by other people's tools."""

import hashlib
import json
import subprocess

import pytest

from kapu import tpm
from kapu.paths import ROOT

VECTORS = ROOT / "tests" / "vectors" / "evidence"
TEE, AK = VECTORS / "tee.key", VECTORS / "ak.key"
IDENTITY = hashlib.sha256(b"a release identity").hexdigest()
BOOT_NAME = hashlib.sha256(b"vector boot").hexdigest()


def run(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          check=False)


def show(*words):
    return run(tpm.operator_tool(), "evidence", "show", *words)


def test_a_message_is_shown_with_what_verified():
    done = show("--key", TEE, "--ak", AK, VECTORS / "infected.message")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("verified with the key given") == 2
    assert "it covers this token and these PCRs" in done.stdout
    assert "accounts for the PCRs" in done.stdout
    assert "kernel text differs at __arm64_sys_kill+0x10: 4 bytes" in done.stdout
    assert "from 0xffff800008000000" in done.stdout
    assert f"release identity   {IDENTITY}" in done.stdout
    assert f"boot name          {BOOT_NAME}" in done.stdout
    assert "last update        tries gone, after a reset by an alarm\n" in done.stdout
    assert "refusals           updates were refused that look like an attack: rollback, freeze (3 in this boot, " \
        "the last one: freeze)\n" in done.stdout
    assert "servers            its Linux says, without proof, that a server of releases did: slow retrieval " \
        "(70000 in this boot)\n" in done.stdout


@pytest.mark.parametrize("name, words, token, quote", [
    ("clean.token", (), "unchecked", None),
    ("clean.token", ("--key", TEE), "verified", None),
    ("clean.message", ("--key", TEE), "verified", "unchecked"),
    ("clean.message", ("--key", TEE, "--ak", AK), "verified", "verified"),
    ("enrolment.message", (), "self-signed", "unchecked"),
    ("clean.message", ("--key", AK), "NOT VERIFIED", "unchecked"),
    ("clean.message", ("--ak", TEE), "unchecked", "NOT VERIFIED"),
])
def test_json_says_how_much_verified(name, words, token, quote):
    done = show("--json", *words, VECTORS / name)
    said = json.loads(done.stdout)
    assert (said["token"], said.get("quote")) == (token, quote)
    assert done.returncode == ("NOT VERIFIED" in (token, quote))
    assert (said["software"]["release_identity"], said["software"]["boot_name"]) == (IDENTITY, BOOT_NAME)
    assert (said["software"]["last_update"], said["software"]["last_update_reset"]) == ("none", "none")
    nothing = {"last": "none", "count": 0, "kinds": []}
    assert said["software"]["refused_updates"] == said["software"]["told_by_linux"] == nothing
    assert said["monitor"]["kernel_base"] == "0xffff800008000000"
    assert said["monitor"]["verdict"] == "clean" and len(said["monitor"]["checks"]) == 20


def test_a_changed_message_is_shown_as_what_it_is(tmp_path):
    data = (VECTORS / "clean.message").read_bytes()
    file = tmp_path / "changed"
    file.write_bytes(data.replace(b"0.5.0", b"9.9.9"))
    done = show("--key", TEE, "--ak", AK, file)
    assert done.returncode == 1
    assert "9.9.9" in done.stdout and "NOT VERIFIED" in done.stdout
    assert "NOT of this token" in done.stdout


@pytest.mark.parametrize("data, reason", [
    (b"", "is empty"),
    (b"hello", "neither a message nor a token"),
    ((VECTORS / "clean.token").read_bytes() + b"\0", "neither a message nor a token"),
    ((VECTORS / "clean.token").read_bytes().replace(b"evidence-5", b"evidence-4"),
     "of another profile"),
    ((VECTORS / "clean.token").read_bytes().replace(b"\x01\x26\x04", b"\x01\x27\x04"),
     "another algorithm or type"),
])
def test_what_is_no_evidence_is_refused(data, reason, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(data)
    done = show(file)
    assert done.returncode == 2 and reason in done.stderr and not done.stdout


@pytest.mark.parametrize("words", [(), ("a", "b"), ("--nothing", "a"), ("/nonexistent",),
                                   ("--key", "/nonexistent", VECTORS / "clean.token"),
                                   ("--key", VECTORS / "clean.token", VECTORS / "clean.token")])
def test_wrong_use_is_said(words):
    done = show(*words)
    assert done.returncode == 2 and done.stderr


def test_quote_and_log_are_read_by_tpm2_tools(tmp_path):
    assert show("--ak", AK, "--extract", tmp_path, VECTORS / "clean.message").returncode == 0
    token = hashlib.sha256((tmp_path / "token.cose").read_bytes()).hexdigest()
    command = ["tpm2_checkquote", "-u", tmp_path / "ak.pem", "-m", tmp_path / "quote.attest",
               "-s", tmp_path / "quote.sig", "-g", "sha256", "-q"]
    assert run(*command, token).returncode == 0
    assert run(*command, token.replace(token[0], "f" if token[0] != "f" else "0")).returncode != 0
    log = run("tpm2_eventlog", tmp_path / "log.bin")
    assert log.returncode == 0, log.stderr
    pcrs = json.loads(show("--json", VECTORS / "clean.message").stdout)["boot"]["pcrs"]
    for value in pcrs.values():
        assert value in log.stdout


def test_a_key_may_be_in_pem_too(tmp_path):
    show("--ak", AK, "--extract", tmp_path, VECTORS / "clean.message")
    done = show("--json", "--ak", tmp_path / "ak.pem", VECTORS / "clean.message")
    assert json.loads(done.stdout)["quote"] == "verified"
