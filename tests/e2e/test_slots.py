# SPDX-License-Identifier: Apache-2.0
"""Slots, counters and storage over the life of a gateway, driven from the lab's shell through the
update TA: what the TPM remembers, and what nobody brings back.
"""

import re
import shutil
import subprocess

import pytest

import snapshots
import storage
from board import Firmware
from kapu.errors import KapuError
from kapu.paths import host_environment
from shell import Shell
from watched import LIGHT_CPU, watched_instance

TOKEN = "pkcs11-tool --module /usr/lib/aarch64-linux-gnu/libckteec.so.0"
POWER_ON_BUDGET = 32  # NVBUDGET_AT_POWER_ON of kapu/nvbudget.h
OLD, NOW = 1, 2  # security counters of releases


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The lab release with two security counters."""
    firmware = Firmware("lab")
    folder = tmp_path_factory.mktemp("packages")
    return {n: firmware.make(folder / str(n), counter=n) for n in (OLD, NOW)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory, packages):
    """A lab gateway with a release of counter NOW in both slots, which has come up."""
    folder = tmp_path_factory.mktemp("saved")
    instance = watched_instance(folder / "gw", "lab", cpu=LIGHT_CPU)
    for slot in "ab":
        instance.write_firmware(slot, packages[NOW])
    instance.machine.start()
    snapshots.come_up(instance.machine, "lab")
    snapshots.save(instance, folder / "saved")
    shutil.rmtree(instance.folder)
    yield folder / "saved"
    shutil.rmtree(folder)


@pytest.fixture
def gateway(saved, tmp_path):
    """That one, as it runs, and its shell."""
    instance = snapshots.restored(saved, tmp_path / "gw")
    instance.machine.start()
    shell = Shell(instance.machine)
    shell.instance = instance
    yield shell
    shell.close()
    instance.machine.stop()
    shutil.rmtree(instance.folder)


def state(shell) -> dict:
    text = shell.run("kapu-boot state")
    found = re.search(r"running slot (\w) (\w+)\s+counter (\d+) release (\d+)\s+"
                      r"next slot (\w) (\w+) tries (\d+)", text.replace("\n", " "))
    return dict(zip(("running", "how", "counter", "release", "next", "next_how", "tries"),
                    found.groups()))


def after_power_cycle(shell, meanwhile=lambda: None) -> Shell:
    """Switch off, do something to the board, switch on: a new console and the shell on it."""
    shell.close()
    shell.machine.stop()
    meanwhile()
    shell.machine.console.unlink()
    shell.machine.start()
    return Shell(shell.machine)


def test_the_event_log_that_linux_reads_replays_to_the_pcrs(gateway, tmp_path):
    gateway.run("kapu-boot log > /lab/log")
    log = gateway.instance.folder / "share" / "log"
    parsed = subprocess.run(["tpm2_eventlog", log], check=True, capture_output=True, text=True,
                            env=host_environment()).stdout
    replayed = dict(re.findall(r"^ +(\d+) *: 0x([0-9a-f]{64})$", parsed, re.MULTILINE))
    read = dict(re.findall(r"^ ?(\d+) ([0-9a-f]{64})", gateway.run("kapu-boot pcrs"),
                           re.MULTILINE))
    assert set(replayed) == {"0", "7", "8", "9", "14"}
    assert {number: read[number] for number in replayed} == replayed
    untouched = {value for number, value in read.items()
                 if number not in replayed and int(number) < 16}
    assert untouched == {"0" * 64}


def test_linux_cannot_confirm_past_the_update_ta(gateway):
    with pytest.raises(KapuError, match="denies it to this caller"):
        gateway.run("kapu-boot confirm-directly")


def test_a_confirmed_release_raises_the_counter_and_older_ones_never_boot_again(gateway, packages):
    assert state(gateway)["counter"] == "0" and state(gateway)["release"] == str(NOW)
    gateway.run("kapu-boot try B 2")
    gateway.reset()
    now = state(gateway)
    assert (now["running"], now["how"], now["tries"]) == ("B", "trial", "1")
    assert now["counter"] == "0"  # booting it does not raise the counter
    gateway.run("kapu-boot confirm")
    now = state(gateway)
    assert (now["next"], now["next_how"], now["counter"]) == ("B", "confirmed", str(NOW))
    gateway.run("kapu-boot try A 1")
    again = after_power_cycle(gateway, lambda: gateway.instance.write_firmware("a", packages[OLD]))
    console = again.machine.text()
    now = state(again)
    again.close()
    assert "slot A refused: BL2 certificate: signature, key or counter is not accepted" in console
    assert "kapu: slot A: its trial has failed; slot B is in use again" in console
    assert (now["running"], now["next"], now["next_how"]) == ("B", "B", "confirmed")


@pytest.mark.third(1)
def test_a_trial_that_does_not_come_up_falls_back(gateway):
    """The new root image is bad: each try ends in a reset by dm-verity."""
    with open(gateway.instance.folder / "disk.img", "r+b") as disk:
        disk.seek(gateway.instance.root_offset("b") + 1024 + 4)
        disk.write(b"broken")
    gateway.run("kapu-boot try B 2")
    seen = len(gateway.machine.text())
    gateway.reset()
    console = gateway.machine.text()[seen:]
    assert "kapu: slot B: starting, on trial, 1 tries left" in console
    assert "kapu: slot B: starting, on trial, 0 tries left" in console
    assert "kapu: slot B: its trial has failed; slot A is in use again" in console
    now = state(gateway)
    assert (now["running"], now["next"], now["next_how"]) == ("A", "A", "confirmed")


@pytest.mark.third(2)
def test_a_trial_outlives_a_power_cut_and_a_try_is_counted(gateway):
    gateway.run("kapu-boot try B 3")
    again = after_power_cycle(gateway)
    now = state(again)
    again.close()
    assert (now["running"], now["how"], now["tries"]) == ("B", "trial", "2")


def make_token(shell) -> None:
    shell.run(f"{TOKEN} --init-token --slot 0 --label kapu --so-pin 12345678")
    shell.run("sync")


def has_token(shell) -> bool:
    """That of make_token(); kapu-link's is "kapu-tls", and is there again by itself."""
    return re.search("token label +: kapu$", shell.run(f"{TOKEN} -L", check=False), re.MULTILINE) is not None


