# SPDX-License-Identifier: Apache-2.0
"""The runs of all shares do all of a long list, and each run something of each family."""

import ast
import json

import pytest

from attacks.corpus import FAMILIES, TECHNIQUES
from kapu.paths import ROOT
import shares
from shares import PARTS, share, share_of

ALL = tuple(str(number + 1) for number in range(PARTS))


def of(monkeypatch, part, make):
    monkeypatch.setenv("KAPU_SHARE", part)
    return make()


def test_all_shares_are_all_of_the_corpus_and_no_family_is_ever_left_out(monkeypatch):
    parts = [of(monkeypatch, part, lambda: share(TECHNIQUES, lambda t: (t.flavour, t.family)))
             for part in ALL]
    assert {t.name for part in parts for t in part} == {t.name for t in TECHNIQUES}
    for part in parts:
        assert {t.family for t in part} == {t.family for t in TECHNIQUES} <= set(FAMILIES)
        assert len(part) < len(TECHNIQUES) / 2


def test_all_shares_are_all_attempts_once(monkeypatch):
    parts = [of(monkeypatch, part, lambda: list(share_of(1000))) for part in ALL]
    assert sorted(sum(parts, [])) == list(range(1000))


@pytest.mark.parametrize("text", ["all", None])
def test_all_is_all(monkeypatch, text):
    monkeypatch.delenv("KAPU_SHARE", raising=False)
    if text:
        monkeypatch.setenv("KAPU_SHARE", text)
    assert share([3, 1, 2]) == [3, 1, 2] and list(share_of(3)) == [0, 1, 2]


def test_the_order_stays(monkeypatch):
    monkeypatch.setenv("KAPU_SHARE", "1")
    assert share(list(range(9))) == [0, 6]


class Case:
    """As pytest has it."""

    def __init__(self, function: str, number: int):
        self.nodeid = f"{function}[{number}]"


def test_the_cases_of_each_function_are_dealt_out_by_themselves(monkeypatch):
    cases = [Case(function, number) for number in range(8) for function in ("a", "b")]
    runs = [of(monkeypatch, part, lambda: [case.nodeid for group in shares.of_functions(cases) for case in share(group)])
            for part in ALL]
    assert sorted(sum(runs, [])) == sorted(case.nodeid for case in cases)
    assert all({name[0] for name in run} == {"a", "b"} for run in runs)


def shares_of(test: str) -> set[int]:
    """In which a test of tests/faults.json runs: by its mark, or in all of them."""
    path, _, name = test.partition("::")
    if not path.endswith(".py"):
        return set(range(1, PARTS + 1))
    for function in ast.walk(ast.parse((ROOT / "tests" / path).read_text())):
        if isinstance(function, ast.FunctionDef) and function.name == name:
            marks = [mark.args[0].value for mark in function.decorator_list
                     if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.share"]
            assert all(1 <= number <= PARTS for number in marks), test
            return set(marks) or set(range(1, PARTS + 1))
    raise AssertionError(f"there is no {test}")


def test_each_share_has_a_test_of_each_fault():
    """tools/trust-report counts a fault as closed only when one of its tests ran."""
    for fault in json.loads((ROOT / "tests" / "faults.json").read_text()):
        seen = set().union(*(shares_of(test) for test in fault["tests"]))
        assert seen == set(range(1, PARTS + 1)), f"fault {fault['fault']}, {fault['what']}: in shares {sorted(seen)} only"
