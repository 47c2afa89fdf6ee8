# SPDX-License-Identifier: Apache-2.0
"""Fixtures shared by all tests that are driven by pytest."""

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]

from board import Board, Firmware  # noqa: E402
from kapu.instance import Instance  # noqa: E402


@pytest.fixture(scope="session")
def firmware() -> Firmware:
    return Firmware()


@pytest.fixture
def board(firmware, tmp_path):
    """A fresh board with the release in both slots."""
    made = Board(tmp_path / "board", firmware.rom, firmware.package)
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
