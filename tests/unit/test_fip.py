# SPDX-License-Identifier: Apache-2.0
"""tools/kapu/fip.py finds in a package what TF-A's own fiptool put there."""

import re
import subprocess
import uuid

import pytest

from kapu import build, certs, fip
from kapu.errors import KapuError

OPTIONS = build.FIP_IMAGES | {row.fiptool_option: row.fiptool_option for row in certs.CHAIN}
STRANGER = str(uuid.UUID(int=0x4b415055))


@pytest.fixture(scope="module")
def fiptool():
    found = build.release("gateway").tfa.out / "fiptool"
    if not found.exists():
        pytest.skip("fiptool is not built; run tools/build")
    return found


@pytest.fixture
def package(fiptool, tmp_path):
    """A package with everything that we put into one, and something that we do not."""
    command = [fiptool, "create"]
    for number, (name, option) in enumerate(OPTIONS.items()):
        (tmp_path / name).write_bytes(name.encode() * (100 + number))
        command += [f"--{option}", tmp_path / name]
    (tmp_path / STRANGER).write_bytes(b"stranger")
    command += ["--blob", f"uuid={STRANGER},file={tmp_path / STRANGER}"]
    subprocess.run(command + [tmp_path / "package"], check=True)
    return tmp_path / "package"


@pytest.mark.parametrize("base", [0, 0x1000])
def test_every_entry_is_found_where_its_content_lies(package, tmp_path, base):
    image = tmp_path / "image"
    image.write_bytes(bytes(base) + package.read_bytes())
    data = image.read_bytes()
    places = fip.entries(image, base)
    assert places.keys() == OPTIONS.keys() | {STRANGER}
    for name, place in places.items():
        content = (tmp_path / name).read_bytes()
        assert data[place.offset:place.offset + place.size] == content
        assert fip.ENTRY.unpack_from(data, place.entry)[1:3] == (place.offset - base, len(content))


def test_offsets_and_sizes_are_those_that_fiptool_says(fiptool, package):
    said = subprocess.run([fiptool, "info", package], check=True, capture_output=True, text=True)
    rows = re.findall(r'offset=(0x\w+), size=(0x\w+), cmdline="--([a-z0-9-]+)', said.stdout)
    places = fip.entries(package, 0)
    options = OPTIONS | {STRANGER: "blob"}
    assert {option: (int(offset, 16), int(size, 16)) for offset, size, option in rows} == {
        option: (places[name].offset, places[name].size) for name, option in options.items()}


def test_an_image_that_the_package_lacks_is_named(package):
    assert fip.image_place(package, 0, "linux").size == (package.parent / "linux").stat().st_size
    with pytest.raises(KapuError, match="the package at 0x0 has no tpm-driver"):
        fip.image_place(package, 0, "tpm-driver")


@pytest.mark.parametrize("content", [b"", b"\x01\x00", bytes(64), b"\xff" * 64, b"\x7fELF" * 20],
                         ids=["nothing", "too short", "zeros", "erased flash", "a program"])
def test_what_is_no_package_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(KapuError, match="no firmware package at 0x0"):
        fip.entries(tmp_path / "file", 0)


def test_a_table_without_an_end_is_refused(tmp_path):
    entry = fip.ENTRY.pack(b"x" * 16, 0, 0, 0)
    (tmp_path / "file").write_bytes(fip.HEADER.pack(fip.MAGIC, 1, 0) + 3 * entry + entry[:7])
    with pytest.raises(KapuError, match="no end of table"):
        fip.entries(tmp_path / "file", 0)
