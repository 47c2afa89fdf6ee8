# SPDX-License-Identifier: Apache-2.0
"""A gateway can be enrolled anew at any time, whatever was lost: its record, the operator's store, its certificate, or what
the broker takes of it. Nobody visits it. kapu-link itself runs here, on a gateway in software."""

import datetime
import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import native
from kapu.cbor import cbor
from simulated import Linked, client, client_command

IDENTITY = "var/lib/kapu-link/identity.pem"


@pytest.fixture
def world(fleet):
    fleet.pump = fleet.enrolled("pump", linked=True)
    assert fleet.kapu("attest", "pump").returncode == 0
    return fleet


def enrol_again(world, verdict="enrolled"):
    status, said = world.kapu_json("enroll", world.pump.name, "--name", "pump", "--timeout", "60")
    assert (status, said["verdict"], said["gateway"]) == (0, verdict, world.pump.name), said
    for _ in range(2):
        assert world.kapu("attest", "pump", "--timeout", "60").returncode == 0
    assert world.state("pump")["trust"] == "trusted"


def test_a_gateway_that_was_forgotten_is_enrolled_anew(world):
    before = (world.pump.folder / IDENTITY).read_bytes()
    assert world.kapu("forget", "pump").returncode == 0
    assert world.kapu("attest", world.pump.name).returncode == 3  # not of the fleet
    enrol_again(world)
    assert (world.pump.folder / IDENTITY).read_bytes() == before  # the broker takes the one that it has


def test_a_store_that_was_lost_or_put_back_takes_nothing_that_does_not_come_back(world):
    store = world.operator.folder / "kapu.db"
    subprocess.run(["sqlite3", store, "PRAGMA wal_checkpoint(TRUNCATE)"], check=True, capture_output=True)
    backup = world.folder / "backup.db"
    shutil.copy(store, backup)
    assert world.kapu("attest", "pump").returncode == 0
    for name in ("kapu.db-wal", "kapu.db-shm"):
        (world.operator.folder / name).unlink(missing_ok=True)
    shutil.copy(backup, store)
    assert world.kapu("attest", "pump").returncode == 0
    for name in ("kapu.db", "kapu.db-wal", "kapu.db-shm", "labels"):
        (world.operator.folder / name).unlink(missing_ok=True)
    world.know_release(world.pump)
    world.know_board(world.pump)
    enrol_again(world)


def put_certificate(world, expired: bool, authority: str = "ca") -> bytes:
    """As if it had been issued under a clock that was wrong, or before the operator's authority was replaced."""
    folder, identity = world.operator.folder, world.pump.folder / IDENTITY
    old = x509.load_pem_x509_certificate(identity.read_bytes())
    issuer = x509.load_pem_x509_certificate((folder / f"{authority}.pem").read_bytes())
    key = serialization.load_pem_private_key((folder / f"{authority}.key").read_bytes(), None)
    now = datetime.datetime.utcnow()
    made = x509.CertificateBuilder(issuer.subject, old.subject, old.public_key(), x509.random_serial_number(),
                                   now - datetime.timedelta(days=2), now + datetime.timedelta(days=-1 if expired else 10))
    for extension in old.extensions:
        if extension.oid != x509.ExtensionOID.AUTHORITY_KEY_IDENTIFIER:
            made = made.add_extension(extension.value, extension.critical)
    made = made.sign(key, hashes.SHA256())
    identity.write_bytes(made.public_bytes(serialization.Encoding.PEM) + issuer.public_bytes(serialization.Encoding.PEM))
    return made.public_bytes(serialization.Encoding.DER)


def restart_broker(world) -> None:
    """Which ends the connections to it."""
    world.operator.stop("main")
    world.operator.start("main")


