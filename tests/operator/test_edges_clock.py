# SPDX-License-Identifier: Apache-2.0
"""Kind: a wrong clock does permanent damage. Each command is run while kapu's clock is wrong, ahead and behind, and again
when it is right: what it wrote in between stops nothing and counts for nothing.

The commands come from their usage: one that is in neither table fails here.
"""

import time

import pytest

import edges
from releases import Updates, know
from simulated import Fleet
from shares import share

KIND = "wrong clock"
DAY = 86400
AHEAD = 60 * DAY
# By command: why there is no time in what it writes, or where its time is tested.
NO_TIME = {
    "audit": "shows what others wrote", "board list": "the same", "update status": "the same",
    "reference add": "reference values have no time", "reference remove": "the same", "reference show": "the same",
    "evidence show": "shows what is in a file, and asks no clock", "inspect": "a clock that nobody sets",
    "factory ek": "shows a key", "factory key": "the same", "factory show": "shows what is in a TPM",
    "factory provision": "its record has a time: board add", "factory upgrade": "the same", "factory record": "the same",
    "release keys": "a set of keys has no time", "release patch": "no time", "release rebuild": "no time",
    "release show": "shows what is in a file", "release sign": "no time in a signature", "release verify": "as release sign",
    "release make": "says when it was made and expires, which release keys sign: tests/unit/test_update.c",
    "release rollout": "the person gives --days: tests/unit/test_release_order.py",
    "release membership": "the same", "release approve": "its time is for people: tests/unit/test_update.c",
}


@pytest.fixture(scope="module")
def updates(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("clock"))
    try:
        yield Updates(fleet, ("pump", "tank"))
    finally:
        fleet.end()


@pytest.fixture
def fleet(updates):
    """Whose clock is right, and was so for all that its gateways were judged by."""
    for label in ("pump", "tank"):
        done = updates.fleet.kapu("attest", label)
        assert done.returncode == 0, done.stdout + done.stderr
        assert updates.fleet.state(label)["trust"] == "trusted"
    return updates.fleet


def ask(fleet, cases, ahead: int = 0) -> None:
    """Both gateways are asked once, and trusted then."""
    for label in ("pump", "tank"):
        done = fleet.kapu("attest", label, ahead=ahead)
        cases.check(done.returncode == 0, f"attest {label}: {done.stdout}{done.stderr}")


def trusted(fleet, cases, what: str) -> None:
    ask(fleet, cases)
    for label in ("pump", "tank"):
        cases.check(fleet.state(label)["trust"] == "trusted", f"{what}: {fleet.state(label)}")


def attest(updates, cases):
    fleet = updates.fleet
    done = fleet.kapu("attest", "pump", ahead=AHEAD)
    cases.check(done.returncode == 0, f"ahead: {done}")
    row = fleet.state("pump")  # the first command since then
    cases.check(row["trust"] == "not trusted" and "60 days ahead of now" in row["why"], f"{row}")
    row = fleet.state("pump")
    cases.check(row["trust"] == "not trusted" and "60 days ahead of now" in row["why"], f"{row}")
    for ahead in (AHEAD + 30, -DAY):  # when its time comes; a clock that is behind then
        row = next(row for row in fleet.kapu_json("fleet", ahead=ahead)[1] if row["label"] == "pump")
        cases.check(row["trust"] == "not trusted", f"{ahead}: {row}")
    trusted(fleet, cases, "attest")
    rows = [row for row in fleet.kapu_json("audit")[1] if row["what"] == "clock set back"]
    cases.check(len(rows) >= 2 and rows[0]["subject"] == "clock" and rows[0]["why"].startswith("from 20"), f"{rows}")


def attest_says_so(updates, cases):
    fleet = updates.fleet
    cases.check(fleet.kapu("attest", "pump", ahead=AHEAD).returncode == 0, "ahead")
    done = fleet.kapu("attest", "pump")
    cases.check(done.returncode == 0 and "clock of this machine was set back by 60 days" in done.stderr and
                "kapu attest" in done.stderr, f"{done}")
    done = fleet.kapu("attest", "pump")
    cases.check(done.returncode == 0 and done.stderr == "", f"{done}")
    done = fleet.kapu("attest", "pump", ahead=-30 * DAY)  # before its certificates begin: nothing is asked
    cases.check(done.returncode == 3 and "is not valid before" in done.stderr, f"{done}")


def fleet_shows(updates, cases):
    for ahead in (-AHEAD, AHEAD, -20000 * DAY, 20000 * DAY):
        done = updates.fleet.kapu("fleet", ahead=ahead)
        cases.check(done.returncode == 1 and "not trusted" in done.stdout, f"{ahead}: {done}")


def enroll(updates, cases):
    """A gateway that is enrolled under a wrong clock, and one that is renewed."""
    fleet = updates.fleet
    gateway = fleet.gateway("valve")
    done = fleet.kapu("enroll", gateway.name, "--name", "valve", ahead=AHEAD)
    cases.check(done.returncode == 0, f"{done}")
    gateway.wait_for("connected")  # its certificate is good now, and not in 60 days
    done = fleet.kapu("attest", "valve")
    cases.check(done.returncode == 0, f"{done}")
    done = fleet.kapu("enroll", "--renew", "valve", "--timeout", "30", ahead=AHEAD)
    cases.check(done.returncode == 0, f"{done}")
    done = fleet.kapu("enroll", "--renew", "valve", "--timeout", "30")
    cases.check(done.returncode == 0, f"{done}")
    done = fleet.kapu("attest", "valve")
    cases.check(done.returncode == 0, f"{done}")


