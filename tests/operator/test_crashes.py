# SPDX-License-Identifier: Apache-2.0
"""Brokers and kapu killed in the middle: no verdict is lost that was told, and none is wrong."""

import json
import signal
import sqlite3
import time

import pytest

from simulated import PATIENCE


def restart(fleet, broker="main"):
    fleet.operator.kill(broker)
    end = time.monotonic() + 10
    while fleet.operator.pid(broker) and time.monotonic() < end:
        time.sleep(0.02)
    fleet.operator.start(broker)


@pytest.mark.dealt
@pytest.mark.parametrize("delay", [0, 0.3, 0.8, 1.2])
def test_a_broker_killed_in_mid_appraisal_costs_time_only(fleet, delay):
    gateway = fleet.enrolled("pump")
    gateway.behave("slow")
    asking = fleet.start_kapu("attest", "pump", "--json", "--timeout", "30")
    time.sleep(delay)
    restart(fleet)
    said = json.loads(asking.communicate(timeout=PATIENCE)[0])
    assert (asking.returncode, said["verdict"]) == (0, "trusted")


def test_a_broker_killed_in_mid_enrolment_costs_time_only(fleet):
    gateway = fleet.gateway("pump")
    fleet.know_release(gateway)
    gateway.behave("slow")
    asking = fleet.start_kapu("enroll", gateway.name, "--json", "--timeout", "60")
    gateway.wait_for("asked enrol")
    restart(fleet, "enrolment")
    said = json.loads(asking.communicate(timeout=PATIENCE)[0])
    assert (asking.returncode, said["verdict"]) == (0, "enrolled")


def test_a_broker_that_stays_away_is_no_answer(fleet):
    fleet.enrolled("pump").behave("slow")
    asking = fleet.start_kapu("attest", "pump", "--json", "--timeout", "3")
    time.sleep(0.5)  # before its answer, which takes a second; or before the question
    fleet.operator.kill("main")
    said = json.loads(asking.communicate(timeout=PATIENCE)[0])
    assert (asking.returncode, said["verdict"]) == (3, "no answer")
    assert "broker" in said["why"]
    assert fleet.kapu("attest", "pump", timeout=30).returncode == 3


def test_watching_goes_on_when_the_broker_comes_back(fleet):
    fleet.enrolled("pump")
    watching = fleet.start_kapu("attest", "pump", "--watch", "1", "--json", "--timeout", "2")
    try:
        assert json.loads(watching.stdout.readline())["verdict"] == "trusted"
        fleet.operator.kill("main")
        verdicts = []
        while verdicts.count("no answer") < 1:
            verdicts.append(json.loads(watching.stdout.readline())["verdict"])
        fleet.operator.start("main")
        while verdicts[-1] != "trusted":
            verdicts.append(json.loads(watching.stdout.readline())["verdict"])
            assert len(verdicts) < 20
        assert set(verdicts) <= {"trusted", "no answer"}
    finally:
        watching.terminate()
        watching.communicate(timeout=PATIENCE)


def results(fleet):
    """Verdicts in the store, oldest first, and that it is whole."""
    with sqlite3.connect(fleet.operator.folder / "kapu.db") as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [json.loads(ear)["submods"] for (ear,) in
                store.execute("SELECT ear FROM result ORDER BY id")]


def test_kapu_killed_at_any_time_leaves_no_wrong_verdict(fleet):
    gateway = fleet.enrolled("pump")
    gateway.behave("finding")  # from here on trust is the wrong answer
    assert fleet.kapu("attest", "pump").returncode == 1
    told = 0
    for i in range(40):
        asking = fleet.start_kapu("attest", "pump", "--json")
        time.sleep(0.004 * i)
        asking.send_signal(signal.SIGKILL)
        out = asking.communicate(timeout=PATIENCE)[0]
        if out.endswith("\n"):
            told += 1
            assert json.loads(out)["verdict"] == "not trusted"
        assert fleet.state("pump")["trust"] == "not trusted"
    kept = results(fleet)
    after = [one[gateway.name]["ear_status"] for one in kept[1:]]  # the first is of the enrolment
    assert set(after) == {"contraindicated"} and len(after) >= 1 + told
    gateway.behave("good")
    assert fleet.kapu("attest", "pump").returncode == 0
    assert fleet.state("pump")["trust"] == "trusted"


def test_kapu_killed_in_mid_enrolment_can_be_run_again(fleet):
    gateway = fleet.gateway("pump")
    fleet.know_release(gateway)
    for i in range(12):
        asking = fleet.start_kapu("enroll", gateway.name)
        time.sleep(0.01 * i)
        asking.send_signal(signal.SIGKILL)
        asking.communicate(timeout=PATIENCE)
    gateway.tell("forget")  # whatever it got
    gateway.wait_for("waiting")
    assert fleet.kapu("enroll", gateway.name).returncode == 0
    gateway.wait_for("connected")
    assert fleet.kapu("attest", gateway.name).returncode == 0


def test_two_operators_programs_at_once_do_not_disturb_one_another(fleet):
    fleet.enrolled("pump")
    fleet.enrolled("valve")
    asking = [fleet.start_kapu("attest", label) for label in ("pump", "valve") * 4]
    said = [one.communicate(timeout=PATIENCE)[0] for one in asking]
    assert [one.returncode for one in asking].count(0) == len(asking), said
