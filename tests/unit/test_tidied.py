# SPDX-License-Identifier: Apache-2.0
"""A file is looked at by clang-tidy again when anything has changed that it could see, and only then."""

import json
import subprocess
import sys

import pytest

from kapu import tidied

FILES = {"a.c": '#include "a.h"\nint a(void) { return A; }\n', "a.h": "#define A 1\n", "b.c": "int b(void) { return 2; }\n",
         "b.h": "#define B 1\n"}


@pytest.fixture
def tree(tmp_path, monkeypatch, capsys):
    """A checkout of two files; gives the names of those that are to be looked at, and then remembers them as good."""
    good, built = tmp_path / "good", tmp_path / "build"
    good.mkdir()
    built.mkdir()
    monkeypatch.setattr(tidied, "ROOT", tmp_path)
    monkeypatch.setattr(tidied, "COMPILED", built)
    for name, text in {**FILES, ".clang-tidy": "Checks: x\n"}.items():
        (tmp_path / name).write_text(text)
    (built / "compile_commands.json").write_text(json.dumps([
        {"directory": str(built), "file": f"../{name}", "command": f"ccache cc -I.. -MD -MF x.d -o x.o -c ../{name}"}
        for name in ("a.c", "b.c")]))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", *FILES], cwd=tmp_path, check=True)

    def look() -> list[str]:
        monkeypatch.setattr(sys, "argv", ["tidied", str(good), "a.c", "b.c"])
        assert tidied.main() == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        for first, second, _ in lines:
            for key in (first, second):
                open(key, "w", encoding="ascii").close()
        return [name for _, _, name in lines]

    look.root = tmp_path
    return look


@pytest.mark.dealt
@pytest.mark.parametrize("name, text, seen", [
    ("a.c", "int a(void) { return 1; }\n", ["a.c"]), ("a.h", "#define A 2\n", ["a.c"]),
    ("a.h", "#define A 1 /* NOLINT */\n", ["a.c"]), ("a.h", "#define A 1\n#define OTHER 1\n", ["a.c"]),
    ("b.h", "#define B 2\n", []), (".clang-tidy", "Checks: y\n", ["a.c", "b.c"]),
    ("a.h", "#error none\n", ["a.c"])])
def test_a_change_concerns_the_files_that_see_it(tree, name, text, seen):
    assert tree() == ["a.c", "b.c"] and tree() == []
    before = (tree.root / name).read_text()
    (tree.root / name).write_text(text)
    assert tree() == seen and tree() == []
    (tree.root / name).write_text(before)
    assert tree() == []  # as it was found good before


def test_a_file_that_is_not_compiled_sees_every_header(tree):
    commands = tree.root / "build" / "compile_commands.json"
    commands.write_text("[]")
    assert tree() == ["a.c", "b.c"] and tree() == []
    (tree.root / "b.h").write_text("#define B 2\n")
    assert tree() == ["a.c", "b.c"]


def test_another_way_to_compile_is_another_file(tree):
    tree()
    commands = tree.root / "build" / "compile_commands.json"
    commands.write_text(commands.read_text().replace("-c ../a.c", "-DA=3 -c ../a.c"))
    assert tree() == ["a.c"]
