# SPDX-License-Identifier: Apache-2.0
"""Who watches: asked for findings again and again, until it says what it must or time is over.

Another detector is another class with a name and findings().
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from guest import inspect
from kapu import load

from .technique import check_of


class Detector(Protocol):
    name: str
    runs_with_gateway: bool  # it can look only while the gateway runs
    seconds: float  # within which it must see an attack, or that an attack is gone

    def findings(self) -> list[dict]:
        """What is wrong now: each with id, object, address and detail."""


class HostInspector:
    """kapu inspect --live: the monitor's library, on the host, over the memory of the gateway."""
    name = "kapu inspect --live"
    runs_with_gateway = False
    seconds = 15.0

    def __init__(self, folder: Path, flavour: str):
        self.folder, self.flavour = folder, flavour
        self.report: dict = {}

    def findings(self) -> list[dict]:
        _, self.report = inspect(self.flavour, self.folder)
        return [{"id": f["id"], "object": f["object"], "address": f["address"],
                 "detail": f["detail"]} for f in self.report["findings"]]


@dataclass
class Seen:
    """What a detector said of an attack."""
    findings: list[dict] = field(default_factory=list)
    first_seconds: float | None = None  # to the first finding
    seconds: float | None = None  # to the last of those that must come; None: not all came
    looks: int = 0

    @property
    def ids(self) -> set[str]:
        return {finding["id"] for finding in self.findings}

    @property
    def checks(self) -> set[str]:
        return {check_of(name) for name in self.ids}


def watch(detector: Detector, wanted: frozenset[str]) -> Seen:
    """Look until all wanted findings have come; at least once."""
    begin, seen, known = time.monotonic(), Seen(), set()
    while True:
        for finding in detector.findings():
            key = (finding["id"], finding["object"], finding["address"])
            if key not in known:
                known.add(key)
                seen.findings.append(finding)
        now = time.monotonic() - begin
        seen.looks += 1
        if seen.findings and seen.first_seconds is None:
            seen.first_seconds = now
        if seen.findings and wanted <= seen.ids:
            seen.seconds = now
            return seen
        if now > detector.seconds * load.factor() or not wanted:
            return seen


def until_clean(detector: Detector) -> list[dict]:
    """Look until nothing is wrong; what is still wrong when time is over."""
    begin = time.monotonic()
    while True:
        found = detector.findings()
        if not found or time.monotonic() - begin > detector.seconds * load.factor():
            return found
