# SPDX-License-Identifier: Apache-2.0
"""Reference values: made from a build's files, in the bytes that the verifier's own test reads, and signed."""

import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kapu import certs, kernelimage, keys, reference, symbols
from kapu.cbor import cbor
from kapu.errors import KapuError
from kapu.paths import BUILD, ROOT
from test_sign import kapu_sign  # noqa: F401

VECTOR = ROOT / "tests" / "vectors" / "reference" / "two-releases"
SYMBOLS = [(0x10, "_stext"), (0x1000, "vfs_read"), (0x1100, "vfs_write"), (0xfff0, "_edata")]


def of_text(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def two_releases() -> bytes:
    return reference.encode("qemu-virt", [
        reference.release(version, flavour, counter,
                          {pcr: of_text(f"{version} {flavour} {pcr}") for pcr in reference.PCRS}, kernel)
        for version, flavour, counter, kernel in (
            ("0.5.0", "gateway", 3, None),
            ("0.6.0", "lab", 70000, symbols.packed(0x10000, SYMBOLS)))])


def test_the_content_is_the_vector_that_the_verifier_reads():
    assert two_releases() == VECTOR.read_bytes()


def test_pcrs_follow_from_the_files_of_a_build(tmp_path):
    for name in ("bl1.bin", "bl2.bin", "bl31.bin", "optee.bin", "Image", "gateway.dtb"):
        (tmp_path / name).write_text(name)
    (tmp_path / "root-key.sha256").write_text(of_text("key").hex() + "\n")
    values = reference.pcrs(tmp_path, tmp_path, tmp_path, tmp_path)
    value = bytes(32)
    for name in ("bl1.bin", "bl2.bin", "bl31.bin", "optee.bin"):
        value = hashlib.sha256(value + of_text(name)).digest()
    assert values[0] == value
    assert values[7] == hashlib.sha256(bytes(32) + of_text("key")).digest()
    assert values[8] == hashlib.sha256(bytes(32) + of_text("Image")).digest()
    assert values[9] == hashlib.sha256(bytes(32) + of_text("gateway.dtb")).digest()


def test_cbor_is_deterministic():
    assert cbor({10: [1, 24, 256], 2: b"x"}) == bytes.fromhex("a2024178" "0a8301181819" "0100")
    assert cbor({-2: -7, 1: -25}) == bytes.fromhex("a2" "013818" "2126")


@pytest.fixture
def signer(kapu_sign, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.delenv("KAPU_KEYS", raising=False)
    monkeypatch.delenv("KAPU_ROOT_KEY", raising=False)
    monkeypatch.setattr(keys, "ROOT", tmp_path)
    return certs.Signer(kapu_sign, keys.key_set())


def test_a_file_is_signed_by_the_release_key_and_two_are_the_same(signer):
    signed = reference.sign(two_releases(), signer)
    assert signed == reference.sign(two_releases(), signer)
    public = serialization.load_pem_public_key(keys.reference_public())
    numbers = public.public_numbers()
    protected = cbor({1: -7, 4: reference.thumbprint(numbers.x, numbers.y),
                                16: "application/x.kapu.reference-values+cose"})
    head = b"\xd2\x84" + cbor(protected) + b"\xa0" + cbor(two_releases())
    assert signed[:-66] == head and signed[-66:-64] == b"\x58\x40"
    signature = encode_dss_signature(int.from_bytes(signed[-64:-32], "big"),
                                     int.from_bytes(signed[-32:], "big"))
    for content, good in ((two_releases(), True), (two_releases() + b"x", False)):
        structure = b"\x84\x6aSignature1" + cbor(protected) + b"\x40" + cbor(content)
        if good:
            public.verify(signature, structure, ec.ECDSA(hashes.SHA256()))
            continue
        with pytest.raises(InvalidSignature):
            public.verify(signature, structure, ec.ECDSA(hashes.SHA256()))


def test_the_thumbprint_is_that_of_evidence():
    """tee.key is a COSE_Key of required members; its hash is the kid (RFC 9679)."""
    key = (ROOT / "tests" / "vectors" / "evidence" / "tee.key").read_bytes()
    x, y = (int.from_bytes(part, "big") for part in (key[8:40], key[43:75]))
    assert reference.thumbprint(x, y) == hashlib.sha256(key).digest()


class Kernel:
    """A symbol table: name, st_info (binding << 4 | type), section, value."""
    base, end = 0x1000, 0x1000  # the end counts from the base
    LOCAL, GLOBAL, WEAK, NOTYPE, OBJECT, FUNC, FILE = 0x00, 0x10, 0x20, 0, 1, 2, 4

    def __init__(self, *rows):
        self.rows = rows

    def symbol_table(self):
        return iter(self.rows)


@pytest.mark.parametrize("rows, wanted", [
    ((("__pi_memcpy", Kernel.LOCAL | Kernel.FUNC), ("memcpy", Kernel.WEAK | Kernel.FUNC),
      ("__memcpy", Kernel.GLOBAL | Kernel.FUNC)), "memcpy"),
    ((("_stext", Kernel.GLOBAL | Kernel.NOTYPE), ("handler", Kernel.LOCAL | Kernel.FUNC)), "handler"),
    ((("aa", Kernel.LOCAL | Kernel.OBJECT), ("table", Kernel.GLOBAL | Kernel.OBJECT)), "table"),
    ((("__pfx_f", Kernel.GLOBAL | Kernel.FUNC), ("$x", Kernel.LOCAL), ("__pi_$x.3", Kernel.LOCAL),
      (".L12", Kernel.LOCAL), ("__cfi_f", Kernel.LOCAL), ("f.c", Kernel.FILE)), None),
])
def test_of_several_symbols_at_a_place_one_is_kept(rows, wanted):
    kernel = Kernel(*((name, info, 1, 0x1234) for name, info in rows))
    assert symbols.symbols_of(kernel) == ([(0x234, wanted)] if wanted else [])


def test_symbols_outside_of_the_image_are_left_out():
    kernel = Kernel(("before", 0x12, 1, 0xfff), ("first", 0x12, 1, 0x1000), ("last", 0x12, 1, 0x1fff),
                    ("behind", 0x12, 1, 0x2000), ("absolute", 0x12, 0xfff1, 0x1800))
    assert symbols.symbols_of(kernel) == [(0, "first"), (0xfff, "last")]


def test_symbols_of_the_kernel_that_was_built_are_those_of_its_symbol_table():
    path = BUILD / "gateway" / "vmlinux"
    if not path.exists():
        pytest.skip("not built")
    kernel = kernelimage.load(path)
    found = dict((name, offset) for offset, name in symbols.symbols_of(kernel))
    for name in ("_text", "__arm64_sys_kill", "vfs_read", "sys_call_table", "init_task", "memcpy"):
        assert found[name] == kernel.offset(name)
    assert len(symbols.packed(kernel.end, symbols.symbols_of(kernel))[3]) < 400_000


def test_a_symbol_with_an_unusual_name_is_an_error():
    for name in ("", "a\nb", "n" * 256, "\u00e9"):
        with pytest.raises(KapuError, match="unusual name"):
            symbols.table([(0, name)])
