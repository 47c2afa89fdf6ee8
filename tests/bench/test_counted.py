# SPDX-License-Identifier: Apache-2.0
"""What the monitor costs a gateway, counted in instructions: QEMU runs one core after the other and its clock
goes one nanosecond an instruction (-icount), so these figures show order, not speed. Which world executed an
instruction is told by its address (instructions.c).
"""

import json
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from kapu.instance import Instance
from kapu.paths import ROOT, host_environment
from kapu.qemu import Machine
from kapu.report import update_report
from monitored import Monitor
from shell import Shell

CHECKS = 3
SETTLED = 3  # deep checks after which the lab has switched the jump labels of its start
QUIESCE_MS, COVERAGE_S, OVERHEAD_PERCENT, LINES = 5.0, 5.0, 1.0, 10000
# What watches Linux and vouches for it. Other TAs are not in this figure: tools/trust-report counts all of the secure
# world, with every library.
SECURE_WORLD = ("secure/core", "secure/pta", "secure/ta/monitor", "secure/ta/attest", "secure/ta/common",
                "lib/introspect", "lib/base")


class CountedMachine(Machine):
    """Counting, QEMU lets a core run until the next timer is due. One that spins with all masked, for a lock
    of another core, would run for ever: a device with a timer of a millisecond ends its turns."""

    def arguments(self, *, reboot: bool) -> list[str]:
        words = super().arguments(reboot=reboot)
        rng = next(i for i, word in enumerate(words) if word.startswith("virtio-rng-device"))
        words[rng] += ",max-bytes=65536,period=1"
        return words + ["-icount", "shift=0", "-plugin", f"{self.plugin},counts={self.counts}"]

    @property
    def plugin(self):
        return self.folder / "instructions.so"

    @property
    def counts(self):
        return self.folder / "instructions.count"

    def executed(self) -> dict[str, int]:
        """Instructions since the machine was started, of each world."""
        return dict(zip(("secure", "normal"), struct.unpack("=QQ", self.counts.read_bytes())))


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """Two reports of the monitor, some deep checks apart."""
    folder = tmp_path_factory.mktemp("counted") / "gw"
    instance = Instance.create(folder, "lab")
    instance.machine = CountedMachine(folder, mac=instance.facts["mac"],
                                      cores=instance.facts["cores"], cpu=instance.facts["cpu"],
                                      share=instance.machine.share)
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o",
                    instance.machine.plugin, Path(__file__).parent / "instructions.c"],
                   env=host_environment(), check=True)
    instance.machine.start()
    shell = Shell(instance.machine, 900)
    monitor = Monitor(instance.machine)

    def report() -> dict:
        said = json.loads(shell.run("kapu-agent status --json", 1500, check=False))
        return said | {"executed": instance.machine.executed()}
    try:
        for _ in range(SETTLED):
            monitor.next_check(900)
        reports = [report()]
        for _ in range(CHECKS):
            monitor.next_check(900)
        reports.append(report())
    finally:
        shell.close()
        instance.machine.stop()
        shutil.rmtree(folder)
    return reports


def test_other_cores_stand_still_for_a_short_time(figures):
    p99 = figures[1]["watch"]["p99_stop_us"] / 1000
    update_report("monitor", quiesce_p99_ms=p99,
                  quiesce_longest_ms=figures[1]["watch"]["longest_stop_us"] / 1000)
    print(f"stop of the other cores: {p99} ms for 99 in 100, at most {QUIESCE_MS} ms")
    assert p99 <= QUIESCE_MS


def test_all_of_text_is_seen_in_time(figures):
    seconds = figures[1]["watch"]["pass_ms"] / 1000
    update_report("monitor", text_coverage_s=seconds)
    print(f"all {figures[1]['watch']['pages']} pages of text and constants: {seconds} s, at most "
          f"{COVERAGE_S} s")
    assert 0 < seconds <= COVERAGE_S


def test_the_monitor_takes_little_of_the_instructions(figures):
    """All that the secure world executed, watch and deep checks and whatever else, against what all cores
    could have executed in that time."""
    first, last = figures
    could = (last["now"]["ms"] - first["now"]["ms"]) * 1_000_000 * last["watch"]["cores"]
    secure, normal = (last["executed"][world] - first["executed"][world]
                      for world in ("secure", "normal"))
    checks = last["check"]["number"] - first["check"]["number"]
    percent = 100 * secure / could
    update_report("monitor", overhead_percent=round(percent, 2))
    print(f"the secure world: {secure / 1e6:.0f} million instructions for {checks} deep checks and the "
          f"watch, {percent:.2f} % of {could / 1e6:.0f} million; at most {OVERHEAD_PERCENT} %")
    assert 0 < normal < could and checks >= CHECKS
    assert percent <= OVERHEAD_PERCENT


def test_the_secure_world_has_few_lines_of_ours():
    lines = sum(1 for folder in SECURE_WORLD for path in (ROOT / folder).rglob("*")
                if path.suffix in (".c", ".h", ".S", ".def")
                for line in path.read_text().splitlines()
                if line.strip() and not re.match(r"\s*(/?\*|//)", line))
    update_report("monitor", secure_world_lines=lines)
    print(f"secure-world code: {lines} lines without comments, at most {LINES}")
    assert lines <= LINES
