# SPDX-License-Identifier: Apache-2.0
"""What a new gateway's folder holds, and that a failed one leaves nothing. Nothing is started."""

import json
import os
import stat
import subprocess

import pytest

from kapu import instance
from kapu.build import FLASH_SIZE, SLOT_SIZE
from kapu.errors import KapuError
from kapu.instance import Instance, MIB, all_instances, instance_folder
from kapu.paths import host_environment

MAKE_DISK = instance.make_disk
RELEASE = {"firmware.fip": b"firmware", "rom.img": b"rom", "root.img": b"root image",
           "root-key.sha256": b"00" * 32}
SECTOR = 512


def run(*command, **options):
    return subprocess.run([str(w) for w in command], env=host_environment(), capture_output=True,
                          text=True, check=True, **options).stdout


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout without gateways, where both flavours look built; disks are quick, empty ones."""
    monkeypatch.setattr(instance, "make_disk",
                        lambda path, _identity: sparse(path, instance.DISK_MIB * MIB))
    # the factory step has tests of its own, with a real TPM (tests/attacks/test_root_of_trust.py)
    monkeypatch.setattr(instance.tpm, "provision", lambda folder, *_: (folder / "fuses").write_bytes(
        b"record"))
    monkeypatch.setattr(instance, "BUILD", tmp_path)
    monkeypatch.setattr(instance, "INSTANCES", tmp_path / "gateways")
    for flavour in ("gateway", "lab"):
        (tmp_path / flavour).mkdir()
        for name, content in RELEASE.items():
            (tmp_path / flavour / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def real_disks(checkout, monkeypatch):
    monkeypatch.setattr(instance, "make_disk", MAKE_DISK)


@pytest.fixture
def made(checkout):
    return Instance.create(instance_folder("first"))


def read_at(path, offset, size):
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)


def sparse(path, size):
    instance.sparse_file(path, size)
    return path


def left_behind(checkout):
    folder = checkout / "gateways"
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


# ---- what is in it

def test_rom_and_slots_hold_the_release_and_nothing_else(made):
    rom, slots = made.folder / "rom.img", made.folder / "slots.img"
    assert rom.stat().st_size == slots.stat().st_size == FLASH_SIZE
    assert read_at(rom, 0, 16) == b"rom" + bytes(13)
    assert read_at(rom, 128 * 1024, 8) == b"record\0\0"
    for offset in (0, SLOT_SIZE):
        assert read_at(slots, offset, 16) == b"firmware" + bytes(8)


def test_the_rom_is_a_file_that_nobody_may_write_and_only_its_owner_read(made):
    assert stat.S_IMODE((made.folder / "rom.img").stat().st_mode) == 0o400


def test_the_disk_has_three_named_partitions_of_the_right_size(real_disks, made):
    table = json.loads(run("sfdisk", "--json", made.folder / "disk.img"))["partitiontable"]
    found = [(p["name"], p["start"] * SECTOR // MIB, p["size"] * SECTOR // MIB)
             for p in table["partitions"]]
    assert table["label"] == "gpt" and table["sectorsize"] == SECTOR
    assert found == [("kapu-root-a", 1, 128), ("kapu-root-b", 129, 128), ("kapu-data", 257, 256)]
    assert [p["start"] * SECTOR for p in table["partitions"][:2]] == [
        made.root_offset("a"), made.root_offset("b")]
    run("sfdisk", "--verify", made.folder / "disk.img")


def test_both_root_partitions_hold_the_root_image(real_disks, made):
    for slot in "ab":
        assert read_at(made.folder / "disk.img", made.root_offset(slot), 16) == (
            b"root image" + bytes(6))


def test_the_data_partition_holds_a_sound_ext4_that_fills_it(real_disks, made, tmp_path):
    part = tmp_path / "data.img"
    run("dd", f"if={made.folder / 'disk.img'}", f"of={part}", "bs=1M", "skip=257", "count=256",
        "conv=sparse", "status=none")
    facts = dict(line.split(":", 1) for line in run("dumpe2fs", "-h", part).splitlines()
                 if ":" in line)
    facts = {name: value.strip() for name, value in facts.items()}
    assert facts["Filesystem volume name"] == "kapu-data" and "extent" in facts[
        "Filesystem features"]
    assert int(facts["Block count"]) * int(facts["Block size"]) == 256 * MIB
    run("e2fsck", "-fn", part)


def test_every_gateway_has_an_identity_of_its_own(real_disks, checkout):
    facts = [Instance.create(instance_folder(name)).facts for name in ("one", "two")]
    assert facts[0]["id"] != facts[1]["id"] and facts[0]["mac"] != facts[1]["mac"]
    disks = [json.loads(run("sfdisk", "--json", checkout / "gateways" / name / "disk.img"))
             for name in ("one", "two")]
    ids = {p["uuid"] for disk in disks for p in disk["partitiontable"]["partitions"]}
    assert len(ids) == 6


def test_only_the_lab_flavour_shares_a_directory_with_the_host_and_takes_commands(checkout):
    for flavour in ("gateway", "lab"):
        gateway = Instance.create(instance_folder(flavour), flavour)
        words = gateway.machine.arguments(reboot=True)
        for device in ("virtio-9p", "virtserialport"):
            assert any(device in word for word in words) == (flavour == "lab")
        assert (gateway.folder / "share").exists() == (flavour == "lab")


def test_what_create_was_told_is_what_a_later_command_runs(checkout):
    Instance.create(instance_folder("first"), cores=4, cpu="max")
    words = Instance(instance_folder("first")).machine.arguments(reboot=True)
    assert words[words.index("-smp") + 1] == "4" and words[words.index("-cpu") + 1] == "max"


# ---- writing slots

@pytest.mark.parametrize("slot, other", ["ab", "ba"])
def test_an_image_that_fills_its_place_spares_the_other_slot(real_disks, made, tmp_path, slot,
                                                            other):
    full = {"firmware": SLOT_SIZE, "root": 128 * MIB}
    made.write_firmware(slot, sparse(tmp_path / "fip", full["firmware"]))
    made.write_root(slot, sparse(tmp_path / "root", full["root"]))
    base = "ab".index(other) * SLOT_SIZE
    assert read_at(made.folder / "slots.img", base, 8) == b"firmware"
    assert read_at(made.folder / "disk.img", made.root_offset(other), 10) == b"root image"
    assert (made.folder / "slots.img").stat().st_size == FLASH_SIZE
    run("sfdisk", "--verify", made.folder / "disk.img")


@pytest.mark.parametrize("slot", "ab")
@pytest.mark.parametrize("what, limit", [("firmware", SLOT_SIZE), ("root", 128 * MIB)])
def test_an_image_too_large_for_its_place_is_refused_and_not_written(made, tmp_path, slot, what,
                                                                   limit):
    path = made.folder / ("slots.img" if what == "firmware" else "disk.img")
    before = path.stat().st_mtime_ns
    with pytest.raises(KapuError, match=f"has {limit + 1} bytes, its place in {path} only {limit}"):
        getattr(made, f"write_{what}")(slot, sparse(tmp_path / "large", limit + 1))
    assert path.stat().st_mtime_ns == before


def test_a_new_release_replaces_rom_and_slots_and_keeps_identity_and_data(real_disks, made,
                                                                         checkout):
    data = read_at(made.folder / "disk.img", 257 * MIB, MIB)
    for name in RELEASE:
        (checkout / "gateway" / name).write_bytes(b"new " + RELEASE[name])
    made.write_release()
    assert read_at(made.folder / "rom.img", 0, 8) == b"new rom\0"
    for slot, base in (("a", 0), ("b", SLOT_SIZE)):
        assert read_at(made.folder / "slots.img", base, 13) == b"new firmware\0"
        assert read_at(made.folder / "disk.img", made.root_offset(slot), 14) == b"new root image"
    assert read_at(made.folder / "disk.img", 257 * MIB, MIB) == data
    assert Instance(made.folder).facts == made.facts


def test_a_new_release_that_is_not_built_leaves_the_old_one(made, checkout):
    (checkout / "gateway" / "firmware.fip").unlink()
    with pytest.raises(KapuError, match="gateway is not built; run: tools/build gateway"):
        made.write_release()
    assert read_at(made.folder / "rom.img", 0, 3) == b"rom"
    assert read_at(made.folder / "slots.img", 0, 8) == b"firmware"


# ---- what is refused, and what is left then

@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/tmp/x", "a/b", "-a", "A", "a b", "a\n",
                                  ".hidden", "ő", "x" * 33])
def test_a_name_that_is_no_plain_word_is_refused(name):
    with pytest.raises(KapuError, match="is no name for a gateway: use a-z, 0-9 and '-'"):
        instance_folder(name)


@pytest.mark.parametrize("name", ["a", "0", "gate-way-2", "x" * 32])
def test_a_plain_name_is_a_folder_below_gateways(name):
    assert instance_folder(name) == instance.INSTANCES / name


def test_a_second_gateway_of_the_same_name_is_refused_and_the_first_kept(made):
    with pytest.raises(KapuError, match=f"{made.folder} exists already"):
        Instance.create(made.folder)
    assert Instance(made.folder).facts == made.facts


@pytest.mark.parametrize("flavour", ["gateway", "lab"])
def test_without_a_build_create_says_what_to_run(checkout, flavour):
    (checkout / flavour / "firmware.fip").unlink()
    with pytest.raises(KapuError, match=f"{flavour} is not built; run: tools/build {flavour}"):
        Instance.create(instance_folder("first"), flavour)
    assert left_behind(checkout) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, KapuError("no"), OSError("disk full")])
@pytest.mark.parametrize("at", ["make_disk", "write_at"])
def test_an_interrupted_create_leaves_no_folder(checkout, monkeypatch, at, error):
    def interrupted(*_arguments):
        raise error

    monkeypatch.setattr(instance, at, interrupted)
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        Instance.create(instance_folder("first"))
    assert left_behind(checkout) == []


def test_a_create_that_was_killed_leaves_no_gateway_and_does_not_stop_the_next(checkout,
                                                                             monkeypatch):
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(Instance, "write_root", lambda *_arguments: os._exit(9))
        Instance.create(instance_folder("first"))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert left_behind(checkout) and all_instances() == []
    Instance.create(instance_folder("first"))
    assert [i.folder.name for i in all_instances()] == ["first"]


def test_an_image_that_does_not_fit_stops_create(checkout):
    sparse(checkout / "gateway" / "root.img", 128 * MIB + 1)
    with pytest.raises(KapuError, match="its place in .* only"):
        Instance.create(instance_folder("first"))
    assert left_behind(checkout) == []


def test_a_folder_without_a_gateway_says_how_to_make_one(checkout):
    with pytest.raises(KapuError, match="no gateway in .*/nobody; make one with: tools/gateway"):
        Instance(instance_folder("nobody"))
