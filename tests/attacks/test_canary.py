# SPDX-License-Identifier: Apache-2.0
"""Stack canaries of the boot stages: new in each boot, another in each stage, known to nobody.

The board is stopped at the beginning of each stage's main function and looked into from outside.
"""

import hashlib

import pytest

from attacks.test_table_mutations import Debugged
from kapu.windows import Stage

STAGES = {"bl1": 1, "bl2": 2, "bl31": 31}  # enum canary_stage
LABEL = b"kapu stack canary\0"
HARDWARE_TREE = 0x40000000
HANDOVER_CANARY = 0x0e000f30
WITHOUT_SEED = 3288484550995823360  # TF-A's constant for QEMU, which it combines with the counter
COUNTER_MAX = 1 << 40               # hours of a counter with 62.5 MHz


def secure_seed(tree: bytes) -> bytes:
    """`rng-seed` of /secure-chosen in QEMU's device tree."""
    at = tree.index(b"secure-chosen\0")
    strings = int.from_bytes(tree[12:16], "big")
    name = tree.index(b"rng-seed\0", strings) - strings
    header = b"\0\0\0\3" + (32).to_bytes(4, "big") + name.to_bytes(4, "big")
    begin = tree.index(header, at) + len(header)
    return tree[begin:begin + 32]


def boot(folder, firmware, factory) -> tuple[dict[str, int], bytes, bytes]:
    """Canary of each stage, the machine's seed, and what is left of BL31's in the handover page."""
    board = Debugged(folder, firmware.rom, firmware.package, factory, slots="a")
    canaries, seed = {}, b""
    try:
        board.start()
        for name in STAGES:
            symbols = Stage(name, firmware.release.tfa.out / f"{name}.elf").symbols
            board.gdb.run_to(symbols[f"{name}_main"]["st_value"])
            at = symbols["__stack_chk_guard"]["st_value"]
            canaries[name] = int.from_bytes(board.gdb.read(at, 8), "little")
            seed = seed or secure_seed(board.gdb.read(HARDWARE_TREE, 0x4000))
        left = board.gdb.read(HANDOVER_CANARY, 8)
    finally:
        board.destroy()
    return canaries, seed, left


@pytest.fixture(scope="module")
def boots(firmware, factory, tmp_path_factory):
    folder = tmp_path_factory.mktemp("canaries")
    return [boot(folder / f"board{i}", firmware, factory) for i in range(2)]


def test_canaries_of_two_boots_and_of_all_stages_differ(boots):
    values = [value for canaries, _, _ in boots for value in canaries.values()]
    assert len(values) == 2 * len(STAGES) and len(set(values)) == len(values) and 0 not in values


def test_no_canary_is_a_constant_and_the_counter(boots):
    for canaries, _, _ in boots:
        for value in canaries.values():
            assert value ^ WITHOUT_SEED >= COUNTER_MAX
            assert value >= COUNTER_MAX and ~value & 0xffffffffffffffff >= COUNTER_MAX


def test_each_canary_is_derived_from_the_machines_seed(boots):
    assert boots[0][1] != boots[1][1]
    for canaries, seed, _ in boots:
        for name, number in STAGES.items():
            digest = hashlib.sha256(seed + LABEL + bytes([number])).digest()
            assert canaries[name] == int.from_bytes(digest[:8], "little")


def test_bl31s_canary_does_not_stay_in_the_handover_page(boots):
    assert [left for _, _, left in boots] == [bytes(8)] * 2


@pytest.mark.parametrize("stage", STAGES)
def test_functions_of_each_stage_check_their_canary(firmware, stage):
    """Stack protection is on: a stage without it would have no use for a canary."""
    elf = Stage(stage, firmware.release.tfa.out / f"{stage}.elf")
    assert "__stack_chk_fail" in elf.symbols and "__stack_chk_guard" in elf.symbols
