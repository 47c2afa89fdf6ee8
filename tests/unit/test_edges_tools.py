# SPDX-License-Identifier: Apache-2.0
"""Kinds: a destructive command does not ask the object that it destroys; signals; patience. Over all commands of tools/ and
of kapu, and over all limits of time.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest

import edges
import native
from kapu import ending, instance as instances, making, patience, qemu, steps, tpm
from kapu.errors import KapuError
from kapu.instance import Instance
from kapu.paths import ROOT
from kapu.processes import process_alive

TOOLS = ROOT / "tools"
BOARD = "01234567-89ab-cdef-0123-456789abcdef"
OTHER = "11234567-89ab-cdef-0123-456789abcdef"


# ---- what destroys, and what it asks ----

# Command and verb: what it destroys, what it asks before, where that is tried. None: it destroys nothing.
HERE = "tests/unit/test_edges_tools.py"
DESTROYS = {
    "kapu attest": None, "kapu audit": None, "kapu board list": None, "kapu factory ek": None, "kapu factory show": None,
    "kapu factory key": None, "kapu fleet": None, "kapu inspect": ("--picture: an older picture; the file", HERE),
    "kapu board add": ("an older record of the board; the store, and dates of both", "tests/operator/test_boards.py"),
    "kapu board remove": ("a record; the store, by its whole name", "tests/operator/test_boards.py"),
    "kapu enroll": ("the certificate of an enrolment before; the gateway itself proves who it is",
                    "tests/operator/test_attestation.py"),
    "kapu evidence show": ("--extract: nothing; a folder that is not empty stays", HERE),
    "kapu factory provision": ("keys of a TPM; TPM and files", HERE),
    "kapu factory upgrade": ("nothing of the TPM; its endorsement key, and the files", "tests/attacks/test_root_of_trust.py"),
    "kapu factory record": ("an older record of the same board; the file", HERE),
    "kapu forget": ("a gateway's records; the store, by a name that fits one", "tests/operator/test_attestation.py"),
    "kapu reference add": None, "kapu reference show": None,
    "kapu reference remove": ("a release; the store", "tests/operator/test_attestation.py"),
    "kapu release make": ("nothing; a folder that is there stays", "tests/unit/test_release_cli.py"),
    "kapu release keys": ("an unsigned file of the same kind; the file", "tests/unit/test_release_order.py"),
    "kapu release rollout": ("the same", "tests/unit/test_release_order.py"),
    "kapu release membership": ("the same", "tests/unit/test_release_order.py"),
    "kapu release approve": ("the same", "tests/unit/test_release_order.py"),
    "kapu release sign": ("nothing: a signature is added, under a lock", "tests/operator/test_edges_ends.py"),
    "kapu release show": None, "kapu release verify": None, "kapu release rebuild": None,
    "kapu release patch": ("an older patch from the same release, which it makes again", "tests/unit/test_release_cli.py"),
    "kapu update publish": ("nothing; a folder that is there stays, if it is another release it is refused",
                            "tests/operator/test_update.py"),
    "kapu update rollout": None, "kapu update resume": None, "kapu update join": None, "kapu update status": None,
    "kapu update halt": ("a trial; on purpose, at any time, and resume goes on", "tests/operator/test_update.py"),
    "gateway create": ("nothing; a board that is there stays", HERE),
    "gateway run": None, "gateway start": None, "gateway console": None, "gateway status": None, "gateway tpm": None,
    "gateway stop": ("what is in memory; on purpose", "tests/e2e/test_boot.py"),
    "gateway reset": ("the same", "tests/e2e/test_boot.py"),
    "gateway flash": ("both slots; whether any process has the board, the files of the build, and its TPM, which "
                      "names a release", "tests/unit/test_factory.py"),
    "gateway factory": ("keys of a TPM; as kapu factory, and whether any process has the board", HERE),
    "gateway destroy": ("a board; whether any process has it", HERE),
    "broker create": ("nothing; a folder that is there stays", HERE),
    "broker start": None, "broker status": None, "broker stop": None,
    "releases start": None, "releases stop": None, "releases status": None, "releases serve": None,
    "clean": ("build/; processes that run out of it", HERE),
}
# Tools without verbs: what they make is below build/ and made anew.
WITHOUT_VERBS = {"bench", "bench-update", "bench-verifier", "build", "clean", "demo", "detection-matrix", "fetch", "fuzz",
                 "hardening-report", "lint", "packages", "powercut", "qcbor", "repro", "rootimage.py", "test", "tpm-report",
                 "trust-report", "vulnerabilities"}


def kapu() -> Path:
    return native.programs("operator/kapu/kapu")[0]


def tool(*words, **more) -> subprocess.CompletedProcess:
    return subprocess.run([TOOLS / words[0], *words[1:]], capture_output=True, text=True, check=False, cwd=ROOT, **more)


def verbs(name: str) -> list[str]:
    said = tool(name, "--help").stdout
    return re.search(r"\{([a-z,]+)\}", said)[1].split(",")


def test_each_command_is_known_here_with_what_it_asks_before_it_destroys():
    with edges.Cases("destructive: places") as cases:
        programs = {path.name for path in TOOLS.iterdir() if path.is_file() and os.access(path, os.X_OK)}
        with_verbs = programs - WITHOUT_VERBS
        found = {f"kapu {name}" for name in edges.usages(kapu())} | {
            f"{name} {verb}" for name in with_verbs for verb in verbs(name)} | {"clean"}
        cases.check(found == set(DESTROYS), f"{found ^ set(DESTROYS)}")
        for name, row in DESTROYS.items():
            cases.check(row is None or (ROOT / row[1]).exists(), f"{name}: {row}")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tpm, "operator_tool", kapu)
    return tmp_path


def provision(station: Path, *words, board: str = BOARD, at: Path | None = None) -> subprocess.CompletedProcess:
    """`at`: the folder of the TPM, if it is not the same."""
    with tpm.served(at or station) as path:
        return subprocess.run([kapu(), "factory", "provision", "--tpm", path, "--fuses", station / tpm.FUSES, "--id", board,
                               "--root-key-hash", "11" * 32, *map(str, tpm.record_options(station)), *words],
                              capture_output=True, text=True, check=False)


def kept(station: Path) -> dict:
    return {path.name: path.read_bytes() for path in station.iterdir() if path.is_file() and "swtpm" not in path.name}


def test_provisioning_asks_the_tpm_and_the_files(folder):
    """What is refused has changed nothing: TPM and files still belong together, and nothing was left."""
    a, b, none = folder / "a", folder / "b", folder / "none"
    for station in (a, b, none):
        station.mkdir()
    with edges.Cases("destructive: factory") as cases:
        for station, board in ((a, BOARD), (b, OTHER)):
            done = provision(station, board=board)
            cases.check(done.returncode == 0, f"control: {done}")
        before = kept(a), kept(b)

        def refused(what, told, done) -> None:
            whole = all(json.loads(tpm.show(station, True))["record"]["fits"] for station in (a, b))
            cases.check(done.returncode == 1 and told in done.stderr and (kept(a), kept(b)) == before and whole, f"{what}: {done}")
        refused("again", "is provisioned already", provision(a))
        refused("another path of the fuses", "this TPM is provisioned already", provision(none, at=a))
        refused("another TPM", "not the one of the board", provision(a, "--again", at=b))
        refused("another board", f"is the record of board {BOARD}", provision(a, "--again", board=OTHER))
        (none / "key").write_text("a private key")
        refused("fuses that are none", "is not replaced", provision(a, "--again", "--fuses", none / "key"))
        refused("a record that is none", "is not a board record", provision(a, "--again", "--record", none / "key"))
        refused("a record of another board", f"the record of board {OTHER}", provision(a, "--again", "--record", b / tpm.RECORD))
        refused("a record nowhere", "No such file", provision(a, "--again", "--record", none / "no" / "record"))
        refused("fuses nowhere", "No such file", provision(a, "--again", "--fuses", none / "no" / "fuses"))
        refused("a key that is none", "the factory key", provision(a, "--again", "--factory-key", none / "key"))
        cases.check(kept(none) == {"key": b"a private key"}, f"{kept(none)}")
        done = provision(a, "--again")
        cases.check(done.returncode == 0 and kept(a) != before[0] and json.loads(tpm.show(a, True))["record"]["fits"],
                    f"control: {done}")
        for words in (("--record", b / tpm.RECORD), ("--record", none / "key")):
            done = subprocess.run([kapu(), "factory", "record", "--fuses", a / tpm.FUSES, *map(str, tpm.record_options(a)), *words],
                                  capture_output=True, text=True, check=False)
            cases.check(done.returncode == 1 and "is there already" in done.stderr and kept(b) == before[1], f"{done}")


def test_a_picture_does_not_replace_what_is_none(folder):
    """The memory that is looked at, for example."""
    with edges.Cases("destructive: picture") as cases:
        for name in ("kernel.profile", "allow.list", "dump"):
            (folder / name).write_bytes(b"x" * 4096)
        (folder / "old.svg").write_text('<svg xmlns="x">')
        for name, told in (("dump", "is not a picture"), ("old.svg", "profile"), ("new.svg", "profile")):
            done = subprocess.run([kapu(), "inspect", "--release", folder, "--picture", folder / name, folder / "dump"],
                                  capture_output=True, text=True, check=False)
            cases.check(done.returncode == 2 and told in done.stderr, f"{name}: {done}")
        cases.check((folder / "dump").read_bytes() == b"x" * 4096, "the memory is as it was")


def test_a_folder_that_is_not_empty_is_not_extracted_into(folder):
    with edges.Cases("destructive: extract") as cases:
        message = ROOT / "tests" / "vectors" / "evidence" / "clean.message"
        (folder / "notes").mkdir()
        (folder / "notes" / "log.bin").write_text("mine")
        for name, status in (("notes", 0), ("parts", 1)):
            done = subprocess.run([kapu(), "evidence", "show", "--extract", folder / name, message], capture_output=True,
                                  text=True, check=False)
            good = "not empty" in done.stderr if name == "notes" else not done.stderr
            cases.check(good and (folder / "parts").exists() == bool(status), f"{done}")
        cases.check([path.name for path in (folder / "notes").iterdir()] == ["log.bin"], "it was left alone")
        cases.check(not list(folder.glob("*.kapu-new")), "nothing is left")


@pytest.fixture
def board(tmp_path, monkeypatch):
    """A board of small files, as a folder of a gateway."""
    monkeypatch.setattr(instances, "INSTANCES", tmp_path)
    release = tmp_path / "release"
    release.mkdir()
    for name, size in (("rom.img", 1000), ("firmware.fip", 2000), ("root.img", 3000)):
        (release / name).write_bytes(name[:1].encode() * size)
    monkeypatch.setattr(instances, "release_folder", lambda flavour: release)
    folder = tmp_path / "edge"
    folder.mkdir()
    (folder / "instance.json").write_text(json.dumps({"id": BOARD, "mac": "52:54:00:00:00:00", "flavour": "gateway",
                                                      "cores": 2, "cpu": "max"}))
    (folder / tpm.FUSES).write_bytes(b"f" * 182)
    instances.make_disk(folder / "disk.img", instances.uuid.UUID(BOARD))
    made = Instance(folder)
    made.write_release()
    made.release = release
    return made


def digest(board: Instance) -> dict:
    return {path.name: steps.digest_file(path) for path in board.folder.iterdir() if path.is_file()}


def test_a_board_that_any_process_has_is_neither_flashed_nor_destroyed(board):
    """A file with a process number may be lost: the images and the TPM are asked."""
    with edges.Cases("destructive: board") as cases:
        before = digest(board)
        (board.folder / "tpm").mkdir()
        (board.folder / "tpm" / ".lock").touch()
        for name in ("slots.img", "disk.img", "tpm/.lock"):
            with subprocess.Popen([sys.executable, "-c", "import fcntl, struct, sys\nf = open(sys.argv[1], 'r+b')\n"
                                   "fcntl.fcntl(f, 37, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 100, 1, 0))\nprint(1, flush=True)\n"
                                   "sys.stdin.read()", board.folder / name], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE) as holder:
                holder.stdout.readline()
                with pytest.raises(KapuError, match="another command uses it"):
                    board.off()
                holder.stdin.close()
            cases.check(board.off() is board, f"{name}, control")
        cases.check(digest(board) == before, "unchanged")


def test_what_does_not_fit_is_found_out_before_anything_is_written(board):
    with edges.Cases("destructive: flash") as cases:
        before = digest(board)
        for name, limit in (("rom.img", tpm.FUSES_OFFSET), ("firmware.fip", instances.SLOT_SIZE), ("root.img", 128 << 20)):
            path, good = board.release / name, (board.release / name).read_bytes()
            for change in ("missing", "too large"):
                path.unlink()
                if change == "too large":
                    instances.sparse_file(path, limit + 1)
                with pytest.raises(KapuError, match=name):
                    board.write_release()
                cases.check(digest(board) == before, f"{name} {change}: unchanged")
                path.touch()
            path.write_bytes(good)
        (board.release / "firmware.fip").write_bytes(b"another")
        board.write_release()
        cases.check(digest(board) != before and not list(board.folder.glob("*.kapu-new")), "control")


def test_a_board_is_there_or_not(board, tmp_path):
    with edges.Cases("destructive: names") as cases:
        for name in ("../edge", "", "EDGE", "no-such"):
            done = tool("gateway", "destroy", name)
            cases.check(done.returncode == 1 and ("is no name" in done.stderr or "no gateway in" in done.stderr), f"{done}")
        done = tool("gateway", "factory", "edge", "--again", "--upgrade")
        cases.check(done.returncode == 2 and "not allowed with" in done.stderr, f"{done}")
        with pytest.raises(KapuError, match="exists already"), making.new_folder(board.folder):
            pass
        with pytest.raises(KeyError), making.new_folder(tmp_path / "new"):
            raise KeyError
        with pytest.raises(KapuError, match="in the meantime"), making.new_folder(tmp_path / "new"):
            (tmp_path / "new").mkdir()
            (tmp_path / "new" / "x").touch()
        (tmp_path / ".gone.kapu.999999999").mkdir()
        others = {".backup.2024", ".gone.999999999", "gone.kapu.999999999", ".gone.kapu.x", "edge.new"}  # of somebody else
        for name in others:
            (tmp_path / name).mkdir()
        board.destroy()
        found = {path.name for path in tmp_path.iterdir()}
        cases.check(found == {"new", "release"} | others, f"{found}")
        operator = tmp_path / "operator"
        operator.mkdir()
        done = tool("broker", "--operator", operator, "create")
        cases.check(done.returncode == 1 and "exists already" in done.stderr and not list(operator.iterdir()), f"{done}")


def test_clean_leaves_what_runs(tmp_path):
    with edges.Cases("destructive: clean") as cases:
        (tmp_path / "tools").mkdir()
        shutil.copy(TOOLS / "clean", tmp_path / "tools")
        for name in ("gateways/x/qemu.pid", "operator/brokers/main/pid", "releases/.server/pid"):
            path = tmp_path / "build" / name
            path.parent.mkdir(parents=True)
            path.write_text(str(os.getpid()))
            done = subprocess.run([tmp_path / "tools" / "clean"], capture_output=True, text=True, check=False)
            cases.check(done.returncode == 1 and "running" in done.stderr and path.exists(), f"{done}")
            path.write_text("999999999")
        done = subprocess.run([tmp_path / "tools" / "clean"], capture_output=True, text=True, check=False)
        cases.check(done.returncode == 0 and not (tmp_path / "build").exists(), f"control: {done}")


# ---- how a tool ends ----

# Every Python tool ends by run_main, so what is true of one is true of all; shell scripts have their traps.
PROGRAM = """
import subprocess, sys, time
sys.path.insert(0, {tools!r})
from pathlib import Path
from kapu.errors import run_main
from kapu.making import new_file, new_folder
def main():
    with new_folder(Path({folder!r}) / "made") as made, new_file(Path({folder!r}) / "file") as file:
        (made / "part").touch()
        file.touch()
        child = subprocess.Popen(["sleep", "600"])
        other = subprocess.Popen(["sleep", "600"], start_new_session=True)
        print(child.pid, other.pid, flush=True)
        child.wait()
        other.wait()
