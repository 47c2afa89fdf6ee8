# SPDX-License-Identifier: Apache-2.0
"""The corpus's kernel modules and programs: built once for a kernel, in the cache of all checkouts."""

import shutil
from pathlib import Path

from kapu import build
from kapu.steps import Progress, Step

LAB = "lab"
SOURCES = Path(__file__).resolve().parents[1]
COMPILER = ("aarch64-linux-gnu-gcc", "-O2", "-Wall", "-Wextra", "-Werror")


def make_tools(step: Step, out: Path) -> None:
    modules = out / "modules"
    shutil.copytree(SOURCES / "modules", modules)
    step.run("make", "-C", step.needs[0].out / "headers", f"M={modules}", "modules", env=build.KERNEL_ENVIRONMENT)
    for built in modules.glob("*.ko"):
        shutil.copy(built, out)
    shutil.rmtree(modules)
    for source in sorted((SOURCES / "programs").glob("*.c")):
        library = source.stem == "preload"
        step.run(*COMPILER, *(["-shared", "-fPIC"] if library else ["-static"]), "-o",
                 out / (source.stem + ".so" if library else source.stem), source)


def build_tools(share: Path) -> None:
    """Into the folder that the lab sees as /lab."""
    step = Step("corpus-tools", make_tools, needs=[build.release(LAB).linux], shared=True,
                files=[SOURCES / "modules", SOURCES / "programs"],
                values=[build.compiler_version(*command) for command in
                        ((COMPILER[0], "--version"), ("clang-16", "--version"))])
    step.build(Progress())
    for tool in step.out.iterdir():
        shutil.copy(tool, share)
