# SPDX-License-Identifier: Apache-2.0
"""Attacks on the firmware chain: whatever an attacker writes to the slots, only signed code runs.

Each attack is made on both slots, when the board must halt and name the image and the reason, and
on slot A only, when slot B must boot. tests/attacks/test_bite.py shows that these tests fail when
verification is taken out of the firmware.
"""

import itertools
import struct

import pytest

from board import BASE
from kapu import build, certs, fip, windows
from kapu.build import security_counter
from kapu.errors import KapuError
from kapu.instance import SLOT_SIZE
from kapu.keys import ROLES, KeySet, key_set, make_key
from kapu.paths import ROOT
from kapu.steps import Progress
from shares import share

# Image or certificate -> what the console calls it.
CERTIFICATES = {
    "tb-fw-cert": "BL2 certificate",
    "trusted-key-cert": "trusted key certificate",
    "soc-fw-key-cert": "BL31 key certificate",
    "soc-fw-cert": "BL31 content certificate",
    "tos-fw-key-cert": "OP-TEE key certificate",
    "tos-fw-cert": "OP-TEE content certificate",
    "nt-fw-key-cert": "Linux key certificate",
    "nt-fw-cert": "Linux content certificate",
}
IMAGES = {
    "bl2": "BL2",
    "bl31": "BL31",
    "optee": "BL32 (OP-TEE)",
    "linux": "BL33 (Linux)",
    "device-tree": "device tree with command line",
}
WRONG_SIGNATURE = "signature, key or counter is not accepted"
WRONG_HASH = "its hash is not the signed one"
OTHER_RELEASE = "it is of another release than BL2"
BEHIND = 16 << 20  # of a slot: free, and room for all of another package
MISSING = "missing from the firmware package"
MALFORMED = "the slot holds no well-formed firmware package"


def reason(name: str) -> str:
    return WRONG_SIGNATURE if name in CERTIFICATES else WRONG_HASH


def assert_halts(board, name: str, why: str) -> None:
    """The board refuses both slots, names the image, and gives control to nothing."""
    console = board.run()
    what = (CERTIFICATES | IMAGES)[name]
    assert f"kapu: slot A refused: {what}: {why}" in console
    assert f"kapu: HALT: no slot left to boot (slot B: {what}: {why})" in console
    assert "all images verified" not in console and "Booting BL31" not in console


def assert_slot_b_boots(board, name: str, why: str) -> None:
    console = board.run()
    what = (CERTIFICATES | IMAGES)[name]
    assert f"kapu: slot A refused: {what}: {why}" in console
    assert "kapu: slot B: all images verified" in console
    assert "slot A: all images verified" not in console


def test_an_untouched_board_boots_slot_a(board):
    console = board.run()
    assert "kapu: slot A: all images verified" in console
    for what in IMAGES.values():
        assert f"kapu: slot A: {what} verified" in console


@pytest.mark.parametrize("name, where", share([(name, where) for name in CERTIFICATES | IMAGES
                                               for where in ("first", "middle", "last")], lambda c: c[0]))
