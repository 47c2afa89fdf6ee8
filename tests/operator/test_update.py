# SPDX-License-Identifier: Apache-2.0
"""kapu update as an operator meets it: gateways in software whose secure world is the real code decide, evidence
is of real TPMs, and a broker is between.
"""

import json
import os
import random
import re
import secrets
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from kapu.paths import ROOT
from kapu.update_keys import development_key
from releases import RELEASE_KEYS, Release, Updates, know
from simulated import PATIENCE, Fleet

LABELS = ("pump", "tank", "valve")
TRIES_GONE, BOOT_REFUSED = 3, 4  # enum update_outcome
ATTACKS = ("rollback", "freeze", "mix-and-match", "wrong hardware", "arbitrary software", "fast-forward", "partial bundle",
           "replayed rollout", "TOCTOU", "revoked key", "replayed approval", "endless data", "slow retrieval")
OF_SERVERS = ("endless data", "slow retrieval", "arbitrary software")  # which the writer sees
BENIGN = ("done", "runs already", "not approved")  # what an install is answered with that is no refusal


def answers() -> dict[str, int]:
    """Name and number of every answer of the secure world."""
    header = (ROOT / "lib/update/include/kapu/update.h").read_text()
    body = re.search(r"enum update_answer \{(.*?)UPDATE_ANSWERS", header, re.DOTALL).group(1)
    constants = re.findall(r"^\s*(UPDATE_\w+),", body, re.MULTILINE)
    names = dict(re.findall(r"\[(UPDATE_\w+)\] = *\{\s*\"([^\"]+)\"", (ROOT / "lib/update/record.c").read_text()))
    return {names[constant]: number for number, constant in enumerate(constants)}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """For tests in which no gateway is asked anything."""
    fleet = Fleet(tmp_path_factory.mktemp("updates"))
    try:
        yield Updates(fleet, LABELS)
    finally:
        fleet.end()


@pytest.fixture
def updates(published):
    """Its gateways are trusted, and have nothing left to say."""
    for gateway in published.gateways.values():
        for words in ("good", "update lie nothing", "update takes 200"):
            gateway.behave(words)
    _, rows = published.fleet.kapu_json("fleet")
    for row in rows:
        if row["trust"] == "not trusted":
            assert published.fleet.kapu("attest", row["label"]).returncode == 0
    for gateway in published.gateways.values():
        heard(gateway)
    return published


def so_far(gateway) -> list[str]:
    """What has come from the gateway since the last time."""
    lines = []
    while not gateway.heard.empty():
        lines.append(gateway.heard.get())
    return lines


def heard(gateway) -> list[str]:
    """What the gateway has told since the last time: all that it had to tell when it was asked."""
    lines, end = [], secrets.token_hex(4)
    gateway.tell(f"say {end}")
    while (line := gateway.heard.get(timeout=PATIENCE)) != end:
        lines.append(line)
    return lines


def begun(lines: list[str], word: str) -> list[str]:
    return [line for line in lines if line.startswith(word + " ")]


def store(updates):
    return sqlite3.connect(updates.fleet.operator.folder / "kapu.db")


# ---- the whole way ----

def test_a_release_comes_to_all_gateways_in_waves(updates):
    release = updates.published()
    done = updates.rollout(release, "--all", "--waves", "30,60,100")
    assert done.returncode == 0, done.stdout + done.stderr
    status = updates.status(release, "--history")
    rows = status["gateways"]
    assert status["state"] == "done" and [row["state"] for row in rows] == ["confirmed"] * 3
    assert sorted(row["gateway"] for row in rows) == [row["gateway"] for row in rows]  # waves follow the names
    assert [row["wave"] for row in rows] == [1, 2, 3] and len({row["number"] for row in rows}) == 3
    what = [(event["label"], event["what"]) for event in status["history"]]
    order = [what.index((row["label"], "confirmed")) for row in rows]
    asked = [what.index((row["label"], f"asked: rollout {row['number']}")) for row in rows]
    assert asked[0] < order[0] < asked[1] < order[1] < asked[2] < order[2]  # a wave after the other
    for gateway in updates.gateways.values():
        lines = heard(gateway)
        approvals = begun(lines, "approval")
        assert len(approvals) == 1 and approvals[0].endswith(" done")
        assert f"boots {release.version} on trial" in lines
    assert all(row["state"] == "confirmed" for row in updates.states(release).values())
    now = updates.status(release, "--ask")["gateways"][0]["now"]
    assert (now["stage"], now["last"]) == ("idle", "confirmed")


