// SPDX-License-Identifier: Apache-2.0
/*
 * kapu enroll: takes a gateway into the fleet. Identify, challenge, verify, certify; the verifier's
 * library judges (operator/verifier/enrol.h), this carries to and fro. A gateway that is enrolled
 * already, but has lost its certificate or never got it, gets one again for the same TLS key. One
 * that was forgotten, and still has a certificate that the main broker takes, is enrolled there.
 * With --renew, one that is enrolled and came back with other keys proves all of it again.
 */
#include <getopt.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "enrol.h"
#include "link.h"
#include "operator.h"

#define TIMEOUT_S 300u
#define DAYS 3650u
#define EK_PUBLIC_MAX 512u
#define TURN_MS 4000u /* how long a gateway that was named is looked for at one broker */

struct options {
    const char *folder, *gateway, *label, *reason;
    uint32_t timeout_s, interval_s;
    bool json, renew, without_record;
};

struct enroll {
    struct options options;
    struct operator o;
    struct x509_roots *roots;
    struct x509_ca *ca;
    struct enrol_terms terms;
    enum protocol_place place; /* of the broker that `t` is connected to */
    bool closed[2];            /* brokers that are not there, by place */
    struct transport *t;
    uint64_t end_ms;
    bool heard; /* it answered something */
    /* What the gateway says of itself. */
    struct transport_message identity;
    struct protocol_reply who; /* views into `identity` */
    char name[PROTOCOL_NAME_SIZE];
    uint8_t ek_public[EK_PUBLIC_MAX];
    struct enrol_hello hello;
    /* What it is asked and answers next. */
    struct transport_message answer;
    struct protocol_reply said; /* views into `answer` */
    struct verifier_result result;
    uint8_t certificate[X509_CERTIFICATE_MAX], issuer[PROTOCOL_CERTIFICATE_MAX];
    size_t certificate_n, issuer_n;
    uint8_t work[PROTOCOL_BODY_MAX];
    char why[ENROL_WHY];
};

static int because(struct enroll *e, int status, const char *what, const char *why)
{
    size_t n = (size_t)snprintf(e->why, sizeof(e->why), "%s%s", what, why);

    if (n >= sizeof(e->why)) /* cut */
        memcpy(e->why + sizeof(e->why) - 4, "...", 4);
    return status;
}

/* A status for an error of the verifier's, which may have said why. */
static int verifier_failed(struct enroll *e, int err)
{
    if (err == KAPU_EAUTH)
        return EXIT_FAILED;
    return because(e, EXIT_NO_ANSWER, "the verifier failed: ",
                   err == KAPU_EIO ? e->o.fleet.store->said : "no memory, or no cryptography");
}

static uint32_t left_ms(const struct enroll *e)
{
    const uint64_t now = link_now_ms(); /* which nobody sets */

    return now < e->end_ms ? (uint32_t)(e->end_ms - now) : 0;
}

/* ---- talking ---- */

static int read_reply(struct enroll *e, const struct transport_message *m,
                      enum protocol_kind expected, struct protocol_reply *r)
{
    char text[PROTOCOL_ERROR_MAX + 1];

    if (protocol_reply_decode((struct bytes){m->body, m->n}, r, e->work, sizeof(e->work)) != 0)
        return because(e, EXIT_FAILED, "its answer is malformed", "");
    if (r->kind == PROTOCOL_ERROR) {
        snprintf(text, sizeof(text), "%.*s", (int)r->error.n, (const char *)r->error.p);
        return because(e, EXIT_NO_ANSWER, "the gateway says: ", text);
    }
    if (r->kind != expected)
        return because(e, EXIT_FAILED, "it answers another question", "");
    return EXIT_DONE;
}

static int request(struct enroll *e, const char *name, const struct protocol_request *q,
                   struct transport_message *to, struct protocol_reply *r)
{
    uint8_t body[PROTOCOL_REQUEST_MAX];
    struct wr w;

    wr_init(&w, body, sizeof(body));
    if (protocol_request_encode(q, &w) != 0)
        return because(e, EXIT_NO_ANSWER, "the question does not fit", "");
    if (transport_request(e->t, name, wr_done(&w), left_ms(e), to) != 0)
        return because(e, EXIT_NO_ANSWER, transport_said(e->t), "");
    e->heard = true;
    return read_reply(e, to, q->kind, r);
}

