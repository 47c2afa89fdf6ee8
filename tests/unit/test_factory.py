# SPDX-License-Identifier: Apache-2.0
"""What kapu factory signs, and that nothing is half done when it cannot."""

import json
import runpy
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kapu import certs, fip, instance, reference, tpm
from kapu.cbor import cbor
from kapu.errors import KapuError
from kapu.keys import make_key
from kapu.paths import BUILD, ROOT, host_environment
from kapu.steps import digest_file

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "2718"
BOARD = "01234567-89ab-cdef-0123-456789abcdef"
TYPE = "application/x.kapu.board-record+cose"


@pytest.fixture
def board(tmp_path, monkeypatch):
    """A folder for a board, and a factory key of its own."""
    make_key(tmp_path / "factory.pem")
    monkeypatch.setenv("KAPU_FACTORY_KEY", str(tmp_path / "factory.pem"))
    folder = tmp_path / "board"
    folder.mkdir()
    return folder


def provision(folder, again=False, firmware=None):
    tpm.provision(folder, BOARD, "11" * 32, again, firmware)


def open_record(path, public_pem: bytes) -> bytes:
    """The content, when the signature verifies by an implementation that is not ours."""
    public = serialization.load_pem_public_key(public_pem)
    numbers = public.public_numbers()
    protected = cbor({1: -7, 4: reference.thumbprint(numbers.x, numbers.y), 16: TYPE})
    data = path.read_bytes()
    head = b"\xd2\x84" + cbor(protected) + b"\xa0"
    assert data.startswith(head)
    n = data[len(head) + 1]
    assert data[len(head)] == 0x58 and data[len(head) + 2 + n:len(head) + 4 + n] == b"\x58\x40"
    content, signature = data[len(head) + 2:len(head) + 2 + n], data[-64:]
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
    public.verify(encode_dss_signature(r, s),
                  cbor(["Signature1", protected, b"", content]), ec.ECDSA(hashes.SHA256()))
    return content


def test_a_record_names_the_board_its_tpm_and_its_attestation_key(board):
    provision(board)
    facts = json.loads(tpm.show(board, True))
    content = open_record(board / tpm.RECORD, tpm.factory_public())
    for name in ("ek_name", "ak_name"):
        assert bytes.fromhex(facts[name]) in content
    assert bytes.fromhex(BOARD.replace("-", "")) in content and b"qemu-virt" in content
    assert facts["record"]["fits"] and facts["record"]["platform"] == "qemu-virt"
    assert "is this board's" in tpm.show(board, False)


def test_a_board_that_is_provisioned_again_has_another_record(board):
    provision(board)
    first = (board / tpm.RECORD).read_bytes()
    old = json.loads(tpm.show(board, True))
    provision(board, again=True)
    new = json.loads(tpm.show(board, True))
    assert (board / tpm.RECORD).read_bytes() != first
    assert new["record"]["fits"] and new["record"]["issued"] >= old["record"]["issued"]
    assert new["ak_name"] != old["ak_name"] and new["ek_name"] == old["ek_name"]
    (board / tpm.RECORD).write_bytes(first)
    assert not json.loads(tpm.show(board, True))["record"]["fits"]


@pytest.mark.parametrize("what", ["missing", "no key", "another curve"])
def test_a_key_that_cannot_sign_is_found_out_before_the_tpm_is_touched(board, monkeypatch, what):
    key = board.parent / "factory.pem"
    if what == "missing":
        monkeypatch.setenv("KAPU_FACTORY_KEY", "pkcs11:token=nobody;object=factory")
    elif what == "no key":
        key.write_text("no key")
    else:
        key.write_bytes(subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                                        "ec_paramgen_curve:P-384"], capture_output=True,
                                       check=True).stdout)
    with pytest.raises(KapuError, match="the factory key"):
        provision(board)
    assert not (board / tpm.RECORD).exists() and not (board / tpm.FUSES).exists()
    with tpm.served(board) as socket:  # no attestation key: nothing was made
        done = subprocess.run(["tpm2_getcap", "-T", f"swtpm:path={socket}", "handles-persistent"],
                              env=host_environment(), capture_output=True, text=True, check=False)
    assert "0x81006B02" not in done.stdout.upper().replace("0X", "0x")


