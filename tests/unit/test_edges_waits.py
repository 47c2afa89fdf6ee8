# SPDX-License-Identifier: Apache-2.0
"""Kind: patience. Each limit of time in C, and what becomes of what is only slow. A new one fails here until somebody
has thought of a machine that is five times slower. Those of tools and units: test_edges_tools.py.
"""

import re

import edges
from kapu.paths import ROOT

PARTS = ("operator", "gateway", "lib", "secure", "boot", "platform")
LIMIT = re.compile(r"^#define ([A-Z_]*(?:_MS|_US|_S|_SECONDS|_MINUTES)|TIMEOUT_?[A-Z]*)\s", re.MULTILINE)

UNIT = "a unit"
STEP = "how long a loop waits before it looks again at everything"
REST = "a rest between two attempts, or two looks"
DEFAULT = "a default: an option or a setting says otherwise"
AGAIN = "over: it is tried again, for as long as whoever asked has set"
TOLD = "over: an error that names what did not answer; nothing is half done"
MEANING = "not waited for: how far clocks may differ, how long something counts, how often"

LIMITS = {
    "operator/kapu/operator.c": {"CONNECT_MS": TOLD, "INTERVAL_S": DEFAULT, "NONCE_S": DEFAULT, "DAY_S": UNIT},
    "operator/kapu/attest.c": {"TIMEOUT_S": DEFAULT, "MIN_REST_MS": REST},
    "operator/kapu/enroll.c": {"TIMEOUT_S": DEFAULT, "TURN_MS": AGAIN},
    "operator/kapu/factory.c": {"CONNECT_MS": TOLD},
    "operator/kapu/inspect.c": {"LOOK_PAUSE_US": REST},
    "operator/kapu/inspect_qmp.c": {"ANSWER_MS": TOLD},
    "operator/kapu/release_make.c": {"DAY_MS": UNIT},
    "operator/kapu/release_order.c": {"DAY_MS": UNIT},
    "operator/kapu/update.c": {"TIMEOUT_S": DEFAULT},
    "operator/kapu/update_ask.c": {"TURN_MS": STEP, "AGAIN_MS": AGAIN, "QUIET_MS": AGAIN, "ALONE_MS": AGAIN,
                                   "ALONE_LEAST_MS": AGAIN, "STILL_MS": MEANING},
    "operator/kapu/update_drive.c": {"POLL_MS": REST, "POLL_SOON_MS": REST, "MOVING_MS": MEANING, "REPLY_MS": AGAIN,
                                     "EVIDENCE_MS": AGAIN, "ALONE_MS": AGAIN, "ALONE_EVIDENCE_MS": AGAIN,
                                     "ALONE_REST_MS": REST, "INSTALL_MS": AGAIN, "UNKNOWN_MS": AGAIN,
                                     "APPROVE_MS": AGAIN, "CHECK_MS": REST, "KEEP_MS": REST},
    "operator/kapu/update_halt.c": {"HALT_MS": "over: those that did not answer are named, and the command is repeated"},
    "operator/kapu/update_join.c": {"JOIN_MS": "as halt"},
    "operator/kapu/update_status.c": {"ASK_MS": "over: shown as not heard, with what is known from before"},
    "operator/kapu/update_trial.c": {"AGAIN_MS": AGAIN},
    "operator/kapu/update_wave.c": {"TURN_MS": STEP, "YOUNG_MS": MEANING, "TELL_MS": "how often it says how far it is",
                                    "LOOK_MS": REST, "DRY_MS": MEANING},
    "operator/port/tpm_socket.c": {"POLL_MS": STEP, "ANSWER_MS": TOLD},
    "operator/transport/exchange.c": {"TURN_MS": STEP, "HEAR_MS": AGAIN},
    "operator/transport/link.c": {"KEEPALIVE_S": MEANING, "WAIT_FIRST_MS": REST, "WAIT_MOST_MS": REST, "HANDSHAKE_MS": AGAIN},
    "operator/transport/transport.c": {"TURN_MS": STEP, "AGAIN_MS": AGAIN},
    "operator/verifier/board_file.h": {"BOARD_FILE_AHEAD_MS": MEANING},
    "operator/verifier/fleet.h": {"FLEET_NONCE_MS": DEFAULT},
    "operator/verifier/nonce.h": {"NONCE_SKEW_MS": MEANING},
    "operator/verifier/store_clock.c": {"STEP_MS": MEANING},
    "operator/verifier/store_gateways.c": {"INTERVAL_MAX_S": MEANING}, "operator/verifier/store_sqlite.c": {"BUSY_MS": TOLD},
    "operator/verifier/verifier.h": {"VERIFIER_SKEW_MS": MEANING, "VERIFIER_DAY_MS": UNIT},
    "gateway/agent/agent.c": {"LOOK_MS": REST},
    "gateway/lab-channel/kapu-lab-channel.c": {"NOBODY_THERE_MS": REST},
    "gateway/link/link.c": {"KEEPALIVE_S": MEANING, "LOOP_MS": STEP, "CONNECT_S": AGAIN, "AGAIN_S": REST},
    "gateway/link/where.h": {"WHERE_REFUSED_S": MEANING, "WHERE_SILENT_S": MEANING, "WHERE_VISIT_S": AGAIN,
                             "WHERE_EVERY_S": REST},
    "gateway/status/status.c": {"ADDRESS_WAIT_MS": "over: the status on the console is degraded and says why; the gateway goes on",
                                "TEE_WAIT_MS": "as ADDRESS_WAIT_MS",
                                "POLL_MS": STEP, "EMERGENCY_PAUSE_S": "time to read the console"},
    "gateway/update/ask.h": {"ASK_S": AGAIN, "ASK_APPROVAL_S": AGAIN},
    "gateway/update/fetch.c": {"TURN_MS": STEP},
    "gateway/update/job.h": {"JOB_REST_MS": REST, "JOB_REST_MAX_MS": REST},
    "gateway/update/serve.h": {"SERVE_WAIT_MS": STEP},
    "gateway/update/writer.c": {"AGAIN_MS": REST, "CLEAN_MS": REST},
    "lib/nvbudget/include/kapu/nvbudget.h": {"NVBUDGET_TOKEN_MS": MEANING, "NVBUDGET_DAY_MS": UNIT},
    "lib/protocol/include/kapu/protocol.h": {"PROTOCOL_HELLO_S": REST},
    "lib/tis/include/kapu/tis.h": {"TIS_COMMAND_MS": TOLD},
    "lib/tis/tis.c": {"TIMEOUT_A": "of the TPM's specification; the time of the machine that the TPM is in",
                      "TIMEOUT_B": "as A", "TIMEOUT_C": "as A", "POLL_US": STEP},
    "lib/tpm2/cmd.c": {"REPEAT_PAUSE_MS": REST},
    "secure/core/cores.c": {"ALIVE_MS": MEANING, "ANSWER_MS": "over: the core is looked at again at the next tick",
                            "BUCKET_US": UNIT},
    "secure/core/last_words.c": {"OTHER_MS": "over: the board is reset with the words that there are"},
    "secure/core/nv_budget.c": {"MINUTE_MS": UNIT},
    "secure/core/tick.c": {"INTERVAL_MS": MEANING, "INTERVAL_RANDOM_MS": MEANING},
    "secure/core/trust.c": {"PATIENCE_MS": "over: the TPM counts as silent for this deep check, an alarm from the third on"},
    "secure/core/watch.c": {"PASS_MS": MEANING, "TICK_MS": MEANING},
    "secure/ta/monitor/monitor.c": {"INTERVAL_MS": MEANING},
    "secure/ta/common/ta_key.c": {"OPEN_WAIT_MS": STEP},
    # The watchdog: over is a reset, which is what it is for. KAPU_TEST_LOAD makes a machine as slow as that.
    "platform/qemu-virt/optee/platform.h": {"PLATFORM_WATCHDOG_BOOT_S": "15 times a boot", "PLATFORM_WATCHDOG_S": "30 times a deep check",
                                            "PLATFORM_HURRY_S": "a deep check is asked for at once"},
}


def limits_of(text: str) -> set[str]:
    return {found.group(1) for found in LIMIT.finditer(text)}


def test_each_limit_of_time_in_c_is_known_here():
    found = {}
    for part in PARTS:
        for path in sorted((ROOT / part).rglob("*.[ch]")):
            names = limits_of(path.read_text())
            if names:
                found[str(path.relative_to(ROOT))] = names
    with edges.Cases("patience: C") as cases:
        for path in sorted(found.keys() | LIMITS.keys()):
            here, known = found.get(path, set()), set(LIMITS.get(path, {}))
            cases.check(here == known, f"{path}: not in the table: {sorted(here - known)}; not in the file: {sorted(known - here)}")


def test_a_limit_is_recognised():
    assert limits_of("#define WAIT_MS 10\n#define X_S 3u\n#define TIMEOUT_A 7\n#define TIMEOUTS_MAX 3\n#define BYTES 4\n") == {
        "WAIT_MS", "X_S", "TIMEOUT_A"}