def is_refused(shell) -> bool:
    """Nothing of it can be read, nothing can be added, and it did not start anew behind the back."""
    made = shell.run(f"{TOKEN} --init-token --slot 0 --label kapu --so-pin 12345678", check=False)
    return not has_token(shell) and "Token successfully initialized" not in made and \
        "starts empty" not in shell.machine.text(secure=True)


def with_data(shell, data: bytes) -> Shell:
    def put(instance=shell.instance):
        instance.machine.secure_console.unlink()
        storage.write_data(instance, data)

    again = after_power_cycle(shell, put)
    again.instance = shell.instance
    return again


@pytest.mark.third(3)
def test_secure_storage_of_another_board_cannot_be_read(gateway, make_instance):
    """And the board takes its own back."""
    make_token(gateway)
    assert has_token(gateway)
    gateway.close()
    gateway.machine.stop()
    other = make_instance("lab", cpu=LIGHT_CPU)
    other.machine.start()
    shell = Shell(other.machine)
    shell.instance = other
    make_token(shell)
    assert has_token(shell)
    shell.close()
    other.machine.stop()
    mine, theirs = storage.read_data(gateway.instance), storage.read_data(other)
    shell = with_data(shell, mine)
    assert is_refused(shell)
    shell = with_data(shell, theirs)
    assert has_token(shell)
    shell.close()


@pytest.mark.third(1)
def test_older_secure_storage_put_back_is_refused(gateway):
    """The attacker keeps a copy of the disk, and brings back what was there before."""
    make_token(gateway)
    gateway.machine.qmp("stop")
    older = storage.read_data(gateway.instance)
    gateway.machine.qmp("cont")
    gateway.run(f"{TOKEN} --init-pin --token-label kapu --so-pin 12345678 --pin 1234")
    gateway.run("sync")
    gateway.machine.stop()
    present = storage.read_data(gateway.instance)
    shell = with_data(gateway, older)
    assert is_refused(shell)
    shell = with_data(shell, present)
    assert has_token(shell)
    shell.run(f"{TOKEN} --token-label kapu --login --pin 1234 -O")
    shell.close()


@pytest.mark.third(2)
def test_storage_that_lost_a_part_is_usable_again(gateway):
    """Objects without their directory, a directory without its objects, a garbled one until it is deleted."""
    make_token(gateway)
    gateway.machine.stop()
    with storage.data_partition(gateway.instance) as partition:
        objects = [name for name in storage.names(partition) if name != "dirf.db"]
        assert objects
        storage.delete(partition, *objects)
    gateway.machine.start()
    shell = Shell(gateway.machine)
    shell.instance = gateway.instance
    assert not has_token(shell)
    for _ in objects:  # each attempt meets one that is lost, and OP-TEE removes it
        shell.run(f"{TOKEN} -L", check=False)
    make_token(shell)
    assert has_token(shell) and "starts on this board: 1)" in shell.machine.text(secure=True)
    shell.machine.stop()
    with storage.data_partition(shell.instance) as partition:
        storage.delete(partition, "dirf.db")
    shell = with_data(shell, storage.read_data(shell.instance))
    assert not has_token(shell)
    make_token(shell)
    assert has_token(shell) and "starts on this board: 2)" in shell.machine.text(secure=True)
    shell.machine.stop()
    with storage.data_partition(shell.instance) as partition:
        good = storage.read(partition, "dirf.db")
        storage.replace(partition, "dirf.db", bytes(b ^ 1 for b in good))
    shell = with_data(shell, storage.read_data(shell.instance))
    assert is_refused(shell)
    shell.machine.stop()
    with storage.data_partition(shell.instance) as partition:
        storage.replace(partition, "dirf.db", good)
    shell = with_data(shell, storage.read_data(shell.instance))
    assert has_token(shell)  # so putting a file back works, and what was refused was its contents
    shell.close()


@pytest.mark.third(3)
def test_linux_cannot_wear_out_the_tpm(gateway):
    """Commits until they are refused: the budget's, and nothing is lost. A reset does not fill it."""
    make_token(gateway)
    pin = f"{TOKEN} --init-pin --token-label kapu --so-pin 12345678 --pin"
    told = "written too often, so changes of secure storage and boot state are refused"
    for n in range(80):
        gateway.run(f"{pin} {1000 + n}", check=False)
        if told in gateway.machine.text(secure=True):
            break
    else:
        pytest.fail("never refused")
    for n in range(5):
        gateway.run(f"{pin} {2000 + n}", check=False)
    assert gateway.machine.text(secure=True).count(told) == 1
    with pytest.raises(KapuError, match="too often"):
        gateway.run("kapu-boot try B 2")
    gateway.reset()
    gateway.run(f"{pin} 3000", check=False)
    assert gateway.machine.text(secure=True).count(told) == 2
    gateway.close()
    gateway.machine.stop()
    commits, starts = storage.counters(gateway.instance)
    assert commits + starts <= POWER_ON_BUDGET
    shell = with_data(gateway, storage.read_data(gateway.instance))  # power-on: there is budget again
    assert has_token(shell)
    shell.run(f"{pin} 4000")
    shell.run(f"{TOKEN} --token-label kapu --login --pin 4000 -O")
    shell.close()
