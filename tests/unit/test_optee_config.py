# SPDX-License-Identifier: Apache-2.0
"""What OP-TEE's core must not have: options that are off with a reason in secure/optee/config.mk, read from
what was built, and what they would bring, looked for in the symbols of the core.
"""

import re

import pytest
from elftools.elf.elffile import ELFFile

from kapu.build import FLAVOURS, PKCS11_OPTION, PKCS11_TA, TA_UUIDS, release, settings
from kapu.paths import ROOT

CONFIG = ROOT / "secure" / "optee" / "config.mk"
# Loading code, or installing it, from the normal world; forms of early releases; cryptography without a user.
OFF = ("REE_FS_TA", "REE_FS_TA_BUFFERED", "SECSTOR_TA", "SECSTOR_TA_MGMT_PTA",
       "REE_FS_HTREE_HASH_SIZE_COMPAT", "CORE_HUK_SUBKEY_COMPAT",
       "CORE_HUK_SUBKEY_COMPAT_USE_OTP_DIE_ID", "CRYPTO_DES", "CRYPTO_MD5", "CRYPTO_DSA", "CRYPTO_DH",
       "CRYPTO_SM2_PKE", "CRYPTO_SM2_DSA", "CRYPTO_SM2_KEP", "CRYPTO_SM3", "CRYPTO_SM4", "CRYPTO_XTS",
       "CRYPTO_CCM", "CRYPTO_CBC_MAC", "CRYPTO_X25519", "CRYPTO_CONCAT_KDF", "CRYPTO_HKDF",
       "CRYPTO_PBKDF2", "CRYPTO_SHA3_256", "CRYPTO_SHAKE128", "CRYPTO_SHA512_256")
# Names of functions and tables that would be in the core. "ta_pub_key": nothing checks a TA's signature.
GONE = r"des3?_(setup|ecb)|md5_|dsa_|dh_|sm[234]_|sha3_|sha512_256|(ltc_)?xts_|ccm_|f9_|x25519|hkdf|pbkdf2|" \
       r"concat_kdf|secstor|tadb|ree_fs_ta|ta_pub_key|shdr_verify"
KEPT = r"aes_|sha256|hmac|ecc_|rsa_"  # the pattern finds names as these are


@pytest.fixture(scope="module", params=FLAVOURS)
def optee(request):
    step = release(request.param).optee
    if not (step.out / "optee.conf").exists():
        pytest.skip(f"the {request.param} flavour is not built")
    step.flavour = request.param
    return step


def config_of(optee) -> dict[str, str]:
    return dict(line.split("=", 1) for line in settings(optee.out / "optee.conf") if "=" in line)


def symbols_of(optee) -> set[str]:
    with open(optee.out / "optee.elf", "rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        return {symbol.name for symbol in table.iter_symbols()}


def wrong(config: dict[str, str]) -> list[str]:
    return [name for name in OFF if config.get(f"CFG_{name}", "n") != "n"]


def test_what_is_off_is_off_in_what_was_built(optee):
    config = config_of(optee)
    assert config["CFG_EARLY_TA"] == "y" and config["CFG_REE_FS"] == "y"
    assert wrong(config) == []


@pytest.mark.parametrize("name", OFF)
def test_one_that_is_on_again_would_be_told(optee, name):
    assert wrong(config_of(optee) | {f"CFG_{name}": "y"}) == [name]


def test_each_setting_of_ours_is_that_of_the_build(optee):
    """OP-TEE's makefiles may force others, silently."""
    built = config_of(optee)
    ours = dict(line.split("=", 1) for line in settings(CONFIG) if line.startswith("CFG_"))
    assert {name: built.get(name, "n") for name in ours} == ours


def test_the_core_has_none_of_their_code(optee):
    names = symbols_of(optee)
    assert [name for name in names if re.match(KEPT, name)]
    assert sorted(name for name in names if re.match(GONE, name)) == []


def trusted_applications(optee) -> set[str]:
    names = [name for name in symbols_of(optee) if re.match(r"early_ta_\w{8}-.*\.c$", name)]
    return {name[len("early_ta_"):-len(".c")] for name in names}


def test_the_core_has_the_trusted_applications_of_its_flavour_and_no_other(optee):
    """The PKCS#11 TA is in the lab flavour: what is made of it there, a gateway's integrator can have."""
    assert trusted_applications(optee) == set(TA_UUIDS.values()) | ({PKCS11_TA} if PKCS11_OPTION in optee.values else set())


def test_an_integrator_can_have_the_pkcs11_ta(monkeypatch):
    monkeypatch.delenv("KAPU_PKCS11", raising=False)
    default = release("gateway").optee.values
    assert PKCS11_OPTION not in default
    monkeypatch.setenv("KAPU_PKCS11", "1")
    assert release("gateway").optee.values == [*default, PKCS11_OPTION]
    assert release("lab").optee.values[-1] == PKCS11_OPTION
