// SPDX-License-Identifier: Apache-2.0
/*
 * Board records on any bytes: the file as it comes, and what would be signed. What is accepted is
 * the only encoding of what it means: encoded again it must be the same bytes.
 */
#include <kapu/board.h>

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static uint8_t work[BOARD_RECORD_MAX], again[BOARD_RECORD_MAX];

static void same(struct bytes in, int err, const struct wr *w)
{
    if (err != 0 || w->at != in.n || memcmp(w->p, in.p, in.n) != 0)
        abort();
}

static void content(struct bytes in)
{
    struct board_record r;
    struct wr w;

    if (board_record_decode(in, &r, work, sizeof(work)) != 0)
        return;
    wr_init(&w, again, sizeof(again));
    same(in, board_record_encode(&r, &w), &w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bytes in = {data, size};
    struct evidence_token t;
    struct wr w;

    content(in);
    if (evidence_signed_decode(&board_record_kind, in, &t, work, sizeof(work)) != 0)
        return 0;
    wr_init(&w, again, sizeof(again));
    same(in, evidence_signed_encode(&board_record_kind, &t, &w), &w);
    content(t.payload);
    return 0;
}
