# SPDX-License-Identifier: Apache-2.0
"""The model of slots, trials and confirmation (tests/model): spin looks at every order of events within its bounds
and finds no broken rule; a model that lacks a rule is found out; and the code does what the model does.
"""

import re
import subprocess

import pytest

from kapu.paths import ROOT, host_environment
from native import programs

MODEL = ROOT / "tests" / "model" / "update.pml"
SMALL = ("-DORDERS=2", "-DCUTS=1", "-DVAIN=4")
TRACES = 30  # of each kind
STEPS = 6000


def search(folder, *words: str) -> str:
    """What spin says after it has looked at all states."""
    run = {"cwd": folder, "env": host_environment(), "check": True, "capture_output": True, "text": True}
    subprocess.run(["spin", *words, "-a", MODEL], **run)
    subprocess.run(["gcc", "-w", "-O2", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"], **run)
    said = subprocess.run([folder / "pan", "-m1000000", "-w22"], **run).stdout
    assert "max search depth too small" not in said
    return said


def states(said: str) -> int:
    return int(re.search(r"(\d+) states, stored", said)[1])


@pytest.mark.parametrize("words", [pytest.param(("-DVAIN=6",), marks=pytest.mark.share(3), id="honest"),
                                   pytest.param(("-DATTACK", *SMALL), marks=pytest.mark.share(4), id="attacked")])
def test_no_order_of_events_breaks_a_rule(tmp_path, words):
    said = search(tmp_path, *words)
    assert "errors: 0" in said and "Search not completed" not in said
    assert states(said) > 100_000


@pytest.mark.dealt
@pytest.mark.parametrize("words", [("-DWITHOUT_IDENTITIES", "-DATTACK"), ("-DWITHOUT_IDENTITIES",), ("-DCOUNTER_FIRST",)],
                         ids=lambda words: "-".join(word[2:].lower() for word in words))
def test_the_model_without_a_rule_is_found_out(tmp_path, words):
    said = search(tmp_path, *words, *SMALL[:2], "-DVAIN=6")
    assert "assertion violated" in said


@pytest.mark.parametrize("words", [(), ("-DATTACK",)], ids=["honest", "attacked"])
def test_the_code_does_what_the_model_does(tmp_path, words):
    """Random traces, with the power cut: the same answers, and the same TPM after each event."""
    replay, = programs("tests/powercut/replay")
    confirmed = events = 0
    for seed in range(1, TRACES + 1):
        said = subprocess.run(["spin", *words, "-DTRACES", "-DORDERS=30", "-DCUTS=200", "-DVAIN=200", "-T", f"-n{seed}",
                               f"-u{STEPS}", MODEL], cwd=tmp_path, env=host_environment(), check=False,
                              capture_output=True, text=True).stdout
        assert "depth-limit" in said and "violated" not in said
        trace = said[:said.index("-------------")]
        trace = trace[:trace.rindex("\n") + 1]  # the last event is cut off
        result = subprocess.run([replay], input=trace, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"seed {seed}: {result.stdout}"
        events += int(result.stdout.split()[0])
        confirmed += bool(re.search(r"^IS [01] 0 0 0 [12] 7 ", trace, re.MULTILINE))
    assert events > 100 * TRACES and confirmed >= TRACES // 10
    damaged = trace.replace("\nIS 0 0 0 0 0 7 0 0 0", "\nIS 1 0 0 0 0 7 0 0 0", 1)
    assert damaged != trace
    assert subprocess.run([replay], input=damaged, capture_output=True, text=True, check=False).returncode == 1
