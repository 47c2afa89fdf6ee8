# SPDX-License-Identifier: Apache-2.0
"""kapu release rollout, membership and approve as operators meet them: what is made is compared with an encoder that is not
ours, signed and verified; and what is refused, what is said then, and that nothing is left behind.
"""

import hashlib
import json
import subprocess
import time
from datetime import datetime, timezone

import pytest

from kapu import tpm
from kapu.keys import make_key
from kapu.paths import host_environment
from kapu.reference import cbor

DAY_S, TIME_MAX_S = 86400, 253402300799
GATEWAYS = sorted(b"\x01" + hashlib.sha256(bytes([n])).digest() for n in range(32))
ONE = GATEWAYS[0].hex()
BOOT = hashlib.sha256(b"boot").hexdigest()


def kapu(*words) -> subprocess.CompletedProcess:
    return subprocess.run([str(tpm.operator_tool()), "release", *map(str, words)], capture_output=True, text=True,
                          env=host_environment(), check=False)


def done(*words) -> str:
    result = kapu(*words)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def refused(*words) -> str:
    """What it says: a line for a person, and nothing on standard output."""
    result = kapu(*words)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("kapu: ") and result.stderr.count("\n") == 1
    return result.stderr


def unsigned(kind: str, content: bytes) -> bytes:
    """COSE_Sign (RFC 9052) that nobody has signed."""
    return b"\xd8\x62" + cbor([cbor({16: f"application/x.kapu.{kind}+cose"}), {}, content, []])


def content_of_manifest() -> bytes:
    items = {0: 1, 1: bytes(32), 2: "0.2.0", 3: "qemu-virt", 4: "gateway", 5: 9, 6: 0, 7: 1764000000000,
             8: 1795536000000, 9: [4096, bytes(32)], 10: [4096, bytes(32), bytes(32)], 11: [64, bytes(32)]}
    return b"\xad" + cbor(items)[1:] + b"\x0c\xf5"  # and 12: true


RELEASE = hashlib.sha256(content_of_manifest()).digest()


def milliseconds(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()) * 1000


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in ("anna", "bela", "cili"):
        make_key(folder / name)
    for role in ("release", "rollout", "approval"):
        done("keys", "--role", role, "--threshold", 2, "--out", folder / role, folder / "anna", folder / "bela")
    return folder


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest"
    path.write_bytes(unsigned("release", content_of_manifest()))
    return path


@pytest.fixture
def out(manifest):
    return manifest.with_name("out")


def rollout(out, manifest, *words) -> dict:
    """What show tells of it, after its time was looked at."""
    before = int(time.time())
    done("rollout", "--number", 7, "--out", out, *words, manifest)
    (said,) = json.loads(done("show", "--json", out))
    assert before * 1000 <= milliseconds(said["issued"]) <= int(time.time()) * 1000
    return said


def encoded(said: dict, who: dict, action=1, number=7) -> bytes:
    return unsigned("rollout", cbor({0: 1, 1: RELEASE, 2: action, 3: number, 4: milliseconds(said["issued"]),
                                     5: milliseconds(said["until"])} | who))


def seconds_given(said: dict) -> int:
    return (milliseconds(said["until"]) - milliseconds(said["issued"])) // 1000


# ---- rollouts ----

def test_a_rollout_for_gateways_is_what_the_format_says(manifest, out):
    for n in (1, 2, 32):
        words = [word for ueid in reversed(GATEWAYS[:n]) for word in ("--gateway", ueid.hex())]
        said = rollout(out, manifest, *words)
        assert said["gateways"] == [ueid.hex() for ueid in GATEWAYS[:n]]
        assert (said["release"], said["action"], said["signed_by"]) == (RELEASE.hex(), "install", [])
        assert out.read_bytes() == encoded(said, {6: GATEWAYS[:n]})


@pytest.mark.parametrize("group", ["x", "lab", "two words", "~!\"\\%s", "x" * 32])
def test_a_rollout_for_a_group_is_what_the_format_says(manifest, out, group):
    said = rollout(out, manifest, "--group", group)
    assert said["group"] == group and "gateways" not in said
    assert out.read_bytes() == encoded(said, {7: group})


def test_a_halt_is_what_the_format_says(manifest, out):
    said = rollout(out, manifest, "--group", "lab", "--halt")
    assert said["action"] == "halt" and out.read_bytes() == encoded(said, {7: "lab"}, action=2)


