# SPDX-License-Identifier: Apache-2.0
"""docs/writing-a-check.md works as written: its steps are done on a copy, and the new check runs."""

import re
import shutil
import struct
import subprocess

import pytest

from kapu import profile, sectioned
from kapu.paths import BUILD, ROOT, host_environment

STEP = re.compile(r"^`(append to|create|in) (\S+?)(?:, behind \"([^\n]*)\")?`\n```\w*\n(.*?)^```$",
                  re.MULTILINE | re.DOTALL)
PROGRAM = """
#include <stdio.h>
#include <string.h>
#include "internal.h"
static int read_nothing(void *ctx, uint64_t pa, void *to, size_t n)
{ (void)ctx; (void)pa; memset(to, 0, n); return 0; }
static int hash(void *ctx, const struct bytes *p, size_t n, uint8_t out[32])
{ (void)ctx; (void)p; (void)n; memset(out, 0, 32); return 0; }
static void report(void *ctx, const struct finding *f) { (void)ctx; (void)f; }
static uint8_t data[1 << 20], work[1 << 16];
int main(int argc, char **argv)
{
    static struct introspect in;
    const struct introspect_check *table;
    size_t n = introspect_checks(&table);
    FILE *f = fopen(argv[argc - 1], "rb");
    struct introspect_setup s = {.mem = {read_nothing, 0}, .sha = {hash, 0}, .ram_size = 1 << 20,
        .work = work, .work_n = sizeof(work), .attempts = 1, .report = report};
    s.profile = (struct bytes){data, fread(data, 1, sizeof(data), f)};
    printf("open %d\\n", introspect_init(&in, &s));
    printf("offset %x\\n", item(&in, S_kptr_restrict));
    for (size_t i = 0; i < n; i++)
        printf("check %s\\n", table[i].id);
    return 0;
}
"""


def follow(text: str, root) -> int:
    steps = STEP.findall(text)
    for how, name, behind, content in steps:
        path = root / name
        if how == "create":
            assert not path.exists()
            path.write_text(content)
        elif how == "append to":
            path.write_text(path.read_text() + content)
        else:
            old = path.read_text()
            assert old.count(behind + "\n") == 1, (name, behind)
            path.write_text(old.replace(behind + "\n", behind + "\n" + content))
    return len(steps)


@pytest.mark.share(4)
def test_the_page_leads_to_a_check_that_runs(tmp_path):
    shutil.copytree(ROOT / "lib", tmp_path / "lib")
    assert follow((ROOT / "docs/writing-a-check.md").read_text(), tmp_path) == 5
    library = tmp_path / "lib/introspect"
    kernel = (BUILD / "gateway/vmlinux").resolve().parent
    data = profile.make_profile(
        (kernel / "vmlinux").read_bytes(), (kernel / "vmlinux.btf").read_bytes(),
        (kernel / "Image").read_bytes(), (kernel / "config").read_text(),
        (library / "profile.def").read_text())
    (tmp_path / "profile").write_bytes(data[:-sectioned.DIGEST] + bytes(sectioned.DIGEST))  # as the program hashes
    (tmp_path / "main.c").write_text(PROGRAM)
    sources = [library / name for name in (library / "sources.list").read_text().split()]
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-I", library,
                    "-I", library / "include", "-I", tmp_path / "lib/base/include", *sources,
                    tmp_path / "lib/base/bytes.c", tmp_path / "main.c", "-o", tmp_path / "main"],
                   check=True, env=host_environment())
    output = subprocess.run([tmp_path / "main", tmp_path / "profile"], check=True,
                            capture_output=True, text=True).stdout
    assert "open 0\n" in output and "check shown\n" in output
    items, = struct.unpack_from("<I", data, profile.HEADER)
    last, = struct.unpack_from("<I", data, items + 4 * (len(profile.parse_definitions(
        (library / "profile.def").read_text())) - 1))
    assert f"offset {last:x}\n" in output
