# SPDX-License-Identifier: Apache-2.0
"""Calls that Linux may make of the firmware (SMC Calling Convention, Arm DEN 0028): all of PSCI (DEN 0022)
with arguments that could park a core, and functions of every range that Linux has no business in.
"""

from typing import Iterator

FAST, SMC64, YIELDING = 1 << 31, 1 << 30, 0
PSCI = 0x04000000
PSCI_LAST = 0x1f
CPU_OFF, CPU_SUSPEND, SYSTEM_SUSPEND, SYSTEM_OFF, SYSTEM_RESET = 0x02, 0x01, 0x0e, 0x08, 0x09
SYSTEM_RESET2, SYSTEM_OFF2, CPU_ON = 0x12, 0x15, 0x03
ENDS = {SYSTEM_OFF, SYSTEM_RESET, SYSTEM_RESET2, SYSTEM_OFF2}  # may end this run of the gateway
DENIED, INVALID, NOT_SUPPORTED = -3, -2, -1

# Owning entities (DEN 0028, table 6-2): Arm architecture, CPU, SiP, OEM, standard secure services,
# hypervisor, vendor hypervisor, trusted applications, trusted OS.
OWNERS = [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x30, 0x31, 0x32, 0x3e, 0x3f]
FUNCTIONS = [0x0, 0x1, 0x2, 0x3, 0x8, 0xa, 0xf, 0x20, 0x50, 0x51, 0x52, 0x53, 0x60, 0x6b, 0x84, 0xc0, 0xff,
             0x4000, 0x7fff, 0x8000, 0xff00, 0xff01, 0xff03, 0xffff]
SECURE_RAM, NORMAL_RAM = 0x0e100000, 0x7f000000


def power_states() -> Iterator[int]:
    """Of CPU_SUSPEND: states, standby and power-down, all power levels, and bits that must be 0."""
    for state in (0, 1, 2, 0x22, 0xffff):
        for kind in (0, 1):
            for level in range(4):
                yield state | kind << 16 | level << 24
    yield from (0x80000000, 0xffffffff, 0x00020000, 1 << 30)


def psci() -> Iterator[tuple[int, int, int, int]]:
    """Function, x1, x2, x3; none that ends the run."""
    for width in (0, SMC64):
        for number in range(PSCI_LAST + 1):
            function = FAST | width | PSCI | number
            if number in ENDS:
                continue
            if number == CPU_SUSPEND:
                for state in power_states():
                    yield function, state, 0x40200000, 0
                continue
            yield function, 0, 0, 0
            yield function, 0x80000001, NORMAL_RAM, 1
            yield function, 0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff
            yield function, 1, SECURE_RAM, 0
    for number in (SYSTEM_RESET2, SYSTEM_OFF2):  # types that there are none of
        for width in (0, SMC64):
            yield FAST | width | PSCI | number, 0x7fffffff, 0, 0
            yield FAST | width | PSCI | number, 0x80000000, 0, 0


def ranges() -> Iterator[tuple[int, int, int, int]]:
    for owner in OWNERS:
        for width in (0, SMC64):
            for number in FUNCTIONS:
                if owner == 4 and number <= PSCI_LAST:
                    continue  # PSCI's own
                yield FAST | width | owner << 24 | number, 0, 0, 0
    for number in (0x0, 0x1, 0x3, 0x4, 0x5, 0x7, 0xffff):  # OP-TEE's yielding calls, bad memory
        for x1, x2 in ((0, 0), (0, SECURE_RAM), (0, NORMAL_RAM + 1), (0xffffffff, 0xffffffff)):
            yield 0x32000000 | number, x1, x2, 7


def lines(calls, core: int) -> list[str]:
    return [f"{core:x} " + " ".join(f"{word:x}" for word in call) for call in calls]
