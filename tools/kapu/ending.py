# SPDX-License-Identifier: Apache-2.0
"""How a command of this folder ends: by a signal it cleans up as after an error, and it does not look dead while it works."""

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GOODBYE_SECONDS = 60  # for programs that it started, after a signal
TELL_SECONDS = 30.0


class Ended(BaseException):
    """A signal arrived; what `finally` and `with` clean up is cleaned up."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


def programs() -> list[int]:
    """Processes that this one started, and that those started: but not what was given a session of its own to outlive it."""
    parents, own = {}, os.getsid(0)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(words[3]) == own and words[0] != "Z":
            parents[int(stat.parent.name)] = int(words[1])
    found, more = set(), {os.getpid()}
    while more:
        more = {pid for pid, parent in parents.items() if parent in more} - found
        found |= more
    return sorted(found)


def tell_programs(number: int) -> None:
    for pid in programs():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def on_signal(number: int, _) -> None:
    """The first one counts. Programs that were started are told as a terminal tells them."""
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    tell_programs(signal.SIGINT)
    raise Ended(number)


@contextmanager
def caught():
    """While it lasts, signals end as exceptions. Those that are ignored (nohup) stay so."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_by(number: int) -> None:
    """Ends this process by the signal, so that its parent sees which it was, after the programs that it started."""
    end = time.monotonic() + GOODBYE_SECONDS
    while programs() and time.monotonic() < end:
        time.sleep(0.02)
    tell_programs(signal.SIGTERM)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


class Told:
    """Standard output, and when something was last written to it."""

    def __init__(self, stream):
        self.stream, self.last = stream, time.monotonic()

    def write(self, text: str) -> int:
        self.last = time.monotonic()
        return self.stream.write(text)

    def __getattr__(self, name: str):
        return getattr(self.stream, name)


@contextmanager
def telling(tells: bool = True):
    """While it lasts, a line on standard error whenever nothing was printed for TELL_SECONDS: not for a terminal, where a
    person sees what runs."""
    if not tells or sys.stdout.isatty():
        yield
        return
    told, begin, seconds, over = Told(sys.stdout), time.monotonic(), TELL_SECONDS, threading.Event()

    def go_on() -> None:
        while not over.wait(max(0.01, told.last + seconds - time.monotonic())):
            now = time.monotonic()
            if now >= told.last + seconds:
                told.last = now
                print(f"... {Path(sys.argv[0]).name} has run for {now - begin:.0f} s, and goes on", file=sys.stderr, flush=True)
    threading.Thread(target=go_on, daemon=True).start()
    sys.stdout = told
    try:
        yield
    finally:
        over.set()
        if sys.stdout is told:
            sys.stdout = told.stream
