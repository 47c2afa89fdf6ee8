// SPDX-License-Identifier: Apache-2.0
/* The board's record and the boot state on any bytes: what is accepted encodes to the same again,
 * and a boot from any state and marks ends. */
#include <kapu/fusebox.h>

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

/* A check sum that the fuzzer can meet. */
static int cheap_hash(void *ctx, const struct bytes *part, size_t parts, uint8_t out[32])
{
    (void)ctx;
    (void)part;
    memset(out, (int)parts, 32);
    return 0;
}

static void record(const struct kapu_sha256 *h, const uint8_t *data)
{
    uint8_t again[FUSEBOX_BOARD_SIZE];
    struct fusebox_board board;

    if (fusebox_board_decode(h, data, &board) != 0)
        return;
    if (fusebox_board_encode(h, &board, again) != 0 || memcmp(again, data, sizeof(again)) != 0)
        abort();
}

/* The former release's: what is taken has no attestation key, and cannot be written again so. */
static void record_v1(const struct kapu_sha256 *h, const uint8_t *data)
{
    uint8_t again[FUSEBOX_BOARD_SIZE];
    struct fusebox_board board;

    if (fusebox_board_decode_v1(h, data, &board) == 0 &&
        fusebox_board_encode(h, &board, again) != KAPU_EARG)
        abort();
}

static void state(const uint8_t *data)
{
    uint8_t again[BOOTSTATE_SIZE];
    struct bootmarks marks;
    struct bootstate s;
    unsigned int starts = 0;

    if (bootstate_decode(data, &s) != 0)
        return;
    bootstate_encode(&s, again);
    if (memcmp(again, data, sizeof(again)) != 0)
        abort();
    for (uint8_t slot = 0; slot < BOOTSTATE_SLOTS; slot++) {
        if (!bootstate_allows(&s, slot, s.trial && slot == s.slot ? s.tried : s.confirmed))
            abort();
    }
    bootmarks_decode(kapu_le32(data + sizeof(again)), &marks);
    while (bootstate_choose(&s, &marks) != BOOTSTATE_NONE) {
        if (++starts > BOOTSTATE_TRIES_MAX + 2 * BOOTSTATE_STARTS || marks.current > 1 ||
            s.slot > 1)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct kapu_sha256 h = {.hash = cheap_hash};

    if (size >= FUSEBOX_BOARD_SIZE)
        record(&h, data);
    if (size >= FUSEBOX_BOARD_V1_SIZE)
        record_v1(&h, data);
    if (size >= BOOTSTATE_SIZE + 4)
        state(data);
    return 0;
}
