# SPDX-License-Identifier: Apache-2.0
"""Kind: what real hardware writes. The cases are C (certificates, event logs, answers of TPMs, quotes); here they are
held against the page that lists them, and counted."""

import re
import subprocess

import edges
import native
from kapu.paths import ROOT

KIND = "hardware"
PAGE = ROOT / "docs" / "tpm-hardware.md"
PROGRAMS = ("tests/unit/test_hardware_certificates", "tests/unit/test_hardware_tpm")


def listed() -> dict[str, str]:
    """By variation: accepted or refused."""
    return dict(re.findall(r"^\| (.+?) \| (accepted|refused) \|$", PAGE.read_text(), re.MULTILINE))


def test_each_variation_of_the_page_has_a_case_that_comes_out_as_it_says():
    with edges.Cases(KIND) as cases:
        found: dict[str, str] = {}
        for program in native.programs(*PROGRAMS):
            done = subprocess.run([program], capture_output=True, text=True, check=False)
            for name, wanted in re.findall(r"^case\t(.+)\t(\w+)$", done.stdout, re.MULTILINE):
                cases.check(name not in found, f"{name} is there twice")
                found[name] = wanted
            for wrong in re.findall(r"^wrong\t(.+)$", done.stdout, re.MULTILINE):
                cases.check(False, wrong)
            cases.check(done.returncode == 0, done.stderr)
        page = listed()
        for name in found.keys() | page.keys():
            cases.check(found.get(name) == page.get(name), f"{name}: case {found.get(name)}, page {page.get(name)}")
        cases.check({"accepted", "refused"} == set(found.values()), "both outcomes are there")
