# SPDX-License-Identifier: Apache-2.0
"""The TPM as root of trust: what becomes of old firmware, of a wrong, broken or moved TPM, and of
somebody on its bus. Real firmware in QEMU on a real swtpm; boards without a disk, so a boot that is
good ends where OP-TEE hands over to Linux.

Each check can fail: `test_a_good_board_starts_the_secure_world` and the "newer" and "equal" cases
show the same boards booting when nothing is wrong.
"""

import hashlib
import re
import shutil
import struct
import subprocess
import uuid

import pytest

import tpm_bus
from attacks.test_boot_chain import (CERTIFICATES, WRONG_SIGNATURE, assert_halts,
                                     place_elsewhere, stranger)  # noqa: F401 (a fixture)
from board import Board
from kapu import certs, fip, tpm
from kapu.certs import identity_of
from kapu.errors import KapuError
from kapu.paths import host_environment
from kapu.qemu import Qmp
from native import programs
from shares import share

UP = "Primary CPU switching to normal world boot"
OLD, NOW, NEW = 6, 7, 8
NV_COUNTER, NV_BOOT, ROOT_OBJECT = "0x01406b01", "0x01406b05", "0x81006b01"
NEITHER = "kapu: slots A and B: neither came up; trying both again"
NOT_GIVEN = "it is of a release that this slot may not start"


@pytest.fixture(scope="session")
def packages(firmware, tmp_path_factory):
    """The release three times, alike but for the security counter in its certificates."""
    folder = tmp_path_factory.mktemp("counters")
    return {n: firmware.make(folder / str(n), counter=n) for n in (OLD, NOW, NEW)}


@pytest.fixture
def counted(board, packages):
    """A board whose TPM counter stands at NOW, with a release of that counter in both slots."""
    board.set_counter_base(board.counter_base() - NOW)  # a lower base is a raised counter
    for slot in "ab":
        board.write_package(slot, packages[NOW])
    return board


@pytest.fixture
def root_key_hash(firmware) -> str:
    return (firmware.release.tfa.out / "root-key.sha256").read_text().strip()


def bad_certificate(board, slot, packages, name, of):
    """One certificate of a release with another counter; what it certifies is the same."""
    other = board.folder / "other.img"
    shutil.copy(packages[of], other)
    place = fip.image_place(other, 0, name)
    content = other.read_bytes()[place.offset:place.offset + place.size]
    place_elsewhere(board, slot, name, content)


# ---- rollback

def test_a_good_board_starts_the_secure_world(board):
    secure = board.run_secure()
    assert UP in secure and "kapu: slot A, confirmed; security counter 0" in secure


def test_the_counter_that_a_board_has_is_the_least_that_boots(counted, packages):
    assert "slot A: all images verified" in counted.run()
    for slot in "ab":
        counted.write_package(slot, packages[OLD])
    assert_halts(counted, "tb-fw-cert", WRONG_SIGNATURE)


def test_old_firmware_in_one_slot_gives_way_to_the_other(counted, packages):
    counted.write_package("a", packages[OLD])
    console = counted.run()
    assert f"slot A refused: BL2 certificate: {WRONG_SIGNATURE}" in console
    assert "slot B: all images verified" in console


def test_booting_a_newer_release_does_not_raise_the_counter(counted, packages):
    for slot in "ab":
        counted.write_package(slot, packages[NEW])
    secure = counted.run_secure()
    assert f"security counter {NOW}, of this release {NEW}" in secure
    assert counted.facts()["security_counter"] == NOW
    counted.write_package("a", packages[NOW])  # so the release before it still boots
    assert "slot A: all images verified" in counted.run()


