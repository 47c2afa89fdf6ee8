# SPDX-License-Identifier: Apache-2.0
"""The brokers: who may connect, who may say and hear what. Clients here are other people's."""

import os
import socket
import subprocess
import time

import pytest

from kapu import broker as brokers
from simulated import PATIENCE, client, client_command

PUB, SUB = "mosquitto_pub", "mosquitto_sub"


def of_gateway(gateway):
    return {"certificate": gateway.folder / "tls.pem", "key": gateway.folder / "tls.key"}


def of_kapu(operator):
    return {"certificate": operator.folder / "kapu.pem", "key": operator.folder / "kapu.key"}


def publish(fleet, side, topic, *words, broker="main", **identity):
    return client(PUB, fleet.operator.port(broker, side), fleet.operator, "-q", "1", "-t", topic,
                  "-m", "x", *words, **identity)


def refused(done) -> bool:
    said = done.stdout + done.stderr
    return done.returncode != 0 or "Not authorized" in said or "not authorised" in said.lower()


def listen(fleet, side, filters, *words, during, broker="main", seconds=2, **identity) -> str:
    """What a client hears of these topics while `during` runs: lines "TOPIC BYTES". The broker has answered
    its subscription, or refused it, before `during` begins."""
    command = client_command(SUB, fleet.operator.port(broker, side), fleet.operator, "-d", "-F",
                             "heard %t %l", "-W", PATIENCE, "-q", "1", *words,
                             *(word for one in filters for word in ("-t", one)), **identity)
    with subprocess.Popen(["stdbuf", "-oL", *command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as process:
        lines = []
        while (line := process.stdout.readline()) and "SUBACK" not in line:
            lines.append(line)
        until = time.monotonic() + seconds
        during()
        time.sleep(max(0.0, until - time.monotonic()))  # nothing ends silence: it has to be long enough
        process.terminate()
        lines += process.stdout.readlines()
    return "".join(line.removeprefix("heard ") for line in lines if line.startswith("heard "))


@pytest.fixture
def two(fleet):
    return fleet.enrolled("pump"), fleet.enrolled("valve")


@pytest.mark.share(3)
def test_a_gateway_hears_nothing_of_another(fleet, two):
    pump, valve = two
    filters = ["#", "kapu/#", f"kapu/1/{pump.name}/#", f"kapu/1/{pump.name}/request",
               f"kapu/1/{pump.name}/reply", "+/+/+/+", "$SYS/#"]
    valve.end()  # its name is to be used by a client of ours
    ask = lambda: fleet.kapu("attest", "pump").returncode == 0 or pytest.fail("no answer")
    assert listen(fleet, "gateways", filters, during=ask, **of_gateway(valve)) == ""
    # the same question is heard by one who may: so there was something to hear
    assert f"kapu/1/{pump.name}/reply" in listen(
        fleet, "operators", ["kapu/1/+/reply"], during=ask, **of_kapu(fleet.operator))


@pytest.mark.dealt
@pytest.mark.parametrize("topic", ["kapu/1/{pump}/reply", "kapu/1/{pump}/request",
                                   "kapu/1/{valve}/request", "kapu/1/enrol/{pump}/reply",
                                   "kapu/1/{valve}/other", "anything", "$SYS/x"])
def test_a_gateway_says_nothing_for_another(fleet, two, topic):
    pump, valve = two
    valve.end()
    identity = of_gateway(valve)
    name = topic.format(pump=pump.name, valve=valve.name)
    hear = lambda: refused(publish(fleet, "gateways", name, **identity)) or pytest.fail("taken")
    assert listen(fleet, "operators", ["#"], during=hear, **of_kapu(fleet.operator)) == ""


def test_a_gateway_may_speak_for_itself(fleet, two):
    valve = two[1]
    valve.end()
    assert not refused(publish(fleet, "gateways", f"kapu/1/{valve.name}/reply",
                               **of_gateway(valve)))


def test_another_name_as_client_does_not_push_a_gateway_out(fleet, two):
    pump, valve = two
    valve.end()
    for side, broker, identity in (("gateways", "main", of_gateway(valve)),
                                   ("gateways", "enrolment", {})):
        for _ in range(3):
            publish(fleet, side, f"kapu/1/{valve.name}/reply", "-i", pump.name, broker=broker,
                    **identity)
    assert fleet.kapu("attest", "pump").returncode == 0
    heard = []
    while not pump.heard.empty():
        heard.append(pump.heard.get())
    assert "disconnected" not in heard


def test_a_user_name_does_not_replace_the_certificates(fleet, two):
    pump, valve = two
    valve.end()
    for user in (pump.name, "kapu"):
        assert refused(publish(fleet, "gateways", f"kapu/1/{pump.name}/reply", "-u", user, "-P",
                               "x", **of_gateway(valve)))


@pytest.mark.parametrize("broker, side", [("main", "gateways"), ("main", "operators"),
                                          ("enrolment", "operators")])
def test_nobody_connects_without_a_certificate(fleet, broker, side):
    assert publish(fleet, side, "kapu/1/x/reply", broker=broker).returncode != 0


@pytest.mark.parametrize("broker, side", [("main", "gateways"), ("main", "operators"),
                                          ("enrolment", "operators")])
def test_certificates_of_other_authorities_are_refused(fleet, tmp_path, broker, side):
    brokers.issue(tmp_path, "ca", "kapu operator")  # the name is right
    for name in ("kapu", "0" * 32):
        path = f"{name}-{broker}-{side}"
        brokers.issue(tmp_path, path, name, "ca", usage=brokers.ExtendedKeyUsageOID.CLIENT_AUTH)
        assert publish(fleet, side, "kapu/1/x/request", broker=broker,
                       certificate=tmp_path / f"{path}.pem",
                       key=tmp_path / f"{path}.key").returncode != 0


@pytest.mark.parametrize("broker", brokers.BROKERS)
def test_a_gateway_is_no_operator(fleet, broker):
    pump = fleet.enrolled("pump")
    assert publish(fleet, "operators", "kapu/1/x/request", broker=broker,
                   **of_gateway(pump)).returncode != 0


def test_kapu_is_no_gateway(fleet):
    assert publish(fleet, "gateways", "kapu/1/x/reply", **of_kapu(fleet.operator)).returncode != 0


def test_kapu_itself_asks_and_does_not_answer(fleet):
    identity = of_kapu(fleet.operator)
    assert not refused(publish(fleet, "operators", f"kapu/1/{'0' * 32}/request", **identity))
    for topic in (f"kapu/1/{'0' * 32}/reply", f"kapu/1/enrol/{'0' * 32}/request", "anything"):
        assert refused(publish(fleet, "operators", topic, **identity))


@pytest.mark.dealt
@pytest.mark.parametrize("broker, side", [("main", "gateways"), ("main", "operators"),
                                          ("enrolment", "gateways"), ("enrolment", "operators")])
def test_plain_text_and_old_tls_are_refused(fleet, broker, side):
    port = str(fleet.operator.port(broker, side))
    plain = subprocess.run([PUB, "-h", "localhost", "-p", port, "-t", "x", "-m", "x"], check=False,
                           capture_output=True, timeout=20)
    assert plain.returncode != 0
    identity = of_kapu(fleet.operator)
    old = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{port}", "-tls1_2",
                          "-cert", identity["certificate"], "-key", identity["key"]], check=False,
                         capture_output=True, timeout=20, stdin=subprocess.DEVNULL)
    assert old.returncode != 0 and b"alert protocol version" in old.stderr


