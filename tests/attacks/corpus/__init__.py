# SPDX-License-Identifier: Apache-2.0
"""The attack corpus: every technique is a row, whatever it is mounted with and whoever watches.

A new technique is a function, a module or a program, and a row with what must be found.
"""

from . import (callbacks, inside, kernel, lab_memory, operations, processes, programs,
               settings)
from .technique import AWAITED, FAMILIES, GATEWAY, LAB, Technique, check_of

TECHNIQUES: tuple[Technique, ...] = (
    kernel.ROWS + callbacks.ROWS + operations.ROWS + processes.ROWS + settings.ROWS
    + lab_memory.ROWS + inside.ROWS + programs.ROWS)

__all__ = ["AWAITED", "FAMILIES", "GATEWAY", "LAB", "TECHNIQUES", "Technique", "check_of",
           "of_flavour"]


def of_flavour(flavour: str) -> list[Technique]:
    return [t for t in TECHNIQUES if t.flavour == flavour]
