// SPDX-License-Identifier: Apache-2.0
#include "exchange.h"

#include <openssl/rand.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"

#define CORRELATION_SIZE 16u
#define TURN_MS 50
#define HEAR_MS 2000u /* how long to wait for the line of replies before sending */

struct slot {
    char name[PROTOCOL_NAME_SIZE];
    uint8_t correlation[CORRELATION_SIZE];
    int mid;
    bool waits, unacknowledged; /* for a reply, for the broker */
};

struct exchange {
    struct link out, in;
    exchange_fn heard;
    void *ctx;
    uint64_t strays;
    char stray[PROTOCOL_NAME_SIZE];
    size_t n;
    struct slot slot[];
};

static void on_published(void *ctx, int mid, int reason)
{
    struct exchange *x = ctx;

    for (size_t i = 0; i < x->n; i++) {
        if (!x->slot[i].unacknowledged || x->slot[i].mid != mid)
            continue;
        x->slot[i].unacknowledged = false;
        x->heard(x->ctx, i, reason == 0 ? EXCHANGE_DELIVERED : EXCHANGE_NOBODY,
                 (struct bytes){NULL, 0});
        return;
    }
}

static struct slot *awaited(struct exchange *x, const char *name, struct bytes correlation)
{
    for (size_t i = 0; i < x->n; i++) {
        struct slot *s = &x->slot[i];

        if (s->waits && strcmp(s->name, name) == 0)
            return kapu_equal(correlation.p, s->correlation, CORRELATION_SIZE) ? s : NULL;
    }
    return NULL;
}

/* The only door for what the network says: a reply counts on the topic of the gateway that was
 * asked, with the correlation data of what it was asked last. */
static void on_message(void *ctx, const char *topic, struct bytes correlation, struct bytes body)
{
    char name[PROTOCOL_NAME_SIZE];
    enum protocol_direction direction;
    enum protocol_place place;
    struct exchange *x = ctx;
    struct slot *s;

    if (protocol_topic_parse(topic, &place, name, &direction) != 0 || place != PROTOCOL_ENROLLED ||
        direction != PROTOCOL_REPLY)
        return;
    s = correlation.n == CORRELATION_SIZE ? awaited(x, name, correlation) : NULL;
    if (s == NULL) {
        x->strays++;
        memcpy(x->stray, name, sizeof(x->stray));
        return;
    }
    s->waits = false;
    x->heard(x->ctx, (size_t)(s - x->slot), EXCHANGE_REPLY, body);
}

static void nothing_came(void *ctx, const char *topic, struct bytes correlation, struct bytes body)
{
    (void)ctx;
    (void)topic;
    (void)correlation;
    (void)body;
}

static void open_links(struct exchange *x, const struct transport_options *o, uint64_t end)
{
    char all[PROTOCOL_TOPIC_SIZE];
    uint64_t hear_end;

    if (link_open(&x->out, o) != 0 || link_open(&x->in, o) != 0)
        return;
    protocol_topic(PROTOCOL_ENROLLED, "+", PROTOCOL_REPLY, all);
    link_hear(&x->in, all);
    while (!x->out.connected && !link_is_hopeless(&x->out) && link_now_ms() < end)
        exchange_turn(x, TURN_MS);
    hear_end = link_now_ms() + HEAR_MS;
    while (x->out.connected && !x->in.up && link_now_ms() < hear_end)
        exchange_turn(x, TURN_MS);
}

struct exchange *exchange_open(const struct transport_options *o, size_t n, exchange_fn heard,
                               void *ctx, uint32_t timeout_ms, char *why, size_t why_n)
{
    struct exchange *x = calloc(1, sizeof(*x) + n * sizeof(x->slot[0]));

    if (x == NULL) {
        snprintf(why, why_n, "no memory");
        return NULL;
    }
    x->n = n;
    x->heard = heard;
    x->ctx = ctx;
    x->out.ctx = x->in.ctx = x;
    x->out.published = on_published;
    x->out.message = nothing_came;
    x->in.message = on_message;
    snprintf(x->out.said, sizeof(x->out.said), "the broker does not answer");
    open_links(x, o, link_now_ms() + timeout_ms);
    if (x->out.connected)
        return x;
    snprintf(why, why_n, "%s (%s, port %u)", x->out.said, o->host, o->port);
    exchange_close(x);
    return NULL;
}

void exchange_close(struct exchange *x)
{
    if (x == NULL)
        return;
    link_close(&x->out);
    link_close(&x->in);
    free(x);
}

int exchange_post(struct exchange *x, size_t who, const char *name, struct bytes body,
                  uint32_t expiry_s)
{
    struct slot *s = &x->slot[who];

    s->waits = s->unacknowledged = false;
    snprintf(s->name, sizeof(s->name), "%s", name);
    if (RAND_bytes(s->correlation, sizeof(s->correlation)) != 1)
        return KAPU_ECRYPTO;
    return exchange_post_again(x, who, body, expiry_s);
}

int exchange_post_again(struct exchange *x, size_t who, struct bytes body, uint32_t expiry_s)
{
    struct slot *s = &x->slot[who];
    char topic[PROTOCOL_TOPIC_SIZE];

    protocol_topic(PROTOCOL_ENROLLED, s->name, PROTOCOL_REQUEST, topic);
    if (!x->out.connected ||
        link_publish(&x->out, topic, BYTES_OF(s->correlation), expiry_s, body) != 0)
        return KAPU_EIO;
    s->mid = x->out.published_mid;
    s->waits = s->unacknowledged = true;
    return 0;
}

/* Waits for either connection; one that is down is tried again in its turn. */
void exchange_turn(struct exchange *x, int ms)
{
    struct pollfd both[] = {{.fd = mosquitto_socket(x->out.client), .events = POLLIN},
                            {.fd = mosquitto_socket(x->in.client), .events = POLLIN}};

    if (!x->out.connected || !x->in.connected)
        ms = ms < TURN_MS ? ms : TURN_MS;
    (void)poll(both, 2, ms);
    link_turn(&x->out, 0);
    link_turn(&x->in, 0);
}

uint64_t exchange_strays(const struct exchange *x, const char **who)
{
    *who = x->strays > 0 ? x->stray : NULL;
    return x->strays;
}

const char *exchange_trouble(const struct exchange *x)
{
    if (!x->out.connected)
        return x->out.said;
    return x->in.up ? NULL : x->in.said;
}
