/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor service of the secure world: a pseudo-TA that is all mechanism. It reads normal-world
 * memory, keeps the watch between deep checks (secure timer on every core), holds the secure
 * watchdog, and resets. Only the monitor TA may open a session; others get
 * TEE_ERROR_ACCESS_DENIED, and so does a second session. When that session ends, the board resets:
 * the monitor TA stays, unless it crashes.
 *
 * Parameter types are fixed for each command. VI, VO: value input, output, with words a and b.
 * Memory of the TA goes as values too, "address" and "size": VI with the low and high word of an
 * address, VI with a = bytes. For memory as a parameter of its own the TEE allocates, and Linux can
 * use up the heap: an alarm must come through without. Numbers in memory are little-endian. What is
 * not the caller's memory: TEE_ERROR_ACCESS_DENIED.
 */
#ifndef KAPU_MONITOR_PTA_H
#define KAPU_MONITOR_PTA_H

#define MONITOR_PTA_UUID                                                                           \
    {                                                                                              \
        0x92bd1e01, 0x33d9, 0x4b0f,                                                                \
        {                                                                                          \
            0xa7, 0x63, 0x0c, 0x9e, 0x6e, 0x1d, 0x3f, 0x58                                         \
        }                                                                                          \
    }

/* VI: a, b = low and high word of a physical address; address, size: where to copy how many bytes
 * from there. Outside of the normal world's memory: TEE_ERROR_ACCESS_DENIED. */
#define MONITOR_PTA_READ 0

/* Address, size: room for MONITOR_REGISTERS_MAX records of EL1 registers: what each core has now,
 * all stopped for it, and what secure timers caught since the last call, each value once, but for
 * what SCTLR lets programs do. VO: a = records, b = those of now (the first ones).
 */
#define MONITOR_PTA_REGISTERS 1
#define MONITOR_REGISTERS_SIZE 48u /* VBAR, TTBR1 (without ASID), TCR, SCTLR, MAIR, last PC */
#define MONITOR_REGISTERS_MAX 40u
#define MONITOR_REGISTERS_KEPT 32u /* of those that timers caught: there may have been more */

/* Address, size: pages to watch between deep checks: records of physical address (8) and SHA-256
 * (32) of what was verified. Replaces the last list, which is watched until then, and stays when a
 * record is bad or there is none (TEE_ERROR_BAD_PARAMETERS). */
#define MONITOR_PTA_WATCH 2
#define MONITOR_WATCH_SIZE 40u
#define MONITOR_WATCH_MAX 4096u

/* Address: for 4096 bytes of a watched page as it was when the watch found it changed, with all
 * other cores stopped; VO: a, b = its physical address. TEE_ERROR_ITEM_NOT_FOUND: none left. */
#define MONITOR_PTA_CAPTURED 3
#define MONITOR_CAPTURES 16u /* pages that it keeps */

/* VI: a = alarms of a deep check that has just come to its end, b = seconds until the board resets
 * because of them, 0: it does not. Address, size: what to remember over that reset, text.
 * The watchdog's time begins anew. */
#define MONITOR_PTA_DONE 4

/* VO: a, b = low and high word of the milliseconds since the secure world started. VO: a =
 * milliseconds left of the watchdog's time, b = MONITOR_TIME_*. */
#define MONITOR_PTA_TIME 5
#define MONITOR_TIME_FOUND 1u /* the watch found something, or a quote the TPM changed */
#define MONITOR_TIME_RESET 2u /* the board will reset because of alarms */

/* Address, size: room for text that the run before this one remembered; VO: a = enum monitor_reset,
 * b = resets by the monitor since power-on. VO: a = bytes of the text. */
#define MONITOR_PTA_LAST 6
enum monitor_reset {
    MONITOR_RESET_NONE = 0,     /* power-on, or a reset that Linux asked for */
    MONITOR_RESET_ALARM = 1,    /* a deep check's alarm */
    MONITOR_RESET_WATCHDOG = 2, /* no deep check in time */
    MONITOR_RESET_PANIC = 3,    /* OP-TEE's core or BL31 could not go on */
};
#define MONITOR_TEXT_MAX 3840u /* with what is beside it, a page (secure/core/last_words.c) */

/* VO: a = ticks, b = pages watched. VO: a = times that all watched pages were seen, b =
 * milliseconds that the last of these took. VO: a = longest stop of other cores in microseconds, b
 * = that of 99 in 100 stops. VO: a = changed pages found, b = cores that tick. */
#define MONITOR_PTA_FIGURES 7

/* Address, size: alarms that a deep check has found so far, text. Remembered if the board resets
 * before that check ends. */
#define MONITOR_PTA_FOUND 12

/* VO: a = pages that the watch found changed and had no room for, since the last call. */
#define MONITOR_PTA_MISSED 8

/* VO: a = PCRs that were seen not to hold what this boot measured (bit i: PCR i), b =
 * MONITOR_TPM_*. What was seen stays until the board resets. */
#define MONITOR_PTA_TPM 9
#define MONITOR_TPM_RESET 1u  /* the TPM was reset since, or lost the secure world's session */
#define MONITOR_TPM_SILENT 2u /* it does not answer now, or not authentically */

#endif
