# SPDX-License-Identifier: Apache-2.0
"""Board records and starts of the TPM over the brokers: a program on a genuine TPM is not a kapu board, and a
gateway that is reset again and again is not affirmed."""

import json
import time

import pytest

from kapu import reference, tpm
from kapu.keys import make_key

OVERRIDE = ("--without-record", "--reason", "a board of the laboratory")


def refused(fleet, gateway, *options) -> str:
    status, said = fleet.kapu_json("enroll", gateway.name, "--timeout", "10", *options)
    assert (status, said["verdict"]) == (1, "refused"), said
    assert gateway.name not in [row["gateway"] for row in fleet.kapu_json("fleet")[1]]
    return said["why"]


# ---- fault 2: a genuine TPM is not a kapu board ----

def test_a_program_with_a_genuine_tpm_is_not_enrolled(fleet):
    """It answers all that a gateway answers, on a TPM of a maker that the operator trusts."""
    gateway = fleet.gateway("impostor", record=False)
    fleet.know_release(gateway)
    assert "no record of this board: a genuine TPM is not a kapu board" in refused(fleet, gateway)
    fleet.know_board(gateway)  # nothing but the record kept it out
    assert fleet.kapu("enroll", gateway.name).returncode == 0


def other_bytes(text: str) -> str:
    return text[:-2] + ("00" if text[-2:] != "00" else "01")


@pytest.mark.parametrize("other, told", [
    ("ak_name", "its attestation key is another than that of its board record"),
    ("board", "but its TPM is on record with board"),
])
def test_a_record_that_does_not_fit_is_not_enough(fleet, other, told):
    gateway = fleet.gateway("pump", record=False)
    fleet.know_release(gateway)
    wrong = fleet.record_file(gateway, **{other: other_bytes(gateway.facts[other])})
    assert fleet.kapu("board", "add", wrong).returncode == 0
    assert told in refused(fleet, gateway)
    assert told in refused(fleet, gateway, *OVERRIDE)  # what does not fit cannot be passed over
    fleet.know_board(gateway)
    assert fleet.kapu("enroll", gateway.name).returncode == 0


@pytest.mark.parametrize("forgery, told", [
    ("stranger", "signed by a factory key that is not believed"),
    ("changed", "its signature does not verify"),
    ("unsigned", "not a board record"),
    ("empty", "is empty"),
    ("ueid", "its UEID is not that of its endorsement key"),
    ("release", "of another type"),
    ("older", "is known that is not older than it"),
    ("future", "with a date that is to come"),
])
@pytest.mark.dealt
def test_a_record_is_believed_by_its_signature_and_date(fleet, tmp_path, forgery, told):
    gateway = fleet.gateway("pump", record=False)
    now = int(time.time() * 1000)
    path = fleet.record_file(gateway)
    if forgery == "stranger":
        make_key(tmp_path / "stranger.pem")
        path = fleet.record_file(gateway, str(tmp_path / "stranger.pem"))
    elif forgery == "changed":
        path.write_bytes(path.read_bytes().replace(b"simulated", b"simulatee"))
    elif forgery == "unsigned":
        data = path.read_bytes()
        path.write_bytes(data[data.index(b"\xa7\x00\x01"):-66])
    elif forgery == "empty":
        path.write_bytes(b"")
    elif forgery == "ueid":
        path = fleet.record_file(gateway, ueid=other_bytes(gateway.facts["ueid"]))
    elif forgery == "release":
        path = fleet.release_file(gateway)
        (fleet.operator.folder / "factory-keys.pem").write_bytes(
            (fleet.operator.folder / "release-keys.pem").read_bytes())
    elif forgery == "older":
        fleet.know_board(gateway)
        path = fleet.record_file(gateway, issued_ms=now - 60000,
                                 ak_name=other_bytes(gateway.facts["ak_name"]))
    elif forgery == "future":
        path = fleet.record_file(gateway, issued_ms=now + 3 * 86400000)
    before = fleet.kapu_json("board", "list")[1]
    done = fleet.kapu("board", "add", path)
    assert done.returncode == 1 and done.stdout == ""
    assert str(path) in done.stderr and told in done.stderr
    assert fleet.kapu_json("board", "list")[1] == before


def test_a_token_signed_by_the_factory_key_is_no_record(fleet):
    """The type in the header keeps apart what one key may sign."""
    gateway = fleet.gateway("pump", record=False)
    path = fleet.record_file(gateway)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"board-record", b"board-recore"))
    done = fleet.kapu("board", "add", path)
    assert done.returncode == 1 and "type" in done.stderr
    assert reference.TYPE.encode() not in data


