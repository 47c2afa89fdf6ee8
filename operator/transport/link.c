// SPDX-License-Identifier: Apache-2.0
#include "link.h"

#include <errno.h>
#include <mqtt_protocol.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KEEPALIVE_S 30
#define QOS 1
#define WAIT_FIRST_MS 100u
#define WAIT_MOST_MS 2000u
#define PACKET_MAX (PROTOCOL_BODY_MAX + 1024u) /* topic and properties beside the body */
#define HANDSHAKE_MS 5000u
#define REFUSED 0x80 /* MQTT 5, 2.4: reason codes of failure */

uint64_t link_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000U + (uint64_t)t.tv_nsec / 1000000U;
}

static void say(struct link *l, const char *what, const char *why)
{
    snprintf(l->said, sizeof(l->said), "%s: %s", what, why);
}

static void subscribe(struct link *l)
{
    int err = mosquitto_subscribe_v5(l->client, NULL, l->filter, QOS, 0, NULL);

    if (err != MOSQ_ERR_SUCCESS)
        say(l, "cannot subscribe", mosquitto_strerror(err));
}

/* ---- what libmosquitto calls ---- */

static void on_connect(struct mosquitto *m, void *ctx, int reason, int flags,
                       const mosquitto_property *properties)
{
    struct link *l = ctx;

    (void)m;
    (void)flags;
    (void)properties;
    if (reason != 0) {
        say(l, "the broker refuses the connection", mosquitto_reason_string(reason));
        l->refused = reason == MQTT_RC_NOT_AUTHORIZED || reason == MQTT_RC_BANNED ||
                     reason == MQTT_RC_BAD_USERNAME_OR_PASSWORD;
        return;
    }
    l->connected = true;
    l->wait_ms = WAIT_FIRST_MS;
    if (l->filter[0] != '\0')
        subscribe(l);
}

static void on_subscribe(struct mosquitto *m, void *ctx, int mid, int n, const int *granted,
                         const mosquitto_property *properties)
{
    struct link *l = ctx;

    (void)m;
    (void)mid;
    (void)properties;
    if (n != 1 || granted[0] >= REFUSED) {
        say(l, "the broker refuses replies", "its access list does not know this certificate");
        l->refused = true;
        return;
    }
    l->up = true;
    l->ups++;
}

static void on_disconnect(struct mosquitto *m, void *ctx, int reason,
                          const mosquitto_property *properties)
{
    struct link *l = ctx;

    (void)m;
    (void)properties;
    if (l->connected)
        say(l, "the broker is gone", mosquitto_strerror(reason));
    l->connected = l->up = false;
}

static void on_publish(struct mosquitto *m, void *ctx, int mid, int reason,
                       const mosquitto_property *properties)
{
    struct link *l = ctx;

    (void)m;
    (void)properties;
    if (l->published != NULL)
        l->published(l->ctx, mid, reason);
    if (mid != l->published_mid)
        return;
    l->acknowledged = true;
    l->ack_code = reason;
}

static void on_message(struct mosquitto *m, void *ctx, const struct mosquitto_message *message,
                       const mosquitto_property *properties)
{
    struct link *l = ctx;
    void *data = NULL;
    uint16_t n = 0;

    (void)m;
    (void)mosquitto_property_read_binary(properties, MQTT_PROP_CORRELATION_DATA, &data, &n, false);
    if (message->payloadlen > 0 && (size_t)message->payloadlen <= PROTOCOL_BODY_MAX)
        l->message(l->ctx, message->topic, (struct bytes){data, data != NULL ? n : 0},
                   (struct bytes){message->payload, (size_t)message->payloadlen});
    free(data);
}

/* ---- connecting ---- */

static void on_log(struct mosquitto *m, void *ctx, int level, const char *line)
{
    struct link *l = ctx;

    (void)m;
    if (level == MOSQ_LOG_ERR)
        link_tls_heard(l->tls, line);
}

static int client_new(struct link *l)
{
    uint8_t random[12];
    char id[5 + 2 * sizeof(random) + 1] = "kapu-";

    if (RAND_bytes(random, sizeof(random)) != 1)
        return KAPU_ECRYPTO;
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(id + 5 + 2 * i, 3, "%02x", random[i]);
    mosquitto_lib_init();
    l->client = mosquitto_new(id, true, l);
    return l->client != NULL ? 0 : KAPU_EIO;
}

static void nap(int ms)
{
    const struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000L};

    (void)nanosleep(&t, NULL);
}

/* In TLS 1.3 a server refuses a certificate when the client has gone on already: its reason may be
 * lost with the connection. */
static const char *ended(int err)
{
    return err == MOSQ_ERR_PROTOCOL || err == MOSQ_ERR_CONN_LOST || err == MOSQ_ERR_TLS
               ? "it was ended without a reason; perhaps the broker refuses kapu.pem: is the "
                 "authority that issued it in staff-ca.pem?"
               : mosquitto_strerror(err);
}

static void unreachable(struct link *l, int err)
{
    const char *tls = link_tls_said(l->tls);

    if (tls != NULL)
        say(l, "no TLS connection to the broker", tls);
    else
        say(l, "cannot reach the broker", err == MOSQ_ERR_ERRNO ? strerror(errno) : ended(err));
}

/* The next attempt waits longer, until one succeeds. */
static void try_later(struct link *l)
{
    l->next_try_ms = link_now_ms() + l->wait_ms;
    l->wait_ms = l->wait_ms * 2 < WAIT_MOST_MS ? l->wait_ms * 2 : WAIT_MOST_MS;
    l->waiting = true;
    l->connected = l->up = false;
}

