# SPDX-License-Identifier: Apache-2.0
"""Enrolment and attestation over the brokers, with gateways that behave and gateways that do not."""

import time

import pytest

from kapu.keys import ROLES, KeySet, make_key


def test_a_gateway_that_says_hello_is_enrolled_and_then_trusted(fleet):
    gateway = fleet.gateway("pump")
    fleet.know_release(gateway)
    status, said = fleet.kapu_json("enroll", "--name", "pump")
    assert (status, said["verdict"], said["gateway"]) == (0, "enrolled", gateway.name)
    gateway.wait_for("connected")
    assert fleet.state("pump")["trust"] == "trusted"  # its first evidence was judged
    status, said = fleet.kapu_json("attest", "pump")
    assert (status, said["verdict"], said["present"]) == (0, "trusted", "trusted")
    appraisal = said["ear"]["submods"][gateway.name]
    assert appraisal["ear_status"] == "affirming"
    assert fleet.kapu("fleet").returncode == 0


def test_a_gateway_is_known_by_label_name_and_the_beginning_of_its_name(fleet):
    gateway = fleet.enrolled("pump")
    for given in ("pump", gateway.name, gateway.name[:6]):
        assert fleet.kapu("attest", given).returncode == 0
    assert fleet.kapu("attest", gateway.name[:3]).returncode == 3
    assert fleet.kapu("attest", "nobody").returncode == 3


def test_with_the_event_log_when_asked(fleet):
    fleet.enrolled("pump")
    assert fleet.kapu("attest", "pump", "--log").returncode == 0


def test_findings_are_told_and_a_clean_gateway_is_trusted_again(fleet):
    gateway = fleet.enrolled("pump")
    gateway.behave("finding")
    done = fleet.kapu("attest", "pump")
    assert done.returncode == 1
    assert "NOT TRUSTED" in done.stdout
    assert "kernel text differs at __arm64_sys_kill+0x10: 4 bytes" in done.stdout
    assert "kernel text differs" in fleet.state("pump")["why"]
    gateway.behave("good")
    assert fleet.kapu("attest", "pump").returncode == 0
    assert fleet.state("pump")["trust"] == "trusted"


def test_an_update_that_was_given_up_is_told_and_changes_no_verdict(fleet):
    gateway = fleet.enrolled("pump")

    def last_update():
        status, said = fleet.kapu_json("attest", "pump")
        claims = said["ear"]["submods"][gateway.name]["ear_verifier_claims"]
        return status, said["verdict"], claims["kapu_last_update"], claims["kapu_last_update_reset"]

    assert last_update() == (0, "trusted", "none", "none")
    assert "last update" not in fleet.kapu("attest", "pump").stdout
    gateway.behave("give-up")
    assert last_update() == (0, "trusted", "tries gone", "watchdog")
    done = fleet.kapu("attest", "pump")
    assert done.returncode == 0
    assert ("its last update was given up: none of its starts was confirmed; the watchdog had reset the gateway "
            "(no deep check in time)\n") in done.stdout


@pytest.mark.parametrize("behaviour, status, told", [
    ("other", 1, "not trusted"),
    ("malformed", 1, "not trusted"),
    ("largest", 1, "not trusted"),
    ("oversized", 3, "no answer"),
    ("wrong-topic", 3, "no answer"),
    ("withhold", 3, "no answer"),
    ("error", 3, "no answer"),
])
@pytest.mark.dealt
def test_what_is_not_evidence_of_this_gateway_changes_nothing(fleet, behaviour, status, told):
    gateway = fleet.enrolled("pump")
    before = fleet.state("pump")
    gateway.behave(behaviour)
    done = fleet.kapu_json("attest", "pump", "--timeout", "2")
    assert (done[0], done[1]["verdict"]) == (status, told)
    assert fleet.state("pump") == before
    gateway.behave("good")  # nor is anything in the way of what comes next
    assert fleet.kapu("attest", "pump", "--timeout", "10").returncode == 0


def test_replayed_evidence_is_refused(fleet):
    gateway = fleet.enrolled("pump")
    assert fleet.kapu("attest", "pump").returncode == 0
    before = fleet.state("pump")
    gateway.behave("replay")
    done = fleet.kapu("attest", "pump")
    assert done.returncode == 1
    assert "accepted before" in done.stdout
    assert fleet.state("pump") == before


def test_what_the_gateway_says_is_wrong_is_told(fleet):
    fleet.enrolled("pump").behave("error")
    done = fleet.kapu("attest", "pump")
    assert done.returncode == 3
    assert "the gateway says: the secure world is busy" in done.stdout


def test_withheld_evidence_is_silence_and_silence_is_failure(fleet):
    gateway = fleet.enrolled("pump", "--interval", "1")
    assert fleet.kapu("attest", "pump").returncode == 0
    gateway.behave("withhold")
    done = fleet.kapu("attest", "pump", "--timeout", "2")
    assert done.returncode == 3
    assert "at present it is not trusted: silent since" in done.stdout
    assert fleet.state("pump")["why"].startswith("not trusted: silent since")


@pytest.mark.share(4)
def test_silence_is_failure_also_when_nobody_ran(fleet):
    fleet.enrolled("pump", "--interval", "1")
    assert fleet.state("pump")["trust"] == "trusted"
    time.sleep(2)  # the interval and more: what is tested is that nothing happens meanwhile
    assert fleet.state("pump")["trust"] == "not trusted"
    assert fleet.kapu("attest", "pump").returncode == 0
    assert fleet.state("pump")["trust"] == "trusted"


def test_a_gateway_that_is_off_gives_no_answer(fleet):
    gateway = fleet.enrolled("pump")
    gateway.end()
    done = fleet.kapu("attest", "pump", "--timeout", "2")
    assert done.returncode == 3
    assert "the gateway is not connected" in done.stdout