def test_who_waits_to_be_enrolled_has_its_own_topics_only(fleet):
    gateway, mine = fleet.gateway("pump"), "1" * 32
    enrolment = {"broker": "enrolment"}
    operators = ["kapu/1/enrol/+/reply", "#"]
    for topic in (f"kapu/1/enrol/{gateway.name}/reply", f"kapu/1/enrol/{mine}/request",
                  f"kapu/1/{mine}/reply", "anything"):
        hear = lambda: refused(publish(fleet, "gateways", topic, "-i", mine, **enrolment)) or \
            pytest.fail(topic)
        heard = listen(fleet, "operators", operators, during=hear, seconds=1, **enrolment,
                       **of_kapu(fleet.operator))
        assert "1" not in [line.split()[-1] for line in heard.splitlines()]
    assert not refused(publish(fleet, "gateways", f"kapu/1/enrol/{mine}/reply", "-i", mine,
                               **enrolment))
    ask = lambda: fleet.kapu("enroll", gateway.name, "--timeout", "5")
    assert listen(fleet, "gateways", ["#", f"kapu/1/enrol/{gateway.name}/request"], during=ask,
                  **enrolment) == ""


def test_patterns_in_a_client_identifier_open_nothing(fleet):
    gateway = fleet.gateway("pump")
    ask = lambda: fleet.kapu("enroll", gateway.name, "--timeout", "5")  # refused: nobody knows its release
    for identifier in ("+", "#", "+/#"):
        assert listen(fleet, "gateways", ["kapu/1/enrol/+/request"], "-i", identifier, during=ask,
                      broker="enrolment") == ""


