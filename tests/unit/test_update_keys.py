# SPDX-License-Identifier: Apache-2.0
"""The sets of keys that gateways have built in: as `kapu release keys` makes them, and nothing else is taken for one."""

import subprocess

import pytest

from kapu import keys, update_keys
from kapu.errors import KapuError
from kapu.paths import BUILD, host_environment

KAPU = BUILD / "gateway" / "kapu"


@pytest.fixture(autouse=True)
def user(tmp_path, monkeypatch):
    """A user who has no keys yet."""
    for name in ("KAPU_KEYS", "KAPU_ROOT_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(keys, "ROOT", tmp_path / "checkout")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def made_by_kapu(role: str, out) -> bytes:
    number, threshold, names = update_keys.UPDATE_ROLES[role]
    subprocess.run([KAPU, "release", "keys", "--role", role, "--threshold", str(threshold), "--out", out,
                    *map(update_keys.development_key, names)], check=True, env=host_environment(),
                   capture_output=True)
    return out.read_bytes()


@pytest.fixture
def production(tmp_path, monkeypatch):
    """A release's keys, and the sets that `kapu release keys` made of the development keys."""
    folder = tmp_path / "production"
    folder.mkdir()
    for role in keys.ROLES:
        (folder / f"{role}.pem").touch(mode=0o600)
    for role in update_keys.UPDATE_ROLES:
        made_by_kapu(role, folder / f"{role}.keys")
    return folder


def test_sets_of_development_are_those_that_kapu_makes(production, monkeypatch):
    made = {role: update_keys.first_set(role) for role in update_keys.UPDATE_ROLES}
    for role in made:  # and so are the files for operators
        assert update_keys.set_file(role) == (production / f"{role}.keys").read_bytes()
    before = update_keys.first_sets_identity()
    assert len(set(made.values())) == 3
    monkeypatch.setenv("KAPU_KEYS", str(production))
    assert {role: update_keys.first_set(role) for role in update_keys.UPDATE_ROLES} == made
    assert update_keys.first_sets_identity() == before


def test_a_set_that_lacks_is_named(production, monkeypatch):
    monkeypatch.setenv("KAPU_KEYS", str(production))
    (production / "rollout.keys").unlink()
    with pytest.raises(KapuError, match=f"the set of rollout keys is missing: {production}/rollout.keys"):
        update_keys.first_set("rollout")
    assert update_keys.first_set("release")


def test_what_is_no_set_of_keys_is_named(production, monkeypatch):
    monkeypatch.setenv("KAPU_KEYS", str(production))
    path = production / "release.keys"
    good = path.read_bytes()
    bad = [b"", b"no set", b"\xd2" + good[1:], good[:3] + b"\x60" + good[4:], (production / "root.pem").read_bytes(), (production / "rollout.keys").read_bytes(),
           good.replace(b"\xa5\x00\x01\x01\x01", b"\xa5\x00\x02\x01\x01")]
    for data in bad + [good[:n] for n in range(1, len(good) - 1, 7)]:
        path.write_bytes(data)
        with pytest.raises(KapuError, match=f"{path} is no set of release keys"):
            update_keys.first_set("release")
    path.write_bytes(good)
    assert update_keys.first_set("release")


def test_a_production_build_makes_no_key(production, monkeypatch):
    monkeypatch.setenv("KAPU_KEYS", str(production))
    before = sorted(production.iterdir())
    update_keys.first_sets_identity()
    assert sorted(production.iterdir()) == before
