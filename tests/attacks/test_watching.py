# SPDX-License-Identifier: Apache-2.0
"""The corpus as the secure world sees it, and benign load as kapu inspect does too: attacks are found, load is not."""

import os
import time

import pytest

from attacks.churn import churn
from attacks.corpus import LAB, of_flavour
from attacks.corpus.bench import Bench
from attacks.corpus.detector import HostInspector
from attacks.corpus.technique import FAMILIES
from kapu import load as busy
from kapu.report import update_report
from monitored import SecureWorld

CHECKS_UNDER_LOAD = 6  # make soak takes hundreds
LOOKS_A_CHECK = 3  # of kapu inspect
MANY_LABELS = ("warning", "monitor.missed")


def techniques():
    """One of each family; all of them with KAPU_CORPUS=all (make corpus). From inside only: what is
    written from outside may be a pointer that a running kernel dies of before anybody looks."""
    rows = [t for t in of_flavour(LAB) if t.required and not t.outside]
    if os.environ.get("KAPU_CORPUS") == "all":
        return rows
    return [next(t for t in rows if t.family == family) for family in FAMILIES
            if any(t.family == family for t in rows)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    made = Bench(tmp_path_factory.mktemp("corpus"), LAB)
    made.detector = SecureWorld(made)
    made.start()
    yield made
    made.close()


@pytest.mark.parametrize("technique", techniques(), ids=lambda t: t.name)
def test_the_secure_world_finds(bench, technique):
    before, seen, after = bench.run(technique)
    assert before == []
    assert technique.required <= seen.ids
    assert after == []


@pytest.mark.share(2)
def test_load_is_no_finding(bench):
    """Consecutive deep checks, and looks of kapu inspect, while everything comes and goes. One switch of a jump label may change more pages than
    the watch has room for: the lab warns of that, and has the pages watched anew (docs/monitor.md)."""
    wanted, checks, alarms = int(os.environ.get("KAPU_SOAK", CHECKS_UNDER_LOAD)), 0, 0
    outside = HostInspector(bench.folder, LAB)
    deadline = time.monotonic() + max(wanted, 10) * 180 * busy.factor()
    with churn(bench.shell) as load:
        while checks < wanted or not load.went_round():
            found = [f for f in bench.detector.findings() if (f["severity"], f["id"]) != MANY_LABELS]
            checks, alarms = checks + 1, alarms + len(found)
            assert found == [], f"deep check {checks} of {wanted}"
            for _ in range(LOOKS_A_CHECK):
                assert outside.findings() == []
            assert time.monotonic() < deadline, load.rounds()
    assert outside.findings() == []
    update_report("monitor", clean_checks=checks, false_alarms=alarms)