def test_a_record_that_cannot_be_written_leaves_no_provisioned_board(board, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(tpm, "RECORD", "nowhere/board.record")
        with pytest.raises(KapuError, match="nowhere/board.record"):
            provision(board)
    assert not (board / tpm.FUSES).exists()
    provision(board)  # and is repaired by another run
    assert json.loads(tpm.show(board, True))["record"]["fits"]


def provisioned(folder, *words) -> str:
    """What the command says of a board that it provisions."""
    with tpm.served(folder) as socket:
        done = subprocess.run([tpm.operator_tool(), "factory", "provision", "--tpm", socket, "--fuses", folder / tpm.FUSES,
                               "--id", BOARD, "--root-key-hash", "11" * 32, *tpm.record_options(folder), *words],
                              env=host_environment(), capture_output=True, text=True, check=True)
    return done.stderr


def test_a_tpm_without_an_endorsement_certificate_is_told(board):
    """Whether it came from its maker with one, or from --ek-certificate."""
    assert "the TPM has no endorsement certificate" in provisioned(board)
    provision(board, again=True)
    assert "certificate, and" not in provisioned(board, "--again")


FIRMWARE = BUILD / "gateway" / "firmware.fip"


def test_the_tpm_names_the_release_that_the_board_is_shipped_with(board):
    provision(board, firmware=FIRMWARE)
    identity = certs.identity_of(FIRMWARE).hex()
    assert json.loads(tpm.show(board, True))["release"] == identity
    assert f"starts          {identity}" in tpm.show(board, False)
    assert tpm.named_release(board) == identity


def test_without_firmware_it_names_none_and_says_so(board):
    assert "no --firmware is given" in provisioned(board)
    assert "release" not in json.loads(tpm.show(board, True)) and tpm.named_release(board) is None
    assert "starts          any signed release" in tpm.show(board, False)


def gateway(monkeypatch, *words):
    """tools/gateway, in this process."""
    monkeypatch.setattr("sys.argv", ["gateway", *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "tools" / "gateway"), run_name="__main__")
    return ended.value.code


def test_a_board_is_not_flashed_with_a_release_that_it_would_not_start(tmp_path, monkeypatch, capsys):
    """The build of another flavour stands for a newer one."""
    monkeypatch.setattr(instance, "INSTANCES", tmp_path)
    assert gateway(monkeypatch, "create", "edge") == 0
    facts, slots = tmp_path / "edge" / "instance.json", tmp_path / "edge" / "slots.img"
    assert gateway(monkeypatch, "flash", "edge") == 0
    facts.write_text(facts.read_text().replace('"gateway"', '"lab"'))
    before = digest_file(slots)
    capsys.readouterr()
    assert gateway(monkeypatch, "flash", "edge") == 1
    assert "its TPM names release" in capsys.readouterr().err and digest_file(slots) == before
    assert gateway(monkeypatch, "flash", "edge", "--force") == 0 and digest_file(slots) != before
    assert gateway(monkeypatch, "factory", "edge", "--again") == 0 and gateway(monkeypatch, "flash", "edge") == 0
    assert tpm.named_release(tmp_path / "edge") == certs.identity_of(BUILD / "lab" / "firmware.fip").hex()


def damaged(folder, what: str):
    """Of a firmware package: the file, and what is said of it."""
    content, file = bytearray(FIRMWARE.read_bytes()), folder / "firmware"
    place = fip.image_place(FIRMWARE, 0, "nt-fw-cert")
    if what == "no package":
        content[0] ^= 1
    elif what == "cut":
        content = content[:place.offset]
    elif what == "a certificate":
        content[place.offset] ^= 1
    if what == "a folder":
        file.mkdir()
    elif what != "missing":
        file.write_bytes(content)
    return file


@pytest.mark.parametrize("what, said", [("missing", "No such file"), ("a folder", "no file of 1 to"),
                                        ("no package", "is not a firmware package"), ("cut", "Linux content certificate|package"),
                                        ("a certificate", "its Linux content certificate")])
def test_firmware_that_is_none_is_refused_before_the_tpm_is_touched(board, what, said):
    with pytest.raises(KapuError, match=said) as told:
        provision(board, firmware=damaged(board.parent, what))
    assert str(board.parent / "firmware") in str(told.value)
    assert not (board / tpm.FUSES).exists() and not (board / tpm.RECORD).exists()
    with pytest.raises(KapuError, match="not provisioned"):
        tpm.show(board, True)


def test_a_token_signs_records(board, tmp_path, monkeypatch):
    (tmp_path / "tokens").mkdir()
    (tmp_path / "conf").write_text(f"directories.tokendir = {tmp_path}/tokens\n"
                                   "objectstore.backend = file\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "conf"))
    for words in (["softhsm2-util", "--init-token", "--free", "--label", "kapu", "--pin", PIN,
                   "--so-pin", "3141"],
                  ["pkcs11-tool", "--module", MODULE, "--token-label", "kapu", "--login", "--pin",
                   PIN, "--keypairgen", "--key-type", "EC:prime256v1", "--label", "factory",
                   "--id", "01"]):
        subprocess.run(words, env=host_environment(), capture_output=True, check=True)
    uri = f"pkcs11:token=kapu;object=factory?pin-value={PIN}"
    monkeypatch.setenv("KAPU_FACTORY_KEY", uri)
    provision(board)
    public = tpm.factory_public()
    assert b"BEGIN PUBLIC KEY" in public
    open_record(board / tpm.RECORD, public)
    monkeypatch.setenv("KAPU_FACTORY_KEY", uri.replace(PIN, "1111"))
    with pytest.raises(KapuError, match="the factory key") as told:
        provision(board, again=True)
    assert "1111" not in str(told.value)


def test_a_lost_record_is_signed_anew(board):
    provision(board)
    before = (board / tpm.RECORD).read_bytes()
    (board / tpm.RECORD).unlink()
    tpm.run([tpm.operator_tool(), "factory", "record", "--fuses", board / tpm.FUSES,
             *tpm.record_options(board)], "factory")
    assert json.loads(tpm.show(board, True))["record"]["fits"]
    assert (board / tpm.RECORD).read_bytes() != before  # its date is another


@pytest.mark.parametrize("words", [("provision",), ("record",), ("key",), ("show",)])
def test_wrong_usage_is_told_apart(words):
    done = subprocess.run([tpm.operator_tool(), "factory", *words], capture_output=True, check=False)
    assert done.returncode == 2