@pytest.mark.parametrize("number", [1, 23, 24, 2**32, 2**64 - 1])
def test_each_number_of_the_format_can_be_given(manifest, out, number):
    done("rollout", "--number", number, "--out", out, "--group", "lab", manifest)
    (said,) = json.loads(done("show", "--json", out))
    assert said["number"] == number and out.read_bytes() == encoded(said, {7: "lab"}, number=number)


def test_a_rollout_ends_after_thirty_days_or_those_given(manifest, out):
    assert seconds_given(rollout(out, manifest, "--group", "lab")) == 30 * DAY_S
    for days in (1, 365, (TIME_MAX_S - int(time.time())) // DAY_S - 1):
        assert seconds_given(rollout(out, manifest, "--group", "lab", "--days", days)) == days * DAY_S


def test_digits_of_a_ueid_may_be_capital_letters(manifest, out):
    assert rollout(out, manifest, "--gateway", ONE.upper())["gateways"] == [ONE]


def test_what_was_made_is_said(manifest, out):
    words = ["rollout", "--number", 7, "--out", out, manifest]
    said = done(*words, "--gateway", ONE)
    assert said.startswith(f"{out}: rollout 7: install release 0.2.0, for 1 gateway, until 2")
    assert said.endswith("; nobody has signed it yet\n")
    assert "install release 0.2.0, for 2 gateways," in done(*words, "--gateway", ONE, "--gateway", GATEWAYS[1].hex())
    assert "halt release 0.2.0, for group lab," in done(*words, "--halt", "--group", "lab")
    shown = done("show", out)
    assert f"{out}: rollout\n" in shown and RELEASE.hex() in shown and "halt" in shown and "nobody yet" in shown


def test_signatures_of_the_manifest_make_no_difference(keys, manifest, out):
    done("sign", "--key", keys / "anna", manifest)
    assert rollout(out, manifest, "--group", "lab")["release"] == RELEASE.hex()


# ---- memberships ----

def membership(out, *words) -> dict:
    done("membership", "--number", 7, "--out", out, *words)
    (said,) = json.loads(done("show", "--json", out))
    return said


@pytest.mark.parametrize("n", [1, 2, 32])
@pytest.mark.parametrize("group", ["x", "two words", "~!\"\\%s", "x" * 32])
def test_a_membership_is_what_the_format_says(out, n, group):
    words = [word for ueid in reversed(GATEWAYS[:n]) for word in ("--gateway", ueid.hex())]
    said = membership(out, "--group", group, *words)
    assert (said["what"], said["group"], said["number"]) == ("membership", group, 7)
    assert said["gateways"] == [ueid.hex() for ueid in GATEWAYS[:n]] and seconds_given(said) == 30 * DAY_S
    assert out.read_bytes() == unsigned("membership", cbor({
        0: 1, 1: 7, 2: milliseconds(said["issued"]), 3: milliseconds(said["until"]), 4: group, 5: GATEWAYS[:n]}))


def test_a_membership_is_signed_by_rollout_keys(keys, out):
    membership(out, "--group", "lab", "--gateway", ONE)
    for name in ("anna", "bela"):
        done("sign", "--key", keys / name, out)
    assert "verified: signed by 2 or more keys of set 1" in done("verify", "--keys", keys / "rollout", out)
    for other in ("release", "approval"):
        assert f"a membership is signed by rollout keys; the set is of {other} keys" in \
            refused("verify", "--keys", keys / other, out)


@pytest.mark.parametrize("words, said", [
    ([], "names gateways and their group"), (["--group", "lab"], "names gateways and their group"),
    (["--gateway", ONE], "names gateways and their group"),
    (["--gateway", ONE, "--group", ""], "--group takes 1 to 32"), (["--gateway", ONE, "--group", "lab "], "--group takes"),
    (["--gateway", ONE, "--group", "x" * 33], "--group takes 1 to 32"),
    (["--gateway", ONE, "--group", "lab", "--halt"], "halts nothing"),
    (["--gateway", ONE, "--group", "lab", "--days", "0"], "--days takes a number from 1"),
    (["--gateway", ONE, "--gateway", ONE, "--group", "lab"], f"--gateway {ONE} is given twice"),
    (["--gateway", "pump", "--group", "lab"], "--gateway takes a UEID"),
    (["--gateway", ONE] * 33 + ["--group", "lab"], "a membership names at most 32 gateways, not 33")])
def test_what_is_no_membership_is_refused(out, words, said):
    assert said in refused("membership", "--number", 7, "--out", out, *words)
    assert not out.exists()
    membership(out, "--gateway", ONE, "--group", "lab")


@pytest.mark.parametrize("words", [[], ["--number", "0"]])
def test_a_membership_has_a_number_from_one(out, words):
    assert "--number takes a number from 1" in \
        refused("membership", "--out", out, "--group", "lab", "--gateway", ONE, *words)
    assert not out.exists()


# ---- approvals ----

def approve(out, manifest, *words) -> str:
    return done("approve", "--out", out, "--gateway", ONE, "--boot", BOOT, *words, manifest)


def test_an_approval_is_what_the_format_says(manifest, out):
    before = int(time.time())
    assert approve(out, manifest) == \
        f"{out}: approval of release 0.2.0 on gateway {ONE}; nobody has signed it yet\n"
    (said,) = json.loads(done("show", "--json", out))
    issued = milliseconds(said["issued"])
    assert before * 1000 <= issued <= int(time.time()) * 1000
    assert (said["what"], said["release"], said["gateway"], said["boot"]) == ("approval", RELEASE.hex(), ONE, BOOT)
    assert out.read_bytes() == unsigned("approval", cbor({0: 1, 1: RELEASE, 2: GATEWAYS[0], 3: bytes.fromhex(BOOT),
                                                          4: issued}))


# ---- both ----

@pytest.mark.parametrize("role", ["rollout", "approval"])
def test_what_enough_keys_of_its_role_signed_is_verified(keys, manifest, out, role):
    if role == "rollout":
        rollout(out, manifest, "--gateway", ONE)
    else:
        approve(out, manifest)
    words = ["verify", "--keys", keys / role, out]
    for signers, name in enumerate(("cili", "anna")):
        done("sign", "--key", keys / name, out)
        assert f"not verified: {signers} of the set's keys signed it, of which 2 must" in refused(*words)
    done("sign", "--key", keys / "bela", out)
    said = done(*words)
    assert ONE in said and RELEASE.hex() in said and "verified: signed by 2 or more keys of set 1" in said
    for other in {"release", "rollout", "approval"} - {role}:
        assert f" {role} is signed by {role} keys; the set is of {other} keys" in \
            refused("verify", "--keys", keys / other, out)


def test_only_what_nobody_signed_and_is_of_the_same_kind_is_replaced(keys, manifest, out):
    """As kapu release keys does. A mistake in an argument must not cost a signed file, or a key."""
    rollout(out, manifest, "--group", "longer-than-the-other")
    said = rollout(out, manifest, "--group", "lab")
    assert out.read_bytes() == encoded(said, {7: "lab"})
    for make in (lambda: None, lambda: done("sign", "--key", keys / "anna", out), lambda: out.write_text("a key")):
        make()
        before = out.read_bytes()
        words = ["approve", "--out", out, "--gateway", ONE, "--boot", BOOT, manifest]
        assert f"{out}: is there already" in refused(*words) and out.read_bytes() == before
    out.unlink()
    approve(out, manifest)
    (said,) = json.loads(done("show", "--json", out))
    assert (said["what"], said["signed_by"]) == ("approval", [])


# ---- what is refused ----

VERBS = {"rollout": ["--number", "7"], "approve": ["--boot", BOOT]}


def left_behind(manifest) -> set[str]:
    return {path.name for path in manifest.parent.iterdir()} - {manifest.name}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("ueid", ["", "x", ONE[:-1], ONE[:-2], ONE + "0", ONE + "00", ONE[:-1] + "g", " " + ONE,
                                  ONE + "\n", "0x" + ONE[2:], ONE[:-1] + "é", "lab"])
def test_what_is_no_ueid_is_named(manifest, out, verb, ueid):
    said = kapu(verb, "--out", out, *VERBS[verb], "--gateway", ueid, manifest)
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr == f"kapu: --gateway takes a UEID, of 66 hexadecimal digits, not '{ueid}'\n"
    assert left_behind(manifest) == set()


@pytest.mark.parametrize("verb", VERBS)
def test_the_name_of_a_gateway_is_told_from_its_ueid(manifest, out, verb):
    said = refused(verb, "--out", out, *VERBS[verb], "--gateway", ONE[2:34], manifest)
    assert f"'{ONE[2:34]}' is a gateway's name, which is a part of its UEID" in said
    assert left_behind(manifest) == set()


def test_the_gateway_of_several_that_is_wrong_is_named(manifest, out):
    words = [word for ueid in GATEWAYS[:5] for word in ("--gateway", ueid.hex())]
    assert "not 'seven'" in refused("rollout", "--out", out, "--number", 7, *words, "--gateway", "seven", manifest)


def test_a_gateway_that_is_given_twice_is_named(manifest, out):
    words = [word for ueid in GATEWAYS[:5] for word in ("--gateway", ueid.hex())]
    for again in (GATEWAYS[2].hex(), GATEWAYS[2].hex().upper()):
        assert f"--gateway {GATEWAYS[2].hex()} is given twice" in \
            refused("rollout", "--out", out, "--number", 7, *words, "--gateway", again, manifest)
    assert left_behind(manifest) == set()


@pytest.mark.parametrize("more", [1, 2, 100])
def test_more_gateways_than_a_rollout_names_are_refused(manifest, out, more):
    words = ["--gateway", ONE] * more + [word for ueid in GATEWAYS for word in ("--gateway", ueid.hex())]
    assert f"a rollout names at most 32 gateways, not {32 + more}" in \
        refused("rollout", "--out", out, "--number", 7, *words, manifest)
    assert left_behind(manifest) == set()


@pytest.mark.parametrize("words", [[], ["--gateway", ONE, "--group", "lab"], ["--group", "", "--gateway", ONE]],
                         ids=["neither", "both", "both, one empty"])
def test_a_rollout_is_for_either_gateways_or_a_group(manifest, out, words):
    assert "give either --gateway or --group" in refused("rollout", "--out", out, "--number", 7, *words, manifest)
    assert left_behind(manifest) == set()


@pytest.mark.parametrize("group", ["", " ", "lab ", " lab", "x" * 33, "x" * 1000, "la\tb", "lab\n", "\x7f", "läb",
                                   "\x1b[2J"])
def test_what_is_no_group_is_refused(manifest, out, group):
    assert "--group takes 1 to 32 printable ASCII characters" in \
        refused("rollout", "--out", out, "--number", 7, "--group", group, manifest)
    assert left_behind(manifest) == set()


@pytest.mark.parametrize("words", [[], ["--number", "0"], ["--number", "00"]])
def test_a_rollout_has_a_number_from_one(manifest, out, words):
    assert "--number takes a number from 1" in refused("rollout", "--out", out, "--group", "lab", *words, manifest)
    assert left_behind(manifest) == set()


def test_a_rollout_ends_in_the_year_9999_at_the_latest(manifest, out):
    most = (TIME_MAX_S - int(time.time())) // DAY_S
    for days in (0, most + 1, 2**32, 2**44, 2**63, 2**64 - 1):
        assert "--days takes a number from 1 to " in \
            refused("rollout", "--out", out, "--number", 7, "--group", "lab", "--days", days, manifest)
    assert left_behind(manifest) == set()


@pytest.mark.parametrize("words", [["--gateway", ONE, "--gateway", GATEWAYS[1].hex()], ["--gateway", ONE] * 40, [],
                                   ["--group", "lab"], ["--gateway", ONE, "--group", "lab"]],
                         ids=["two", "forty", "none", "a group", "both"])
def test_an_approval_is_for_one_gateway(manifest, out, words):
    assert "an approval is for one gateway" in refused("approve", "--out", out, "--boot", BOOT, *words, manifest)
    assert left_behind(manifest) == set()


@pytest.mark.parametrize("words", [[], *(["--boot", boot] for boot in (
    "", "x", BOOT[:-1], BOOT[:-2], BOOT + "0", BOOT + "00", BOOT[:-1] + "g", " " + BOOT, BOOT[:-1] + "é", ONE))])
def test_what_is_no_name_of_a_boot_is_refused(manifest, out, words):
    assert "--boot takes the name of a boot, of 64 hexadecimal digits" in \
        refused("approve", "--out", out, "--gateway", ONE, *words, manifest)
    assert left_behind(manifest) == set()


@pytest.fixture(params=[["rollout", "--number", 7, "--group", "lab"], ["approve", "--gateway", ONE, "--boot", BOOT]],
                ids=["rollout", "approve"])
def good(request):
    return request.param


def test_what_is_no_manifest_is_named(good, keys, manifest, out):
    one, other = manifest.with_name("rollout"), manifest.with_name("approval")
    rollout(one, manifest, "--group", "lab")
    approve(other, manifest)
    for path, what in ((keys / "rollout", "a set of keys"), (one, "a rollout"), (other, "an approval")):
        assert f"{path}: is {what}, not a release manifest" in refused(*good, "--out", out, path)
    assert left_behind(manifest) == {"rollout", "approval"}


def test_a_manifest_that_cannot_be_read_is_named(good, manifest, out):
    nowhere = manifest.with_name("nowhere")
    assert f"{nowhere}: No such file or directory" in refused(*good, "--out", out, nowhere)
    for path, says in ((manifest.parent, "Is a directory"), ("/dev/null", "is empty")):
        assert f"{path}: {says}" in refused(*good, "--out", out, path)
    assert left_behind(manifest) == set()


def test_a_damaged_manifest_is_named(good, manifest, out):
    whole = manifest.read_bytes()
    cases = [whole[:at] for at in range(0, len(whole), 7)] + [whole + b"\0", whole * 20]
    for at in (0, 1, 2, 3, 10, 40, *range(43, 49), len(whole) - 1):
        cases.append(whole[:at] + bytes([whole[at] ^ 0x80]) + whole[at + 1:])
    for data in cases:
        manifest.write_bytes(data)
        assert str(manifest) in refused(*good, "--out", out, manifest)
    assert left_behind(manifest) == set()


def test_an_output_that_cannot_be_written_is_named(good, manifest):
    folder = manifest.with_name("folder")
    folder.mkdir()
    for path, says in ((folder, "Is a directory"), (folder / "no" / "out", "No such file or directory"),
                       (manifest / "out", "Not a directory"), (folder / ("x" * 255), "File name too long"),
                       (f"{folder}/{'/' * 4096}out", "File name too long")):
        assert f"kapu: {path}: {says}" in refused(*good, "--out", path, manifest)
    assert left_behind(manifest) == {"folder"} and not list(folder.iterdir())


@pytest.mark.parametrize("words, says", [
    (["rollout"], ""), (["approve"], ""), (["rollout", "--number", "7", "--group", "lab", "manifest"], ""),
    (["rollout", "--number", "7", "--group", "lab", "--out", "x"], ""),
    (["approve", "--gateway", ONE, "--boot", BOOT, "--out", "x", "manifest", "manifest"], ""),
    (["rollout", "--number", "7", "--gateway", ONE, GATEWAYS[1].hex(), "--out", "x", "manifest"], ""),
    (["rollout", "--number", "seven"], "--number takes a number, not 'seven'"),
    (["rollout", "--number", "-1"], "--number takes a number, not '-1'"),
    (["rollout", "--number", ""], "--number takes a number, not ''"),
    (["rollout", "--number", "7x"], "--number takes a number, not '7x'"),
    (["rollout", "--number", "0x7"], "--number takes a number, not '0x7'"),
    (["rollout", "--number", str(2**64)], f"--number takes a number, not '{2**64}'"),
    (["rollout", "--number", "9" * 40], f"--number takes a number, not '{'9' * 40}'"),
    (["rollout", "--days", "-1"], "--days takes a number, not '-1'"),
    (["rollout", "--days", "1.5"], "--days takes a number, not '1.5'"),
    (["rollout", "--days", str(2**64)], f"--days takes a number, not '{2**64}'"),
    (["rollout", "--group", "lab", "--group", "home"], "--group can be given once"),
    (["rollout", "--stop"], "unrecognized option"), (["rollout", "--halt=yes"], "doesn't allow an argument")])
def test_wrong_use_shows_the_usage(manifest, words, says):
    result = subprocess.run([str(tpm.operator_tool()), "release", *words], capture_output=True, text=True,
                            cwd=manifest.parent, env=host_environment(), check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert says in result.stderr and "usage: kapu release make" in result.stderr
    assert left_behind(manifest) == set()
