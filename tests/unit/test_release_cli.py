# SPDX-License-Identifier: Apache-2.0
"""kapu release as its users meet it: a release of the built gateway, keys of several people, what is refused and
what is said then. Payload and index are read here by programs that are not ours.
"""

import hashlib
import itertools
import json
import re
import shutil
import struct
import signal
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kapu import build, certs, reference, tpm
from kapu.cbor import cbor
from kapu.fip import entries
from kapu.keys import key_set, make_key
from kapu.paths import BUILD, host_environment
from releases import decrypted, key_check
from other_release import BLOCK, FACTS, FIRMWARE, ROOT_IMAGE, file_system, images_of_the_build, make_other

LAB = BUILD / "lab"
FROM_LAB = ("rebuild", "--json", "--firmware", LAB / "firmware.fip", "--root", LAB / "root.img")
PEOPLE = ("anna", "bela", "cili", "dora")
WHAT = {"--version": "0.2.0", "--hardware": "qemu-virt", "--product": "gateway"}


def kapu(*words, **more) -> subprocess.CompletedProcess:
    return subprocess.run([str(tpm.operator_tool()), "release", *map(str, words)], capture_output=True, text=True,
                          env=host_environment() | more, check=False)


def done(*words, **more) -> str:
    result = kapu(*words, **more)
    assert result.returncode == 0, result.stderr
    return result.stdout


def refused(*words) -> str:
    """What it says; a line for a person, and nothing on standard output."""
    result = kapu(*words)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("kapu: ") and result.stderr.count("\n") == 1
    return result.stderr


