# SPDX-License-Identifier: Apache-2.0
"""Build steps: what went in decides whether a step has to run.

A step names its inputs (files, folders, strings, other steps). Their content, together with the
code that the step can reach (closure.py), makes a key; the result lies in a folder of that name. Results that
take long go to the cache outside the tree (`shared`), so that a new checkout with the same inputs finds them;
what private keys made stays in build/. A result appears by renaming a finished folder, so an
interrupted build leaves nothing half-done.
"""

import hashlib
import os
import shutil
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from . import closure
from .commands import run_logged
from .errors import KapuError
from .inputs import Inputs
from .paths import BUILD, CACHE

KEEP_RESULTS = 6  # of each step, in the cache
PROGRESS_SECONDS = 30.0  # after which a step that runs is named again
LAST_LINES = 25   # of a log, shown when a step fails


def digest_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_tree(path: Path) -> str:
    """Names, executable bits and contents of a file or of all files below a folder."""
    if not path.exists():
        raise KapuError(f"build input {path} is missing")
    if path.is_file():
        return digest_file(path)
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file() or p.is_symlink()):
        if "__pycache__" in file.parts:
            continue
        name = file.relative_to(path)
        if file.is_symlink():
            total.update(f"{name}\0link {os.readlink(file)}\n".encode())
        else:
            total.update(f"{name}\0{os.access(file, os.X_OK)}\0{digest_file(file)}\n".encode())
    return total.hexdigest()


class Step:
    """One step. `work(step, out)` fills the folder `out`; `step.run` runs a logged command."""

    def __init__(self, name: str, work, *, files=(), values=(), needs=(), shared=False,
                 overlay: Path | None = None):
        self.name = name
        self.work = work
        self.files = [Path(f) for f in files]
        self.values = [str(v) for v in values]
        self.needs = list(needs)
        self.overlay = overlay  # files that take the place of others: a test's variant
        if overlay:
            self.files.append(overlay)
        self.base = (CACHE if shared else BUILD) / "results" / name
        self.log_path = BUILD / "log" / f"{name}.log"
        self.environment: dict[str, str] = {}  # of its commands, above all else
        self.seconds = 0.0
        self.was_cached = False
        self._key = None
        self._files_were = ""

    def _inputs(self) -> str:
        """Content of the input files, as it is now. A Python program counts with what it imports."""
        files = [part for file in self.files
                 for part in (closure.of_program(file) if file.suffix == ".py" else [file])]
        return "".join(f"file {file.name} {digest_tree(file)}\n" for file in files)

    def key(self) -> str:
        if self._key is None:
            self._files_were = self._inputs()
            total = hashlib.sha256()
            for function in (self.work, run_logged):
                total.update(f"code {closure.of_function(function).digest()}\n".encode())
            for value in self.values + sorted(f"{k}={v}" for k, v in self.environment.items()):
                total.update(f"value {value}\n".encode())
            total.update(self._files_were.encode())
            for need in self.needs:
                total.update(f"step {need.name} {need.key()}\n".encode())
            self._key = total.hexdigest()[:32]
        return self._key

    def all_files(self) -> list[Path]:
        """Its files and those of the steps that it needs: all that its key depends on."""
        return self.files + [file for need in self.needs for file in need.all_files()]

    @property
    def out(self) -> Path:
        return self.base / self.key()

    def build(self, say) -> None:
        """Build what is missing, needs first. All keys are taken before the first command runs."""
        self.key()
        for need in self.needs:
            need.build(say)
        if self.out.exists():
            if not self.was_cached and self.seconds == 0.0:
                self.was_cached = True
                os.utime(self.out)
                say.cached(self)
            return
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self.log_path.write_text("")
        self._forget_abandoned()
        temporary = self.base / f".{self.key()}.{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        started = time.monotonic()
        say.started(self)
        try:
            with going_on(self, say), Inputs(self.all_files()) as inputs:
                self.work(self, temporary)
            if inputs.undeclared:
                raise KapuError(f"step '{self.name}' reads what is not among its files=, so that a change "
                                f"would not run it again: {', '.join(sorted(inputs.undeclared))}")
            if self._inputs() != self._files_were:
                raise KapuError(f"step '{self.name}': its input files were changed while it ran, "
                                "which would give a result of both; build again")
            os.utime(temporary)  # the newest result, whatever times the work set
            try:
                temporary.rename(self.out)
            except OSError:
                if not self.out.exists():  # else another build of the same was faster
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self.seconds = time.monotonic() - started
        say.done(self)
        self._forget_old()

    def _forget_abandoned(self) -> None:
        """Remove what a killed build left: folders named after a process that is gone."""
        for left in self.base.glob(".*.*"):
            if not Path("/proc", left.suffix.lstrip(".")).exists():
                shutil.rmtree(left, ignore_errors=True)

    def _forget_old(self) -> None:
        results = sorted((p for p in self.base.iterdir() if not p.name.startswith(".")),
                         key=lambda p: p.stat().st_mtime)
        for old in results[:-KEEP_RESULTS]:
            shutil.rmtree(old, ignore_errors=True)

    @staticmethod
    def reads(path: Path) -> None:
        """Say that the running step has read a file, when a command did it."""
        Inputs.of_thread.running.note(path)

    def run(self, *command, cwd=None, env=None, stdin=None) -> None:
        """Run a command with its output in the step's log; failure shows the end of the log."""
        words = [str(word) for word in command]
        Inputs.of_thread.running.note_command(words)
        status = run_logged(words, self.log_path, cwd=cwd, stdin=stdin,
                            env=(env or {}) | self.environment)
        if status != 0:
            lines = self.log_path.read_text(errors="replace").splitlines()[-LAST_LINES:]
            raise KapuError(f"step '{self.name}' failed with status {status}\n"
                            f"  command: {' '.join(words)}\n  full log: {self.log_path}\n"
                            + "".join(f"  | {line}\n" for line in lines))


@contextmanager
def going_on(step: Step, say):
    """While a step runs: that it does, from time to time."""
    over, begin = threading.Event(), time.monotonic()

    def tell() -> None:
        while not over.wait(PROGRESS_SECONDS):
            say.tell(step, time.monotonic() - begin)
    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


class Progress:
    """What a person sees while steps run."""

    def __init__(self):
        self.begin = time.monotonic()
        self.ran = 0

    def _line(self, name: str, what: str, seconds: float) -> None:
        print(f"  {name:<18} {what:<8} {seconds:8.1f} s", flush=True)

    def cached(self, step: Step) -> None:
        self._line(step.name, "cached", 0.0)

    def started(self, step: Step) -> None:
        self.ran += 1
        if sys.stdout.isatty():
            print(f"  {step.name:<18} building  (log: {step.log_path})", end="\r", flush=True)

    def tell(self, step: Step, seconds: float) -> None:
        if not sys.stdout.isatty():  # where the line above stands
            print(f"  {step.name:<18} building {seconds:8.1f} s  (log: {step.log_path})", flush=True)

    def done(self, step: Step) -> None:
        if sys.stdout.isatty():
            print(" " * (40 + len(str(step.log_path))), end="\r")
        self._line(step.name, "built", step.seconds)

    def total(self) -> float:
        return time.monotonic() - self.begin


class Quiet(Progress):
    """For a tool whose output is something else."""

    def _line(self, name: str, what: str, seconds: float) -> None:
        pass

    def started(self, step: Step) -> None:
        self.ran += 1

    def tell(self, step: Step, seconds: float) -> None:
        pass  # run_main says that the tool goes on

    def done(self, step: Step) -> None:
        pass
