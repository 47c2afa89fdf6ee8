# SPDX-License-Identifier: Apache-2.0
"""What documents claim is what a test shows: each test that they name exists, and what a review found to be
claimed without one is not claimed again.
"""

import re

import pytest

from kapu.paths import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
TOO_WIDE = ("refused at every layer", "evidence cannot be forged", "always the same key, until the TPM is cleared",
            "a verifier can see the TPM's reset count fall", "the transport limits messages")


def defined() -> set[str]:
    """Names of all tests, and of the files that they are in."""
    names = set()
    for path in (ROOT / "tests").rglob("test_*.[cp]*"):
        if path.suffix in (".py", ".c"):
            names.add(path.name)
            names |= set(re.findall(r"^(?:def|static void) (\w+)\(", path.read_text(), re.MULTILINE))
    return names


def claimed(text: str) -> set[str]:
    """Test files and tests that a page names: `test_x.py`, `test_x.c`, `test_does_y`; and in a cell that names
    a C test file, its tests, which are sentences."""
    names = set()
    for cell in re.split(r"\||\n\n", text):
        words = re.findall(r"`([^`\s]+)`", cell)
        files = [word.rsplit("/", 1)[-1] for word in words if re.fullmatch(r"[\w/]*test_\w+\.(py|c)", word)]
        names |= {file for file in files if "NAME" not in file}
        names |= {word for word in words if re.fullmatch(r"test_\w+", word)}
        if any(file.endswith(".c") for file in files):
            names |= {word for word in words if re.fullmatch(r"[a-z]+(_[a-z0-9]+){3,}", word)}
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_test_that_a_page_names_exists(page):
    assert claimed(page.read_text()) - defined() == set()


def test_a_name_that_is_gone_would_be_told():
    cell = "| x | `tests/unit/test_fusebox.c`: `no_test_has_this_name`; `test_bite.py`: `test_nor_this` |"
    assert claimed(cell) - defined() == {"no_test_has_this_name", "test_nor_this"}


@pytest.mark.parametrize("words", TOO_WIDE)
def test_what_was_claimed_too_widely_is_not_claimed_again(words):
    assert [page.name for page in PAGES
            if words.lower() in " ".join(page.read_text().lower().split())] == []
