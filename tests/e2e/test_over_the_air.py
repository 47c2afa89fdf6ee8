# SPDX-License-Identifier: Apache-2.0
"""An update over the air, as an operator makes it: `kapu update` on the host, a lab gateway in QEMU that fetches the release
from a plain web server, and what is in its flash and on its disk afterwards. Refusals and answers of the secure world are in
test_slots.py, the writer's power cuts and bad servers in tests/unit, waves and halts in tests/operator.
"""

import json
import shutil
import time

import pytest

import snapshots
import updates
from kapu import load
from kapu.instance import ROOT_PARTITION_MIB, SLOTS
from kapu.build import SLOT_SIZE
from kapu.paths import BUILD
from kapu.releases import Server
from kapu.updates import make_publishable
from lab_updates import NEXT, NOW, make_releases, reference_of, save_gateway, state
from operated import Operated
from shell import Shell

ROOT_IMAGE = BUILD / "lab" / "root.img"
COPY_SECONDS = 600
MIB = 1 << 20


class OverTheAir:
    """An operator with a server of releases, and a lab gateway that runs NOW and has nothing in its other slot."""

    def __init__(self, folder, releases, saved):
        self.releases, self.web = releases, folder / "web"
        self.web.mkdir()
        self.instance = snapshots.restored(saved, folder / "gw")
        self.operated = Operated(folder / "op", "lab")
        self.operated.know_board(self.instance.folder)
        reference_of(releases[NEXT], folder / "next.cbor")
        self.must("reference", "add", folder / "next.cbor")
        for counter, version in ((NOW, "0.1.0"), (NEXT, "0.2.0")):
            made = make_publishable(releases[counter].package, ROOT_IMAGE, version, "lab", folder / version, level=3)
            self.must("update", "publish", made, "--to", self.web, "--folder", f"lab-{version}")
        self.server = Server(self.web).__enter__()
        self.instance.machine.forwards = self.operated.operator.forwards() + self.server.forward()
        self.instance.machine.start()
        self.shell = Shell(self.instance.machine)
        self.must("enroll", "--name", "first", "--interval", "3600", "--timeout", "600")

    def must(self, *words) -> str:
        done = self.operated.kapu(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def slot(self, slot: str) -> tuple[bytes, bytes]:
        """Firmware slot and root partition, as they are in flash and on disk."""
        at = SLOTS.index(slot.lower())
        with open(self.instance.folder / "slots.img", "rb") as flash, open(self.instance.folder / "disk.img", "rb") as disk:
            flash.seek(at * SLOT_SIZE)
            disk.seek(self.instance.root_offset(slot.lower()))
            return flash.read(SLOT_SIZE), disk.read(ROOT_PARTITION_MIB * MIB)

    def has(self, slot: str, release: updates.Release) -> bool:
        firmware, root = self.slot(slot)
        return firmware.startswith(release.package.read_bytes()) and root.startswith(ROOT_IMAGE.read_bytes())

    def status(self) -> dict:
        return json.loads(self.must("update", "status", "--json"))

    def close(self) -> None:
        self.shell.close()
        self.instance.machine.stop()
        self.server.__exit__()
        self.operated.close()
        shutil.rmtree(self.instance.folder)


@pytest.fixture(scope="module")
def air(tmp_path_factory):
    folder = tmp_path_factory.mktemp("air")
    releases = make_releases(folder / "packages")
    saved = save_gateway(folder / "saved", releases, other=None)
    made = OverTheAir(folder, releases, saved)
    yield made
    made.close()


def test_a_release_is_rolled_out_tried_approved_and_confirmed_and_then_both_slots_have_it(air):
    new = air.releases[NEXT]
    assert not air.has("b", new)
    old_slot = air.slot("a")
    rolled = air.operated.kapu("update", "rollout", "0.2.0", "--gateway", "first")
    assert rolled.returncode == 0, rolled.stdout + rolled.stderr
    now = state(air.shell)
    assert (now["running"], now["next"], now["next_how"], now["counter"]) == ("B", "B", "confirmed", str(NEXT))
    assert air.has("b", new)
    status, verdict = air.operated.attest("first")
    assert status == 0 and verdict["ear"]["submods"]
    deadline = time.monotonic() + COPY_SECONDS * load.factor()
    while not air.has("a", new) and time.monotonic() < deadline:
        time.sleep(1)
    assert air.has("a", new) and not old_slot[0].startswith(new.package.read_bytes())
