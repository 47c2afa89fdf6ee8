# SPDX-License-Identifier: Apache-2.0
"""What a row of the corpus is, and short ways to write one."""

from collections.abc import Callable
from dataclasses import dataclass

GATEWAY, LAB = "gateway", "lab"
FAMILIES = ("kernel code", "page tables", "registers", "hooks", "modules", "processes",
            "credentials", "code of programs", "network", "settings")
# Identifiers that no check gives yet. A row may expect them; they are required as soon as they are
# no longer here (test_corpus.py fails when docs/introspection.md has one that is still here).
AWAITED: frozenset[str] = frozenset()


CHECK_OF = {"rodata": "text"}  # findings that do not have their check's name


def check_of(finding: str) -> str:
    """The check that a finding's identifier is of."""
    name = finding.partition(".")[0]
    return CHECK_OF.get(name, name)


@dataclass(frozen=True)
class Technique:
    """One attack: how it is mounted on a bench, what must be found, how it is taken back."""
    name: str
    family: str
    description: str  # one sentence
    flavour: str
    expected: frozenset[str]
    mount: Callable
    undo: Callable
    outside: bool = False  # done to the memory of a stopped machine
    cores: int = 1  # that the gateway must have

    @property
    def required(self) -> frozenset[str]:
        return self.expected - AWAITED


def sentence(function) -> str:
    text = " ".join(function.__doc__.split())
    return text if text.endswith(".") else text + "."


def outside(family: str, flavour: str, *rows) -> tuple[Technique, ...]:
    """Attacks that are functions of the stopped guest (tests/guest.py): (function, identifiers)."""
    return tuple(Technique(function.__name__.replace("_", "-"), family, sentence(function), flavour,
                           frozenset(expected.split()),
                           lambda bench, function=function: function(bench.guest()),
                           lambda bench: bench.restore(), outside=True)
                 for function, expected in rows)


def in_shell(name: str, family: str, expected: str, mount: str, undo: str, description: str, cores: int = 1):
    """An attack that is a command in the lab's root shell; so is taking it back."""
    return Technique(name, family, description, LAB, frozenset(expected.split()),
                     lambda bench: bench.shell.run(mount), lambda bench: bench.shell.run(undo), cores=cores)


def module(name: str, family: str, expected: str, words: str, description: str, cores: int = 1):
    """An attack by a kernel module that stays loaded: its name and parameters."""
    return in_shell(name, family, expected, f"insmod /lab/{words.replace(' ', '.ko ', 1)}"
                    if " " in words else f"insmod /lab/{words}.ko",
                    f"rmmod {words.split()[0]}", description, cores)
