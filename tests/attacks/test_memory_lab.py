# SPDX-License-Identifier: Apache-2.0
"""Attacks from inside: modules, tracing, probes and programs in the lab, each found and taken back.

A module that policy knows is no finding; a hidden one, or a hook, is. test_watching.py shows that load gives no finding.
"""

import hashlib
import struct

import pytest

from attacks.corpus import LAB, of_flavour
from attacks.corpus.bench import Bench
from guest import inspect
from kapu import allow, sectioned
from kapu.paths import BUILD
from shares import share

STATE_SECTION = 5  # of the allow-list


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    made = Bench(tmp_path_factory.mktemp("lab"), LAB)
    made.start()
    yield made
    made.close()


def test_a_loaded_module_is_known(bench):
    assert bench.detector.findings() == []
    assert [m["name"] for m in bench.detector.report["modules"]] == ["harmless"]


@pytest.mark.parametrize("technique", share(of_flavour(LAB), lambda t: t.family), ids=lambda t: t.name)
def test_is_found(bench, technique):
    before, seen, after = bench.run(technique)
    assert before == []
    assert technique.required <= seen.ids
    assert after == []


def test_ebpf_programs_are_found_when_policy_does_not_allow_them(bench, tmp_path):
    """The lab's policy does: systemd uses them there."""
    strict = bytearray((BUILD / LAB / "allow.list").read_bytes())
    at, count = struct.unpack_from("<II", strict, allow.HEADER + 8 * STATE_SECTION)
    records = [strict[at + 8 * i:at + 8 * i + 8] for i in range(count)]
    strict[at + 8 * records.index(struct.pack("<II", allow.STATE["bpf"], 1)) + 4] = 0
    content = bytes(strict[:-sectioned.DIGEST])
    (tmp_path / "allow.list").write_bytes(content + hashlib.sha256(content).digest())
    _, report = inspect(LAB, bench.folder, "--allow", tmp_path / "allow.list")
    assert {finding["id"] for finding in report["findings"]} == {"code.bpf"}