run_main(main)
"""


def test_each_python_tool_ends_by_the_one_way():
    with edges.Cases("ends: tools") as cases:
        for path in sorted(TOOLS.iterdir()):
            if path.is_file() and path.read_bytes().startswith(b"#!/usr/bin/python3"):
                text = path.read_text()
                cases.check("run_main(main" in text or path.name == "rootimage.py", path.name)
            elif path.is_file() and b"mktemp" in path.read_bytes():
                cases.check("trap " in path.read_text(), path.name)
        # rootimage.py is run by a step, in a folder that is thrown away with the step


@pytest.mark.parametrize("number", [*ending.SIGNALS, signal.SIGKILL])
def test_a_tool_that_is_ended_leaves_nothing(tmp_path, number):
    program = tmp_path / "program"
    program.write_text(PROGRAM.format(tools=str(TOOLS), folder=str(tmp_path)))
    with edges.Cases(f"ends: tool, {number.name}") as cases:
        with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            child, other = map(int, running.stdout.readline().split())
            running.send_signal(number)
            running.wait(60)
        left = sorted(path.name for path in tmp_path.iterdir() if path.name != "program")
        if number == signal.SIGKILL:
            os.kill(child, signal.SIGKILL)
            cases.check(len(left) == 2, f"control: {left}")
            with making.new_folder(tmp_path / "next"), making.new_file(tmp_path / "file"):
                (tmp_path / "file.kapu-new").touch()
            left = [path.name for path in tmp_path.iterdir() if "." in path.name]
        cases.check(running.returncode == -number and left == [], f"{running.returncode} {left}")
        end = time.monotonic() + 20
        while process_alive(child) and time.monotonic() < end:
            time.sleep(0.01)
        cases.check(not process_alive(child), "the child")
        cases.check(Path(f"/proc/{other}").exists(), "what has a session of its own goes on")
        os.kill(other, signal.SIGKILL)


def test_a_reader_that_goes_away_is_no_traceback():
    with edges.Cases("ends: pipe") as cases:
        done = subprocess.run(["sh", "-c", f"{TOOLS}/gateway status | true; {TOOLS}/gateway --help | true"],
                              capture_output=True, text=True, check=False)
        cases.check("Traceback" not in done.stderr, done.stderr)
        cases.check(tool("gateway", "status").returncode == 0, "control")


# ---- patience ----

# Limits of time in our tools and units, and why none of them ends what only is slow.
WAITS = {
    ("tools/kapu/qemu.py", "START_SECONDS"): "progress", ("tools/kapu/qemu.py", "STILL_SECONDS"): "progress",
    ("tools/kapu/broker.py", "START_SECONDS"): "progress", ("tools/kapu/releases.py", "START_SECONDS"): "progress",
    ("tools/kapu/releases.py", "IDLE_SECONDS"): "a client that does nothing; it connects again",
    ("tools/kapu/ending.py", "GOODBYE_SECONDS"): "after a signal; then they are ended",
    ("tools/kapu/ending.py", "TELL_SECONDS"): "tells", ("tools/kapu/steps.py", "PROGRESS_SECONDS"): "tells",
    ("tools/kapu/schedule.py", "PROGRESS_SECONDS"): "tells",
    ("tools/kapu/allow.py", "GRACE_SECONDS"): "values of a policy",
    ("tools/demo", "BOOT_SECONDS"): "30 times what it takes", ("tools/demo", "VERDICT_SECONDS"): "20 times what it takes",
    ("tools/test", "FUZZ_SECONDS"): "work", ("tools/test", "FUZZ_SECONDS_ALL"): "work",
    ("system.conf", "DefaultTimeoutStartSec"): 600, ("system.conf", "DefaultDeviceTimeoutSec"): 600,
    ("system.conf", "DefaultTimeoutStopSec"): "then it is killed, and the reset goes on",
    ("emergency.service", "TimeoutStartSec"): 120,
}
UNITS = {"s": 1, "min": 60, "": 1}


def test_each_limit_of_time_is_known_here():
    found = set()
    for path in [*TOOLS.iterdir(), *(TOOLS / "kapu").glob("*.py")]:
        if path.is_file():
            found |= {(str(path.relative_to(ROOT)), name) for name in re.findall(
                r"^([A-Z_]*(?:SECONDS|TIMEOUT|PATIENCE)[A-Z_]*) = ", path.read_text(), re.MULTILINE)}
    limits = {}
    for path in (ROOT / "gateway" / "rootfs" / "files").rglob("*"):
        if path.is_file() and "systemd" in path.parts:
            for name, number, unit in re.findall(r"^(\w*Timeout\w*Sec)=(\d+)(\w*)", path.read_text(), re.MULTILINE):
                limits[path.name, name] = int(number) * UNITS[unit]
    with edges.Cases("patience: places") as cases:
        cases.check(found | set(limits) == set(WAITS), f"{(found | set(limits)) ^ set(WAITS)}")
        for place, seconds in limits.items():
            cases.check(isinstance(WAITS[place], str) or seconds >= WAITS[place], f"{place}: {seconds}")


def test_a_gateway_is_waited_for_as_long_as_a_console_moves(tmp_path, monkeypatch):
    """And no longer; and what was seen last is said."""
    monkeypatch.setattr(qemu, "STILL_SECONDS", 1.0)
    machine = qemu.Machine(tmp_path)
    monkeypatch.setattr(machine, "pid", lambda: 1)

    def write(*lines, path=machine.console, pause=0.25):
        def work():
            for line in lines:
                time.sleep(pause)
                with open(path, "a") as to:
                    to.write(line + "\n")
        path.unlink(missing_ok=True)
        writer = threading.Thread(target=work)
        writer.start()
        return writer
    with edges.Cases("patience: consoles") as cases:
        began = time.monotonic()
        writers = [write(*map(str, range(6)), path=machine.secure_console), write("a", "KAPU-STATUS ok", pause=0.8)]
        cases.check(machine.wait_up().group(0) == "KAPU-STATUS ok", "it moves")
        cases.check(time.monotonic() - began > 1.2, "longer than the limit")
        for writer in writers:
            writer.join()
        for lines, told in ((("one", "two"), "have said nothing for 1 s. It said last:\n  | one\n  | two"),
                            (["NOTICE:  BL1: v2"] * 20, "has started")):
            writer = write(*lines, pause=0.01)
            with pytest.raises(KapuError) as error:
                machine.wait_up()
            cases.check(told in str(error.value), str(error.value))
            writer.join()
        monkeypatch.setattr(machine, "pid", lambda: None)
        with pytest.raises(KapuError, match="QEMU has ended"):
            machine.wait_up()


def test_a_process_is_waited_for_as_long_as_it_works():
    with edges.Cases("patience: processes") as cases:
        for code, works in (("while True: pass", True), ("import time; time.sleep(60)", False)):
            with subprocess.Popen([sys.executable, "-c", code]) as process:
                time.sleep(0.3)  # the interpreter itself has started
                waiting, over = patience.of_process(process.pid, 0.9), False
                end = time.monotonic() + 1.8
                while time.monotonic() < end:
                    over = over or waiting.over()
                    time.sleep(0.02)
                process.kill()
            cases.check(over != works, code)


def test_a_step_that_takes_long_says_that_it_goes_on(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(steps, "PROGRESS_SECONDS", 0.05)
    step = types.SimpleNamespace(name="kernel", log_path="build/log/kernel.log")
    with edges.Cases("patience: steps") as cases:
        with steps.going_on(step, steps.Progress()):
            time.sleep(0.3)
        lines = capfd.readouterr().out.splitlines()
        cases.check(len(lines) >= 2 and all(re.fullmatch(r"  kernel +building +\d\.\d s  \(log: build/log/kernel.log\)", line)
                                            for line in lines), f"{lines}")
        cases.check("going_on(self, say)" in (TOOLS / "kapu" / "steps.py").read_text(), "it is called")


def test_a_tool_that_says_nothing_for_long_says_that_it_goes_on(tmp_path):
    code = ("import sys, time\nsys.path.insert(0, sys.argv[1])\nfrom kapu import ending\nending.TELL_SECONDS = 0.2\n"
            "from kapu.errors import run_main\n"
            "def main():\n    for i in range(int(sys.argv[2])):\n        time.sleep(float(sys.argv[3]))\n        print(i, flush=True)\n"
            "run_main(main)")
    with edges.Cases("patience: tools") as cases:
        for words, told in ((("1", "0.7"), True), (("14", "0.05"), False)):
            done = subprocess.run([sys.executable, "-c", code, TOOLS, *words], capture_output=True, text=True, check=False)
            cases.check(done.returncode == 0 and ("goes on" in done.stderr) == told and "goes on" not in done.stdout, f"{done}")
