// SPDX-License-Identifier: Apache-2.0
/*
 * kapu-link: the gateway's line to its operator, dialled from here. It carries questions to the
 * attest TA and answers back, and is trusted with nothing: its TLS key is in the secure world, and
 * evidence is signed there. A gateway without a certificate waits to be enrolled, and one whose
 * operator cannot be reached, or does not ask, lets itself be enrolled again (where.h).
 */
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "link.h"
#include "where.h"

#define KEEPALIVE_S 120 /* more than a deep check takes on a busy gateway */
#define LOOP_MS 1000    /* shared by the lines that are open */
#define CONNECT_S 60    /* for connection and subscription together */
#define AGAIN_S 2       /* until the next attempt, doubled by each that fails */
#define AGAIN_S_MAX 60
#define PLACES 2

/* To one of the two brokers. */
struct line {
    struct program *of;
    enum protocol_place place;
    struct mosquitto *m; /* NULL: it is not open */
    SSL_CTX *tls;
    bool lost, subscribed;
    uint64_t until_s; /* when it must be subscribed */
    uint64_t hello_s; /* when the next hello is due */
    uint64_t next_s;  /* when it is opened again */
    uint64_t again_s; /* until the attempt after that */
};

struct program {
    struct gateway_settings settings;
    struct gateway gateway;
    struct where where;
    unsigned certificates;    /* that were taken, as far as the lines know */
    struct line line[PLACES]; /* by enum protocol_place */
};

static const char *root = "";

void link_set_root(const char *folder)
{
    root = folder;
}

const char *link_path(const char *path, char to[LINK_PATH])
{
    (void)snprintf(to, LINK_PATH, "%s%s", root, path);
    return to;
}

void say(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "kapu-link: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
}

static uint64_t seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
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
    protocol_topic(l->place, l->of->gateway.name, PROTOCOL_REQUEST, topic);
    if (mosquitto_subscribe_v5(m, NULL, topic, 1, 0, NULL) != MOSQ_ERR_SUCCESS)
        l->lost = true;
    else
        say("%s as %s", l->place == PROTOCOL_ENROLLED ? "connected" : "waiting to be enrolled",
            l->of->gateway.name);
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
    if (l->subscribed && l->place == PROTOCOL_ENROLLED) {
        l->of->where.main_up = true;
        l->of->where.asked_s = seconds();
    }
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

    protocol_topic(l->place, l->of->gateway.name, PROTOCOL_REPLY, topic);
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

        publish(m, l, gateway_answer(&l->of->gateway, l->place, request), correlation, n);
        if (l->place == PROTOCOL_ENROLLED)
            l->of->where.asked_s = seconds();
    }
    free(correlation);
}

