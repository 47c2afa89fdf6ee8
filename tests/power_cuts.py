# SPDX-License-Identifier: Apache-2.0
"""Updates of whole lab gateways, with the power cut at random and at chosen points, and a judge of what is there afterwards.

Each gateway goes on from a saved one that runs NOW, with NEXT in its other slot (tests/lab_updates.py), and is led through the
update: request, reset, trial, confirmation. Those whose slot the writer of updates fills are in tests/writer_cuts.py. A plan
says at which steps, and when, the power goes: QEMU and swtpm are killed.
Of the TPM there is then what swtpm had written, each write whole or not at all. What the gateway had written to flash and disk
stays too: the host does not lose it, so this does not try disks that forget.

The plan of a gateway follows from its number, as far as the machine's speed allows.
"""

import json
import os
import random
import re
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import slots
import snapshots
from kapu import load, tpm
from kapu.errors import KapuError
from kapu.processes import read_pid
from lab_updates import NEXT, NOW, Desk, answer_of, state
from shell import Shell

COME_UP_SECONDS = 300  # what takes longer is bricked
TURNS = 8  # after so many starts without the update's end there is none
POINT_SECONDS = 40  # a point that was not reached by then: the power goes all the same
LOOK_SECONDS = 0.0005
HEARD_SECONDS = 0.2
# Of a point that counts writes: the file, and what changes with each. swtpm writes another file and renames it, for each
# write of the TPM's memory; writes of flash and disk that come within the host's clock tick count as one.
WRITTEN = {"writes": ("tpm/tpm2-00.permall", "st_ino"), "flash": (slots.FLASH, "st_mtime_ns"),
           "disk": (slots.DISK, "st_mtime_ns")}
BOOTS = re.compile(r"^.*kapu: board (?:.*\n)+?.*Primary CPU switching to normal world boot.*\n", re.MULTILINE)

BRICKED, MIXED, LOWERED, NOT_ALLOWED, UNFINISHED = "bricked", "mixed", "counter_lowered", "not_allowed", "unfinished"
OF_IMAGES = ("0", "8", "9")  # PCRs into which images of a release are measured
IN_SLOT = {"A": NOW, "B": NEXT}
AFTERWARDS = ("old", "new, trial", "new, confirmed")
WRONGS = (BRICKED, MIXED, LOWERED, NOT_ALLOWED, UNFINISHED)


class Wrong(Exception):
    """What must not be: one of WRONGS, and what was seen."""

    def __init__(self, kind: str, what: str):
        super().__init__(f"{kind}: {what}")
        self.kind = kind


@dataclass(frozen=True)
class Point:
    """When the power goes, counted from a step's begin: at once when one of these is reached."""
    seconds: float | None = None
    writes: int | None = None  # of the TPM's memory
    line: str | None = None    # of the first console
    flash: int | None = None   # writes of flash, and of the disk, as far as the host sees them apart
    disk: int | None = None

    def __str__(self) -> str:
        if self.seconds is not None:
            return f"after {self.seconds:.3f} s"
        if self.line is not None:
            return f"at the line '{self.line}'"
        what = {"the TPM": self.writes, "flash": self.flash, "the disk": self.disk}
        return " and ".join(f"after write {count} of {name}" for name, count in what.items() if count is not None)


@dataclass(frozen=True)
class Step:
    """Where the power may go: within so many seconds, after a write of the TPM, of flash or of the disk, or at a line of
    the console."""
    seconds: float
    writes: int = 0
    lines: tuple[str, ...] = ()
    flash: int = 0
    disk: int = 0

    def point(self, dice: random.Random) -> Point:
        counts = {name: getattr(self, name) for name in ("writes", "flash", "disk")}
        kind = dice.choice(["seconds"] + [name for name, most in counts.items() if most] + ["line"] * bool(self.lines))
        if kind == "seconds":
            return Point(seconds=dice.uniform(0, self.seconds))
        if kind == "line":
            return Point(line=dice.choice(self.lines))
        return Point(**{kind: dice.randint(1, counts[kind])})


