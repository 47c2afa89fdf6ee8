# SPDX-License-Identifier: Apache-2.0
"""kapu-update itself, with encrypted releases that Python's cryptography encrypted: as large as those of the built
gateway, but made here, so that nothing needs to be built before. Program, socket, and files of disk and flash are real;
the secure world is lib/update with real signatures, the server a folder (tests/support/soft_update.h).
"""

import os
import secrets
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

import native
from kapu import update_keys
from kapu.cbor import cbor
from kapu.paths import host_environment
from releases import BLOCK, DAY_MS, encrypted, key_check, sha
from writer_protocol import APPROVE, COPYING, DONE, FETCHING, IDLE, INSTALL, ON_TRIAL, RESTING, STOPPED, UPDATE, reply

COUNTER = 5
UEID = b"\x01" + b"\x42" * 32
OLD, NEW = "f0" * 32, sha(b"new").hex()
FRAME_BLOCKS = 16  # 64 KiB, larger than those of kapu release make: more memory
WAIT_S = 60


def blocks(seed: bytes, n: int) -> list[bytes]:
    """Each is another one, and of half of them little is left when compressed; no code for kapu/install_code.h."""
    return [(sha(seed, i.to_bytes(4, "big")) * (BLOCK // 32)).translate(bytes(b & 0x7f for b in range(256)))
            for i in range(n)]


def tree_of(data: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """dm-verity's hash tree, top level first, and its root hash."""
    levels, level = [], data
    while len(level) > BLOCK:
        hashes = b"".join(sha(salt, level[at:at + BLOCK]) for at in range(0, len(level), BLOCK))
        level = hashes + bytes(-len(hashes) % BLOCK)
        levels.insert(0, level)
    return b"".join(levels), sha(salt, level)


def compressed(content: bytes) -> list[bytes]:
    size = FRAME_BLOCKS * BLOCK
    frames = []
    for at in range(0, len(content), size):
        frames.append(subprocess.run(["zstd", "-q", "-1", "--no-check", "-c"], input=content[at:at + size], capture_output=True,
                                     check=True, env=host_environment()).stdout)
    return frames


class Made:
    """A release of so many blocks in a folder of the server, with its manifest and a rollout."""

    def __init__(self, server: Path, name: str, root_blocks: int, firmware_blocks: int, key: bytes | None):
        folder = server / name
        folder.mkdir()
        self.folder, self.name, self.key = folder, name, key
        self.root = b"".join(blocks(b"root", root_blocks))
        self.firmware = b"".join(blocks(b"firmware", firmware_blocks))[:-100]
        salt, now = sha(b"salt"), int(time.time() * 1000)
        self.tree, root_hash = tree_of(self.root, salt)
        content = self.root + self.firmware + bytes(100)
        frames = compressed(content)
        ends = [sum(map(len, frames[:n + 1])) for n in range(len(frames))]
        index = cbor({0: 1, 1: FRAME_BLOCKS, 2: 0, 4: struct.pack(f">{len(ends)}I", *ends),
                      3: b"".join(sha(content[at:at + BLOCK])[:12] for at in range(0, len(content), BLOCK))})
        self.files = {"index": index, "payload": b"".join(frames)}
        for file, data in self.files.items():
            (folder / file).write_bytes(encrypted(key, file, data) if key else data)
        says = {0: 1, 1: bytes.fromhex(NEW), 2: "1", 3: "qemu-virt", 4: "gateway", 5: COUNTER, 6: 0, 7: now - DAY_MS,
                8: now + DAY_MS, 9: [len(self.firmware), sha(self.firmware)], 10: [len(self.root), salt, root_hash],
                11: [len(index), sha(index)], 12: True} | ({13: key_check(key)} if key else {})
        self.manifest = signed(server / f"{name}.manifest", "release", says, "release-1", "release-2")
        self.digest = sha(cbor(says))
        rollout = {0: 1, 1: self.digest, 2: 1, 3: 1, 4: now, 5: now + DAY_MS, 6: [UEID]}
        self.rollout = signed(server / f"{name}.rollout", "rollout", rollout, "rollout")

    def install(self, **more) -> dict:
        request = {0: INSTALL, 1: self.name, 2: self.manifest, 3: self.rollout, 4: b"", 5: b""}
        return request | ({6: self.key} if self.key else {}) | {int(k[1:]): v for k, v in more.items()}

    def approval(self, server: Path, boot: bytes) -> dict:
        says = {0: 1, 1: self.digest, 2: UEID, 3: boot, 4: int(time.time() * 1000)}
        return {0: APPROVE, 1: signed(server / "approval", "approval", says, "approval"), 2: b""}


def signed(path: Path, kind: str, says: dict, *names: str) -> bytes:
    path.write_bytes(b"\xd8\x62" + cbor([cbor({16: f"application/x.kapu.{kind}+cose"}), {}, cbor(says), []]))
    for name in names:
        subprocess.run([native.FOLDER / "operator/kapu/kapu", "release", "sign", "--key", update_keys.development_key(name),
                        path], check=True, capture_output=True)
    return path.read_bytes()


class Gateway:
    """The folder of a gateway, and the program in it: in slot 0 what the release lacks only a part of, nothing in slot 1."""

    def __init__(self, folder: Path, server: Path, release: Made):
        self.folder, self.release = folder, release
        self.program, self.reset_tool = native.programs("tests/support/kapu-update", "tests/support/soft_reset")
        self.identities, self.process = [OLD, "-"], None
        for name in ("dev/kapu", "tee", "slot", "etc/kapu", "var/lib/kapu-update", "run/kapu-update"):
            (folder / name).mkdir(parents=True)
        (folder / "etc/kapu/operator").write_text(f"host=10.0.2.100\nname=x\nport=8883\nenrol-port=8884\nreleases=file:{server}\n")
        (folder / "tee/counter").write_bytes(struct.pack("@I", COUNTER - 1))
        for number, role in enumerate(("release", "rollout", "approval"), 1):
            (folder / f"tee/keys.{number}").write_bytes(update_keys.first_set(role))
        root_size = -(-(len(release.root) + len(release.tree)) // (1 << 20)) + 1 << 20
        old = bytearray(release.root)
        for at in range(0, len(old), 3 * BLOCK):
            old[at] ^= 1
        (folder / "slot/0.root").write_bytes(old.ljust(root_size, b"\0"))
        (folder / "slot/0.firmware").write_bytes(b"\xff" * (16 << 20))
        (folder / "slot/1.root").write_bytes(bytes(root_size))
        (folder / "slot/1.firmware").write_bytes(b"\xff" * (16 << 20))
        self.reset()

    def reset(self) -> int:
        return int(subprocess.run([self.reset_tool, self.folder, *self.identities], check=True, capture_output=True,
                                  text=True).stdout)

    def start(self) -> None:
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([self.program, "--root", self.folder], stderr=log,
                                            env=os.environ | {"SOFT_ROOT": str(self.folder)})

    def ask(self, request: dict) -> dict:
        end = time.monotonic() + WAIT_S
        while True:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.settimeout(WAIT_S)
                try:
                    s.connect(str(self.folder / "run/kapu-update/socket"))
                    s.send(cbor(request))
                    return reply(s.recv(1024))
                except (ConnectionError, FileNotFoundError):
                    assert time.monotonic() < end and self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)

    def until(self, good) -> dict:
        end = time.monotonic() + WAIT_S
        while not good(state := self.ask({0: UPDATE})):
            assert time.monotonic() < end, state
            time.sleep(0.02)
        return state

    def ended(self) -> int:
        return self.process.wait(WAIT_S)

    def slot_has_it(self, slot: int) -> bool:
        root, firmware = self.release.root + self.release.tree, self.release.firmware
        return ((self.folder / f"slot/{slot}.root").read_bytes()[:len(root)] == root
                and (self.folder / f"slot/{slot}.firmware").read_bytes()[:len(firmware)] == firmware)

    def state_files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / "var/lib/kapu-update").iterdir()}

    def memory_has(self, key: bytes) -> bool:
        """Whatever the process can write to."""
        for line in (Path("/proc") / str(self.process.pid) / "maps").read_text().splitlines():
            place, rights = line.split()[:2]
            if not rights.startswith("rw") or "[v" in line:
                continue
            begin, end = (int(part, 16) for part in place.split("-"))
            with open(f"/proc/{self.process.pid}/mem", "rb", buffering=0) as memory:
                memory.seek(begin)
                if key in memory.read(end - begin):
                    return True
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    native.programs("operator/kapu/kapu")
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def large(server):
    """As many blocks as a release of the built gateway has."""
    return Made(server, "large", 7168, 2700, secrets.token_bytes(32))


@pytest.fixture(scope="module")
def small(server):
    return Made(server, "small", 100, 60, secrets.token_bytes(32))


@pytest.fixture(scope="module")
def plain(server):
    return Made(server, "plain", 100, 60, None)


@pytest.fixture
def gateway_of(server, tmp_path):
    made = []

    def make(release: Made) -> Gateway:
        made.append(Gateway(tmp_path / f"gateway-{len(made)}", server, release))
        made[-1].start()
        return made[-1]
    yield make
    for gateway in made:
        gateway.process.kill()
        gateway.process.wait()


@pytest.mark.share(1)
def test_an_encrypted_release_gets_into_both_slots_in_16_mib_of_memory_and_its_key_is_gone(gateway_of, server, large):
    gateway = gateway_of(large)
    assert gateway.ask(large.install())["work"] == FETCHING
    gateway.until(lambda state: state["fetched"] > 100000)
    order = gateway.folder / "var/lib/kapu-update/order"
    assert large.key in order.read_bytes() and order.stat().st_mode & 0o777 == 0o600
    assert gateway.memory_has(large.key)  # so the look at its end shows something
    assert gateway.ended() == 0
    assert gateway.slot_has_it(1) and not gateway.slot_has_it(0)
    gateway.identities[1] = NEW
    assert gateway.reset() == 1
    gateway.start()
    state = gateway.until(lambda state: state["stage"] == ON_TRIAL)
    state = gateway.ask(large.approval(server, state["boot"]))
    assert (state["answer"], state["stage"], state["work"]) == (DONE, IDLE, COPYING)
    state = gateway.until(lambda state: state["work"] == RESTING)
    assert gateway.slot_has_it(0) and gateway.slot_has_it(1)
    assert 0 < state["memory_kib"] < 16 << 10
    print(f"memory {state['memory_kib']} KiB, {state['all']} blocks")
    assert set(gateway.state_files()) == {"running", "running.index", "restarted"}
    assert not any(large.key in data for data in gateway.state_files().values())
    assert not gateway.memory_has(large.key)


@pytest.mark.share(4)
def test_memory_of_the_first_boot_is_below_16_mib_too(gateway_of, server, large):
    """The one that fetches and decrypts: it ends with a reset, so it is asked before."""
    gateway = gateway_of(large)
    (server / "slow").write_text("1")
    try:
        gateway.ask(large.install())
        most = 0
        while gateway.process.poll() is None:
            try:
                most = max(most, gateway.ask({0: UPDATE})["memory_kib"])
            except (AssertionError, OSError, IndexError):
                break
            time.sleep(0.05)
        assert gateway.ended() == 0
        assert 0 < most < 16 << 10
        print(f"memory {most} KiB")
    finally:
        (server / "slow").unlink()


@pytest.mark.parametrize("change, why", [
    ({"_6": bytes(32)}, "the key of the order is not that of the release"),
    ({"_6": None}, "the release is encrypted, and the order has no key")], ids=["another", "none"])
def test_without_the_right_key_nothing_is_fetched_or_kept(gateway_of, small, change, why):
    gateway = gateway_of(small)
    request = {label: value for label, value in small.install(**change).items() if value is not None}
    assert gateway.ask(request) == {0: 0, 1: why}
    state = gateway.ask({0: UPDATE})
    assert (state["work"], state["fetched"]) == (RESTING, 0) and gateway.state_files() == {}
    assert gateway.ask(small.install())["work"] == FETCHING
    assert gateway.ended() == 0 and gateway.slot_has_it(1)


def test_a_key_for_a_release_that_is_not_encrypted_is_refused(gateway_of, plain):
    gateway = gateway_of(plain)
    assert gateway.ask(plain.install(_6=bytes(32))) == {0: 0, 1: "the order has a key, and the release is not encrypted"}
    assert gateway.ask(plain.install(_6=bytes(31))) == {0: 0, 1: "the request is malformed"}
    assert gateway.state_files() == {}
    assert gateway.ask(plain.install())["work"] == FETCHING
    assert gateway.ended() == 0 and gateway.slot_has_it(1)


@pytest.mark.dealt
@pytest.mark.parametrize("name, at", [("index", 3), ("index", 100), ("payload", 3), ("payload", 5000)])
def test_flipped_ciphertext_or_salt_is_waited_out(gateway_of, small, name, at):
    path = small.folder / name
    good = path.read_bytes()
    path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
    try:
        gateway = gateway_of(small)
        gateway.ask(small.install())
        state = gateway.until(lambda state: state["answer"] == 5 or state["why"])
        assert name in state["why"] and state["work"] == FETCHING
        assert not gateway.slot_has_it(1)
    finally:
        path.write_bytes(good)
    assert gateway.ended() == 0 and gateway.slot_has_it(1)


def test_an_order_whose_key_was_changed_in_the_state_folder_is_dropped(gateway_of, server, small):
    gateway = gateway_of(small)
    (server / "down").write_text("")
    try:
        gateway.ask(small.install())
        gateway.until(lambda state: "no answer" in state["why"])
        gateway.process.kill()
        gateway.process.wait()
        order = gateway.folder / "var/lib/kapu-update/order"
        order.write_bytes(order.read_bytes().replace(small.key, bytes(32)))
    finally:
        (server / "down").unlink()
    gateway.start()
    state = gateway.until(lambda state: state["work"] == STOPPED)
    assert "not that of the release" in state["why"] and state["fetched"] == 0 and not order.exists()
    assert gateway.ask(small.install())["work"] == FETCHING
    assert gateway.ended() == 0 and gateway.slot_has_it(1)
