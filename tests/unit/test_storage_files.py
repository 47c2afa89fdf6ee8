# SPDX-License-Identifier: Apache-2.0
"""OP-TEE's storage in files, as it is built into the gateway, run on the host over a disk that is damaged or
cut at each write (tests/storage_files). Without our patch it shows the faults that the patch is for.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kapu import build
from kapu.paths import ROOT, host_environment
from kapu.steps import Progress

HERE = ROOT / "tests" / "storage_files"
PATCH = ROOT / "third_party" / "optee-os" / "10-storage-starts-anew.patch"
# What goes wrong without it.
FAULTS = {"storage_starts_anew_at_any_counter",
          "an_object_without_a_head_is_corrupt_not_new",
          "a_directory_that_was_never_finished_is_as_good_as_none",
          "what_was_there_before_a_new_start_is_refused_at_once",
          "a_power_cut_at_any_write_loses_nothing",
          "without_budget_nothing_is_written_and_nothing_is_lost",
          "each_write_to_the_tpm_is_paid_for"}


@pytest.fixture(scope="module")
def optee() -> Path:
    step = build.release("gateway").optee.needs[0]
    step.build(Progress())
    return step.out / "optee-os"


def gcc(*words) -> None:
    subprocess.run(["gcc", *map(str, words)], check=True, env=host_environment(), cwd=HERE)


def run(optee: Path, sources: Path, out: Path, *flags: str) -> subprocess.CompletedProcess:
    out.mkdir()
    flags = ("-std=gnu11", "-g", "-D_GNU_SOURCE", "-include", HERE / "optee.h", f"-I{HERE}",
             f"-I{ROOT / 'secure/core/include'}", f"-I{optee / 'core/include'}",
             f"-I{optee / 'lib/libutee/include'}", "-idirafter", optee / "lib/libutils/ext/include",
             *flags)
    objects = []
    for name in ("fs_htree", "fs_dirfile", "tee_ree_fs"):
        objects.append(out / f"{name}.o")
        gcc(*flags, "-w", "-c", sources / f"{name}.c", "-o", objects[-1])
    for name in ("model", "test_storage_files"):
        objects.append(out / f"{name}.o")
        gcc(*flags, "-Wall", "-Wextra", "-Werror", "-c", f"{name}.c", "-o", objects[-1])
    gcc(*flags, *objects, "-lcmocka", "-lcrypto", "-o", out / "test")
    return subprocess.run([out / "test"], check=False, env=host_environment(), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)


@pytest.mark.parametrize("flags", [(), ("-fsanitize=address,undefined",)])
def test_storage_survives_what_a_disk_and_power_cuts_do_to_it(optee, tmp_path, flags):
    done = run(optee, optee / "core/tee", tmp_path / "out", *flags)
    assert done.returncode == 0, done.stdout


def test_without_our_patch_deleted_storage_never_works_again(optee, tmp_path):
    tree = tmp_path / "core" / "tee"
    shutil.copytree(optee / "core/tee", tree)
    subprocess.run(["patch", "-R", "-p1", "-d", tmp_path, "-i", PATCH], check=True,
                   env=host_environment(), capture_output=True)
    done = run(optee, tree, tmp_path / "out")
    assert FAULTS <= set(re.findall(r"FAILED *\] (\w+)$", done.stdout, re.MULTILINE)), done.stdout
