// SPDX-License-Identifier: Apache-2.0
/*
 * A gateway of tests: talks to an operator's brokers as kapu-link does, with evidence of a
 * soft_board. It says one line of JSON about itself, then does what lines on its input tell, and
 * says what happens to it. It ends with its input.
 *
 *   certificate FILE   (first) its endorsement certificate, DER
 *   good               answer as one should
 *   finding            the same, but the monitor has found something
 *   withhold           no answer
 *   error              an error as the answer
 *   replay             the last good answer again
 *   other              evidence of another gateway, for this question
 *   malformed          something that is no answer
 *   oversized          more than the broker takes
 *   largest            as much as the broker takes, and no answer either
 *   wrong-topic        the good answer, but on another gateway's topic
 *   slow               the good answer after a second
 *   flood              messages nobody asked for on its own topic, as fast as the broker takes
 * them: flood-lossy        the same with QoS 0 flood-large        the largest messages
 *   flood-large-lossy  the largest with QoS 0
 *   flood-retained     retained messages
 *   flood-connections  connections, each left with a will
 *   deaf               takes nothing off the line
 *   forget             its certificate is lost
 *   reset              the board is reset, and its TPM with it
 *   monitor-reset      the same, by the monitor
 *   give-up            an update was tried in vain, and the watchdog reset the board in it
 *   upgrade            the factory makes another attestation key; tells its name: "ak HEX"
 *   drop-certificate   certificates are not taken
 *   say WORD           tells the word
 *   update WORDS       see sim_update.h
 */
#include <fcntl.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <openssl/pem.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kapu/protocol.h>

#include "crypto_openssl.h"
#include "sim_update.h"
#include "soft_board.h"

#define OTHER_NAME "00000000000000000000000000000000"
#define TURN_MS 20
#define HELLO_TURNS 50 /* sooner than real gateways do: tests do not wait */

static struct soft_board board;
static struct soft_gateway other;
static struct {
    const char *host, *ca, *folder;
    int port[2]; /* by enum protocol_place */
    char name[PROTOCOL_NAME_SIZE];
    char key[256], certificate[256];
    uint8_t spki[256], ek[PROTOCOL_CERTIFICATE_MAX];
    size_t spki_n, ek_n;
    char behaviour[32];
    bool drops_certificate;
    enum protocol_place place;
    struct mosquitto *client;
    bool up;
    unsigned turns;
    uint8_t last[PROTOCOL_BODY_MAX];
    size_t last_n;
} sim = {.behaviour = "good", .place = PROTOCOL_ENROLMENT};

static void need(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "sim_gateway: %s\n", what);
    exit(1);
}

static void say(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
}

static bool does(const char *behaviour)
{
    return strcmp(sim.behaviour, behaviour) == 0;
}

/* ---- keys ---- */

static void make_tls_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    uint8_t *p = sim.spki;
    int n = i2d_PUBKEY(key, NULL);
    FILE *f;

    snprintf(sim.key, sizeof(sim.key), "%s/tls.key", sim.folder);
    snprintf(sim.certificate, sizeof(sim.certificate), "%s/tls.pem", sim.folder);
    umask(077);
    f = fopen(sim.key, "w");
    need(n > 0 && (size_t)n <= sizeof(sim.spki) && f != NULL, "the TLS key");
    sim.spki_n = (size_t)i2d_PUBKEY(key, &p);
    need(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1, "the TLS key's file");
    fclose(f);
    EVP_PKEY_free(key);
}

static void read_ek(const char *path)
{
    FILE *f = fopen(path, "rb");

    need(f != NULL, path);
    sim.ek_n = fread(sim.ek, 1, sizeof(sim.ek), f);
    fclose(f);
}

static void keep_certificate(const struct protocol_request *q)
{
    const struct bytes both[] = {q->certificate, q->issuer};
    FILE *f = fopen(sim.certificate, "w");

    need(f != NULL, sim.certificate);
    for (size_t i = 0; i < 2; i++) {
        const unsigned char *p = both[i].p;
        X509 *x = d2i_X509(NULL, &p, (long)both[i].n);

        need(x != NULL && PEM_write_X509(f, x) == 1, "a certificate");
        X509_free(x);
    }
    fclose(f);
}

