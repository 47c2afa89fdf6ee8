# SPDX-License-Identifier: Apache-2.0
"""Findings that the monitor TA makes itself, and not lib/introspect: documented, and the verifier has words."""

import re

from kapu.paths import ROOT
from unit.test_corpus import documented

OWN = set(re.findall(r'own_finding\([^"]*"([a-z.]+)"', (ROOT / "secure/ta/monitor/look.c").read_text()))


def test_they_are_found_in_the_source():
    assert {"monitor.missed", "monitor.failed", "tpm.reset", "tpm.pcr", "tpm.silent"} <= OWN


def test_each_is_documented():
    assert OWN - documented() == set()


def test_the_verifier_has_words_of_its_own_for_each_of_the_tpms():
    text = (ROOT / "operator/verifier/appraise_monitor.c").read_text()
    known = set(re.findall(r'^    \{"([a-z_.]+)", "', text, re.MULTILINE))
    assert {i for i in OWN if i.startswith("tpm.")} - known == set()
