# SPDX-License-Identifier: Apache-2.0
"""What a gateway fetches of a changed release, beside other ways at the same level of compression, in one run: a slice
of tools/bench-update, which measures real pairs.
"""

import hashlib
import json
import subprocess

import pytest

from kapu import tpm
from kapu.paths import BUILD, host_environment
from other_release import BLOCK, FACTS, FIRMWARE, ROOT_IMAGE, file_system, make_other

pytestmark = pytest.mark.share(2)  # the release is compressed twice for these
LEVEL = 3  # that of releases, 19, takes minutes; ratios differ by a percent or two
WINDOW = "--long=27"


def kapu(*words) -> str:
    return subprocess.run([str(tpm.operator_tool()), "release", *map(str, words)], capture_output=True, text=True,
                          env=host_environment(), check=True).stdout


def compressed(path) -> int:
    return len(subprocess.run(["zstd", f"-{LEVEL}", WINDOW, "-q", "-c", path], capture_output=True, check=True,
                              env=host_environment()).stdout)


def content(root, firmware) -> bytes:
    data = root.read_bytes()[:FACTS["data_blocks"] * BLOCK] + firmware.read_bytes()
    return data + bytes(-len(data) % BLOCK)


def blocks(data: bytes) -> list[bytes]:
    return [data[at:at + BLOCK] for at in range(0, len(data), BLOCK)]


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """The built release, for a gateway with one of which libcrypto was built anew, all 16 bytes from where it is now,
    and a few other blocks differ.
    """
    folder = tmp_path_factory.mktemp("bytes")
    old = file_system()
    library = next((BUILD / "gateway" / "root-tree").rglob("libcrypto.so.3")).read_bytes()
    begin = old.index(library[:64 * BLOCK])
    end = begin + len(library) // BLOCK * BLOCK
    assert begin % BLOCK == 0 and old[begin:end] == library[:end - begin]
    old[begin:end] = old[begin + 16:end] + old[begin:begin + 16]
    for at in (0, begin // 3 // BLOCK * BLOCK, len(old) - 1):
        old[at] ^= 1
    have = make_other(folder, bytes(old))
    new, old = content(ROOT_IMAGE, FIRMWARE), content(have[3], have[1])
    there = {hashlib.sha256(block).digest() for block in blocks(old)}
    (folder / "changed").write_bytes(b"".join(b for b in blocks(new) if hashlib.sha256(b).digest() not in there))
    (folder / "new").write_bytes(new)
    kapu("make", "--firmware", FIRMWARE, "--root", ROOT_IMAGE, "--version", "2", "--hardware", "qemu-virt", "--product",
         "gateway", "--level", LEVEL, "--out", folder / "release")
    found = {"whole": compressed(folder / "new"), "rauc": compressed(folder / "changed")}
    told = json.loads(kapu("rebuild", "--json", *have, folder / "release"))
    found |= {"any_base": told["bytes"], "index": told["index_bytes"]}
    kapu("patch", *have, "--level", LEVEL, folder / "release")
    told = json.loads(kapu("rebuild", "--json", *have, folder / "release"))
    (index,) = (folder / "release").glob("patch-*.index")
    return found | {"patch": told["bytes"] + index.stat().st_size}


def test_any_base_costs_less_than_changed_blocks_as_one_stream(figures):
    assert figures["any_base"] < figures["rauc"], figures


def test_any_base_costs_a_part_of_the_whole(figures):
    assert figures["whole"] / 20 < figures["any_base"] <= figures["whole"] / 4, figures


def test_an_index_costs_a_hundredth_of_the_whole(figures):
    assert figures["index"] * 100 < figures["whole"], figures


def test_a_patch_costs_little(figures):
    assert figures["patch"] * 100 < figures["whole"] * 8, figures
