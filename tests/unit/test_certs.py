# SPDX-License-Identifier: Apache-2.0
"""What tools/kapu/certs.py promises: TF-A's certificates, as other people's decoders read them."""

import hashlib
import shutil

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kapu import certs
from kapu.errors import KapuError
from kapu.keys import EC_ROLES, ROLES, KeySet, make_key
from test_sign import kapu_sign, openssl_accepts, other_key, run_well  # noqa: F401

IMAGES = ("bl2", "bl31", "optee", "linux", "device-tree")
COUNTER = 5

# From TF-A's documentation ("Trusted Board Boot") and tbbr_oid.h, not from our code:
# certificate -> key that must sign it, counter, what its extensions state.
TBBR = {
    "tb-fw-cert": ("root", 1, {201: "bl2", 202: None, 203: None, 204: None}),
    "trusted-key-cert": ("root", 1, {302: "trusted-world", 303: "normal-world"}),
    "soc-fw-key-cert": ("trusted-world", 1, {501: "bl31"}),
    "soc-fw-cert": ("bl31", 1, {603: "bl31", 604: None}),
    "tos-fw-key-cert": ("trusted-world", 1, {901: "optee"}),
    "tos-fw-cert": ("optee", 1, {1001: "optee", 1002: None, 1003: None, 1004: None}),
    "nt-fw-key-cert": ("normal-world", 2, {1101: "linux"}),
    "nt-fw-cert": ("linux", 2, {1201: "linux", 1202: "device-tree"}),
}
STATED = [(name, number, what) for name, row in TBBR.items() for number, what in row[2].items()]


class Bench:
    """Images, keys, and the chain made of them."""

    def __init__(self, folder, tool):
        self.folder = folder
        keys = folder / "keys"
        keys.mkdir()
        for role in EC_ROLES:
            make_key(keys / f"{role}.pem")
        for role in set(ROLES) - set(EC_ROLES):
            (keys / f"{role}.pem").touch(mode=0o600)
        self.signer = certs.Signer(tool, KeySet(keys))
        self.images = {name: folder / f"{name}.bin" for name in IMAGES}
        for name, path in self.images.items():
            path.write_text(f"code of {name}")
        self.chain = self.make("first")

    def make(self, name, images=None, counter=COUNTER):
        out = self.folder / name
        out.mkdir()
        return certs.make_chain(out, self.images | (images or {}), counter, self.signer)

    def public(self, role):
        """The public half of a key, from openssl."""
        return run_well("openssl", "pkey", "-in", self.signer.keys[role], "-pubout",
                        "-outform", "DER")

    def extension(self, name, number):
        cert = x509.load_der_x509_certificate(self.chain[name].read_bytes())
        oid = x509.ObjectIdentifier(f"1.3.6.1.4.1.4128.2100.{number}")
        return cert.extensions.get_extension_for_oid(oid)


@pytest.fixture(scope="module")
def bench(tmp_path_factory, kapu_sign):  # noqa: F811
    return Bench(tmp_path_factory.mktemp("certs"), kapu_sign)


def asn1(content: bytes) -> list[str]:
    """The elements of some DER as openssl prints them, 'TYPE:value' each."""
    lines = run_well("openssl", "asn1parse", "-inform", "DER", data=content).decode().splitlines()
    return [line.split(": ", 1)[1].replace(" ", "") for line in lines]


def contents(chain):
    return {name: path.read_bytes() for name, path in chain.items()}


def test_the_chain_has_every_certificate_that_tbbr_wants(bench):
    assert bench.chain.keys() == TBBR.keys()


def test_the_same_release_gives_the_same_certificates(bench):
    assert contents(bench.make("second")) == contents(bench.chain)


@pytest.mark.parametrize("image, holder", [
    ("bl2", "tb-fw-cert"), ("bl31", "soc-fw-cert"), ("optee", "tos-fw-cert"),
    ("linux", "nt-fw-cert"), ("device-tree", "nt-fw-cert"),
])
@pytest.mark.dealt
def test_only_one_certificate_vouches_for_an_image(bench, tmp_path, monkeypatch, image, holder):
    monkeypatch.setattr(certs, "release_statement", lambda images, counter: [])
    (tmp_path / "other").write_text("other code")
    made = contents(bench.make(f"changed-{image}", {image: tmp_path / "other"}))
    before = contents(bench.make(f"unchanged-{image}"))
    assert [name for name in made if made[name] != before[name]] == [holder]


def identity_of(path) -> bytes:
    cert = x509.load_der_x509_certificate(path.read_bytes())
    extension = cert.extensions.get_extension_for_oid(x509.ObjectIdentifier(certs.RELEASE))
    assert extension.critical and extension.value.value[:2] == b"\x04\x20"
    return extension.value.value[2:]


