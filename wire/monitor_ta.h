/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor TA: looks at Linux when it is asked to, and says what it last saw. Anybody may ask;
 * nobody can make it say something else. Values cross (as in wire/boot_pta.h): VI, VO, VIO; MO is
 * memory output.
 *
 * Other parameter types give TEE_ERROR_BAD_PARAMETERS.
 */
#ifndef KAPU_MONITOR_TA_H
#define KAPU_MONITOR_TA_H

#define MONITOR_TA_UUID                                                                            \
    {                                                                                              \
        0x4c7a9b3e, 0x61f0, 0x4b7c,                                                                \
        {                                                                                          \
            0x8d, 0x21, 0x5e, 0x90, 0xd4, 0xa6, 0x0f, 0x13                                         \
        }                                                                                          \
    }

/* Does the next step of a deep check. VO: a = steps left, 0: the deep check is complete; b = number
 * of the last complete one, 0: there was none. VO: a, b = its alarms and warnings. */
#define MONITOR_TA_STEP 0
/* VO: a = milliseconds until the next deep check should be made, b = until the watchdog resets. */
#define MONITOR_TA_DUE 1
/* VIO: a = offset in, bytes of the report in all out. VO VO VO: 24 bytes from there, each word
 * big-endian, 0 behind the end. Offset 0 makes the report anew. */
#define MONITOR_TA_REPORT 2
#define MONITOR_TA_REPORT_CHUNK 24

/* For other trusted applications. VO: a = number of the last complete deep check, 0: there was none
 * in this boot; b = MONITOR_TA_LAST_*. VO: a, b = low
 * and high word of the ms since start when it began. VO: a, b = those of now. */
#define MONITOR_TA_LAST 3
#define MONITOR_TA_LAST_CLEAN 1u /* it had no alarm, nor has the one under way; warnings may be */
#define MONITOR_TA_LAST_MORE 2u  /* something was seen that a deep check has not judged yet */
/* MO: what was last seen, as the claims "monitor" of evidence (lib/evidence). Too small a buffer:
 * TEE_ERROR_SHORT_BUFFER, and its size says what is needed. */
#define MONITOR_TA_CLAIMS 4

/*
 * The report: lines of fields separated by tabs, the first field says what follows.
 *
 *   monitor  1                                              version of this format
 *   now      ms since start, watchdog ms left, "reset" when the board will reset, else "-"
 *   check    number, ms since start when it ended, ms that it took, alarms, warnings
 *   work     bytes hashed, page tables walked, reads
 *   watch    ticks, pages, passes, ms of the last pass, changed pages, longest stop in us, stop of
 *            99 in 100 in us, cores
 *   last     0: no reset by the monitor before this run, 1: alarm, 2: watchdog, 3: panic;
 *            resets since power-on
 *   before   a line of what was remembered over that reset
 *   did      identifier of a check, findings or a negative error (kapu/bytes.h)
 *   finding  "alarm" or "warning", identifier, object, address (hexadecimal), detail
 *   more     findings for which there was no room; of each kind at least one is listed
 */

#endif
