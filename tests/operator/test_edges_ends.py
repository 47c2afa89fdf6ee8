# SPDX-License-Identifier: Apache-2.0
"""Kind: signals and concurrent runs. However a command ends, a gateway that it looks at runs, and no file is there in part;
of two runs at a time both work, or one says why not.

Every command is in a table here. Those that write are ended at each call that changes something on a disk
(tests/support/signal_at.c), by one signal after the other.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import edges
import native
from kapu import tpm
from kapu.keys import make_key
from kapu.paths import ROOT
from releases import Release
from simulated import Fleet

KIND = "ends"
VECTORS = ROOT / "tests" / "vectors"
BOARD = "01234567-89ab-cdef-0123-456789abcdef"
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGPIPE, signal.SIGQUIT)
# Commands that write, and are ended here; and those that only read.
READ = {"attest": "store: tests/operator/test_crashes.py", "audit": "", "board list": "", "enroll": "store: test_crashes.py",
        "factory ek": "", "factory show": "", "factory key": "", "fleet": "", "reference show": "", "release show": "",
        "release verify": "", "release rebuild": "", "update status": ""}
ELSEWHERE = {"release make": "tests/unit/test_release_cli.py", "release patch": "its files are made as those of release make",
             "inspect": "below; --picture: as evidence show --extract",
             "update rollout": "tests/operator/test_update.py kills drivers", "update resume": "the same",
             "update halt": "the same", "update join": "store: as update publish",
             "factory upgrade": "writes as factory provision does"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("ends"))
    fleet.library, fleet.lasting = native.programs("tests/support/libsignal_at.so", "tests/support/liblasting.so")
    fleet.good = fleet.enrolled("good")
    fleet.good.end()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tpm, "operator_tool", lambda: fleet.kapu_program)
        yield fleet
    fleet.end()


class Command:
    """A command that writes: what it starts from, and what is right after it."""

    def __init__(self, words, prepare, whole):
        self.words, self.prepare, self.whole = [str(word) for word in words], prepare, whole

    def run(self, fleet, at: int = 0, number: int = signal.SIGTERM, count=None) -> subprocess.CompletedProcess:
        more = {"LD_PRELOAD": str(fleet.library), "KAPU_SIGNAL": str(int(number)), "KAPU_SIGNAL_AT": str(at)}
        if count:
            more["KAPU_SIGNAL_COUNT"] = str(count)
        # a session of its own: SIGINT is not ignored, as it is for jobs of a shell in the background
        return subprocess.run([fleet.kapu_program, *self.words], env=os.environ | more, capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL)


def files(folder) -> dict:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def out_of(folder, words, *inputs):
    """A command with an output file, for which there is an unsigned one of the same kind already."""
    out = folder / "out"

    def whole(_):
        return subprocess.run([native.FOLDER / "operator/kapu/kapu", "release", "show", out], capture_output=True,
                              check=False).returncode == 0
    return Command([*words, "--out", out, *inputs], lambda: None, whole)


def in_store(fleet, folder, words, before=(), shown=("fleet", "--json")):
    """A command that changes the store of an operator, of which each run gets a copy."""
    copy = folder / "operator"

    def prepare():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(fleet.operator.folder, copy, ignore=shutil.ignore_patterns("brokers"))
        for one in before:
            subprocess.run([fleet.kapu_program, *one, "--operator", copy], check=True, capture_output=True)

    def whole(done):
        told = subprocess.run([fleet.kapu_program, *shown, "--operator", copy], capture_output=True, text=True, check=False)
        json.loads(told.stdout)
        again = subprocess.run([fleet.kapu_program, *words, "--operator", copy], capture_output=True, text=True, check=False)
        return not told.stderr and (again.returncode == 0 or done.returncode == 0 or "there are no" in again.stderr or "there is no" in again.stderr)
    return Command([*words, "--operator", copy], prepare, whole)


def commands(fleet, called: str = "work") -> dict[str, Command]:
    folder = fleet.folder / called
    folder.mkdir()
    places = {}

    def place(name):
        places[name] = folder / name.replace(" ", "-")
        places[name].mkdir()
        return places[name]
    key, other = folder / "key.pem", folder / "other.pem"
    make_key(key)
    make_key(other)
    release = Release(folder / "release", "0.9.0", 9)
    manifest = release.folder / "manifest"
    ueid = "01" + "22" * 32
    signed = place("release sign") / "manifest"
    record, reference = fleet.record_file(fleet.good), fleet.release_file(fleet.good)
    extracted = place("evidence show") / "parts"
    station = place("factory record")
    tpm.provision(station, BOARD, "11" * 32)
    factory = ["--factory-key", tpm.keys.factory_key(), "--platform", "x"]
    web = place("update publish")
    board = fleet.good.facts["board"]

    def published(_):
        name = web / "web" / "gateway-0.9.0"
        return not name.exists() or all((name / part).read_bytes() == (release.folder / part).read_bytes()
                                        for part in ("manifest", "index", "payload"))

    def fresh_web():
        shutil.rmtree(web / "web", ignore_errors=True)
        (web / "web").mkdir()
        publish.prepare_store()
    made = {
        "release keys": out_of(place("release keys"), ("release", "keys", "--role", "release", "--threshold", 1), key),
        "release rollout": out_of(place("release rollout"), ("release", "rollout", "--number", 1, "--group", "g"), manifest),
        "release membership": out_of(place("release membership"), ("release", "membership", "--number", 1, "--group", "g",
                                                                   "--gateway", ueid)),
        "release approve": out_of(place("release approve"), ("release", "approve", "--gateway", ueid, "--boot", "33" * 32),
                                  manifest),
        "release sign": Command(("release", "sign", "--key", key, signed), lambda: shutil.copy(manifest, signed),
                                lambda _: subprocess.run([fleet.kapu_program, "release", "show", signed], check=False,
                                                         capture_output=True).returncode == 0),
        "evidence show": Command(("evidence", "show", "--ak", VECTORS / "evidence" / "ak.key", "--extract", extracted,
                                  VECTORS / "evidence" / "clean.message"),
                                 lambda: shutil.rmtree(extracted, ignore_errors=True),
                                 lambda _: not extracted.exists() or len(list(extracted.iterdir())) == 6),
        "factory record": Command(("factory", "record", "--fuses", station / tpm.FUSES, "--record", station / tpm.RECORD,
                                   *factory), lambda: None,
                                  lambda _: json.loads(tpm.show(station, True))["record"]["fits"]),
        "board add": in_store(fleet, place("board add"), ("board", "add", record), [("board", "remove", board)],
                              ("board", "list", "--json")),
        "board remove": in_store(fleet, place("board remove"), ("board", "remove", board), (), ("board", "list", "--json")),
        "reference add": in_store(fleet, place("reference add"), ("reference", "add", reference)),
        "reference remove": in_store(fleet, place("reference remove"), ("reference", "remove", "0.5.0", "gateway")),
        "forget": in_store(fleet, place("forget"), ("forget", fleet.good.name)),
        "update publish": in_store(fleet, web, ("update", "publish", release.folder, "--to", web / "web"), (),
                                   ("update", "status", "--json")),
    }
    publish = made["update publish"]
    publish.prepare_store, publish.whole_store = publish.prepare, publish.whole
    publish.prepare, publish.whole = fresh_web, lambda done: published(done) and publish.whole_store(done)
    return {name: (command, places[name]) for name, command in made.items()}


def moments(calls: int) -> list[int]:
    """The first and the last calls, and some between: a store has many, and is its database's to keep whole."""
    return sorted({*range(1, min(calls, 3) + 1), *range(3, calls + 1, 11), *range(max(1, calls - 2), calls + 1)})


