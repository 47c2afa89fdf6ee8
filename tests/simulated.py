# SPDX-License-Identifier: Apache-2.0
"""Gateways without QEMU: tests/support/sim_gateway on a real TPM (swtpm), and an operator for them."""

import json
import os
import queue
import secrets
import subprocess
import threading
import time
from pathlib import Path

import native
from kapu import certs, reference, symbols, tpm
from kapu.broker import BROKERS, Operator, trust_tpms
from kapu.cbor import cbor
from kapu.keys import FACTORY_ROLE, KeySet, factory_key, key_set

RELEASE, COUNTER = "0.5.0", 3  # what soft_gateway says of itself
KERNEL_SIZE, KERNEL_SYMBOLS = 0x800000, [(0, "_text"), (0x123440, "__arm64_sys_kill"),
                                         (0x123500, "__arm64_sys_tkill")]
PATIENCE = 180
BOARD_RECORD = "application/x.kapu.board-record+cose"


def programs() -> tuple[Path, Path]:
    kapu, sim_gateway, _ = native.programs("operator/kapu/kapu", "tests/support/sim_gateway",
                                           "tools/sign/kapu-sign")
    return kapu, sim_gateway


def moved_clock(ahead: int = 0, file: Path | None = None) -> dict[str, str]:
    """The environment of a program whose clock is so many seconds ahead of the machine's, and by what is in the file."""
    library, = native.programs("tests/support/libmoved_clock.so")
    return os.environ | {"LD_PRELOAD": str(library), "MOVED_CLOCK": str(ahead)} | ({"MOVED_CLOCK_FILE": str(file)} if file else {})


