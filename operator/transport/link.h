/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection below requests: one libmosquitto client that comes back when the broker does, is
 * subscribed to one topic whenever it says that it is up, and hands over each message once.
 */
#ifndef KAPU_LINK_H
#define KAPU_LINK_H

#include <mosquitto.h>

#include "link_tls.h"
#include "transport.h"

struct link {
    struct mosquitto *client;
    struct link_tls *tls;
    char filter[PROTOCOL_TOPIC_SIZE]; /* what to subscribe to; empty: nothing yet */
    bool connected, up;               /* up: subscribed too */
    uint32_t ups;                     /* how often it came up */
    bool waiting;                     /* for the time of the next try */
    uint64_t next_try_ms, began_ms;   /* of the last try */
    uint32_t wait_ms;                 /* between two tries */
    bool refused;                     /* by the broker, for good */
    char said[512];
    /* An answer to what was published last. */
    int published_mid;
    bool acknowledged;
    int ack_code;
    /* An answer to any of what was published; may be NULL. */
    void (*published)(void *ctx, int mid, int reason);
    /* A message came; correlation data may be absent. */
    void (*message)(void *ctx, const char *topic, struct bytes correlation, struct bytes body);
    void *ctx;
};

KAPU_MUST_CHECK int link_open(struct link *l, const struct transport_options *o);
void link_close(struct link *l);
/* From now on hear this topic alone, with nothing left in the broker's queue of another. The link
 * is up again once the broker has agreed. */
void link_hear(struct link *l, const char *filter);
/* Whether it makes no sense to go on trying to connect for the first time. */
bool link_is_hopeless(const struct link *l);
/* One turn: waits at most `ms` for something to happen. */
void link_turn(struct link *l, int ms);
/* QoS 1, with correlation data and expiry. */
KAPU_MUST_CHECK int link_publish(struct link *l, const char *topic, struct bytes correlation,
                                 uint32_t expiry_s, struct bytes body);

uint64_t link_now_ms(void);

#endif
