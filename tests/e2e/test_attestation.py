# SPDX-License-Identifier: Apache-2.0
"""Attestation of real gateways: firmware, TPM, secure world and Linux in QEMU, an operator with brokers on the
host. What can be tried without them is in tests/operator.
"""

import json
import re
import shutil
import struct
import subprocess
import time

import pytest
from cryptography import x509

import interop
import snapshots
from guest import Guest, Kernel, inspect
from kapu import load
from kapu.certs import identity_of
from kapu.paths import BUILD, host_environment
from kapu.qemu import CORES, CPU
from kapu.report import update_report
from native import programs
from operated import Operated
from shell import Shell
from shares import share
from watched import LIGHT_CPU, watched_instance

BOOT_SECONDS = 900
EVIDENCE_MAX = 4096   # clean, without the event log
INTERVAL = 3600       # seconds; not what is tested here
NOP = struct.pack("<I", 0xd503201f)
SAVED = {"gateway": (LIGHT_CPU, CORES), "lab": (CPU, 2)}  # the lab's as other stages have it, so that it is made once


class Attested:
    """A gateway in QEMU that runs, to be enrolled as "first"; with options, one that boots."""

    def __init__(self, folder, flavour, **options):
        self.flavour = flavour
        self.instance = watched_instance(folder / "gw", flavour, **options) if options else \
            snapshots.running(folder / "gw", flavour, *SAVED[flavour])
        self.machine = self.instance.machine
        self.operated = Operated(folder / "op", flavour)
        self.operated.know_board(self.instance.folder)
        self.machine.forwards = self.operated.operator.forwards()
        self.machine.start()

    def enrol(self):
        return self.operated.kapu("enroll", "--name", "first", "--interval", INTERVAL,
                                  "--timeout", "600", timeout=900)

    def attest_when_back(self) -> tuple[int, dict]:
        """Asked until it has dialled in again."""
        deadline = time.monotonic() + BOOT_SECONDS * load.factor()
        while True:
            status, result = self.operated.attest("first", "--log")
            if status != 3 or time.monotonic() > deadline:
                return status, result

    def close(self):
        self.machine.stop()
        self.operated.close()
        shutil.rmtree(self.instance.folder)


