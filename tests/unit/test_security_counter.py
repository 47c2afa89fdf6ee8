# SPDX-License-Identifier: Apache-2.0
"""A release's security counter is one that every board can reach when it confirms the release."""

import pytest

from kapu import build
from kapu.errors import KapuError
from kapu.paths import ROOT


@pytest.mark.parametrize("text", ["0", "1", "256", "257", "4095"])
def test_a_security_counter_that_boards_confirm_is_taken(tmp_path, monkeypatch, text):
    (tmp_path / "SECURITY_COUNTER").write_text(text + "\n")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    assert build.security_counter() == int(text)


@pytest.mark.parametrize("text", ["4096", "2147483647", "-1", "seven", ""])
def test_a_security_counter_that_boards_would_not_confirm_is_refused(tmp_path, monkeypatch, text):
    (tmp_path / "SECURITY_COUNTER").write_text(text + "\n")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    with pytest.raises(KapuError, match="refuses to confirm a release that is further away"):
        build.security_counter()


def test_build_and_firmware_agree_on_how_far_a_counter_rises():
    header = (ROOT / "lib/fusebox/include/kapu/fusebox.h").read_text()
    assert f"#define FUSEBOX_RAISE_MAX {build.SECURITY_COUNTER_MAX}u" in header
