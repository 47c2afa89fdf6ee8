# SPDX-License-Identifier: Apache-2.0
"""A step is run again when code that it can reach changes, in whatever module, and only then.

What is reached is computed here in another way than tools/kapu/closure.py does it: from the loaded
objects (what the byte code names, and what those names stand for) instead of the source.
"""

import ast
import dis
import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kapu import build, closure
from kapu.errors import KapuError
from kapu.paths import ROOT
from shares import share

MODULES = sorted((ROOT / "tools/kapu").glob("*.py"))
WORK = {name: value for name, value in vars(build).items()
        if name.startswith("build_") and list(inspect.signature(value).parameters) == ["step", "out"]}


# ---- the reached, from loaded objects

def is_ours(value) -> bool:
    return getattr(value, "__module__", "").startswith("kapu.")


def codes_of(value):
    """The byte code of a function, or of all that a class defines."""
    if inspect.isfunction(value):
        return [value.__code__]
    members = [getattr(m, "__func__", None) or getattr(m, "fget", None) or m for m in vars(value).values()]
    return [m.__code__ for m in members if inspect.isfunction(m) and m.__code__.co_filename != "<string>"]


def loads_of(code, of: dict) -> set[tuple[str, str]]:
    """(module, name) of what a function's byte code loads: its module's names, and other modules'."""
    found, before = set(), None
    here = of["__name__"].removeprefix("kapu.")
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and inspect.ismodule(before):
            found.add((before.__name__.removeprefix("kapu."), instruction.argval))
        before = None
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            before = of.get(instruction.argval)
            found.add((here, instruction.argval))
    return found.union(*(loads_of(c, of) for c in code.co_consts if inspect.iscode(c)))


def loads(value) -> set[tuple[str, str]]:
    of = vars(sys.modules[value.__module__])
    return set().union(*(loads_of(code, of) for code in codes_of(value)))