def left_over(folder, number) -> set[str]:
    """Files in part. SIGKILL may leave them, until the next run."""
    return {name for name in files(folder) if re.search(r"\.kapu-new", name)} | {
        path.name for path in folder.rglob("*.kapu-new")} if number != signal.SIGKILL else set()


@pytest.mark.share(3)
def test_a_command_that_is_ended_at_any_moment_leaves_no_file_in_part(world):
    with edges.Cases(f"{KIND}: moments") as cases:
        table = commands(world)
        known = set(table) | set(READ) | set(ELSEWHERE) | {"factory provision"}
        found = set(edges.usages(world.kapu_program))
        cases.check(found == known, f"commands: {found ^ known}")
        turn = 0
        for name, (command, folder) in table.items():
            command.prepare()
            count = folder.parent / "count"
            done = command.run(world, count=count)
            cases.check(done.returncode == 0 and command.whole(done) and not left_over(folder, 0), f"{name}, control: {done}")
            for at in moments(int(count.read_text())):
                number, turn = SIGNALS[turn % len(SIGNALS)], turn + 1
                command.prepare()
                done = command.run(world, at, number)
                good = done.returncode == -number and not left_over(folder, number) and command.whole(done)
                if number == signal.SIGKILL:  # the next run finds and replaces what it left
                    command.prepare()
                    done = command.run(world)
                    good = good and done.returncode == 0 and not left_over(folder, 0)
                cases.check(good, f"{name}, {number.name} at {at}: {done} {left_over(folder, number)}")


