/* SPDX-License-Identifier: Apache-2.0 */
/* A transport that stands on the bus: records what passes, and changes it when told. */
#ifndef KAPU_TEST_INTERPOSER_H
#define KAPU_TEST_INTERPOSER_H

#include <kapu/tpm2.h>

struct interposer {
    struct tpm2_transport below;
    /* Called with each command, and with each answer; may change both in place. May be NULL. */
    void (*on_command)(struct interposer *i, uint8_t *cmd, size_t *n);
    void (*on_answer)(struct interposer *i, uint8_t *rsp, size_t *n, size_t capacity);
    uint32_t only;      /* hooks act on this command code only; 0: on all */
    size_t at;          /* for the hooks */
    uint32_t code;      /* of the command under way */
    unsigned hits;      /* how often a hook acted */
    unsigned cut_after; /* after so many commands nothing answers any more; 0: never */
    uint8_t last[4096];
    size_t last_n; /* last answer of the command code `only` as it really was */
    uint8_t seen[65536];
    size_t seen_n; /* all bytes that passed, both ways */
};

struct tpm2_transport interposer_transport(struct interposer *i);

/* Whether the bytes were seen on the bus. */
bool interposer_saw(const struct interposer *i, struct bytes what);

#endif
