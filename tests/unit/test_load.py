# SPDX-License-Identifier: Apache-2.0
"""KAPU_TEST_LOAD: busy processes that are there during the block, and gone after it."""

import pytest

from kapu.errors import KapuError
from kapu.load import Load
from kapu.schedule import cores_of_host


def test_three_busy_processes_for_each_core_and_none_is_left(monkeypatch):
    monkeypatch.setenv("KAPU_TEST_LOAD", "4")
    with Load.wanted() as load:
        assert len(load.processes) == 3 * cores_of_host()
        assert all(process.poll() is None for process in load.processes)
    assert all(process.poll() is not None for process in load.processes)


def test_without_it_there_is_no_load(monkeypatch):
    monkeypatch.delenv("KAPU_TEST_LOAD", raising=False)
    with Load.wanted() as load:
        assert load.processes == []


@pytest.mark.parametrize("text", ["0", "17", "four", "-1", ""])
def test_a_wrong_load_is_refused(monkeypatch, text):
    monkeypatch.setenv("KAPU_TEST_LOAD", text)
    with pytest.raises(KapuError, match="KAPU_TEST_LOAD"):
        Load.wanted()