@pytest.mark.share(4)
def test_one_that_runs_the_release_already_is_confirmed_and_not_approved(updates):
    release = updates.published()
    assert updates.rollout(release, "--gateway", "pump").returncode == 0
    heard(updates.gateways["pump"])
    for _ in range(2):  # in the boot in which it was confirmed, and in the next
        done = updates.rollout(release, "--gateway", "pump")
        assert done.returncode == 0, done.stdout + done.stderr
        assert updates.state(release) == {"pump": "confirmed"}
        updates.gateways["pump"].tell("update power")
        updates.gateways["pump"].wait_for("ok")
    assert begun(heard(updates.gateways["pump"]), "approval") == []


@pytest.mark.share(6)
def test_progress_of_a_fetch_is_seen_by_others(updates):
    updates.gateways["pump"].behave("update takes 2500")
    release = updates.published()
    driver = updates.start("rollout", release.version, "--gateway", "pump", "--json")
    row = updates.wait(release, "pump", "fetching")
    end = time.monotonic() + 10
    while not 0 < row["blocks"] < row["of"]:
        assert time.monotonic() < end, row
        row = updates.states(release)["pump"]
    lines = [json.loads(line) for line in driver.communicate(timeout=PATIENCE)[0].splitlines()]
    assert driver.returncode == 0
    told = [line["what"] for line in lines if line["label"] == "pump"]
    assert told[0] == "asked" and told[-3:] == ["on trial", "approved", "confirmed"]


# ---- refusals ----

def test_each_refusal_is_told_by_the_name_of_its_attack(updates):
    rest = [(name, number) for name, number in answers().items() if name not in BENIGN]
    assert set(ATTACKS) <= {name for name, _ in rest}
    release = updates.published()
    while rest:
        told = dict(zip(LABELS, rest))
        rest = rest[len(LABELS):]
        for label, (_, number) in told.items():
            updates.gateways[label].behave(f"update answer {number}")
        words = [word for label in told for word in ("--gateway", label)]
        done = updates.rollout(release, *words, "--waves", "100", "--limit", "100%")
        assert done.returncode == 0, done.stdout + done.stderr
        states = updates.states(release)
        assert {label: states[label]["answer"] for label in told} == {label: name for label, (name, _) in told.items()}
        text = updates.kapu("status", release.version).stdout
        for name, _ in told.values():
            assert f"refused: {name}" in text
        assert all(row["why"] and row["state"] == "refused" for row in states.values())
        for label, (name, _) in told.items():
            if name in ATTACKS:
                is_named_in_evidence(updates, label, name)


def evidence_of(updates, label: str) -> tuple[str, dict]:
    """The verdict, and what the evidence says."""
    status, said = updates.fleet.kapu_json("attest", label)
    assert status == 0, said
    (module,) = said["ear"]["submods"].values()
    return said["verdict"], module["ear_verifier_claims"]


def is_named_in_evidence(updates, label: str, name: str) -> None:
    """Of what the secure world refused there is a warning; what the writer saw is the word of Linux."""
    verdict, claims = evidence_of(updates, label)
    by = "kapu_told_by_linux" if name in OF_SERVERS else "kapu_refused_updates"
    assert claims[by]["last"] == name and name in claims[by]["kinds"]
    if name not in OF_SERVERS:
        assert verdict == "trusted with warnings"
        assert any("refused that look like an attack" in reason["text"] and name in reason["text"]
                   for reason in claims["kapu_reasons"])


def test_what_the_secure_world_refuses_is_in_evidence_and_what_it_takes_is_not(updates):
    """Here lib/update itself decides: the slot does not hold what the manifest names."""
    pump = updates.gateways["pump"]
    pump.tell("update power")
    pump.wait_for("ok")
    verdict, claims = evidence_of(updates, "pump")
    assert (verdict, claims["kapu_refused_updates"]) == ("trusted", {"last": "none", "count": 0, "kinds": []})
    pump.behave("update spoil yes")
    release = updates.published()
    assert updates.rollout(release, "--gateway", "pump").returncode == 1
    assert updates.states(release)["pump"]["answer"] == "partial bundle"
    is_named_in_evidence(updates, "pump", "partial bundle")
    _, fleet = updates.fleet.kapu_json("fleet")
    (row,) = [row for row in fleet if row["label"] == "pump"]
    assert row["trust"] == "trusted with warnings" and "partial bundle" in row["why"], row
    pump.behave("update spoil no")
    assert updates.rollout(release, "--gateway", "pump").returncode == 0
    verdict, claims = evidence_of(updates, "pump")
    assert (verdict, claims["kapu_refused_updates"]["count"]) == ("trusted", 0)  # of this boot


