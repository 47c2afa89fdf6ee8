# SPDX-License-Identifier: Apache-2.0
"""kapu-update itself, with a release of the built gateway: program, socket, files of disk and flash; the secure world
is lib/update with real signatures, the server a folder (tests/support/soft_update.h). What is in the slots is compared
with what the build made, hash tree included.
"""

import hashlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

import native
from kapu import build, certs, tpm
from kapu.cbor import cbor
from kapu.keys import key_set, make_key
from kapu.paths import BUILD, host_environment
from kapu.report import update_report
from writer_protocol import (
    APPROVE, COPYING, DONE, FETCHING, HALT, IDLE, INSTALL, ON_TRIAL, RESTING, UPDATE, content_of, reply)

BLOCK, SECTOR, FRAME = 4096, 256 << 10, 64 << 10
ROOT_IMAGE = BUILD / "gateway" / "root.img"
COUNTER = 1  # security counter of the release
UEID = b"\x01" + b"\x42" * 32
FACTORY = "f0" * 32
WAIT_S = 60
OPERATOR = "host=10.0.2.100\nname=x\nport=8883\nenrol-port=8884\n"  # of its settings, but not the server of releases
WRITTEN_MOST = 1.05  # of the least that must be written


def kapu(*words) -> str:
    result = subprocess.run([str(tpm.operator_tool()), "release", *map(str, words)], capture_output=True, text=True,
                            env=host_environment(), check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


class Gateway:
    """The folder of a gateway, and the program in it."""

    def __init__(self, folder: Path, server: Path, keys: Path):
        self.folder, self.firmware = folder, server / "firmware.fip"
        self.identities = [FACTORY, "-"]
        self.program, self.reset_tool = native.programs("tests/support/kapu-update", "tests/support/soft_reset")
        self.process = None
        self.log = folder / "log"
        for name in ("dev/kapu", "tee", "slot", "etc/kapu", "var/lib/kapu-update", "run/kapu-update"):
            (folder / name).mkdir(parents=True)
        (folder / "etc/kapu/operator").write_text(f"# test\n{OPERATOR}releases=file:{server}\n")
        (folder / "tee/counter").write_bytes(struct.pack("@I", COUNTER - 1))
        for number, role in enumerate(("release", "rollout", "approval"), 1):
            (folder / f"tee/keys.{number}").write_bytes(content_of((keys / role).read_bytes()))
        self.fill()
        self.reset()

    def fill(self) -> None:
        """An older release in slot 0: other bytes in each 50th block. Nothing in slot 1."""
        root, firmware = bytearray(ROOT_IMAGE.read_bytes()), bytearray(self.firmware.read_bytes())
        for content in (root, firmware):
            for at in range(0, len(content), 50 * BLOCK):
                content[at + at // BLOCK % 100] ^= 1
        size = -(-len(root) // (1 << 20)) + 1 << 20
        slot = 32 << 20
        (self.folder / "slot/0.root").write_bytes(root + bytes(size - len(root)))
        (self.folder / "slot/0.firmware").write_bytes(firmware + b"\xff" * (slot - len(firmware)))
        (self.folder / "slot/1.root").write_bytes(bytes(size))
        (self.folder / "slot/1.firmware").write_bytes(b"\xff" * slot)

    def reset(self) -> int:
        return int(subprocess.run([self.reset_tool, self.folder, *self.identities], check=True, capture_output=True,
                                  text=True).stdout)

    def start(self, **more) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.program, "--root", self.folder], stderr=log,
                                            env=os.environ | {"SOFT_ROOT": str(self.folder)} | more)

    def ask(self, request: dict) -> dict:
        """An error is {1: why}."""
        end = time.monotonic() + WAIT_S
        while True:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.settimeout(WAIT_S)
                try:
                    s.connect(str(self.folder / "run/kapu-update/socket"))
                    s.send(cbor(request))
                    answer = s.recv(1024)
                    break
                except (ConnectionError, FileNotFoundError):
                    assert time.monotonic() < end and self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        said = reply(answer)
        assert "stage" in said or "request" in said[1], said  # errors that a test asks for
        return said

    def state(self) -> dict:
        return self.ask({0: UPDATE})

    def until(self, good, seconds: float = WAIT_S) -> dict:
        end = time.monotonic() + seconds
        while not good(state := self.state()):
            assert time.monotonic() < end, state
            time.sleep(0.02)
        return state

    def refusals(self, kind: str) -> tuple[int, int, int]:
        """Last answer, how many, and a bit for each kind (struct update_refusals)."""
        file = self.folder / "tee" / kind
        return struct.unpack("@3I", file.read_bytes()) if file.exists() else (0, 0, 0)

    def ended(self) -> int:
        return self.process.wait(WAIT_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def slot_is_new(self, slot: int) -> bool:
        root, firmware = ROOT_IMAGE.read_bytes(), self.firmware.read_bytes()
        return ((self.folder / f"slot/{slot}.root").read_bytes()[:len(root)] == root
                and (self.folder / f"slot/{slot}.firmware").read_bytes()[:len(firmware)] == firmware)

    def parts(self, slot: int) -> list[bytes]:
        return [(self.folder / f"slot/{slot}.{part}").read_bytes() for part in ("root", "firmware")]

    def written(self) -> int:
        """Bytes that the program has written, to whatever."""
        return int(re.search(r"^wchar: (\d+)$", Path(f"/proc/{self.process.pid}/io").read_text(), re.MULTILINE)[1])

    def slot_hash(self, slot: int) -> str:
        return hashlib.sha256(b"".join(self.parts(slot))).hexdigest()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    make_key(folder / "anna")
    for role in ("release", "rollout", "approval"):
        kapu("keys", "--role", role, "--threshold", 1, "--out", folder / role, folder / "anna")
    return folder


@pytest.fixture(scope="module")
def server(keys, tmp_path_factory):
    """One release, and orders for it."""
    folder = tmp_path_factory.mktemp("server")
    release = build.release()
    images = {"bl2": release.tfa.out / "bl2.bin", "bl31": release.tfa.out / "bl31.bin",
              "optee": release.optee.out / "optee.bin", "linux": release.linux.out / "Image",
              "device-tree": release.device_tree.out / "gateway.dtb"}
    build.make_package(folder, images, COUNTER, certs.Signer(release.native.out / "kapu-sign", key_set()),
                       release.tfa.out / "fiptool")
    kapu("make", "--firmware", folder / "firmware.fip", "--root", ROOT_IMAGE, "--version", "0.2.0", "--hardware", "qemu-virt",
         "--product", "gateway", "--level", "1", "--out", folder / "release-0.2.0")
    kapu("sign", "--key", keys / "anna", folder / "release-0.2.0/manifest")
    for number, words in ((1, ()), (2, ("--halt",)), (3, ())):
        kapu("rollout", *words, "--number", number, "--gateway", UEID.hex(), "--out", folder / f"rollout.{number}",
             folder / "release-0.2.0/manifest")
        kapu("sign", "--key", keys / "anna", folder / f"rollout.{number}")
    return folder


@pytest.fixture
def gateway(server, keys, tmp_path):
    one = Gateway(tmp_path / "gateway", server, keys)
    yield one
    if one.process is not None:
        one.kill()
    for name in ("down", "endless", "slow"):
        (server / name).unlink(missing_ok=True)


def identity(server) -> str:
    return json.loads(kapu("show", "--json", server / "release-0.2.0/manifest"))[0]["identity"]


def install(server, number=1) -> dict:
    return {0: INSTALL, 1: "release-0.2.0", 2: (server / "release-0.2.0/manifest").read_bytes(),
            3: (server / f"rollout.{number}").read_bytes(), 4: b"", 5: b""}


def approval(server, keys, boot: bytes, out: Path) -> dict:
    kapu("approve", "--gateway", UEID.hex(), "--boot", boot.hex(), "--out", out, server / "release-0.2.0/manifest")
    kapu("sign", "--key", keys / "anna", out)
    return {0: APPROVE, 1: out.read_bytes(), 2: b""}


def least_to_write(old: list[bytes], new: list[bytes]) -> int:
    """Blocks of the disk that differ, and sectors of the flash, which can be erased only as a whole: the file that is the
    flash here is then written twice, with blanks and with the content (tests/support/soft_flash.c)."""
    return sum(cost for (a, b), (unit, cost) in zip(zip(old, new), ((BLOCK, BLOCK), (SECTOR, 2 * SECTOR)))
               for at in range(0, len(a), unit) if a[at:at + unit] != b[at:at + unit])


def test_a_release_gets_into_both_slots_in_16_mib_of_memory(gateway, server, keys, tmp_path):
    gateway.start()
    before = gateway.slot_hash(0)
    assert gateway.ask(install(server))["work"] == FETCHING
    seen = gateway.state()
    assert seen["release"] and seen["answer"] == DONE
    assert gateway.ended() == 0  # and nothing else has the service manager reset the gateway
    assert gateway.slot_is_new(1) and gateway.slot_hash(0) == before
    assert gateway.refusals("refused") == gateway.refusals("told") == (0, 0, 0)
    gateway.identities[1] = identity(server)
    assert gateway.reset() == 1
    gateway.start()
    state = gateway.until(lambda state: state["stage"] == ON_TRIAL)
    assert state["work"] == RESTING
    assert gateway.slot_hash(0) == before  # what it would fall back to
    assert gateway.ask(approval(server, keys, bytes(32), tmp_path / "stale"))["answer"] == 11  # replayed approval
    assert gateway.refusals("refused") == (11, 1, 1 << 11)
    old, written = gateway.parts(0), gateway.written()
    state = gateway.ask(approval(server, keys, state["boot"], tmp_path / "approval"))
    assert (state["answer"], state["stage"], state["last"], state["work"]) == (DONE, IDLE, 1, COPYING)
    state = gateway.until(lambda state: state["work"] == RESTING)
    assert gateway.slot_is_new(0) and gateway.slot_is_new(1)
    assert state["done"] == state["all"] > 0 and state["fetched"] == 0 and state["memory_kib"] < 16 << 10
    written, least = gateway.written() - written, least_to_write(old, gateway.parts(0))
    print(f"memory {state['memory_kib']} KiB, {state['all']} blocks; written {written} bytes, which is {written / least:.3f} "
          "of what must be")
    assert written < WRITTEN_MOST * least
    update_report("update", written_to_least=round(written / least, 3))
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.ended() == 1  # an end that asks for no reset
    assert not (gateway.folder / "var/lib/kapu-update/copying").exists()


def test_a_program_that_is_killed_again_and_again_ends_with_the_release_in_the_slot(gateway, server):
    (server / "slow").write_text("3")
    gateway.start()
    gateway.ask(install(server))
    payload = (server / "release-0.2.0/payload").stat().st_size
    total, kills, most = 0, 0, 0
    while True:
        begin = gateway.state()["fetched"]
        try:
            state = gateway.until(lambda state, least=begin + payload // 80: state["fetched"] > least)
        except AssertionError:
            if gateway.process.poll() == 0:
                break
            raise
        gateway.kill()
        total, kills, most = total + state["fetched"], kills + 1, max(most, state["fetched"])
        assert kills < 20
        gateway.start()
    assert kills >= 3
    assert gateway.slot_is_new(1)
    assert most < payload // 10 and total < payload  # each went on where the last one was


def test_a_server_that_is_down_is_waited_for_and_a_halt_stops_a_download(gateway, server):
    (server / "down").write_text("")
    gateway.start()
    assert gateway.ask(install(server))["work"] == FETCHING
    state = gateway.until(lambda state: "no answer" in state["why"])
    assert state["work"] == FETCHING and "index" in state["why"]
    (server / "slow").write_text("50")
    (server / "down").unlink()
    gateway.until(lambda state: state["done"] > 0 and state["fetched"] > 2 * FRAME and not state["why"])
    begin = time.monotonic()
    state = gateway.ask({0: HALT, 1: (server / "rollout.2").read_bytes(), 2: b""})
    assert time.monotonic() - begin < 2
    assert (state["answer"], state["work"], state["rollout"]) == (DONE, RESTING, 2)
    assert not (gateway.folder / "var/lib/kapu-update/order").exists()
    before = gateway.slot_hash(1)
    time.sleep(0.5)
    assert gateway.slot_hash(1) == before and gateway.state()["work"] == RESTING
    assert gateway.ask(install(server))["answer"] == 8  # replayed rollout: it was halted
    (server / "slow").unlink()
    assert gateway.ask(install(server, 3))["work"] == FETCHING
    assert gateway.ended() == 0
    assert gateway.slot_is_new(1)


@pytest.mark.share(3)
def test_a_server_that_sends_too_much_is_told_to_the_secure_world(gateway, server):
    (server / "endless").write_text("")
    gateway.start()
    gateway.ask(install(server))
    state = gateway.until(lambda state: state["answer"] == 19)  # endless data
    assert state["work"] == FETCHING and gateway.refusals("refused") == (0, 0, 0)
    last, count, kinds = gateway.refusals("told")
    assert (last, kinds) == (19, 1 << 19) and count > 0
    (server / "endless").unlink()
    assert gateway.ended() == 0  # and it went on
    assert gateway.slot_is_new(1)


def test_a_caller_that_asks_nothing_holds_nobody_up(gateway):
    gateway.start()
    gateway.state()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.connect(str(gateway.folder / "run/kapu-update/socket"))
        begin = time.monotonic()
        assert gateway.state()["work"] == RESTING
        assert time.monotonic() - begin < 2
    assert gateway.ask({0: 99}) == {0: 0, 1: "the request is malformed"}
    assert gateway.ask({0: 1}) == {0: 0, 1: "the request is not for the writer of updates"}


def test_what_cannot_be_opened_is_named(gateway):
    (gateway.folder / "dev/kapu/other-root").unlink()
    gateway.start()
    assert gateway.ended() == 1
    assert re.search(r"dev/kapu/other-root: No such file", gateway.log.read_text())
    gateway.reset()
    (gateway.folder / "etc/kapu/operator").write_text(OPERATOR)
    gateway.start()
    assert gateway.ended() == 1
    assert "etc/kapu/operator: releases= must be there" in gateway.log.read_text()
