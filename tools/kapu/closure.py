# SPDX-License-Identifier: Apache-2.0
"""The code that a function can reach in this folder, over the borders of modules.

A name of a module counts with the statement that binds it: a function, a class as a whole, a
constant. From there go all names that the statement uses, in its module or in another one of the
same folder, as `name` or as `module.name`. It is the source that counts, without comments, docstrings,
annotations of parameters and the text of raised errors (an error ends the step): a better message
does not rebuild a kernel. What cannot be followed is taken whole, and what hides its target from a
reader (eval, globals, importlib) is refused.
"""

import ast
import hashlib
from functools import lru_cache
from pathlib import Path

from .errors import KapuError

HIDING = frozenset(("eval", "exec", "globals", "vars", "__import__", "importlib"))
EVERYTHING = "*"  # as the name of a node: all of the module


class Bare(ast.NodeTransformer):
    """Leaves of a module what decides on results."""

    def _without_docstring(self, node):
        first = node.body[0] if node.body else None
        if (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)):
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)

    visit_Module = visit_ClassDef = _without_docstring

    def visit_FunctionDef(self, node):
        node.returns = None
        return self._without_docstring(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_Raise(self, node):
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        node.cause = None
        return self.generic_visit(node)


def names_bound(statement) -> set[str]:
    """Names that a statement of a module binds, itself or in its branches."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    inner = [child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt)]
    handlers = [s for child in ast.iter_child_nodes(statement)
                if isinstance(child, ast.excepthandler) for s in child.body]
    return names_stored(statement).union(*(names_bound(s) for s in inner + handlers))


def names_stored(node) -> set[str]:
    """Names assigned to, without those that live only in a comprehension, a lambda or a function."""
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store) else set()
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda,
                         ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr)}
    return set().union(*map(names_stored, ast.iter_child_nodes(node)))


def imports_in(path: Path, statement) -> dict[str, tuple[Path, str]]:
    found = {}
    for node in ast.walk(statement):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= imported(path, node)
    return found


def is_main(statement) -> bool:
    """if __name__ == "__main__": runs in a program, never in a module that a step uses."""
    return (isinstance(statement, ast.If) and isinstance(statement.test, ast.Compare)
            and isinstance(statement.test.left, ast.Name) and statement.test.left.id == "__name__")


class Module:
    """One source file: what binds each name, and what runs when it is imported."""

    def __init__(self, path: Path, text: str):
        self.path = path
        self.tree = Bare().visit(ast.parse(text, str(path)))
        self.bound: dict[str, list] = {}
        self.parts: dict = {}
        self.on_import = []
        self.aliases: dict[str, tuple[Path, str]] = {}
        for statement in self.tree.body:
            if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self.aliases |= imports_in(path, statement)
            names = names_bound(statement)
            for name in names:
                self.bound.setdefault(name, []).append(statement)
            if not names and not is_main(statement):
                self.on_import.append(statement)

    def part(self, statement) -> tuple[str, list[tuple[Path, str]]]:
        """What counts of a statement, and the names that it uses: (file, name there)."""
        if statement not in self.parts:
            self.parts[statement] = self._part(statement)
        return self.parts[statement]

    def _part(self, statement) -> tuple[str, list[tuple[Path, str]]]:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            places = imported(self.path, statement)
            text = ", ".join(f"{name} is {there} of {path.name}" for name, (path, there) in places.items())
            return f"import {text}", list(places.values())
        aliases = self.aliases | imports_in(self.path, statement)
        followed, uses = set(), []
        for node in ast.walk(statement):  # goes from the outside to the inside
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                path, there = aliases.get(node.value.id, (None, None))
                if there == EVERYTHING:
                    followed.add(node.value)
                    uses.append((path, node.attr))
            elif isinstance(node, ast.Name) and node not in followed:
                if node.id in HIDING:
                    raise KapuError(f"{self.path.name}, line {node.lineno}: the build cannot follow "
                                    f"{node.id}; write it without")
                uses.append(aliases.get(node.id, (self.path, node.id)))
        places = sorted({f"{path.name} {there}" for path, there in uses if path != self.path})
        return f"{ast.dump(statement)} {places}", uses

    def around(self, line: int):
        """The statement of the module in which a line is."""
        for statement in self.tree.body:
            first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
            if first <= line <= statement.end_lineno:
                return statement
        raise KapuError(f"{self.path} has no code at line {line}: was it changed meanwhile?")


@lru_cache(maxsize=None)
def parse(path: Path, content: str) -> Module:
    return Module(path, content)


def load(path: Path) -> Module:
    return parse(path, path.read_text())


def imported(module: Path, statement) -> dict[str, tuple[Path, str]]:
    """Name -> (file, name there or EVERYTHING) of what a statement imports of this folder."""
    folder = module.parent

    def file_of(*dotted: str) -> Path | None:
        parts = ".".join(part for part in dotted if part).split(".")
        place = folder.joinpath(*parts[parts[0] == folder.name:])
        return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()),
                    None)

    if isinstance(statement, ast.Import):
        ours = {alias.asname or alias.name: file_of(alias.name) for alias in statement.names}
        if any(path and "." in name for name, path in ours.items()):
            raise KapuError(f"{module.name}, line {statement.lineno}: the build cannot follow this import; "
                            "write 'from PACKAGE import MODULE'")
        return {name: (path, EVERYTHING) for name, path in ours.items() if path}
    if statement.level > 1:
        raise KapuError(f"{module.name}, line {statement.lineno}: the build cannot follow an import from "
                        "outside of the folder")
    found = {}
    for alias in statement.names:
        below, path = file_of(statement.module or "", alias.name), file_of(statement.module or "")
        if below or path:
            found[alias.asname or alias.name] = (below, EVERYTHING) if below else (path, alias.name)
    return found


class Walk:
    """Collects what is reached."""

    def __init__(self):
        self.seen: set[tuple[Path, str]] = set()
        self.modules: dict[Path, Module] = {}
        self.parts: set[tuple[str, str]] = set()

    def reach(self, path: Path, name: str) -> None:
        if (path, name) in self.seen:
            return
        self.seen.add((path, name))
        module = self.enter(path)
        if name == EVERYTHING:
            for statement in module.tree.body:
                self.statement(module, statement)
        for statement in module.bound.get(name, module.bound.get(EVERYTHING, ())):  # from x import *
            self.statement(module, statement)

    def enter(self, path: Path) -> Module:
        if path not in self.modules:
            self.modules[path] = load(path)
            for statement in self.modules[path].on_import:
                self.statement(self.modules[path], statement)
        return self.modules[path]

    def statement(self, module: Module, statement) -> None:
        text, uses = module.part(statement)
        self.parts.add((module.path.name, text))
        for path, name in uses:
            self.reach(path, name)

    def digest(self) -> str:
        return hashlib.sha256(repr(sorted(self.parts)).encode()).hexdigest()


def of_name(path: Path, name: str) -> Walk:
    """What a name of a file reaches."""
    walk = Walk()
    walk.parts.add((path.name, f"from {name}"))
    walk.reach(path, name)
    return walk


def of_function(function) -> Walk:
    """What a function reaches; one inside another counts with all that is around it."""
    path, line, name = (Path(function.__code__.co_filename), function.__code__.co_firstlineno,
                        function.__qualname__)
    walk = Walk()
    module = walk.enter(path)
    if name in module.bound:
        return of_name(path, name)
    around = module.around(line)
    walk.parts.add((path.name, f"from {name}, {line - around.lineno}"))
    walk.statement(module, around)
    return walk


def of_program(path: Path) -> list[Path]:
    """The files of a Python program: its own, and those of its folder that it imports."""
    walk = Walk()
    walk.reach(path, EVERYTHING)
    return sorted(walk.modules)