/* ---- answers ---- */

static void identity(struct protocol_reply *r)
{
    static uint8_t ak[PROTOCOL_AK_MAX];
    struct wr w;

    wr_init(&w, ak, sizeof(ak));
    tpm2_wr_public(&w, &board.ak_public);
    r->kind = PROTOCOL_IDENTIFY;
    r->ek_certificate = (struct bytes){sim.ek, sim.ek_n};
    r->ak = wr_done(&w);
    memcpy(r->tee_key, board.g.tee.pub.x, 32);
    memcpy(r->tee_key + 32, board.g.tee.pub.y, 32);
    r->tls_key = (struct bytes){sim.spki, sim.spki_n};
}

static void find_something(void)
{
    static bool found;

    if (does("finding") && !found)
        soft_gateway_finding(&board.g, EVIDENCE_ALARM, "text.changed", "__arm64_sys_kill+0x10",
                             0xffff800008123450U, "4 bytes");
    found = found || does("finding");
    if (does("good") && found) {
        board.g.monitor.findings = board.g.monitor.alarms = 0;
        board.g.monitor.verdict = EVIDENCE_CLEAN;
        found = false;
    }
}

static void evidence(const struct protocol_request *q, struct protocol_reply *r)
{
    static uint8_t message[EVIDENCE_MESSAGE_MAX];
    struct soft_gateway *g = does("other") ? &other : &board.g;
    uint8_t secret[32], tls[32];
    const struct bytes spki = {sim.spki, sim.spki_n};
    struct wr w;

    g->claims.enrolment = false;
    if (q->kind == PROTOCOL_ENROL) {
        if (!soft_board_activate(&board, q->credential, q->secret, secret)) {
            r->kind = PROTOCOL_ERROR;
            r->error = (struct bytes){(const uint8_t *)"the TPM does not open it", 24};
            return;
        }
        crypto_openssl.sha256.hash(NULL, &spki, 1, tls);
        soft_gateway_enrol(g, q->nonce, secret, tls);
    }
    find_something();
    g->with_log = q->wants_log;
    wr_init(&w, message, sizeof(message));
    sim_update_lie(&board);
    soft_gateway_message(g, q->nonce, &w);
    sim_update_be_true(&board);
    r->kind = q->kind;
    r->message = wr_done(&w);
}

static void reply_to(const struct protocol_request *q, struct protocol_reply *r)
{
    if (sim_update_answer(&board, q, r))
        return;
    switch (q->kind) {
    case PROTOCOL_IDENTIFY:
        identity(r);
        break;
    case PROTOCOL_ENROL:
    case PROTOCOL_ATTEST:
        evidence(q, r);
        break;
    case PROTOCOL_CERTIFY:
        r->kind = PROTOCOL_CERTIFY;
        keep_certificate(q);
        break;
    default: /* it knows no updates */
        break;
    }
}

static struct bytes bad_body(void)
{
    static uint8_t junk[2 * PROTOCOL_BODY_MAX];

    memset(junk, 0xa1, sizeof(junk));
    if (does("oversized"))
        return (struct bytes){junk, sizeof(junk)};
    return (struct bytes){junk, does("largest") ? PROTOCOL_BODY_MAX : 100};
}

static void publish(struct bytes body, const void *correlation, uint16_t n)
{
    char topic[PROTOCOL_TOPIC_SIZE];
    mosquitto_property *properties = NULL;
    int err;

    protocol_topic(sim.place, does("wrong-topic") ? OTHER_NAME : sim.name, PROTOCOL_REPLY, topic);
    if (n > 0)
        mosquitto_property_add_binary(&properties, MQTT_PROP_CORRELATION_DATA, correlation, n);
    err = mosquitto_publish_v5(sim.client, NULL, topic, (int)body.n, body.p, n > 0 ? 1 : 0, false,
                               properties);
    mosquitto_property_free_all(&properties);
    if (err != MOSQ_ERR_SUCCESS)
        say("cannot answer");
}

