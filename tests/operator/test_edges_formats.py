# SPDX-License-Identifier: Apache-2.0
"""Kind: messages do not name the cause; here of files in other formats of the field (EAT, CWT, CoRIM and others), and of
kapu's own in each other's place. Each binary file that a command is given is in the table.
"""

import pytest

import edges
from kapu import tpm
from kapu.cbor import cbor
from simulated import Fleet
from test_edges_files import given

KIND = "messages: foreign files"
# Files that are no CBOR, so that nothing of these formats is likely there.
NOT_CBOR = {("evidence show", "--key"), ("evidence show", "--ak"), ("factory record", "--fuses")}


def tag(number: int, content: bytes) -> bytes:
    head = (bytes([0xc0 | number]) if number < 24 else bytes([0xd8, number]) if number < 256 else
            b"\xd9" + number.to_bytes(2, "big") if number < 1 << 16 else b"\xda" + number.to_bytes(4, "big"))
    return head + content


def sign1(protected: dict, payload: bytes) -> bytes:
    """COSE_Sign1 without its tag, with a signature of noughts: nobody gets as far as to check it."""
    return b"\x84" + cbor(cbor(protected)) + cbor({}) + cbor(payload) + cbor(bytes(96))


ALL_OF_THEM, SOME = ("evidence show", "FILE"), 4  # the others get one of so many: one function recognises them for all
ES384 = {1: -35}
CLAIMS = {1: "an issuer", 4: 1900000000, 6: 1700000000}
EAT = {10: bytes(range(64, 96)), 256: b"\x01" + bytes(16), 265: "tag:vendor.example,2026:profile"}
COMID = tag(506, cbor({0: "en", 1: {0: "an identity"}}))
CORIM = tag(501, cbor({0: "a manifest", 1: [COMID]}))
FOREIGN = {  # what it is told to be
    "CWT with both tags": (tag(61, tag(18, sign1(ES384, cbor(CLAIMS)))), "a CWT (RFC 8392)"),
    "CWT with its own tag": (tag(61, sign1(ES384, cbor(CLAIMS))), "a CWT (RFC 8392)"),
    "CWT without tags": (sign1({1: -7}, cbor(CLAIMS)), "a COSE_Sign1 without its tag, maybe an EAT"),
    "EAT with both tags": (tag(61, tag(18, sign1(ES384, cbor(EAT)))), "an EAT (RFC 9711)"),
    "EAT, COSE_Sign1": (tag(18, sign1(ES384, cbor(EAT))), "an EAT (RFC 9711)"),
    "EAT without tags": (sign1({1: -7}, cbor(EAT)), "an EAT (RFC 9711)"),
    "EAT, with a MAC": (tag(17, b"\x84" + cbor(cbor({1: 5})) + cbor({}) + cbor(cbor(CLAIMS)) + cbor(bytes(32))), "a COSE_Mac0"),
    "EAT by its media type": (tag(18, sign1({1: -7, 16: "application/eat+cwt"}, cbor(CLAIMS))), "an EAT (RFC 9711)"),
    "EAT without signature": (cbor(EAT), "an EAT (RFC 9711)"),
    "EAT bundle": (tag(602, cbor([tag(61, sign1(ES384, cbor(CLAIMS))), {"x": b"y"}])), "a detached EAT bundle"),
    "EAT in JSON": (b'{"eat_profile":"x","eat_nonce":"AAAA"}', "JSON"),
    "EAT as a JWT": (b"eyJhbGciOiJFUzI1NiJ9.eyJlYXRfcHJvZmlsZSI6IngifQ.AAAA", "a JSON Web Token"),
    "CoRIM": (CORIM, "a CoRIM (tag 501)"), "CoRIM, older": (tag(500, CORIM), "a CoRIM (tag 500)"),
    "CoRIM, signed": (tag(18, sign1({1: -35, 3: "application/rim+cbor"}, CORIM)), "a signed CoRIM"),
    "CoRIM, signed, older": (tag(502, tag(18, sign1(ES384, CORIM))), "a signed CoRIM (tag 502)"),
    "CoRIM, signed, by an older media type": (
        tag(18, sign1({1: -7, 3: "application/corim-unsigned+cbor"}, CORIM)), "a signed CoRIM"),
    "CoMID": (COMID, "a CoMID (tag 506)"), "CoTS": (tag(507, cbor({})), "a CoTS (tag 507)"),
    "CoSWID": (tag(1398229316, cbor({0: "x"})), "a CoSWID"), "CoSWID in a CoRIM": (tag(505, cbor({0: "x"})), "a CoSWID"),
    "COSE_Sign1": (tag(18, sign1({1: -35}, b"text")), "a COSE_Sign1 of another kind"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("formats"))
    fleet.gateway("files", record=False)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tpm, "operator_tool", lambda: fleet.kapu_program)
        fleet.given = {key: place for key, place in given(fleet).items() if not place.text}
    yield fleet
    fleet.end()


@pytest.mark.share(3)
def test_a_foreign_file_is_recognised_wherever_one_of_kapus_belongs(world):
    with edges.Cases(KIND) as cases:
        for n, (name, place) in enumerate(world.given.items()):
            good = place.path.read_bytes()
            done = place.run(world)
            cases.check(done.returncode == place.status and "it seems to be" not in done.stderr, f"control: {name}: {done}")
            for i, (what, (data, told)) in enumerate(FOREIGN.items()):
                if name != ALL_OF_THEM and (i + n) % SOME != 0:
                    continue
                place.path.write_bytes(data)
                done = place.run(world)
                known = name in NOT_CBOR or f"it seems to be {told}" in done.stderr
                cases.check(done.returncode != 0 and known and str(place.path) in done.stderr and not done.stdout,
                            f"{name}, {what}: {done.returncode} {done.stderr}")
            place.path.write_bytes(good)


def test_kapus_own_files_are_recognised_in_each_others_place(world):
    own = {"board": (("board add", "FILE"), "a board record of kapu"),
           "reference": (("reference add", "FILE"), "a file of kapu's reference values"),
           "release": (("release show", "FILE"), "a file of kapu for releases")}
    with edges.Cases(f"{KIND}, own") as cases:
        for what, (of, told) in own.items():
            data = world.given[of].path.read_bytes()
            for other, (at, _) in own.items():
                place = world.given[at]
                good = place.path.read_bytes()
                place.path.write_bytes(data)
                done = place.run(world)
                place.path.write_bytes(good)
                if other == what:
                    cases.check(done.returncode == 0, f"control: {what}: {done}")
                else:
                    cases.check(done.returncode != 0 and f"it seems to be {told}" in done.stderr, f"{what} as {other}: {done}")