def reached_objects(value, found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """(module, name) of the functions and classes of ours that a function or class reaches."""
    place = (value.__module__.removeprefix("kapu."), value.__qualname__)
    if place not in found:
        found.add(place)
        for module, name in loads(value):
            target = getattr(sys.modules.get(f"kapu.{module}"), name, None)
            if isinstance(target, tuple) and target:  # a table's rows
                target = type(target[0])
            if (inspect.isfunction(target) or inspect.isclass(target)) and is_ours(target):
                reached_objects(target, found)
    return found


# ---- changed sources

def copy_of_tools(tmp_path: Path) -> Path:
    folder = tmp_path / "kapu"
    shutil.copytree(ROOT / "tools/kapu", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def definitions(path: Path) -> list[str]:
    return [node.name for node in ast.parse(path.read_text()).body
            if isinstance(node, (ast.FunctionDef, ast.ClassDef))]


def changed(text: str, name: str) -> str:
    """The source with one function or class doing something more."""
    tree = ast.parse(text)
    node = next(n for n in tree.body if getattr(n, "name", None) == name)
    node.body.append(ast.parse("changed = 1").body[0])
    return ast.unparse(tree)


def digests(folder: Path) -> dict[str, str]:
    return {name: closure.of_name(folder / "build.py", name).digest() for name in WORK}


def test_every_function_and_class_changed_in_turn_rebuilds_exactly_what_reaches_it(tmp_path):
    folder = copy_of_tools(tmp_path)
    before = digests(folder)
    reached = {step: reached_objects(work, set()) for step, work in WORK.items()}
    wrong, changes = [], 0
    for path in share(sorted(folder.glob("*.py"))):
        text = path.read_text()
        for name in definitions(path):
            path.write_text(changed(text, name))
            now = digests(folder)
            expected = {step for step in WORK if (path.stem, name) in reached[step]}
            rebuilt = {step for step in WORK if now[step] != before[step]}
            changes += len(expected)
            if rebuilt != expected:
                wrong.append(f"{path.stem}.{name}: rebuilds {sorted(rebuilt)}, used by {sorted(expected)}")
        path.write_text(text)
    assert not wrong, "\n".join(wrong)
    assert changes > 10 and digests(folder) == before


def test_every_constant_changed_in_turn_rebuilds_what_names_it(tmp_path):
    """A constant is reached when a reached function's byte code names it."""
    folder = copy_of_tools(tmp_path)
    before = digests(folder)
    direct = {step: set().union(*(loads(getattr(sys.modules[f"kapu.{module}"], name))
                                  for module, name in reached_objects(work, set())))
              for step, work in WORK.items()}
    missed, changes = [], 0
    for path in share(sorted(folder.glob("*.py"))):
        text = path.read_text()
        for node in ast.parse(text).body:
            names = {t.id for t in ast.walk(node) if isinstance(node, ast.Assign)
                     and isinstance(t, ast.Name) and isinstance(t.ctx, ast.Store)}
            if not names:
                continue
            lines = text.splitlines()
            lines[node.end_lineno - 1] += f"\n{sorted(names)[0]} = None"
            path.write_text("\n".join(lines))
            now = digests(folder)
            for step in WORK:
                if any((path.stem, name) in direct[step] for name in names):
                    changes += 1
                    if now[step] == before[step]:
                        missed.append(f"{path.stem}.{'/'.join(names)}: does not rebuild {step}")
        path.write_text(text)
    assert not missed, "\n".join(missed)
    assert changes > 10


def test_what_the_kernels_depend_on_is_little():
    """Twenty minutes of building must not hang on code that has nothing to do with it."""
    assert {module for module, _ in reached_objects(build.build_linux, set())} == {
        "build", "errors", "fetch", "steps"}


@pytest.mark.parametrize("added", ["# a comment", "def used_by_nobody(): return 1"])
def test_comments_and_code_that_nothing_uses_rebuild_nothing(tmp_path, added):
    folder = copy_of_tools(tmp_path)
    before = digests(folder)
    for path in folder.glob("*.py"):
        path.write_text(path.read_text() + f"\n\n{added}\n")
    assert digests(folder) == before


def test_other_words_in_docstrings_and_errors_rebuild_nothing(tmp_path):
    folder = copy_of_tools(tmp_path)
    before, changes = digests(folder), 0
    for path in folder.glob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
                node.body[0].value.value = "Other words."
                changes += 1
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                node.exc.args = [ast.Constant("other words")]
                changes += 1
        path.write_text(ast.unparse(tree))
    assert changes > 100 and digests(folder) == before


# ---- the ways in which Python code uses other code

PACKAGE = {
    "a.py": "import b\nfrom b import two as zwei\nfrom c import *\nLIMIT = 3\n",
    "b.py": "def one(): return 1\ndef two(): return 2\ndef unused(): return 3\n"
            "class Base:\n    def method(self): return deep()\ndef deep(): return 4\n"
            "def decorate(f): return f\nTABLE = {'x': one}\nTABLE['y'] = two\n",
    "c.py": "def star(): return 5\n",
    "d.py": "def local(): return 6\n",
}
USES = {
    "attribute": ("return b.one()", "b.py", "return 1"),
    "renamed": ("return zwei()", "b.py", "return 2"),
    "star": ("return star()", "c.py", "return 5"),
    "inherited method": ("class X(b.Base): pass\n    return X().method()", "b.py", "return 4"),
    "local import": ("from d import local\n    return local()", "d.py", "return 6"),
    "local module import": ("import d\n    return d.local()", "d.py", "return 6"),
    "default argument": ("def f(x=b.one): return x()\n    return f()", "b.py", "return 1"),
    "decorator": ("@b.decorate\n    def f(): return 1\n    return f()", "b.py", "return f"),
    "lambda": ("return (lambda: b.one())()", "b.py", "return 1"),
    "comprehension": ("return [b.one() for _ in range(LIMIT)]", "a.py", "LIMIT = 3"),
    "module as a value": ("return getattr(b, 'o' + 'ne')()", "b.py", "return 1"),
    "function in a table": ("return b.TABLE['x']()", "b.py", "return 1"),
    "table filled later": ("return b.TABLE['y']()", "b.py", "return 2"),
    "annotated constant": ("return LATE", "a.py", "LATE: int = 1"),
    "branch of the module": ("return BRANCH", "a.py", "BRANCH = 1"),
}


def package(folder: Path, body: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in PACKAGE.items():
        (folder / name).write_text(text)
    with open(folder / "a.py", "a", encoding="utf-8") as file:
        file.write(f"LATE: int = 1\nif LIMIT:\n    BRANCH = 1\ndef work():\n    {body}\n")
    return folder / "a.py"


@pytest.mark.parametrize("body, file, before", USES.values(), ids=USES)
def test_each_way_of_using_code_is_followed(tmp_path, body, file, before):
    path = package(tmp_path / "p", body)
    first = closure.of_name(path, "work").digest()
    other = tmp_path / "p" / file
    assert before in other.read_text()
    other.write_text(other.read_text().replace(before, f"{before} or 99"
                                               if before.startswith("return") else before[:-1] + "7"))
    assert closure.of_name(path, "work").digest() != first


def test_a_function_that_nothing_uses_changes_nothing(tmp_path):
    path = package(tmp_path / "p", "return b.one()")
    first = closure.of_name(path, "work").digest()
    (tmp_path / "p/b.py").write_text(PACKAGE["b.py"].replace("return 3", "return 4"))
    assert closure.of_name(path, "work").digest() == first


@pytest.mark.parametrize("body", ["return eval('b.one()')", "return globals()['zwei']()",
                                  "import importlib\n    return importlib.import_module('b').one()"])
def test_code_that_hides_what_it_uses_is_refused(tmp_path, body):
    with pytest.raises(KapuError, match="the build cannot follow"):
        closure.of_name(package(tmp_path / "p", body), "work")


def test_two_functions_that_swap_their_contents_are_a_change(tmp_path):
    path = package(tmp_path / "p", "return b.one() - b.deep()")
    first = closure.of_name(path, "work").digest()
    (tmp_path / "p/b.py").write_text(PACKAGE["b.py"].replace("one(): return 1", "one(): return 4")
                                     .replace("deep(): return 4", "deep(): return 1"))
    assert closure.of_name(path, "work").digest() != first


def test_a_program_counts_with_the_files_that_it_imports(tmp_path):
    package(tmp_path / "p", "return 1")
    assert [p.name for p in closure.of_program(tmp_path / "p/a.py")] == ["a.py", "b.py", "c.py"]


# ---- the whole: keys of this checkout's steps

KEYS = r"""
import ast, functools, json, sys
from pathlib import Path
sys.path.insert(0, "tools")
from kapu import build
build.compiler_version = functools.lru_cache(build.compiler_version)

def keys():
    found = {}
    for step in (s for s in vars(build.release()).values() if isinstance(s, build.Step)):
        found[step.name] = step.key()
    return found

result = {"": keys()}
for path in sorted(Path("tools").rglob("*.py")):
    text = path.read_text()
    lines = text.splitlines()
    for node in reversed(ast.parse(text).body):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            last = node.body[-1]
            lines.insert(last.end_lineno, " " * last.col_offset + "changed = 1")
    path.write_text("\n".join(lines) + "\n")
    result[path.name] = keys()
    path.write_text(text)
result["again"] = keys()
print(json.dumps(result))
"""


@pytest.fixture(scope="module")
def keys_after(tmp_path_factory):
    """Module changed as a whole -> keys of all steps, in a copy of the checkout."""
    tree = tmp_path_factory.mktemp("checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in (n.decode() for n in names.split(b"\0") if n):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name, follow_symlinks=False)
    for path in MODULES:
        shutil.copy2(path, tree / "tools/kapu")
    if (ROOT / "keys").exists() and not os.environ.get("KAPU_KEYS"):
        (tree / "keys").symlink_to(ROOT / "keys")
    run = subprocess.run([sys.executable, "-B", "-c", KEYS], cwd=tree, check=False, capture_output=True,
                         text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


KERNEL = {"linux", "profile-gateway"}
SIGNED = {"tf-a", "firmware-gateway", "reference-gateway"}


@pytest.mark.parametrize("module, rebuilt, kept", [
    ("certs.py", SIGNED, KERNEL | {"native", "optee-gateway", "root-gateway"}),
    ("reference.py", {"reference-gateway"}, KERNEL | SIGNED - {"reference-gateway"}),
    ("symbols.py", {"reference-gateway"}, KERNEL | SIGNED - {"reference-gateway"}),
    ("profile.py", {"profile-gateway", "optee-gateway"}, {"linux", "tf-a", "root-gateway"}),
    ("allow.py", {"allow-gateway", "optee-gateway"}, KERNEL | {"tf-a", "root-gateway"}),
    ("rootimage.py", {"root-gateway", "device-tree-gateway", "allow-gateway"}, KERNEL | {"tf-a"}),
    ("commands.py", KERNEL | SIGNED | {"native", "operator", "root-gateway"}, set()),
    ("paths.py", KERNEL | SIGNED | {"native", "operator", "root-gateway"}, set()),
    ("qemu.py", set(), KERNEL | SIGNED | {"native", "operator", "root-gateway", "optee-gateway"}),
])
@pytest.mark.share(5)
def test_a_changed_module_changes_the_keys_of_the_steps_that_use_it(keys_after, module, rebuilt, kept):
    before, now = keys_after[""], keys_after[module]
    changed_keys = {name for name in before if before[name] != now[name]}
    assert rebuilt <= changed_keys and not kept & changed_keys


@pytest.mark.share(2)
def test_each_module_in_turn_changes_what_reaches_it_and_what_needs_that(keys_after):
    reached = {name: {m for m, _ in reached_objects(work, set())} for name, work in WORK.items()}
    release = build.release()

    def uses(step, module: str) -> bool:
        own = module in reached[step.work.__name__] | {"commands", "paths"}
        return own or any(uses(need, module) for need in step.needs)

    assert keys_after["again"] == keys_after[""]
    for path in MODULES:
        if path.stem in ("__init__", "paths"):
            continue  # without functions; or whose functions are used in part: above
        for step in (s for s in vars(release).values() if isinstance(s, build.Step)):
            is_changed = keys_after[path.name][step.name] != keys_after[""][step.name]
            assert is_changed == uses(step, path.stem), f"{path.stem} and {step.name}"
