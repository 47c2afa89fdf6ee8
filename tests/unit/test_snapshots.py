# SPDX-License-Identifier: Apache-2.0
"""Saved gateways that several stages of a test run use at the same time."""

import json
import subprocess
from pathlib import Path

import snapshots

CONTENT = b"a state\n" * 1000


def incoming_command(words: list[str]) -> str:
    """What QEMU's shell will run."""
    scheme, command = words[words.index("-incoming") + 1].split(":", 1)
    assert scheme == "exec"
    return command


def test_a_gateway_goes_on_when_the_saved_one_is_gone(tmp_path):
    """QEMU 7.2 hangs at start if the state file is missing."""
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


def test_stages_with_one_core_and_with_two_leave_each_others_gateways_alone(tmp_path, monkeypatch):
    """Each that asks for a kind may remove what it does not know of that kind; nothing else."""
    monkeypatch.setattr(snapshots, "FOLDER", tmp_path / "snapshots")
    monkeypatch.setattr(snapshots, "of_release", lambda *of: "-".join(map(str, of)))
    made = []
    monkeypatch.setattr(snapshots, "watched_instance", lambda folder, flavour, **options: made.append(options) or FakeOne(folder))
    monkeypatch.setattr(snapshots, "come_up", lambda *_: None)
    monkeypatch.setattr(snapshots, "save", lambda one, to: to.mkdir())
    monkeypatch.setattr(snapshots, "restored", lambda saved, folder: saved)
    first = [snapshots.running(tmp_path / "gw", "lab", cores=cores) for cores in (1, 2)]
    again = [snapshots.running(tmp_path / "gw", "lab", cores=cores) for cores in (1, 2)]
    assert first == again and len(set(first)) == 2 and all(path.exists() for path in first)
    assert [one["cores"] for one in made] == [1, 2]  # each once


class FakeOne:
    """Of a gateway: what is called when one is made."""

    def __init__(self, folder: Path):
        folder.mkdir()
        self.folder = folder
        self.machine = self

    def start(self, **_) -> None:
        pass

    def stop(self) -> None:
        pass
