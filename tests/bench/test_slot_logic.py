# SPDX-License-Identifier: Apache-2.0
"""What the choice of the slot costs a boot. Firmware reads boot state and counter of the TPM, each in a session of its own:
from TPM2_NV_ReadPublic of the index to the TPM2_FlushContext that ends the session. The time between two answers of the
TPM is what firmware needed for the second, so that its own computing counts too.
"""

import struct
import time

import tpm_bus
from kapu.report import update_report

FLUSH_CONTEXT = 0x165
BOOT_STATE, COUNTER = 0x01406b05, 0x01406b01  # FUSEBOX_NV_BOOT, FUSEBOX_NV_COUNTER
PERCENT_MAX = 10


def index_of(command: bytes) -> int:
    return struct.unpack(">I", command[10:14])[0] if len(command) >= 14 else 0


def test_the_choice_of_the_slot_is_a_small_part_of_the_boot(board):
    bus, answers = tpm_bus.TpmBus(board.machine), []

    def note(code, command, answer):
        answers.append((time.monotonic(), code, command))
        return answer
    bus.on_answer = note
    try:
        assert "kapu: slot A: all images verified" in board.run()
    finally:
        bus.close()
    commands, seconds, index = {BOOT_STATE: 0, COUNTER: 0}, 0.0, None
    for (before, *_), (after, code, command) in zip(answers, answers[1:]):
        if code == tpm_bus.NV_READ_PUBLIC and index_of(command) in commands:
            index = index_of(command)
        if index is not None:
            commands[index] += 1
            seconds += after - before
            index = None if code == FLUSH_CONTEXT else index
    boot = answers[-1][0] - next(at for at, code, _ in answers if code == tpm_bus.STARTUP)
    assert index is None and all(commands.values()), commands
    percent = 100 * seconds / boot
    update_report("update", slot_tpm_commands=sum(commands.values()), boot_tpm_commands=len(answers),
                  slot_percent_of_firmware_boot=round(percent, 2))
    print(f"boot state and counter: {sum(commands.values())} of {len(answers)} TPM commands, {1000 * seconds:.0f} ms or "
          f"{percent:.1f} % of the time from TPM2_Startup to Linux, at most {PERCENT_MAX} %")
    assert percent <= PERCENT_MAX
