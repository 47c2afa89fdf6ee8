# SPDX-License-Identifier: Apache-2.0
"""Reference values: made from a build's files, in the bytes that the verifier's own test reads."""

import hashlib

from kapu import reference
from kapu.paths import ROOT

VECTOR = ROOT / "tests" / "vectors" / "reference" / "two-releases"


def of_text(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def two_releases() -> bytes:
    return reference.encode([
        (version, flavour, counter,
         {pcr: of_text(f"{version} {flavour} {pcr}") for pcr in reference.PCRS})
        for version, flavour, counter in (("0.5.0", "gateway", 3), ("0.6.0", "lab", 70000))])


def test_the_file_is_the_vector_that_the_verifier_reads():
    assert two_releases() == VECTOR.read_bytes()


def test_pcrs_follow_from_the_files_of_a_build(tmp_path):
    for name in ("bl1.bin", "bl2.bin", "bl31.bin", "optee.bin", "Image", "gateway.dtb"):
        (tmp_path / name).write_text(name)
    (tmp_path / "root-key.sha256").write_text(of_text("key").hex() + "\n")
    values = reference.pcrs(tmp_path, tmp_path, tmp_path, tmp_path)
    value = bytes(32)
    for name in ("bl1.bin", "bl2.bin", "bl31.bin", "optee.bin"):
        value = hashlib.sha256(value + of_text(name)).digest()
    assert values[0] == value
    assert values[7] == hashlib.sha256(bytes(32) + of_text("key")).digest()
    assert values[8] == hashlib.sha256(bytes(32) + of_text("Image")).digest()
    assert values[9] == hashlib.sha256(bytes(32) + of_text("gateway.dtb")).digest()


def test_cbor_is_deterministic():
    assert reference.cbor({10: [1, 24, 256], 2: b"x"}) == bytes.fromhex("a2024178" "0a8301181819" "0100")
