# SPDX-License-Identifier: Apache-2.0
"""An operator for gateways in QEMU: brokers, releases, and the kapu command."""

import json
import subprocess
from pathlib import Path

from kapu import tpm
from kapu.broker import BROKERS, Operator
from kapu.paths import BUILD, host_environment

# The lab is not a release; an operator who wants to watch one has to say so.
LAB_POLICY = "flavours gateway lab\ndebug yes\n"


class Operated:
    """An operator's folder with running brokers, which knows the releases that were built."""

    def __init__(self, folder: Path, flavour: str):
        self.kapu_program = BUILD / flavour / "kapu"
        self.operator = Operator.create(folder)
        if flavour == "lab":
            (folder / "policy").write_text(LAB_POLICY)
        for broker in BROKERS:
            self.operator.start(broker)
        known = self.kapu("reference", "add", BUILD / flavour / "reference.cbor")
        assert known.returncode == 0, known.stderr

    def know_board(self, folder: Path) -> None:
        """The manufacturer's record of the board in that folder comes to the operator."""
        done = self.kapu("board", "add", folder / tpm.RECORD)
        assert done.returncode == 0, done.stderr

    def kapu(self, *words, timeout: float = 900) -> subprocess.CompletedProcess:
        return subprocess.run([self.kapu_program, *map(str, words), "--operator",
                               self.operator.folder], env=host_environment(), capture_output=True,
                              text=True, check=False, timeout=timeout)

    def attest(self, gateway: str, *more) -> tuple[int, dict]:
        """Exit status and result."""
        done = self.kapu("attest", gateway, "--json", "--timeout", "60", *more)
        assert done.returncode in (0, 1, 3), done.stderr
        return done.returncode, json.loads(done.stdout)

    def fleet(self) -> dict:
        return {row["label"]: row for row in json.loads(self.kapu("fleet", "--json").stdout)}

    def close(self) -> None:
        for broker in BROKERS:
            self.operator.stop(broker)