def test_all_certificates_name_the_release_and_no_two_releases_have_one_name(bench, tmp_path):
    (tmp_path / "other").write_text("other code")
    chains = [bench.chain, bench.make("later", counter=COUNTER + 1)]
    chains += [bench.make(f"with-another-{image}", {image: tmp_path / "other"}) for image in IMAGES]
    named = [{identity_of(path) for path in chain.values()} for chain in chains]
    assert all(len(names) == 1 for names in named)
    assert len(set.union(*named)) == len(chains)
    assert {identity_of(path) for path in bench.make("again").values()} == named[0]


@pytest.mark.parametrize("name", TBBR)
def test_a_certificate_verifies_with_its_signers_key_and_with_no_other(bench, name, tmp_path):
    cert = x509.load_der_x509_certificate(bench.chain[name].read_bytes())
    accepted = [role for role in EC_ROLES
                if openssl_accepts(tmp_path, bench.public(role), cert.signature,
                                   cert.tbs_certificate_bytes)]
    assert accepted == [TBBR[name][0]]


@pytest.mark.parametrize("name", TBBR)
def test_openssl_takes_a_certificate_for_a_self_issued_one_of_its_signer(bench, name, tmp_path):
    pem = tmp_path / "cert.pem"
    run_well("openssl", "x509", "-inform", "DER", "-in", bench.chain[name], "-out", pem)
    public = run_well("openssl", "x509", "-in", pem, "-noout", "-pubkey")
    assert run_well("openssl", "pkey", "-pubin", "-outform", "DER", data=public) == bench.public(
        TBBR[name][0])
    run_well("openssl", "verify", "-ignore_critical", "-check_ss_sig", "-CAfile", pem, pem)


@pytest.mark.parametrize("name", TBBR)
def test_a_changed_bit_of_what_is_signed_breaks_the_signature(bench, name):
    cert = x509.load_der_x509_certificate(bench.chain[name].read_bytes())
    tbs = bytearray(cert.tbs_certificate_bytes)
    tbs[-1] ^= 1
    public = serialization.load_der_public_key(bench.public(TBBR[name][0]))
    public.verify(cert.signature, cert.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(cert.signature, bytes(tbs), ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("name", TBBR)
def test_a_certificate_carries_the_counter_of_its_world(bench, name):
    extension = bench.extension(name, TBBR[name][1])
    assert extension.critical and asn1(extension.value.value)[0].endswith("INTEGER:05")


@pytest.mark.parametrize("counter", [0, 1, 127, 128, 255, 256, 0x7fffffff, 0xffffffff])
def test_a_counter_is_the_positive_number_that_was_put_in(counter):
    line = asn1(certs.der_integer(counter))[0]
    assert int(line.split("INTEGER:")[1], 16) == counter


@pytest.mark.parametrize("name, number, what",
                         [row for row in STATED if not row[0].endswith("key-cert")])
def test_a_content_certificate_states_the_hash_of_its_image(bench, name, number, what):
    """An image that the release does not have is stated as zeros, which no image hashes to."""
    digest = hashlib.sha256(bench.images[what].read_bytes()).hexdigest() if what else "00" * 32
    kinds = [line.split("prim:")[-1] for line in asn1(bench.extension(name, number).value.value)]
    assert kinds[-3:] == ["OBJECT:sha256", "NULL", f"OCTETSTRING[HEXDUMP]:{digest.upper()}"]


@pytest.mark.parametrize("name, number, role",
                         [row for row in STATED if row[0].endswith("key-cert")])
def test_a_key_certificate_states_the_key_of_the_next_level(bench, name, number, role):
    assert bench.extension(name, number).value.value == bench.public(role)


@pytest.mark.parametrize("name", TBBR)
def test_a_certificate_states_nothing_else_and_does_not_expire(bench, name):
    cert = x509.load_der_x509_certificate(bench.chain[name].read_bytes())
    stated = [int(e.oid.dotted_string.rsplit(".", 1)[1]) for e in cert.extensions]
    assert stated == [TBBR[name][1], 9001, *TBBR[name][2]]
    assert all(extension.critical for extension in cert.extensions)
    assert cert.not_valid_after.year == 9999 and cert.not_valid_before.year == 2026


def test_a_key_on_another_curve_is_refused_and_named(bench, tmp_path):
    shutil.copytree(bench.signer.keys.folder, tmp_path, dirs_exist_ok=True)  # with their modes
    other_key(tmp_path / "linux.pem", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")
    signer = certs.Signer(bench.signer.tool, KeySet(tmp_path))
    with pytest.raises(KapuError, match="the linux key: .* is not an ECDSA P-256 key"):
        certs.make_chain(tmp_path, bench.images, COUNTER, signer)
    assert not (tmp_path / "nt-fw-cert.crt").exists()