# ---- groups ----

def test_a_rollout_to_a_group_reaches_those_who_joined_it(updates):
    release = updates.published()
    refused = updates.rollout(release, "--group", "coast")
    assert refused.returncode == 1 and "no gateway is of group 'coast'; kapu update join" in refused.stderr
    done = updates.kapu("join", "coast", "--gateway", "pump", "--gateway", "tank")
    assert done.returncode == 0, done.stderr
    assert [line.split(": ", 1)[1] for line in done.stdout.splitlines()] == ["joined the group"] * 2
    assert updates.kapu("join", "hills", "--gateway", "tank").returncode == 0  # and left the other
    done = updates.rollout(release, "--group", "coast")
    assert done.returncode == 0, done.stdout + done.stderr
    assert updates.state(release) == {"pump": "confirmed"}
    done = updates.kapu("join", "coast", "--all", "--json")
    assert done.returncode == 0 and len([json.loads(line) for line in done.stdout.splitlines()]) == 3
    now = {row["gateway"]: row["now"]["group"] for row in updates.status(release, "--ask")["gateways"]}
    assert set(now.values()) == {"coast"}


def test_a_gateway_that_does_not_join_is_named(updates):
    """Its secure world has taken a later membership than this operator's: of another operator, or one whose store is lost."""
    assert updates.kapu("join", "east", "--gateway", "valve", "--number", "1000").returncode == 0
    with store(updates) as db:
        db.execute("UPDATE update_number SET last = 900")
    done = updates.kapu("join", "west", "--gateway", "valve")
    assert done.returncode == 1
    assert "did not join the group: the rollout is of another gateway, or older than the last one" in done.stdout
    release = updates.published()
    assert "no gateway is of group 'west'" in updates.rollout(release, "--group", "west").stderr
    assert updates.kapu("join", "west", "--gateway", "valve", "--number", "1001").returncode == 0


@pytest.mark.parametrize("words, said", [
    (["join", "x" * 33, "--all"], "a group has a name of 1 to 32"), (["join", "", "--all"], "a group has a name"),
    (["join", "lab", "--gateway", "nobody"], "nobody"), (["join", "lab", "--gateway", "pump", "--gateway", "pump"], "given twice"),
    (["join", "lab", "--all", "--waves", "100"], "takes no --waves")])
def test_what_is_no_joining_is_refused(updates, words, said):
    done = updates.kapu(*words)
    assert done.returncode != 0 and said in done.stderr


# ---- halts ----

@pytest.mark.parametrize("limit, status", [
    ("0", "halted"), ("1", "done"), pytest.param("32%", "halted", marks=pytest.mark.share(1)),
    pytest.param("34%", "done", marks=pytest.mark.share(4))])
def test_a_wave_with_too_many_failures_is_halted_and_one_with_as_many_as_may_is_not(updates, limit, status):
    updates.gateways["tank"].behave("update answer 1")
    for label in ("pump", "valve"):
        updates.gateways[label].behave("update takes 1500")
    release = updates.published()
    done = updates.rollout(release, "--all", "--waves", "100", "--limit", limit)
    assert done.returncode == (status == "halted"), done.stdout + done.stderr
    assert updates.status(release)["state"] == status
    states = updates.states(release)
    assert (states["tank"]["state"], states["tank"]["answer"]) == ("refused", "rollback")
    others = {states["pump"]["state"], states["valve"]["state"]}
    if status == "done":
        assert others == {"confirmed"}
    else:
        assert "confirmed" not in others
        assert {row["halt"] for row in states.values()} == {"halt taken"}
        assert "1 of wave 1 failed" in updates.status(release)["why"]


def test_a_later_wave_does_not_begin_after_a_halt(updates):
    release = updates.published()
    first = min(updates.gateways.values(), key=lambda gateway: gateway.name)
    first.behave("update answer 2")
    assert updates.rollout(release, "--all", "--waves", "30,100").returncode == 1
    states = updates.states(release)
    assert states[first.label]["answer"] == "freeze"
    for label, row in states.items():
        if label != first.label:
            assert row["state"] == "waiting" and not begun(heard(updates.gateways[label]), "rollout")


