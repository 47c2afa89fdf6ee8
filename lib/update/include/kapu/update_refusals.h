/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which refusals of updates there were that look like an attack: what the secure world keeps of
 * them in RAM, for this boot (wire/boot_pta.h), and tells in evidence. OP-TEE's core needs nothing
 * else of lib/update for that, and simulated secure worlds of tests count by the same function.
 *
 * Linux may ask, and be refused, as often as it likes. So all of it is bounded: a count that stays
 * at its greatest value, and a bit for each answer. A bit stays set, so a later refusal does not
 * hide an earlier one of another kind.
 *
 * Depends on <stdint.h> only. No function fails.
 */
#ifndef KAPU_UPDATE_REFUSALS_H
#define KAPU_UPDATE_REFUSALS_H

#include <stdint.h>

#define UPDATE_REFUSALS_KINDS 32u /* answers are below this */

struct update_refusals {
    uint32_t last;  /* enum update_answer of kapu/update.h; 0: none yet */
    uint32_t count; /* of all kinds; UINT32_MAX: that many, or more */
    uint32_t kinds; /* bit N: there was one with answer N */
};

/* `answer`: update_is_attack or update_is_told (kapu/update.h) holds. Another one, from
 * UPDATE_REFUSALS_KINDS on, changes nothing. */
static inline void update_refusals_add(struct update_refusals *r, uint32_t answer)
{
    if (answer >= UPDATE_REFUSALS_KINDS)
        return;
    r->last = answer;
    r->count += r->count < UINT32_MAX ? 1u : 0u;
    r->kinds |= UINT32_C(1) << answer;
}

#endif
