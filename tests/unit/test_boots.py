# SPDX-License-Identifier: Apache-2.0
"""Each power-on and reset is written down for tools/test, and how long it took until the gateway was ready."""

import json
import subprocess
import sys

import pytest

from kapu.processes import processor_seconds
from kapu.qemu import Machine


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "boots.jsonl"
    monkeypatch.setenv("KAPU_BOOTS_LOG", str(path))
    return lambda: [json.loads(line) for line in path.read_text().splitlines()]


def test_a_boot_ends_with_the_first_word_that_it_is_ready(tmp_path, log):
    machine = Machine(tmp_path)
    (tmp_path / "disk.img").touch()
    machine.console.write_text("BL1: Booting BL2\nKAPU-STATUS ok\n")
    machine._begins("start")
    machine.wait_for("BL1: Booting BL2", 1)
    assert [event["event"] for event in log()] == ["start"]
    for _ in range(2):
        machine.wait_for("^KAPU-STATUS ok", 1)
    start, ready = log()
    assert (start["event"], ready["event"]) == ("start", "ready")
    assert start["kind"] == ready["kind"] == "gateway" and 0 <= ready["seconds"] < 60
    machine._begins("reset")
    machine.is_ready()
    assert [event["event"] for event in log()[2:]] == ["reset", "ready"]


@pytest.mark.parametrize("kind", ["board", "lab"])
def test_what_was_switched_on_is_told(tmp_path, log, kind):
    Machine(tmp_path, share=tmp_path if kind == "lab" else None)._begins("start")
    event, = log()
    assert (event["event"], event["kind"]) == ("start", kind)
    assert event["test"].startswith("test_boots.py::test_what_was_switched_on_is_told")


def test_nothing_is_written_when_nobody_asked(tmp_path, monkeypatch):
    monkeypatch.delenv("KAPU_BOOTS_LOG", raising=False)
    Machine(tmp_path)._begins("start")
    assert not list(tmp_path.iterdir())


def test_what_it_took_of_the_processor_is_told_when_it_is_switched_off(tmp_path, log):
    machine = Machine(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "while True: pass", str(tmp_path)]) as process:
        (tmp_path / "qemu.pid").write_text(str(process.pid))
        while processor_seconds(process.pid) < 0.2:
            assert process.poll() is None
        machine.stop()
    event, = log()
    assert event["event"] == "off" and event["processor"] >= 0.2