earlier = []  # gateways that no later test of this file asks anything


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    made = Attested(tmp_path_factory.mktemp("attested"), "gateway")
    made.machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS)
    earlier.append(made.machine)
    yield made
    made.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Of the lab flavour, after all tests of the other one, which would look at itself all the time."""
    for machine in earlier:
        machine.stop()
    made = Attested(tmp_path_factory.mktemp("attested-lab"), "lab")
    made.shell = Shell(made.machine)
    yield made
    made.shell.close()
    made.close()


# ---- A gateway: enrolled, trusted, taken over, found out, reset, trusted again. In this order. ----

def test_a_genuine_gateway_is_enrolled(gateway):
    done = gateway.enrol()
    assert done.returncode == 0, done.stdout + done.stderr
    assert gateway.operated.fleet()["first"]["trust"] == "trusted"


def software_of(result: dict) -> tuple[str, str]:
    """Identity of the release and name of the boot, as the verifier took them from evidence; nobody ever gave
    this gateway a trial."""
    appraisal, = result["ear"]["submods"].values()
    claims = appraisal["ear_verifier_claims"]
    assert (claims["kapu_last_update"], claims["kapu_last_update_reset"]) == ("none", "none")
    return claims["kapu_release_identity"], claims["kapu_boot_name"]


def test_it_is_trusted_with_and_without_the_event_log(gateway):
    said = set()
    for more in (["--log"], []):
        begin = time.monotonic()
        status, result = gateway.operated.attest("first", *more)
        assert (status, result["verdict"]) == (0, "trusted"), result
        said.add(software_of(result))
    (identity_said, gateway.boot_name), = said  # both are of one boot
    assert identity_said == identity_of(BUILD / "gateway" / "firmware.fip").hex()
    assert len(set(bytes.fromhex(gateway.boot_name))) > 8
    update_report("verifier", round_trip_s=round(time.monotonic() - begin, 2),
                  gateway_evidence_bytes=result["bytes"])
    assert 0 < result["bytes"] <= EVIDENCE_MAX


def test_it_is_known_already(gateway):
    """A second enrolment of an identity is refused: its certificate is not made anew by who asks."""
    done = gateway.operated.kapu("enroll", "--timeout", "3", timeout=60)
    assert done.returncode == 3  # enrolled gateways wait for nobody


def test_a_rootkit_is_told_before_the_reset(gateway):
    _, report = inspect("gateway", gateway.instance.folder)
    guest = Guest(gateway.machine, Kernel("gateway"), report)
    guest.write(guest.symbol("vfs_read") + 64, NOP)
    status, result = gateway.operated.attest("first")
    assert (status, result["verdict"]) == (1, "not trusted")
    told = str(result)
    assert "text.page" in told and "page is not that of the signed image" in told
    named = re.search(r"kernel text differs at ([\w.]+)\+0x([0-9a-f]+)(?: to [\w.+]+)?: page is not",
                      told)
    assert named, told
    place = guest.symbol(named.group(1)) + int(named.group(2), 16)
    assert place // 4096 == (guest.symbol("vfs_read") + 64) // 4096
    assert gateway.operated.fleet()["first"]["trust"] == "not trusted"


def test_after_the_reset_it_is_trusted_again(gateway):
    gateway.machine.wait_for(r"kapu: RESET\b.*$", 600, secure=True)
    status, result = gateway.attest_when_back()
    assert (status, result["verdict"]) == (0, "trusted"), result
    identity_said, boot_name = software_of(result)
    assert identity_said == identity_of(BUILD / "gateway" / "firmware.fip").hex()
    assert boot_name != gateway.boot_name
    assert gateway.operated.fleet()["first"]["trust"] == "trusted"


def test_withheld_evidence_is_no_answer(gateway):
    gateway.machine.qmp("stop")
    done = gateway.operated.kapu("attest", "first", "--timeout", "3")
    gateway.machine.qmp("cont")
    assert done.returncode == 3


# ---- The lab: what its own programs see ----

def identity(lab) -> dict[str, bytes]:
    lines = lab.shell.run("kapu-agent identity").splitlines()
    return {name: bytes.fromhex(value) for name, value in (line.split() for line in lines)}


def cose_key(x: bytes, y: bytes) -> bytes:
    """RFC 9053, 7.1.1: EC2, P-256."""
    return bytes.fromhex("a401022001215820") + x + bytes.fromhex("225820") + y


@pytest.fixture(scope="module")
def message(lab, tmp_path_factory):
    """Evidence out of the gateway, and the keys that it has to verify with, as files."""
    folder = tmp_path_factory.mktemp("message")
    said = identity(lab)
    lab.shell.run("kapu-agent evidence > /lab/evidence")
    shutil.copy(lab.instance.folder / "share" / "evidence", folder / "message")
    x, y = said["tee-key"][:32], said["tee-key"][32:]
    (folder / "tee.key").write_bytes(cose_key(x, y))
    ak_x, ak_y = said["ak"][-66:-34], said["ak"][-32:]  # TPM2B x, TPM2B y end a TPMT_PUBLIC
    assert said["ak"][-68:-66] == said["ak"][-34:-32] == b"\x00\x20"
    (folder / "ak.key").write_bytes(cose_key(ak_x, ak_y))
    return folder


def test_a_gateways_token_verifies_with_two_foreign_implementations(message):
    claims = interop.check(message / "message", message / "tee.key", message / "ak.key")
    assert sorted(claims["266"]) == ["boot", "monitor", "software", "tee"]


def test_a_gateways_quote_verifies_with_tpm2_tools(lab, message):
    parts = message / "parts"
    shown = subprocess.run([lab.operated.kapu_program, "evidence", "show", message / "message",
                            "--key", message / "tee.key", "--ak", message / "ak.key",
                            "--extract", parts], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    nonce = subprocess.run(["sha256sum", parts / "token.cose"], capture_output=True, text=True,
                           check=True).stdout.split()[0]
    good = ["tpm2_checkquote", "-u", parts / "ak.pem", "-m", parts / "quote.attest", "-s",
            parts / "quote.sig", "-q", nonce]
    assert subprocess.run(good, env=host_environment(), capture_output=True,
                          check=False).returncode == 0
    bad = good[:-1] + ["00" * 32]
    assert subprocess.run(bad, env=host_environment(), capture_output=True,
                          check=False).returncode != 0


# ---- A key that Linux never sees ----

SECURE_RAM = 16 << 20
IN_OPTEE = b"kapu TPM attestation key"  # a label that OP-TEE's image holds


def secure_memory(machine) -> bytes:
    """The secure world's RAM, out of the emulator's own memory."""
    for line in open(f"/proc/{machine.pid()}/maps", encoding="ascii"):
        start, end = (int(n, 16) for n in re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line).groups())
        if end - start == SECURE_RAM:
            with open(f"/proc/{machine.pid()}/mem", "rb") as memory:
                memory.seek(start)
                data = memory.read(SECURE_RAM)
            if IN_OPTEE in data:
                return data
    raise AssertionError("the emulator's memory for the secure world was not found")


def find_private_key(public, memory: bytes) -> bytes:
    """Tried out: which bytes are the private key."""
    numbers = public.public_numbers()
    tool, = programs("tests/support/find_key")
    done = subprocess.run([tool, f"{numbers.x:064x}", f"{numbers.y:064x}"], input=memory, capture_output=True, check=False)
    assert done.returncode == 0, "the private key was not found where it must be"
    return bytes.fromhex(done.stdout.decode().strip())


def test_the_tls_key_is_in_the_secure_worlds_memory_only(lab):
    """The gateway is connected, so the key is in use. What a search of all of the normal
    world's memory looks for was found in the secure world's by that same search."""
    done = lab.enrol()
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.attest_when_back()[0] == 0
    text = lab.shell.run("cat /var/lib/kapu-link/identity.pem")
    certificate = x509.load_pem_x509_certificate(text[text.index("-----BEGIN"):].encode())
    lab.machine.qmp("stop")
    secure, normal = secure_memory(lab.machine), lab.machine.ram.read_bytes()
    lab.machine.qmp("cont")
    key = find_private_key(certificate.public_key(), secure)
    for wanted in (key, key[::-1]):
        assert wanted not in normal
    assert secure.count(key) + secure.count(key[::-1]) > 0
    assert b"-----BEGIN CERTIFICATE-----" in normal  # it is memory of that gateway, and it is searched


@pytest.mark.parametrize("delay", share([0.0, 0.5, 1.5]))
def test_an_agent_killed_in_mid_appraisal_costs_time_only(lab, delay):
    """Its verdict is lost or right, never wrong; it is started again, dials in and is trusted."""
    words = ["attest", "first", "--json", "--timeout", "20", "--operator", lab.operated.operator.folder]
    asking = subprocess.Popen([lab.operated.kapu_program, *words], env=host_environment(),
                              stdout=subprocess.PIPE, text=True)
    time.sleep(delay)  # any moment is a good one
    lab.shell.run("systemctl kill -s KILL kapu-link")
    said = json.loads(asking.communicate(timeout=120)[0])
    assert asking.returncode in (0, 3), said
    assert lab.operated.fleet()["first"]["trust"] == "trusted"
    status, result = lab.attest_when_back()
    assert (status, result["verdict"]) == (0, "trusted"), result


@pytest.mark.share(2)
def test_cores_that_keep_the_secure_world_off_user_memory_attest(tmp_path):
    """CFG_PAN on cores that have FEAT_PAN: the attest TA's memory is reached where it is meant to be. Anything else
    would be a panic."""
    made = Attested(tmp_path, "gateway", cpu="max")
    try:
        made.machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS)
        enrolled = made.enrol()
        assert enrolled.returncode == 0, enrolled.stdout + enrolled.stderr
        status, result = made.attest_when_back()
        assert status == 0, result
        assert "RESET" not in made.machine.text(secure=True)
    finally:
        made.close()