@pytest.mark.parametrize("name", share(list(CERTIFICATES)))
@pytest.mark.parametrize("of", [OLD, NEW])
def test_no_part_of_a_release_with_another_counter_is_taken(counted, packages, name, of):
    """Old BL2 with a new rest, new BL2 with an old part, and a part that is newer than its BL2."""
    if name == "tb-fw-cert" and of == NEW:
        name = "trusted-key-cert"  # a newer BL2 is right in itself: the rest is then too old
        for slot in "ab":
            bad_certificate(counted, slot, packages, "tb-fw-cert", NEW)
    else:
        for slot in "ab":
            bad_certificate(counted, slot, packages, name, of)
    assert_halts(counted, name, WRONG_SIGNATURE)


# ---- each slot starts the release that the TPM names for it

def test_a_signed_release_that_nobody_gave_a_trial_does_not_start(counted, packages):
    """Whoever can write the flash has it from the operator's server: newer, signed, and not rolled out here."""
    now, new = identity_of(packages[NOW]), identity_of(packages[NEW])
    counted.set_boot_state("a", confirmed=now)
    counted.write_package("a", packages[NEW])
    console = counted.run()
    assert f"slot A refused: BL2 certificate: {NOT_GIVEN}" in console
    assert "slot B: all images verified" in console
    counted.set_boot_state("a", confirmed=new)
    assert "slot A: all images verified" in counted.run()


def test_a_board_starts_the_release_that_the_factory_named_and_no_other(board, packages, root_key_hash):
    """From its first start; the other one is signed and newer. Without a name it starts."""
    board.write_package("a", packages[NEW])
    board.write_package("b", packages[NOW])
    for firmware in (packages[NOW], None):
        tpm.provision(board.folder, board.facts()["board"], root_key_hash, again=True, firmware=firmware)
        tpm.burn(board.folder / tpm.FUSES, board.folder / "rom.img")
        console = board.run()
        assert ("slot A: all images verified" in console) == (firmware is None)
        if firmware:
            assert f"slot A refused: BL2 certificate: {NOT_GIVEN}" in console and "slot B: all images verified" in console


def test_a_trial_is_of_the_release_that_it_was_given_for(counted, packages):
    """And the slot that it falls back to is not for the release on trial."""
    now, new = identity_of(packages[NOW]), identity_of(packages[NEW])
    counted.write_package("b", packages[NEW])
    counted.set_boot_state("b", tries=2, confirmed=now, tried=new)
    assert "slot B: all images verified" in counted.run()
    counted.set_boot_state("b", tries=2, confirmed=now, tried=bytes(31) + b"x")
    console = counted.run()
    assert f"slot B refused: BL2 certificate: {NOT_GIVEN}" in console
    assert "slot B: its trial has failed; slot A is in use again" in console
    assert "slot A: all images verified" in console
    counted.set_boot_state("b", tries=2, confirmed=now, tried=bytes(31) + b"x")
    counted.write_package("a", packages[NEW])
    console = counted.run()
    assert f"HALT: no slot left to boot (slot A: BL2 certificate: {NOT_GIVEN})" in console


def test_a_trial_that_failed_is_nothing_to_fall_back_to(counted, packages, bus):
    """The confirmed release does not come up at first; what is in the other slot is not started instead."""
    now = identity_of(packages[NOW])
    counted.write_package("b", packages[NEW])
    counted.set_boot_state("a", confirmed=now)
    bus.on_command = lambda code, command: tpm_bus.answer(0x101) if code == tpm_bus.UNSEAL else None
    console = counted.run_until(f"slot B refused: BL2 certificate: {NOT_GIVEN}.*slot A: all images verified")
    assert console.count("slot A: all images verified") >= 4 and "slot B: BL2 verified" not in console


# ---- a TPM that is not as it must be: one line, and a halt

def halted(board, what: str, why: str) -> None:
    console = board.run()
    assert f"kapu: HALT: {what}: {why}" in console
    assert "verified" not in console and "Booting BL2" not in console


def test_without_a_tpm_the_board_halts(board):
    start = board.machine.start
    board.machine.start = lambda **options: start(with_tpm=False, **options)
    halted(board, "TPM", "this board has none")