# Commands that rename nothing: they write to the store only.
NO_NAME = {"board add", "board remove", "reference add", "reference remove", "forget"}


def test_a_file_that_a_command_says_is_there_outlives_a_power_cut(world):
    """The file is synced before the rename, and its folder after it."""
    with edges.Cases(f"{KIND}: power cuts") as cases:
        for name, (command, folder) in commands(world, "lasting").items():
            told = folder.parent / "told"
            told.unlink(missing_ok=True)
            command.prepare()
            done = subprocess.run([world.kapu_program, *command.words], capture_output=True, text=True, check=False,
                                  env=os.environ | {"LD_PRELOAD": str(world.lasting), "KAPU_LASTING": str(told)})
            said = told.read_text().splitlines() if told.exists() else []
            cases.check(done.returncode == 0 and all(line.endswith(": lasting") for line in said) and
                        bool(said) == (name not in NO_NAME), f"{name}: {done} {said}")


def test_provisioning_that_is_ended_at_any_moment_is_repeated(world, tmp_path):
    """A TPM that was cleared needs --again only when all of it was done."""
    folder = tmp_path / "board"
    folder.mkdir()
    key = ["--factory-key", tpm.keys.factory_key(), "--platform", "x"]

    def command(socket):
        return Command(("factory", "provision", "--tpm", socket, "--fuses", folder / tpm.FUSES, "--id", BOARD,
                        "--root-key-hash", "11" * 32, "--record", folder / tpm.RECORD, *key, "--again"), None, None)
    with edges.Cases(f"{KIND}: provisioning") as cases:
        with tpm.served(folder) as path:
            done = command(path).run(world, count=tmp_path / "count")
        cases.check(done.returncode == 0, f"control: {done}")
        calls = int((tmp_path / "count").read_text())
        for at in (2, calls // 2, calls - 3, calls - 2, calls - 1, calls):
            number = SIGNALS[at % len(SIGNALS)]
            with tpm.served(folder) as path:
                done = command(path).run(world, at, number)
            cases.check(done.returncode == -number and not left_over(folder, number), f"{number.name} at {at}: {done}")
            with tpm.served(folder) as path:
                done = command(path).run(world)
            cases.check(done.returncode == 0 and json.loads(tpm.show(folder, True))["record"]["fits"] and
                        not left_over(folder, 0), f"after {number.name} at {at}: {done}")


def test_two_that_write_the_same_file_do_not_spoil_it(world, tmp_path):
    """One of them says why it does not write; the control is the run after it."""
    make_key(tmp_path / "key")
    words = ["release", "keys", "--role", "release", "--threshold", "1", "--out", str(tmp_path / "set"), str(tmp_path / "key")]
    parts = tmp_path / "parts"
    show = ["evidence", "show", "--extract", str(parts), str(VECTORS / "evidence" / "clean.message")]
    web = tmp_path / "web"
    web.mkdir()
    release = Release(tmp_path / "release", "0.8.0", 8)
    publish = ["update", "publish", str(release.folder), "--to", str(web), "--operator", str(world.operator.folder)]
    with edges.Cases(f"{KIND}: at once") as cases:
        for command, held in ((words, tmp_path / "set.kapu-new"), (show, tmp_path / "parts.kapu-new"), (publish, web)):
            if command is show:
                held.mkdir()
            opened = os.open(held, os.O_RDONLY | (0 if held.is_dir() else os.O_CREAT), 0o600)
            fcntl.flock(opened, fcntl.LOCK_EX)
            done = subprocess.run([world.kapu_program, *command], capture_output=True, text=True, check=False)
            cases.check(done.returncode in (1, 2) and "another process of kapu is writing it now" in done.stderr and
                        str(held.name).removesuffix(".kapu-new") in done.stderr, f"{command}: {done}")
            os.close(opened)
            done = subprocess.run([world.kapu_program, *command], capture_output=True, text=True, check=False)
            cases.check(done.returncode == 0, f"{command}, control: {done}")


def test_files_of_somebody_else_beside_an_output_stay(world, tmp_path):
    """What is being made has a name that only kapu gives."""
    make_key(tmp_path / "key")
    mine = [tmp_path / "set.new", tmp_path / "parts.new" / "mine"]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    commands = (["release", "keys", "--role", "release", "--threshold", "1", "--out", tmp_path / "set", tmp_path / "key"],
                ["evidence", "show", "--extract", tmp_path / "parts", VECTORS / "evidence" / "clean.message"])
    with edges.Cases(f"{KIND}: beside") as cases:
        for command in commands:
            done = subprocess.run([world.kapu_program, *command], capture_output=True, text=True, check=False)
            cases.check(done.returncode == 0, f"{done}")
        for path in mine:
            cases.check(path.read_text() == "mine", f"{path}")


def test_no_signature_is_lost_when_several_sign_at_once(world, tmp_path):
    manifest = Release(tmp_path / "release", "0.9.0", 9, signers=()).folder / "manifest"
    keys = [tmp_path / f"key{n}" for n in range(4)]
    for key in keys:
        make_key(key)
    with edges.Cases(f"{KIND}: signatures") as cases:
        running = [subprocess.Popen([world.kapu_program, "release", "sign", "--key", key, manifest], stderr=subprocess.PIPE,
                                    stdout=subprocess.DEVNULL, text=True) for key in keys]
        told = [process.communicate()[1] for process in running]
        good = sum(process.returncode == 0 for process in running)
        shown = json.loads(subprocess.run([world.kapu_program, "release", "show", "--json", manifest], check=True,
                                          capture_output=True, text=True).stdout)
        cases.check(good >= 1 and len(shown[0]["signed_by"]) == good, f"{good} signed: {shown}")
        cases.check(all("is writing it now" in text for text, process in zip(told, running) if process.returncode), f"{told}")


# ---- a gateway that is looked at ----

class Qemu:
    """A control socket as QEMU's: one client at a time, commands one after the other. `at`: what is done with the client
    when a command arrives, before it is answered."""

    def __init__(self, folder, *, ram: bool):
        self.folder, self.running, self.heard = folder, True, []
        self.on_command, self.ended = None, False
        folder.mkdir(exist_ok=True)
        if ram:
            (folder / "ram.img").write_bytes(bytes(4096))
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "qmp.sock"))
        self.listener.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while not self.ended:
            try:
                client, _ = self.listener.accept()
                with client, client.makefile("rw") as stream:
                    self.talk(stream)
            except OSError:
                pass

    def say(self, stream, message) -> None:
        stream.write(json.dumps(message) + "\n")
        stream.flush()

    def talk(self, stream) -> None:
        self.say(stream, {"QMP": {"version": {}, "capabilities": []}})
        for line in stream:
            command = json.loads(line)
            name = command["execute"]
            name = command["arguments"]["command-line"].split(" unix")[0] if name.startswith("human") else name
            self.heard.append(name)
            if self.on_command:
                self.on_command(name)
            result = {}
            if name == "query-status":
                result = {"status": "running" if self.running else "paused", "running": self.running}
            elif name in ("stop", "cont"):
                self.running = name == "cont"
            elif name == "dump-guest-memory":
                (self.folder / "inspect.core").write_bytes(bytes(4096))
            self.say(stream, {"return": result})

    def is_as_before(self, seconds: float = 20) -> bool:
        """It runs, and there is nothing of a look in its folder."""
        end = time.monotonic() + seconds
        while not self.running or list(self.folder.glob("inspect*")):
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def end(self) -> None:
        self.ended = True
        self.listener.close()