static void answer(const struct protocol_request *q, const void *correlation, uint16_t n)
{
    static uint8_t body[PROTOCOL_BODY_MAX];
    struct protocol_reply r = {.kind = PROTOCOL_ERROR,
                               .error = {(const uint8_t *)"the secure world is busy", 24}};
    struct wr w;

    if (does("withhold"))
        return;
    if (does("malformed") || does("oversized") || does("largest")) {
        publish(bad_body(), correlation, n);
        return;
    }
    if (does("replay") && sim.last_n > 0) {
        publish((struct bytes){sim.last, sim.last_n}, correlation, n);
        return;
    }
    if (does("slow"))
        usleep(1000000);
    if (!does("error"))
        reply_to(q, &r);
    wr_init(&w, body, sizeof(body));
    need(protocol_reply_encode(&r, &w) == 0, "an answer");
    memcpy(sim.last, body, w.at);
    sim.last_n = w.at;
    publish(wr_done(&w), correlation, n);
}

/* ---- the line ---- */

static void on_connect(struct mosquitto *m, void *ctx, int code, int flags,
                       const mosquitto_property *properties)
{
    char topic[PROTOCOL_TOPIC_SIZE];

    (void)ctx;
    (void)flags;
    (void)properties;
    if (code != 0) {
        say("refused");
        return;
    }
    protocol_topic(sim.place, sim.name, PROTOCOL_REQUEST, topic);
    mosquitto_subscribe_v5(m, NULL, topic, 1, 0, NULL);
}

static void on_subscribe(struct mosquitto *m, void *ctx, int mid, int n, const int *granted,
                         const mosquitto_property *properties)
{
    (void)m;
    (void)ctx;
    (void)mid;
    (void)n;
    (void)granted;
    (void)properties;
    sim.up = true;
    sim.turns = 0;
    say(sim.place == PROTOCOL_ENROLLED ? "connected" : "waiting");
}

static void on_disconnect(struct mosquitto *m, void *ctx, int code,
                          const mosquitto_property *properties)
{
    (void)m;
    (void)ctx;
    (void)code;
    (void)properties;
    sim.up = false;
    say("disconnected");
}

static bool enrolled; /* leave this broker after the answer went out */

static void on_message(struct mosquitto *m, void *ctx, const struct mosquitto_message *message,
                       const mosquitto_property *properties)
{
    static const char *const asked[] = {"",
                                        "asked identify",
                                        "asked enrol",
                                        "asked certify",
                                        "asked attest",
                                        "asked update",
                                        "asked install",
                                        "asked halt",
                                        "asked approve",
                                        "asked keys"};
    static uint8_t work[PROTOCOL_BODY_MAX];
    struct protocol_request q;
    void *correlation = NULL;
    uint16_t n = 0;

    (void)m;
    (void)ctx;
    (void)mosquitto_property_read_binary(properties, MQTT_PROP_CORRELATION_DATA, &correlation, &n,
                                         false);
    if (protocol_request_decode((struct bytes){message->payload, (size_t)message->payloadlen}, &q,
                                work, sizeof(work)) != 0) {
        say("asked nonsense");
    } else {
        say(asked[q.kind]);
        if (q.kind != PROTOCOL_CERTIFY || !sim.drops_certificate) {
            answer(&q, correlation, n);
            enrolled = q.kind == PROTOCOL_CERTIFY;
        }
    }
    free(correlation);
}

static void on_publish(struct mosquitto *m, void *ctx, int mid);

