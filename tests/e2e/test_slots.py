# SPDX-License-Identifier: Apache-2.0
"""Slots, counters and storage over the life of a gateway, driven from the lab's shell through the
update TA: which release gets a trial, how it is confirmed, and what nobody brings back.
"""

import contextlib
import re
import shutil
import struct
import subprocess

import pytest

import snapshots
import storage
import updates
from guest import Guest, Kernel, inspect
from kapu.paths import host_environment
from kapu.releases import Server
from lab_updates import NEXT, NOW, OLD, Desk, make_fetched, make_releases, save_gateway, state
from power_cuts import Gateway, Judge, Plan, Point
from shell import Shell
from watched import LIGHT_CPU
from writer_cuts import WritingGateway

TOKEN = "pkcs11-tool --module /usr/lib/aarch64-linux-gnu/libckteec.so.0"
POWER_ON_BUDGET = 32  # NVBUDGET_AT_POWER_ON of kapu/nvbudget.h
REFUSED_SECONDS = 600
NOP = struct.pack("<I", 0xd503201f)


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    return make_releases(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory, releases):
    folder = tmp_path_factory.mktemp("saved")
    yield save_gateway(folder, releases)
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


@contextlib.contextmanager
def changed_text(shell):
    """One instruction of the kernel is changed during this block."""
    guest = Guest(shell.machine, Kernel("lab"), inspect("lab", shell.instance.folder)[1])
    guest.write(guest.symbol("vfs_read") + 64, NOP)
    yield
    guest.restore()


def test_linux_cannot_ask_the_boot_service_past_our_trusted_applications(gateway):
    assert re.search(r"^refused (\d+) of \1$", gateway.run("kapu-boot as-linux"), re.MULTILINE)


@pytest.mark.share(4)
def test_a_confirmed_release_raises_the_counter_and_older_ones_never_boot_again(gateway, releases):
    """Neither does the trial itself raise it, nor anybody's word but a clean deep check with the operator's approval of
    this gateway, release and boot."""
    desk, new = Desk(gateway), releases[NEXT]
    assert state(gateway)["counter"] == "0" and state(gateway)["release"] == str(NOW)
    assert desk.request(new, 1) == "done"
    before = desk.update()
    gateway.reset()
    now = state(gateway)
    assert (now["running"], now["how"], now["tries"], now["counter"]) == ("B", "trial", "2", "0")
    known = desk.update()
    assert known["stage"] == "on trial" and known["gateway"] == before["gateway"] and known["boot"] != before["boot"]
    assert desk.told("confirm", None, None) == "not approved"
    with changed_text(gateway):
        assert desk.approve(new) == "not clean"
    assert state(gateway)["counter"] == "0"
    assert desk.approve(new, boot=bytes.fromhex(before["boot"])) == "replayed approval"
    assert desk.approve(new, gateway=bytes(32) + b"\1") == "replayed approval"
    assert desk.approve(new, release=releases[NOW].digest()) == "replayed approval"
    assert desk.approve(new, keys=("rollout",)) == "arbitrary software"
    assert state(gateway)["counter"] == "0"
    assert desk.approve(new) == "done"
    now = state(gateway)
    assert (now["next"], now["next_how"], now["counter"]) == ("B", "confirmed", str(NEXT))
    assert desk.update()["last"] == "confirmed"
    assert desk.request(releases[NOW], 2) == "rollback"
    again = after_power_cycle(gateway, lambda: gateway.instance.write_firmware("a", releases[NOW].package))
    now = state(again)
    again.close()
    assert (now["running"], now["next"], now["next_how"]) == ("B", "B", "confirmed")
    again.machine.stop()
    again.machine.console.unlink()
    gateway.instance.write_firmware("b", releases[OLD].package)  # in the place of the confirmed one
    again.machine.start()
    again.machine.wait_for("kapu: HALT: no slot left to boot", REFUSED_SECONDS)
    console = again.machine.text()
    assert "slot B refused: BL2 certificate: signature, key or counter is not accepted" in console
    assert "slot A refused: BL2 certificate: signature, key or counter is not accepted" in console


