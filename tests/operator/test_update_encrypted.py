# SPDX-License-Identifier: Apache-2.0
"""Releases whose payload is encrypted, as an operator meets them: what comes to the server of releases, who gets the
key, and what is refused without it. The files are encrypted by Python's cryptography (releases.py).
"""

import json
import secrets
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

import native
from kapu.cbor import cbor
from kapu.paths import host_environment
from releases import Release, Updates, decrypted, know, sha
from releases import encrypted as encrypt
from simulated import PATIENCE, Fleet

LABELS = ("pump", "tank")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("secrets"))
    try:
        yield Updates(fleet, LABELS)
    finally:
        fleet.end()


@pytest.fixture
def updates(made):
    for gateway in made.gateways.values():
        gateway.behave("update takes 200")
        keys_heard(gateway)
    return made


def keys_heard(gateway) -> list[str]:
    """The keys that came to it since the last time."""
    keys = []
    while not gateway.heard.empty():
        line = gateway.heard.get()
        keys += [line.split()[1]] if line.startswith("key ") else []
    return keys


def encrypted(updates, **other) -> Release:
    return updates.make(key=secrets.token_bytes(32), **other)


def published(updates, release) -> Release:
    know(updates.fleet, release)
    done = updates.kapu("publish", release.folder, "--to", updates.web)
    assert done.returncode == 0, done.stderr
    return release


def kept_key(updates, release):
    return updates.fleet.operator.folder / "payload-keys" / release.digest


def release_command(*words) -> subprocess.CompletedProcess:
    return subprocess.run([native.FOLDER / "operator/kapu/kapu", "release", *map(str, words)], capture_output=True,
                          text=True, env=host_environment(), check=False)


# ---- the server of releases ----

def shows_content(web, release) -> bool:
    """Whether the files give it away: what blocks it has, or the blocks."""
    content = release.root + release.firmware
    needles = [sha(release.root[at:at + 4096])[:12] for at in range(0, len(release.root), 4096)]
    needles += [content[at:at + 16] for at in range(0, len(content), 16)] + list(release.files.values())
    for path in web.iterdir():
        data = path.read_bytes()
        if path.name != "manifest" and any(needle in data for needle in needles):
            return True
        if subprocess.run(["zstd", "-q", "-d", "-c"], input=data, capture_output=True, check=False).returncode == 0:
            return True
    return False


def test_the_server_of_releases_gets_neither_content_nor_key(updates):
    secret, plain = published(updates, encrypted(updates)), published(updates, updates.make())
    web = updates.web / f"gateway-{secret.version}"
    assert {path.name for path in web.iterdir()} == {"manifest", "index", "payload"}
    assert not any(path.name == "key" or secret.key in path.read_bytes()
                   for path in updates.web.rglob("*") if path.is_file())
    assert not shows_content(web, secret)
    assert shows_content(updates.web / f"gateway-{plain.version}", plain)
    for name, data in secret.files.items():
        assert decrypted(secret.key, name, (web / name).read_bytes()) == data


def test_the_operator_keeps_the_key_where_nobody_else_reads_it(updates):
    release = published(updates, encrypted(updates))
    kept = kept_key(updates, release)
    assert kept.read_bytes() == release.key
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.parent.stat().st_mode & 0o777 == 0o700
    database = sqlite3.connect(updates.fleet.operator.folder / "kapu.db")
    dump = "\n".join(database.iterdump())
    assert release.digest in dump.lower() and release.key.hex() not in dump.lower()
    plain = published(updates, updates.make())
    assert not kept_key(updates, plain).exists()
    again = updates.kapu("publish", release.folder, "--to", updates.web, "--json")
    assert again.returncode == 0 and json.loads(again.stdout)["known"]
    assert release.key.hex() not in again.stdout + updates.kapu("status", "--json").stdout


def patches(release, name: str) -> dict[str, bytes]:
    """A patch and its index, of one frame, plain."""
    frame = subprocess.run(["zstd", "-q", "-c"], input=release.root, capture_output=True, check=True).stdout
    table = b"".join(n.to_bytes(4, "big") for n in (0, 0, len(frame)))
    return {name: frame, f"{name}.index": cbor({0: 1, 1: sha(b"old"), 2: 3, 3: 0, 4: table})}


@pytest.mark.dealt
@pytest.mark.parametrize("bad", ["", ".index"], ids=["patch", "index"])
def test_a_patch_is_published_only_if_it_is_encrypted_too(updates, bad):
    """By the key of this release; of one that is not encrypted nothing is asked."""
    release, name = encrypted(updates), "patch-" + "ab" * 16
    plain = patches(release, name)
    for file, data in plain.items():
        (release.folder / file).write_bytes(encrypt(release.key, file, data))
    for wrong in (plain[name + bad], encrypt(bytes(32), name + bad, plain[name + bad]), b"x"):
        good = (release.folder / (name + bad)).read_bytes()
        (release.folder / (name + bad)).write_bytes(wrong)
        done = updates.kapu("publish", release.folder, "--to", updates.web)
        assert done.returncode == 1 and f"{name + bad}: is not encrypted with the key" in done.stderr, done.stderr
        assert not (updates.web / f"gateway-{release.version}").exists()
        (release.folder / (name + bad)).write_bytes(good)
    published(updates, release)
    for file, data in plain.items():
        assert decrypted(release.key, file, (updates.web / f"gateway-{release.version}" / file).read_bytes()) == data
    other = updates.make()
    for file, data in plain.items():
        (other.folder / file).write_bytes(data)
    published(updates, other)


# ---- what is not published ----

