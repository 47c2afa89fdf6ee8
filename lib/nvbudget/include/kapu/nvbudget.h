/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often the normal world may have the TPM's non-volatile memory written: a token bucket. A
 * write costs one token, tokens come back one by one, and the bucket holds NVBUDGET_BURST of them.
 * Whatever Linux does, the TPM's memory is written at most NVBUDGET_WRITES_A_DAY_MAX times in any
 * 24 hours without a power cycle (docs/threat-model.md puts that beside what a chip endures).
 *
 * The caller keeps the encoded bucket where it outlives a warm reset, else resetting the board
 * would fill it. After power-on there is none: nvbudget_decode() says so, and nvbudget_start()
 * makes one that is not full.
 *
 * Trust: `now_ms` is a clock that Linux cannot set. It may start again from any value at a reset:
 * a clock that went back adds nothing. The memory with the encoded bucket has anything in it after
 * power-on; only what nvbudget_encode() wrote is taken. It must not be writable by the normal
 * world.
 */
#ifndef KAPU_NVBUDGET_H
#define KAPU_NVBUDGET_H

#include <kapu/bytes.h>

#define NVBUDGET_BURST 64u        /* tokens of a full bucket */
#define NVBUDGET_AT_POWER_ON 32u  /* tokens after power-on: a first boot takes four */
#define NVBUDGET_TOKEN_MS 900000u /* until a spent token is back: 15 minutes */
#define NVBUDGET_DAY_MS 86400000u
#define NVBUDGET_WRITES_A_DAY_MAX (NVBUDGET_BURST + NVBUDGET_DAY_MS / NVBUDGET_TOKEN_MS)

/* Last words (kapu/lastwords.h) have a bucket of their own; each write of them costs so many
 * tokens. */
#define NVBUDGET_WORDS_TOKENS 4u
#define NVBUDGET_ALL_A_DAY_MAX                                                                     \
    (NVBUDGET_WRITES_A_DAY_MAX + NVBUDGET_WRITES_A_DAY_MAX / NVBUDGET_WORDS_TOKENS)

struct nvbudget {
    uint32_t tokens;   /* at most NVBUDGET_BURST */
    uint64_t since_ms; /* from when on the next token is waited for */
};

void nvbudget_start(struct nvbudget *b, uint64_t now_ms);
/* Takes `writes` tokens; false: there are not so many, and none is taken. */
KAPU_MUST_CHECK bool nvbudget_take(struct nvbudget *b, uint64_t now_ms, uint32_t writes);
/* Milliseconds until there are `writes` tokens; UINT64_MAX: never. */
uint64_t nvbudget_wait_ms(const struct nvbudget *b, uint64_t now_ms, uint32_t writes);

#define NVBUDGET_SIZE 32u
void nvbudget_encode(const struct nvbudget *b, uint8_t to[NVBUDGET_SIZE]);
/* KAPU_EINVAL: nothing that was encoded here. */
KAPU_MUST_CHECK int nvbudget_decode(const uint8_t from[NVBUDGET_SIZE], struct nvbudget *b);

#endif