/* ---- identify ---- */

/* The EK's public area follows from its certificate, as its template is fixed; from that, what the
 * gateway is called. */
static int know(struct enroll *e)
{
    struct evidence_key key;
    struct wr w;
    int err = x509_check_ek(e->roots, e->who.ek_certificate, NULL, 0,
                            fleet_now_ms(&e->o.fleet) / 1000, &key, e->why, sizeof(e->why));

    if (err != 0)
        return verifier_failed(e, err);
    wr_init(&w, e->ek_public, sizeof(e->ek_public));
    err = enrol_ek_public(&key, e->identity.name, e->name, &w);
    if (err == KAPU_EPIN)
        return because(e, EXIT_FAILED, "it claims a name that is not its TPM's; that is ", e->name);
    if (err != 0)
        return verifier_failed(e, KAPU_ECRYPTO);
    e->hello = (struct enrol_hello){
        .ek_certificate = e->who.ek_certificate, .ek_public = wr_done(&w), .ak_public = e->who.ak};
    return EXIT_DONE;
}

/* The gateway that was named, or one that says hello. */
static int meet(struct enroll *e)
{
    const struct protocol_request q = {.kind = PROTOCOL_IDENTIFY};

    if (e->options.gateway != NULL)
        return request(e, e->options.gateway, &q, &e->identity, &e->who);
    if (transport_listen(e->t, left_ms(e), &e->identity) != 0)
        return because(e, EXIT_NO_ANSWER, transport_said(e->t), "");
    return read_reply(e, &e->identity, PROTOCOL_IDENTIFY, &e->who);
}

/* ---- challenge and answer ---- */

static int prove(struct enroll *e)
{
    struct protocol_request q = {.kind = PROTOCOL_ENROL};
    struct enrol_challenge c;
    int err = enrol_challenge(&e->o.fleet, e->roots, &e->terms, &e->hello, &c, e->why);

    if (err != 0)
        return verifier_failed(e, err);
    memcpy(q.nonce, c.nonce, sizeof(q.nonce));
    q.credential = (struct bytes){c.blob, c.blob_n};
    q.secret = (struct bytes){c.secret, c.secret_n};
    return request(e, e->name, &q, &e->answer, &e->said);
}

static int take_in(struct enroll *e)
{
    const struct enrol_answer a = {
        .name = e->name,
        .interval_s = e->options.interval_s > 0 ? e->options.interval_s : e->o.interval_s,
        .message = e->said.message,
        .tls_spki = e->who.tls_key,
    };
    struct wr w;
    int err;

    wr_init(&w, e->certificate, sizeof(e->certificate));
    err = enrol_finish(&e->o.fleet, e->roots, e->ca, DAYS, &e->terms, &e->hello, &a, &e->result, &w,
                       e->why);
    e->certificate_n = w.at;
    return err == 0 ? EXIT_DONE : verifier_failed(e, err);
}

/* ---- certify ---- */

static int certify(struct enroll *e)
{
    const struct protocol_request q = {.kind = PROTOCOL_CERTIFY,
                                       .certificate = {e->certificate, e->certificate_n},
                                       .issuer = {e->issuer, e->issuer_n}};
    struct protocol_reply r;
    int status = request(e, e->name, &q, &e->answer, &r);

    if (status != EXIT_DONE) {
        char why[ENROL_WHY];

        snprintf(why, sizeof(why), "%s", e->why);
        return because(e, status,
                       "it is enrolled, but did not take its certificate (do this again "
                       "to give it one): ",
                       why);
    }
    return status;
}

/* ---- those that are enrolled already ---- */

/* EXIT_DONE: *known says whether it is, then a certificate was issued. */
static int know_again(struct enroll *e, bool *known)
{
    struct store *store = e->o.fleet.store;
    struct store_state state;
    uint8_t tls[SHA256_DIGEST_LENGTH];
    struct wr w;
    int err = store->ops->gateway_named(store, e->name, &state);

    *known = err == 0;
    if (err != 0)
        return err == KAPU_ENOENT ? EXIT_DONE : verifier_failed(e, err);
    SHA256(e->who.tls_key.p, e->who.tls_key.n, tls);
    if (memcmp(tls, state.gateway.tls_key, sizeof(tls)) != 0)
        return because(e, EXIT_FAILED,
                       "it is enrolled with another TLS key; kapu forget comes "
                       "first, if that is right",
                       "");
    wr_init(&w, e->certificate, sizeof(e->certificate));
    err = x509_issue(e->ca, e->name, e->who.tls_key, fleet_now_ms(&e->o.fleet) / 1000, DAYS, &w);
    e->certificate_n = w.at;
    return err == 0 ? EXIT_DONE : verifier_failed(e, err);
}