static void connect_to(enum protocol_place place)
{
    sim.place = place;
    sim.client = mosquitto_new(sim.name, true, NULL);
    need(sim.client != NULL, "MQTT");
    mosquitto_int_option(sim.client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_connect_v5_callback_set(sim.client, on_connect);
    mosquitto_subscribe_v5_callback_set(sim.client, on_subscribe);
    mosquitto_disconnect_v5_callback_set(sim.client, on_disconnect);
    mosquitto_message_v5_callback_set(sim.client, on_message);
    mosquitto_publish_callback_set(sim.client, on_publish);
    need(mosquitto_tls_set(sim.client, sim.ca, NULL,
                           place == PROTOCOL_ENROLLED ? sim.certificate : NULL,
                           place == PROTOCOL_ENROLLED ? sim.key : NULL, NULL) == MOSQ_ERR_SUCCESS,
         "TLS");
    mosquitto_tls_opts_set(sim.client, 1, "tlsv1.3", NULL);
    (void)mosquitto_connect_bind_v5(sim.client, sim.host, sim.port[place], 30, NULL, NULL);
}

static void move_to(enum protocol_place place)
{
    for (int i = 0; i < 10; i++)
        (void)mosquitto_loop(sim.client, TURN_MS, 1); /* what is under way goes out */
    mosquitto_destroy(sim.client);
    sim.up = false;
    connect_to(place);
}

static void hello(void)
{
    static uint8_t body[PROTOCOL_BODY_MAX];
    struct protocol_reply r = {0};
    struct wr w;

    identity(&r);
    wr_init(&w, body, sizeof(body));
    need(protocol_reply_encode(&r, &w) == 0, "a hello");
    publish(wr_done(&w), NULL, 0);
}

/* ---- floods ---- */

#define BURST 200
#define UNANSWERED_MAX 64

static struct {
    int sent, answered; /* what it answers as one should counts too: below 0 is no harm */
} flood;

static void on_publish(struct mosquitto *m, void *ctx, int mid)
{
    (void)m;
    (void)ctx;
    (void)mid;
    flood.answered++;
}

static void flood_sent(void)
{
    if (++flood.sent == (does("flood-connections") ? 5 : 1000))
        say("flooding");
}

static void flood_connections(void)
{
    char topic[PROTOCOL_TOPIC_SIZE];

    protocol_topic(sim.place, sim.name, PROTOCOL_REPLY, topic);
    (void)mosquitto_will_set(sim.client, topic, 4, "will", 1, false);
    (void)mosquitto_reconnect(sim.client);
    for (int i = 0; i < 50 && !sim.up; i++)
        (void)mosquitto_loop(sim.client, TURN_MS, 1);
    (void)shutdown(mosquitto_socket(sim.client), SHUT_RDWR); /* without a DISCONNECT */
    sim.up = false;
    flood_sent();
}

static void flood_messages(void)
{
    static uint8_t body[PROTOCOL_BODY_MAX];
    size_t n = strstr(sim.behaviour, "large") != NULL ? sizeof(body) : 16;
    int qos = strstr(sim.behaviour, "lossy") != NULL ? 0 : 1;
    char topic[PROTOCOL_TOPIC_SIZE];

    protocol_topic(sim.place, sim.name, PROTOCOL_REPLY, topic);
    for (int i = 0; i < BURST && sim.up && flood.sent - flood.answered < UNANSWERED_MAX; i++) {
        if (mosquitto_publish_v5(sim.client, NULL, topic, (int)n, body, qos, does("flood-retained"),
                                 NULL) != MOSQ_ERR_SUCCESS)
            return;
        flood_sent();
    }
}

static void turn(void)
{
    if (does("deaf")) {
        usleep(TURN_MS * 1000);
        return;
    }
    if (does("flood-connections")) {
        flood_connections();
        return;
    }
    if (strncmp(sim.behaviour, "flood", 5) == 0)
        flood_messages();
    if (mosquitto_loop(sim.client, TURN_MS, 1) != MOSQ_ERR_SUCCESS) {
        sim.up = false;
        flood.answered = flood.sent;
        usleep(100000);
        (void)mosquitto_reconnect(sim.client);
    }
    sim_update_turn(&board);
    if (enrolled) {
        enrolled = false;
        move_to(PROTOCOL_ENROLLED);
    }
    if (sim.up && sim.place == PROTOCOL_ENROLMENT && sim.turns++ % HELLO_TURNS == 0)
        hello();
}

/* ---- what a test tells ---- */

static void print_hex(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%02x", p[i]);
}

static void obey(char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "certificate ", 12) == 0) {
        read_ek(line + 12);
        connect_to(PROTOCOL_ENROLMENT);
    } else if (strcmp(line, "forget") == 0) {
        move_to(PROTOCOL_ENROLMENT);
    } else if (strcmp(line, "reset") == 0 || strcmp(line, "monitor-reset") == 0) {
        soft_board_reset(&board);
        if (line[0] == 'm') {
            board.g.monitor.resets++;
            board.g.monitor.last_reset = EVIDENCE_RESET_ALARM;
        }
        say("ok");
    } else if (strcmp(line, "give-up") == 0) {
        board.g.claims.software.last_update = EVIDENCE_UPDATE_TRIES_GONE;
        board.g.claims.software.last_update_reset = EVIDENCE_RESET_WATCHDOG;
        say("ok");
    } else if (strcmp(line, "upgrade") == 0) {
        soft_board_new_ak(&board);
        printf("ak ");
        print_hex(board.ak.name.b, board.ak.name.n);
        say("");
    } else if (strncmp(line, "say ", 4) == 0) {
        say(line + 4);
    } else if (strncmp(line, "update ", 7) == 0) {
        say(sim_update_tell(&board, line) ? "ok" : "not understood");
    } else if (strcmp(line, "drop-certificate") == 0) {
        sim.drops_certificate = true;
        say("ok");
    } else {
        sim.drops_certificate = false;
        snprintf(sim.behaviour, sizeof(sim.behaviour), "%.31s", line);
        say("ok");
    }
}

