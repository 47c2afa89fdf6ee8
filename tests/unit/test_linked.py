# SPDX-License-Identifier: Apache-2.0
"""What is linked into the secure world and the boot stages of lib/: only what something there calls. The
libraries are compiled whole; the linker drops what has no caller.
"""

import re
import subprocess

import pytest

from kapu import build
from kapu.paths import ROOT, host_environment

HEADERS = ROOT / "lib"
HEAD = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")
REFERENCE = re.compile(r"<([A-Za-z0-9_.]+)(?:\+0x[0-9a-f]+)?>\s*$")
OWN = re.compile(r"^(tpm2|fusebox|eventlog|bootstate|bootmarks|fip|kapu)_")
BY_POINTER = {"tis_transceive"}  # of a port, whose table the compiler fills


def output(*command) -> str:
    return subprocess.run(command, env=host_environment(), check=True, capture_output=True, text=True).stdout


def calls_of(elf) -> dict[str, set[str]]:
    """Function -> what it refers to, from its disassembly."""
    calls: dict[str, set[str]] = {}
    current: set[str] = set()
    for line in output("aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", elf).splitlines():
        head = HEAD.match(line)
        if head:
            current = calls.setdefault(head[1], set())
        elif (reference := REFERENCE.search(line)):
            current.add(reference[1])
    return calls


def without_caller(calls: dict[str, set[str]], cut: str = "") -> list[str]:
    """Functions of the libraries that no function from outside them leads to, or only by way of `cut`."""
    open_ends = [name for name in calls if not OWN.match(name) and name != cut] + list(BY_POINTER)
    reached = set(open_ends)
    while open_ends:
        for name in calls.get(open_ends.pop(), set()) - reached - {cut}:
            reached.add(name)
            open_ends.append(name)
    return sorted(name for name in calls if OWN.match(name) and name not in reached)


@pytest.fixture(scope="module")
def release():
    return build.release("gateway")


@pytest.mark.parametrize("image", ["optee", "bl1", "bl2"])
def test_every_library_function_in_an_image_has_a_caller_there(release, image):
    elf = release.optee.out / "optee.elf" if image == "optee" else release.tfa.out / f"{image}.elf"
    calls = calls_of(elf)
    assert sum(1 for name in calls if OWN.match(name)) > 20
    assert without_caller(calls) == []


def test_a_function_whose_caller_is_gone_is_found(release):
    assert without_caller(calls_of(release.optee.out / "optee.elf"), cut="trust_quote") != []


def test_what_only_the_factory_and_the_operator_do_is_not_in_the_secure_world(release):
    calls = calls_of(release.optee.out / "optee.elf")
    for name in ("fusebox_provision", "tpm2_make_credential", "tpm2_evict_control"):
        assert name not in calls