int link_open(struct link *l, const struct transport_options *o)
{
    mosquitto_property *properties = NULL;
    int err = client_new(l);

    if (err != 0) {
        say(l, "MQTT", "no client can be made");
        return err;
    }
    l->wait_ms = WAIT_FIRST_MS;
    mosquitto_int_option(l->client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_connect_v5_callback_set(l->client, on_connect);
    mosquitto_disconnect_v5_callback_set(l->client, on_disconnect);
    mosquitto_subscribe_v5_callback_set(l->client, on_subscribe);
    mosquitto_publish_v5_callback_set(l->client, on_publish);
    mosquitto_message_v5_callback_set(l->client, on_message);
    mosquitto_log_callback_set(l->client, on_log);
    l->tls = link_tls_set(l->client, o, l->said, sizeof(l->said));
    if (l->tls == NULL)
        return KAPU_EIO;
    l->began_ms = link_now_ms();
    err = mosquitto_property_add_int32(&properties, MQTT_PROP_MAXIMUM_PACKET_SIZE, PACKET_MAX);
    if (err == MOSQ_ERR_SUCCESS)
        err = mosquitto_connect_bind_v5(l->client, o->host, o->port, KEEPALIVE_S, NULL, properties);
    mosquitto_property_free_all(&properties);
    if (err == MOSQ_ERR_SUCCESS)
        return 0;
    unreachable(l, err);
    try_later(l); /* a broker that is not there now may come */
    return 0;
}

void link_close(struct link *l)
{
    if (l->client == NULL)
        return;
    if (l->connected && mosquitto_disconnect_v5(l->client, 0, NULL) == MOSQ_ERR_SUCCESS)
        (void)mosquitto_loop(l->client, 0, 1);
    mosquitto_destroy(l->client);
    link_tls_free(l->tls);
    l->tls = NULL;
    mosquitto_lib_cleanup();
    l->client = NULL;
}

static void try_again(struct link *l, int ms)
{
    uint64_t now = link_now_ms();
    int err;

    if (now < l->next_try_ms) {
        uint64_t left = l->next_try_ms - now;

        nap(left < (uint64_t)ms ? (int)left : ms);
        return;
    }
    l->waiting = false;
    l->began_ms = now;
    link_tls_begin(l->tls);
    err = mosquitto_reconnect(l->client);
    if (err == MOSQ_ERR_SUCCESS)
        return;
    unreachable(l, err);
    try_later(l);
}

/*
 * When the broker goes away in the middle of a TLS handshake, libmosquitto 2.0 goes on with it for
 * ever, and says that all is well.
 */
static bool handshake_is_dead(const struct link *l)
{
    char one;

    return !l->connected &&
           (link_now_ms() > l->began_ms + HANDSHAKE_MS ||
            recv(mosquitto_socket(l->client), &one, 1, MSG_PEEK | MSG_DONTWAIT) == 0);
}

bool link_is_hopeless(const struct link *l)
{
    return l->refused || link_tls_is_final(l->tls);
}

void link_turn(struct link *l, int ms)
{
    int err;

    if (l->refused) {
        nap(ms);
        return;
    }
    if (l->waiting || mosquitto_socket(l->client) < 0) {
        l->connected = l->up = false;
        try_again(l, ms);
        return;
    }
    err = mosquitto_loop(l->client, ms, 1);
    if (err == MOSQ_ERR_SUCCESS && !handshake_is_dead(l))
        return;
    if (!l->refused && link_tls_said(l->tls) != NULL)
        say(l, "no TLS connection to the broker", link_tls_said(l->tls));
    else if (!l->connected && !l->refused && err != MOSQ_ERR_CONN_REFUSED)
        say(l, "no TLS connection to the broker",
            err == MOSQ_ERR_SUCCESS ? "it went away, or does not speak TLS" : ended(err));
    try_later(l);
}

/*
 * Unsubscribing would not do: what the broker has queued of the old topic comes first, and if that
 * is a flood, the queue stays full and what is waited for is dropped. A new session has no queue.
 */
void link_hear(struct link *l, const char *filter)
{
    bool first = l->filter[0] == '\0';

    if (strcmp(l->filter, filter) == 0)
        return;
    snprintf(l->filter, sizeof(l->filter), "%s", filter);
    l->up = false;
    if (!l->connected)
        return;
    if (first) {
        subscribe(l);
        return;
    }
    l->connected = false;
    (void)mosquitto_disconnect_v5(l->client, 0, NULL);
    l->waiting = true;
    l->next_try_ms = 0;
}

int link_publish(struct link *l, const char *topic, struct bytes correlation, uint32_t expiry_s,
                 struct bytes body)
{
    mosquitto_property *properties = NULL;
    int err = mosquitto_property_add_binary(&properties, MQTT_PROP_CORRELATION_DATA, correlation.p,
                                            (uint16_t)correlation.n);

    if (err == MOSQ_ERR_SUCCESS)
        err =
            mosquitto_property_add_int32(&properties, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, expiry_s);
    l->acknowledged = false;
    l->ack_code = 0;
    if (err == MOSQ_ERR_SUCCESS)
        err = mosquitto_publish_v5(l->client, &l->published_mid, topic, (int)body.n, body.p, QOS,
                                   false, properties);
    mosquitto_property_free_all(&properties);
    if (err != MOSQ_ERR_SUCCESS)
        say(l, "cannot send", mosquitto_strerror(err));
    return err == MOSQ_ERR_SUCCESS ? 0 : KAPU_EIO;
}