def spoil(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def no_key(folder):
    (folder / "key").unlink()


def other_key(folder):
    (folder / "key").write_bytes(bytes(32))


def short_key(folder):
    (folder / "key").write_bytes((folder / "key").read_bytes()[:31])


def long_key(folder):
    (folder / "key").write_bytes((folder / "key").read_bytes() + b"\n")


def readable_key(folder):
    (folder / "key").chmod(0o644)


def flipped(name, at):
    return lambda folder: spoil(folder / name, at)


def plain_index(folder):
    key, data = (folder / "key").read_bytes(), (folder / "index").read_bytes()
    (folder / "index").write_bytes(decrypted(key, "index", data))


def swapped(folder):
    """Each file under the other's name."""
    (folder / "payload").rename(folder / "x")
    (folder / "index").rename(folder / "payload")
    (folder / "x").rename(folder / "index")


def longer(folder):
    with open(folder / "payload", "ab") as file:
        file.write(b"more")


def only_salt(folder):
    (folder / "payload").write_bytes((folder / "payload").read_bytes()[:16])


@pytest.mark.dealt
@pytest.mark.parametrize("change, why", [
    (no_key, "nothing can be done with it without its key"), (other_key, "is the key of another release"),
    (short_key, "not a key of 32 bytes"), (long_key, "not a key of 32 bytes"), (readable_key, "others than its owner"),
    (flipped("index", 0), "is not the index"), (flipped("index", -1), "is not the index"),
    (flipped("payload", 15), "payload"), (flipped("payload", 16), "payload"), (flipped("payload", -1), "payload"),
    (plain_index, "is not the index"), (swapped, "is not the index"), (longer, "has other bytes than the index says"),
    (only_salt, "is shorter than an encrypted file")],
    ids=["no-key", "other-key", "short-key", "long-key", "readable-key", "index-salt", "index-end", "payload-salt",
         "payload-begin", "payload-end", "plain-index", "swapped", "longer", "only-salt"])
def test_what_its_key_does_not_open_is_not_published_nor_rebuilt(updates, tmp_path, change, why):
    release = encrypted(updates)
    shutil.copytree(release.folder, tmp_path / "bad")
    change(tmp_path / "bad")
    done = updates.kapu("publish", tmp_path / "bad", "--to", updates.web)
    assert (done.returncode, done.stdout) == (1, "") and why in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (updates.web / f"gateway-{release.version}").exists() and not kept_key(updates, release).exists()
    assert updates.kapu("status", release.version).returncode == 1
    if change is not longer:  # rebuild looks at what it needs
        rebuilt = release_command("rebuild", tmp_path / "bad")
        assert rebuilt.returncode == 1 and why in rebuilt.stderr
    assert release_command("rebuild", release.folder).returncode == 0
    assert updates.kapu("publish", release.folder, "--to", updates.web).returncode == 0


def test_show_tells_which_key_it_is_and_not_the_key(updates):
    secret, plain = encrypted(updates), updates.make()
    (said,) = json.loads(release_command("show", "--json", secret.folder / "manifest").stdout)
    assert said["key_check"] == secret.says[13].hex()
    text = release_command("show", secret.folder / "manifest").stdout
    assert "encrypted" in text and secret.key.hex() not in text
    (said,) = json.loads(release_command("show", "--json", plain.folder / "manifest").stdout)
    assert "key_check" not in said and "encrypted" not in release_command("show", plain.folder / "manifest").stdout


# ---- rollouts ----

def test_gateways_that_are_asked_get_the_key_and_no_others(updates):
    release = published(updates, encrypted(updates))
    shutil.rmtree(release.folder)  # the operator has what is needed
    done = updates.rollout(release, "--gateway", "pump")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(keys_heard(updates.gateways["pump"])) == {release.key.hex()}
    assert keys_heard(updates.gateways["tank"]) == []
    assert release.key.hex() not in done.stdout + done.stderr + json.dumps(updates.status(release, "--history"))
    plain = published(updates, updates.make())
    assert updates.rollout(plain).returncode == 0
    assert keys_heard(updates.gateways["pump"]) == [] == keys_heard(updates.gateways["tank"])


def test_a_rollout_that_was_killed_goes_on_with_the_key(updates):
    for gateway in updates.gateways.values():
        gateway.behave("update takes 1000")
    release = published(updates, encrypted(updates))
    driver = updates.start("rollout", release.version, "--all", "--waves", "50,100")
    end = time.monotonic() + 30
    while "fetching" not in updates.state(release).values():
        assert time.monotonic() < end
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.communicate(timeout=PATIENCE)
    done = updates.kapu("resume", release.version)
    assert done.returncode == 0, done.stdout + done.stderr
    assert updates.state(release) == {"pump": "confirmed", "tank": "confirmed"}
    for gateway in updates.gateways.values():
        assert set(keys_heard(gateway)) == {release.key.hex()}


def test_without_the_right_key_no_rollout_begins(updates):
    release = published(updates, encrypted(updates))
    kept = kept_key(updates, release)
    good = kept.read_bytes()
    for bad, why in ((None, "nothing can be done with it without its key"), (bytes(32), "is the key of another release"),
                     (good[:16], "not a key of 32 bytes")):
        kept.unlink()
        if bad is not None:
            kept.touch(0o600)
            kept.write_bytes(bad)
        else:
            assert not kept.exists()
        done = updates.rollout(release, "--gateway", "pump")
        assert done.returncode == 1 and why in done.stderr, done.stderr
        assert updates.status(release) == {"gateways": []} and keys_heard(updates.gateways["pump"]) == []
        kept.touch(0o600)
    kept.write_bytes(good)
    assert updates.rollout(release, "--gateway", "pump").returncode == 0
    assert set(keys_heard(updates.gateways["pump"])) == {release.key.hex()}
