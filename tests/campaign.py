# SPDX-License-Identifier: Apache-2.0
"""A campaign of power cuts: gateways that are led through an update, of one kind and of the other in turn (tests/power_cuts.py,
tests/writer_cuts.py), and what came of them."""

import shutil
from collections import Counter
from pathlib import Path

from kapu.errors import KapuError
from kapu.releases import Server
from lab_updates import NEXT, make_fetched, make_releases, save_gateway
from power_cuts import AFTERWARDS, STEPS, UNFINISHED, WRONGS, Gateway, Judge, Wrong, plan_of
from writer_cuts import WRITING_STEPS, WritingGateway, plan_of_writing


def writes(number: int) -> bool:
    """Whether the slot B of this gateway is empty, for its writer to fill: every second one."""
    return number % 2 == 0


class Campaign:
    """Gateways by their numbers, and what came of them. Folders of those with whom something was wrong are kept."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.releases = make_releases(folder / "releases")
        self.fetched = make_fetched(self.releases, folder / "fetched")
        self.server = Server(self.fetched.server).__enter__()
        self.saved: dict[bool, Path] = {}  # of each kind
        self.pcrs: dict[bool, dict[int, dict]] = {True: {}, False: {}}
        self.gateways = 0
        self.cuts: Counter = Counter()  # of a step, with what ran afterwards
        self.wrongs: Counter = Counter()

    def close(self) -> None:
        self.server.__exit__()

    def _gateway(self, number: int, place: Path) -> Gateway:
        kind = writes(number)
        if kind not in self.saved:
            self.saved[kind] = save_gateway(self.folder / f"saved-{'empty' if kind else 'full'}", self.releases,
                                            None if kind else NEXT)
        judge = Judge(self.pcrs[kind])
        if kind:
            return WritingGateway(self.saved[kind], place, self.fetched, self.server, judge, plan_of_writing(number))
        return Gateway(self.saved[kind], place, self.releases, judge, plan_of(number))

    def live(self, number: int) -> str:
        """One gateway: what was wrong, with its story, or nothing."""
        place, wrong = self.folder / f"gateway-{number}", ""
        gateway = self._gateway(number, place)
        try:
            gateway.live()
        except (Wrong, KapuError, OSError, AssertionError) as error:
            self.wrongs[error.kind if isinstance(error, Wrong) else UNFINISHED] += 1
            story = "\n".join(f"  | {line}" for line in gateway.story)
            wrong = f"gateway {number}: {error}\n{story}\n  its folder: {place}"
        else:
            shutil.rmtree(place)
        self.gateways += 1
        self.cuts.update(gateway.cuts)
        return wrong

    def figures(self) -> dict[str, int]:
        writing = sum(count for (step, _), count in self.cuts.items() if step in WRITING_STEPS)
        return {"qemu_gateways": self.gateways, "qemu_cuts": self.cuts.total(), "qemu_cuts_writing": writing,
                **{kind: self.wrongs[kind] for kind in WRONGS}}

    def table(self) -> str:
        """Cuts by steps, and what ran when the gateway had come up again."""
        lines = [f"{'cut in':<12}{'cuts':>6}" + "".join(f"{what:>16}" for what in AFTERWARDS)]
        for step in (*STEPS, *WRITING_STEPS, "recovery"):
            counts = [self.cuts[step, what] for what in AFTERWARDS]
            total = sum(count for (name, _), count in self.cuts.items() if name == step)
            lines.append(f"{step:<12}{total:>6}" + "".join(f"{count:>16}" for count in counts))
        return "\n".join(lines)