@pytest.mark.parametrize("outcome, name", [
    (TRIES_GONE, "tries gone"), pytest.param(BOOT_REFUSED, "refused", marks=pytest.mark.share(3))])
def test_a_trial_that_failed_counts_with_its_outcome(updates, outcome, name):
    updates.gateways["pump"].behave(f"update fail {outcome}")
    release = updates.published()
    assert updates.rollout(release, "--gateway", "pump").returncode == 1
    row = updates.states(release)["pump"]
    assert (row["state"], row["answer"]) == ("failed", name)
    assert begun(heard(updates.gateways["pump"]), "approval") == []


@pytest.mark.share(2)
def test_a_gateway_that_says_nothing_fails_in_time(updates):
    updates.gateways["pump"].behave("withhold")
    release = updates.published()
    began = time.monotonic()
    assert updates.rollout(release, "--gateway", "pump", "--timeout", "3", "--limit", "1").returncode == 0
    assert updates.states(release)["pump"]["state"] == "silent" and time.monotonic() - began < 20


# ---- approvals ----

@pytest.mark.share(5)
def test_no_approval_for_evidence_that_is_not_that_of_the_trial(updates):
    """One gateway says that it is another release, one that it is not on trial, one names another boot."""
    for label, lie in zip(LABELS, ("identity", "trial", "boot")):
        updates.gateways[label].behave(f"update lie {lie}")
    release = updates.published()
    done = updates.rollout(release, "--all", "--waves", "100", "--limit", "100%")
    assert done.returncode == 0, done.stdout + done.stderr
    states = updates.states(release)
    assert {row["state"] for row in states.values()} == {"not trusted"}
    assert "identity of another release" in states["pump"]["why"]
    assert "not on trial" in states["tank"]["why"] and "another boot" in states["valve"]["why"]
    for gateway in updates.gateways.values():
        assert begun(heard(gateway), "approval") == []
        gateway.behave("update lie nothing")
    again = updates.rollout(release, "--all", "--waves", "100")  # the same trials, without the lies
    assert again.returncode == 0, again.stdout + again.stderr
    for gateway in updates.gateways.values():
        assert len(begun(heard(gateway), "approval")) == 1


@pytest.mark.parametrize("how, why", [
    ("finding", "text"), pytest.param("other", "", marks=pytest.mark.share(5))])
def test_no_approval_for_a_verdict_that_is_bad_and_then_a_halt(updates, how, why):
    pump = updates.gateways["pump"]
    pump.behave("update takes 1500")
    release = updates.published()
    driver = updates.start("rollout", release.version, "--gateway", "pump")
    updates.wait(release, "pump", "fetching")
    pump.behave(how)
    out = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 1, out
    row = updates.states(release)["pump"]
    assert row["state"] == "not trusted" and why in row["why"] and row["halt"] == "halt taken"
    assert begun(heard(pump), "approval") == []
    pump.behave("good")
    assert updates.fleet.kapu("attest", "pump").returncode == 0
    resumed = updates.kapu("resume", release.version)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert updates.state(release) == {"pump": "confirmed"} and len(begun(heard(pump), "approval")) == 1


def test_no_approval_once_it_is_halted_though_the_evidence_is_good(updates):
    pump = updates.gateways["pump"]
    release = updates.published()
    driver = updates.start("rollout", release.version, "--gateway", "pump")
    pump.wait_for(f"boots {release.version} on trial")
    pump.behave("slow")  # its answers take a second
    with store(updates) as db:  # what `kapu update halt` does first
        db.execute("UPDATE update_campaign SET state = 1 WHERE id = (SELECT max(id) FROM update_campaign)")
    began = time.monotonic()
    driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 1 and time.monotonic() - began < 10
    time.sleep(1.5)
    assert begun(heard(pump), "approval") == []
    assert updates.kapu("halt", release.version).returncode == 0
    assert "halt done" in heard(pump)


def test_a_trial_that_starts_again_is_approved_for_the_boot_that_runs(updates):
    pump = updates.gateways["pump"]
    release = updates.published()
    driver = updates.start("rollout", release.version, "--gateway", "pump")
    pump.wait_for(f"boots {release.version} on trial")
    pump.tell("update power")
    driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0
    assert begun(heard(pump), "approval")[-1].endswith(" done")


