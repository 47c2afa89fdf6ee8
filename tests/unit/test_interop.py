# SPDX-License-Identifier: Apache-2.0
"""The vectors of evidence, verified and read by two implementations that are not kapu's."""

import hashlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import interop  # noqa: E402

VECTORS = interop.ROOT / "tests" / "vectors" / "evidence"
TEE, AK = VECTORS / "tee.key", VECTORS / "ak.key"
SUBMODS, MONITOR_VERDICT, FINDINGS, KERNEL = "266", "-70020", "-70027", "-70028"
BOOTSEED, IDENTITY, LAST_UPDATE, REFUSALS = "268", "-70033", "-70034", "-70035"


@pytest.mark.dealt
@pytest.mark.parametrize("name", ("clean", "infected", "enrolment"))
@pytest.mark.parametrize("kind", ("token", "message"))
def test_a_vector_verifies(name, kind):
    claims = interop.check(VECTORS / f"{name}.{kind}", TEE, AK)
    assert claims["265"] == "tag:kapu.example,2026:evidence-5"
    assert sorted(claims[SUBMODS]) == ["boot", "monitor", "software", "tee"]
    assert ("8" in claims) == (name == "enrolment")


def test_findings_are_read_as_they_were_written():
    monitor = interop.check(VECTORS / "infected.token", TEE)[SUBMODS]["monitor"]
    assert monitor[MONITOR_VERDICT] == 2
    assert monitor[FINDINGS][0] == [2, "text.page", "__arm64_sys_kill+0x10",
                                    "0xffff800008123450", "4 bytes"]
    assert monitor[KERNEL] == "0xffff800008000000"


def test_release_and_boot_are_read_as_they_were_written():
    software = interop.check(VECTORS / "clean.token", TEE)[SUBMODS]["software"]
    assert software[IDENTITY] == hashlib.sha256(b"a release identity").hexdigest()
    assert software[BOOTSEED] == hashlib.sha256(b"vector boot").hexdigest()


@pytest.mark.parametrize("name, said", [("clean", [0, 0]), ("infected", [3, 1])])
def test_the_last_update_is_read_as_it_was_written(name, said):
    assert interop.check(VECTORS / f"{name}.token", TEE)[SUBMODS]["software"][LAST_UPDATE] == said


@pytest.mark.parametrize("name, said", [("clean", [0] * 6),
                                        ("infected", [2, 3, 1 << 1 | 1 << 2, 20, 70000, 1 << 20])])
def test_refusals_are_read_as_they_were_written(name, said):
    assert interop.check(VECTORS / f"{name}.token", TEE)[SUBMODS]["software"][REFUSALS] == said


def test_another_key_is_refused():
    with pytest.raises(interop.NotVerified):
        interop.check(VECTORS / "clean.token", AK)


@pytest.mark.dealt
@pytest.mark.parametrize("back", (1, 40, 70, 300))
def test_a_changed_token_is_refused(back, tmp_path):
    data = bytearray((VECTORS / "clean.token").read_bytes())
    data[-back] ^= 4
    (tmp_path / "changed").write_bytes(data)
    with pytest.raises(interop.NotVerified):
        interop.check(tmp_path / "changed", TEE)


def test_a_quote_over_another_token_is_refused(tmp_path):
    clean = (VECTORS / "clean.message").read_bytes()
    token = (VECTORS / "clean.token").read_bytes()
    other = (VECTORS / "enrolment.token").read_bytes()
    head = b"\x59" + len(token).to_bytes(2, "big")
    assert clean.count(head + token) == 1
    (tmp_path / "mixed").write_bytes(clean.replace(head + token,
                                                   b"\x59" + len(other).to_bytes(2, "big") + other))
    with pytest.raises(interop.NotVerified, match="another token"):
        interop.check(tmp_path / "mixed", TEE, AK)
