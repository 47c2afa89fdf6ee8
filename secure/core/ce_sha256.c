// SPDX-License-Identifier: Apache-2.0
/*
 * SHA-256 (FIPS 180-4) in interrupt context, where OP-TEE's own may not be used: it keeps
 * floating-point registers for a thread, and there is none. Whoever was interrupted may have values
 * in these registers, so all that OP-TEE's block function touches are saved and put back.
 */
#include <arm.h>
#include <io.h>
#include <string.h>

#include "monitor.h"

#define BLOCK 64U
#define CPACR_FPEN (3U << 20)

/* core/arch/arm/crypto/sha256_armv8a_ce_a64.S; touches v0 to v26. */
void sha256_ce_transform(uint32_t state[8], const void *src, unsigned int block_count);

struct saved {
    uint8_t v[32][16];
    uint64_t cpacr;
} __aligned(16);

static void save(struct saved *s)
{
    asm volatile("mrs %0, cpacr_el1" : "=r"(s->cpacr));
    asm volatile("msr cpacr_el1, %0\n\tisb" : : "r"(s->cpacr | CPACR_FPEN));
    asm volatile(".arch_extension fp\n\t.arch_extension simd\n\t"
                 "stp q0, q1, [%0, #0x000]\n\tstp q2, q3, [%0, #0x020]\n\t"
                 "stp q4, q5, [%0, #0x040]\n\tstp q6, q7, [%0, #0x060]\n\t"
                 "stp q8, q9, [%0, #0x080]\n\tstp q10, q11, [%0, #0x0a0]\n\t"
                 "stp q12, q13, [%0, #0x0c0]\n\tstp q14, q15, [%0, #0x0e0]\n\t"
                 "stp q16, q17, [%0, #0x100]\n\tstp q18, q19, [%0, #0x120]\n\t"
                 "stp q20, q21, [%0, #0x140]\n\tstp q22, q23, [%0, #0x160]\n\t"
                 "stp q24, q25, [%0, #0x180]\n\tstp q26, q27, [%0, #0x1a0]\n\t"
                 "stp q28, q29, [%0, #0x1c0]\n\tstp q30, q31, [%0, #0x1e0]"
                 :
                 : "r"(s->v)
                 : "memory");
}

static void restore(const struct saved *s)
{
    asm volatile(".arch_extension fp\n\t.arch_extension simd\n\t"
                 "ldp q0, q1, [%0, #0x000]\n\tldp q2, q3, [%0, #0x020]\n\t"
                 "ldp q4, q5, [%0, #0x040]\n\tldp q6, q7, [%0, #0x060]\n\t"
                 "ldp q8, q9, [%0, #0x080]\n\tldp q10, q11, [%0, #0x0a0]\n\t"
                 "ldp q12, q13, [%0, #0x0c0]\n\tldp q14, q15, [%0, #0x0e0]\n\t"
                 "ldp q16, q17, [%0, #0x100]\n\tldp q18, q19, [%0, #0x120]\n\t"
                 "ldp q20, q21, [%0, #0x140]\n\tldp q22, q23, [%0, #0x160]\n\t"
                 "ldp q24, q25, [%0, #0x180]\n\tldp q26, q27, [%0, #0x1a0]\n\t"
                 "ldp q28, q29, [%0, #0x1c0]\n\tldp q30, q31, [%0, #0x1e0]"
                 :
                 : "r"(s->v)
                 : "memory");
    asm volatile("msr cpacr_el1, %0\n\tisb" : : "r"(s->cpacr));
}

void ce_sha256_blocks(const void *data, uint32_t blocks, uint8_t digest[32])
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint8_t end[BLOCK] = {0x80}; /* what follows a message: a one bit, zeros, its bits */
    uint32_t state[8];
    struct saved s;

    put_be32(end + BLOCK - 4, blocks * BLOCK * 8);
    memcpy(state, start, sizeof(state));
    save(&s);
    sha256_ce_transform(state, data, blocks);
    sha256_ce_transform(state, end, 1);
    restore(&s);
    for (unsigned int i = 0; i < 8; i++)
        put_be32(digest + 4 * i, state[i]);
}