static int check_label(struct enroll *e)
{
    char name[PROTOCOL_NAME_SIZE];

    if (e->options.label == NULL || label_to_name(&e->o, e->options.label, name) != 0 ||
        strcmp(name, e->name) == 0)
        return EXIT_DONE;
    return because(e, EXIT_FAILED, "another gateway is called that: ", name);
}

static int enroll(struct enroll *e, bool *again)
{
    int status = know(e);

    *again = false;
    if (status == EXIT_DONE)
        status = check_label(e);
    if (status == EXIT_DONE && !e->terms.renew)
        status = know_again(e, again);
    if (status == EXIT_DONE && !*again)
        status = prove(e);
    if (status == EXIT_DONE && !*again)
        status = take_in(e);
    if (status != EXIT_DONE)
        return status;
    if (e->options.label != NULL) /* when that fails it has been told, and nothing depends on it */
        (void)operator_set_label(&e->o, e->name, e->options.label);
    return e->place == PROTOCOL_ENROLMENT ? certify(e) : EXIT_DONE; /* else it has one */
}

/* ---- the command ---- */

static void show(struct enroll *e, int status, bool again)
{
    static const char *const verdict[] = {
        [EXIT_FAILED] = "refused", [EXIT_NO_ANSWER] = "no answer"};
    const char *done = e->terms.renew ? "renewed" : (again ? "enrolled before" : "enrolled");
    const char *what = status == EXIT_DONE ? done : verdict[status];

    if (e->options.json) {
        printf("{");
        json_member(stdout, "gateway", e->identity.name);
        json_member(stdout, "label", e->options.label != NULL ? e->options.label : "");
        json_member(stdout, "why", e->why);
        printf("\"storage_starts\": %u, \"verdict\": \"%s\"}\n", e->result.storage_starts, what);
    } else {
        printf("%s: %s%s%s\n", e->identity.name[0] != '\0' ? e->identity.name : "enrolment", what,
               e->why[0] != '\0' ? ": " : "", e->why);
        if (status == EXIT_DONE && e->result.storage_starts > 1)
            printf("  notice: its secure storage was started %u times; each start but the first "
                   "lost the keys before it\n",
                   e->result.storage_starts);
        for (uint32_t i = 0; i < e->result.reasons; i++)
            printf("  %s, %s: %s\n", verifier_aspect_name(e->result.reason[i].aspect),
                   verifier_tier_name(e->result.reason[i].tier), e->result.reason[i].text);
    }
    fflush(stdout);
}

static bool turn_to(struct enroll *e, enum protocol_place place)
{
    transport_close(e->t);
    e->place = place;
    e->t = operator_connect(&e->o, place);
    e->closed[place] = e->t == NULL;
    return e->t != NULL;
}

static enum protocol_place other_place(enum protocol_place place)
{
    return place == PROTOCOL_ENROLLED ? PROTOCOL_ENROLMENT : PROTOCOL_ENROLLED;
}

/* A gateway that was named may be at either broker: at the main one while that takes a certificate
 * that it has, from an earlier enrolment. They are looked at in turns. */
static int meet_named(struct enroll *e)
{
    const uint64_t end_ms = e->end_ms;
    int status = because(e, EXIT_NO_ANSWER, "no broker is there", "");

    while (left_ms(e) > 0) {
        const enum protocol_place other = other_place(e->place);

        if (!e->closed[other] && left_ms(e) > TURN_MS)
            e->end_ms = link_now_ms() + TURN_MS;
        status = meet(e);
        e->end_ms = end_ms;
        if (status != EXIT_NO_ANSWER || e->heard)
            return status;
        if (!e->closed[other] && !turn_to(e, other) && !turn_to(e, other_place(other)))
            return status;
    }
    return status;
}

