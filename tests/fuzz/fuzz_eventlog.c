// SPDX-License-Identifier: Apache-2.0
/* The event log parser on any bytes; and what it accepts, it must be able to go on with. */
#include <kapu/eventlog.h>

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static int cheap_hash(void *ctx, const struct bytes *part, size_t parts, uint8_t out[32])
{
    (void)ctx;
    memset(out, 0, 32);
    for (size_t i = 0; i < parts; i++) {
        for (size_t k = 0; k < part[i].n; k++)
            out[k % 32] = (uint8_t)(out[k % 32] * 31 + part[i].p[k]);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t copy[1u << 16];
    const struct kapu_sha256 h = {.hash = cheap_hash};
    const uint8_t digest[32] = {0};
    uint8_t pcr[EVENTLOG_PCRS][32], before[EVENTLOG_PCRS][32];
    struct eventlog l;
    uint32_t used, used_before;
    int err = eventlog_replay(&h, (struct bytes){data, size}, before, &used_before);

    if (size > sizeof(copy) - 100)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    if (eventlog_resume(&l, copy, size, sizeof(copy)) != 0 || err != 0)
        return 0;
    if (eventlog_add(&l, 23, EVENTLOG_EV_ACTION, digest, (struct bytes){digest, 5}) != 0 ||
        eventlog_replay(&h, (struct bytes){copy, l.n}, pcr, &used) != 0)
        abort();
    if (used != (used_before | 1u << 23) || memcmp(pcr, before, 23 * sizeof(pcr[0])) != 0)
        abort();
    return 0;
}