def test_an_override_is_loud_audited_and_warned_of_for_ever(fleet):
    gateway = fleet.gateway("pump", record=False)
    fleet.know_release(gateway)
    for words in (("--without-record",), ("--reason", "x"), ("--without-record", "--reason", " ")):
        assert fleet.kapu("enroll", gateway.name, *words).returncode == 2
    assert fleet.kapu("enroll", *OVERRIDE).returncode == 2  # whichever says hello first
    done = fleet.kapu("enroll", gateway.name, "--name", "pump", *OVERRIDE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" in done.stderr and "without a board record" in done.stdout
    gateway.wait_for("connected")
    row, = fleet.kapu_json("audit")[1]
    assert (row["subject"], row["why"]) == (gateway.name, OVERRIDE[2])
    assert row["what"] == "enrolled without a board record" and row["user"] and row["time"]
    status, said = fleet.kapu_json("attest", "pump")
    assert (status, said["verdict"]) == (0, "trusted with warnings")
    appraisal = said["ear"]["submods"][gateway.name]
    assert appraisal["ear_status"] == "warning"
    assert "without a board record" in json.dumps(appraisal)
    state = fleet.state("pump")
    assert (state["trust"], state["board_record"]) == ("trusted with warnings", "none")
    assert state["without_record"] == OVERRIDE[2]
    assert fleet.kapu("forget", "pump").returncode == 0
    assert fleet.kapu_json("audit")[1] == [row]


def test_a_record_that_is_removed_takes_the_trust_with_it(fleet):
    gateway = fleet.enrolled("pump")
    assert fleet.state("pump")["trust"] == "trusted"
    board, = fleet.kapu_json("board", "list")[1]
    assert board["gateway"] == gateway.name and board["platform"] == "simulated"
    assert fleet.kapu("board", "remove", board["board"]).returncode == 0
    assert "no board record" in fleet.state("pump")["why"]
    done = fleet.kapu("attest", "pump")
    assert done.returncode == 1 and "a genuine TPM is not a kapu board" in done.stdout
    fleet.know_board(gateway)
    assert fleet.kapu("attest", "pump").returncode == 0
    assert [row["what"] for row in fleet.kapu_json("audit")[1]] == [
        "board record added", "board record removed", "board record added"]


def test_without_a_factory_key_no_record_is_believed(fleet):
    gateway = fleet.gateway("pump", record=False)
    keys = fleet.operator.folder / "factory-keys.pem"
    keys.unlink()
    done = fleet.kapu("board", "add", fleet.record_file(gateway))
    assert done.returncode == 1 and str(keys) in done.stderr


# ---- fault 3: a board that comes back from the factory with another attestation key ----

def upgraded(fleet):
    gateway = fleet.enrolled("pump")
    gateway.upgrade()
    done = fleet.kapu("attest", "pump")
    assert done.returncode == 1
    assert "not signed by the enrolled attestation key" in done.stdout
    assert "kapu enroll --renew" in done.stdout
    return gateway


def renew(fleet, *options):
    return fleet.kapu_json("enroll", "--renew", "pump", "--timeout", "20", *options)


def test_a_board_with_a_new_key_is_renewed_with_its_history(fleet):
    gateway = upgraded(fleet)
    status, said = renew(fleet)  # its new record has not come
    assert (status, said["verdict"]) == (1, "refused")
    assert "another than that of its board record" in said["why"]
    fleet.know_board(gateway)
    state = fleet.state("pump")
    assert state["trust"] == "not trusted" and "kapu enroll --renew" in state["why"]
    assert fleet.kapu("attest", "pump").returncode == 1
    status, said = renew(fleet)
    assert (status, said["verdict"], said["gateway"]) == (0, "renewed", gateway.name), said
    assert fleet.kapu("attest", "pump").returncode == 0
    again = fleet.state("pump")
    assert again["trust"] == "trusted" and again["enrolled"] == state["enrolled"]
    assert again["interval_s"] == state["interval_s"]
    assert "renewed" in [row["what"] for row in fleet.kapu_json("audit")[1]]


def test_a_gateway_that_lost_its_certificate_too_is_renewed_at_the_enrolment_broker(fleet):
    gateway = upgraded(fleet)
    fleet.know_board(gateway)
    gateway.tell("forget")
    gateway.wait_for("waiting")
    status, said = renew(fleet)
    assert (status, said["verdict"]) == (0, "renewed"), said
    gateway.wait_for("connected")
    assert fleet.kapu("attest", "pump").returncode == 0


def test_a_renewal_is_no_way_past_the_proof(fleet):
    """A record of the new key is public; whoever shows it still has to have the key, and good evidence."""
    gateway = upgraded(fleet)
    fleet.know_board(gateway)
    gateway.behave("finding")
    status, said = renew(fleet)
    assert (status, said["verdict"]) == (1, "refused") and "kernel text differs" in said["why"]
    assert fleet.state("pump")["trust"] == "not trusted"
    gateway.behave("other")
    assert renew(fleet)[0] == 1
    gateway.behave("good")
    assert renew(fleet)[0] == 0


def test_what_is_not_enrolled_is_not_renewed(fleet):
    gateway = fleet.gateway("pump")
    fleet.know_release(gateway)
    assert fleet.kapu("enroll", "--renew", gateway.name).returncode == 3
    assert fleet.kapu("enroll", "--renew").returncode == 2
    assert fleet.kapu("enroll", gateway.name).returncode == 0


# ---- fault 9: resets ----

def test_a_gateway_that_is_reset_again_and_again_does_not_stay_affirming(fleet):
    (fleet.operator.folder / "policy").write_text("tpm-resets-a-day 5\n")
    gateway = fleet.enrolled("pump")
    boots = set()
    for resets in range(1, 8):
        gateway.behave("reset")
        status, said = fleet.kapu_json("attest", "pump")
        appraisal = said["ear"]["submods"][gateway.name]
        claims = appraisal["ear_verifier_claims"]
        assert (claims["kapu_tpm_resets"], claims["kapu_tpm_resets_day"]) == (1, resets)
        assert appraisal["ear_status"] == ("affirming" if resets <= 5 else "warning"), said
        boots.add(claims["kapu_boot_name"])
    assert len(boots) == 7
    done = fleet.kapu("attest", "pump")
    assert "its TPM was reset 7 times in a day, policy allows 5" in done.stdout
    assert "7 times in a day; the monitor reset it 0 times" in done.stdout
    assert f"release identity {claims['kapu_release_identity']}" in done.stdout
    assert f"boot name        {claims['kapu_boot_name']}" in done.stdout
    state = fleet.state("pump")
    assert (state["trust"], state["tpm_resets_day"]) == ("trusted with warnings", 7)
    (fleet.operator.folder / "policy").write_text("tpm-resets-a-day 5 fatal\n")
    assert fleet.kapu("attest", "pump").returncode == 1
    (fleet.operator.folder / "policy").unlink()  # the default has room for them
    assert fleet.kapu("attest", "pump").returncode == 0


def test_resets_while_nobody_asked_are_counted(fleet):
    gateway = fleet.enrolled("pump")
    for _ in range(25):
        gateway.behave("reset")
    status, said = fleet.kapu_json("attest", "pump")
    assert (status, said["verdict"]) == (0, "trusted with warnings")
    assert "its TPM was reset 25 times in a day, policy allows 24" in json.dumps(said)


def test_a_gateway_that_its_monitor_resets_again_and_again_is_not_trusted(fleet):
    gateway = fleet.enrolled("pump")
    for resets in range(1, 5):
        gateway.behave("monitor-reset")
        assert fleet.kapu("attest", "pump").returncode == (0 if resets <= 3 else 1)
    assert fleet.state("pump")["monitor_resets"] == 4
    assert "the monitor reset it 4 times since power-on" in fleet.state("pump")["why"]


def test_a_factory_record_of_the_build_is_taken(fleet, tmp_path):
    """The same file as kapu factory writes it, for a board that a TPM was provisioned for."""
    folder = tmp_path / "board"
    folder.mkdir()
    tpm.provision(folder, "01234567-89ab-cdef-0123-456789abcdef", "11" * 32)
    shown = json.loads(tpm.show(folder, True))
    assert shown["record"]["fits"] and shown["record"]["platform"] == "qemu-virt"
    assert fleet.kapu("board", "add", folder / tpm.RECORD).returncode == 0
    again = fleet.kapu("board", "add", folder / tpm.RECORD)
    assert again.returncode == 0 and "known already" in again.stdout
    row, = fleet.kapu_json("board", "list")[1]
    assert row["board"] == "01234567-89ab-cdef-0123-456789abcdef"
    assert (row["ek_name"], row["ak_name"]) == (shown["ek_name"], shown["ak_name"])
