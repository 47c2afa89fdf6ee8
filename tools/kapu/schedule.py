# SPDX-License-Identifier: Apache-2.0
"""Runs stages side by side, as far as the machine's cores go."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

PROGRESS_SECONDS = 30.0


@dataclass(frozen=True)
class Stage:
    """Something to run. A table of them is in the order in which they should start: longest first."""
    name: str
    what: str
    work: Callable
    cores: float = 1.0  # that it keeps busy, on average
    after: tuple[str, ...] = ()  # stages that must have ended, well or not
    needs: tuple[str, ...] = ()  # stages without whose success it cannot run
    alone: bool = False  # it measures time: nothing else runs meanwhile
    heavy: bool = False  # not run unless it is named, or everything is
    share: int | None = None  # the one that it is in (tests/shares.py); and as above


def cores_of_host() -> int:
    return len(os.sched_getaffinity(0))


class Schedule:
    """Which of the stages may start now. `run` calls start(stage) -> bool in a thread for each; what is
    in `stages` only counts, so a stage does not wait for one that nobody asked for."""

    def __init__(self, stages: list[Stage], cores: float):
        self.waiting = list(stages)
        self.running: list[Stage] = []
        self.succeeded: dict[str, bool] = {}
        self.cores = cores
        self.names = {stage.name for stage in stages}

    def _ready(self, stage: Stage) -> bool:
        return all(name in self.succeeded
                   for name in self.names.intersection(stage.after + stage.needs))

    def _fits(self, stage: Stage) -> bool:
        if not self.running:
            return True
        if stage.alone or any(other.alone for other in self.running):
            return False
        busy = sum(other.cores for other in self.running)
        return busy + stage.cores <= self.cores + 1e-6

    def impossible(self) -> list[Stage]:
        """Stages that need one which failed, or which cannot run either; they are not waited for."""
        gone = []
        for stage in self.waiting:
            if any(self.succeeded.get(name) is False for name in stage.needs):
                self.succeeded[stage.name] = False
                gone.append(stage)
        self.waiting = [stage for stage in self.waiting if stage not in gone]
        return gone + (self.impossible() if gone else [])

    def next(self) -> Stage | None:
        """The next stage to start now, if any; it then counts as running. One that must be alone gives
        way to all others, for it would keep cores idle until the last has ended."""
        for stage in sorted(self.waiting, key=lambda stage: stage.alone):
            if self._ready(stage) and self._fits(stage):
                self.waiting.remove(stage)
                self.running.append(stage)
                return stage
        return None

    def ended(self, stage: Stage, success: bool) -> None:
        self.running.remove(stage)
        self.succeeded[stage.name] = success


def run(stages: list[Stage], cores: float, work: Callable[[Stage], bool],
        not_run: Callable[[Stage], None], progress: Callable[[list[Stage]], None]) -> None:
    """All stages: work(stage) in a thread for each, not_run(stage) for those that could not be,
    progress(running) every PROGRESS_SECONDS."""
    schedule = Schedule(stages, cores)
    changed = threading.Condition()

    def one(stage: Stage) -> None:
        success = False
        try:
            success = work(stage)
        finally:
            with changed:
                schedule.ended(stage, success)
                changed.notify()

    told = time.monotonic()
    with changed:
        while schedule.waiting or schedule.running:
            for stage in schedule.impossible():
                not_run(stage)
            while (stage := schedule.next()) is not None:
                threading.Thread(target=one, args=(stage,), daemon=True).start()
            if not schedule.running:
                if schedule.waiting:
                    names = ", ".join(stage.name for stage in schedule.waiting)
                    raise AssertionError(f"stages wait for each other: {names}")
                break
            if not changed.wait(max(0.0, told + PROGRESS_SECONDS - time.monotonic())):
                progress(list(schedule.running))
                told = time.monotonic()
