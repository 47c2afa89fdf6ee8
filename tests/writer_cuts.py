# SPDX-License-Identifier: Apache-2.0
"""Updates of whole lab gateways that fetch the release themselves, with the power cut while the writer of updates fills a slot.

Two steps, of which each may be cut twice: "fetch", from the order to the reset that the writer asks for, and "copy", from
the approval until both slots have the release. Between the two cuts, and after them, nobody asks the writer for anything: it
goes on by itself. The rest is as in tests/power_cuts.py.
"""

import json
import random
import re
import time
from dataclasses import replace
from pathlib import Path

import slots
import updates
from kapu import load, tpm
from kapu.cbor import cbor
from kapu.errors import KapuError
from kapu.releases import Server
from lab_updates import NEXT, NOW, Fetched
from power_cuts import HEARD_SECONDS, RECOVERY, TURNS, UNFINISHED, Gateway, Judge, Plan, Point, Step, Wrong
from writer_protocol import APPROVE, ASKING, DONE, FETCHING, INSTALL, RESTARTING, RESTING, UPDATE, reply

WRITE_SECONDS = 300  # one slot
POLL_SECONDS = 1
LINGER_SECONDS = 3  # after the end of a step
BOOT = "BL1: Booting BL2"
CONFIRMED = 1  # what came of the last trial: UPDATE_CONFIRMED of kapu/update.h
AGAIN = {"fetch": "fetch again", "copy": "copy again"}
LEAVES = ("reboot: Restarting system", "kapu: slot B: starting", "kapu: slot B: BL2 verified")
FETCH = Step(60.0, lines=LEAVES, flash=450, disk=230)  # of flash and disk: about as many as are seen
COPY = Step(20.0, flash=400, disk=12)
WRITING_STEPS = {"fetch": FETCH, "fetch again": FETCH, "copy": replace(COPY, writes=2 + NEXT), "copy again": COPY}


def plan_of_writing(number: int) -> Plan:
    """Both steps of each gateway; one of them twice, of every second one; every third one is cut while it starts again. After
    a cut at a line there is nothing to fetch any more."""
    dice = random.Random(number)
    cuts = {name: WRITING_STEPS[name].point(dice) for name in ("fetch", "copy")}
    if dice.random() < 0.5:
        twice = AGAIN["copy" if cuts["fetch"].line else dice.choice(["fetch", "copy"])]
        cuts[twice] = WRITING_STEPS[twice].point(dice)
    again = [RECOVERY.point(dice) for _ in range(dice.randint(1, 3))] if number % 3 == 0 else []
    return Plan(cuts, again)


