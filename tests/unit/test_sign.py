# SPDX-License-Identifier: Apache-2.0
"""What tools/sign/kapu-sign.c promises: which keys it takes, and what its signatures are worth."""

import subprocess
from pathlib import Path

import pytest

from kapu import certs
from kapu.errors import KapuError
from kapu.keys import EC_ROLES, ROLES, KeySet, make_key
from kapu.paths import ROOT, host_environment

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "2718"
DATA = b"a release\n"


def run(*command, data=b""):
    return subprocess.run([str(word) for word in command], input=data, env=host_environment(),
                          capture_output=True, check=False)


def run_well(*command, data=b""):
    done = run(*command, data=data)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture(scope="session")
def kapu_sign(tmp_path_factory):
    tool = tmp_path_factory.mktemp("sign") / "kapu-sign"
    run_well("gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-o", tool,
             "-I", ROOT / "lib/base/include", "-I", ROOT / "operator/files",
             ROOT / "tools/sign/kapu-sign.c", ROOT / "tools/sign/sign_key.c", ROOT / "operator/files/pem.c",
             ROOT / "operator/files/text.c", ROOT / "lib/base/bytes.c", "-lgnutls")
    return tool


@pytest.fixture(scope="session")
def token(tmp_path_factory):
    """A SoftHSM token with keys that were made in it; gives the URI of each by its label."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder}/tokens\n"
                                 "objectstore.backend = file\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "conf"))
        run_well("softhsm2-util", "--init-token", "--free", "--label", "kapu", "--pin", PIN,
                 "--so-pin", "3141")
        for number, (label, kind) in enumerate(
                (("root", "EC:prime256v1"), ("p384", "EC:secp384r1"), ("rsa", "rsa:2048")), 1):
            run_well("pkcs11-tool", "--module", MODULE, "--token-label", "kapu", "--login",
                     "--pin", PIN, "--keypairgen", "--key-type", kind, "--label", label,
                     "--id", f"{number:02}")
        yield lambda label, pin=PIN: f"pkcs11:token=kapu;object={label}?pin-value={pin}"


@pytest.fixture
def key_file(tmp_path):
    make_key(tmp_path / "root.pem")
    return tmp_path / "root.pem"


def other_key(path: Path, *options) -> Path:
    run_well("openssl", "genpkey", *options, "-out", path)
    return path


def openssl_accepts(tmp_path, public: bytes, signature: bytes, data: bytes) -> bool:
    (tmp_path / "public.der").write_bytes(public)
    (tmp_path / "signature").write_bytes(signature)
    done = run("openssl", "dgst", "-sha256", "-keyform", "DER", "-verify",
               tmp_path / "public.der", "-signature", tmp_path / "signature", data=data)
    return done.returncode == 0 and done.stdout == b"Verified OK\n"


def assert_refused(done, reason: str) -> None:
    """Status 1, one clear line, and nothing that could be taken for a result."""
    text = done.stderr.decode()
    assert done.returncode == 1 and done.stdout == b""
    assert text.startswith("kapu-sign: ") and text.count("\n") == 1 and reason in text


# ---- key files

def test_a_signature_with_a_key_file_is_one_that_openssl_accepts(kapu_sign, key_file, tmp_path):
    public = run_well(kapu_sign, "public", key_file)
    signature = run_well(kapu_sign, "sign", key_file, data=DATA)
    assert public == run_well("openssl", "pkey", "-in", key_file, "-pubout", "-outform", "DER")
    assert openssl_accepts(tmp_path, public, signature, DATA)
    assert not openssl_accepts(tmp_path, public, signature, DATA + b"more")


def test_a_key_file_signs_the_same_data_with_the_same_bytes(kapu_sign, key_file):
    signatures = {run_well(kapu_sign, "sign", key_file, data=DATA) for _ in range(4)}
    assert len(signatures) == 1
    assert run_well(kapu_sign, "sign", key_file, data=DATA + b"x") not in signatures


@pytest.mark.parametrize("options", [
    ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    ("-algorithm", "RSA"), ("-algorithm", "ED25519"),
], ids=["P-384", "RSA", "Ed25519"])
@pytest.mark.parametrize("verb", ["sign", "public"])
def test_a_key_file_of_another_kind_is_refused(kapu_sign, tmp_path, options, verb):
    path = other_key(tmp_path / "other.pem", *options)
    assert_refused(run(kapu_sign, verb, path, data=DATA), f"{path} is not an ECDSA P-256 key")


def test_a_file_that_is_missing_or_no_key_is_refused_by_name(kapu_sign, tmp_path):
    (tmp_path / "text").write_text("no key\n")
    assert_refused(run(kapu_sign, "sign", tmp_path / "missing", data=DATA), f"{tmp_path}/missing: No such file")
    assert_refused(run(kapu_sign, "sign", tmp_path / "text", data=DATA), f"{tmp_path}/text, line 1: ")


def test_nothing_and_too_much_are_not_signed(kapu_sign, key_file):
    for data in (b"", bytes((1 << 20) + 1)):
        assert_refused(run(kapu_sign, "sign", key_file, data=data), "missing, unreadable or larger")


@pytest.mark.parametrize("words", [(), ("sign",), ("verify", "key"), ("sign", "key", "extra")])
def test_wrong_words_show_the_usage(kapu_sign, words):
    done = run(kapu_sign, *words)
    assert done.returncode == 2 and done.stderr.startswith(b"usage: kapu-sign")


# ---- production: the root key in a token

def test_a_signature_made_in_a_token_is_one_that_openssl_accepts(kapu_sign, token, tmp_path):
    public = run_well(kapu_sign, "public", token("root"))
    signature = run_well(kapu_sign, "sign", token("root"), data=DATA)
    assert openssl_accepts(tmp_path, public, signature, DATA)
    assert not openssl_accepts(tmp_path, public, signature, DATA + b"more")


@pytest.mark.parametrize("label, pin, reason", [
    ("root", "9999", "PIN"), ("missing", PIN, "not available"),
    ("p384", PIN, "is not an ECDSA P-256 key"), ("rsa", PIN, "is not an ECDSA P-256 key"),
], ids=["wrong PIN", "missing object", "P-384", "RSA"])
@pytest.mark.parametrize("verb", ["sign", "public"])
def test_a_token_key_that_cannot_be_used_is_refused(kapu_sign, token, verb, label, pin, reason):
    assert_refused(run(kapu_sign, verb, token(label, pin), data=DATA), reason)


def test_the_pin_is_never_shown(kapu_sign, token):
    for label, pin in (("root", "60221"), ("missing", PIN), ("rsa", PIN)):
        assert pin.encode() not in run(kapu_sign, "sign", token(label, pin), data=DATA).stderr


@pytest.fixture
def production(kapu_sign, token, tmp_path):
    """A signer whose root key is in the token and the others in files."""
    folder = tmp_path / "keys"
    folder.mkdir()
    for role in EC_ROLES[1:]:
        make_key(folder / f"{role}.pem")
    for role in set(ROLES) - set(EC_ROLES):
        (folder / f"{role}.pem").touch(mode=0o600)
    return lambda uri: certs.Signer(kapu_sign, KeySet(folder, uri))


def test_a_chain_whose_root_key_is_in_a_token_verifies(production, token, tmp_path):
    signer = production(token("root"))
    image = tmp_path / "image"
    image.write_bytes(b"code")
    names = {image for row in certs.CHAIN for image in row.images.values() if image}
    chain = certs.make_chain(tmp_path, dict.fromkeys(names, image), 1, signer)
    root = run_well(signer.tool, "public", token("root"))
    for row in certs.CHAIN:
        cert = chain[row.fiptool_option]
        parts = []
        for offset in signed_parts(cert):
            run_well("openssl", "asn1parse", "-inform", "DER", "-in", cert, "-strparse", offset,
                     "-noout", "-out", tmp_path / "part")
            parts.append((tmp_path / "part").read_bytes())
        by_root = openssl_accepts(tmp_path, root, parts[1], parts[0])
        assert by_root == (row.signer == "root"), row.name
        assert openssl_accepts(tmp_path, signer.public_der(row.signer), parts[1], parts[0])


def signed_parts(cert: Path) -> list[str]:
    """Offsets of what is signed and of the signature, as openssl reads the certificate."""
    lines = run_well("openssl", "asn1parse", "-inform", "DER", "-in", cert).decode().splitlines()
    return [line.split(":")[0].strip() for line in lines if ":d=1 " in line][::2]


def test_a_failing_token_stops_the_chain_and_names_the_role(production, token, tmp_path):
    with pytest.raises(KapuError, match="the root key: .*PIN"):
        certs.make_chain(tmp_path, {"bl2": Path("/dev/null")}, 1, production(token("root", "0")))
    assert list(tmp_path.glob("*.crt")) == []