/* A gateway that waits to be enrolled says so from time to time. */
static void say_hello(struct mosquitto *m, struct line *l)
{
    if (l->place != PROTOCOL_ENROLMENT || !l->subscribed || seconds() < l->hello_s)
        return;
    l->hello_s = seconds() + PROTOCOL_HELLO_S;
    publish(m, l, gateway_hello(&l->of->gateway), NULL, 0);
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

static int port_of(const struct line *l)
{
    const struct gateway_settings *s = &l->of->settings;

    return l->place == PROTOCOL_ENROLLED ? s->port : s->enrol_port;
}

static void line_close(struct line *l)
{
    const uint64_t now = seconds();

    if (l->m != NULL)
        (void)mosquitto_disconnect(l->m);
    mosquitto_destroy(l->m);
    SSL_CTX_free(l->tls);
    l->m = NULL;
    l->tls = NULL;
    l->next_s = now + l->again_s;
    l->again_s = l->again_s < AGAIN_S_MAX / 2 ? 2 * l->again_s : AGAIN_S_MAX;
    if (l->place == PROTOCOL_ENROLLED && l->of->where.main_up) {
        l->of->where.main_up = false;
        l->of->where.down_s = now;
    }
}

static void line_failed(struct line *l, int err)
{
    say("%s:%d: %s", l->of->settings.host, port_of(l), mosquitto_strerror(err));
    line_close(l);
}

static void line_open(struct line *l)
{
    const bool authenticated = l->place == PROTOCOL_ENROLLED;
    int err = MOSQ_ERR_NOMEM;

    l->lost = l->subscribed = false;
    l->hello_s = 0;
    l->until_s = seconds() + CONNECT_S;
    l->tls = tls_context(&l->of->settings, authenticated ? &l->of->gateway : NULL);
    l->m = l->tls != NULL ? mosquitto_new(l->of->gateway.name, true, l) : NULL;
    if (l->m != NULL && configure(l->m, l->tls))
        err = mosquitto_connect_async(l->m, l->of->settings.host, port_of(l), KEEPALIVE_S);
    if (err != MOSQ_ERR_SUCCESS && l->tls != NULL)
        line_failed(l, err);
    else if (l->tls == NULL) /* which said why */
        line_close(l);
}

static void line_turn(struct line *l, int ms)
{
    int err = mosquitto_loop(l->m, ms, 1);

    say_hello(l->m, l);
    if (err == MOSQ_ERR_SUCCESS && !l->subscribed && seconds() > l->until_s)
        err = MOSQ_ERR_CONN_LOST; /* the library may wait for ever */
    if (err != MOSQ_ERR_SUCCESS)
        line_failed(l, err);
    else if (l->lost)
        line_close(l);
}

static bool is_wanted(const struct line *l)
{
    const struct where *w = &l->of->where;

    return l->place == PROTOCOL_ENROLLED ? where_at_main(w) : where_at_enrolment(w, seconds());
}

/* A certificate came: the main broker is tried with it at once. */
static void take_certificate(struct program *p)
{
    struct line *l = &p->line[PROTOCOL_ENROLLED];

    if (p->certificates == p->gateway.certificates)
        return;
    p->certificates = p->gateway.certificates;
    p->where = (struct where){.enrolled = true, .down_s = seconds()};
    if (l->m != NULL)
        line_close(l);
    l->again_s = AGAIN_S;
    l->next_s = 0;
}

/* Opens and closes lines, and serves those that are open for a second. */
static void turn(struct program *p)
{
    int open = 0;

    for (size_t i = 0; i < PLACES; i++) {
        struct line *l = &p->line[i];

        if (l->m != NULL && !is_wanted(l) && !mosquitto_want_write(l->m)) {
            line_close(l);
            l->again_s = AGAIN_S;
        } else if (l->m == NULL && is_wanted(l) && seconds() >= l->next_s) {
            line_open(l);
        }
        open += l->m != NULL;
    }
    for (size_t i = 0; i < PLACES; i++) {
        if (p->line[i].m != NULL)
            line_turn(&p->line[i], LOOP_MS / open);
    }
    take_certificate(p);
    if (open == 0)
        (void)nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
}

/* kapu-link [--root DIR]: all paths are in DIR, for tests. */
int main(int argc, char **argv)
{
    static struct program p;
    char path[LINK_PATH], why[LINK_PATH + 256];

    if (argc == 3 && strcmp(argv[1], "--root") == 0)
        link_set_root(argv[2]);
    else if (argc != 1)
        return 2;
    if (!gateway_settings_read(link_path(GATEWAY_SETTINGS_FILE, path), &p.settings, why,
                               sizeof(why))) {
        say("%s", why);
        return 1; /* the service manager tries again */
    }
    if (!gateway_open(&p.gateway))
        return 1;
    if (mosquitto_lib_init() != MOSQ_ERR_SUCCESS)
        return 1;
    p.where = (struct where){.enrolled = p.gateway.enrolled, .down_s = seconds()};
    for (size_t i = 0; i < PLACES; i++)
        p.line[i] = (struct line){.of = &p, .place = (enum protocol_place)i, .again_s = AGAIN_S};
    while (!p.gateway.key_is_gone)
        turn(&p);
    turn(&p); /* which sends the answer that says so */
    return 1; /* started again, it looks for its key, and asks for enrolment without one */
}