# ---- interruptions ----

def campaigns(updates, release) -> int:
    with store(updates) as db:
        return db.execute("SELECT count(*) FROM update_campaign WHERE release = ?",
                          (bytes.fromhex(release.digest),)).fetchone()[0]


def test_a_driver_killed_at_any_time_leaves_nothing_that_counts_twice(updates):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    release = updates.published()
    lines = {label: [] for label in LABELS}
    driver = updates.start("rollout", release.version, "--all", "--waves", "50,100")
    for _ in range(10):
        time.sleep(chance.uniform(0.05, 1.2))
        driver.send_signal(signal.SIGKILL)
        driver.communicate(timeout=PATIENCE)
        if campaigns(updates, release):
            driver = updates.start("resume", release.version)
        else:  # it came no further than its start
            driver = updates.start("rollout", release.version, "--all", "--waves", "50,100")
    out = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0 or "is done" in out[1], out
    assert set(updates.state(release).values()) == {"confirmed"}
    for label, gateway in updates.gateways.items():
        lines[label] += heard(gateway)
        boots = {line.split()[1] for line in begun(lines[label], "approval")}
        assert len(boots) == 1, lines[label]
        assert len(begun(lines[label], "rollout")) == 1  # one trial each
    with store(updates) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        numbers = [number for number, in db.execute("SELECT number FROM update_order ORDER BY number")]
        last = db.execute("SELECT last FROM update_number").fetchone()[0]
    assert len(set(numbers)) == len(numbers) and max(numbers) <= last and campaigns(updates, release) == 1


@pytest.mark.share(6)
def test_a_second_driver_is_refused_and_one_that_was_interrupted_can_be_resumed(updates):
    updates.gateways["pump"].behave("update takes 60000")
    release = updates.published()
    driver = updates.start("rollout", release.version, "--gateway", "pump")
    updates.wait(release, "pump", "fetching")
    second = updates.kapu("resume", release.version)
    assert second.returncode == 1 and "another kapu update drives this rollout" in second.stderr
    other = updates.published()
    busy = updates.rollout(other, "--gateway", "pump")
    assert busy.returncode == 1 and "is in rollout" in busy.stderr
    driver.send_signal(signal.SIGTERM)
    assert "kapu update resume" in driver.communicate(timeout=PATIENCE)[1] and driver.returncode == 1
    updates.gateways["pump"].behave("update takes 200")
    assert updates.kapu("resume", release.version).returncode == 0
    done = updates.kapu("resume", release.version)
    assert done.returncode == 1 and "is done" in done.stderr


def test_one_that_was_halted_goes_on_with_new_numbers(updates):
    updates.gateways["pump"].behave("update takes 3000")
    release = updates.published()
    driver = updates.start("rollout", release.version, "--gateway", "pump")
    before = updates.wait(release, "pump", "fetching")["number"]
    began = time.monotonic()
    halted = updates.kapu("halt", release.version)
    assert halted.returncode == 0, halted.stdout + halted.stderr
    out = driver.communicate(timeout=PATIENCE)[0]
    assert driver.returncode == 1 and "halted: by " in out and time.monotonic() - began < 10
    updates.gateways["pump"].behave("update takes 200")
    assert updates.kapu("resume", release.version).returncode == 0
    row = updates.states(release)["pump"]
    assert row["state"] == "confirmed" and row["number"] > before + 1  # the halt has one too


def test_a_broker_that_is_killed_in_the_middle_costs_time_only(updates):
    updates.gateways["pump"].behave("update takes 1500")
    release = updates.published()
    driver = updates.start("rollout", release.version, "--all", "--waves", "100")
    updates.wait(release, "pump", "fetching")
    updates.fleet.operator.kill("main")
    time.sleep(0.5)
    updates.fleet.operator.start("main")
    out = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, out
    for gateway in updates.gateways.values():
        assert len({line.split()[1] for line in begun(heard(gateway), "approval")}) == 1


def test_a_gateway_that_floods_keeps_no_other_from_its_update(updates):
    floods = updates.gateways["valve"]
    release = updates.published()
    floods.tell("flood-large")
    floods.wait_for("flooding")
    done = updates.rollout(release, "--all", "--waves", "100", "--limit", "1", "--timeout", str(PATIENCE))
    floods.behave("good")
    assert done.returncode == 0, done.stdout + done.stderr
    states = updates.state(release)
    assert (states["pump"], states["tank"]) == ("confirmed", "confirmed")
    assert "flood: gateways are asked one by one: valve sends" in done.stdout


