# SPDX-License-Identifier: Apache-2.0
"""Kind: messages do not name the cause; here of a disk that is full and a folder that is read-only. What only shows goes
on; what would change something says why it cannot, and has changed nothing; no part of a file is left.

A small file system in a namespace of its own, so no privileges are needed.
"""

import json
import shlex
import subprocess

import pytest

import edges
from kapu import tpm
from releases import Release
from simulated import Fleet
from test_edges_files import VECTORS

KIND = "messages: disk"
SHOW = {"fleet": (0, 1), "audit": (0,), "board list": (0,)}  # and their statuses
ELSEWHERE = {  # commands with a folder, or that write a file, of which no row is here
    "enroll": "opens the store as attest does, before it connects", "update rollout": "as update status",
    "update resume": "the same", "update halt": "the same", "update join": "the same", "update publish": "a web root",
    "reference show": "takes no folder", "inspect": "a picture of a machine's memory: tests/e2e/test_inspect.py",
    "release make": "as release keys; needs a whole release", "factory provision": "needs a TPM: tests/unit/test_factory.py",
    "factory upgrade": "the same", "release patch": "as release make", "release rebuild": "writes nothing",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("disk"))
    fleet.enrolled("one")
    assert fleet.kapu("attest", "one").returncode == 0
    fleet.record = fleet.record_file(fleet.gateway("two", record=False))
    fleet.reference = fleet.release_file(fleet.gateways[0], "9.9.9")
    fleet.board = next(row["board"] for row in fleet.kapu_json("board", "list")[1])
    fleet.end()
    yield fleet


def changes(fleet) -> dict[str, list]:
    """By command, the words that change the store."""
    return {"attest": ["one", "--timeout", "1"], "forget": ["one"], "board add": [fleet.record],
            "board remove": [fleet.board], "reference add": [fleet.reference], "reference remove": ["9.9.9", "gateway"],
            "update status": []}


def files(fleet) -> dict[str, list]:
    """By command, the words; OUT is the file, or the folder, that is written."""
    folder = fleet.folder / "given"
    folder.mkdir()
    board = folder / "board"
    board.mkdir()
    with pytest.MonkeyPatch.context() as patched:  # the program that the test has built
        patched.setattr(tpm, "operator_tool", lambda: fleet.kapu_program)
        tpm.provision(board, "01234567-89ab-cdef-0123-456789abcdef", "11" * 32)
    manifest = Release(folder / "release", "0.9.0", 9).folder / "manifest"
    public = fleet.operator.folder / "release-keys.pem"
    return {
        "release keys": ["--role", "release", "--threshold", "1", "--out", "OUT", public],
        "release rollout": ["--number", "1", "--group", "g", "--out", "OUT", manifest],
        "release membership": ["--number", "1", "--group", "g", "--gateway", "01" + "22" * 32, "--out", "OUT"],
        "release approve": ["--gateway", "01" + "22" * 32, "--boot", "33" * 32, "--out", "OUT", manifest],
        "factory record": ["--fuses", board / tpm.FUSES, "--record", "OUT", "--factory-key", tpm.keys.factory_key(),
                           "--platform", "x"],
        "evidence show": ["--extract", "OUT", VECTORS / "evidence/clean.message"],
    }


def run(folder, mount: str, lines: list[str]) -> list[dict]:
    """Each line of shell in an own mount namespace, where /mnt is a small disk with the operator's folder in /mnt/o."""
    script = f"set -u; mount -t tmpfs -o size=1500k tmpfs /mnt; cp -a {shlex.quote(str(folder))} /mnt/o; {mount}\n"
    for line in lines:
        script += f"{line}\n"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    return [json.loads(row) for row in done.stdout.splitlines()]


# Runs a command and tells what came of it, as a row of JSON.
TELL = """
import json, os, subprocess, sys
done = subprocess.run(sys.argv[2:], capture_output=True, text=True)
left = sorted(os.listdir("/mnt/out")) if os.path.isdir("/mnt/out") else os.path.exists("/mnt/out")
print(json.dumps({"name": sys.argv[1], "status": done.returncode, "out": done.stdout, "err": done.stderr, "left": left}))
"""


