# SPDX-License-Identifier: Apache-2.0
"""Which stages of make test run side by side."""

import importlib.machinery
import importlib.util
import threading

import pytest

from kapu import schedule
from kapu.paths import ROOT
from kapu.schedule import Schedule, Stage

WAIT = 30  # seconds; a test that needs them has failed


def stage(name, **options):
    return Stage(name, name, None, **options)


def started(plan) -> list[str]:
    """All that start now."""
    names = []
    while (one := plan.next()) is not None:
        names.append(one.name)
    return names


def end(plan, name, success=True) -> None:
    plan.ended(next(one for one in plan.running if one.name == name), success)


def test_stages_start_in_order_as_far_as_the_cores_go():
    plan = Schedule([stage("a", cores=1.5), stage("b", cores=1), stage("c", cores=0.5),
                     stage("d", cores=0.5)], 2)
    assert started(plan) == ["a", "c"]
    end(plan, "c")
    assert started(plan) == ["d"]
    end(plan, "a")
    assert started(plan) == ["b"]


def test_a_stage_that_wants_more_than_there_is_runs_when_nothing_else_does():
    plan = Schedule([stage("small"), stage("large", cores=2)], 1)
    assert started(plan) == ["small"]
    end(plan, "small")
    assert started(plan) == ["large"]


def test_a_stage_that_measures_time_is_alone_and_last():
    plan = Schedule([stage("timed", alone=True), stage("a"), stage("b"), stage("c")], 2)
    assert started(plan) == ["a", "b"]
    end(plan, "a")
    assert started(plan) == ["c"]
    end(plan, "b")
    assert started(plan) == []
    end(plan, "c")
    assert started(plan) == ["timed"]
    plan.waiting.append(stage("late"))
    assert started(plan) == []


def test_a_stage_waits_for_what_it_comes_after_whether_that_went_well_or_not():
    plan = Schedule([stage("last", after=("first", "not asked for")), stage("first")], 2)
    assert started(plan) == ["first"]
    end(plan, "first", success=False)
    assert plan.impossible() == []
    assert started(plan) == ["last"]


def test_what_needs_a_stage_that_failed_is_not_run_nor_what_needs_that():
    plan = Schedule([stage("build"), stage("a", needs=("build",)), stage("b", needs=("a",)),
                     stage("c")], 1)
    assert started(plan) == ["build"]
    end(plan, "build", success=False)
    assert [one.name for one in plan.impossible()] == ["a", "b"]
    assert started(plan) == ["c"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_stages_really_run_at_the_same_time_and_an_error_in_one_is_its_own():
    both, ended, left_out = threading.Barrier(2), [], []

    def work(one):
        if one.name in ("a", "b"):
            both.wait(WAIT)  # broken, unless both are in here
        if one.name == "b":
            raise SystemExit  # as if the thread died
        ended.append(one.name)
        return True

    schedule.run([stage("a"), stage("b"), stage("c", needs=("a",)), stage("d", needs=("b",))], 2,
                 work, lambda one: left_out.append(one.name), lambda running: None)
    assert ended == ["a", "c"] and left_out == ["d"]


def test_progress_is_told_while_a_stage_takes_long(monkeypatch):
    monkeypatch.setattr(schedule, "PROGRESS_SECONDS", 0.01)
    told = threading.Event()
    seen = []

    def progress(running):
        seen.append([one.name for one in running])
        told.set()

    schedule.run([stage("slow")], 1, lambda one: told.wait(WAIT), lambda one: None, progress)
    assert seen[0] == ["slow"]


def test_stages_that_wait_for_each_other_are_an_error():
    with pytest.raises(AssertionError, match="wait for each other: a, b"):
        schedule.run([stage("a", after=("b",)), stage("b", after=("a",))], 1, lambda one: True,
                     lambda one: None, lambda running: None)


def test_every_stage_of_the_tests_waits_for_the_build():
    """Which fetches what the others compile too: with an empty cache there is nothing of it before."""
    loader = importlib.machinery.SourceFileLoader("tools_test", str(ROOT / "tools" / "test"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tools_test", loader))
    loader.exec_module(module)
    assert [s.name for s in module.STAGES if "build" not in s.needs] == ["build"]
