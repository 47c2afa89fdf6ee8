# SPDX-License-Identifier: Apache-2.0
"""Kind: a file is read only in part, silently. Each file that kapu reads is read to its last byte or refused with its
name, and a text with the line too; what is empty, repeated, cut, or in another encoding allows nothing.

The places come from the usage of the commands and from the source: a file that is in neither table fails here.
"""

import random
import re
import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import edges
from kapu import broker, tpm
from kapu.broker import certificates_in, read_facts, trust_tpms
from kapu.errors import KapuError
from kapu.keys import make_key
from kapu.paths import ROOT
from releases import Release
from simulated import Fleet

VECTORS = ROOT / "tests" / "vectors"
KIND = "read in part"

# Files that the operator's folder has for others than kapu, or that kapu writes there and locks.
NOT_READ = {"labels.lock": "a lock", "update.lock": "a lock",
            "kapu.db": "SQLite's; test_edges_records.py",
            "payload-keys": "a folder, with a key for each release: test_update_encrypted.py"}
# Arguments that are not files to be read to the end by one of the readers of operator/files.
OUT = {(f"release {verb}", "--out") for verb in ("make", "keys", "rollout", "membership", "approve")} | {
    ("inspect", "--picture"), ("factory provision", "--record"), ("factory record", "--record"),
    ("factory upgrade", "--record")}
OTHERS = {  # what reads it, and where that is tested
    ("inspect", "FILE"): "a memory image: test_edges_dumps.py, tests/fuzz/fuzz_memory.c",
    ("inspect", "--profile"): "one format: test_edges_dumps.py", ("inspect", "--allow"): "the same",
    ("release make", "--firmware"): "mapped.c: tests/unit/test_release_cli.py",
    ("release make", "--root"): "the same", ("release verify", "--firmware"): "the same",
    ("release verify", "--root"): "the same", ("release patch", "--firmware"): "the same",
    ("release patch", "--root"): "the same", ("release patch", "DIR"): "the same",
    ("release rebuild", "--firmware"): "the same", ("release rebuild", "--root"): "the same",
    ("release rebuild", "DIR"): "the same", ("update publish", "DIR"): "tests/operator/test_update.py",
    ("release verify", "--next"): "as --keys", ("update publish", "--release-keys"): "as release verify --keys",
    ("factory show", "--fuses"): "as factory record", ("factory show", "--record"): "tests/unit/test_factory.py",
    ("factory provision", "--factory-key"): "as factory record", ("factory upgrade", "--factory-key"): "the same",
    ("factory provision", "--ek-certificate"): "DER that the TPM keeps: tests/unit/test_factory.py",
    ("factory provision", "--firmware"): "mapped.c: tests/unit/test_factory.py",
    ("factory upgrade", "--fuses"): "fuses of an earlier release: tests/unit/test_fusebox_upgrade.c",
    ("factory provision", "--fuses"): "written; an old one is not gone over: tests/unit/test_factory.py",
}
MAY_OPEN = {  # the shared readers, and what is no file to read whole
    "files/text.c": "whole_file", "kapu/inspect_memory.c": "a memory image is mapped", "release/mapped.c": "mapped",
    "release/content.c": "a known number of bytes of what was mapped before", "kapu/webroot.c": "a copy",
    "release/release_key.c": "32 bytes and no more",
    "verifier/fleet.c": "nonce.key: 32 bytes and no more",
    "kapu/main.c": "/dev/null, in the place of an output that is closed",
    "files/leave.c": "a folder", "files/newfile.c": "a folder", "kapu/inspect_guard.c": "a folder",
    "kapu/inspect_picture.c": "how a file begins that is to be replaced",
}


