// SPDX-License-Identifier: Apache-2.0
/*
 * kapu-link: the gateway's line to its operator, dialled from here. It carries questions to the
 * attest TA and answers back, and is trusted with nothing: its TLS key is in the secure world, and
 * evidence is signed there. A gateway without a certificate waits to be enrolled.
 */
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "link.h"

#define KEEPALIVE_S 120 /* more than a deep check takes on a busy gateway */
#define LOOP_MS 1000
#define CONNECT_S 60 /* for connection and subscription together */
#define AGAIN_S 2    /* until the next attempt, doubled by each that fails */
#define AGAIN_S_MAX 60

struct line {
    struct gateway_settings settings;
    struct gateway gateway;
    enum protocol_place place;
    bool lost, subscribed;
    time_t hello_at; /* monotonic: when the next hello is due */
    time_t again_s;  /* until the next attempt */
};

void say(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "kapu-link: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
}

static void on_connect(struct mosquitto *m, void *ctx, int code, int flags,
                       const mosquitto_property *properties)
{
    struct line *l = ctx;
    char topic[PROTOCOL_TOPIC_SIZE];

    (void)flags;
    (void)properties;
    if (code != 0) {
        say("the broker refuses: %s", mosquitto_reason_string(code));
        l->lost = true;
        return;
    }
    protocol_topic(l->place, l->gateway.name, PROTOCOL_REQUEST, topic);
    if (mosquitto_subscribe_v5(m, NULL, topic, 1, 0, NULL) != MOSQ_ERR_SUCCESS)
        l->lost = true;
    else
        say("%s as %s", l->place == PROTOCOL_ENROLLED ? "connected" : "waiting to be enrolled",
            l->gateway.name);
}

static void on_disconnect(struct mosquitto *m, void *ctx, int code,
                          const mosquitto_property *properties)
{
    struct line *l = ctx;

    (void)m;
    (void)properties;
    if (code != 0)
        say("connection lost: %s", mosquitto_strerror(code));
    l->lost = true;
}

static void on_subscribe(struct mosquitto *m, void *ctx, int id, int count, const int *granted,
                         const mosquitto_property *properties)
{
    struct line *l = ctx;

    (void)m;
    (void)id;
    (void)properties;
    l->subscribed = count == 1 && granted[0] < 0x80; /* MQTT 5, 3.9.3 */
    l->again_s = AGAIN_S;
    if (!l->subscribed) {
        say("the broker refuses the subscription");
        l->lost = true;
    }
}

/* Without correlation data when nobody asked. */
static void publish(struct mosquitto *m, struct line *l, struct bytes body, const void *correlation,
                    uint16_t n)
{
    char topic[PROTOCOL_TOPIC_SIZE];
    mosquitto_property *properties = NULL;

    protocol_topic(l->place, l->gateway.name, PROTOCOL_REPLY, topic);
    if ((n > 0 && mosquitto_property_add_binary(&properties, MQTT_PROP_CORRELATION_DATA,
                                                correlation, n) != MOSQ_ERR_SUCCESS) ||
        mosquitto_publish_v5(m, NULL, topic, (int)body.n, body.p, 1, false, properties) !=
            MOSQ_ERR_SUCCESS)
        say("an answer could not be sent");
    mosquitto_property_free_all(&properties);
}

static void on_message(struct mosquitto *m, void *ctx, const struct mosquitto_message *message,
                       const mosquitto_property *properties)
{
    struct line *l = ctx;
    void *correlation = NULL;
    uint16_t n = 0;

    if (mosquitto_property_read_binary(properties, MQTT_PROP_CORRELATION_DATA, &correlation, &n,
                                       false) == NULL ||
        n < PROTOCOL_CORRELATION_MIN || n > PROTOCOL_CORRELATION_MAX) {
        say("a request without correlation data is passed over");
    } else {
        const struct bytes request = {message->payload, (size_t)message->payloadlen};

        publish(m, l, gateway_answer(&l->gateway, l->place, request), correlation, n);
    }
    free(correlation);
}

static time_t seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* A gateway that waits to be enrolled says so from time to time. */
static void say_hello(struct mosquitto *m, struct line *l)
{
    if (l->place != PROTOCOL_ENROLMENT || !l->subscribed || seconds() < l->hello_at)
        return;
    l->hello_at = seconds() + PROTOCOL_HELLO_S;
    publish(m, l, gateway_hello(&l->gateway), NULL, 0);
}

static bool configure(struct mosquitto *m, SSL_CTX *tls)
{
    mosquitto_connect_v5_callback_set(m, on_connect);
    mosquitto_disconnect_v5_callback_set(m, on_disconnect);
    mosquitto_subscribe_v5_callback_set(m, on_subscribe);
    mosquitto_message_v5_callback_set(m, on_message);
    return mosquitto_int_option(m, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5) ==
               MOSQ_ERR_SUCCESS &&
           mosquitto_void_option(m, MOSQ_OPT_SSL_CTX, tls) == MOSQ_ERR_SUCCESS &&
           mosquitto_int_option(m, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0) == MOSQ_ERR_SUCCESS;
}

/* Serves until the connection ends, or the gateway was enrolled and has to use another. */
static void serve(struct mosquitto *m, struct line *l)
{
    const struct gateway_settings *s = &l->settings;
    int port = l->place == PROTOCOL_ENROLLED ? s->port : s->enrol_port;
    int err = mosquitto_connect(m, s->host, port, KEEPALIVE_S);
    time_t until = seconds() + CONNECT_S;

    while (err == MOSQ_ERR_SUCCESS && !l->lost) {
        err = mosquitto_loop(m, LOOP_MS, 1);
        say_hello(m, l);
        if (!l->subscribed && seconds() > until)
            err = MOSQ_ERR_CONN_LOST; /* the library may wait for ever */
        if (l->place == PROTOCOL_ENROLMENT && l->gateway.enrolled && !mosquitto_want_write(m))
            break;
    }
    if (err != MOSQ_ERR_SUCCESS)
        say("%s:%d: %s", s->host, port, mosquitto_strerror(err));
    (void)mosquitto_disconnect(m);
}

/* false: the secure world does not have the key of this gateway's certificate any more. */
static bool connect_once(struct line *l)
{
    SSL_CTX *tls;
    struct mosquitto *m;

    l->place = l->gateway.enrolled ? PROTOCOL_ENROLLED : PROTOCOL_ENROLMENT;
    l->lost = l->subscribed = false;
    l->hello_at = 0;
    tls = tls_context(&l->settings, l->place == PROTOCOL_ENROLLED);
    m = tls != NULL ? mosquitto_new(l->gateway.name, true, l) : NULL;
    if (m != NULL && configure(m, tls))
        serve(m, l);
    mosquitto_destroy(m);
    SSL_CTX_free(tls);
    return tls != NULL || l->place != PROTOCOL_ENROLLED;
}

int main(void)
{
    static struct line l;
    char why[512];

    if (!gateway_settings_read(GATEWAY_SETTINGS_FILE, &l.settings, why, sizeof(why))) {
        say("%s", why);
        return 1; /* the service manager tries again */
    }
    if (!gateway_open(&l.gateway))
        return 1;
    if (mosquitto_lib_init() != MOSQ_ERR_SUCCESS)
        return 1;
    for (l.again_s = AGAIN_S;;
         l.again_s = l.again_s < AGAIN_S_MAX / 2 ? 2 * l.again_s : AGAIN_S_MAX) {
        if (!connect_once(&l))
            return 1; /* started again, it looks for its key, and asks for enrolment without one */
        (void)nanosleep(&(struct timespec){.tv_sec = l.again_s}, NULL);
    }
}
