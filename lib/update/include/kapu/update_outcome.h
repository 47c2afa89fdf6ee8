/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What came of the last trial of a release, read from the update record (kapu/update.h) by whoever
 * needs nothing else of it: the attest TA tells it in evidence, and should not hold all that
 * decides about updates for that.
 *
 * Trust: the record comes from an authenticated read of the TPM. Errors: 0 or KAPU_E*. Nothing here
 * needs more than kapu/bytes.h.
 */
#ifndef KAPU_UPDATE_OUTCOME_H
#define KAPU_UPDATE_OUTCOME_H

#include <kapu/bytes.h>

enum update_outcome {
    UPDATE_NOTHING_YET,
    UPDATE_CONFIRMED,
    UPDATE_HALTED,      /* by a rollout */
    UPDATE_TRIES_GONE,  /* started UPDATE_TRIES times, never confirmed */
    UPDATE_REFUSED,     /* BL1 or BL2 refused the slot */
    UPDATE_OTHER_RAN,   /* see UPDATE_CHANGED of kapu/update.h */
    UPDATE_NEVER_BEGAN, /* the boot state has a trial of another slot */
    UPDATE_OUTCOMES,
};

/* The record begins with these bytes, and what is decoded here is among them; all of it is in
 * record.c. */
#define UPDATE_RECORD_MAGIC 0x4b555202u /* "KUR", version */
#define UPDATE_RECORD_HEAD 10u

/* *reset: why the monitor reset the board before the outcome was recorded; 0: it did not.
 * KAPU_EINVAL: no such record, or an outcome that is not known. */
KAPU_MUST_CHECK static inline int update_outcome_decode(const uint8_t head[UPDATE_RECORD_HEAD],
                                                        uint8_t *last, uint8_t *reset)
{
    struct rd in;
    uint32_t magic;

    rd_init(&in, (struct bytes){head, UPDATE_RECORD_HEAD});
    magic = rd_be32(&in);
    (void)rd_bytes(&in, 3); /* flags, slot, trials */
    *last = rd_u8(&in);
    *reset = rd_u8(&in);
    return magic == UPDATE_RECORD_MAGIC && *last < UPDATE_OUTCOMES ? 0 : KAPU_EINVAL;
}

#endif