def make(out, *words, firmware=FIRMWARE, root=ROOT_IMAGE, **changed):
    options = WHAT | {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
    return kapu("make", "--firmware", firmware, "--root", root, "--out", out, "--level", "1", *words,
                *itertools.chain(*options.items()), SOURCE_DATE_EPOCH="1764000000")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in PEOPLE:
        make_key(folder / name)
    done("keys", "--role", "release", "--threshold", 2, "--out", folder / "set", *(folder / n for n in PEOPLE[:3]))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "release"
    result = make(folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def manifest(made, tmp_path):
    return shutil.copy(made / "manifest", tmp_path)


# ---- what is made ----

def test_a_manifest_says_what_the_files_are(made):
    (said,) = json.loads(done("show", "--json", made / "manifest"))
    assert said["version"] == "0.2.0" and said["hardware"] == "qemu-virt" and said["product"] == "gateway"
    assert said["counter"] == build.security_counter() and said["counter_from"] == 0
    assert said["firmware_sha256"] == hashlib.sha256(FIRMWARE.read_bytes()).hexdigest()
    assert said["root_size"] == FACTS["data_blocks"] * BLOCK
    assert (said["root_hash"], said["root_salt"]) == (FACTS["root_hash"], FACTS["salt"])
    assert said["index_sha256"] == hashlib.sha256((made / "index").read_bytes()).hexdigest()
    assert said["made"] == "2025-11-24T16:00:00Z" and said["expires"] == "2026-11-24T16:00:00Z"
    assert said["signed_by"] == []
    assert said["identity"] == certs.release_identity(images_of_the_build(), said["counter"]).hex()


def content_of(data: bytes) -> tuple[int, int, bytes, bytes]:
    """The four items of an index: a map of few and known sizes."""
    assert data[:3] == b"\xa5\x00\x01"
    at, values = 3, []
    for label in range(1, 5):
        assert data[at] == label
        kind, short = data[at + 1] >> 5, data[at + 1] & 31
        n = {24: 1, 25: 2, 26: 4}.get(short, 0)
        value = int.from_bytes(data[at + 2:at + 2 + n], "big") if n else short
        at += 2 + n
        values.append(value if kind == 0 else data[at:at + value])
        at += value if kind == 2 else 0
    assert at == len(data)
    return tuple(values)


def code_absolute(content: bytes) -> bytes:
    """With the calls and page addresses of arm64 as kapu/install_code.h says, by arithmetic on signed numbers."""
    words = list(struct.unpack(f"<{len(content) // 4}I", content))
    for at, word in enumerate(words):
        if word >> 26 == 0x25:  # BL
            words[at] = 0x25 << 26 | (word + at) & (1 << 26) - 1
        elif word >> 24 & 0x9f == 0x90:  # ADRP
            pages = (word >> 5 & 0x7ffff) * 4 + (word >> 29 & 3)
            pages -= 1 << 21 if pages >> 20 else 0
            if -(1 << 17) <= pages < 1 << 17:
                pages = ((pages + (at >> 10) + (1 << 17)) % (1 << 18) - (1 << 17)) & (1 << 21) - 1
                words[at] = word & 0x9000001f | pages >> 2 << 5 | (pages & 3) << 29
    return struct.pack(f"<{len(words)}I", *words)


@pytest.mark.dealt
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_make_that_is_ended_leaves_nothing_or_what_the_next_one_replaces(tmp_path, number):
    out, new = tmp_path / "release", tmp_path / "release.kapu-new"
    words = ["make", "--firmware", FIRMWARE, "--root", ROOT_IMAGE, "--out", out, "--version", "1", "--hardware", "x", "--product", "y"]
    making = subprocess.Popen([str(tpm.operator_tool()), "release", *map(str, words)], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not (new / "payload.kapu-new").exists():
        assert time.monotonic() < end and making.poll() is None
        time.sleep(0.01)
    making.send_signal(number)
    assert making.wait() == -number and not out.exists() and new.exists() == (number == signal.SIGKILL)
    if number == signal.SIGKILL:
        done(*words, "--level", 1)
        assert out.exists() and not new.exists()


def test_the_payload_gives_the_content_frame_by_frame(made, tmp_path):
    """By zstd, with nothing but the content before each frame."""
    content = ROOT_IMAGE.read_bytes()[:FACTS["data_blocks"] * BLOCK] + FIRMWARE.read_bytes()
    content += bytes(-len(content) % BLOCK)
    frame_blocks, prefix, hashes_, ends = content_of((made / "index").read_bytes())
    assert hashes_ == b"".join(hashlib.sha256(content[at:at + BLOCK]).digest()[:12]
                               for at in range(0, len(content), BLOCK))
    content = code_absolute(content)
    payload = (made / "payload").read_bytes()
    places = [0, *(end for (end,) in struct.iter_unpack(">I", ends))]
    assert places[-1] == len(payload) and len(places) - 1 == -(-len(content) // (frame_blocks * BLOCK))
    for number in sorted({0, 1, 17, len(places) // 2, len(places) - 3, len(places) - 2}):
        at = number * frame_blocks * BLOCK
        (tmp_path / "prefix").write_bytes(content[max(at - prefix, 0):at])
        frame = subprocess.run(["zstd", "-d", "-q", "-c", *([f"--patch-from={tmp_path / 'prefix'}"] if number else [])],
                               input=payload[places[number]:places[number + 1]], capture_output=True, check=True,
                               env=host_environment()).stdout
        assert frame == content[at:at + frame_blocks * BLOCK]


def test_a_gateway_that_has_nothing_fetches_all_and_one_that_has_it_nothing(made):
    told = json.loads(done("rebuild", "--json", made))
    assert told["bytes"] == (made / "payload").stat().st_size and told["blocks_copied"] == 0
    told = json.loads(done("rebuild", "--json", "--firmware", FIRMWARE, "--root", ROOT_IMAGE, made))
    assert (told["bytes"], told["frames"], told["blocks_fetched"]) == (0, 0, 0)
    told = json.loads(done(*FROM_LAB, made))  # shares most of its programs, at other places
    assert 0 < told["bytes"] < (made / "payload").stat().st_size * 0.9 and told["blocks_copied"] > 1000


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """Another release: a byte is another one in each 50th block of the root image, and some blocks have moved."""
    folder = tmp_path_factory.mktemp("older")
    blocks = file_system()
    for at in range(0, len(blocks), 50 * BLOCK):
        blocks[at + at // BLOCK % BLOCK] ^= 1
    blocks[BLOCK * 100:BLOCK * 200] = blocks[BLOCK * 110:BLOCK * 200] + blocks[BLOCK * 100:BLOCK * 110]
    return make_other(folder, blocks)


@pytest.fixture(scope="module")
def patched(made, older, tmp_path_factory):
    folder = tmp_path_factory.mktemp("patched") / "release"
    shutil.copytree(made, folder)
    said = done("patch", *older, "--level", "9", folder)
    assert re.search(r"/patch-[0-9a-f]{32}: \d+ bytes in \d+ frames", said)
    return folder


def test_a_patch_costs_less_than_the_payload_and_gives_the_same(made, older, patched):
    without, told = (json.loads(done("rebuild", "--json", *older, folder)) for folder in (made, patched))
    assert told["patched"] == told["frames"] == without["frames"] and told["spoiled"] == 0
    assert told["bytes"] < without["bytes"] / 5 and told["blocks_fetched"] == without["blocks_fetched"]
    told = json.loads(done("rebuild", "--json", patched))  # of no use to who has nothing
    assert (told["patched"], told["bytes"]) == (0, (made / "payload").stat().st_size)


@pytest.mark.share(2)
def test_nobody_needs_to_trust_a_patch(made, older, patched, tmp_path):
    """Damaged at any place, cut, of another release or gone: the payload makes up for it."""
    patch = next(p for p in patched.iterdir() if re.fullmatch("patch-[0-9a-f]{32}", p.name))
    index = patch.with_name(patch.name + ".index")
    words = ("rebuild", "--json", *older)
    whole = json.loads(done(*words, made))
    cases = [(patch, at) for at in (0, 100, patch.stat().st_size // 2, patch.stat().st_size - 1, "cut", "gone")]
    cases += [(index, at) for at in (0, 40, 60, 70, 75, index.stat().st_size - 1, "cut", "gone")]
    for file, at in cases:
        folder = tmp_path / "release"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(patched, folder)
        if at == "gone":
            (folder / file.name).unlink()
        elif at == "cut":
            with open(folder / file.name, "r+b") as cut:
                cut.truncate(file.stat().st_size // 2)
        else:
            damaged(file, folder, at)
        told = json.loads(done(*words, folder))
        assert told["blocks_fetched"] == whole["blocks_fetched"], (file.name, at)
        assert told["spoiled"] > 0 or told["patched"] in (0, told["frames"]), (file.name, at)


def test_a_patch_from_itself_is_none(made):
    assert "there is nothing to patch" in refused("patch", "--firmware", FIRMWARE, "--root", ROOT_IMAGE, made)
    assert sorted(p.name for p in made.iterdir()) == ["index", "manifest", "payload"]


@pytest.mark.dealt
@pytest.mark.parametrize("name, says", [("payload", "frame .* does not give the blocks|ends before frame"),
                                        ("index", "is not the index of this release")])
def test_a_damaged_payload_or_index_gives_no_release(made, tmp_path, name, says):
    """Each of some bytes changed, and cut."""
    folder = tmp_path / "release"
    size = (made / name).stat().st_size
    for at in (0, 1, 5, size // 3, size // 2, size - 1, None):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
        if at is None:
            with open(folder / name, "r+b") as file:
                file.truncate(size - 1)
        else:
            damaged(made / name, folder, at)
        assert re.search(says, refused("rebuild", folder)), at


def test_a_release_made_again_is_the_same(made, tmp_path):
    assert make(tmp_path / "again").returncode == 0
    for name in ("manifest", "index", "payload"):
        assert (tmp_path / "again" / name).read_bytes() == (made / name).read_bytes()


def test_an_index_is_small(made):
    assert (made / "index").stat().st_size * 100 < FACTS["data_blocks"] * BLOCK + FIRMWARE.stat().st_size


# ---- encrypted ----

@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secret") / "release"
    result = make(folder, "--encrypt")
    assert result.returncode == 0, result.stderr
    assert f"{folder}/key: its key" in result.stdout
    return folder


def opened(folder, name) -> bytes:
    """By Python's cryptography."""
    return decrypted((folder / "key").read_bytes(), name, (folder / name).read_bytes())


def test_an_encrypted_release_is_the_same_files_under_a_key_of_its_own(made, secret, tmp_path):
    assert sorted(p.name for p in secret.iterdir()) == ["index", "key", "manifest", "payload"]
    assert (secret / "key").stat().st_mode & 0o777 == 0o600 and (secret / "key").stat().st_size == 32
    for name in ("index", "payload"):
        assert opened(secret, name) == (made / name).read_bytes()
    plain, said = (json.loads(done("show", "--json", folder / "manifest"))[0] for folder in (made, secret))
    assert said.pop("key_check") == key_check((secret / "key").read_bytes()).hex()
    for what in (plain, said):  # the name of the release is the hash of all of it
        del what["file"], what["release"]
    assert said == plain
    again = tmp_path / "again"
    assert make(again, "--encrypt").returncode == 0
    for name in ("key", "manifest", "index", "payload"):
        assert (again / name).read_bytes() != (secret / name).read_bytes()


def test_nothing_of_the_content_is_in_the_files_of_an_encrypted_release(made, secret):
    index = (made / "index").read_bytes()
    hashes_ = content_of(index)[2]
    needles = [hashes_[at:at + 12] for at in range(0, len(hashes_), 12 * 97)]
    payload = (made / "payload").read_bytes()
    needles += [payload[at:at + 16] for at in range(0, len(payload) - 16, len(payload) // 500)]
    for name in ("index", "payload"):
        data = (secret / name).read_bytes()
        assert not any(needle in data for needle in needles)
    assert all(needle in index or needle in payload for needle in needles)


@pytest.mark.share(1)
def test_an_encrypted_release_is_rebuilt_and_patched_with_its_key_only(made, older, patched, secret, tmp_path):
    folder = tmp_path / "release"
    shutil.copytree(secret, folder)
    assert json.loads(done("rebuild", "--json", folder)) == json.loads(done("rebuild", "--json", made))
    (folder / "key").rename(tmp_path / "key")
    for words in (("rebuild", folder), ("patch", *older, folder)):
        assert "nothing can be done with it without its key" in refused(*words)
    (folder / "key").touch(0o600)
    (folder / "key").write_bytes(bytes(32))
    for words in (("rebuild", folder), ("patch", *older, folder)):
        assert "is the key of another release" in refused(*words)
    assert sorted(p.name for p in folder.iterdir()) == ["index", "key", "manifest", "payload"]
    (tmp_path / "key").replace(folder / "key")
    done("patch", *older, "--level", "9", folder)
    patches = [p.name for p in folder.iterdir() if p.name.startswith("patch-")]
    assert len(patches) == 2
    for name in patches:
        assert opened(folder, name) == (patched / name).read_bytes()
    words = ("rebuild", "--json", *older)
    assert json.loads(done(*words, folder)) == json.loads(done(*words, patched))
    before = {name: (folder / name).read_bytes() for name in patches}
    done("patch", *older, "--level", "9", folder)  # again: not one key stream twice
    for name in patches:
        assert (folder / name).read_bytes()[:16] != before[name][:16]
        assert opened(folder, name) == (patched / name).read_bytes()


# ---- what no release is made of ----

def damaged(path, tmp_path, at: int, by=b"\x5a"):
    copy = tmp_path / path.name
    shutil.copy(path, copy)
    with open(copy, "r+b") as file:
        file.seek(at)
        was = file.read(len(by))
        file.seek(at)
        file.write(bytes(a ^ b for a, b in zip(was, by)))
    return copy


def not_made(result, out) -> str:
    assert result.returncode == 1 and not out.exists() and not out.with_name(out.name + ".kapu-new").exists()
    return result.stderr


def test_a_root_image_with_one_bit_changed_is_not_taken(tmp_path):
    size = ROOT_IMAGE.stat().st_size
    for at in (0, 1024, FACTS["data_blocks"] * BLOCK // 2, FACTS["data_blocks"] * BLOCK - 1,
               FACTS["data_blocks"] * BLOCK, FACTS["data_blocks"] * BLOCK + BLOCK, size - 1):
        said = not_made(make(tmp_path / "out", root=damaged(ROOT_IMAGE, tmp_path, at, b"\x01")), tmp_path / "out")
        assert "its hash tree is not that of its blocks" in said


def test_the_root_image_of_another_build_is_not_taken(tmp_path):
    said = not_made(make(tmp_path / "out", root=LAB / "root.img"), tmp_path / "out")
    assert "the root image that the firmware names has" in said


@pytest.mark.dealt
@pytest.mark.parametrize("name", [n for n in entries(FIRMWARE, 0) if n.endswith("cert")])
def test_a_certificate_of_another_release_is_noticed(tmp_path, name):
    """The firmware with one certificate of the lab's, in its place."""
    place, other = entries(FIRMWARE, 0)[name], entries(LAB / "firmware.fip", 0)[name]
    content = (LAB / "firmware.fip").read_bytes()[other.offset:other.offset + other.size]
    mixed = tmp_path / "mixed.fip"
    data = bytearray(FIRMWARE.read_bytes())
    struct.pack_into("<QQ", data, place.entry + 16, len(data), len(content))
    mixed.write_bytes(data + content)
    said = not_made(make(tmp_path / "out", firmware=mixed), tmp_path / "out")
    assert "of another release" in said and str(mixed) in said


@pytest.mark.dealt
@pytest.mark.parametrize("name", [n for n in entries(FIRMWARE, 0) if n.endswith("cert") or n == "device-tree"])
def test_a_part_that_is_missing_or_garbled_is_named(tmp_path, name):
    place = entries(FIRMWARE, 0)[name]
    said = not_made(make(tmp_path / "out", firmware=damaged(FIRMWARE, tmp_path, place.entry)), tmp_path / "out")
    assert "has no device tree" in said if name == "device-tree" else re.search(r"has no .* certificate", said)
    said = not_made(make(tmp_path / "out", firmware=damaged(FIRMWARE, tmp_path, place.offset)), tmp_path / "out")
    assert "its device tree is damaged" in said if name == "device-tree" else "says no release and counter" in said


@pytest.mark.parametrize("content, says", [(b"", "no file of 1 to"), (b"x" * 5000, "is not a firmware package")],
                         ids=["empty", "text"])
def test_what_is_no_firmware_is_named(tmp_path, content, says):
    (tmp_path / "fip").write_bytes(content)
    assert says in not_made(make(tmp_path / "out", firmware=tmp_path / "fip"), tmp_path / "out")


@pytest.mark.parametrize("changed", [{"version": ""}, {"version": "x" * 65}, {"version": "0\n2"}, {"version": "0.2é"},
                                     {"product": "x" * 33}, {"hardware": ""}, {"from_counter": "4000000000"}])
def test_what_a_manifest_cannot_say_is_not_made(tmp_path, changed):
    assert "a manifest cannot say that" in not_made(make(tmp_path / "out", **changed), tmp_path / "out")


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    result = make(tmp_path / "out")
    assert result.returncode == 1 and "is there already" in result.stderr
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]


# ---- signatures ----

@pytest.mark.dealt
@pytest.mark.parametrize("who", [c for n in range(5) for c in itertools.combinations(PEOPLE, n)],
                         ids=lambda who: "+".join(who) or "nobody")
def test_two_of_the_three_must_sign(keys, manifest, who):
    for name in who:
        done("sign", "--key", keys / name, manifest)
    of_the_set = len(set(who) & set(PEOPLE[:3]))
    if of_the_set >= 2:
        assert "verified: signed by 2 or more keys of set 1" in done("verify", "--keys", keys / "set", manifest)
    else:
        assert f"not verified: {of_the_set} of the set's keys signed it, of which 2 must" in \
            refused("verify", "--keys", keys / "set", manifest)


def test_the_order_of_signers_makes_no_difference(keys, made, tmp_path):
    files = []
    for order in itertools.permutations(PEOPLE[:3]):
        files.append(shutil.copy(made / "manifest", tmp_path / "-".join(order)))
        for name in order:
            done("sign", "--key", keys / name, files[-1])
    assert len({open(path, "rb").read() for path in files}) == 1


def test_a_second_signature_by_one_key_is_refused(keys, manifest):
    done("sign", "--key", keys / "anna", manifest)
    before = open(manifest, "rb").read()
    assert "is signed by this key already" in refused("sign", "--key", keys / "anna", manifest)
    assert open(manifest, "rb").read() == before


def test_a_signature_verifies_by_another_implementation(keys, manifest):
    done("sign", "--key", keys / "bela", manifest)
    data = open(manifest, "rb").read()
    body = cbor({16: "application/x.kapu.release+cose"})
    head = b"\xd8\x62\x84" + cbor(body) + b"\xa0"
    assert data.startswith(head)
    size = {0x58: 1, 0x59: 2}[data[len(head)]]  # bytes of a length
    at = len(head) + 1 + size
    n = int.from_bytes(data[len(head) + 1:at], "big")
    content = data[at:at + n]
    public = serialization.load_pem_private_key((keys / "bela").read_bytes(), None).public_key()
    numbers = public.public_numbers()
    signer = cbor({1: -7, 4: reference.thumbprint(numbers.x, numbers.y)})
    rest = b"\x81\x83" + cbor(signer) + b"\xa0\x58\x40"
    assert data[at + n:].startswith(rest) and len(data) == at + n + len(rest) + 64
    r, s = (int.from_bytes(part, "big") for part in (data[-64:-32], data[-32:]))
    public.verify(encode_dss_signature(r, s), cbor(["Signature", body, signer, b"", content]),
                  ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("at", [0, 2, 5, 60, 200, 300, -1, -100])
def test_a_damaged_file_is_no_release(keys, manifest, at):
    for name in ("anna", "bela"):
        done("sign", "--key", keys / name, manifest)
    data = bytearray(open(manifest, "rb").read())
    data[at] ^= 1
    open(manifest, "wb").write(data)
    refused("verify", "--keys", keys / "set", manifest)


def test_parts_are_held_against_a_manifest(keys, manifest, tmp_path):
    for name in ("anna", "cili"):
        done("sign", "--key", keys / name, manifest)
    words = ["verify", "--keys", keys / "set", manifest]
    done(*words, "--firmware", FIRMWARE, "--root", ROOT_IMAGE)
    tail = damaged(FIRMWARE, tmp_path, FIRMWARE.stat().st_size - 1)
    assert "is not the firmware package of this release" in refused(*words, "--firmware", tail)
    assert "its hash tree is not that of its blocks" in refused(*words, "--root", damaged(ROOT_IMAGE, tmp_path, 4096))
    assert "is not the firmware package" in refused(*words, "--firmware", LAB / "firmware.fip")


# ---- sets of keys ----

def set_of(keys, tmp_path, number: int, people, threshold=2, role="release", signers=()):
    path = tmp_path / f"set{number}-{role}-{'-'.join(people)}"
    done("keys", "--role", role, "--threshold", threshold, "--set", number, "--out", path, *(keys / n for n in people))
    for name in signers:
        done("sign", "--key", keys / name, path)
    return path


def test_a_new_set_takes_over_when_both_signed_it(keys, manifest, tmp_path):
    """anna leaves, dora comes."""
    new = set_of(keys, tmp_path, 2, ("bela", "cili", "dora"), signers=("bela", "dora", "anna"))
    for name in ("dora", "cili"):
        done("sign", "--key", keys / name, manifest)
    words = ["verify", "--keys", keys / "set", "--next", new, manifest]
    assert "keys of set 2" in done(*words)
    assert "not verified: 1 of the set's keys" in refused("verify", "--keys", keys / "set", manifest)


@pytest.mark.parametrize("signers", [(), ("anna", "bela"), ("bela", "dora"), ("dora",), ("anna", "dora")],
                         ids=lambda who: "+".join(who) or "nobody")
def test_a_new_set_that_one_side_did_not_sign_is_refused(keys, manifest, tmp_path, signers):
    new = set_of(keys, tmp_path, 2, ("bela", "cili", "dora"), signers=signers)
    said = refused("verify", "--keys", keys / "set", "--next", new, manifest)
    assert "is not signed by enough keys of the set before it and of its own" in said


def test_a_key_that_was_taken_out_counts_no_longer(keys, manifest, tmp_path):
    new = set_of(keys, tmp_path, 2, ("bela", "cili"), signers=("bela", "cili"))
    for name in ("anna", "bela"):
        done("sign", "--key", keys / name, manifest)
    done("verify", "--keys", keys / "set", manifest)
    assert "not verified: 1 of the set's keys" in refused("verify", "--keys", keys / "set", "--next", new, manifest)


def test_sets_are_taken_in_order_and_of_one_role(keys, manifest, tmp_path):
    people = PEOPLE[:3]
    second, third = (set_of(keys, tmp_path, n, people, signers=people) for n in (2, 3))
    other = set_of(keys, tmp_path, 2, people, role="rollout", signers=people)
    for name in people:
        done("sign", "--key", keys / name, manifest)
    words = ["verify", "--keys", keys / "set"]
    assert "keys of set 3" in done(*words, "--next", second, "--next", third, manifest)
    assert "are missing" in refused(*words, "--next", third, manifest)
    assert "an older set" in refused(*words, "--next", second, "--next", second, manifest)
    assert "another role" in refused(*words, "--next", other, manifest)
    assert "is signed by release keys; the set is of rollout keys" in refused("verify", "--keys", other, manifest)
    assert "is a release manifest, not a set of keys" in refused("verify", "--keys", manifest, second)


@pytest.mark.parametrize("words, says", [
    (["--role", "release", "--threshold", "3"], "--threshold takes a number from 1 to that of the keys, which is 2"),
    (["--role", "release", "--threshold", "0"], "--threshold takes a number from 1"),
    (["--role", "root", "--threshold", "1"], "--role takes release, rollout or approval"),
    (["--role", "release", "--threshold", "1", "--set", "0"], "--set takes a number from 1")])
def test_what_is_no_set_is_not_made(keys, tmp_path, words, says):
    assert says in refused("keys", *words, "--out", tmp_path / "set", keys / "anna", keys / "bela")
    assert not (tmp_path / "set").exists()


def test_the_same_key_twice_or_no_key_is_no_set(keys, tmp_path):
    words = ["keys", "--role", "release", "--threshold", 2, "--out", tmp_path / "set"]
    assert "two of the keys are the same" in refused(*words, keys / "anna", keys / "anna")
    public = serialization.load_pem_private_key((keys / "anna").read_bytes(), None).public_key()
    (tmp_path / "public").write_bytes(public.public_bytes(serialization.Encoding.PEM,
                                                          serialization.PublicFormat.SubjectPublicKeyInfo))
    assert "two of the keys are the same" in refused(*words, keys / "anna", tmp_path / "public")
    assert f"{keys / 'set'}, line 1: " in refused(*words, keys / "anna", keys / "set")
    assert not (tmp_path / "set").exists()


def test_a_release_is_not_signed_with_keys_of_the_boot_chain_by_accident(keys, manifest):
    """Nothing forbids it; it does not count."""
    done("sign", "--key", key_set()["linux"], manifest)
    assert "not verified: 0 of the set's keys" in refused("verify", "--keys", keys / "set", manifest)


# ---- use ----

@pytest.mark.parametrize("words", [[], ["make"], ["sign"], ["verify"], ["show"], ["keys"], ["publish"],
                                   ["make", "--level", "0"], ["make", "--level", "20"], ["make", "--expires", "soon"]])
def test_wrong_use_shows_the_usage(words):
    result = kapu(*words)
    assert result.returncode == 2 and "usage: kapu release make" in result.stderr


def test_a_key_in_a_token_that_is_not_there_is_named(manifest):
    assert "the key:" in refused("sign", "--key", "pkcs11:token=nowhere;object=release", manifest)


@pytest.mark.parametrize("path", ["/nowhere", "/dev/null"])
def test_what_cannot_be_read_is_named(path):
    assert path in refused("show", path)
