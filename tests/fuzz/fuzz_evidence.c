// SPDX-License-Identifier: Apache-2.0
/*
 * Each decoder of evidence on any bytes, and on what the one before it gives. What is accepted is
 * the only encoding of what it means: encoded again it must be the same bytes.
 */
#include <kapu/evidence.h>

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static uint8_t work[EVIDENCE_MESSAGE_MAX], again[EVIDENCE_MESSAGE_MAX];

static void same(struct bytes in, int err, const struct wr *w)
{
    if (err != 0 || w->at != in.n || memcmp(w->p, in.p, in.n) != 0)
        abort();
}

static void monitor(struct bytes in)
{
    static struct evidence_monitor m;
    struct wr w;

    if (evidence_monitor_decode(in, &m, work, sizeof(work)) != 0)
        return;
    wr_init(&w, again, sizeof(again));
    same(in, evidence_monitor_encode(&m, &w), &w);
}

static void claims(struct bytes in)
{
    static struct evidence_monitor m;
    struct evidence_claims c = {.monitor = &m};
    struct wr w;

    if (evidence_claims_decode(in, &c, work, sizeof(work)) != 0)
        return;
    wr_init(&w, again, sizeof(again));
    same(in, evidence_claims_encode(&c, &w), &w);
}

static void token(struct bytes in)
{
    struct evidence_token t;
    struct wr w;

    if (evidence_token_decode(in, &t, work, sizeof(work)) != 0)
        return;
    wr_init(&w, again, sizeof(again));
    same(in, evidence_token_encode(&t, &w), &w);
    claims(t.payload);
}

static void message(struct bytes in)
{
    struct evidence_message m;
    struct wr w;

    if (evidence_message_decode(in, &m, work, sizeof(work)) != 0)
        return;
    wr_init(&w, again, sizeof(again));
    same(in, evidence_message_encode(&m, &w), &w);
    token(m.token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bytes in = {data, size};

    monitor(in);
    claims(in);
    token(in);
    message(in);
    return 0;
}
