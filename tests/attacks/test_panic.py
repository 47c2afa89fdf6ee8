# SPDX-License-Identifier: Apache-2.0
"""A panic of the secure world, on any core, in any context and with locks held, resets the board and is
remembered. OP-TEE here is the release's with panic.patch, by which Linux' memory says when and how it comes to
grief.
"""

import re
import shutil
import struct

import pytest

import snapshots
from kapu import build
from kapu.errors import KapuError
from kapu.paths import ROOT
from kapu.qemu import CORES
from kapu.steps import Progress
from monitored import AGAIN, RESET, Monitor
from shares import share
from watched import LIGHT_CPU, RAM_BASE, ship, watched_instance

BOOT_SECONDS = 900
RESET_SECONDS = 60
ASKED = 0x44000000  # of panic.patch: the device tree of the running kernel, which is in use no more
MAGIC = 0x6b617474
TICK, CALL = 0, 1   # in the interrupt of the secure timer; in a thread, called by the monitor TA
SAID = re.compile(r"kapu: it said: (.*)$")

NOT_SAID = ("within-a-panic", "exception-vectors", "bl31")  # at once; only remembered

# how: what it is, and what is remembered
KINDS = {
    "panic": (0, r"panic of OP-TEE on core {core} at 0x[0-9a-f]+: attack: panic"),
    "data-abort": (1, r"core {core} .*data abort of the core at address 0x10,"),
    "prefetch-abort": (2, r"core {core} .*prefetch abort of the core at address 0x10,"),
    "undefined": (3, r"core {core} .*undef abort of the core"),
    "lock-held": (4, r"core {core} .*: attack: lock held"),
    "within-a-panic": (5, r"core {core} .*: attack: within a panic"),
    "exception-vectors": (6, r"panic in OP-TEE, which could not say more: ESR 0x96"),
    "stack": (7, r"core {core} at 0x[0-9a-f]+: no reason given"),
    "bl31": (8, r"panic in BL31: ESR 0x"),
}


def saved_gateway(folder, firmware, *patches):
    """One that has come up, with these patches of its secure world."""
    step = build.optee_variant(firmware.release, "optee-" + "-".join(p.stem for p in patches), *patches)
    step.build(Progress())
    instance = watched_instance(folder / "gw", cpu=LIGHT_CPU)
    ship(instance, firmware.make(folder / "package", images={"optee": step.out / "optee.bin"}), "ab")
    instance.machine.start()
    snapshots.come_up(instance.machine, "gateway")
    snapshots.save(instance, folder / "saved")
    shutil.rmtree(instance.folder)
    return folder / "saved"


class Panicking:
    """A copy of it, which goes on."""

    def __init__(self, saved, folder):
        self.instance = snapshots.restored(saved, folder / "gw")
        self.machine = self.instance.machine
        self.monitor = Monitor(self.machine)
        self.monitor.skip()
        self.machine.start()

    def ask(self, context: int, core: int, how: int) -> None:
        with open(self.machine.ram, "r+b") as ram:
            ram.seek(ASKED - RAM_BASE)
            ram.write(struct.pack("<IIII", MAGIC, context, core, how))

    def come_up(self) -> None:
        """Wait until the gateway has told what it has to tell, and makes deep checks."""
        self.machine.wait_for("^KAPU-STATUS ok", BOOT_SECONDS, start=self.begin)
        self.monitor.next_check(BOOT_SECONDS)

    @property
    def begin(self) -> int:
        """Where the last boot starts in the console's text."""
        return max(self.machine.text().rfind("BL1: "), 0)

    def destroy(self) -> None:
        self.machine.stop()
        shutil.rmtree(self.instance.folder)


@pytest.fixture(scope="module")
def saved(firmware, tmp_path_factory):
    folder = tmp_path_factory.mktemp("panic")
    yield saved_gateway(folder, firmware, ROOT / "tests/attacks/panic.patch")
    shutil.rmtree(folder)


@pytest.fixture
def gateway(saved, tmp_path):
    made = Panicking(saved, tmp_path)
    yield made
    made.destroy()


def comes_back(gateway, kind: str, context: int, core: int | str) -> None:
    how, remembered = KINDS[kind]
    gateway.ask(context, core if context == TICK else 0, how)
    if kind not in NOT_SAID:
        said = gateway.monitor.wait(RESET, BOOT_SECONDS)[1]
        assert re.search(remembered.format(core=core), said)
    gateway.monitor.wait(AGAIN, BOOT_SECONDS)
    assert re.search(remembered.format(core=core), gateway.monitor.wait(SAID, BOOT_SECONDS)[1])


@pytest.mark.parametrize("core", share(range(CORES)))
def test_a_panic_on_any_core_resets_the_gateway_and_is_remembered(gateway, core):
    comes_back(gateway, "panic", TICK, core)


@pytest.mark.share(6)
def test_a_panic_in_a_call_resets_the_gateway_and_is_remembered(gateway):
    """On whatever core Linux has the monitor TA called. All of the gateway comes up again."""
    comes_back(gateway, "panic", CALL, r"\d")
    gateway.come_up()


@pytest.mark.parametrize("kind", share([kind for kind in KINDS if kind != "panic"]))
def test_whatever_stops_the_secure_world_resets_the_gateway_and_is_remembered(gateway, kind):
    comes_back(gateway, kind, TICK, CORES - 1)


@pytest.mark.share(1)
def test_without_our_panic_handler_the_gateway_freezes(firmware, tmp_path):
    """What the tests above see reset. With a lock held the other core cannot help either."""
    frozen = Panicking(saved_gateway(tmp_path / "patched", firmware, ROOT / "tests/attacks/panic.patch",
                                     ROOT / "tests/attacks/no-panic-reset.patch"), tmp_path)
    try:
        frozen.ask(TICK, CORES - 1, KINDS["lock-held"][0])
        with pytest.raises(KapuError, match="did not appear"):
            frozen.monitor.wait(RESET, RESET_SECONDS)
    finally:
        frozen.destroy()
