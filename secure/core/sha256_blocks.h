/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4) of whole blocks by OP-TEE's block function, which uses the processor's
 * instructions for it: in the core's interrupts, and in the monitor TA, where a page would
 * otherwise cost five system calls.
 */
#ifndef KAPU_SHA256_BLOCKS_H
#define KAPU_SHA256_BLOCKS_H

#include <stdint.h>
#include <string.h>

#define SHA256_BLOCK 64u

/* core/arch/arm/crypto/sha256_armv8a_ce_a64.S of OP-TEE; touches v0 to v26. */
void sha256_ce_transform(uint32_t state[8], const void *src, unsigned int block_count);

static inline void sha256_blocks(const void *data, uint32_t blocks, uint8_t digest[32])
{
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint8_t end[SHA256_BLOCK] = {0x80}; /* what follows a message: a one bit, zeros, its bits */
    uint32_t bits = __builtin_bswap32(blocks * SHA256_BLOCK * 8);

    memcpy(end + SHA256_BLOCK - sizeof(bits), &bits, sizeof(bits));
    sha256_ce_transform(state, data, blocks);
    sha256_ce_transform(state, end, 1);
    for (unsigned int i = 0; i < 8; i++)
        state[i] = __builtin_bswap32(state[i]);
    memcpy(digest, state, sizeof(state));
}

#endif
