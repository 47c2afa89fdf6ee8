# SPDX-License-Identifier: Apache-2.0
"""Each attack that a refused update looks like, by its name in evidence, as `kapu evidence show` reads what test_refusals.c
left: a simulated gateway with the real decisions of the secure world and the real writer."""

import json
import os
import subprocess

import pytest

from kapu import tpm
from kapu.report import update_report
from native import programs

REFUSED = ("rollback", "freeze", "mix-and-match", "wrong hardware", "arbitrary software", "fast-forward",
           "partial bundle", "replayed rollout", "TOCTOU", "revoked key")
TOLD = ("endless data", "slow retrieval")
NOTHING = {"last": "none", "count": 0, "kinds": []}


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """What is read of a message, by its name."""
    folder = tmp_path_factory.mktemp("refusals")
    (program,) = programs("tests/unit/test_refusals")
    subprocess.run([program], check=True, env=os.environ | {"KAPU_REFUSALS": str(folder)}, capture_output=True)

    def read(name: str) -> tuple[dict, dict]:
        done = subprocess.run([tpm.operator_tool(), "evidence", "show", "--json", folder / name], check=True,
                              capture_output=True, text=True)
        software = json.loads(done.stdout)["software"]
        return software["refused_updates"], software["told_by_linux"]

    return read


def one(name: str) -> dict:
    return {"last": name, "count": 1, "kinds": [name]}


def test_each_attack_is_named_and_what_is_taken_names_none(evidence):
    assert evidence("none") == evidence("settled") == evidence("told none") == (NOTHING, NOTHING)
    for name in REFUSED:
        assert evidence(name) == (one(name), NOTHING), name
    for name in TOLD:
        assert evidence(name) == (NOTHING, one(name)), name
    update_report("update", attacks_named=len(REFUSED + TOLD))


def test_what_linux_says_is_not_what_the_secure_world_refused(evidence):
    assert evidence("told arbitrary software") == (NOTHING, one("arbitrary software"))
    assert evidence("replayed approval") == (one("replayed approval"), NOTHING)


def test_all_kinds_of_a_boot_are_named(evidence):
    refused, _ = evidence("all")
    assert refused == {"last": "replayed rollout", "count": 108, "kinds": [
        "rollback", "freeze", "mix-and-match", "wrong hardware", "arbitrary software", "fast-forward", "partial bundle",
        "replayed rollout"]}
