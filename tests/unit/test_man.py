# SPDX-License-Identifier: Apache-2.0
"""Manual pages, completion and the help of the program tell the same."""

import re
import subprocess

import pytest

from kapu import tpm
from kapu.paths import ROOT

MAN = ROOT / "docs" / "man"
COMPLETION = (ROOT / "operator" / "kapu" / "completion.bash").read_text()


def output(*words) -> str:
    return subprocess.run([str(tpm.operator_tool()), *words], capture_output=True, text=True,
                          check=True).stdout


def commands() -> list[str]:
    return re.findall(r"^  (?!kapu)([a-z]+) ", output("--help"), re.MULTILINE)


def test_each_command_has_a_page_and_each_page_a_command():
    pages = {path.stem for path in MAN.glob("*.1")}
    assert pages == {"kapu"} | {f"kapu-{command}" for command in commands()}
    for command in commands():
        assert rf"\fBkapu\-{command}\fR(1)" in (MAN / "kapu.1").read_text()
        assert command in re.search(r"words='(attest .*)'", COMPLETION).group(1).split()


def options(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


@pytest.mark.parametrize("command", ["attest", "audit", "board", "enroll", "evidence", "factory", "fleet", "forget",
                                     "inspect", "reference", "release", "update"])
def test_options_are_the_same_everywhere(command):
    told = options(output(command, "--help")) - {"--help"}
    page = (MAN / f"kapu-{command}.1").read_text().replace("\\-", "-").replace("\\fB", " ")
    assert options(page) - {"--help"} == told
    row = re.search(rf"^        {command}\)(.*?);;", COMPLETION, re.MULTILINE | re.DOTALL).group(1)
    assert options(row) - {"--help"} == told


@pytest.mark.parametrize("page", sorted(MAN.glob("*.1")), ids=lambda path: path.stem)
def test_pages_are_sound(page):
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", page], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0 and done.stderr == ""