@pytest.mark.parametrize("noticed", ["in a connection", "in an enrolment"])
def test_a_gateway_whose_vault_lost_its_tls_key_begins_again(world, noticed):
    """kapu-link exits; the service manager restarts it, and it asks for a certificate for the new key. Before it exits it
    refuses to enrol, because it no longer has the key that it named."""
    world.pump.tell("lose key")
    if noticed == "in a connection":
        restart_broker(world)
    else:
        refused = world.kapu("enroll", world.pump.name, "--name", "pump", "--timeout", "60")
        assert refused.returncode == 3 and "the TLS key is gone" in refused.stdout + refused.stderr
    world.pump.wait_for("the vault has another TLS key than before")
    assert world.pump.process.wait(timeout=60) == 1


@pytest.mark.dealt
@pytest.mark.parametrize("forgotten", [False, True])
def test_a_gateway_whose_certificate_the_broker_does_not_take_looks_for_an_enrolment(world, forgotten):
    put_certificate(world, expired=False)
    restart_broker(world)
    world.pump.wait_for("connected")  # one that is made so is taken, if it has not run out
    put_certificate(world, expired=True)
    restart_broker(world)
    if forgotten:
        assert world.kapu("forget", "pump").returncode == 0
    world.pump.wait_for("waiting")
    enrol_again(world, "enrolled" if forgotten else "enrolled before")


def ask(world, topic: str, body) -> str:
    """One request and its answer, at the enrolment broker, with the operator's own certificate."""
    line = (world.operator.port("enrolment", "operators"), world.operator)
    shown = {"certificate": world.operator.folder / "kapu.pem", "key": world.operator.folder / "kapu.key"}
    with subprocess.Popen(client_command("mosquitto_sub", *line, "-t", f"{topic}/reply", "-F", "%D %x", "-W", "30", **shown),
                          stdout=subprocess.PIPE, text=True) as heard:
        for said in heard.stdout:  # the gateway's hello, by which we know that we hear it
            if said.startswith(" "):
                assert client("mosquitto_pub", *line, "-t", f"{topic}/request", "-f", body, "-q", "1", "-D", "publish",
                              "correlation-data", "12345678", **shown).returncode == 0
            else:
                break
        heard.kill()
    return said


@pytest.mark.share(5)
def test_a_certificate_of_another_authority_does_not_take_the_place_of_a_good_one(world):
    """Not even by somebody who may speak to gateways at the enrolment broker."""
    identity = world.pump.folder / IDENTITY
    foreign = put_certificate(world, expired=False, authority="staff-ca")
    own = put_certificate(world, expired=True)
    kept = identity.read_bytes()
    restart_broker(world)
    world.pump.wait_for("waiting")
    answers = {}
    for what, certificate in (("foreign", foreign), ("own", own)):
        body = world.folder / "body"
        body.write_bytes(cbor({0: 3, 1: certificate, 2: der(world.operator.folder / "ca.pem")}))
        answers[what] = ask(world, f"kapu/1/enrol/{world.pump.name}", body)
        assert what == "own" or identity.read_bytes() == kept
    assert "not by this gateway's operator".encode().hex() in answers["foreign"], answers
    assert bytes((0xa1, 0, 3)).hex() in answers["own"], answers  # the positive control: the same way, by the operator's authority


def test_a_certificate_that_a_gateway_says_it_has_outlives_a_power_cut(fleet, monkeypatch):
    """Otherwise the gateway would come back with its old certificate while the operator takes it for enrolled."""
    library, = native.programs("tests/support/liblasting.so")
    told = fleet.folder / "told"
    with monkeypatch.context() as patched:
        patched.setattr(Linked, "MORE", {"LD_PRELOAD": str(library), "KAPU_LASTING": str(told)})
        pump = fleet.enrolled("pump", linked=True)
    pump.end()
    assert (pump.folder / IDENTITY).exists()
    assert [line for line in told.read_text().splitlines() if line.startswith("identity")] == ["identity.pem: lasting"]


def der(path) -> bytes:
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(serialization.Encoding.DER)
