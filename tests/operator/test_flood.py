# SPDX-License-Identifier: Apache-2.0
"""A gateway may flood what it may say; another gateway's answers reach the operator all the same.

Queues and limits are those of operator/broker/. A listener to all gateways, which kapu was once,
shows in the same flood that it would have lost them.
"""

import json
import subprocess
import time

import pytest

from simulated import PATIENCE, Fleet, client
from shares import share

ROUNDS = 12
FLOODS = ("flood", "flood-lossy", "flood-large", "flood-large-lossy", "flood-retained",
          "flood-connections", "deaf")


def of_kapu(fleet: Fleet) -> dict:
    return {"certificate": fleet.operator.folder / "kapu.pem",
            "key": fleet.operator.folder / "kapu.key"}


def begin(gateway, how: str) -> None:
    gateway.behave(how)
    if how not in ("deaf", "flood-retained"):  # the broker hangs up on what is retained
        gateway.wait_for("flooding")


def attest_all(fleet: Fleet, label: str, rounds: int = ROUNDS) -> None:
    for i in range(rounds):
        done = fleet.kapu("attest", label, "--timeout", "30")
        assert done.returncode == 0, f"answer {i} was lost: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("how", share(list(FLOODS)))
def test_a_gateway_that_floods_makes_no_answer_of_another_be_lost(fleet, how):
    pump, valve = fleet.enrolled("pump"), fleet.enrolled("valve")
    begin(valve, how)
    attest_all(fleet, "pump")
    assert pump.process.poll() is None and valve.process.poll() is None


def test_the_flooding_gateway_itself_is_asked_at_the_same_time(fleet):
    """Its flood then reaches a kapu, but one of its own."""
    fleet.enrolled("pump")
    valve = fleet.enrolled("valve")
    begin(valve, "flood-large")
    asking = [fleet.start_kapu("attest", "valve", "--timeout", "20") for _ in range(3)]
    attest_all(fleet, "pump", 6)
    for one in asking:
        one.communicate(timeout=PATIENCE)
        assert one.returncode in (0, 1, 3)


def test_a_watch_hears_every_answer_during_a_flood(fleet):
    fleet.enrolled("pump")
    begin(fleet.enrolled("valve"), "flood")
    watch = fleet.start_kapu("attest", "pump", "--watch", "1", "--json", "--timeout", "30")
    lines = [watch.stdout.readline() for _ in range(5)]
    watch.terminate()
    watch.communicate(timeout=PATIENCE)
    assert [json.loads(line)["verdict"] for line in lines] == ["trusted"] * 5


def test_one_that_hears_all_gateways_loses_answers_in_the_same_flood(fleet):
    """The control: were kapu subscribed to all replies, the broker would drop the victim's."""
    pump, valve = fleet.enrolled("pump"), fleet.enrolled("valve")
    begin(valve, "flood-large")
    words = ["mosquitto_sub", "-h", "localhost", "-p", fleet.operator.port("main", "operators"), "-V",
             "5", "-q", "1", "-i", "hears-all", "--cafile", fleet.operator.folder / "ca.pem", "--cert",
             fleet.operator.folder / "kapu.pem", "--key", fleet.operator.folder / "kapu.key", "-t",
             "kapu/1/+/reply", "-F", "%t"]
    everything = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    attest_all(fleet, "pump")
    everything.terminate()
    heard = everything.communicate(timeout=PATIENCE)[0]
    assert heard.count(valve.name) > 100
    assert heard.count(pump.name) < ROUNDS


def test_a_slow_reader_delays_nobody_else(fleet):
    """An operator's program that reads nothing while a flood comes in: the broker keeps little for it."""
    fleet.enrolled("pump")
    valve = fleet.enrolled("valve")
    begin(valve, "flood-large-lossy")
    asleep = subprocess.Popen(["mosquitto_sub", "-h", "localhost", "-p",
                               str(fleet.operator.port("main", "operators")), "-V", "5", "-i",
                               "asleep", "--cafile", str(fleet.operator.folder / "ca.pem"), "--cert",
                               str(fleet.operator.folder / "kapu.pem"), "--key",
                               str(fleet.operator.folder / "kapu.key"), "-t", "kapu/1/+/reply"],
                              stdout=subprocess.DEVNULL)
    try:
        time.sleep(1)
        subprocess.run(["kill", "-STOP", str(asleep.pid)], check=True)
        attest_all(fleet, "pump")
        pid = fleet.operator.pid("main")
        resident = int(open(f"/proc/{pid}/statm", encoding="ascii").read().split()[1]) * 4096
        assert resident < 64 << 20, f"the broker has grown to {resident} bytes"
    finally:
        asleep.kill()
        asleep.wait()


@pytest.mark.dealt
@pytest.mark.parametrize("how", ["flood", "flood-large-lossy"])
def test_a_stranger_that_floods_the_enrolment_broker_keeps_nobody_from_being_enrolled(fleet, how):
    stranger = fleet.gateway("stranger")
    begin(stranger, how)
    for label in ("pump", "valve"):
        fleet.enrolled(label)
    attest_all(fleet, "pump", 1)


def test_a_will_and_what_is_retained_stay_on_the_gateways_own_topic(fleet):
    pump, valve = fleet.enrolled("pump"), fleet.enrolled("valve")
    valve.end()
    identity = {"certificate": valve.folder / "tls.pem", "key": valve.folder / "tls.key"}
    topic = f"kapu/1/{pump.name}/reply"
    for words in (("--will-topic", topic, "--will-payload", "x", "--will-qos", "1"), ("-r",)):
        done = client("mosquitto_pub", fleet.operator.port("main", "gateways"), fleet.operator, "-q",
                      "1", "-t", topic, "-m", "x", *words, **identity)
        assert done.returncode != 0 or "uthori" in done.stdout + done.stderr
    heard = client("mosquitto_sub", fleet.operator.port("main", "operators"), fleet.operator, "-t",
                   "kapu/1/+/reply", "-W", "2", **of_kapu(fleet))
    assert heard.stdout == ""
    attest_all(fleet, "pump", 1)
