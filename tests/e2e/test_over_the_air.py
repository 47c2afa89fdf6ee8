# SPDX-License-Identifier: Apache-2.0
"""An update over the air, as an operator makes it: `kapu update` on the host, a gateway in QEMU that fetches the next release
from a plain web server, and what is in its flash and on its disk afterwards. Answers of the secure world are in
test_slots.py, the writer's power cuts and bad servers in tests/unit, waves, halts and approvals in tests/operator.
"""

import json
import shutil
import time

import pytest

import snapshots
from kapu import load, updates
from kapu.build import SLOT_SIZE, Release
from kapu.instance import ROOT_PARTITION_MIB, SLOTS
from kapu.releases import Server
from kapu.report import update_report
from kapu.steps import Progress
from operated import Operated
from watched import LIGHT_CPU

BOOT_SECONDS = 900
COPY_SECONDS = 900
WRITER_MIB = 16  # that it may use
MIB = 1 << 20


class OverTheAir:
    """An operator with a server of releases, and a gateway."""

    def __init__(self, folder):
        self.folder, self.web = folder, folder / "web"
        self.web.mkdir()
        self.next = updates.next_release("gateway")
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

    def publish(self, release: Release, package=None, version: str | None = None) -> None:
        version = version or release.version
        made = updates.make_publishable(package or release.firmware.out / "firmware.fip", release.root.out / "root.img",
                                        version, "gateway", self.folder / version, level=3)
        self.must("update", "publish", made, "--to", self.web)

    def rollout(self, version: str) -> tuple[int, str]:
        done = self.operated.kapu("update", "rollout", version, "--all", timeout=3600)
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

    def slot(self, slot: str) -> tuple[bytes, bytes]:
        """Firmware slot and root partition, as they are in flash and on disk."""
        with open(self.instance.folder / "slots.img", "rb") as flash, open(self.instance.folder / "disk.img", "rb") as disk:
            flash.seek(SLOTS.index(slot) * SLOT_SIZE)
            disk.seek(self.instance.root_offset(slot))
            return flash.read(SLOT_SIZE), disk.read(ROOT_PARTITION_MIB * MIB)

    def has(self, slot: str, release: Release) -> bool:
        firmware, root = self.slot(slot)
        return (firmware.startswith((release.firmware.out / "firmware.fip").read_bytes())
                and root.startswith((release.root.out / "root.img").read_bytes()))

    def wait_until_slot_has(self, slot: str, release: Release) -> None:
        deadline = time.monotonic() + COPY_SECONDS * load.factor()
        while not self.has(slot, release):
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


def test_a_release_is_fetched_tried_approved_confirmed_and_copied_to_the_other_slot(air):
    """Byte for byte, hash tree included. What the gateway has is not fetched."""
    before = air.attested()
    air.must("reference", "add", air.next.reference.out / "reference.cbor")
    air.publish(air.next)
    assert not air.has("b", air.next)
    status, said = air.rollout(air.next.version)
    assert status == 0, said
    assert air.has("b", air.next)
    after = air.attested()
    print(json.dumps(before), json.dumps(after), said, json.dumps(air.status(air.next.version)))
    air.wait_until_slot_has("a", air.next)