def forget(updates, cases):
    """The gateway of the last one, forgotten under a wrong clock and enrolled under the right one, and the other way."""
    fleet = updates.fleet
    name = fleet.gateways[-1].name
    for wrong, right in ((AHEAD, 0), (0, AHEAD)):
        cases.check(fleet.kapu("forget", "valve", ahead=wrong).returncode == 0, "forget")
        done = fleet.kapu("enroll", name, "--name", "valve", "--timeout", "30", ahead=right)
        cases.check(done.returncode == 0, f"{done}")
        done = fleet.kapu("attest", "valve")
        cases.check(done.returncode == 0, f"{done}")
    cases.check(fleet.kapu("forget", "valve").returncode == 0, "forget")


def board(updates, cases):
    """A record that a factory signed under a wrong clock: refused by a clock that is right; taken by one that is as wrong,
    it does not shut out the next one for good."""
    fleet, gateway = updates.fleet, updates.gateways["tank"]
    now = time.time_ns() // 1000000
    wrong = fleet.record_file(gateway, issued_ms=now + AHEAD * 1000)
    done = fleet.kapu("board", "add", wrong)
    cases.check(done.returncode == 1 and "to come" in done.stderr, f"{done}")
    cases.check(fleet.kapu("board", "add", wrong, ahead=AHEAD).returncode == 0, "by a clock that is as wrong")
    right = fleet.record_file(gateway)
    done = fleet.kapu("board", "add", right)
    cases.check(done.returncode == 1 and "a clock was wrong. kapu board remove" in done.stderr, f"{done}")
    cases.check(fleet.kapu("board", "remove", gateway.facts["board"], ahead=-AHEAD).returncode == 0, "remove")
    done = fleet.kapu("board", "add", right)
    cases.check(done.returncode == 0, f"{done}")


def rollout(updates, cases):
    """Gateways keep the time that a rollout tells. The next one lasts long enough for them, with the days that are the
    default or any other number."""
    fleet = updates.fleet
    release = updates.published()
    ask(fleet, cases, AHEAD)
    done = fleet.kapu("update", "rollout", release.version, "--all", "--days", "5", ahead=AHEAD)
    cases.check(done.returncode == 0 and updates.state(release) == {"pump": "confirmed", "tank": "confirmed"}, f"{done}")
    release = updates.published()
    ask(fleet, cases)
    done = fleet.kapu("update", "rollout", release.version, "--all", "--days", "5")
    cases.check(done.returncode == 0 and updates.state(release) == {"pump": "confirmed", "tank": "confirmed"}, f"{done}")
    cases.check("60 days ahead of now" in done.stderr, f"{done}")
    done = fleet.kapu("update", "join", "coast", "--all", "--days", "5")
    cases.check(done.returncode == 0, f"{done}")
    done = fleet.kapu("update", "join", "lab", "--all", "--days", "5", ahead=-1)
    cases.check(done.returncode == 0, f"{done}")


def halt(updates, cases):
    """Ahead while it begins, right when it is halted and begins anew; and published under a wrong clock."""
    fleet = updates.fleet
    for gateway in updates.gateways.values():
        gateway.behave("update takes 60000")
    release = updates.make()
    know(fleet, release)
    done = fleet.kapu("update", "publish", release.folder, "--to", updates.web, ahead=AHEAD)
    cases.check(done.returncode == 0, f"{done}")
    ask(fleet, cases, AHEAD)
    done = fleet.kapu("update", "rollout", release.version, "--all", "--timeout", "1", ahead=AHEAD)
    cases.check(done.returncode == 1, f"{done}")
    cases.check("silent" in updates.state(release).values(), f"{updates.state(release)}")
    done = fleet.kapu("update", "halt", release.version)
    cases.check(done.returncode == 0, f"{done}")
    for gateway in updates.gateways.values():
        gateway.behave("update takes 200")
    ask(fleet, cases)
    done = fleet.kapu("update", "resume", release.version)
    cases.check(done.returncode == 0 and set(updates.state(release).values()) == {"confirmed"}, f"{done}")


TESTED = {  # what is run, and the commands that it runs
    attest: ("attest",), attest_says_so: (), fleet_shows: ("fleet",), enroll: ("enroll",), forget: ("forget",),
    board: ("board add", "board remove"), rollout: ("update rollout", "update join"),
    halt: ("update publish", "update halt", "update resume"),
}


def test_each_command_is_in_one_of_the_tables(updates):
    known = [command for commands in TESTED.values() for command in commands]
    assert sorted(known + list(NO_TIME)) == sorted(edges.usages(updates.fleet.kapu_program))


@pytest.mark.parametrize("run", share(list(TESTED)), ids=lambda run: run.__name__)
def test_what_a_wrong_clock_wrote_does_no_harm_when_it_is_right(updates, fleet, run):
    with edges.Cases(f"{KIND}: {run.__name__}") as cases:
        run(updates, cases)
        trusted(fleet, cases, run.__name__)