static int run_renewal(struct enroll *e)
{
    bool again;
    int status = meet_named(e);

    snprintf(e->identity.name, sizeof(e->identity.name), "%s", e->options.gateway);
    if (status == EXIT_DONE)
        status = enroll(e, &again);
    show(e, status, false);
    return status;
}

/* Who is refused does not keep others out, when no gateway was named. */
static int run(struct enroll *e)
{
    char refused[PROTOCOL_NAME_SIZE] = "";
    int worst = EXIT_NO_ANSWER;

    for (;;) {
        bool again = false;
        int status;

        memset(&e->result, 0, sizeof(e->result));
        e->why[0] = e->identity.name[0] = '\0';
        status = e->options.gateway != NULL ? meet_named(e) : meet(e);
        if (e->options.gateway == NULL && e->identity.name[0] == '\0') { /* nobody any more */
            if (worst == EXIT_NO_ANSWER)
                show(e, status, false);
            return worst;
        }
        if (e->options.gateway != NULL)
            snprintf(e->identity.name, sizeof(e->identity.name), "%s", e->options.gateway);
        else if (strcmp(refused, e->identity.name) == 0)
            continue;
        if (status == EXIT_DONE)
            status = enroll(e, &again);
        show(e, status, again);
        if (status == EXIT_DONE || e->options.gateway != NULL)
            return status;
        snprintf(refused, sizeof(refused), "%s", e->identity.name);
        if (status == EXIT_FAILED)
            worst = EXIT_FAILED;
    }
}

static const char help[] =
    "usage: kapu enroll [GATEWAY] [--name TEXT] [--interval SECONDS] [--timeout SECONDS] [--json]\n"
    "                   [--operator DIR]\n"
    "       kapu enroll GATEWAY --without-record --reason TEXT [...]\n"
    "       kapu enroll --renew GATEWAY [--interval SECONDS] [--timeout SECONDS] [--json]\n"
    "                   [--without-record --reason TEXT] [--operator DIR]\n\n"
    "Waits for a gateway without a certificate, has it prove that its keys live in the TPM of a\n"
    "board that there is a record of (kapu board), judges its evidence, and gives it a "
    "certificate.\n"
    "Without GATEWAY, the first one that proves itself.\n\n"
    "  --renew             GATEWAY is enrolled, and came back from the factory with other keys\n"
    "  --without-record    take a gateway of whose board there is no record: a genuine TPM is not\n"
    "                      a kapu board. For ever a warning, and audited (kapu audit)\n"
    "  --reason TEXT       why\n"
    "  --name TEXT         what it shall be called\n"
    "  --interval SECONDS  how often it has to be judged to stay trusted (300)\n"
    "  --timeout SECONDS   how long to wait for it, and for its answers (300)\n"
    "  --json              for machines\n"
    "  --operator DIR      the operator's folder\n\n"
    "status: 0 enrolled, 1 refused, 2 wrong usage, 3 no answer\n";

/* Printable, and not empty: it is shown for ever. */
static bool reason_is_good(const char *text)
{
    const size_t n = strlen(text);

    for (size_t i = 0; i < n; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e)
            return false;
    }
    return strspn(text, " ") < n && n < VERIFIER_WHY_MAX;
}

static bool set_option(struct options *o, int c, const char *value)
{
    switch (c) {
    case 'o':
        o->folder = value;
        return true;
    case 'n':
        o->label = value;
        return label_is_good(value) && !protocol_name_is_valid(value);
    case 'i':
        o->interval_s = operator_seconds(value);
        return o->interval_s > 0;
    case 't':
        o->timeout_s = operator_seconds(value);
        return o->timeout_s > 0;
    case 'j':
        o->json = true;
        return true;
    case 'r':
        o->renew = true;
        return true;
    case 'w':
        o->without_record = true;
        return true;
    case 'y':
        o->reason = value;
        return reason_is_good(value);
    default:
        return false;
    }
}