def looks(world, folder, **more) -> subprocess.Popen:
    release = folder.parent / "release"
    release.mkdir(exist_ok=True)
    for name in ("kernel.profile", "allow.list"):
        (release / name).write_bytes(b"x" * 64)
    return subprocess.Popen([world.kapu_program, "inspect", "--release", release, "--live", folder], stderr=subprocess.PIPE,
                            stdout=subprocess.DEVNULL, text=True, **more)


def test_a_gateway_runs_again_however_a_look_ends(world, tmp_path):
    with edges.Cases(f"{KIND}: looks") as cases:
        qemu = Qemu(tmp_path / "gw", ram=False)
        done = looks(world, qemu.folder)
        told = done.communicate()[1]
        order = list(qemu.heard)
        cases.check(done.returncode == 2 and "profile" in told and qemu.is_as_before() and
                    {"stop", "dump-guest-memory", "gdbserver none", "cont"} < set(order), f"control: {told} {order}")
        for at in range(len(order)):
            for number in (signal.SIGKILL, SIGNALS[at % 3], SIGNALS[4 + at % 2]):
                qemu.heard.clear()
                qemu.on_command = lambda _, at=at, number=number: (
                    len(qemu.heard) == at + 1 and (running.send_signal(number), running.wait()))
                running = looks(world, qemu.folder)
                running.communicate()
                cases.check(running.returncode == -number and qemu.is_as_before(), f"{number.name} at {order[at]}: "
                            f"{running.returncode} {qemu.running} {qemu.heard} {list(qemu.folder.iterdir())}")
                qemu.on_command = None
        qemu.running = False
        done = looks(world, qemu.folder)
        done.communicate()
        cases.check(not qemu.running and not list(qemu.folder.glob("inspect*")), "one that was stopped stays so")
        qemu.end()


