// SPDX-License-Identifier: Apache-2.0
/*
 * kapu attest: asks a gateway for evidence and judges it. What is not evidence of that gateway for
 * this question changes nothing that is known of it: then it is silence that tells.
 */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "attest_ask.h"
#include "commands.h"
#include "factory.h"
#include "link.h"
#include "operator.h"

#define TIMEOUT_S 120u
#define SECONDS "whole seconds, from 1 to 86400"
#define MIN_REST_MS 100u /* between two questions, however long an answer took */

struct options {
    const char *folder;
    uint32_t timeout_s, watch_s;
    bool watch, json, log;
};

struct attest {
    struct options options;
    struct operator o;
    struct transport *t;
    struct store_state gateway;
    struct transport_message reply;
    uint8_t work[PROTOCOL_BODY_MAX];
};

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

/* ---- asking ---- */

static void ask_once(struct attest *a, struct attested *out, uint8_t nonce[EVIDENCE_NONCE_SIZE])
{
    const char *of = a->gateway.gateway.name;
    uint8_t body[PROTOCOL_REQUEST_MAX];
    char name[PROTOCOL_NAME_SIZE];
    struct wr w;

    memset(out, 0, sizeof(*out));
    protocol_name(a->gateway.gateway.ueid, name);
    wr_init(&w, body, sizeof(body));
    if (attest_question(&a->o.fleet, of, a->options.log, &w, nonce, out) != 0)
        return;
    if (transport_request(a->t, name, wr_done(&w), a->options.timeout_s * 1000, &a->reply) != 0)
        attest_no_answer(out, transport_said(a->t), "");
    else
        attest_judge(&a->o.fleet, of, (struct bytes){a->reply.body, a->reply.n}, a->work, out);
}

static bool was_overtaken(struct attest *a, const struct attested *out,
                          const uint8_t nonce[EVIDENCE_NONCE_SIZE])
{
    return attest_was_overtaken(&a->o.fleet, a->gateway.gateway.name, out, nonce);
}

static void ask(struct attest *a, struct attested *out)
{
    uint8_t nonce[EVIDENCE_NONCE_SIZE] = {0};
    unsigned tries = 0;

    do
        ask_once(a, out, nonce);
    while (++tries < ATTEST_TRIES && was_overtaken(a, out, nonce));
    if (was_overtaken(a, out, nonce)) {
        memset(out, 0, sizeof(*out));
        attest_no_answer(out, "others ask this gateway, and are answered first", "");
    }
}

/* ---- showing ---- */

static const char *verdict_of(const struct attested *out)
{
    if (out->status == EXIT_NO_ANSWER)
        return "no answer";
    if (out->status != EXIT_DONE)
        return "not trusted";
    return out->result.status == VERIFIER_WARNING ? "trusted with warnings" : "trusted";
}

static void present(struct attest *a, struct trust_now *now)
{
    struct store *store = a->o.fleet.store;
    struct store_state state;

    now->trust = TRUST_NO;
    if (store->ops->gateway_named(store, a->gateway.gateway.name, &state) == 0)
        fleet_trust(&a->o.fleet.policy, &state, fleet_now_ms(&a->o.fleet), now);
    else
        snprintf(now->text, sizeof(now->text), "not trusted: not in the store");
}

/* What authentic evidence says. */
static void print_said(const struct verifier_result *r)
{
    char identity[HEX_MAX], boot[HEX_MAX], why[256];

    printf("  release %s%s%s%s, security counter %u; deep check %u ended %.1f s before, "
           "%u alarms, %u warnings\n",
           r->version, r->flavour[0] != '\0' ? " (" : "", r->flavour,
           r->flavour[0] != '\0' ? ")" : "", r->counter, r->check_number, r->age_ms / 1000.0,
           r->alarms, r->warnings);
    printf("  release identity %s\n  boot name        %s\n",
           hex(r->release_identity, sizeof(r->release_identity), identity),
           hex(r->boot_name, sizeof(r->boot_name), boot));
    printf("  its TPM was reset %u times since the last verdict, %u times in a day; the monitor "
           "reset it %u times since power-on\n",
           r->started, r->starts.day, r->monitor_resets);
    if (verifier_explain_update(r, why, sizeof(why)))
        printf("  %s\n", why);
    if (verifier_explain_told(&r->told, why, sizeof(why)))
        printf("  %s\n", why);
}

static void print_text(struct attest *a, const struct attested *out)
{
    const struct verifier_result *r = &out->result;
    char label[LABEL_MAX], when[32];
    struct trust_now now;

    printf("%s  %s: %s\n", operator_time(fleet_now_ms(&a->o.fleet), when),
           operator_label(&a->o, a->gateway.gateway.name, label),
           out->status == EXIT_FAILED ? "NOT TRUSTED" : verdict_of(out));
    if (out->why[0] != '\0')
        printf("  %s\n", out->why);
    if (out->judged && r->authentic)
        print_said(r);
    for (uint32_t i = 0; i < r->reasons; i++)
        printf("  %s, %s: %s\n", verifier_aspect_name(r->reason[i].aspect),
               verifier_tier_name(r->reason[i].tier), r->reason[i].text);
    if (r->not_kept > 0)
        printf("  and %u reasons more\n", r->not_kept);
    if (!out->judged || !r->authentic) {
        present(a, &now);
        printf("  at present it is %s\n", now.text);
    }
}