class Simulated:
    """One gateway; a test tells it how to behave."""

    MORE = {}  # of its environment

    def __init__(self, program: Path, operator: Operator, folder: Path, label: str,
                 release: str = "a release"):
        folder.mkdir()
        self.folder, self.label = folder, label
        self.process = subprocess.Popen(
            [program, label, release, "localhost", str(operator.port("main", "gateways")),
             str(operator.port("enrolment", "gateways")), operator.folder / "ca.pem", folder],
            env=os.environ | self.MORE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.facts = json.loads(self.process.stdout.readline())
        self.name = self.facts["name"]
        self.heard: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            self.heard.put(line.strip())

    def tell(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait_for(self, what: str) -> None:
        end = time.monotonic() + PATIENCE
        while self.heard.get(timeout=max(0.01, end - time.monotonic())) != what:
            pass

    def behave(self, how: str) -> None:
        self.tell(how)
        self.wait_for("ok")

    def upgrade(self) -> None:
        """It gets another attestation key, as at the factory."""
        self.tell("upgrade")
        self.facts["ak_name"] = self.heard.get(timeout=PATIENCE).removeprefix("ak ")

    def begin(self, certificate: Path) -> None:
        self.tell(f"certificate {certificate}")
        self.wait_for("waiting")

    def end(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def pcrs(self) -> dict[int, bytes]:
        return {int(pcr): bytes.fromhex(value) for pcr, value in self.facts["pcrs"].items()}


class Linked(Simulated):
    """One on which kapu-link itself runs (tests/support/soft_link.c). Its paths are in `folder`."""

    WORDS = {"waiting": "waiting to be enrolled as", "connected": "connected as"}

    def wait_for(self, what: str) -> None:
        end = time.monotonic() + PATIENCE
        while self.WORDS.get(what, what) not in self.heard.get(timeout=max(0.01, end - time.monotonic())):
            pass


class Fleet:
    """An operator with brokers that run, and gateways that a test adds."""

    def __init__(self, folder: Path):
        self.kapu_program, self.sim_program = programs()
        self.folder = folder
        self.operator = Operator.create(folder / "operator", [])
        self.gateways: list[Simulated] = []
        for broker in BROKERS:
            self.operator.start(broker)

    def end(self) -> None:
        for gateway in self.gateways:
            gateway.end()
        for broker in BROKERS:
            self.operator.stop(broker)

    def command(self, *words) -> list[str]:
        return [str(self.kapu_program), *map(str, words), "--operator", str(self.operator.folder)]

    def kapu(self, *words, timeout: float = 300, ahead: int = 0) -> subprocess.CompletedProcess:
        """`ahead`: seconds that kapu's clock is ahead of the machine's."""
        return subprocess.run(self.command(*words), capture_output=True, text=True, check=False,
                              timeout=timeout, env=moved_clock(ahead) if ahead else None)

    def kapu_json(self, *words, ahead: int = 0) -> tuple[int, dict | list]:
        done = self.kapu(*words, "--json", ahead=ahead)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def start_kapu(self, *words) -> subprocess.Popen:
        return subprocess.Popen(self.command(*words), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def release_file(self, gateway: Simulated, release: str = RELEASE,
                     keys: KeySet | None = None) -> Path:
        """Reference values of what the gateway booted, signed as a build does it."""
        pcrs = {pcr: gateway.pcrs[pcr] for pcr in reference.PCRS}
        content = reference.encode("simulated", [reference.release(
            release, "gateway", COUNTER, pcrs, symbols.packed(KERNEL_SIZE, KERNEL_SYMBOLS))])
        signer = certs.Signer(native.FOLDER / "tools/sign/kapu-sign", keys or key_set())
        path = self.folder / "reference.cbor"
        path.write_bytes(reference.sign(content, signer))
        return path

    def know_release(self, gateway: Simulated, release: str = RELEASE) -> None:
        done = self.kapu("reference", "add", self.release_file(gateway, release))
        assert done.returncode == 0, done.stderr

    def record_file(self, gateway: Simulated, key: str | None = None, **other) -> Path:
        """What a factory signs of a board; `other`: what it says instead of what is so."""
        facts = gateway.facts | {"issued_ms": int(time.time() * 1000)} | other
        content = cbor({0: 1, 1: bytes.fromhex(facts["ek_name"]),
                                  2: bytes.fromhex(facts["ueid"]), 3: bytes.fromhex(facts["board"]),
                                  4: bytes.fromhex(facts["ak_name"]), 5: "simulated",
                                  6: facts["issued_ms"]})
        signer = certs.Signer(native.FOLDER / "tools/sign/kapu-sign",
                              {FACTORY_ROLE: key or factory_key()})
        path = gateway.folder / "board.record"
        path.write_bytes(reference.sign(content, signer, FACTORY_ROLE, BOARD_RECORD))
        return path

    def know_board(self, gateway: Simulated) -> None:
        done = self.kapu("board", "add", self.record_file(gateway))
        assert done.returncode == 0, done.stderr

    def gateway(self, label: str, *, genuine: bool = True, release: str = "a release",
                record: bool = True, linked: bool = False) -> Simulated:
        """A gateway that waits to be enrolled; its TPM is of the maker that the operator trusts, and
        there is a record of its board."""
        if linked:
            program, = native.programs("tests/support/soft_link")
            made = Linked(program, self.operator, self.folder / label, label, release)
        else:
            made = Simulated(self.sim_program, self.operator, self.folder / label, label, release)
        self.gateways.append(made)
        certificate = tpm.issue_certificate(made.facts, label, made.folder)
        if genuine:
            trust_tpms(self.operator.folder, [tpm.CA / "swtpm-localca-rootca-cert.pem",
                                              tpm.CA / "issuercert.pem"])
        if record:
            self.know_board(made)
        made.begin(certificate)
        return made

    def enrolled(self, label: str, *options, linked: bool = False) -> Simulated:
        """One that was taken in, and is connected."""
        made = self.gateway(label, linked=linked)
        self.know_release(made)
        done = self.kapu("enroll", made.name, "--name", label, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        made.wait_for("connected")
        return made

    def state(self, label: str) -> dict:
        """What kapu fleet says of it."""
        status, rows = self.kapu_json("fleet")
        row = next(row for row in rows if row["label"] == label)
        assert status == any(row["trust"] == "not trusted" for row in rows)
        return row


def client_command(program: str, port: int, operator: Operator, *words,
                   certificate: Path | None = None, key: Path | None = None) -> list[str]:
    """mosquitto_pub or mosquitto_sub, as somebody who is not kapu."""
    command = [program, "-h", "localhost", "-p", str(port), "-V", "5", "--cafile",
               str(operator.folder / "ca.pem")]
    if "-i" not in words:
        command += ["-i", f"test-{secrets.token_hex(8)}"]
    if certificate:
        command += ["--cert", str(certificate), "--key", str(key)]
    return [*command, *map(str, words)]


def client(*words, timeout: float = 120, **identity) -> subprocess.CompletedProcess:
    """The same, until it ends."""
    return subprocess.run(client_command(*words, **identity), capture_output=True, text=True,
                          check=False, timeout=timeout)