class WritingGateway(Gateway):
    """One through its update, of which NEXT is on a server. What its slot B has in the beginning does not matter."""

    point_seconds = WRITE_SECONDS

    def __init__(self, saved: Path, folder: Path, fetched: Fetched, server: Server, judge: Judge, plan: Plan):
        super().__init__(saved, folder, {}, judge, plan)
        self.fetched = fetched
        self.machine.forwards = server.forward()
        self.taken = False  # the last order was told as taken
        self.done = None  # of a step that is being cut: whether it is over

    # -- the walk

    def _walk(self) -> None:
        for _ in range(TURNS):
            if self.now["running"] == "A":
                self._fetch()
            elif self.now["next_how"] == "trial":
                self._approve()
            elif not self._both_hold_it():
                self._step("copy", None, self._both_hold_it)
            else:
                break
        self._complete()
        self._wait(lambda: self._state()["work"] == RESTING, "the writer has an end")

    def _fetch(self) -> None:
        """Until the trial runs: by an order, or, if one was taken before, by the writer alone."""
        if self._goes_on():
            done = self._step("fetch", None, self._trial_runs)
        else:
            self.rollout += 1
            self.judge.rolled_out, self.taken = True, False
            rollout = updates.rollout(self._file("rollout"), self.fetched.digest, self.rollout).read_bytes()
            order = {0: INSTALL, 1: self.fetched.name, 2: self.fetched.manifest, 3: rollout, 4: b"", 5: b""}
            done = self._step("fetch", order, self._trial_runs)
        if done:
            self.shell.close()
            self._come_up()

    def _approve(self) -> None:
        """And wait for the copy."""
        known = self.desk.update()
        approval = updates.approval(self._file("approval"), self.fetched.digest, bytes.fromhex(known["gateway"]),
                                    bytes.fromhex(known["boot"])).read_bytes()
        if self._step("copy", {0: APPROVE, 1: approval, 2: b""}, self._both_hold_it):
            self._look()

    def _step(self, step: str, request: dict | None, done) -> bool:
        """Ask, or only wait, until it is done. False: the power was cut before, and the gateway has come up again."""
        cut = step if step in self.cuts_left else AGAIN[step]
        point = self.cuts_left.pop(cut, None)
        self.story.append(step)
        if point is None:
            if request:
                self._told(step, self._asked(request))
            self._wait(done, step)
            return True
        number = None

        def begin():
            nonlocal number
            if request:
                number = self.shell.send(self._command(request))
                self.shell.send("true")  # a message that got lost is found by the next one
        self.done = done
        self._cut(cut, point, begin)
        self.done = None
        if number is not None and (heard := self.shell.heard(number, HEARD_SECONDS)) is not None:
            self._told(step, self._reply(heard))
        self._recover()
        return False

    def _watch(self, point: Point):
        """What is over brings no point any more: the power goes a little later."""
        reached, done, over = super()._watch(point), self.done, None
        look = time.monotonic() + POLL_SECONDS

        def reached_or_over() -> bool:
            nonlocal look, over
            if done is not None and time.monotonic() > look:
                look = time.monotonic() + POLL_SECONDS
                over = over or (look if done() else None)
            if over is not None and time.monotonic() > over + LINGER_SECONDS:
                self.story.append("the next point is not reached")
                return True
            return reached()
        return reached_or_over

    def _goes_on(self) -> bool:
        """Whether the writer has an order. One that was told as taken is lost by no power cut; only when its trial has
        failed another one is needed."""
        boots = self._boots()
        try:
            said = self._state()
            if said["work"] in (FETCHING, ASKING, RESTARTING):
                return True
            rollout = int(self.desk.update()["rollout"])
        except (KapuError, OSError):
            if self._boots() > boots:
                return True  # it was reset, as the writer wants it
            raise
        if self.taken and rollout < self.rollout:
            raise Wrong(UNFINISHED, f"the writer has forgotten its order: {said}")
        return False

    def _told(self, step: str, said: dict) -> None:
        what = ", ".join(f"{word} {said[word]}" for word in ("answer", "why", "stage", "work")) if "why" in said else str(said)
        self.story.append(f"{step} is told as {what}")
        if said.get("answer") != DONE:
            raise Wrong(UNFINISHED, f"{step} is answered with {what}")
        self.taken = self.taken or step == "fetch"
        self.judge.confirmed = self.judge.confirmed or (step == "copy" and said["last"] == CONFIRMED)

    def _wait(self, done, what: str) -> None:
        deadline = time.monotonic() + WRITE_SECONDS * load.factor()
        while not done():
            if time.monotonic() > deadline:
                raise Wrong(UNFINISHED, f"{what}: not within {WRITE_SECONDS} s; the writer says {self._state()}")
            time.sleep(POLL_SECONDS)

    # -- the writer, as its socket and the files of its slots tell

    def _file(self, name: str) -> Path:
        return self.instance.folder / "share" / name

    def _command(self, request: dict) -> str:
        """Its reply comes as text, because a shell's output is text."""
        self._file("request").write_bytes(cbor(request))
        return "kapu-boot writer /lab/request | od -An -v -tx1"

    def _asked(self, request: dict) -> dict:
        return self._reply(self.shell.run(self._command(request), check=False))

    def _state(self) -> dict:
        said = self._asked({0: UPDATE})
        if "work" not in said:
            raise KapuError(f"the writer of updates answers {said}")
        return said

    @staticmethod
    def _reply(said: str) -> dict:
        if not re.fullmatch(r"[0-9a-f\s]+", said):
            raise KapuError(f"no reply of the writer of updates: {said}")
        return reply(bytes.fromhex(said))

    def _boots(self) -> int:
        return self.machine.text().count(BOOT)

    def _trial_runs(self) -> bool:
        """As far as the last start on the console says it."""
        started = re.findall(r"kapu: slot (\w): starting", self.machine.text())
        return bool(started) and started[-1] == "B"

    def _holds(self, slot: str, release: int) -> bool:
        return slots.holds(self.instance, slot, self.fetched.packages[release], self.fetched.roots[release])

    def _both_hold_it(self) -> bool:
        return all(self._holds(slot, NEXT) for slot in "ab")

    # -- the judge

    def _judge_off(self) -> None:
        super()._judge_off()
        facts = json.loads(tpm.show(self.machine.folder, True))
        self.judge.written(facts["slot"].upper(), not facts["trial"], facts["security_counter"],
                           self._holds("a", NOW), self._holds("b", NEXT))

    def _complete(self) -> None:
        super()._complete()
        if not self._both_hold_it():
            raise Wrong(UNFINISHED, "the update is complete, and a slot does not have all of the release")