/* The result in the terms of EAR, without the end of its line. */
static void print_ear(struct attest *a, const struct attested *out)
{
    char *ear = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&ear, &n);

    if (to == NULL)
        return;
    verifier_print_ear(to, &out->result, a->gateway.gateway.name, a->o.fleet.policy.name,
                       fleet_now_ms(&a->o.fleet) / 1000);
    if (fclose(to) == 0)
        printf(", \"ear\": %.*s", (int)strcspn(ear, "\n"), ear);
    free(ear);
}

/* One line a question. */
static void print_json(struct attest *a, const struct attested *out)
{
    char label[LABEL_MAX], when[32];
    struct trust_now now;

    present(a, &now);
    printf("{");
    json_member(stdout, "time", operator_time(fleet_now_ms(&a->o.fleet), when));
    json_member(stdout, "gateway", a->gateway.gateway.name);
    json_member(stdout, "label", operator_label(&a->o, a->gateway.gateway.name, label));
    json_member(stdout, "verdict", verdict_of(out));
    json_member(stdout, "why", out->why);
    printf("\"bytes\": %zu, \"present\": ", out->bytes);
    verifier_print_string(stdout, now.text);
    if (out->judged)
        print_ear(a, out);
    printf("}\n");
}

/* ---- the command ---- */

static uint32_t rest_ms(const struct attest *a, uint64_t begin_ms)
{
    uint64_t took = link_now_ms() - begin_ms;
    uint64_t period = (uint64_t)a->options.watch_s * 1000;

    return took + MIN_REST_MS < period ? (uint32_t)(period - took) : MIN_REST_MS;
}

static int run(struct attest *a)
{
    struct attested *out = calloc(1, sizeof(*out));
    int status = EXIT_NO_ANSWER;

    if (out == NULL)
        return status;
    if (a->options.watch_s == 0)
        a->options.watch_s = a->gateway.gateway.interval_s;
    do {
        uint64_t begin = link_now_ms();

        if (operator_read_policy(&a->o) != 0) { /* it may have changed since the last question */
            status = EXIT_NO_ANSWER;
            break;
        }
        ask(a, out);
        status = out->status;
        (a->options.json ? print_json : print_text)(a, out);
        if (fflush(stdout) != 0) /* nobody reads on */
            break;
        if (a->options.watch && !ended)
            transport_idle(a->t, rest_ms(a, begin));
    } while (a->options.watch && !ended);
    free(out);
    return status;
}

static const char help[] =
    "usage: kapu attest GATEWAY [--watch [SECONDS]] [--log] [--json] [--timeout SECONDS]\n"
    "                   [--operator DIR]\n\n"
    "Asks a gateway for evidence, judges it, and records the verdict.\n\n"
    "  --watch [SECONDS]  ask again and again, by default as often as its interval says\n"
    "  --log              with the boot's event log\n"
    "  --json             a line of JSON for each question\n"
    "  --timeout SECONDS  how long to wait for an answer (120)\n"
    "  --operator DIR     the operator's folder\n\n"
    "status: 0 trusted, 1 not trusted, 2 wrong usage, 3 no answer\n";

/* 0, or what the command ends with. */
static int parse(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"operator", required_argument, NULL, 'o'},
        {"watch", optional_argument, NULL, 'w'},
        {"timeout", required_argument, NULL, 't'},
        {"log", no_argument, NULL, 'l'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        switch (c) {
        case 'o':
            o->folder = optarg;
            break;
        case 'w':
            o->watch = true;
            if (optarg == NULL && optind < argc && operator_seconds(argv[optind]) > 0)
                optarg = argv[optind++]; /* "--watch 60" as well as "--watch=60" */
            o->watch_s = optarg != NULL ? operator_seconds(optarg) : 0;
            if (optarg != NULL && o->watch_s == 0)
                return bad_value("--watch", optarg, SECONDS);
            break;
        case 't':
            o->timeout_s = operator_seconds(optarg);
            if (o->timeout_s == 0)
                return bad_value("--timeout", optarg, SECONDS);
            break;
        case 'l':
            o->log = true;
            break;
        case 'j':
            o->json = true;
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_DONE);
        default:
            return EXIT_USAGE;
        }
    }
    if (optind == argc - 1)
        return 0;
    (void)fail("attest takes one gateway");
    return EXIT_USAGE;
}

int command_attest(int argc, char **argv)
{
    struct attest *a = calloc(1, sizeof(*a));
    const struct sigaction act = {.sa_handler = on_signal};
    int status = EXIT_NO_ANSWER;

    if (a == NULL)
        return EXIT_NO_ANSWER;
    a->options.timeout_s = TIMEOUT_S;
    if (parse(argc, argv, &a->options) != 0) {
        fputs(help, stderr);
        free(a);
        return EXIT_USAGE;
    }
    if (a->options.watch) {
        sigaction(SIGINT, &act, NULL);
        sigaction(SIGTERM, &act, NULL);
    }
    if (operator_open(&a->o, a->options.folder) == 0 &&
        operator_find(&a->o, argv[optind], &a->gateway) == 0) {
        a->t = operator_connect(&a->o, PROTOCOL_ENROLLED);
        if (a->t != NULL)
            status = run(a);
    }
    transport_close(a->t);
    operator_close(&a->o);
    free(a);
    return status;
}