# ---- who gets it ----

@pytest.mark.share(1)
def test_gateways_that_are_not_trusted_are_left_out(updates):
    updates.gateways["tank"].behave("finding")
    assert updates.fleet.kapu("attest", "tank").returncode == 1
    release = updates.published()
    done = updates.rollout(release, "--all", "--waves", "100")
    assert done.returncode == 0 and "tank: skipped: not trusted" in done.stdout
    states = updates.states(release)
    assert (states["tank"]["state"], states["pump"]["state"]) == ("skipped", "confirmed")
    assert "text" in states["tank"]["why"]
    alone = updates.rollout(release, "--gateway", "tank")
    assert alone.returncode == 1 and "no gateway that is trusted" in alone.stderr


def test_a_release_whose_reference_values_are_not_known_is_not_rolled_out(updates):
    release = updates.make()
    assert updates.kapu("publish", release.folder).returncode == 0
    done = updates.rollout(release)
    assert done.returncode == 1 and "no reference values of release" in done.stderr
    know(updates.fleet, release)
    assert updates.rollout(release, "--all", "--waves", "100").returncode == 0


# ---- publishing ----

def test_publishing_copies_all_and_tells_it_in_json(published):
    release = published.make()
    patch = release.folder / ("patch-" + "ab" * 16)
    patch.write_bytes(b"a patch")
    patch.with_name(patch.name + ".index").write_bytes(b"its index")
    (release.folder / "notes.txt").write_text("not for gateways")
    done = published.kapu("publish", release.folder, "--to", published.web, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["release"], said["folder"], said["known"]) == (release.digest, f"gateway-{release.version}", False)
    there = published.web / said["folder"]
    assert {path.name for path in there.iterdir()} == {"manifest", "index", "payload", patch.name, patch.name + ".index"}
    assert all(path.read_bytes() == (release.folder / path.name).read_bytes() for path in there.iterdir())
    again = published.kapu("publish", release.folder, "--to", published.web, "--json")
    assert again.returncode == 0 and json.loads(again.stdout)["known"]


def flip(path, at=-1):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def one_signature(release):
    return Release(release.folder.with_name("one"), release.version, release.counter, signers=RELEASE_KEYS[:1])


def signed_by_strangers(release):
    return Release(release.folder.with_name("strangers"), release.version, release.counter,
                   signers=("rollout", "approval"))


def other_manifest(release):
    """Changed after it was signed."""
    data = (release.folder / "manifest").read_bytes()
    (release.folder / "manifest").write_bytes(data.replace(b"simulated", b"simulatex"))
    return release


def changed(name, at=-1):
    def change(release):
        flip(release.folder / name, at)
        return release
    return change


def longer(release):
    with open(release.folder / "payload", "ab") as file:
        file.write(b"more")
    return release


def without(name):
    def remove(release):
        (release.folder / name).unlink()
        return release
    return remove


@pytest.mark.dealt
@pytest.mark.parametrize("spoil, why", [
    (one_signature, "1 of the release keys signed it, of which 2 must"), (signed_by_strangers, "0 of the release keys"),
    (other_manifest, "0 of the release keys"), (changed("payload"), "payload"), (changed("payload", 40), "payload"),
    (longer, "has other bytes than the index says"), (changed("index"), "is not the index of this release"),
    (without("payload"), "payload"), (without("index"), "index"), (without("manifest"), "manifest")],
    ids=["one-signature", "strangers", "manifest", "payload", "payload-middle", "longer", "index", "no-payload",
         "no-index", "no-manifest"])
def test_a_release_that_is_not_what_was_signed_is_not_published(published, tmp_path, spoil, why):
    good = Release(tmp_path / "good", f"spoilt-{random.randrange(1 << 40)}", 9)
    bad = spoil(Release(tmp_path / "bad", good.version, 9))
    done = published.kapu("publish", bad.folder, "--to", published.web)
    assert (done.returncode, done.stdout) == (1, "") and why in done.stderr, done.stderr
    assert not (published.web / f"gateway-{good.version}").exists()
    assert published.kapu("status", good.version).returncode == 1  # it is not known either
    assert published.kapu("publish", good.folder, "--to", published.web).returncode == 0


