# SPDX-License-Identifier: Apache-2.0
"""Kind: long-running commands notice changes of what they depend on, or the manual says that they do not. One row for each
file of the operator's folder, so that a new one cannot be missing, tried with a watch that runs.
"""

import json
import queue
import re
import shutil
import sqlite3
import threading

import pytest

import edges
from kapu.paths import ROOT
from simulated import Fleet

KIND = "changes"
SECONDS = 30
AT_START = ("operator.conf", "nonce.key", "ca.pem", "kapu.pem", "kapu.key")  # kapu(1) says that a new start is needed
NOT_USED = {  # by a watch
    "ca.key": "kapu enroll", "ek-cas.pem": "kapu enroll", "factory-keys.pem": "kapu board add", "release-keys.pem":
    "kapu reference add", "payload-keys": "kapu update", "update.lock": "a lock", "labels.lock": "a lock",
}


class Watch:
    """kapu attest --watch, and what it says."""

    def __init__(self, fleet):
        self.process = fleet.start_kapu("attest", "pump", "--watch", "1", "--json", "--timeout", "5")
        self.lines: queue.Queue = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def wait(self, verdict: str, part: str = "") -> dict:
        """The next answer but one is for a question that was asked after now."""
        while True:
            line = self.lines.get(timeout=SECONDS)
            if line["verdict"] == verdict and part in json.dumps(line):
                return line


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path)
    made.pump = made.enrolled("pump")
    yield made
    made.end()


def test_each_file_is_in_one_row(fleet):
    noticed = {"policy", "labels", "kapu.db"}  # below
    assert noticed | set(AT_START) | set(NOT_USED) == edges.files_of_the_folder()
    manual = re.sub(r"\\fB|\\fR|\\fI|\\", "", (ROOT / "docs/man/kapu.1").read_text())
    said = manual[manual.index("Commands that go on"):]
    for name in AT_START:
        assert name in said, name


def test_a_watch_notices_what_changes(fleet):
    folder = fleet.operator.folder
    watch = Watch(fleet)
    with edges.Cases(f"{KIND}: attest --watch") as cases:
        cases.check(bool(watch.wait("trusted")), "control")
        (folder / "policy").write_text("flavours lab\n")
        cases.check(bool(watch.wait("not trusted", "flavour")), "policy")
        (folder / "policy").unlink()
        cases.check(bool(watch.wait("trusted")), "policy is gone")
        name = fleet.pump.name
        (folder / "labels").write_text(f"{name} tank\n")
        cases.check(watch.wait("trusted", '"tank"')["label"] == "tank", "labels")
        assert fleet.kapu("board", "remove", fleet.pump.facts["board"]).returncode == 0
        cases.check(bool(watch.wait("not trusted", "board record")), "board record")
        fleet.know_board(fleet.pump)
        cases.check(bool(watch.wait("trusted")), "board record is back")
        assert fleet.kapu("reference", "remove", "0.5.0", "gateway").returncode == 0
        cases.check(bool(watch.wait("not trusted")), "reference values")
        fleet.know_release(fleet.pump)
        cases.check(bool(watch.wait("trusted")), "reference values are back")
        assert fleet.kapu("forget", name).returncode == 0
        cases.check(bool(watch.wait("no answer", "the gateway was removed")), "forget")
        assert fleet.kapu("enroll", name, "--timeout", "30").returncode == 0
        cases.check(bool(watch.wait("trusted")), "enrolled again")
        (folder / "policy").write_text("flavours\n")  # which is no policy: it ends, and says so
        cases.check(watch.process.wait(SECONDS) == 3, "policy that is none")
        said = watch.process.stderr.read()
        cases.check(str(folder / "policy") in said and "line 1" in said, said)


@pytest.mark.share(4)
def test_what_is_read_at_the_start_stays(fleet):
    """A watch goes on with what it has read; the next start reads it again."""
    folder = fleet.operator.folder
    watch = Watch(fleet)
    with edges.Cases(f"{KIND}: at the start") as cases:
        for name in AT_START:
            cases.check(bool(watch.wait("trusted")), f"control: {name}")
            shutil.move(folder / name, folder / "moved")
            while not watch.lines.empty():
                watch.lines.get()
            for _ in range(2):
                cases.check(bool(watch.wait("trusted")), name)
            done = fleet.kapu("attest", "pump")
            cases.check(done.returncode == 3 and name in done.stderr, f"{name}: {done}")
            shutil.move(folder / "moved", folder / name)
        with sqlite3.connect(folder / "kapu.db") as db:
            cases.check(db.execute("SELECT count(*) FROM result").fetchone()[0] > len(AT_START), "it recorded what it judged")
        watch.process.terminate()
        cases.check(watch.process.wait(SECONDS) == 0, "ended")
