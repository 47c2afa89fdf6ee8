# SPDX-License-Identifier: Apache-2.0
"""What tools/kapu/keys.py promises about where keys are and who may read them."""

import multiprocessing
import os
import stat
import subprocess

import pytest

from kapu import keys
from kapu.errors import KapuError
from kapu.paths import ROOT

ROLES = keys.ROLES
TOKEN = "pkcs11:token=hsm;object=root"


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    """An empty checkout of a user who has no keys yet, nor settings for them."""
    monkeypatch.delenv("KAPU_KEYS", raising=False)
    monkeypatch.delenv("KAPU_ROOT_KEY", raising=False)
    monkeypatch.delenv("KAPU_FACTORY_KEY", raising=False)
    monkeypatch.setattr(keys, "ROOT", tmp_path / "checkout")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def production(tmp_path, monkeypatch):
    """A folder with every key, named by KAPU_KEYS."""
    folder = tmp_path / "production"
    folder.mkdir()
    for role in ROLES:
        (folder / f"{role}.pem").touch(mode=0o600)
    monkeypatch.setenv("KAPU_KEYS", str(folder))
    return folder


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_development_keys_are_only_their_owners_whatever_the_umask(mask):
    before = os.umask(mask)
    try:
        made = keys.key_set()
    finally:
        os.umask(before)
    assert {role: mode(made[role]) for role in ROLES} == dict.fromkeys(ROLES, 0o600)
    assert mode(made.folder) == 0o700
    assert mode(made.folder / "factory.pem") == 0o600
    assert len(list(made.folder.iterdir())) == len(ROLES) + 1


def test_all_checkouts_of_a_user_have_the_same_keys_but_one_with_its_own(tmp_path, monkeypatch):
    first = open(keys.key_set()["root"], "rb").read()
    monkeypatch.setattr(keys, "ROOT", tmp_path / "another")
    assert open(keys.key_set()["root"], "rb").read() == first
    (tmp_path / "another" / "keys" / "dev").mkdir(parents=True)
    own = keys.key_set()
    assert own.folder == tmp_path / "another" / "keys" / "dev"
    assert open(own["root"], "rb").read() != first


def test_many_who_need_the_first_keys_at_once_get_the_same():
    with multiprocessing.get_context("fork").Pool(8) as pool:
        found = pool.map(read_all, range(8))
    assert len(set(found)) == 1 and len(found[0]) == len(ROLES) + 1


def read_all(_) -> tuple[bytes, ...]:
    made = keys.key_set()
    return (*(open(made[role], "rb").read() for role in ROLES), keys.operator_ca().read_bytes())


def test_development_keys_are_p256():
    made = keys.key_set()
    for role in ROLES:
        assert b"prime256v1" in keys.openssl("pkey", "-in", made[role], "-noout", "-text")


def test_a_key_for_trusted_applications_of_an_earlier_release_does_no_harm(production):
    (production / "ta.pem").touch(mode=0o600)
    assert "ta" not in ROLES
    assert keys.key_set()["linux"] == str(production / "linux.pem")


def test_a_second_call_keeps_the_keys():
    first = {role: open(keys.key_set()[role], "rb").read() for role in ROLES}
    assert {role: open(keys.key_set()[role], "rb").read() for role in ROLES} == first


def test_each_role_has_a_key_of_its_own():
    made = keys.key_set()
    assert len({open(made[role], "rb").read() for role in ROLES}) == len(ROLES)


def test_a_key_half_written_by_an_interrupted_call_is_replaced():
    folder = keys.development_folder()
    folder.mkdir(parents=True)
    (folder / "root.new").write_text("-----BEGIN PRIV")
    keys.openssl("pkey", "-in", keys.key_set()["root"], "-noout")
    assert not (folder / "root.new").exists()


@pytest.mark.parametrize("bad", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_can_reach_is_refused_by_name(bad):
    path = keys.key_set()["bl31"]
    os.chmod(path, bad)
    with pytest.raises(KapuError, match=f"the bl31 key {path} can be read by others"):
        keys.key_set()


@pytest.mark.parametrize("role", ROLES)
def test_a_missing_production_key_is_named_and_not_made(production, role):
    missing = production / f"{role}.pem"
    missing.unlink()
    with pytest.raises(KapuError, match=f"the {role} key is missing: {missing}"):
        keys.key_set()
    assert not missing.exists()


def test_production_keys_make_no_development_keys(production):
    assert keys.key_set()["linux"] == str(production / "linux.pem")
    assert not keys.development_folder().exists()


def test_the_root_key_may_be_in_a_token(production, monkeypatch):
    (production / "root.pem").unlink()
    monkeypatch.setenv("KAPU_ROOT_KEY", TOKEN)
    made = keys.key_set()
    assert made["root"] == TOKEN
    assert [role for role in ROLES if made.is_token(role)] == ["root"]


def test_the_root_key_may_be_another_file_and_is_checked_too(production, tmp_path, monkeypatch):
    other = tmp_path / "other.pem"
    monkeypatch.setenv("KAPU_ROOT_KEY", str(other))
    with pytest.raises(KapuError, match=f"the root key is missing: {other}"):
        keys.key_set()
    other.touch(mode=0o600)
    assert keys.key_set()["root"] == str(other)


def test_git_never_takes_development_keys():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    path = str(ROOT / "keys" / "dev" / "root.pem")
    assert subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT).returncode == 0


def test_a_root_key_of_its_own_does_not_vouch_for_development_keys(monkeypatch):
    monkeypatch.setenv("KAPU_ROOT_KEY", TOKEN)
    with pytest.raises(KapuError, match="KAPU_ROOT_KEY is set without KAPU_KEYS"):
        keys.key_set()


# ---- the factory's key: no key of a release ----

def test_the_factory_key_of_development_is_made_with_the_others():
    path = keys.factory_key()
    assert path == str(keys.development_folder() / "factory.pem") and mode(path) == 0o600
    content = open(path, "rb").read()
    assert keys.factory_key() == path and open(path, "rb").read() == content
    assert content not in [open(keys.key_set()[role], "rb").read() for role in ROLES]


def test_a_release_is_built_without_the_factory_key(production):
    assert not (production / "factory.pem").exists()
    assert keys.key_set()["linux"] == str(production / "linux.pem")
    with pytest.raises(KapuError, match="the factory key is missing"):
        keys.factory_key()
    (production / "factory.pem").touch(mode=0o600)
    assert keys.factory_key() == str(production / "factory.pem")


def test_a_factory_has_its_key_alone_in_a_file_or_a_token(tmp_path, monkeypatch):
    path = tmp_path / "factory"
    path.touch(mode=0o644)
    monkeypatch.setenv("KAPU_FACTORY_KEY", str(path))
    with pytest.raises(KapuError, match="can be read by others"):
        keys.factory_key()
    path.chmod(0o600)
    assert keys.factory_key() == str(path)
    monkeypatch.setenv("KAPU_FACTORY_KEY", TOKEN)
    assert keys.factory_key() == TOKEN
    assert not keys.development_folder().exists()