START = ("BL1: Booting BL2", "all images verified", "Booting Linux", "Run /sbin/init", "KAPU-STATUS")
STEPS = {
    "request": Step(1.0, writes=2),  # record, boot state
    "reset": Step(1.5, writes=2, lines=("kapu: slot B: starting", "kapu: slot B: BL2 verified")),  # TPM's start, a try
    "trial": Step(15, lines=START),
    "confirm": Step(4.0, writes=2 + NEXT),  # boot state, each step of the counter, record
    "after": Step(15, writes=1, lines=START),
}
RECOVERY = Step(15, writes=1, lines=START)


@dataclass
class Plan:
    """Points by steps, each of which is cut once; and of cuts while it starts again."""
    cuts: dict[str, Point]
    again: list[Point] = field(default_factory=list)


def plan_of(number: int) -> Plan:
    """Three steps of each gateway, of which one at most is in the trial's start; every third one is cut while it starts
    again, too."""
    dice = random.Random(number)
    steps = ["request", dice.choice(["reset", "trial"]), "confirm", "after"]
    cuts = {name: STEPS[name].point(dice) for name in dice.sample(steps, 3)}
    again = [RECOVERY.point(dice) for _ in range(dice.randint(1, 3))] if number % 3 == 0 else []
    return Plan(cuts, again)


def cut_power(machine) -> None:
    """At this instant, for QEMU and the TPM. Neither is asked to end: nothing is written any more."""
    pids = [pid for name in ("swtpm.pid", "qemu.pid") if (pid := read_pid(machine.folder / name))]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    machine.stop()


class Judge:
    """What may be of one gateway. `pcrs`: of each release, as they were seen first."""

    def __init__(self, pcrs: dict[int, dict[str, str]]):
        self.pcrs = pcrs
        self.counter = 0  # the highest that was seen
        self.rolled_out = False
        self.confirmed = False  # told as done

    def measured(self, release: int, pcrs: dict[str, str]) -> None:
        """The images of a release are measured into them; in each of OF_IMAGES is one that the other release has not."""
        known = self.pcrs.setdefault(release, pcrs)
        shared = [number for other, theirs in self.pcrs.items() for number in OF_IMAGES
                  if other != release and theirs[number] == pcrs[number]]
        if pcrs != known or shared:
            raise Wrong(MIXED, f"release {release} was started with PCRs {pcrs}, known are {self.pcrs}")

    def runs(self, slot: str, confirmed: bool, counter: int, release: int) -> None:
        """A release was started, or runs; `confirmed`: as it was started, or as it will be."""
        what = f"slot {slot}, {'confirmed' if confirmed else 'on trial'}, release {release}, counter {counter}"
        if IN_SLOT.get(slot) != release:
            raise Wrong(MIXED, what)
        self._counted(counter, what)
        if release == NEXT and not self.rolled_out:
            raise Wrong(NOT_ALLOWED, f"{what}: nobody rolled it out")
        if release == NOW and counter > 0:
            raise Wrong(NOT_ALLOWED, f"{what}: the counter rises when the new release is confirmed only")
        self._kept(slot, confirmed, counter, what)

    def holds(self, slot: str, confirmed: bool, counter: int) -> None:
        """The TPM of a gateway that is off: what will start."""
        what = f"TPM: slot {slot}, {'confirmed' if confirmed else 'on trial'}, counter {counter}"
        self._counted(counter, what)
        if slot == "B" and not self.rolled_out:
            raise Wrong(NOT_ALLOWED, f"{what}: nobody rolled it out")
        if counter > 0 and (slot, confirmed) != ("B", True):
            raise Wrong(NOT_ALLOWED, f"{what}: the counter rises after the confirmation only")
        self._kept(slot, confirmed, counter, what)

    def written(self, slot: str, confirmed: bool, counter: int, old_in_a: bool, new_in_b: bool) -> None:
        """Also of what is in the slots, byte for byte, of a gateway whose writer fills them: `slot` is that which will start."""
        what = f"TPM: slot {slot}, {'confirmed' if confirmed else 'on trial'}, counter {counter}"
        if slot == "B" and not new_in_b:
            raise Wrong(MIXED, f"{what}: slot B does not have all of the new release")
        if not old_in_a and (slot, confirmed, counter) != ("B", True, NEXT):
            raise Wrong(MIXED, f"{what}: slot A has no longer all of the old release")

    def _kept(self, slot: str, confirmed: bool, counter: int, what: str) -> None:
        if self.confirmed and (slot, confirmed, counter) != ("B", True, NEXT):
            raise Wrong(NOT_ALLOWED, f"{what}: the confirmation was told as done")

    def _counted(self, counter: int, what: str) -> None:
        if counter < self.counter:
            raise Wrong(LOWERED, f"{what}: the counter was {self.counter}")
        if counter > NEXT:
            raise Wrong(NOT_ALLOWED, f"{what}: above that of the new release")
        self.counter = counter