/* Lines are short and come whole: pipes write them at once. */
static bool listen_to_test(void)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};
    char line[512];

    if (poll(&in, 1, sim.client == NULL ? TURN_MS : 0) != 1)
        return true;
    if (fgets(line, sizeof(line), stdin) == NULL)
        return false;
    obey(line);
    return true;
}

static void member(const char *name, const uint8_t *p, size_t n)
{
    printf("\"%s\": \"", name);
    print_hex(p, n);
    printf("\", ");
}

static void introduce(void)
{
    const struct evidence_claims *c = &board.g.claims;

    printf("{\"name\": \"%s\", \"curve\": \"secp256r1\", ", sim.name);
    member("x", board.ek_public.x, 32);
    member("y", board.ek_public.y, 32);
    member("ek_name", board.ek.name.b, board.ek.name.n);
    member("ak_name", board.ak.name.b, board.ak.name.n);
    member("ueid", c->ueid, sizeof(c->ueid));
    member("board", c->boot.board, sizeof(c->boot.board));
    printf("\"pcrs\": {");
    for (size_t i = 0; i < EVIDENCE_PCRS; i++) {
        printf("%s\"%u\": \"", i > 0 ? ", " : "", evidence_pcr[i]);
        print_hex(c->boot.pcr[i], 32);
        printf("\"");
    }
    printf("}}\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fprintf(stderr, "usage: sim_gateway NAME RELEASE HOST PORT ENROLMENT-PORT CA FOLDER\n");
        return 2;
    }
    sim.host = argv[3];
    sim.port[PROTOCOL_ENROLLED] = atoi(argv[4]);
    sim.port[PROTOCOL_ENROLMENT] = atoi(argv[5]);
    sim.ca = argv[6];
    sim.folder = argv[7];
    signal(SIGPIPE, SIG_IGN);
    mosquitto_lib_init();
    soft_board_begin(&board, argv[1], argv[2]);
    soft_gateway_init(&other, "another gateway", argv[2]);
    protocol_name(board.g.claims.ueid, sim.name);
    make_tls_key();
    setvbuf(stdin, NULL, _IONBF, 0);
    introduce();
    while (listen_to_test()) {
        if (sim.client != NULL)
            turn();
    }
    soft_board_end(&board);
    return 0;
}
