// SPDX-License-Identifier: Apache-2.0
/* Requests and their replies, over a link. */
#include "transport.h"

#include <mqtt_protocol.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"

#define CORRELATION_SIZE 16u
#define TURN_MS 200
#define AGAIN_MS 500u /* when nobody was there to take a request */

struct transport {
    struct link link;
    enum protocol_place place;
    uint8_t correlation[CORRELATION_SIZE];
    const char *asked; /* whose reply is waited for; NULL: none */
    bool listening;    /* a hello is waited for */
    bool taken;        /* what was waited for is in *to */
    struct transport_message *to;
    bool (*stop)(void *ctx);
    void *stop_ctx;
    char said[512];
};

static void take(struct transport *t, const char *name, struct bytes body)
{
    t->to->place = t->place;
    memcpy(t->to->name, name, sizeof(t->to->name));
    t->to->n = body.n;
    memcpy(t->to->body, body.p, body.n);
    t->taken = true;
}

static bool is_awaited(const struct transport *t, const char *name, struct bytes correlation)
{
    if (correlation.n == 0)
        return t->listening;
    return t->asked != NULL && strcmp(t->asked, name) == 0 && correlation.n == CORRELATION_SIZE &&
           kapu_equal(correlation.p, t->correlation, CORRELATION_SIZE);
}

/* The only door for what the network says; see transport.h for what counts. */
static void on_message(void *ctx, const char *topic, struct bytes correlation, struct bytes body)
{
    char name[PROTOCOL_NAME_SIZE];
    enum protocol_direction direction;
    enum protocol_place place;
    struct transport *t = ctx;

    if (!t->taken && body.n <= sizeof(t->to->body) &&
        protocol_topic_parse(topic, &place, name, &direction) == 0 && place == t->place &&
        direction == PROTOCOL_REPLY && is_awaited(t, name, correlation))
        take(t, name, body);
}

/* Hear one gateway's replies, or those of all. */
static void hear(struct transport *t, const char *name)
{
    char topic[PROTOCOL_TOPIC_SIZE];

    protocol_topic(t->place, name, PROTOCOL_REPLY, topic);
    link_hear(&t->link, topic);
}

static bool turn_until(struct transport *t, uint64_t end_ms)
{
    uint64_t now = link_now_ms();

    if (now >= end_ms)
        return false;
    link_turn(&t->link, end_ms - now < TURN_MS ? (int)(end_ms - now) : TURN_MS);
    return true;
}

struct transport *transport_open(const struct transport_options *o, enum protocol_place place,
                                 uint32_t timeout_ms, char *why, size_t why_n)
{
    struct transport *t = calloc(1, sizeof(*t));
    uint64_t end = link_now_ms() + timeout_ms;

    if (t == NULL) {
        snprintf(why, why_n, "no memory");
        return NULL;
    }
    t->place = place;
    t->link.message = on_message;
    t->link.ctx = t;
    snprintf(t->link.said, sizeof(t->link.said), "the broker does not answer");
    if (link_open(&t->link, o) == 0) {
        while (!t->link.connected && !link_is_hopeless(&t->link) && turn_until(t, end))
            ;
    }
    if (t->link.connected)
        return t;
    snprintf(why, why_n, "%s (%s, port %u)", t->link.said, o->host, o->port);
    transport_close(t);
    return NULL;
}

void transport_close(struct transport *t)
{
    if (t != NULL)
        link_close(&t->link);
    free(t);
}

/* Why there was no reply, as far as one can know. */
static int nothing_came(struct transport *t, bool sent)
{
    if (!t->link.up)
        snprintf(t->said, sizeof(t->said), "%s", t->link.said);
    else if (!sent)
        snprintf(t->said, sizeof(t->said), "the broker does not take the request");
    else if (t->link.acknowledged && t->link.ack_code == MQTT_RC_NO_MATCHING_SUBSCRIBERS)
        snprintf(t->said, sizeof(t->said), "the gateway is not connected");
    else if (t->link.acknowledged && t->link.ack_code != 0)
        snprintf(t->said, sizeof(t->said), "the broker does not take the request: %s",
                 mosquitto_reason_string(t->link.ack_code));
    else
        snprintf(t->said, sizeof(t->said), "the gateway is connected, but does not answer");
    return t->link.refused ? KAPU_EIO : KAPU_ETIMEOUT;
}

/* Whether the request must be sent (again): not since the link came up, or nobody was there. */
static bool is_due(struct transport *t, uint32_t sent_in, uint64_t sent_ms)
{
    if (!t->link.up)
        return false;
    if (sent_in != t->link.ups)
        return true;
    return t->link.acknowledged && t->link.ack_code != 0 && link_now_ms() >= sent_ms + AGAIN_MS;
}

void transport_stop_when(struct transport *t, bool (*stop)(void *ctx), void *ctx)
{
    t->stop = stop;
    t->stop_ctx = ctx;
}

static bool is_stopped(const struct transport *t)
{
    return t->stop != NULL && t->stop(t->stop_ctx);
}

int transport_request(struct transport *t, const char *name, struct bytes body, uint32_t timeout_ms,
                      struct transport_message *reply)
{
    char topic[PROTOCOL_TOPIC_SIZE];
    uint64_t end = link_now_ms() + timeout_ms, sent_ms = 0;
    uint32_t sent_in = 0; /* the link's count of coming up then; it starts at 1 */

    if (RAND_bytes(t->correlation, sizeof(t->correlation)) != 1)
        return KAPU_ECRYPTO;
    protocol_topic(t->place, name, PROTOCOL_REQUEST, topic);
    t->taken = false;
    t->to = reply;
    t->asked = name;
    hear(t, name);
    do {
        uint64_t now = link_now_ms();

        if (!is_due(t, sent_in, sent_ms))
            continue;
        sent_ms = now;
        sent_in = t->link.ups;
        if (link_publish(&t->link, topic, BYTES_OF(t->correlation),
                         (uint32_t)((end - now) / 1000 + 1), body) != 0)
            sent_in = 0;
    } while (!t->taken && !t->link.refused && !is_stopped(t) && turn_until(t, end));
    t->asked = NULL;
    return t->taken ? 0 : nothing_came(t, sent_in != 0);
}

int transport_listen(struct transport *t, uint32_t timeout_ms, struct transport_message *hello)
{
    uint64_t end = link_now_ms() + timeout_ms;

    t->taken = false;
    t->to = hello;
    t->listening = true;
    hear(t, "+");
    while (!t->taken && !t->link.refused && turn_until(t, end))
        ;
    t->listening = false;
    if (t->taken)
        return 0;
    snprintf(t->said, sizeof(t->said), "%s", t->link.up ? "no gateway said hello" : t->link.said);
    return t->link.refused ? KAPU_EIO : KAPU_ETIMEOUT;
}

void transport_idle(struct transport *t, uint32_t ms)
{
    uint64_t end = link_now_ms() + ms;

    t->taken = false;
    while (turn_until(t, end)) {
        if (t->link.refused)
            return;
    }
}

const char *transport_said(const struct transport *t)
{
    return t->said;
}
