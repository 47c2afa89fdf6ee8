# SPDX-License-Identifier: Apache-2.0
"""Fixtures shared by all tests that are driven by pytest."""

import os
import shutil
import signal
import sys
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]

from board import Board, Firmware  # noqa: E402
from kapu import tpm  # noqa: E402
from kapu.broker import BROKERS, Operator  # noqa: E402
from kapu.instance import Instance  # noqa: E402
from kapu.qemu import Machine  # noqa: E402
import shares  # noqa: E402


# A shell lets what it starts in the background ignore these, and programs that tests start would inherit that.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


class Running:
    """What this process has switched on and not off. A fixture that fails half-way has no end of its own, and a
    machine that it leaves would slow all that comes after it."""

    def __init__(self):
        self.stops: dict[object, object] = {}
        for kind, stop in ((Machine, Machine.stop),
                           (Operator, lambda operator: [operator.stop(broker) for broker in BROKERS])):
            self._watch(kind, stop)

    def _watch(self, kind, stop) -> None:
        start = kind.start

        def started(thing, *words, **options):
            self.stops[thing] = stop
            return start(thing, *words, **options)
        kind.start = started

    def stop_all_but(self, these) -> None:
        for thing in [thing for thing in self.stops if thing not in these]:
            self.stops.pop(thing)(thing)


RUNNING = Running()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Leave out the tests of other shares, and note them down for tools/trust-report."""
    left = [item for item in items if not shares.takes(item.get_closest_marker("share"))]
    for cases in shares.of_functions(item for item in items if item.get_closest_marker("dealt")):
        left += set(cases) - set(shares.share(cases))
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
    note = os.environ.get("KAPU_LEFT_OUT")
    if note:
        Path(note).write_text("".join(f"{name}\n" for name in sorted(functions(left) - functions(items))))


def functions(items) -> set[str]:
    """FILE::TEST of each, below tests/."""
    return {item.nodeid.partition("/")[2].split("[")[0] for item in items}


@pytest.hookimpl(hookwrapper=True)
def pytest_fixture_setup():
    before = list(RUNNING.stops)
    outcome = yield
    if outcome.excinfo is not None:
        RUNNING.stop_all_but(before)


@pytest.fixture(scope="session")
def firmware() -> Firmware:
    return Firmware()


@pytest.fixture(scope="session")
def factory(firmware, tmp_path_factory) -> Path:
    """A TPM and the record of its board, provisioned for the release; boards are made from copies."""
    folder = tmp_path_factory.mktemp("factory")
    with tpm.served(folder) as socket:  # a TPM with a past: its new counters do not start at 1
        steps = ["tpm2_startup -c", "tpm2_nvdefine -C o 0x01800000 -s 8 -a "
                 "'ownerwrite|ownerread|nt=counter'", *["tpm2_nvincrement -C o 0x01800000"] * 10,
                 "tpm2_nvundefine -C o 0x01800000"]
        tpm.run(["env", f"TPM2TOOLS_TCTI=swtpm:path={socket}", "sh", "-c", " && ".join(steps)],
                "tpm2-tools")
    tpm.provision(folder, str(uuid.uuid4()),
                  (firmware.release.tfa.out / "root-key.sha256").read_text().strip())
    return folder


@pytest.fixture
def board(firmware, factory, tmp_path):
    """A fresh board with the release in both slots."""
    made = Board(tmp_path / "board", firmware.rom, firmware.package, factory)
    yield made
    made.destroy()


@pytest.fixture
def make_instance(tmp_path):
    """Make gateways that are switched off and deleted when the test ends."""
    made = []

    def make(flavour: str = "gateway", **options) -> Instance:
        made.append(Instance.create(tmp_path / f"gw{len(made)}", flavour, **options))
        return made[-1]

    yield make
    for instance in made:
        instance.machine.stop()
        shutil.rmtree(instance.folder)
