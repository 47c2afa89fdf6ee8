# SPDX-License-Identifier: Apache-2.0
"""Secure storage over the life of a gateway: deleted, it starts anew and the operator is told; put back from an
older copy, it is refused, and the present one still works. The tests of a gateway run in this order.
"""

import pytest

import storage
from e2e.test_attestation import Attested
from kapu.report import update_report
from shares import share

BOOT_SECONDS = 900  # the answer to "does it come up at all", also on a machine with much to do
UP = "^KAPU-STATUS"  # services may still be starting; what counts is what the operator gets
POWER_ON_BUDGET = 32  # NVBUDGET_AT_POWER_ON of kapu/nvbudget.h
NOTICE = "notice: its secure storage was started {} times"
FIRST = {}  # what one test sees and another one judges


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    made = Attested(tmp_path_factory.mktemp("storage"), "gateway")
    made.machine.wait_for(UP, BOOT_SECONDS)
    yield made
    made.close()


def after_power_cycle(gateway, meanwhile=lambda instance: None):
    """Switched off, something done to the disk, switched on; what the TPM counted before."""
    gateway.machine.stop()
    counted = storage.counters(gateway.instance)
    meanwhile(gateway.instance)
    gateway.machine.console.unlink()
    gateway.machine.secure_console.unlink()
    gateway.machine.start()
    gateway.machine.wait_for(UP, BOOT_SECONDS)
    return counted


def evidence(gateway) -> dict:
    status, result = gateway.attest_when_back()
    assert (status, result["verdict"]) == (0, "trusted"), result
    return result


def enrol_again(gateway, starts: int) -> None:
    """It asks for it by itself: its key is gone, and the certificate is for that key."""
    name = gateway.operated.fleet()["first"]["gateway"]
    refused = gateway.operated.kapu("enroll", name, "--timeout", "300")  # named: it does not wait for others
    assert refused.returncode == 1 and "enrolled with another TLS key" in refused.stdout
    assert gateway.operated.kapu("forget", "first").returncode == 0
    done = gateway.enrol()
    assert done.returncode == 0, done.stdout + done.stderr
    assert NOTICE.format(starts) in done.stdout
    evidence(gateway)


def delete_files(instance) -> None:
    """The certificate of kapu-link stays."""
    with storage.data_partition(instance) as partition:
        storage.delete(partition, *storage.names(partition))
        assert storage.names(partition) == []


def test_a_new_gateway_is_enrolled_without_a_notice(gateway):
    done = gateway.enrol()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "notice" not in done.stdout
    evidence(gateway)


@pytest.mark.parametrize("how", share(["files deleted", "/var made anew", "directory emptied"]))
def test_storage_that_is_gone_starts_anew_and_the_operator_is_told(gateway, how):
    lose = {"files deleted": delete_files, "/var made anew": storage.make_var_anew,
            "directory emptied": lambda instance: empty(instance, "dirf.db")}[how]
    evidence(gateway)
    before = after_power_cycle(gateway, lose)
    assert before[0] >= 3  # its start, and a commit for each of its two keys
    FIRST.setdefault("counted", before)
    gateway.machine.wait_for(f"secure storage starts empty .starts on this board: {before[1] + 1}",
                             BOOT_SECONDS, secure=True)
    enrol_again(gateway, before[1] + 1)
    seen, began = len(gateway.machine.text()), gateway.machine.text(secure=True).count("starts empty")
    gateway.machine.reset()
    gateway.machine.wait_for(UP, BOOT_SECONDS, start=seen)
    evidence(gateway)  # its keys outlive a reset
    assert gateway.machine.text(secure=True).count("starts empty") == began


def test_a_first_boot_with_enrolment_leaves_budget_for_more():
    """What the TPM had counted when the gateway was switched off for the first time."""
    commits, starts = FIRST["counted"]
    update_report("storage", first_boot_commits=commits)
    assert starts == 1
    assert commits + starts < POWER_ON_BUDGET * 3 // 4


def empty(instance, name: str) -> None:
    """What a power cut while the directory was made can leave."""
    with storage.data_partition(instance) as partition:
        storage.replace(partition, name, b"")


def is_refused(gateway) -> bool:
    """No key: no answer to the operator, though Linux is up, and nothing started anew."""
    status, _ = gateway.operated.attest("first")
    waiting = gateway.operated.kapu("enroll", "--timeout", "20", timeout=90)
    return status == 3 and waiting.returncode == 3 and \
        "starts empty" not in gateway.machine.text(secure=True)


@pytest.mark.share(5)
def test_older_storage_put_back_is_refused_and_the_present_one_is_taken(gateway):
    evidence(gateway)
    older = gateway.instance.folder / "older.img"

    def keep_and_delete(instance):  # something is committed afterwards
        older.write_bytes(storage.read_data(instance))
        delete_files(instance)

    after_power_cycle(gateway, keep_and_delete)
    enrol_again(gateway, storage_starts(gateway))
    gateway.machine.stop()
    present = storage.read_data(gateway.instance)
    storage.write_data(gateway.instance, older.read_bytes())
    older.unlink()
    gateway.machine.secure_console.unlink()
    gateway.machine.start()
    gateway.machine.wait_for(UP, BOOT_SECONDS)
    assert is_refused(gateway)
    after_power_cycle(gateway, lambda instance: storage.write_data(instance, present))
    evidence(gateway)


def storage_starts(gateway) -> int:
    """As its last words at the secure console say."""
    found = gateway.machine.wait_for(r"starts on this board: (\d+)", BOOT_SECONDS, secure=True)
    return int(found.group(1))