def test_a_tpm_that_answers_nonsense_halts_the_board(board, bus):
    bus.on_command = lambda code, command: b"\x80\x01\0\0\0\x0c\0\0\0\0\0\0"
    halted(board, "TPM", "is not in the state that it must have")


def test_a_board_without_fuses_halts(board):
    (board.folder / tpm.FUSES).unlink()
    tpm.burn(board.folder / tpm.FUSES, board.folder / "rom.img")
    halted(board, "board", "not provisioned: it has no fuses; run the factory step")


def test_a_board_with_damaged_fuses_halts(board):
    record = bytearray((board.folder / tpm.FUSES).read_bytes())
    record[40] ^= 1
    (board.folder / tpm.FUSES).write_bytes(record)
    tpm.burn(board.folder / tpm.FUSES, board.folder / "rom.img")
    halted(board, "board", "its fuses are damaged")


def test_a_board_of_the_former_release_says_so_and_boots_when_upgraded(board, root_key_hash):
    """Root secret, counters and identity are those that the former release's factory made."""
    tool, = programs("tests/support/provision_v1")
    identity = board.facts()["board"]
    certificate = board.folder / "certificate"
    certificate.write_bytes(b"a certificate")
    shutil.rmtree(board.folder / "tpm")
    with tpm.served(board.folder) as socket:
        tpm.run([tool, socket, board.folder / tpm.FUSES, identity.replace("-", ""), root_key_hash,
                 certificate], "the former factory")
    tpm.burn(board.folder / tpm.FUSES, board.folder / "rom.img")
    halted(board, "board", "its fuses are of another version: upgrade the board (kapu factory)")
    with pytest.raises(KapuError, match="an earlier release provisioned this board"):
        board.facts()
    tpm.upgrade(board.folder, root_key_hash)
    tpm.burn(board.folder / tpm.FUSES, board.folder / "rom.img")
    assert UP in board.run_secure()
    assert board.facts()["board"] == identity and board.facts()["ak_name"].startswith("000b")
    with pytest.raises(KapuError, match="not the record of a board of the earlier release"):
        tpm.upgrade(board.folder, root_key_hash)


def test_a_tpm_that_was_never_provisioned_halts_the_board(board):
    shutil.rmtree(board.folder / "tpm")
    halted(board, "security counter", "is not there: the TPM is not provisioned, or was cleared")


