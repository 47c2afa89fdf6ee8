# SPDX-License-Identifier: Apache-2.0
"""Attacks on a running gateway's kernel and programs, done to its memory from outside.

Each attack of the corpus is what a rootkit leaves behind. The gateway is stopped, changed, looked at,
and changed back; a gateway that nobody changed has no finding, before and after.
"""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from attacks.corpus import GATEWAY, of_flavour
from attacks.corpus.bench import Bench
from attacks.corpus.kernel import task_of, text_is_patched
from attacks.corpus.processes import code_of, shared_library_is_changed_in_the_page_cache
from guest import PAGE, inspect
from shares import share
from watched import RAM_BASE

ABSENT = ("modules", "tracepoints", "io_uring")  # this kernel has none of it


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    made = Bench(tmp_path_factory.mktemp("memory"), GATEWAY)
    made.start()
    yield made
    made.close()


@pytest.mark.parametrize("technique", share(of_flavour(GATEWAY), lambda t: t.family), ids=lambda t: t.name)
def test_is_found(bench, technique):
    before, seen, after = bench.run(technique)
    assert before == []
    assert technique.required <= seen.ids
    assert after == []


def test_a_changed_instruction_is_found_at_its_32_bytes(bench):
    """And named, as the reference values of the release are beside its profile."""
    stopped = bench.guest()
    at = stopped.symbol("vfs_read") + 64
    text_is_patched(stopped)
    try:
        _, report = inspect(GATEWAY, bench.folder)
    finally:
        stopped.restore()
    finding, = report["findings"]
    assert int(finding["address"], 16) == at & -32
    assert int(finding["physical"], 16) == stopped.physical(at) & -PAGE
    assert "32 bytes differ" in finding["detail"]
    assert finding["symbol"] == f"vfs_read+0x{(at & -32) - at + 64:x}"


def picture_of(bench, tmp_path) -> str:
    status, report = inspect(GATEWAY, bench.folder, "--picture", tmp_path / "memory.svg")
    text = (tmp_path / "memory.svg").read_text()
    assert len(text) < 1 << 20 and status == (1 if report["findings"] else 0)
    return text


def kind_at(picture: str, pa: int) -> list[str]:
    """Of which kinds the picture shows a page to be; one, in a picture that is right."""
    row, column = divmod((pa - RAM_BASE) // PAGE, 512)
    return [kind for kind, shapes in re.findall(r'<path class="(\w+)" d="([^"]*)"', picture)
            for x, y, width, height in (map(int, shape) for shape in re.findall(
                r"M(\d+) (\d+)h(\d+)v(\d+)h-\d+z", shapes))
            if x <= column < x + width and y <= row < y + height]


def marked_pages(picture: str) -> set[int]:
    ElementTree.fromstring(picture)  # it is XML
    return {RAM_BASE + int(page) * PAGE
            for page in re.findall(r'<g class="finding" data-page="(\d+)">', picture)}


def test_the_picture_shows_what_pages_are(bench, tmp_path):
    g = bench.guest()
    picture = picture_of(bench, tmp_path)
    task = task_of(g, "tee-supplicant")
    root = g.page_tables(task)
    stack = g.field(g.field(task, "task_struct", "mm"), "mm_struct", "start_stack") & -PAGE
    code = g.entry(root, code_of(g, "tee-supplicant", "libc.so"))[0] & 0xfffffffff000
    for pa, kind in ((g.physical(g.symbol("vfs_read")), "text"),
                     (g.physical(g.symbol("sys_call_table")), "rodata"),
                     (g.physical(g.symbol("init_task")), "data"), (g.root(), "table"),
                     (g.physical(task), "slab"), (root, "table"), (code, "code"),
                     (g.entry(root, stack)[0] & 0xfffffffff000, "anonymous")):
        assert kind_at(picture, pa) == [kind], hex(pa)
    assert marked_pages(picture) == set()


def test_the_picture_marks_findings(bench, tmp_path):
    stopped = bench.guest()
    program = stopped.entry(stopped.page_tables(task_of(stopped, "tee-supplicant")),
                            code_of(stopped, "tee-supplicant", "libc.so"))[0] & 0xfffffffff000
    text_is_patched(stopped)
    shared_library_is_changed_in_the_page_cache(stopped)
    try:
        picture = picture_of(bench, tmp_path)
    finally:
        stopped.restore()
    text = stopped.physical(stopped.symbol("vfs_read") + 64) & -PAGE
    assert marked_pages(picture) == {text, program}
    assert kind_at(picture, text) == ["text"] and kind_at(picture, program) == ["cache"]
    assert "text.page, kernel text" in picture


def test_every_check_was_done(bench):
    assert bench.detector.findings() == []
    assert not [c for c in bench.detector.report["checks"]
                if not c["done"] and c["id"] not in ABSENT]
