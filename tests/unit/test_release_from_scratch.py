# SPDX-License-Identifier: Apache-2.0
"""The commands by which docs/update.md makes a release with keys in tokens, run as they are written there."""

import os
import re
import subprocess

import pytest

from kapu import tpm
from kapu.paths import BUILD, ROOT, host_environment

TITLE = "## A release from scratch, with keys in an HSM"


def written() -> list[str]:
    section = (ROOT / "docs/update.md").read_text().split(TITLE, 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.fixture
def desk(tmp_path):
    """A folder with the build, and kapu on the path; it compresses fast, which the page leaves to its default."""
    (tmp_path / "build").symlink_to(BUILD)
    tool = tmp_path / "bin/kapu"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\n[ "$1 $2" != "release make" ] || set -- "$@" --level 1\nexec {tpm.operator_tool()} "$@"\n')
    tool.chmod(0o755)
    environment = host_environment()
    environment["PATH"] = f"{tool.parent}{os.pathsep}{environment['PATH']}"

    def run(commands: str) -> subprocess.CompletedProcess:
        return subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=tmp_path, env=environment,
                              capture_output=True, text=True, check=False)
    return run


def test_a_release_is_made_and_signed_as_the_page_says(desk):
    keys, release, next_keys = written()
    done = desk(keys + release + next_keys)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "release.keys: set 1 of release keys, of which 2 of 3 must sign" in done.stdout
    assert done.stdout.count("verified: signed by 2 or more keys of set") == 2
    lost = desk(keys.split("\n", 2)[1] + '\nkapu release sign --key "pkcs11:token=cili;object=release?pin-value=0000" '
                "release-0.2.0/manifest")
    assert lost.returncode == 1 and "the key:" in lost.stderr


def without_bela(commands: str) -> str:
    return "\n".join(line for line in commands.splitlines() if "token=bela" not in line)


def test_one_signature_less_is_not_enough(desk):
    keys, release, next_keys = written()
    tokens = "export SOFTHSM2_CONF=$PWD/softhsm2.conf\n"
    done = desk(keys + without_bela(release))
    assert done.returncode == 1 and "1 of the set's keys signed it, of which 2 must" in done.stderr
    assert desk(tokens + release.split("release-0.2.0\n", 1)[1].split("/manifest\n", 1)[1]).returncode == 0  # by her too
    done = desk(tokens + without_bela(next_keys))
    assert done.returncode == 1 and "is not signed by enough keys of the set before it" in done.stderr
    again = desk(tokens + next_keys)
    assert again.returncode == 1 and "is there already: a set of keys, signed by 1" in again.stderr
    assert desk("rm release.keys.2\n" + tokens + next_keys).returncode == 0
