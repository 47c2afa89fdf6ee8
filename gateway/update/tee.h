/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The update TA (wire/update_ta.h), as the writer of updates asks it. Each call opens a session of
 * its own: there is one at a time, and kapu-status has it in each boot.
 *
 * Errors: 0, or KAPU_EIO, and tee_said tells a person what it was. A refusal is not an error: the
 * answer says it.
 */
#ifndef KAPU_UPDATE_TEE_H
#define KAPU_UPDATE_TEE_H

#include <kapu/update.h>

struct tee_state {
    enum update_stage stage;
    struct update_record record;
    uint8_t boot[32]; /* name of this boot */
    uint8_t ueid[EVIDENCE_UEID_SIZE];
};

struct tee_port {
    void *ctx;
    int (*state)(void *ctx, struct tee_state *s);
    /* `only_check`: what would it say? Keys: of release and rollout. */
    int (*request)(void *ctx, bool only_check, const struct update_request *r,
                   enum update_answer *answer);
    /* Takes as long as a deep check. */
    int (*confirm)(void *ctx, struct bytes approval, struct bytes keys, enum update_answer *answer);
    int (*keys)(void *ctx, struct bytes now, struct bytes next, enum update_answer *answer);
    int (*join)(void *ctx, struct bytes membership, struct bytes keys, enum update_answer *answer);
    /* What a server did (update_is_told), for evidence. */
    int (*tell)(void *ctx, enum update_answer answer);
    const char *(*said)(void *ctx);
};

/* ---- tee.c: bound to Linux's TEE device ---- */

extern const struct tee_port tee_device;

#endif
