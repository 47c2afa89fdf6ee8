// SPDX-License-Identifier: Apache-2.0
/*
 * Requests, replies and topics out of any bytes. What is accepted is the only encoding of what it
 * means: encoded again it must be the same bytes.
 */
#include <kapu/protocol.h>

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static uint8_t work[PROTOCOL_BODY_MAX], again[PROTOCOL_BODY_MAX];

static void same(struct bytes in, int err, const struct wr *w)
{
    if (err != 0 || w->at != in.n || memcmp(w->p, in.p, in.n) != 0)
        abort();
}

static void request(struct bytes in)
{
    struct protocol_request r;
    struct wr w;

    if (protocol_request_decode(in, &r, work, sizeof(work)) != 0)
        return;
    wr_init(&w, again, sizeof(again));
    same(in, protocol_request_encode(&r, &w), &w);
}

static void reply(struct bytes in)
{
    struct protocol_reply r;
    struct wr w;

    if (protocol_reply_decode(in, &r, work, sizeof(work)) != 0)
        return;
    wr_init(&w, again, sizeof(again));
    same(in, protocol_reply_encode(&r, &w), &w);
}

static void topic(struct bytes in)
{
    char text[80], name[PROTOCOL_NAME_SIZE], made[PROTOCOL_TOPIC_SIZE];
    enum protocol_place place;
    enum protocol_direction direction;

    if (in.n >= sizeof(text))
        return;
    if (in.n > 0)
        memcpy(text, in.p, in.n);
    text[in.n] = '\0';
    if (protocol_topic_parse(text, &place, name, &direction) != 0)
        return;
    protocol_topic(place, name, direction, made);
    if (strcmp(text, made) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bytes in = {data, size};

    request(in);
    reply(in);
    topic(in);
    return 0;
}