def test_a_folder_that_is_there_with_other_content_is_not_touched(published):
    release = published.make()
    there = published.web / f"gateway-{release.version}"
    shutil.copytree(release.folder, there)
    flip(there / "payload")
    before = {path.name: path.read_bytes() for path in there.iterdir()}
    done = published.kapu("publish", release.folder, "--to", published.web)
    assert done.returncode == 1 and "is there, with another payload" in done.stderr
    assert {path.name: path.read_bytes() for path in there.iterdir()} == before
    assert published.kapu("publish", release.folder, "--to", published.web, "--folder", "another").returncode == 0


@pytest.mark.dealt
@pytest.mark.parametrize("place, taken", [
    ("NAME", False), ("NAME/payload", False), (".NAME.kapu-new", True), (".NAME.kapu-new/.kapu-new", True),
    ("NAME/.kapu-new", True), ("NAME/PATCH", True)])
def test_no_link_in_the_web_root_leads_out_of_it(published, tmp_path, place, taken):
    """Somebody else who may write there makes a link where a file is made, read or removed."""
    release = published.make()
    name, patch = f"gateway-{release.version}", "patch-" + 32 * "a"
    outside = tmp_path / "outside"
    shutil.copytree(release.folder, outside)
    (outside / "mine").write_bytes(b"mine")
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    publish = lambda: published.kapu("publish", release.folder, "--to", published.web)
    if place.startswith("NAME/"):
        assert publish().returncode == 0
        (release.folder / patch).write_bytes(b"a patch")
    link = published.web / place.replace("NAME", name).replace("PATCH", patch)
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(outside if "/" not in place else outside / ("payload" if place.endswith("payload") else "mine"))
    done = publish()
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == before
    assert (done.returncode == 0) == taken, done.stderr
    if not taken:
        assert f"{name}: is there, " in done.stderr and done.stderr.count("\n") == 1
        link.unlink()
        if place == "NAME/payload":
            shutil.copy(release.folder / "payload", link)
        assert publish().returncode == 0
    assert not (published.web / name).is_symlink()
    assert all((published.web / name / part).read_bytes() == (release.folder / part).read_bytes()
               for part in ("manifest", "index", "payload"))


def test_what_is_no_file_is_not_published(published):
    """A pipe would keep it waiting; a link in the release's own folder is its owner's."""
    release = published.make()
    pipe = release.folder / ("patch-" + 32 * "b")
    os.mkfifo(pipe)
    done = published.kapu("publish", release.folder, "--to", published.web)
    assert done.returncode == 1 and pipe.name in done.stderr
    assert not (published.web / f"gateway-{release.version}").exists()
    pipe.unlink()
    pipe.symlink_to(release.folder / "index")
    assert published.kapu("publish", release.folder, "--to", published.web).returncode == 0
    there = published.web / f"gateway-{release.version}" / pipe.name
    assert not there.is_symlink() and there.read_bytes() == pipe.read_bytes()


def test_publishing_that_was_killed_leaves_all_or_nothing(published):
    release = published.make()
    there = published.web / f"gateway-{release.version}"
    for i in range(25):
        running = published.start("publish", str(release.folder), "--to", str(published.web))
        time.sleep(0.0015 * i)
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=PATIENCE)
        known = published.kapu("status", release.version).returncode == 0
        assert not known or there.exists()
        if there.exists():
            assert all((there / name).read_bytes() == (release.folder / name).read_bytes()
                       for name in ("manifest", "index", "payload"))
    assert published.kapu("publish", release.folder, "--to", published.web).returncode == 0
    assert not list(published.web.glob(".*"))


# ---- usage ----

@pytest.mark.parametrize("words", [
    (), ("publish",), ("publish", "a", "b"), ("rollout",), ("rollout", "1"), ("rollout", "1", "--all", "--gateway", "pump"),
    ("resume",), ("halt",), ("halt", "1", "--all"), ("status", "1", "2"), ("frobnicate",), ("rollout", "1", "--all", "--days", "0"),
    ("rollout", "1", "--all", "--timeout", "x"), ("rollout", "1", "--all", "--number", "0"), ("status", "--nonsense"), ("resume", "1", "--waves", "100"), ("halt", "1", "--ask"),
    ("publish", "a", "--all"), ("status", "--number", "1"), ("rollout", "1", "--all", "--history")])