# The attack's name, then what is changed for it: in the manifest, in the rollout, and who signs.
REFUSALS = [
    ("arbitrary software", {}, {}, {"signed": ("release-1",)}),
    ("arbitrary software", {}, {}, {"signed": ("release-1", "rollout")}),
    ("arbitrary software", {}, {"keys": ("release-1",)}, {}),
    ("mix-and-match", {}, {"release": bytes(32)}, {}),
    ("wrong hardware", {"hardware": "rpi3"}, {}, {}),
    ("wrong hardware", {"product": "gateway"}, {}, {}),
    ("fast-forward", {"counter": 5000}, {}, {}),
    ("rollback", {"counter": 0}, {}, {}),
    ("step missing", {"from": 2}, {}, {}),
    ("partial bundle", {"firmware": [4096, bytes(32)]}, {}, {}),
    ("partial bundle", {"firmware": [2**31 - 1, bytes(32)]}, {}, {}),
    ("freeze", {"expires": updates.now_ms() - updates.DAY_MS // 2}, {}, {}),
    ("replayed rollout", {}, {"group": "elsewhere"}, {}),
    ("replayed rollout", {}, {"gateways": [b"\1" + bytes(32)]}, {}),
]


@pytest.mark.share(3)
def test_each_refusal_names_the_attack_that_it_looks_like(gateway, releases):
    desk, new = Desk(gateway), releases[NEXT]
    for name, change, order, more in REFUSALS:
        assert desk.request(new, 7, dict(order), **more, **change) == name, (change, order, more)
    assert desk.request(new, 2**21) == "fast-forward"
    assert desk.told("confirm", None, None) == "no trial"
    assert (state(gateway)["next_how"], desk.update()["stage"]) == ("confirmed", "idle")
    assert desk.request(new, 7) == "done"
    assert (state(gateway)["next_how"], desk.update()["stage"]) == ("trial", "waiting")
    assert desk.request(new, 6) == "replayed rollout"
    assert desk.request(new, 8, {"action": updates.HALT}) == "done"
    assert (state(gateway)["next_how"], desk.update()["last"]) == ("confirmed", "halted")
    assert desk.request(new, 7) == "replayed rollout"  # a halted one does not come back
    assert desk.request(new, 9) == "done"


@pytest.mark.share(1)
def test_a_trial_that_does_not_come_up_falls_back(gateway, releases):
    """The new root image is bad: each try ends in a reset by dm-verity."""
    desk = Desk(gateway)
    with open(gateway.instance.folder / "disk.img", "r+b") as disk:
        disk.seek(gateway.instance.root_offset("b") + 1024 + 4)
        disk.write(b"broken")
    assert desk.request(releases[NEXT], 1) == "done"
    seen = len(gateway.machine.text())
    gateway.reset()
    console = gateway.machine.text()[seen:]
    for left in (2, 1, 0):
        assert f"kapu: slot B: starting, on trial, {left} tries left" in console
    assert "kapu: slot B: its trial has failed; slot A is in use again" in console
    now, known = state(gateway), desk.update()
    assert (now["running"], now["next"], now["next_how"]) == ("A", "A", "confirmed")
    assert (known["stage"], known["last"], known["trials"]) == ("idle", "tries gone", "1")


@pytest.mark.share(6)
def test_a_trial_outlives_a_power_cut_and_a_try_is_counted(gateway, releases):
    assert Desk(gateway).request(releases[NEXT], 1) == "done"
    again = after_power_cycle(gateway)
    now = state(again)
    again.close()
    assert (now["running"], now["how"], now["tries"]) == ("B", "trial", "2")


@pytest.mark.share(4)
def test_an_update_whose_power_is_cut_is_completed(saved, releases, tmp_path):
    """When the request is accepted, when the trial starts, and while the confirmation raises the counter: a slice of
    tests/power_cuts.py (make powercut)."""
    plan = Plan({"request": Point(writes=2), "confirm": Point(writes=2)}, [Point(line="BL1: Booting BL2")])
    gateway = Gateway(saved, tmp_path / "gw", releases, Judge({}), plan)
    gateway.live()
    assert [step for step, _ in gateway.cuts] == ["request", "recovery", "confirm"]
    shutil.rmtree(gateway.machine.folder)


@pytest.mark.share(2)
def test_a_writer_whose_power_is_cut_fills_its_slot_all_the_same(saved, releases, tmp_path):
    """While it writes the flash of the other slot, in which another release was, and while it copies the one that was
    confirmed: a slice of tests/writer_cuts.py (make powercut)."""
    fetched = make_fetched(releases, tmp_path / "fetched")
    plan = Plan({"fetch": Point(flash=5), "copy": Point(flash=5)})
    with Server(fetched.server) as server:
        gateway = WritingGateway(saved, tmp_path / "gw", fetched, server, Judge({}), plan)
        gateway.live()
    assert gateway.cuts == [("fetch", "old"), ("copy", "new, confirmed")]
    assert "the next point is not reached" not in gateway.story
    assert gateway.rollout == 1  # nobody asked again
    shutil.rmtree(gateway.machine.folder)


def make_token(shell) -> None:
    shell.run(f"{TOKEN} --init-token --slot 0 --label kapu --so-pin 12345678")
    shell.run("sync")


def has_token(shell) -> bool:
    """That of make_token()."""
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


@pytest.mark.share(5)
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


@pytest.mark.share(1)
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


@pytest.mark.share(2)
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


@pytest.mark.share(3)
def test_linux_cannot_wear_out_the_tpm(gateway, releases):
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
    desk = Desk(gateway)
    with pytest.raises(AssertionError, match="too often"):
        desk.request(releases[NEXT], 1)
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