def test_a_flipped_bit_in_both_slots_halts(board, name, where):
    for slot in "ab":
        place = board.place(slot, name)
        at = {"first": 0, "middle": place.size // 2, "last": place.size - 1}[where]
        board.flip(place.offset + at, 0x40)
    assert_halts(board, name, reason(name))


@pytest.mark.parametrize("name", share(list(CERTIFICATES | IMAGES)))
def test_a_flipped_bit_in_slot_a_boots_slot_b(board, name):
    place = board.place("a", name)
    board.flip(place.offset + place.size // 3)
    assert_slot_b_boots(board, name, reason(name))


def set_entry(board, slot: str, name: str, *, offset: int | None = None, size: int | None = None):
    """Change what the table of contents says of an image; offset is relative to the slot."""
    place = board.place(slot, name)
    board.write(place.entry + 16, struct.pack("<QQ",
                place.offset - BASE[slot] if offset is None else offset,
                place.size if size is None else size))


def place_elsewhere(board, slot: str, name: str, content: bytes) -> None:
    """Put an image of any size into the free space behind the package, and point its entry there."""
    board.write(BASE[slot] + BEHIND, content)
    set_entry(board, slot, name, offset=BEHIND, size=len(content))


@pytest.mark.parametrize("name", share(list(CERTIFICATES | IMAGES)))
def test_a_truncated_image_halts(board, name):
    for slot in "ab":
        set_entry(board, slot, name, size=board.place(slot, name).size // 2)
    assert_halts(board, name, reason(name))


@pytest.mark.parametrize("name", share(list(CERTIFICATES | IMAGES)))
def test_a_missing_image_halts(board, name):
    for slot in "ab":
        board.flip(board.place(slot, name).entry, 0xff)  # its UUID becomes another
    assert_halts(board, name, MISSING)


@pytest.mark.parametrize("one, other", [
    ("bl2", "bl31"), ("bl31", "bl2"), ("optee", "bl31"), ("linux", "optee"),
    ("device-tree", "bl31"), ("tb-fw-cert", "trusted-key-cert"),
    ("trusted-key-cert", "tb-fw-cert"), ("soc-fw-key-cert", "tos-fw-key-cert"),
    ("soc-fw-cert", "tos-fw-cert"), ("tos-fw-key-cert", "nt-fw-key-cert"),
    ("tos-fw-cert", "nt-fw-cert"), ("nt-fw-key-cert", "soc-fw-key-cert"),
    ("nt-fw-cert", "soc-fw-cert"),
])
def test_a_signed_image_in_the_place_of_another_halts(board, one, other):
    for slot in "ab":
        place = board.place(slot, other)
        set_entry(board, slot, one, offset=place.offset - BASE[slot], size=place.size)
    assert_halts(board, one, reason(one))


# Which image's place in memory a certificate goes through before it is verified.
THROUGH = {"tb-fw-cert": "bl2", "trusted-key-cert": "bl31", "soc-fw-key-cert": "bl31", "soc-fw-cert": "bl31",
           "tos-fw-key-cert": "optee", "tos-fw-cert": "optee", "nt-fw-key-cert": "device-tree",
           "nt-fw-cert": "device-tree"} | {name: name for name in IMAGES}
BOUNDED = [name for name, image in THROUGH.items() if image != "linux"]
TOO_LARGE = "larger than its place in memory"
SIGNATURES_VARY = 32  # bytes in all between two signings of a package: DER leaves out leading zeros
# BL31's place once was larger, over data of BL1 that is in use.
FORMER_BL31 = (0x5e001, 0x70000, 0x70001)


@pytest.fixture(scope="session")
def places(firmware):
    return windows.load_windows(firmware.release.tfa.out)


@pytest.mark.parametrize("name, where", share([
    *((name, where) for name in BOUNDED for where in ("exactly", "just above")),
    *((name, where) for name in BOUNDED if name in IMAGES for where in ("just below", "far above"))], lambda c: c[1]))
def test_an_image_larger_than_its_place_in_memory_halts(board, places, name, where):
    """What fits is read, and refused for what it is; what does not fit is not even read."""
    limit = places[THROUGH[name]].size
    size = limit + {"just below": -1, "exactly": 0, "just above": 1, "far above": limit // 2}[where]
    for slot in "ab":
        set_entry(board, slot, name, offset=4096, size=size)
    assert_halts(board, name, TOO_LARGE if size > limit else reason(name))


@pytest.mark.dealt
@pytest.mark.parametrize("size", FORMER_BL31)
def test_bl31_may_not_reach_into_the_data_of_the_rom(board, places, size):
    assert places["bl31"].size == 0x5e000
    for slot in "ab":
        set_entry(board, slot, "bl31", offset=4096, size=size)
    assert_halts(board, "bl31", TOO_LARGE)


@pytest.mark.parametrize("name", share(list(IMAGES)))
def test_a_size_beyond_the_slot_or_beyond_32_or_64_bits_halts(board, name):
    """Linux's place is larger than a slot, so that the slot is its limit."""
    offset = board.place("a", name).offset
    board.flip(BASE["b"], 0xff)  # the other slot is no way out
    for size in (SLOT_SIZE - offset + 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 4096, (1 << 63) + 4096,
                 (1 << 64) - 1, (1 << 64) - offset, (1 << 64) - offset + 64):
        set_entry(board, "a", name, offset=offset, size=size)
        console = board.run()
        assert f"kapu: slot A refused: BL2 certificate: {MALFORMED}" in console, f"{size:#x}"
        assert "kapu: HALT" in console and "Booting BL2" not in console, f"{size:#x}"


def test_linux_up_to_the_end_of_the_slot_is_read_and_refused_for_its_hash(board, places):
    assert places["linux"].size >= SLOT_SIZE
    for slot in "ab":
        set_entry(board, slot, "linux", offset=4096, size=SLOT_SIZE - 4096)
    assert_halts(board, "linux", WRONG_HASH)


def padded(firmware, folder, name: str, size: int):
    """An image of exactly this size that works as the build's does."""
    content = firmware.images[name].read_bytes()
    assert len(content) < size
    path = folder / f"{name}-{size:x}"
    path.write_bytes(content.ljust(size, b"\0" if name == "device-tree" else b"\xa5"))
    return path


@pytest.mark.dealt
@pytest.mark.parametrize("name", ["bl2", "bl31", "optee", "device-tree"])
def test_a_signed_image_that_fills_its_place_boots(board, firmware, places, tmp_path, name):
    image = padded(firmware, tmp_path, name, places[name].size)
    package = firmware.make(tmp_path / "large", images={name: image})
    for slot in "ab":
        board.write_package(slot, package)
    assert "kapu: slot A: all images verified" in board.run()
    assert "Primary CPU switching to normal world boot" in board.run_secure()


def test_a_signed_linux_that_fills_the_slot_boots(board, firmware, tmp_path):
    others = firmware.package.stat().st_size - firmware.images["linux"].stat().st_size
    image = padded(firmware, tmp_path, "linux", SLOT_SIZE - others - SIGNATURES_VARY)
    package = firmware.make(tmp_path / "large", images={"linux": image})
    assert package.stat().st_size > SLOT_SIZE - 2 * SIGNATURES_VARY
    board.write_package("a", package)
    assert "kapu: slot A: all images verified" in board.run()
    with pytest.raises(KapuError, match="a slot has"):
        image = padded(firmware, tmp_path, "linux", SLOT_SIZE - others + SIGNATURES_VARY)
        firmware.make(tmp_path / "larger", images={"linux": image})


@pytest.mark.dealt
@pytest.mark.parametrize("name, more", [("bl2", 1), ("bl31", 1), ("optee", 1), ("device-tree", 1),
                                        *(("bl31", size - 0x5e000) for size in FORMER_BL31[1:])])
def test_a_signed_image_larger_than_its_place_gives_way_to_the_other_slot(board, firmware, places,
                                                                          tmp_path, name, more):
    image = padded(firmware, tmp_path, name, places[name].size + more)
    board.write_package("a", firmware.make(tmp_path / "large", images={name: image}))
    assert_slot_b_boots(board, name, TOO_LARGE)


@pytest.fixture(scope="session")
def stranger(tmp_path_factory) -> KeySet:
    """A complete key set that is not ours."""
    folder = tmp_path_factory.mktemp("stranger")
    for role in ROLES:
        make_key(folder / f"{role}.pem")
    return KeySet(folder)


def test_a_package_signed_by_another_root_key_halts(board, firmware, stranger, tmp_path):
    package = firmware.make(tmp_path / "other", keys=stranger)
    for slot in "ab":
        board.write_package(slot, package)
    assert_halts(board, "tb-fw-cert", WRONG_SIGNATURE)


@pytest.mark.parametrize("row", share(list(certs.CHAIN)), ids=lambda row: row.fiptool_option)
def test_one_certificate_signed_by_a_strange_key_halts(board, firmware, stranger, tmp_path, row):
    """The same statements, validly signed, but by a key that nothing above vouches for."""
    class Mixed(KeySet):
        def __getitem__(self, role):
            return stranger[role] if role == row.signer else super().__getitem__(role)

    ours = firmware.make(tmp_path / "ours")
    signer = certs.Signer(firmware.release.native.out / "kapu-sign",
                          Mixed(key_set().folder))
    forged = certs.make_certificate(row, firmware.images, security_counter(), signer)
    for slot in "ab":
        board.write_package(slot, ours)
        place_elsewhere(board, slot, row.fiptool_option, forged)
    assert_halts(board, row.fiptool_option, WRONG_SIGNATURE)


@pytest.fixture(scope="module")
def changed(firmware, tmp_path_factory):
    """Each image with one more page at its end: what a release a day later may have."""
    folder = tmp_path_factory.mktemp("changed")
    for name, image in firmware.images.items():
        (folder / name).write_bytes(image.read_bytes() + b"one more page".ljust(4096))
    return {name: folder / name for name in firmware.images}


def test_another_kernel_with_the_old_certificate_halts(board, changed):
    for slot in "ab":
        place_elsewhere(board, slot, "linux", changed["linux"].read_bytes())
    assert_halts(board, "linux", WRONG_HASH)


# What one signer vouches for: taken from another release, it verifies by itself.
PARTS = {
    "BL2": ("tb-fw-cert", "bl2"),
    "keys": ("trusted-key-cert",),
    "BL31": ("soc-fw-key-cert", "soc-fw-cert", "bl31"),
    "OP-TEE": ("tos-fw-key-cert", "tos-fw-cert", "optee"),
    "Linux": ("nt-fw-key-cert", "nt-fw-cert", "linux", "device-tree"),
}
LOADED = ("trusted-key-cert", "soc-fw-key-cert", "soc-fw-cert", "tos-fw-key-cert", "tos-fw-cert", "nt-fw-key-cert",
          "nt-fw-cert")  # by BL2, in this order


@pytest.fixture(scope="module")
def two_releases(firmware, changed, tmp_path_factory):
    """With one security counter, signed by the same keys. All of their images differ."""
    folder = tmp_path_factory.mktemp("releases")
    return firmware.make(folder / "older"), firmware.make(folder / "newer", images=changed)


def mix(board, slot: str, package, newer, names) -> None:
    """The package in a slot, with some of its parts from the newer one."""
    board.write_package(slot, package)
    behind = BEHIND
    for name in names:
        place = fip.image_place(newer, 0, name)
        with open(newer, "rb") as file:
            file.seek(place.offset)
            content = file.read(place.size)
        board.write(BASE[slot] + behind, content)
        set_entry(board, slot, name, offset=behind, size=len(content))
        behind += len(content) + 4095 & -4096


@pytest.mark.dealt
@pytest.mark.parametrize("what", ["older", "newer", "newer, put together"])
def test_each_of_two_releases_boots(board, two_releases, what):
    """What the mixtures below are made of is good, and so is the way in which they are put together."""
    older, newer = two_releases
    if what == "newer, put together":
        mix(board, "a", older, newer, CERTIFICATES | IMAGES)
    else:
        board.write_package("a", newer if what == "newer" else older)
    assert "kapu: slot A: all images verified" in board.run()


@pytest.mark.parametrize("parts", share([parts for n in range(1, len(PARTS))
                                         for parts in itertools.combinations(PARTS, n)]),
                         ids=lambda parts: "+".join(parts))
def test_parts_of_two_releases_never_boot_together(board, two_releases, parts):
    older, newer = two_releases
    taken = {name for part in parts for name in PARTS[part]}
    for slot in "ab":
        mix(board, slot, older, newer, taken)
    first = next(name for name in LOADED if (name in taken) != ("bl2" in taken))
    assert_halts(board, first, OTHER_RELEASE)


@pytest.mark.parametrize("name", share(list(CERTIFICATES)))
def test_no_certificate_of_another_release_is_taken(board, two_releases, name):
    older, newer = two_releases
    for slot in "ab":
        mix(board, slot, older, newer, [name])
    assert_halts(board, *(("bl2", WRONG_HASH) if name == "tb-fw-cert" else (name, OTHER_RELEASE)))


def test_a_certificate_that_names_no_release_halts(board, firmware, tmp_path, monkeypatch):
    """As releases were before they had an identity."""
    monkeypatch.setattr(certs, "release_statement", lambda images, counter: [])
    package = firmware.make(tmp_path / "package")
    for slot in "ab":
        board.write_package(slot, package)
    assert_halts(board, "tb-fw-cert", "it does not say of which release it is")


def test_a_changed_command_line_halts(board):
    """An attacker turns off verification of the root file system in the signed device tree."""
    for slot in "ab":
        place = board.place(slot, "device-tree")
        tree = board.read(place.offset, place.size)
        at = tree.index(b"root=/dev/dm-0")
        board.write(place.offset + at, b"root=/dev/vda1")
    assert_halts(board, "device-tree", WRONG_HASH)


@pytest.mark.dealt
@pytest.mark.parametrize("attack", ["erased", "zeros", "magic", "serial", "no end", "twice",
                                    "outside", "overflow", "into the table"])
def test_a_broken_table_of_contents_halts(board, attack):
    for slot in "ab":
        base = BASE[slot]
        bl2, linux = board.place(slot, "bl2"), board.place(slot, "linux")
        if attack == "erased":
            board.write(base, b"\xff" * 4096)
        elif attack == "zeros":
            board.write(base, bytes(4096))
        elif attack == "magic":
            board.flip(base)
        elif attack == "serial":
            board.write(base + 4, bytes(4))
        elif attack == "no end":
            board.write(base + 16, board.read(bl2.entry, 40) * 100)
        elif attack == "twice":
            board.write(linux.entry, board.read(bl2.entry, 16))
        elif attack == "outside":
            set_entry(board, slot, "linux", offset=(32 << 20) - 16, size=17)
        elif attack == "overflow":
            set_entry(board, slot, "linux", offset=(1 << 64) - 4096, size=8192)
        elif attack == "into the table":
            set_entry(board, slot, "linux", offset=0)
    console = board.run()
    assert f"kapu: HALT: no slot left to boot (slot B: BL2 certificate: {MALFORMED})" in console
    assert "Booting BL2" not in console


def test_a_repaired_slot_is_tried_again_after_a_halt(board, firmware):
    """Failure marks must not outlive the repair: a halted board boots after flashing and reset."""
    for slot in "ab":
        board.flip(BASE[slot])
    assert "kapu: HALT" in board.run()
    for slot in "ab":
        board.flip(BASE[slot])
    assert "kapu: slot A: all images verified" in board.run()


def test_a_machine_without_random_seeds_halts(board):
    """Neither Linux nor OP-TEE starts from numbers that an attacker could know."""
    arguments = board.machine.arguments
    board.machine.arguments = lambda **options: [
        "virt,secure=on,gic-version=3,dtb-randomness=off" if word.startswith("virt,") else word
        for word in arguments(**options)]
    assert "kapu: HALT: random numbers: the machine gives no seed" in board.run()


@pytest.fixture(scope="module")
def crashing(firmware, tmp_path_factory):
    """A validly signed package whose BL2 reads where nothing is."""
    step = build.tfa_step("tf-a-crashing", firmware.release.native,
                          ROOT / "tests" / "attacks" / "crash-in-bl2.patch")
    step.build(Progress())
    return firmware.make(tmp_path_factory.mktemp("crashing"),
                         images={"bl2": step.out / "bl2.bin"})


@pytest.mark.share(5)
def test_a_slot_that_crashes_gives_way_to_the_other(board, crashing):
    board.write_package("a", crashing)
    console = board.run()
    assert "kapu: slot A: the firmware crashed" in console
    assert "kapu: slot B: all images verified" in console


def test_two_slots_that_crash_are_tried_in_turn_until_one_starts(board, crashing, firmware):
    for slot in "ab":
        board.write_package(slot, crashing)
    console = board.run_until("kapu: slots A and B: neither came up; trying both again")
    assert console.count("the firmware crashed") == 6  # BOOTSTATE_STARTS for each
    assert "HALT" not in console
    board.write_package("b", firmware.package)
    assert "slot B: all images verified" in board.run()
