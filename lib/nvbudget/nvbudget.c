// SPDX-License-Identifier: Apache-2.0
#include <kapu/nvbudget.h>

#define MAGIC 0x6b6e7662u
#define FIELDS (NVBUDGET_SIZE / 2) /* then the complement of each byte */

void nvbudget_start(struct nvbudget *b, uint64_t now_ms)
{
    b->tokens = NVBUDGET_AT_POWER_ON;
    b->since_ms = now_ms;
}

static void refill(struct nvbudget *b, uint64_t now_ms)
{
    uint64_t more;

    if (now_ms < b->since_ms) /* the clock started again: what had passed is lost */
        b->since_ms = now_ms;
    more = (now_ms - b->since_ms) / NVBUDGET_TOKEN_MS;
    if (more >= NVBUDGET_BURST - b->tokens) {
        b->tokens = NVBUDGET_BURST;
        b->since_ms = now_ms; /* nothing is waited for while it is full */
    } else {
        b->tokens += (uint32_t)more;
        b->since_ms += more * NVBUDGET_TOKEN_MS;
    }
}

bool nvbudget_take(struct nvbudget *b, uint64_t now_ms, uint32_t writes)
{
    refill(b, now_ms);
    if (writes > b->tokens)
        return false;
    b->tokens -= writes;
    return true;
}

uint64_t nvbudget_wait_ms(const struct nvbudget *b, uint64_t now_ms, uint32_t writes)
{
    struct nvbudget now = *b;

    refill(&now, now_ms);
    if (writes > NVBUDGET_BURST)
        return UINT64_MAX;
    if (writes <= now.tokens)
        return 0;
    return (uint64_t)(writes - now.tokens) * NVBUDGET_TOKEN_MS - (now_ms - now.since_ms);
}

void nvbudget_encode(const struct nvbudget *b, uint8_t to[NVBUDGET_SIZE])
{
    struct wr w;

    wr_init(&w, to, FIELDS);
    wr_be32(&w, MAGIC);
    wr_be32(&w, b->tokens);
    wr_be64(&w, b->since_ms);
    for (size_t i = 0; i < FIELDS; i++)
        to[FIELDS + i] = (uint8_t)~to[i];
}

int nvbudget_decode(const uint8_t from[NVBUDGET_SIZE], struct nvbudget *b)
{
    bool intact = true;
    struct rd r;

    rd_init(&r, (struct bytes){from, FIELDS});
    if (rd_be32(&r) != MAGIC)
        intact = false;
    b->tokens = rd_be32(&r);
    b->since_ms = rd_be64(&r);
    for (size_t i = 0; i < FIELDS; i++) {
        if ((from[i] ^ from[FIELDS + i]) != 0xff)
            intact = false;
    }
    return intact && b->tokens <= NVBUDGET_BURST ? 0 : KAPU_EINVAL;
}
