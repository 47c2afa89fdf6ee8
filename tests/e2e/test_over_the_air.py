# SPDX-License-Identifier: Apache-2.0
"""An update over the air, as an operator makes it: `kapu update` on the host, a gateway in QEMU that fetches the next release
from a plain web server, encrypted, and what is in its flash and on its disk afterwards. Answers of the secure world are in
test_slots.py, the writer's power cuts and bad servers in tests/unit, waves, halts and approvals in tests/operator.
"""

import json
import re
import shutil
import threading
import time

import pytest

import slots
import snapshots
from kapu import load, updates
from kapu.build import Release, release
from kapu.releases import Server
from kapu.report import update_report
from kapu.steps import Progress
from operated import Operated
from watched import LIGHT_CPU

BOOT_SECONDS = 900
COPY_SECONDS = 900
WRITER_MIB = 16  # that it may use
START = "BL1: Booting BL2"
NOTHING = {"last": "none", "count": 0, "kinds": []}


class OverTheAir:
    """An operator with a server of releases, and a gateway."""

    def __init__(self, folder):
        self.folder, self.web = folder, folder / "web"
        self.web.mkdir()
        self.now, self.next = release("gateway"), updates.next_release("gateway")
        self.next.build(Progress())
        self.instance = snapshots.running(folder / "gw", "gateway", LIGHT_CPU)
        self.machine = self.instance.machine
        self.operated = Operated(folder / "op", "gateway")
        self.operated.know_board(self.instance.folder)
        self.server = Server(self.web).__enter__()
        self.machine.forwards = self.operated.operator.forwards() + self.server.forward()
        self.machine.start()
        self.must("enroll", "--name", "first", "--interval", "3600", "--timeout", "600", timeout=900)

    def must(self, *words, **options) -> str:
        done = self.operated.kapu(*words, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def publish(self, of: Release, package=None, version: str | None = None, before: Release | None = None) -> None:
        version = version or of.version
        made = updates.make_publishable(package or of.firmware.out / "firmware.fip", of.root.out / "root.img",
                                        version, "gateway", self.folder / version, level=3, before=before,
                                        encrypt=True)
        self.must("update", "publish", made, "--to", self.web)

    def rollout(self, version: str, *to: str) -> tuple[int, str]:
        done = self.operated.kapu("update", "rollout", version, *(to or ("--all",)), timeout=3600)
        return done.returncode, done.stdout + done.stderr

    def status(self, version: str) -> dict:
        return json.loads(self.must("update", "status", version, "--json"))

    def attested(self) -> dict:
        """What the verifier says of it, asked until it has dialled in."""
        deadline = time.monotonic() + BOOT_SECONDS * load.factor()
        while True:
            status, result = self.operated.attest("first")
            if status != 3 or time.monotonic() > deadline:
                assert status == 0, result
                return result

    def fetched(self, name: str) -> int:
        """Bytes of files with such a name that were asked for and given, as the server saw it."""
        spans = [re.fullmatch(r"bytes=(\d+)-(\d+)", asked) for _, path, asked, status in self.server.requests
                 if status == 206 and re.fullmatch(name, path.rpartition("/")[2])]
        return sum(int(span[2]) - int(span[1]) + 1 for span in spans)

    def has(self, slot: str, of: Release) -> bool:
        return slots.holds(self.instance, slot, of.firmware.out / "firmware.fip", of.root.out / "root.img")

    def wait_until_slot_has(self, slot: str, of: Release) -> None:
        deadline = time.monotonic() + COPY_SECONDS * load.factor()
        while not self.has(slot, of):
            assert time.monotonic() < deadline, f"slot {slot} does not get the release"
            time.sleep(0.5)

    def close(self) -> None:
        self.machine.stop()
        self.server.__exit__()
        self.operated.close()
        shutil.rmtree(self.instance.folder)


@pytest.fixture(scope="module")
def air(tmp_path_factory):
    made = OverTheAir(tmp_path_factory.mktemp("air"))
    yield made
    made.close()


class ResetSeen(threading.Thread):
    """When the gateway starts once more, as its console shows it."""

    def __init__(self, machine):
        super().__init__(daemon=True)
        self.machine, self.starts, self.at, self.over = machine, machine.text().count(START), None, threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.wait(0.1):
            if self.machine.text().count(START) > self.starts:
                self.at = time.monotonic()
                return

    def after(self, moment: float) -> float:
        self.over.set()
        self.join()
        return self.at - moment


def gateway_of(status: list) -> dict:
    """The one gateway of the last rollout."""
    (gateway,) = status[-1]["gateways"]
    return gateway


def claims(verdict: dict) -> dict:
    (module,) = verdict["ear"]["submods"].values()
    return module["ear_verifier_claims"]


def test_a_release_is_fetched_tried_approved_confirmed_and_copied_to_the_other_slot(air):
    """Byte for byte, hash tree included. What the gateway has is not fetched."""
    before = claims(air.attested())
    assert before["kapu_last_update"] == "none"
    air.must("reference", "add", air.next.reference.out / "reference.cbor")
    air.publish(air.next)
    assert not air.has("b", air.next)
    assert "joined the group" in air.must("update", "join", "coast", "--all")
    reset = ResetSeen(air.machine)
    status, said = air.rollout(air.next.version, "--group", "coast")
    assert status == 0, said
    to_reset = reset.after(air.server.last_request)
    assert air.has("b", air.next)
    after = claims(air.attested())
    assert after["kapu_version"] == air.next.version and after["kapu_last_update"] == "confirmed"
    assert (before["kapu_security_counter"], after["kapu_security_counter"]) == (air.now.counter, air.next.counter)
    assert after["kapu_boot_name"] != before["kapu_boot_name"] and after["kapu_alarms"] == 0
    assert after["kapu_refused_updates"] == after["kapu_told_by_linux"] == NOTHING
    gateway = gateway_of(air.status(air.next.version))
    assert gateway["state"] == "confirmed" and gateway["blocks"] == gateway["of"] > 0
    payload = (air.web / f"gateway-{air.next.version}" / "payload").stat().st_size
    assert 0 < air.fetched("payload") < payload / 4
    air.wait_until_slot_has("a", air.next)
    asked = gateway_of(json.loads(air.must("update", "status", air.next.version, "--ask", "--json")))["now"]
    assert asked["group"] == "coast"  # after the restart: the TPM has it
    assert 0 < asked["memory_kib"] < WRITER_MIB * 1024
    assert not any(path.suffix == ".pem" or path.name == "key" for path in air.web.rglob("*"))
    update_report("update", writer_mib=round(asked["memory_kib"] / 1024, 1), last_byte_to_reset_s=round(to_reset, 1))


def test_the_release_before_is_refused_as_a_rollback_and_nothing_is_fetched(air):
    air.publish(air.now)
    asked = len(air.server.requests)
    status, said = air.rollout(air.now.version)
    assert status == 1 and "rollback" in said, said
    gateway = gateway_of(air.status(air.now.version))
    assert (gateway["state"], gateway["answer"]) == ("refused", "rollback")
    assert len(air.server.requests) == asked
    verdict = air.attested()
    now = claims(verdict)
    assert now["kapu_version"] == air.next.version
    refused, told = now["kapu_refused_updates"], now["kapu_told_by_linux"]
    assert (refused["last"], refused["kinds"]) == ("rollback", ["rollback"]) and refused["count"] > 0
    assert told == NOTHING and verdict["verdict"] == "trusted with warnings"
    assert any("refused that look like an attack: rollback" in reason["text"] for reason in now["kapu_reasons"])


@pytest.mark.share(4)
def test_a_release_that_does_not_come_up_goes_back_by_itself_and_says_why(air):
    """It was fetched as a patch of the release that runs. The other slot, which it was written into, gets that one again."""
    version = updates.next_version(2)
    air.publish(air.next, updates.package_that_does_not_come_up(air.next, air.folder / "mistake"), version, air.next)
    asked_of_payload = air.fetched("payload")
    air.must("reference", "add", air.folder / "mistake" / "reference.cbor")
    status, said = air.rollout(version)
    assert status == 1 and "halted" in said, said
    assert air.fetched("patch-[0-9a-f]{32}") > 0 and air.fetched("payload") == asked_of_payload
    gateway = gateway_of(air.status(version))
    assert gateway["state"] == "failed" and "tries gone" in json.dumps(gateway), gateway
    now = claims(air.attested())
    assert now["kapu_version"] == air.next.version and now["kapu_last_update"] == "tries gone"
    assert now["kapu_security_counter"] == air.next.counter
    air.wait_until_slot_has("a", air.next)