class Place:
    """A file, a command that reads it, and what the command says when it is good."""

    def __init__(self, path, words, *, text=True, status=0, repeated=None, also=()):
        self.path, self.words, self.text, self.status = path, [str(w) for w in words], text, status
        self.repeated = repeated  # whether the same twice is refused; None: not asked
        self.also = {other: other.read_bytes() for other in also}  # what the command changes

    def run(self, fleet) -> subprocess.CompletedProcess:
        for other, data in self.also.items():
            other.write_bytes(data)
        if self.words[0] in ("release", "evidence", "factory"):
            return subprocess.run([fleet.kapu_program, *self.words], capture_output=True, text=True, check=False)
        return fleet.kapu(*self.words)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An operator with brokers, and files of each kind."""
    folder = tmp_path_factory.mktemp("files")
    fleet = Fleet(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tpm, "operator_tool", lambda: fleet.kapu_program)
        fleet.in_folder, fleet.given = in_folder(fleet), given(fleet)
    yield fleet
    fleet.end()


def in_folder(fleet) -> dict[str, Place]:
    """By their names; the arguments make kapu read it."""
    folder = fleet.operator.folder
    (folder / "policy").write_text("name strict\nflavours gateway\nfinding text.* fatal\n")
    (folder / "labels").write_text("".join(f"{n:032x} pump {n}\n" for n in range(3)))
    reference, record = fleet.folder / "two.reference", fleet.folder / "one.record"
    gateway = fleet.gateway("files", record=False)
    shutil.copy(fleet.release_file(gateway), reference)
    shutil.copy(fleet.record_file(gateway), record)
    enroll = ("enroll", gateway.name, "--timeout", "9")  # refused: there is no record of its board
    at = {name: folder / name for name in edges.files_of_the_folder()}
    return {
        "operator.conf": Place(at["operator.conf"], ("fleet",), repeated=True),
        "policy": Place(at["policy"], ("fleet",), repeated=True),
        "labels": Place(at["labels"], ("fleet",), repeated=True),
        "nonce.key": Place(at["nonce.key"], ("fleet",), text=False),
        "ek-cas.pem": Place(at["ek-cas.pem"], enroll, status=1, repeated=False),
        "ca.key": Place(at["ca.key"], enroll, status=1, repeated=True),
        "ca.pem": Place(at["ca.pem"], enroll, status=1, repeated=True),
        "kapu.pem": Place(at["kapu.pem"], enroll, status=1, repeated=False),
        "kapu.key": Place(at["kapu.key"], enroll, status=1, repeated=True),
        "release-keys.pem": Place(at["release-keys.pem"], ("reference", "add", reference), repeated=False),
        "factory-keys.pem": Place(at["factory-keys.pem"], ("board", "add", record), repeated=False),
    }


def given(fleet) -> dict[tuple[str, str], Place]:
    """By command and option."""
    folder = fleet.folder / "given"
    folder.mkdir()
    gateway = fleet.gateways[0]
    key, public, cose = folder / "key.pem", folder / "public.pem", folder / "tee.key"
    make_key(key)
    public.write_bytes(serialization.load_pem_private_key(key.read_bytes(), None).public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    for name in ("tee.key", "ak.key", "clean.message"):
        shutil.copy(VECTORS / "evidence" / name, folder)
    message = folder / "clean.message"
    board = folder / "board"
    board.mkdir()
    tpm.provision(board, "01234567-89ab-cdef-0123-456789abcdef", "11" * 32)
    reference, record = folder / "reference.cbor", folder / "board.record"
    shutil.copy(fleet.release_file(gateway), reference)
    shutil.copy(fleet.record_file(gateway), record)
    manifest = Release(folder / "release", "0.9.0", 9).folder / "manifest"
    keys = folder / "release.keys"
    shutil.copy(fleet.operator.folder / "release.keys", keys)
    out, record_out, factory = folder / "out", folder / "out.record", ["--factory-key", tpm.keys.factory_key(), "--platform", "x"]
    rollout = ("release", "rollout", "--number", "1", "--group", "g", "--out", folder / "out.rollout")
    approve = ("release", "approve", "--gateway", "01" + "22" * 32, "--boot", "33" * 32, "--out", folder / "out.approval")
    return {
        ("board add", "FILE"): Place(record, ("board", "add", record), text=False),
        ("reference add", "FILE"): Place(reference, ("reference", "add", reference), text=False),
        ("reference show", "FILE"): Place(reference, ("reference", "show", reference), text=False),
        ("evidence show", "FILE"): Place(message, ("evidence", "show", message), text=False),
        ("evidence show", "--key"): Place(cose, ("evidence", "show", "--key", cose, message), text=False),
        ("evidence show", "--ak"): Place(folder / "ak.key", ("evidence", "show", "--ak", folder / "ak.key", message),
                                         text=False),
        ("factory key", "--factory-key"): Place(key, ("factory", "key", "--factory-key", key), repeated=True),
        ("factory record", "--factory-key"): Place(
            key, ("factory", "record", "--fuses", board / tpm.FUSES, "--record", record_out, "--factory-key", key, "--platform",
                  "x"), repeated=True),
        ("factory record", "--fuses"): Place(board / tpm.FUSES, (
            "factory", "record", "--fuses", board / tpm.FUSES, "--record", record_out, *factory), text=False),
        ("release keys", "KEY"): Place(public, ("release", "keys", "--role", "release", "--threshold", "1", "--out", out,
                                                public), repeated=True),
        ("release rollout", "MANIFEST"): Place(manifest, (*rollout, manifest), text=False),
        ("release approve", "MANIFEST"): Place(manifest, (*approve, manifest), text=False),
        ("release show", "FILE"): Place(manifest, ("release", "show", manifest), text=False),
        ("release sign", "--key"): Place(key, ("release", "sign", "--key", key, manifest), repeated=True,
                                          also=(manifest,)),
        ("release sign", "FILE"): Place(manifest, ("release", "sign", "--key", key, manifest), text=False),
        ("release verify", "FILE"): Place(manifest, ("release", "verify", "--keys", keys, manifest), text=False),
        ("release verify", "--keys"): Place(keys, ("release", "verify", "--keys", keys, manifest), text=False),
    }


def try_out(fleet, cases, name, place: Place) -> None:
    """The good file is the control; each damage is refused, and the file named."""
    good = place.path.read_bytes()
    bad = edges.damaged(good, place.text, b"-----BEGIN" in good)
    if place.repeated is not None:
        bad["the same again"] = good + good
    for what, data in [("good", good), *bad.items(), ("good after it", good)]:
        place.path.write_bytes(data)
        done = place.run(fleet)
        told = str(place.path) in done.stderr
        if what.startswith("good"):
            cases.check(done.returncode == place.status and not told, f"{name}, {what}: {done}")
        elif what == "the same again" and not place.repeated:
            cases.check(done.returncode == place.status and not told, f"{name}, {what}: {done}")
        else:
            line = not place.text or data == b"" or len(data) > 4 << 20 or "line " in done.stderr
            cases.check(done.returncode in (1, 2, 3) and told and line and not done.stdout, f"{name}, {what}: {done}")
    for path, data in [(place.path, good), *place.also.items()]:
        path.write_bytes(data)


def test_each_file_is_known_here(world):
    """A new command, option or file has to come into a table."""
    with edges.Cases(f"{KIND}: places") as cases:
        known = set(world.in_folder) | set(NOT_READ)
        found = edges.files_of_the_folder()
        cases.check(found == known, f"files of the operator's folder: {found ^ known}")
        known = set(world.given) | OUT | set(OTHERS)
        found = edges.files_of_commands(world.kapu_program)
        cases.check(found == known, f"files that commands are given: {found ^ known}")
        opens = {str(path.relative_to(edges.OPERATOR)) for path, text in edges.source().items()
                 if re.search(r'fopen\([^;]*"r|\bopen\([^;]*O_RDONLY|BIO_new_file|PEM_read|load_file', text)}
        cases.check(opens == set(MAY_OPEN), f"sources that open a file themselves: {opens ^ set(MAY_OPEN)}")


def test_files_of_the_operators_folder(world):
    with edges.Cases(f"{KIND}: folder") as cases:
        for name, place in world.in_folder.items():
            try_out(world, cases, name, place)


@pytest.mark.share(5)
def test_files_that_commands_are_given(world):
    with edges.Cases(f"{KIND}: given") as cases:
        for name, place in world.given.items():
            try_out(world, cases, name, place)


# ---- kind: damage is mistaken for a finding ----

# What finds a flipped bit in each file that a command is given, or why nothing can.
PERSON = "written by a person, who may write anything: read whole, with line and reason"
KEY = "a private key or one that is trusted as it is: a wrong one verifies nothing"
VERIFIES = "release verify, which is tried here"
FLIPS = {
    ("board add", "FILE"): "signed", ("reference add", "FILE"): "signed", ("release verify", "FILE"): "signed",
    ("evidence show", "FILE"): "signed",
    ("inspect", "--profile"): "digest: test_edges_dumps.py", ("inspect", "--allow"): "digest: test_edges_dumps.py",
    ("inspect", "FILE"): "none: memory is what is judged, whatever is in it",
    ("reference show", "FILE"): "shows what is there; counts for nothing before reference add",
    ("release show", "FILE"): "shows what is there; counts for nothing before release verify",
}


def protection(place: tuple[str, str]) -> str | None:
    command, option = place
    if place in FLIPS:
        return FLIPS[place]
    if option in ("--key", "--ak", "--factory-key", "--keys", "--next", "--release-keys", "KEY"):
        return KEY
    if option in ("--firmware", "--root", "DIR") or command.split()[0] in ("release", "update"):
        return VERIFIES
    if option in ("--fuses", "--ek-certificate", "--record"):
        return "the TPM answers only to the board whose file it is: tests/unit/test_factory.py"
    return None


@pytest.mark.share(3)
def test_flipped_bits_of_what_is_signed_are_named(world):
    """And each file that a command is given has its place in the table."""
    random_ = random.Random(15)
    folder = world.folder / "given"
    message = [folder / name for name in ("tee.key", "ak.key", "clean.message")]
    words = {("evidence show", "FILE"): ("evidence", "show", "--key", message[0], "--ak", message[1], message[2])}
    with edges.Cases("reference data: signed") as cases:
        for place in sorted(edges.files_of_commands(world.kapu_program) - OUT):
            cases.check(protection(place) is not None, f"{place}: what finds a flipped bit of it?")
        for key in (key for key, how in FLIPS.items() if how == "signed"):
            place = world.given[key]
            place = Place(place.path, words.get(key, place.words), text=False)
            good = place.path.read_bytes()
            for bit in [None, *random_.sample(range(8 * len(good)), 24), None]:
                data = bytearray(good)
                if bit is not None:
                    data[bit // 8] ^= 1 << bit % 8
                place.path.write_bytes(data)
                done = place.run(world)
                if bit is None:
                    cases.check(done.returncode == 0, f"{key}, control: {done}")
                else:
                    named = str(place.path) in (done.stdout if "NOT" in done.stdout.upper() else done.stderr)
                    cases.check(done.returncode in (1, 2, 3) and named, f"{key}, bit {bit}: {done}")


# ---- tools/broker, which makes and reads some of them too ----

def test_authorities_of_tpms_are_taken_whole(tmp_path):
    """What a TPM's maker sends may be DER, several, or damaged; nothing of it is lost unseen."""
    with edges.Cases(f"{KIND}: tools/broker") as cases:
        for name in ("one", "two", "three"):
            broker.issue(tmp_path, name, f"maker {name}")
        one, two, three = ((tmp_path / f"{name}.pem").read_bytes() for name in ("one", "two", "three"))
        taken, store = tmp_path / "given.pem", tmp_path / "ek-cas.pem"
        for what, data, n in (("one", one, 1), ("joined", one + two, 2), ("no line feed", one.rstrip() + two.rstrip() +
                               three, 3), ("explained", b"# of the maker\n" + one, 1), ("twice", one + one, 1)):
            taken.write_bytes(data)
            store.unlink(missing_ok=True)
            trust_tpms(tmp_path, [taken])
            cases.check(len(certificates_in(store)) == n, f"{what}: {store.read_bytes()}")
        der = x509.load_pem_x509_certificate(one).public_bytes(serialization.Encoding.DER)
        store.write_bytes(one)
        for what, data in edges.damaged(two, True, True).items() | {("DER", der), ("cut", one + two[:-40])}:
            taken.write_bytes(data)
            try:
                trust_tpms(tmp_path, [taken])
                said = "nothing"
            except KapuError as error:
                said = str(error)
            cases.check(str(taken) in said and store.read_bytes() == one, f"{what}: {said}")
        taken.unlink()
        with pytest.raises(KapuError, match="No such file"):
            trust_tpms(tmp_path, [taken])


@pytest.mark.parametrize("line, told", [("host", "line 1"), ("host a b", "line 1"), ("# a\nhost a\nhost b", "line 3")])
def test_brokers_and_kapu_read_settings_alike(tmp_path, line, told):
    path = tmp_path / "operator.conf"
    path.write_text("host a # here\n\n# no\ninterval 3\n")
    assert read_facts(path) == {"host": "a", "interval": "3"}
    path.write_text(f"{line}\n")
    with pytest.raises(KapuError, match=told):
        read_facts(path)