def changes_of(file: Path, what: str):
    """A function that tells whether that of the file has changed since it was asked last."""
    last = getattr(file.stat(), what)

    def changed() -> bool:
        nonlocal last
        before, last = last, getattr(file.stat(), what)
        return last != before
    return changed


class Gateway:
    """One gateway through its update. Raises Wrong."""

    point_seconds = POINT_SECONDS

    def __init__(self, saved: Path, folder: Path, releases: dict, judge: Judge, plan: Plan):
        self.instance = snapshots.restored(saved, folder)
        self.machine, self.releases, self.judge = self.instance.machine, releases, judge
        self.cuts_left, self.again = dict(plan.cuts), list(plan.again)
        self.shell: Shell | None = None
        self.desk: Desk | None = None
        self.rollout = 0  # the last number
        self.judged = 0  # characters of the secure console
        self.cuts: list[tuple[str, str]] = []  # the step of each, and what ran afterwards
        self.story: list[str] = []  # for a person who looks at it

    # -- the walk

    def live(self) -> None:
        """Until the update is complete, and the gateway has come up once more if the plan has a cut of that."""
        try:
            self.machine.start()
            self._come_up()
            self._walk()
            self.machine.stop()
            self._judge_off()
        finally:
            if self.shell is not None:
                self.shell.close()
            self.machine.stop()

    def _walk(self) -> None:
        for _ in range(TURNS):
            if self.now["running"] == "A":
                self._request()
            elif self.now["next_how"] == "trial":
                self._confirm()
            else:
                break
        self._complete()
        if "after" in self.cuts_left:
            self._reset("after")
            self._complete()

    def _request(self) -> None:
        """A rollout, and the reset that starts its trial."""
        self.rollout += 1
        self.judge.rolled_out = True
        said = self._ask("request", self.desk.to_request(self.releases[NEXT], self.rollout))
        if said not in (None, "done"):
            raise Wrong(UNFINISHED, f"the request is answered '{said}'")
        if said == "done":
            self._reset("reset", "trial")

    def _confirm(self) -> None:
        said = self._ask("confirm", self.desk.to_approve(self.releases[NEXT]))
        if said not in (None, "done"):
            raise Wrong(UNFINISHED, f"the confirmation is answered '{said}'")
        if said == "done":
            self._look()

    def _ask(self, step: str, command: str) -> str | None:
        """The update TA's answer, or nothing if the power was cut before it came."""
        point = self.cuts_left.pop(step, None)
        self.story.append(step)
        if point is None:
            return self._told(step, answer_of(self.shell.run(command, check=False)))
        number = 0

        def begin():
            nonlocal number
            number = self.shell.send(command)
            self.shell.send("true")  # a message that got lost is found by the next one
        self._cut(step, point, begin)
        heard = self.shell.heard(number, HEARD_SECONDS)
        if heard is not None:
            self._told(step, answer_of(heard))
        self._recover()
        return None

    def _told(self, step: str, said: str) -> str:
        self.story.append(f"{step} is told as '{said}'")
        self.judge.confirmed = self.judge.confirmed or (step, said) == ("confirm", "done")
        return said

    def _reset(self, *steps: str) -> None:
        """A start, of which the first of these steps that the plan has is cut."""
        step = next((step for step in steps if step in self.cuts_left), None)
        self.story.append("reset")
        if step is None:
            self.shell.reset(COME_UP_SECONDS)
            self._look()
        else:
            self._cut(step, self.cuts_left.pop(step), self.machine.reset)
            self._recover()

    # -- power

    def _cut(self, step: str, point: Point, begin) -> None:
        """Begin a step and cut the power in it."""
        reached = self._watch(point)
        begin()
        while not reached():
            time.sleep(LOOK_SECONDS)
        cut_power(self.machine)
        self.cuts.append((step, ""))
        self.story.append(f"cut in {step}, {point}")

    def _watch(self, point: Point):
        """A function that tells whether the point is reached, of a step that begins now."""
        begin, seen, count = time.monotonic(), len(self.machine.text()), 0
        kind = next((kind for kind in WRITTEN if getattr(point, kind) is not None), None)
        changed = changes_of(self.machine.folder / WRITTEN[kind][0], WRITTEN[kind][1]) if kind else None

        def reached() -> bool:
            nonlocal count
            passed = time.monotonic() - begin
            if point.seconds is not None:
                return passed >= point.seconds
            if passed > self.point_seconds * load.factor():
                self.story.append("the next point is not reached")
                return True
            if point.line is not None:
                return point.line in self.machine.text()[seen:]
            count += changed()
            return count >= getattr(point, kind)
        return reached

    def _recover(self) -> None:
        """Judge, switch on, as often as the plan cuts that, and come up."""
        self.shell.close()
        self._judge_off()
        while self.again:
            self._cut("recovery", self.again.pop(0), self.machine.start)
            self._judge_off()
        self.machine.start()
        self._come_up()
        self.cuts = [(step, what or self._what_runs()) for step, what in self.cuts]

    def _come_up(self) -> None:
        """A gateway may reset itself on its way, as it does when a trial has no try left, or when one begins."""
        deadline = time.monotonic() + COME_UP_SECONDS * load.factor()
        while True:
            try:
                self.shell = Shell(self.machine, max(1, (deadline - time.monotonic()) / load.factor()))
                self.shell.instance = self.instance
                self.desk = self.desk or Desk(self.shell)
                self.desk.shell = self.shell
                self._look()
                return
            except (KapuError, OSError) as error:
                if self.shell is not None:
                    self.shell.close()
                if time.monotonic() > deadline or not self.machine.pid():
                    self._judge_boots()
                    raise Wrong(BRICKED, f"it does not come up: {error}") from error

    def _look(self) -> None:
        """What runs, as it says itself and as its secure world said when it started."""
        self._judge_boots()
        self.now = state(self.shell)
        self.story.append(f"runs: {self._what_runs()}, counter {self.now['counter']}")
        self.judge.runs(self.now["running"], self.now["next_how"] == "confirmed", int(self.now["counter"]),
                        int(self.now["release"]))

    def _what_runs(self) -> str:
        return "old" if self.now["running"] == "A" else f"new, {self.now['how']}"

    def _judge_off(self) -> None:
        """What the TPM holds while the power is off, and what was started before."""
        facts = json.loads(tpm.show(self.machine.folder, True))
        self.story.append(f"TPM: counter {facts['security_counter']}, slot {facts['slot']}, trial {facts['trial']}")
        self.judge.holds(facts["slot"].upper(), not facts["trial"], facts["security_counter"])
        self._judge_boots()

    def _judge_boots(self) -> None:
        """All starts since the last look, also those that were cut after the secure world's."""
        for found in BOOTS.finditer(self.machine.text(secure=True), self.judged):
            self.judged = found.end()
            said = tpm.said_at_boot(found[0])
            self.judge.measured(said["release_counter"], said["pcrs"])
            self.judge.runs(said["slot"].upper(), not said["trial"], said["security_counter"], said["release_counter"])

    def _complete(self) -> None:
        """What a cut left half done is finished when the update TA is asked for the first time in a boot."""
        last = self.desk.update()["last"]
        self._look()
        if (self.now["next"], self.now["next_how"], int(self.now["counter"]), last) != ("B", "confirmed", NEXT, "confirmed"):
            raise Wrong(UNFINISHED, f"{self.now}, of the last update it says '{last}'")
