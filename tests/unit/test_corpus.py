# SPDX-License-Identifier: Apache-2.0
"""The table of attacks is in order: named, described, and what it expects is what the monitor says."""

import re

import pytest

from attacks.churn import LOADS
from attacks.corpus import AWAITED, FAMILIES, TECHNIQUES
from kapu.paths import ROOT

ATTACKS = ROOT / "tests/attacks"
IDENTIFIER = re.compile(r"`([a-z_]*)\.([a-z0-9_]+)`")


def documented() -> set[str]:
    """Identifiers of docs/introspection.md; `.part` has the name of the one before it."""
    found = set()
    for line in (ROOT / "docs/introspection.md").read_text().splitlines():
        check = None
        for name, part in IDENTIFIER.findall(line.split("|")[1] if line.startswith("|") else ""):
            check = name or check
            found.add(f"{check}.{part}")
    return found


def test_names_are_unique_and_readable():
    names = [t.name for t in TECHNIQUES]
    assert len(set(names)) == len(names)
    assert [n for n in names if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", n)] == []


def test_every_family_has_techniques_and_no_other_is_used():
    assert {t.family for t in TECHNIQUES} == set(FAMILIES)


@pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda t: t.name)
def test_a_technique_is_described_in_a_sentence_and_expects_what_is_documented(technique):
    assert re.fullmatch(r"[A-Z].{10,}[^.]\.", technique.description)
    assert technique.expected
    assert technique.expected <= documented() | AWAITED


def test_what_is_awaited_is_not_there_yet():
    """When a check gives it, it leaves AWAITED, and from then on it is required."""
    assert AWAITED & documented() == set()


def test_the_verifier_has_words_for_each_finding():
    text = (ROOT / "operator/verifier/appraise_monitor.c").read_text()
    begins = tuple(re.findall(r'^    \{"([a-z_.]+)", "', text, re.MULTILINE))
    names = set().union(*(t.expected for t in TECHNIQUES))
    assert [name for name in sorted(names) if not name.startswith(begins)] == []


def test_every_module_and_program_is_used():
    text = "".join(p.read_text() for p in [*ATTACKS.glob("corpus/*.py"), *ATTACKS.glob("*.py")])
    sources = [p.stem for p in [*ATTACKS.glob("modules/*.c"), *ATTACKS.glob("programs/*.c")]]
    assert [name for name in sources if not re.search(rf"\b{name}\b", text)] == []


def test_the_matrix_has_every_technique():
    page = (ROOT / "docs/detection-matrix.md").read_text()
    lines = re.findall(r"^(?:\| |- )([a-z0-9 ]+)", page, re.MULTILINE)
    names = {line.strip() for line in lines}
    assert [t.name for t in TECHNIQUES if t.name.replace("-", " ") not in names] == []


def test_loads_can_be_quoted_for_the_shell():
    assert [name for name, script in LOADS.items() if "'" in script] == []
