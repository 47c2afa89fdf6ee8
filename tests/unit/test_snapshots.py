# SPDX-License-Identifier: Apache-2.0
"""Saved gateways that several stages of a test run use at the same time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import snapshots
from kapu.paths import host_environment

CONTENT = b"a state\n" * 1000


def incoming_command(words: list[str]) -> str:
    """What QEMU's shell will run."""
    scheme, command = words[words.index("-incoming") + 1].split(":", 1)
    assert scheme == "exec"
    return command


def test_a_gateway_goes_on_when_the_saved_one_is_gone(tmp_path):
    """QEMU 7.2 waits for ever when there is no state to read."""
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / snapshots.STATE).write_bytes(CONTENT)
    (saved / "instance.json").write_text(json.dumps({"flavour": "gateway", "mac": "52:54:00:6b:61:70", "cores": 1,
                                                    "cpu": "max"}))
    made = snapshots.restored(saved, tmp_path / "gw")
    (saved / snapshots.STATE).unlink()
    command = incoming_command(made.machine.arguments(reboot=True))
    assert subprocess.run(command, shell=True, check=True, capture_output=True).stdout == CONTENT
    made.machine.incoming.close()


def kind_with_cores(cores: str) -> str:
    program = "import snapshots; print(snapshots.kind_of('lab', 'cortex-a57'))"
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True,
                          env=host_environment() | {"KAPU_TEST_CORES": cores,
                                                    "PYTHONPATH": os.pathsep.join(sys.path)}).stdout


def test_stages_with_one_core_and_with_two_leave_each_others_gateways_alone():
    assert len({kind_with_cores("1"), kind_with_cores("2")}) == 2
    assert kind_with_cores("1") == kind_with_cores("1")
