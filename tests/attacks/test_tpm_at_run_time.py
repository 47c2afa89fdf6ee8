# SPDX-License-Identifier: Apache-2.0
"""Somebody on the TPM's bus while the gateway runs: PCRs that are extended, a TPM that is reset and gets all of
its PCRs again, a TPM that falls silent. Real gateway, real operator; the tests go on from one another.

`test_a_bus_that_passes_everything_on_does_no_harm` shows the same gateway, on the same bus, clean and trusted.
"""

import hashlib
import json
import re
import struct

import pytest

import tpm_bus
from e2e.test_attestation import BOOT_SECONDS, Attested
from monitored import AGAIN, RESET, Monitor

CHECK_SECONDS = 120        # PLATFORM_WATCHDOG_S
RESET_SECONDS = 30 + 15    # on_alarm of gateway/policy, and a tick of a slow emulator
PCRS = (0, 7, 8, 9, 14)
PCR_READ = 0x17E
NO_QUOTE = re.compile(r"kapu: no quote: ")


def command(code: int, body: bytes, tag: int = 0x8001) -> bytes:
    return struct.pack(">HII", tag, 10 + len(body), code) + body


def extend(pcr: int, digest: bytes) -> bytes:
    """TPM2_PCR_Extend as anybody can send it: with the empty password."""
    password = struct.pack(">IHBH", 0x40000009, 0, 0, 0)
    return command(tpm_bus.PCR_EXTEND, struct.pack(">II", pcr, len(password)) + password
                   + struct.pack(">IH", 1, 0x000b) + digest, 0x8002)


def selection(*pcrs: int) -> bytes:
    mask = sum(1 << pcr for pcr in pcrs)
    return struct.pack(">IHB", 1, 0x000b, 3) + mask.to_bytes(3, "little")


class OnTheBus(Attested):
    """A gateway whose TPM's bus is ours; it begins anew with it."""

    def __init__(self, folder):
        super().__init__(folder, "gateway")
        self.machine.stop()
        self.machine.console.unlink(missing_ok=True)
        self.machine.secure_console.unlink(missing_ok=True)
        self.bus = tpm_bus.TpmBus(self.machine)
        self.machine.start()
        self.monitor = Monitor(self.machine)

    def ok(self, sent: bytes) -> bytes:
        got = self.bus.command(sent)
        assert tpm_bus.code_of(got) == 0, got.hex()
        return got

    def pcrs(self) -> list[bytes]:
        return [self.ok(command(PCR_READ, selection(pcr)))[-32:] for pcr in PCRS]

    def firmware_extends(self) -> list[bytes]:
        """Those of the last boot, as they passed."""
        starts = [n for n, m in enumerate(self.bus.seen) if tpm_bus.code_of(m) == tpm_bus.STARTUP
                  and m[:2] == b"\x80\x01" and len(m) == 12]
        return [m for m in self.bus.seen[starts[-1]:]
                if tpm_bus.code_of(m) == tpm_bus.PCR_EXTEND and len(m) == 65]

    def close(self):
        super().close()
        self.bus.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    made = OnTheBus(tmp_path_factory.mktemp("on-the-bus"))
    made.machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS)
    yield made
    made.close()


def expect_reset_and_trust(gateway):
    """What an alarm leads to: a reset into a state that is measured and trusted again."""
    gateway.monitor.wait(RESET, RESET_SECONDS)
    gateway.monitor.wait(AGAIN, BOOT_SECONDS)
    check = gateway.monitor.next_check(BOOT_SECONDS)
    assert (check.number, check.findings) == (1, [])
    status, result = gateway.attest_when_back()
    assert status == 0, result


def test_a_bus_that_passes_everything_on_does_no_harm(gateway):
    assert gateway.monitor.next_check(BOOT_SECONDS).findings == []
    done = gateway.enrol()
    assert done.returncode == 0, done.stderr
    status, result = gateway.operated.attest("first")
    assert status == 0, result
    assert gateway.monitor.next_check().findings == []


@pytest.mark.share(1)
def test_a_reset_of_the_tpm_alone_is_told_though_all_pcrs_are_made_again(gateway):
    before, extends = gateway.pcrs(), gateway.firmware_extends()
    assert len(extends) >= 6
    gateway.bus.reset_tpm()
    gateway.ok(command(tpm_bus.STARTUP, b"\0\0"))
    for sent in extends:
        gateway.ok(sent)
    gateway.ok(extend(14, hashlib.sha256(bytes(4)).digest()))
    assert gateway.pcrs() == before  # a quote of them is one of a good boot
    gateway.monitor.skip()
    status, result = gateway.operated.attest("first")
    assert status == 1 and "tpm.reset" in json.dumps(result), result
    check = gateway.monitor.next_check()
    assert [(f["severity"], f["id"]) for f in check.findings] == [("alarm", "tpm.reset")]
    expect_reset_and_trust(gateway)


@pytest.mark.share(5)
def test_a_pcr_that_is_extended_gets_no_quote_until_a_deep_check_has_told(gateway):
    """Extended after the deep check and the claims of the evidence, right before its quote."""
    hit = []

    def after_the_claims(code, sent, got):
        if code == PCR_READ and sent.endswith(selection(14)) and not hit:
            hit.append(gateway.ok(extend(8, bytes(32))))
        return got
    gateway.monitor.skip()
    gateway.bus.on_answer = after_the_claims
    done = gateway.operated.kapu("attest", "first", "--json", "--timeout", "30")
    gateway.bus.on_answer = lambda code, sent, got: got
    assert hit and done.returncode != 0, done.stdout
    gateway.monitor.wait(NO_QUOTE, 10)
    check = gateway.monitor.next_check(CHECK_SECONDS)
    assert [(f["severity"], f["id"], f["object"]) for f in check.findings] == [
        ("alarm", "tpm.pcr", "PCR 8")]
    status, result = gateway.operated.attest("first")
    assert status == 1 and "tpm.pcr" in json.dumps(result), result
    expect_reset_and_trust(gateway)


@pytest.mark.share(6)
def test_a_tpm_that_stays_silent_is_an_alarm_in_the_end(gateway):
    gateway.monitor.next_check()
    gateway.bus.on_command = lambda code, sent: tpm_bus.answer(0x101)  # failure mode
    seen = []
    while "alarm" not in seen and len(seen) < 6:
        findings = gateway.monitor.next_check(CHECK_SECONDS).findings
        assert {f["id"] for f in findings} <= {"tpm.silent"}
        seen += [f["severity"] for f in findings]
    assert seen == ["warning", "warning", "alarm"]
    gateway.bus.on_command = lambda code, sent: None
    expect_reset_and_trust(gateway)