def test_a_gateway_that_both_processes_left_stopped_runs_after_the_next_look(world, tmp_path):
    with edges.Cases(f"{KIND}: killed") as cases:
        qemu = Qemu(tmp_path / "gw", ram=True)

        def kill_group(name):
            if name == "stop":
                children = subprocess.run(["pgrep", "-P", str(running.pid)], capture_output=True, text=True, check=True)
                for pid in [running.pid, *map(int, children.stdout.split())]:
                    os.kill(pid, signal.SIGKILL)
                running.wait()
        qemu.on_command = kill_group
        running = looks(world, qemu.folder)
        running.communicate()
        qemu.on_command = None
        time.sleep(0.3)  # nobody is left who could let it run: no condition to wait for
        cases.check(not qemu.running and (qemu.folder / "inspect.stopped").exists(), "the control: it is stopped")
        done = looks(world, qemu.folder)
        told = done.communicate()[1]
        cases.check("was killed left it stopped" in told and qemu.is_as_before(), told)
        qemu.end()


def test_two_looks_at_a_time_come_one_after_the_other(world, tmp_path):
    with edges.Cases(f"{KIND}: two looks") as cases:
        qemu = Qemu(tmp_path / "gw", ram=False)
        both = threading.Event()
        qemu.on_command = lambda name: name == "dump-guest-memory" and both.wait(20)
        first = looks(world, qemu.folder)
        end = time.monotonic() + 20
        while "dump-guest-memory" not in qemu.heard and time.monotonic() < end:
            time.sleep(0.01)
        second = looks(world, qemu.folder)
        line = second.stderr.readline()
        both.set()
        told = [first.communicate()[1], line + second.communicate()[1]]
        cases.check("another kapu inspect looks at it" in told[1] and "another kapu" not in told[0], f"{told}")
        cases.check([first.returncode, second.returncode] == [2, 2] and all("profile" in text for text in told) and
                    qemu.heard.count("cont") == 2 and qemu.is_as_before(), f"{first.returncode} {second.returncode} {qemu.heard} {told}")
        qemu.end()


def test_a_file_that_becomes_shorter_while_it_is_read_ends_the_command_with_a_sentence(world, tmp_path):
    """SIGBUS, as the memory of the file that is gone gives it."""
    with edges.Cases(f"{KIND}: cut") as cases:
        qemu = Qemu(tmp_path / "gw", ram=True)
        qemu.on_command = lambda name: name == "stop" and (running.send_signal(signal.SIGBUS), running.wait())
        running = looks(world, qemu.folder)
        told = running.communicate()[1]
        cases.check(running.returncode == 2 and "became shorter" in told and qemu.is_as_before(), told)
        qemu.end()