def test_the_tpm_of_another_board_halts_the_board(board, firmware, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    tpm.provision(other, str(uuid.uuid4()),
                  (firmware.release.tfa.out / "root-key.sha256").read_text().strip())
    shutil.rmtree(board.folder / "tpm")
    shutil.copytree(other / "tpm", board.folder / "tpm")
    halted(board, "security counter", "the TPM does not accept this board's authorisation")


@pytest.mark.parametrize("index, what", [(NV_COUNTER, "security counter"),
                                         (NV_BOOT, "boot state")])
def test_a_missing_nv_index_halts_the_board(board, index, what):
    board.tpm_tool(f"tpm2_nvundefine -C p {index}")
    halted(board, what, "is not there")


def test_a_counter_with_other_attributes_halts_the_board(board):
    board.tpm_tool(f"tpm2_nvundefine -C p {NV_COUNTER}",
                   f"tpm2_nvdefine -C p {NV_COUNTER} -s 8 -a "
                   "'ownerwrite|authwrite|authread|no_da|platformcreate'")
    halted(board, "security counter", "is not this board's: another TPM, or other attributes")


def test_a_counter_that_was_made_again_halts_the_board(board):
    """Same attributes. Whoever makes it cannot give it a first value: that takes the owner."""
    board.tpm_tool(f"tpm2_nvundefine -C p {NV_COUNTER}",
                   f"tpm2_nvdefine -C p {NV_COUNTER} -s 8 -a "
                   "'ownerwrite|authread|nt=counter|no_da|platformcreate' -p guess")
    halted(board, "security counter", "was never written: the TPM is not provisioned")


def test_a_boot_state_that_was_made_again_halts_the_board(board):
    """Same attributes, and written: but its authorisation value is not the board's."""
    board.tpm_tool(f"tpm2_nvundefine -C p {NV_BOOT}",
                   f"tpm2_nvdefine -C p {NV_BOOT} -s 72 -a "
                   "'authwrite|authread|no_da|platformcreate' -p guess",
                   "{ printf 'KBS\\002\\001'; head -c 67 /dev/zero; } | "
                   f"tpm2_nvwrite -C {NV_BOOT} -P guess -i - {NV_BOOT}")
    halted(board, "boot state", "the TPM does not accept this board's authorisation")


def test_a_locked_out_tpm_is_told_and_does_no_harm(board):
    """Anybody who reaches the bus can lock a TPM by wrong guesses at an object of his own."""
    guesses = "; ".join(["tpm2_unseal -c o.ctx -p wrong 2>/dev/null; tpm2_flushcontext -t"] * 8)
    board.tpm_tool("cd $(mktemp -d)",
                   "tpm2_createprimary -Q -C n -c p.ctx",
                   "echo secret | tpm2_create -Q -C p.ctx -p right -i - -u u -r r",
                   "tpm2_flushcontext -t", "tpm2_load -Q -C p.ctx -u u -r r -c o.ctx",
                   "tpm2_flushcontext -t",
                   f"{{ {guesses}; }}",
                   "tpm2_getcap properties-variable | grep -q 'inLockout: *1'")
    assert UP in board.run_secure()
    assert "kapu: the TPM is locked out by wrong authorisations" in board.machine.text()


# ---- on the bus

@pytest.fixture
def bus(board):
    made = tpm_bus.TpmBus(board.machine)
    yield made
    made.close()


def test_a_tpm_in_failure_mode_halts_the_board(board, bus):
    """As Part 3, 9.3 has it: all but two commands answer TPM_RC_FAILURE."""
    bus.on_command = lambda code, command: tpm_bus.answer(0x101)
    halted(board, "TPM", "the TPM is in failure mode")


def test_a_tpm_that_was_not_reset_with_the_board_halts_it(board, bus):
    bus.on_command = lambda code, command: (tpm_bus.answer(0x100) if code == tpm_bus.STARTUP
                                            else None)
    halted(board, "TPM", "the TPM was not reset with the board")


def change_counter(code, command, got):
    """A counter value that would let old firmware in: the last byte of the 8."""
    if code != tpm_bus.NV_READ or len(got) < 24:
        return got
    changed = bytearray(got)
    changed[10 + 4 + 2 + 7] ^= 1  # header, parameter size, TPM2B size, value
    return bytes(changed)


def test_a_counter_that_the_bus_changes_halts_the_board(board, bus):
    bus.on_answer = change_counter
    halted(board, "security counter", "the answer was changed on the way from the TPM")


def test_a_counter_that_comes_without_its_session_halts_the_board(board, bus):
    def strip(code, command, got):
        if code != tpm_bus.NV_READ:
            return got
        size = struct.unpack(">I", got[10:14])[0]
        return struct.pack(">HII", 0x8001, 10 + size, 0) + got[14:14 + size]
    bus.on_answer = strip
    halted(board, "security counter", "the answer came without its protection")


def test_an_old_answer_played_again_halts_the_board(board, bus):
    """The counter of an earlier boot, with the session that went with it."""
    kept = {}

    def keep(code, command, got):
        if code in (tpm_bus.NV_READ, tpm_bus.START_AUTH_SESSION):
            kept.setdefault(code, got)
        return got
    bus.on_answer = keep
    board.run()
    bus.on_answer = lambda code, command, got: kept.get(code, got)
    halted(board, "security counter", "the answer was changed on the way from the TPM")


def secure_halt(board, what: str, why: str = "") -> None:
    """OP-TEE says why and resets, six times (three starts a slot); then the ROM halts."""
    secure = board.run_secure()
    assert f"kapu: HALT: {what}: {why}" in secure
    assert UP not in secure


def test_another_key_in_place_of_the_tpms_is_refused(board, bus):
    """Whoever could make OP-TEE use a key of his own would read all that the session hides."""
    def swap(code, command, got):
        if code != tpm_bus.READ_PUBLIC or command[10:14] != bytes.fromhex("81010002"):
            return got
        changed = bytearray(got)
        at = 66  # TPM2B_PUBLIC: the size of x, behind attributes, policy and parameters
        assert got[at:at + 2] == b"\x00\x20"
        changed[at + 2] ^= 1
        public = changed[12:12 + struct.unpack(">H", got[10:12])[0]]
        name = b"\x00\x0b" + hashlib.sha256(public).digest()  # and its name to match
        end = 12 + len(public)
        changed[end + 2:end + 2 + 34] = name
        return bytes(changed)
    bus.on_answer = swap
    secure_halt(board, "endorsement key", "is not this board's")


def test_a_bus_that_strips_the_session_from_unseal_gets_a_refusal(board, bus):
    """It answers in clear, with a key of its own choice."""
    def clear(code, command):
        if code != tpm_bus.UNSEAL:
            return None
        return struct.pack(">HIIH", 0x8001, 10 + 2 + 32, 0, 32) + b"known to attackers".ljust(32)
    bus.on_command = clear
    secure_halt(board, "hardware key", "the answer came without its protection")


def test_a_platform_hierarchy_that_the_bus_keeps_open_is_noticed(board, bus):
    def sessions(code, command):
        """A forged success to a command with the empty password."""
        if code != tpm_bus.HIERARCHY_CONTROL:
            return None
        return struct.pack(">HIII", 0x8002, 19, 0, 0) + bytes([0, 0, 1, 0, 0])
    bus.on_command = sessions
    secure_halt(board, "platform hierarchy", "is not in the state that it must have")


def test_a_cap_that_the_bus_skips_is_noticed(board, bus):
    """The boot phase must not stay open: OP-TEE does not believe an unauthenticated success."""
    def skip(code, command):
        if code != tpm_bus.PCR_EXTEND or command[10:14] != struct.pack(">I", 14):
            return None
        return struct.pack(">HIII", 0x8002, 19, 0, 0) + bytes([0, 0, 1, 0, 0])
    bus.on_command = skip
    secure_halt(board, "end of the boot phase")


def test_measurements_that_the_bus_skips_leave_the_key_sealed(board, bus):
    def skip(code, command):
        if code != tpm_bus.PCR_EXTEND or command[10:14] != struct.pack(">I", 7):
            return None
        return struct.pack(">HIII", 0x8002, 19, 0, 0) + bytes([0, 0, 1, 0, 0])
    bus.on_command = skip
    secure_halt(board, "hardware key", "is not for this firmware")


# ---- measurements on the bus: the firmware's extends carry no MAC

def pcr_of(command: bytes) -> int:
    return struct.unpack(">I", command[10:14])[0]


def in_clear(code: int, command: bytes) -> bool:
    """An extend of the firmware: with the empty password, and one SHA-256 digest at the end."""
    return code == tpm_bus.PCR_EXTEND and len(command) == 65


class Extends:
    """An interposer for extends of one PCR: `change` gets the number of each and the command, and
    returns commands to send to the TPM instead, of which the board gets the last answer."""

    def __init__(self, bus, pcr: int, change):
        self.bus, self.pcr, self.change = bus, pcr, change
        self.hits = 0
        bus.on_command = self

    def __call__(self, code, command):
        if not in_clear(code, command) or pcr_of(command) != self.pcr:
            return None
        self.hits += 1
        answers = [self.bus.command(c) for c in self.change(self.hits, command)]
        return answers[-1] if answers else struct.pack(">HIII", 0x8002, 19, 0, 0) + bytes(
            [0, 0, 1, 0, 0])


def substituted(number, command):
    """The digest of something that was not loaded, in the place of the last extend's."""
    return [command[:-32] + hashlib.sha256(b"what the operator trusts").digest()]


def dropped(number, command):
    """The firmware gets a success that the TPM never gave."""
    return []


def added(number, command):
    return [command, command]


def first_two_swapped():
    kept = []

    def change(number, command):
        if number == 1:
            kept.append(command)
            return []
        return [command, kept.pop()] if kept else [command]
    return change


@pytest.mark.dealt
@pytest.mark.parametrize("pcr, change", [(0, substituted), (8, substituted), (9, substituted),
                                         (0, dropped), (8, dropped), (9, added)])
def test_a_measurement_that_the_bus_falsifies_halts_the_board(board, bus, pcr, change):
    seen = Extends(bus, pcr, change)
    secure_halt(board, "measurements", f"PCR {pcr} is not what the event log says")
    assert seen.hits > 0


def test_measurements_that_the_bus_brings_in_another_order_halt_the_board(board, bus):
    seen = Extends(bus, 0, first_two_swapped())
    secure_halt(board, "measurements", "PCR 0 is not what the event log says")
    assert seen.hits >= 2


def test_a_bus_that_passes_measurements_on_does_no_harm(board, bus):
    """The same interposer, which shows that the attacks above are what is found."""
    seen = Extends(bus, 0, lambda number, command: [command])
    assert UP in board.run_secure()
    assert seen.hits > 0


# ---- who gets the key

def helper(*words) -> subprocess.CompletedProcess:
    tool, = programs("tests/support/root_secret")
    return subprocess.run([str(w) for w in (tool, *words)], env=host_environment(),
                          capture_output=True, text=True, check=False)


def secrets_of(board, root_key_hash: str) -> list[bytes]:
    """The board's secrets, as the firmware gets them: on its TPM, just switched on."""
    with tpm.served(board.folder) as socket:
        result = helper("boot", socket, board.folder / tpm.FUSES, root_key_hash)
    assert result.returncode == 0, result.stdout
    return [bytes.fromhex(line.split()[1]) for line in result.stdout.splitlines()]


def test_no_byte_sequence_of_a_secret_passes_the_bus_in_a_whole_boot(board, bus, root_key_hash):
    secrets = secrets_of(board, root_key_hash)
    assert len(set(secrets)) == 6 and all(len(s) == 32 for s in secrets)
    assert UP in board.run_secure()
    captured = bus.capture()
    assert len(captured) > 4000
    assert bytes.fromhex(root_key_hash) in captured  # what is public does pass: the search works
    for secret in secrets:
        for at in range(0, 32 - 8 + 1):
            assert secret[at:at + 8] not in captured


def stopped_after_boot(board) -> None:
    """Boot, and hold the processor when the secure world is up: the TPM stays as it then is."""
    board.machine.start()
    board.machine.wait_for(UP, 300, secure=True)
    qmp = Qmp(board.machine.qmp_socket)
    qmp.command("stop")
    qmp.close()


def test_after_boot_nobody_gets_the_key_even_with_the_boards_fuses(board, bus, root_key_hash):
    """Raw access to the TPM while the board runs, and the pairing secret given away on top."""
    stopped_after_boot(board)
    try:
        bus.serve(board.folder / "raw.sock")
        result = helper("now", board.folder / "raw.sock", board.folder / tpm.FUSES)
        assert result.returncode == 1
        assert "hardware key: is not for this firmware, or the boot phase was closed" \
            in result.stdout
        # extending again does not bring the old values back
        for pcr, digest in ((7, bytes.fromhex(root_key_hash)), (14, bytes(32))):
            extend = struct.pack(">III", tpm_bus.PCR_EXTEND, pcr, 9)
            extend += bytes.fromhex("40000009") + bytes([0, 0, 0, 0, 0])
            extend += struct.pack(">IH", 1, 0x000b) + digest
            got = bus.command(struct.pack(">HI", 0x8002, 6 + len(extend)) + extend)
            assert tpm_bus.code_of(got) == 0
        bus.serve(board.folder / "raw.sock")
        result = helper("now", board.folder / "raw.sock", board.folder / tpm.FUSES)
        assert result.returncode == 1 and "hardware key" in result.stdout
    finally:
        board.machine.stop()


def test_a_tpm_reset_behind_the_boards_back_gives_the_key_only_with_the_pairing_secret(
        board, bus, root_key_hash):
    """PCR values are public and can be played again after a reset of the TPM alone. What stands
    against that is the pairing secret in the board's fuses; this shows both halves."""
    stopped_after_boot(board)
    try:
        stranger = bytearray((board.folder / tpm.FUSES).read_bytes()[:-32])
        stranger[94:126] = bytes(32)  # all but the pairing secret is public
        (board.folder / "stranger").write_bytes(stranger + hashlib.sha256(stranger).digest())
        for fuses, status in ((board.folder / "stranger", 1), (board.folder / tpm.FUSES, 0)):
            bus.reset_tpm()
            bus.serve(board.folder / "raw.sock")
            result = helper("boot", board.folder / "raw.sock", fuses, root_key_hash)
            assert result.returncode == status, result.stdout
            if status == 1:
                assert "the TPM does not accept this board's authorisation" in result.stdout
    finally:
        board.machine.stop()


def test_firmware_of_another_root_key_boots_its_own_rom_and_gets_no_key(
        board, firmware, tmp_path_factory, root_key_hash, stranger):
    """Even an attacker who replaces the ROM: the authority PCR says whose key it was."""
    folder = tmp_path_factory.mktemp("stranger")
    signer = certs.Signer(firmware.release.native.out / "kapu-sign", stranger)
    theirs = hashlib.sha256(signer.public_der("root")).digest()
    ours = bytes.fromhex(root_key_hash)
    images = {}
    for name in ("bl1", "bl2"):
        content = (firmware.release.tfa.out / f"{name}.bin").read_bytes()
        assert ours in content
        (folder / f"{name}.bin").write_bytes(content.replace(ours, theirs))
        images[name] = folder / f"{name}.bin"
    package = firmware.make(folder / "package", images={"bl2": images["bl2"]}, keys=stranger)
    board.write_rom(images["bl1"])
    for slot in "ab":
        board.write_package(slot, package)
    secure = board.run_secure()
    assert "slot A: all images verified" in board.machine.text()
    assert "kapu: HALT: hardware key: is not for this firmware" in secure
    assert UP not in secure


def test_a_boot_that_fails_in_the_secure_world_is_tried_from_both_slots(board, bus):
    """OP-TEE resets; after three starts of each slot the ROM begins anew, and so does the board when the TPM is
    well again."""
    bus.on_command = lambda code, command: (tpm_bus.answer(0x101) if code == tpm_bus.UNSEAL
                                            else None)
    console = board.run_until(NEITHER)
    secure = board.machine.text(secure=True)
    assert console.count("all images verified") == 6
    assert secure.count("kapu: HALT: hardware key: the TPM is in failure mode") == 6
    assert UP not in secure
    bus.on_command = lambda code, command: None
    assert UP in board.run_secure()


def test_an_older_copy_of_the_tpms_state_is_not_noticed_by_the_board(counted, packages):
    """What an emulated TPM cannot do, and a chip does: keep its state from being put back. This test
    documents the limit; a verifier sees the TPM's reset count fall (docs/threat-model.md)."""
    def resets() -> int:
        text = counted.tpm_tool("tpm2_readclock")
        return int(re.search(r"reset_count: *(\d+)", text).group(1))
    older = counted.folder / "older"
    shutil.copytree(counted.folder / "tpm", older)
    before = resets()
    counted.run()
    assert resets() > before
    shutil.rmtree(counted.folder / "tpm")
    shutil.copytree(older, counted.folder / "tpm")
    assert "slot A: all images verified" in counted.run()
    shutil.rmtree(counted.folder / "tpm")
    shutil.copytree(older, counted.folder / "tpm")
    assert resets() == before
