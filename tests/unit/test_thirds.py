# SPDX-License-Identifier: Apache-2.0
"""Three runs do all of a long list, and each run something of each family."""

import pytest

from attacks.corpus import FAMILIES, TECHNIQUES
from thirds import third, third_of

ALL = ("1", "2", "3")


def of(monkeypatch, part, make):
    monkeypatch.setenv("KAPU_THIRD", part)
    return make()


def test_three_thirds_are_all_of_the_corpus_and_no_family_is_ever_left_out(monkeypatch):
    parts = [of(monkeypatch, part, lambda: third(TECHNIQUES, lambda t: (t.flavour, t.family)))
             for part in ALL]
    assert {t.name for part in parts for t in part} == {t.name for t in TECHNIQUES}
    for part in parts:
        assert {t.family for t in part} == {t.family for t in TECHNIQUES} <= set(FAMILIES)
        assert len(part) < len(TECHNIQUES) / 2


def test_three_thirds_are_all_attempts_once(monkeypatch):
    parts = [of(monkeypatch, part, lambda: list(third_of(1000))) for part in ALL]
    assert sorted(sum(parts, [])) == list(range(1000))


@pytest.mark.parametrize("text", ["all", None])
def test_all_is_all(monkeypatch, text):
    monkeypatch.delenv("KAPU_THIRD", raising=False)
    if text:
        monkeypatch.setenv("KAPU_THIRD", text)
    assert third([3, 1, 2]) == [3, 1, 2] and list(third_of(3)) == [0, 1, 2]


def test_the_order_stays(monkeypatch):
    monkeypatch.setenv("KAPU_THIRD", "1")
    assert third(list(range(9))) == [0, 3, 6]