# ---- enrolment ----

def test_a_tpm_of_another_maker_is_refused(fleet):
    fleet.enrolled("pump")
    (fleet.operator.folder / "ek-cas.pem").write_bytes(
        (fleet.operator.folder / "staff-ca.pem").read_bytes())
    stranger = fleet.gateway("stranger", genuine=False)
    status, said = fleet.kapu_json("enroll", stranger.name, "--timeout", "10")
    assert (status, said["verdict"]) == (1, "refused")
    assert len(fleet.kapu_json("fleet")[1]) == 1


def test_who_shows_the_certificate_of_another_tpm_is_refused(fleet):
    pump = fleet.enrolled("pump")
    impostor = fleet.gateway("impostor")
    impostor.begin(pump.folder / "ek.cert")
    status, said = fleet.kapu_json("enroll", impostor.name, "--timeout", "10")
    assert (status, said["verdict"]) == (1, "refused")
    assert said["why"].endswith(f"a name that is not its TPM's; that is {pump.name}")


def test_software_that_nobody_knows_is_refused(fleet):
    fleet.enrolled("pump")
    fleet.gateway("other", release="another release")
    done = fleet.kapu("enroll", "--timeout", "5")
    assert done.returncode == 1, done.stdout
    assert "refused" in done.stdout
    assert len(fleet.kapu_json("fleet")[1]) == 1


def test_a_gateway_that_nobody_hears_is_no_answer(fleet):
    fleet.gateway("pump")
    assert fleet.kapu("enroll", "0" * 32, "--timeout", "2").returncode == 3


def test_a_certificate_that_got_lost_is_given_again(fleet):
    gateway = fleet.gateway("pump")
    fleet.know_release(gateway)
    gateway.behave("drop-certificate")
    done = fleet.kapu("enroll", gateway.name, "--timeout", "5")
    assert done.returncode == 3
    assert "did not take its certificate" in done.stdout
    gateway.behave("good")
    status, said = fleet.kapu_json("enroll", gateway.name)
    assert (status, said["verdict"]) == (0, "enrolled before")
    gateway.wait_for("connected")
    assert fleet.kapu("attest", gateway.name).returncode == 0


def test_who_is_refused_does_not_keep_others_out(fleet):
    stranger = fleet.gateway("stranger", release="another release")
    gateway = fleet.gateway("pump")
    fleet.know_release(gateway)
    done = fleet.kapu("enroll", "--timeout", "20")
    assert done.returncode == 0, done.stdout
    assert f"{gateway.name}: enrolled" in done.stdout
    assert f"{stranger.name}: enrolled" not in done.stdout


def test_two_gateways_are_not_called_the_same(fleet):
    fleet.enrolled("pump")
    other = fleet.gateway("other")
    status, said = fleet.kapu_json("enroll", other.name, "--name", "pump")
    assert (status, said["verdict"]) == (1, "refused")
    assert fleet.kapu("enroll", other.name, "--name", "valve").returncode == 0


def test_a_forgotten_gateway_is_asked_nothing_and_can_be_enrolled_anew(fleet):
    gateway = fleet.enrolled("pump")
    assert fleet.kapu("forget", "pump").returncode == 0
    assert fleet.kapu("attest", gateway.name).returncode == 3
    gateway.tell("forget")
    gateway.wait_for("waiting")
    assert fleet.kapu("enroll", gateway.name).returncode == 0


@pytest.mark.parametrize("words", [("attest",), ("attest", "a", "b"), ("attest", "a", "--no"),
                                   ("enroll", "not-a-name"), ("enroll", "--interval", "0"),
                                   ("fleet", "x"), ("reference",), ("reference", "add"),
                                   ("forget",)])
def test_wrong_usage_is_told_apart(fleet, words):
    assert fleet.kapu(*words).returncode == 2


def strangers_keys(folder) -> KeySet:
    folder.mkdir()
    for role in ROLES:
        make_key(folder / f"{role}.pem")
    return KeySet(folder)


@pytest.mark.parametrize("forgery, told", [
    ("unsigned", "not a signed file of reference values"),
    ("changed", "its signature does not verify"),
    ("stranger", "signed by a key that is not believed"),
    ("empty", "is empty"),
])
@pytest.mark.dealt
def test_reference_values_are_believed_by_their_signature_alone(fleet, tmp_path, forgery, told):
    gateway = fleet.gateway("pump")
    path = fleet.release_file(gateway, keys=strangers_keys(tmp_path / "stranger")
                              if forgery == "stranger" else None)
    data = bytearray(path.read_bytes())
    if forgery == "unsigned":
        data = data[data.index(b"\xa3\x00\x02"):-66]  # what was signed
    elif forgery == "changed":
        data[data.index(b"0.5.0") + 2] += 1
    elif forgery == "empty":
        data = b""
    path.write_bytes(data)
    done = fleet.kapu("reference", "add", path)
    assert done.returncode == 1 and done.stdout == ""
    assert str(path) in done.stderr and told in done.stderr
    assert fleet.kapu("enroll", gateway.name, "--timeout", "20").returncode == 1  # nobody knows it
    fleet.know_release(gateway)
    assert fleet.kapu("enroll", gateway.name, "--timeout", "20").returncode == 0


def test_without_a_key_no_reference_values_are_believed(fleet):
    path = fleet.release_file(fleet.gateway("pump"))
    shown = fleet.kapu("reference", "show", path)
    assert shown.returncode == 0 and "for simulated, signed by the key" in shown.stdout
    keys = fleet.operator.folder / "release-keys.pem"
    keys.unlink()
    done = fleet.kapu("reference", "add", path)
    assert done.returncode == 1 and str(keys) in done.stderr
