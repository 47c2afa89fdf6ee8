# SPDX-License-Identifier: Apache-2.0
"""The campaign of power cuts can fail: its judge says what is wrong; and its plans follow from numbers."""

import os

import pytest

from lab_updates import NEXT, NOW
from power_cuts import LOWERED, MIXED, NOT_ALLOWED, STEPS, Judge, Point, Wrong, changes_of, plan_of
from writer_cuts import WRITING_STEPS, plan_of_writing

OF_NOW = {"0": "a", "7": "root", "8": "b", "9": "c"}
OF_NEXT = {"0": "d", "7": "root", "8": "e", "9": "f"}


def judge_after(*told: str) -> Judge:
    judge = Judge({NOW: OF_NOW})
    judge.rolled_out, judge.confirmed = "rolled out" in told, "confirmed" in told
    return judge


@pytest.mark.parametrize("told, look, kind", [
    ((), lambda j: j.runs("A", True, 0, NEXT), MIXED),
    (("rolled out",), lambda j: j.runs("B", False, 0, NOW), MIXED),
    (("rolled out",), lambda j: j.measured(NEXT, OF_NEXT | {"8": OF_NOW["8"]}), MIXED),
    ((), lambda j: j.measured(NOW, OF_NEXT), MIXED),
    ((), lambda j: j.runs("B", False, 0, NEXT), NOT_ALLOWED),
    ((), lambda j: j.holds("B", False, 0), NOT_ALLOWED),
    (("rolled out",), lambda j: j.holds("B", False, 1), NOT_ALLOWED),
    (("rolled out",), lambda j: j.runs("A", True, 1, NOW), NOT_ALLOWED),
    (("rolled out",), lambda j: j.runs("B", True, NEXT + 1, NEXT), NOT_ALLOWED),
    (("rolled out", "confirmed"), lambda j: j.runs("A", True, 0, NOW), NOT_ALLOWED),
    (("rolled out", "confirmed"), lambda j: j.holds("B", True, NEXT - 1), NOT_ALLOWED),
    (("rolled out",), lambda j: (j.holds("B", True, 2), j.holds("B", True, 1)), LOWERED),
    (("rolled out",), lambda j: j.written("B", False, 0, True, False), MIXED),
    (("rolled out",), lambda j: j.written("A", True, 0, False, False), MIXED),
    (("rolled out",), lambda j: j.written("B", False, 0, False, True), MIXED),
    (("rolled out",), lambda j: j.written("B", True, NEXT - 1, False, True), MIXED),
    (("rolled out",), lambda j: j.written("B", True, NEXT, False, False), MIXED),
])
def test_the_judge_says_what_is_wrong(told, look, kind):
    with pytest.raises(Wrong) as wrong:
        look(judge_after(*told))
    assert wrong.value.kind == kind


def test_the_judge_takes_an_update_step_by_step():
    judge = judge_after()
    judge.measured(NOW, OF_NOW)
    judge.runs("A", True, 0, NOW)
    judge.rolled_out = True
    judge.holds("A", True, 0)
    judge.holds("B", False, 0)
    judge.measured(NEXT, OF_NEXT)
    judge.runs("B", False, 0, NEXT)
    for counter in range(NEXT + 1):
        judge.holds("B", True, counter)
    judge.confirmed = True
    judge.runs("B", True, NEXT, NEXT)


def test_the_judge_takes_slots_that_are_written_step_by_step():
    judge = judge_after("rolled out")
    judge.written("A", True, 0, True, False)
    judge.written("A", True, 0, True, True)
    judge.written("B", False, 0, True, True)
    judge.written("B", True, NEXT, True, True)
    judge.written("B", True, NEXT, False, True)


@pytest.mark.parametrize("plan, steps", [(plan_of, STEPS), (plan_of_writing, WRITING_STEPS)])
def test_plans_follow_from_numbers_and_reach_every_step_in_every_way(plan, steps):
    plans = [plan(number) for number in range(1, 501)]
    assert plans == [plan(number) for number in range(1, 501)]
    for name, step in steps.items():
        points = [plan.cuts[name] for plan in plans if name in plan.cuts]
        assert {point.writes for point in points} - {None} == set(range(1, step.writes + 1))
        assert {point.line for point in points} - {None} == set(step.lines)
        assert any(point.seconds is not None for point in points)
        for kind in ("flash", "disk"):
            counts = [count for point in points if (count := getattr(point, kind)) is not None]
            assert bool(counts) == bool(getattr(step, kind)) and all(1 <= count <= getattr(step, kind) for count in counts)


def test_writes_of_a_file_are_seen(tmp_path):
    file = tmp_path / "disk.img"
    file.write_bytes(b"before")
    changed = changes_of(file, "st_mtime_ns")
    assert not changed()
    os.utime(file, ns=(1, 1))
    assert changed() and not changed()


@pytest.mark.parametrize("point, text", [
    (Point(flash=3), "after write 3 of flash"), (Point(disk=4), "after write 4 of the disk"),
    (Point(writes=1), "after write 1 of the TPM"), (Point(line="x"), "at the line 'x'"), (Point(seconds=1), "after 1.000 s")])
def test_a_point_says_what_it_is(point, text):
    assert str(point) == text