def test_wrong_usage_is_told(published, words):
    done = published.kapu(*words)
    assert done.returncode == 2 and "usage: kapu update" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("words, why", [
    (("rollout", "no-such", "--all"), "no release 'no-such' was published"),
    (("rollout", "no-such", "--all", "--waves", "5,5,100"), "--waves"), (("rollout", "x", "--all", "--waves", "5"), "--waves"),
    (("rollout", "x", "--all", "--waves", "5,,100"), "--waves"), (("rollout", "x", "--all", "--limit", "101%"), "--limit"),
    (("rollout", "x", "--all", "--limit", "-1"), "--limit"), (("halt", "no-such"), "no release"),
    (("publish", "/nonexistent"), "manifest"), (("resume", "no-such"), "no release")])
def test_what_cannot_be_done_is_told_in_a_line(published, words, why):
    done = published.kapu(*words)
    assert done.returncode == 1 and why in done.stderr and done.stderr.count("\n") == 1


def test_keys_that_no_gateway_would_believe_are_found_out_before_anything_begins(updates, tmp_path):
    release = updates.published()
    folder = tmp_path / "operator"
    shutil.copytree(updates.fleet.operator.folder, folder)
    for role in ("rollout", "approval"):
        key = folder / f"{role}.key"
        good = key.read_bytes()
        key.write_bytes(development_key("release-1").read_bytes())
        done = subprocess.run([updates.fleet.kapu_program, "update", "rollout", release.version, "--all",
                               "--operator", folder], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and f"is not in the set of {role} keys" in done.stderr
        key.write_bytes(good)


# ---- a manual halt ----

@pytest.fixture(scope="module")
def twenty(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("twenty"))
    try:
        yield Updates(fleet, [f"g{n}" for n in range(20)])
    finally:
        fleet.end()


@pytest.mark.share(3)
def test_a_halt_reaches_twenty_gateways_in_ten_seconds_though_one_is_off_one_floods_and_one_hangs(twenty):
    """And the driver, which sees it in the store, stops."""
    for gateway in twenty.gateways.values():
        gateway.behave("update takes 60000")
    release = twenty.published()
    driver = twenty.start("rollout", release.version, "--all", "--waves", "100", "--limit", "100%")
    end = time.monotonic() + PATIENCE
    while list(twenty.state(release).values()).count("fetching") < 20:
        assert time.monotonic() < end, twenty.state(release)
        time.sleep(0.2)
    off, floods, hangs = (twenty.gateways[f"g{n}"] for n in (3, 4, 5))
    off.process.kill()
    off.process.wait()
    floods.tell("flood-large")
    floods.wait_for("flooding")
    hangs.behave("withhold")
    time.sleep(0.5)  # the flood has filled what it can
    for gateway in twenty.gateways.values():
        so_far(gateway)
    began = time.monotonic()
    halt = twenty.start("halt", "--all", "--json")
    left = {label for label in twenty.gateways if label not in ("g3", "g5")}
    while left:
        assert time.monotonic() - began < 10, left
        left -= {label for label in left if "halt done" in so_far(twenty.gateways[label])}
        time.sleep(0.02)
    reached = time.monotonic() - began
    driver.communicate(timeout=PATIENCE)
    stopped = time.monotonic() - began
    out = halt.communicate(timeout=PATIENCE)[0]
    took = time.monotonic() - began
    print(f"all reached in {reached:.1f} s, the driver ended in {stopped:.1f} s, the command in {took:.1f} s")
    assert took < 10 and driver.returncode == 1 and stopped < 10
    told = {line["label"]: line["what"] for line in map(json.loads, out.splitlines()) if line["label"]}
    assert told["g3"] == "not connected" and told["g5"] == "no answer to the halt"
    assert list(told.values()).count("halt taken") >= 17  # all but these, and maybe the flooding one
    states = twenty.states(release)
    assert states["g3"]["halt"] == "halt not taken"
    assert halt.returncode == 1  # g5 is connected
    hangs.behave("good")
    again = twenty.kapu("halt", release.version, "--json")  # only those that have not taken it are asked
    assert again.returncode == 0 and "halt done" in heard(hangs)
    told = {line["label"]: line["what"] for line in map(json.loads, again.stdout.splitlines()) if line["label"]}
    assert told["g5"] == "halt taken" and told["g3"] == "not connected" and len(told) <= 3