def test_nothing_is_retained(fleet):
    pump = fleet.enrolled("pump")
    pump.end()
    publish(fleet, "gateways", f"kapu/1/{pump.name}/reply", "-r", **of_gateway(pump))
    assert listen(fleet, "operators", ["kapu/1/+/reply"], during=lambda: None, seconds=1,
                  **of_kapu(fleet.operator)) == ""


@pytest.mark.share(1)
def test_a_gateways_certificate_does_not_make_a_broker(fleet, tmp_path):
    """With it, and the name of another, a gateway in the middle would hear questions."""
    pump = fleet.enrolled("pump")
    port = brokers.free_ports(1)[0]
    server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_3",
                               "-cert", pump.folder / "tls.pem", "-key", pump.folder / "tls.key",
                               "-quiet"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        listening = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < listening
                time.sleep(0.01)
        check = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile",
                                fleet.operator.folder / "ca.pem", "-verify_return_error",
                                "-purpose", "sslserver"], check=False, capture_output=True,
                               timeout=20, stdin=subprocess.DEVNULL, text=True)
        assert check.returncode != 0
        assert "unsuitable certificate purpose" in check.stderr + check.stdout
    finally:
        server.kill()
        server.wait()


def test_the_brokers_listen_on_loopback_only_and_nowhere_else(fleet):
    ports = set()
    for broker in brokers.BROKERS:
        pid = fleet.operator.pid(broker)
        inodes = set()
        for fd in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
        for table in ("tcp", "tcp6"):
            for line in open(f"/proc/{pid}/net/{table}", encoding="ascii").readlines()[1:]:
                word = line.split()
                if word[3] == "0A" and word[9] in inodes:  # LISTEN
                    address, port = word[1].split(":")
                    assert address == "0100007F", f"{broker} listens on {address}"
                    ports.add(int(port, 16))
    assert ports == {fleet.operator.port(broker, side) for broker in brokers.BROKERS
                     for side in brokers.SIDES}


def test_private_keys_are_the_operators_alone(fleet):
    assert fleet.operator.folder.stat().st_mode & 0o077 == 0
    for name in ("ca.key", "staff-ca.key", "broker.key", "kapu.key", "nonce.key"):
        assert (fleet.operator.folder / name).stat().st_mode & 0o077 == 0
    watching = fleet.start_kapu("attest", fleet.enrolled("pump").name, "--watch", "1")
    try:
        assert watching.stdout.readline()
        said = open(f"/proc/{watching.pid}/cmdline", "rb").read()
        assert b"PRIVATE" not in said and b".key" not in said
    finally:
        watching.terminate()
        assert watching.wait(10) == 0
