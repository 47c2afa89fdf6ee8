/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of trust.h share: trust.c is in both stages, the others in one. */
#ifndef TRUST_INTERNAL_H
#define TRUST_INTERNAL_H

#include <kapu/eventlog.h>
#include <kapu/fusebox.h>
#include <kapu/tis.h>
#include <platform_def.h>

#include "trust.h"

struct trust {
    struct tis tis;
    struct tpm2 tpm;
    struct fusebox box;
    struct fusebox_board board; /* BL1 only; wiped when it ends */
    struct eventlog log;
};

extern struct trust trust;

/* Address of a word of the handover page. */
static inline uintptr_t trust_word(unsigned int offset)
{
    return KAPU_HANDOVER_BASE + offset;
}

/* One line on the console, and no more. */
void trust_die(const char *what, const char *why) __attribute__((noreturn));
/* Goes on only when err, of what trust.box.at names, is 0. */
void trust_need(int err);
void trust_find_tpm(void);
/* Extends a PCR and says so in the log. */
void trust_extend(uint32_t pcr, uint32_t type, const uint8_t digest[32], struct bytes data);

#endif
