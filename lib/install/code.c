// SPDX-License-Identifier: Apache-2.0
#include <kapu/install_code.h>

#define BL_MASK 0xfc000000u
#define BL 0x94000000u
#define ADRP_MASK 0x9f000000u
#define ADRP 0x90000000u
#define ADRP_LOW_SHIFT 29u /* 2 bits of the offset; the other 19 are at bit 5 */
#define ADRP_HIGH_SHIFT 5u
#define ADRP_HIGH 0x7ffffu
#define PAGE_SHIFT 12u
/* Most data that looks like an ADRP tells more than 2^17 pages (512 MiB), and is left alone. */
#define NEAR 0x20000u
#define OFFSETS 0x200000u /* that an ADRP can tell, in pages */

static uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void put_le32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t call(uint32_t word, uint32_t move)
{
    return BL | ((word + move) & ~BL_MASK);
}

static uint32_t page(uint32_t word, uint32_t move)
{
    const uint32_t offset =
        (word >> ADRP_HIGH_SHIFT & ADRP_HIGH) << 2 | (word >> ADRP_LOW_SHIFT & 3);
    const uint32_t biased = (offset + NEAR) % OFFSETS; /* -NEAR .. NEAR - 1: from 0 */
    uint32_t moved;

    if (biased >= 2 * NEAR)
        return word;
    moved = ((biased + move) % (2 * NEAR) + OFFSETS - NEAR) % OFFSETS;
    return (word & ~(3u << ADRP_LOW_SHIFT | ADRP_HIGH << ADRP_HIGH_SHIFT)) |
           (moved & 3) << ADRP_LOW_SHIFT | moved >> 2 << ADRP_HIGH_SHIFT;
}

/* `sign`: 1 or, to undo it, all ones, which is -1. */
static void change(uint8_t *p, size_t n, uint64_t at, uint32_t sign)
{
    for (size_t i = 0; i + 4 <= n; i += 4) {
        const uint32_t word = get_le32(p + i);

        if ((word & BL_MASK) == BL)
            put_le32(p + i, call(word, sign * (uint32_t)((at + i) >> 2)));
        else if ((word & ADRP_MASK) == ADRP)
            put_le32(p + i, page(word, sign * (uint32_t)((at + i) >> PAGE_SHIFT)));
    }
}

void install_code_absolute(uint8_t *p, size_t n, uint64_t at)
{
    change(p, n, at, 1);
}

void install_code_relative(uint8_t *p, size_t n, uint64_t at)
{
    change(p, n, at, UINT32_MAX);
}