static int parse(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"operator", required_argument, NULL, 'o'}, {"name", required_argument, NULL, 'n'},
        {"interval", required_argument, NULL, 'i'}, {"timeout", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},           {"renew", no_argument, NULL, 'r'},
        {"without-record", no_argument, NULL, 'w'}, {"reason", required_argument, NULL, 'y'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
    };
    static const char seconds[] = "whole seconds, from 1 to 86400";
    const struct {
        int c;
        const char *option, *what;
    } takes[] = {
        {'n', "--name", "1 to 63 printable ASCII characters that are not a gateway's name"},
        {'i', "--interval", seconds},
        {'t', "--timeout", seconds},
        {'y', "--reason", "1 to 127 printable ASCII characters"},
    };
    int c;

    while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (c == 'h') {
            fputs(help, stdout);
            exit(EXIT_DONE);
        }
        if (!set_option(o, c, optarg)) {
            for (size_t i = 0; i < sizeof(takes) / sizeof(takes[0]); i++) {
                if (takes[i].c == c)
                    return bad_value(takes[i].option, optarg, takes[i].what);
            }
            return EXIT_USAGE; /* getopt said why */
        }
    }
    if (optind == argc - 1)
        o->gateway = argv[optind++];
    if (optind != argc)
        (void)fail("one gateway at a time: '%s'", argv[optind]);
    else if (o->without_record != (o->reason != NULL))
        (void)fail("--without-record and --reason belong together");
    else if (o->without_record && o->gateway == NULL)
        (void)fail("--without-record is for one gateway, which must be named");
    else if (o->renew && (o->gateway == NULL || o->label != NULL))
        (void)fail("--renew takes a gateway, which keeps what it is called");
    else if (!o->renew && o->gateway != NULL && !protocol_name_is_valid(o->gateway))
        (void)fail("'%s' is not a gateway's name, which has 32 hexadecimal digits", o->gateway);
    else
        return 0;
    return EXIT_USAGE;
}

/* What the options say about the terms, with the gateway's name in place of its label. */
static int decide(struct enroll *e, struct store_state *state)
{
    e->place = e->options.renew ? PROTOCOL_ENROLLED : PROTOCOL_ENROLMENT;
    e->terms = (struct enrol_terms){
        .renew = e->options.renew, .without_record = e->options.reason, .user = operator_user()};
    if (e->options.without_record)
        fprintf(
            stderr,
            "kapu: WARNING: a gateway without a board record is taken in. A genuine TPM is not a "
            "kapu board: nobody vouches for what it says of itself. This is audited.\n");
    if (!e->options.renew)
        return 0;
    if (operator_find(&e->o, e->options.gateway, state) != 0)
        return -1;
    e->options.gateway = state->gateway.name;
    if (e->options.interval_s == 0)
        e->options.interval_s = state->gateway.interval_s;
    return 0;
}

static int open_authorities(struct enroll *e)
{
    char certificate[OPERATOR_PATH], key[OPERATOR_PATH];
    struct wr w;

    e->roots = x509_roots_load(operator_path(&e->o, "ek-cas.pem", key), e->why, sizeof(e->why));
    if (e->roots == NULL)
        return fail("%s", e->why);
    e->ca = x509_ca_load(operator_path(&e->o, "ca.pem", certificate),
                         operator_path(&e->o, "ca.key", key), e->why, sizeof(e->why));
    if (e->ca == NULL)
        return fail("%s", e->why);
    wr_init(&w, e->issuer, sizeof(e->issuer));
    if (x509_ca_certificate(e->ca, &w) != 0)
        return fail("%s: its certificate is larger than gateways take", certificate);
    e->issuer_n = w.at;
    return EXIT_DONE;
}

int command_enroll(int argc, char **argv)
{
    struct enroll *e = calloc(1, sizeof(*e));
    struct store_state renewed;
    int status = EXIT_NO_ANSWER;

    if (e == NULL)
        return EXIT_NO_ANSWER;
    e->options.timeout_s = TIMEOUT_S;
    if (parse(argc, argv, &e->options) != 0) {
        fputs(help, stderr);
        free(e);
        return EXIT_USAGE;
    }
    if (operator_open(&e->o, e->options.folder) == 0 && open_authorities(e) == EXIT_DONE &&
        decide(e, &renewed) == 0) {
        e->end_ms = link_now_ms() + (uint64_t)e->options.timeout_s * 1000;
        if (turn_to(e, e->place) ||
            (e->options.gateway != NULL && turn_to(e, other_place(e->place))))
            status = e->terms.renew ? run_renewal(e) : run(e);
    }
    transport_close(e->t);
    x509_ca_free(e->ca);
    x509_roots_free(e->roots);
    operator_close(&e->o);
    free(e);
    return status;
}
