# SPDX-License-Identifier: Apache-2.0
"""What the secure world says of Linux, read from the secure console: nothing of Linux is asked."""

import re
import time
from dataclasses import dataclass, field

from kapu import load
from kapu.errors import KapuError

CHECK = re.compile(r"kapu: deep check (\d+): (clean|(\d+) alarms, (\d+) warnings), "
                   r"(\d+) checks in (\d+) ms")
FINDING_OR_MORE = re.compile(r"kapu: (?:and (?P<more>\d+) findings more|"
                             r"(alarm|warning) (\S+): (.*), 0x([0-9a-f]+): (.*))$")
WATCH = re.compile(r"kapu: watch: page 0x([0-9a-f]+) has changed")
RESET = re.compile(r"kapu: RESET\b(.*)$")
AGAIN = re.compile(r"kapu: the monitor reset the board; (\d+) times since power-on")


@dataclass
class DeepCheck:
    number: int
    milliseconds: int
    findings: list[dict] = field(default_factory=list)

    @property
    def ids(self) -> set[str]:
        return {f["id"] for f in self.findings}


class Monitor:
    """Follows the secure console of a running machine."""

    def __init__(self, machine):
        self.path = machine.secure_console
        self.at = 0  # lines up to here have been looked at

    def lines(self) -> list[str]:
        """Complete lines since the last call of skip() or a wait."""
        text = self.path.read_text(errors="replace") if self.path.exists() else ""
        return text[:text.rfind("\n") + 1].splitlines()[self.at:]

    def skip(self) -> None:
        self.at += len(self.lines())

    def wait(self, pattern: re.Pattern, timeout: float) -> re.Match:
        """The next line that matches; what came before it is passed over."""
        deadline = time.monotonic() + timeout * load.factor()
        while True:
            for n, line in enumerate(self.lines()):
                found = pattern.search(line)
                if found:
                    self.at += n + 1
                    return found
            if time.monotonic() > deadline:
                tail = "\n".join(self.lines()[-20:])
                raise KapuError(f"'{pattern.pattern}' did not appear on the secure console within "
                                f"{timeout:.0f} s:\n{tail}")
            time.sleep(0.05)

    def next_check(self, timeout: float = 600) -> DeepCheck:
        """The next deep check with all that it found."""
        found = self.wait(CHECK, timeout)
        check = DeepCheck(int(found[1]), int(found[6]))
        expected = int(found[3] or 0) + int(found[4] or 0)
        while len(check.findings) < expected:
            line = self.wait(FINDING_OR_MORE, 60)
            if line["more"]:
                break
            check.findings.append({"severity": line[2], "id": line[3], "object": line[4],
                                   "address": int(line[5], 16), "detail": line[6]})
        return check


class SecureWorld:
    """Detector of the attack corpus: the monitor TA's own verdict. A bench with a shell asks for a deep
    check, else the next one that comes by itself is awaited."""
    name = "monitor in the secure world"
    runs_with_gateway = True
    seconds = 90.0

    def __init__(self, bench):
        self.bench, self.monitor = bench, Monitor(bench.machine)

    def findings(self) -> list[dict]:
        self.monitor.skip()
        if self.bench.shell is not None:
            self.bench.shell.run("systemctl kill -s USR1 kapu-agent")
        return [{**f, "address": hex(f["address"])}
                for f in self.monitor.next_check(120).findings]
