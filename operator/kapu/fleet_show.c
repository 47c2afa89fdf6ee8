// SPDX-License-Identifier: Apache-2.0
/*
 * kapu fleet: each gateway's trust as it is now, from the store alone. A gateway that was not
 * judged within its interval is not trusted, whoever was or was not running meanwhile.
 */
#include <getopt.h>
#include <stdlib.h>

#include "commands.h"
#include "operator.h"

struct show {
    struct operator o;
    bool json;
    unsigned gateways, not_trusted;
};

static const char *const trust_name[] = {
    [TRUST_NO] = "not trusted", [TRUST_WARNED] = "trusted with warnings", [TRUST_YES] = "trusted"};

static const char *const record_name[] = {[VERIFIER_RECORD_NONE] = "none",
                                          [VERIFIER_RECORD_GOOD] = "good",
                                          [VERIFIER_RECORD_OTHER_BOARD] = "of another board",
                                          [VERIFIER_RECORD_OTHER_AK] = "of another key"};

static void print_json(struct show *s, const struct store_state *state, uint32_t resets,
                       const struct trust_now *now)
{
    char label[LABEL_MAX], when[32];

    printf("%s{", s->gateways > 0 ? ",\n " : "");
    json_member(stdout, "gateway", state->gateway.name);
    json_member(stdout, "label", operator_label(&s->o, state->gateway.name, label));
    json_member(stdout, "trust", trust_name[now->trust]);
    json_member(stdout, "why", now->text);
    json_member(stdout, "enrolled", operator_time(state->enrolled_ms, when));
    if (state->appraised) {
        json_member(stdout, "judged", operator_time(state->appraised_ms, when));
        json_member(stdout, "verdict", verifier_tier_name(state->status));
    }
    json_member(stdout, "board_record", record_name[state->gateway.record]);
    json_member(stdout, "without_record", state->gateway.without_record);
    printf("\"tpm_resets_day\": %u, \"monitor_resets\": %u, ", resets, state->monitor_resets);
    printf("\"interval_s\": %u}", state->gateway.interval_s);
}

static int print_one(void *ctx, const struct store_state *state)
{
    char label[LABEL_MAX], when[32];
    struct show *s = ctx;
    struct trust_now now;
    uint32_t resets = 0;

    if (state->damaged == NULL && fleet_starts(&s->o.fleet, state, &resets) != 0)
        return KAPU_EIO;
    fleet_trust(&s->o.fleet.policy, state, fleet_now_ms(&s->o.fleet), &now);
    if (s->json) {
        print_json(s, state, resets, &now);
    } else {
        if (s->gateways == 0)
            printf("%-32s  %-20s  %-6s  %s\n", "GATEWAY", "JUDGED", "RESETS", "STATE");
        printf("%-32s  %-20s  %u, %-3u  %s\n", operator_label(&s->o, state->gateway.name, label),
               state->appraised ? operator_time(state->appraised_ms, when) : "never", resets,
               state->monitor_resets, now.text);
    }
    s->gateways++;
    s->not_trusted += now.trust == TRUST_NO;
    return 0;
}

static const char help[] =
    "usage: kapu fleet [--json] [--operator DIR]\n\n"
    "Shows each enrolled gateway and whether it is trusted now. Asks nobody: a gateway that was\n"
    "not judged within its interval is not trusted. RESETS: of its TPM in a day, and by its "
    "monitor\n"
    "since power-on.\n\n"
    "status: 0 all are trusted, 1 at least one is not, 2 wrong usage, 3 the store cannot be read\n";

static int parse(int argc, char **argv, const char **folder, bool *json)
{
    static const struct option known[] = {
        {"operator", required_argument, NULL, 'o'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (c == 'o') {
            *folder = optarg;
        } else if (c == 'j') {
            *json = true;
        } else if (c == 'h') {
            fputs(help, stdout);
            exit(EXIT_DONE);
        } else {
            return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return 0;
    (void)fail("fleet takes no words but its options, and not '%s'", argv[optind]);
    return EXIT_USAGE;
}

int command_fleet(int argc, char **argv)
{
    const char *folder = NULL;
    struct show s = {0};
    bool json = false;
    int status = EXIT_NO_ANSWER;

    if (parse(argc, argv, &folder, &json) != 0) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    if (operator_open_to_read(&s.o, folder) == 0) {
        struct store *store = s.o.fleet.store;

        s.json = json;
        printf("%s", json ? "[" : "");
        if (store->ops->gateways(store, print_one, &s) != 0)
            (void)fail("the store: %s", store->said);
        else
            status = s.not_trusted > 0 ? EXIT_FAILED : EXIT_DONE;
        if (json && status != EXIT_NO_ANSWER) /* else it is not whole, and must not look so */
            printf("]\n");
        if (!json && s.gateways == 0 && status != EXIT_NO_ANSWER)
            printf("no gateways; kapu enroll takes in new ones\n");
    }
    operator_close(&s.o);
    return status;
}