def told(fleet, name: str, words: list) -> str:
    command = [fleet.kapu_program, *name.split(), *words]
    return shlex.join(["/usr/bin/python3", "-c", TELL, name, *map(str, command)])


FULL = "dd if=/dev/zero of=/mnt/fill bs=1k 2>/dev/null; true"
READ_ONLY = "mount -o remount,ro /mnt"
ROOM = "rm /mnt/fill"


def test_each_command_is_known_here(world):
    with edges.Cases(f"{KIND}, places") as cases:
        usages = edges.usages(world.kapu_program)
        store = {name for name, usage in usages.items() if "--operator" in usage}
        known = set(SHOW) | set(changes(world)) | set(ELSEWHERE)
        cases.check(store <= known, f"with a folder: {store - known}")
        writes = {name for name, usage in usages.items() if any(word in usage for word in ("--out ", "--record FILE", "--extract",
                                                                                             "--picture"))}
        known = {"release keys", "release rollout", "release membership", "release approve", "factory record",
                 "evidence show", "factory show"} | set(ELSEWHERE)  # factory show reads its record
        cases.check(writes <= known, f"that write: {writes - known}")


@pytest.mark.parametrize("mount, why", [(READ_ONLY, "its folder is read-only"), (FULL, "the disk is full")],
                         ids=["read-only", "full"])
def test_a_store_that_cannot_be_written_is_shown_and_not_changed(world, mount, why):
    folder = ["--operator", "/mnt/o"]
    show = [told(world, name, folder) for name in SHOW]
    change = [told(world, name, words + folder) for name, words in changes(world).items()]
    mend = "mount -o remount,rw /mnt" if mount == READ_ONLY else ROOM
    rows = run(world.operator.folder, "true", [*show, mount, *show, *change, mend, *show,
                                               told(world, "reference add", [world.reference, *folder])])
    n, m = len(show), len(change)
    before, meanwhile, changed, after, control = rows[:n], rows[n:2 * n], rows[2 * n:2 * n + m], rows[2 * n + m:-1], rows[-1]
    with edges.Cases(f"{KIND}, {why}") as cases:
        for good, now, again in zip(before, meanwhile, after):
            cases.check(good["status"] in SHOW[good["name"]] and good["out"] and not good["err"], f"control: {good}")
            cases.check(now == good, f"{good['name']}: {now}")
            cases.check(again == good, f"afterwards: {again}")
        for row in changed:
            cases.check(row["status"] not in (0, 2) and why in row["err"] and "/mnt/o/kapu.db" in row["err"]
                        and not row["out"], f"{row}")
        cases.check(control["status"] == 0, f"control: {control}")


def test_changes_that_lie_beside_the_store_are_not_passed_over(world):
    """Without kapu.db-wal the file shows an older state: better none."""
    folder = ["--operator", "/mnt/o"]
    rows = run(world.operator.folder, "true", [
        "head -c 4152 /dev/urandom >/mnt/o/kapu.db-wal", READ_ONLY, told(world, "fleet", folder),
        "mount -o remount,rw /mnt; rm /mnt/o/kapu.db-wal", READ_ONLY, told(world, "fleet", folder)])
    with edges.Cases(f"{KIND}, beside") as cases:
        cases.check(rows[0]["status"] == 3 and "kapu.db-wal" in rows[0]["err"] and not rows[0]["out"], f"{rows[0]}")
        cases.check(rows[1]["status"] == 0 and "one" in rows[1]["out"], f"control: {rows[1]}")


def test_a_file_that_does_not_fit_is_not_left_in_part(world):
    given = {name: ["/mnt/out" if word == "OUT" else word for word in words] for name, words in files(world).items()}
    lines = []
    for name, words in given.items():
        lines += [FULL, told(world, name, words), "rm -rf /mnt/out /mnt/fill", told(world, name, words), "rm -rf /mnt/out"]
    rows = run(world.operator.folder, "true", lines)
    with edges.Cases(f"{KIND}, files") as cases:
        for full, good in zip(rows[::2], rows[1::2]):
            cases.check(full["status"] != 0 and "No space left" in full["err"] and "/mnt/out" in full["err"]
                        and not full["left"], f"{full}")
            cases.check(good["status"] in (0, 1) and good["left"], f"control: {good}")
