// SPDX-License-Identifier: Apache-2.0
/* kapu board: which boards the operator has the manufacturer's word for. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "board_file.h"
#include "commands.h"
#include "factory.h"
#include "operator.h"

#define KEYS_FILE "factory-keys.pem"

static const char help[] =
    "usage: kapu board add FILE...     [--operator DIR]\n"
    "       kapu board list [--json]   [--operator DIR]\n"
    "       kapu board remove UUID     [--operator DIR]\n\n"
    "  add     take board records into the store, as kapu factory makes them, signed by a key in\n"
    "          " KEYS_FILE " of the operator's folder. A newer record of a board takes the place\n"
    "          of the one before\n"
    "  list    the boards that there is a record of\n"
    "  remove  there is no record of that board any longer: a gateway on it is not trusted\n\n"
    "  --json          for machines\n"
    "  --operator DIR  the operator's folder\n";

struct command {
    struct operator o;
    bool json;
    unsigned shown, damaged;
};

static struct store_audit audit_of(const struct command *c, const char *what, const char *uuid)
{
    return (struct store_audit){fleet_now_ms(&c->o.fleet), operator_user(), what, uuid, ""};
}

static int keep(struct command *c, const char *path, const struct store_board *b)
{
    static const char *const done[] = {[STORE_ADDED] = "record of board",
                                       [STORE_REPLACED] = "newer record of board",
                                       [STORE_KNOWN] = "known already: record of board"};
    struct store *store = c->o.fleet.store;
    char uuid[HEX_MAX], when[32];
    const struct store_audit audit =
        audit_of(c, "board record added", uuid_text(b->record.board, uuid));
    enum store_added how;
    uint64_t older = 0;
    int err = store->ops->board_add(store, b, &audit, &how, &older);

    if (err == KAPU_EREPLAY)
        return fail("%s: a record of that TPM, board or attestation key is known that is not older "
                    "than it, of %s%s",
                    path, operator_time(older, when),
                    older > b->added_ms + BOARD_FILE_AHEAD_MS
                        ? ", which is to come: a clock was wrong. kapu board remove removes that "
                          "record, and then this one can be added"
                        : "");
    if (err != 0)
        return fail("the store: %s", store->said);
    printf("%s: %s %s (%s), of %s\n", path, done[how], uuid, b->record.platform,
           operator_time(b->record.issued_ms, when));
    return EXIT_DONE;
}

/* Each for itself: one that is not believed does not keep out those after it. */
static int add(struct command *c, char **path, int n)
{
    char keys_path[OPERATOR_PATH], why[OPERATOR_PATH + 256];
    struct reference_keys keys;
    int status = EXIT_DONE;

    if (n < 1) {
        (void)fail("board add takes at least one FILE");
        return EXIT_USAGE;
    }
    if (reference_keys_load(operator_path(&c->o, KEYS_FILE, keys_path), &keys, why, sizeof(why)) !=
        0)
        return fail("%s", why);
    for (int i = 0; i < n; i++) {
        struct store_board b;
        int done =
            board_file_open(path[i], &keys, fleet_now_ms(&c->o.fleet), &b, why, sizeof(why)) == 0
                ? keep(c, path[i], &b)
                : fail("%s", why);

        status = done != EXIT_DONE ? done : status;
    }
    return status;
}

static int show(void *ctx, const struct store_board *b)
{
    const struct board_record *r = &b->record;
    char uuid[HEX_MAX], issued[32], added[32], name[PROTOCOL_NAME_SIZE], text[HEX_MAX];
    struct command *c = ctx;

    protocol_name(r->ueid, name);
    if (c->json) {
        printf("%s{", c->shown > 0 ? ",\n " : "");
        json_member(stdout, "board", uuid_text(r->board, uuid));
        json_member(stdout, "gateway", name);
        json_member(stdout, "platform", r->platform);
        json_member(stdout, "issued", operator_time(r->issued_ms, issued));
        json_member(stdout, "added", operator_time(b->added_ms, added));
        json_member(stdout, "ek_name", hex(r->ek, sizeof(r->ek), text));
        json_member(stdout, "ak_name", hex(r->ak, sizeof(r->ak), text));
        printf("\"damaged\": %s, \"kid\": \"%s\"}", b->damaged ? "true" : "false",
               hex(b->kid, sizeof(b->kid), text));
    } else {
        if (c->shown == 0)
            printf("%-36s  %-32s  %-12s  %s\n", "BOARD", "GATEWAY", "PLATFORM", "ISSUED");
        printf("%-36s  %-32s  %-12s  %s%s\n", uuid_text(r->board, uuid), name, r->platform,
               operator_time(r->issued_ms, issued),
               b->damaged ? "  DAMAGED: vouches for nothing" : "");
    }
    c->shown++;
    c->damaged += b->damaged;
    return 0;
}

static int list(struct command *c, char **word, int n)
{
    struct store *store = c->o.fleet.store;
    int err;

    if (n != 0) {
        (void)fail("board list takes no words, and not '%s'", word[0]);
        return EXIT_USAGE;
    }
    printf("%s", c->json ? "[" : "");
    err = store->ops->boards(store, show, c);
    if (err != 0) /* what is not whole must not look so */
        return fail("the store: %s", store->said);
    printf("%s", c->json ? "]\n" : "");
    if (c->damaged > 0)
        return fail("damaged in the store: %u; kapu board add takes a record again, kapu board "
                    "remove removes it",
                    c->damaged);
    if (!c->json && c->shown == 0)
        printf("no board records; kapu board add takes in those of the manufacturer\n");
    return EXIT_DONE;
}

static int take_away(struct command *c, char **word, int n)
{
    struct store *store = c->o.fleet.store;
    uint8_t board[EVIDENCE_BOARD_SIZE];
    struct store_audit audit;
    char uuid[HEX_MAX];
    int err;

    if (n != 1 || unhex(word[0], board, sizeof(board)) != 0) {
        (void)fail("board remove takes the UUID of one board");
        return EXIT_USAGE;
    }
    audit = audit_of(c, "board record removed", uuid_text(board, uuid));
    err = store->ops->board_remove(store, board, &audit);
    if (err == KAPU_ENOENT)
        return fail("there is no record of board %s", uuid);
    if (err != 0)
        return fail("the store: %s", store->said);
    printf("%s: no record of this board any longer\n", uuid);
    return EXIT_DONE;
}

static const struct {
    const char *name;
    int (*run)(struct command *c, char **word, int n);
    int (*open)(struct operator* o, const char *folder);
} verbs[] = {{"add", add, operator_open},
             {"list", list, operator_open_to_read},
             {"remove", take_away, operator_open}};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

/* The index of the verb, or -1. */
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
            return -1;
        }
    }
    for (size_t i = 0; i < VERBS && optind < argc; i++) {
        if (strcmp(verbs[i].name, argv[optind]) == 0)
            return (int)i;
    }
    return -1;
}

int command_board(int argc, char **argv)
{
    const char *folder = NULL;
    struct command c = {.json = false};
    int verb = parse(argc, argv, &folder, &c.json), status = EXIT_USAGE;

    if (verb >= 0) {
        status = EXIT_FAILED;
        if (verbs[verb].open(&c.o, folder) == 0)
            status = verbs[verb].run(&c, argv + optind + 1, argc - optind - 1);
        operator_close(&c.o);
    }
    if (status == EXIT_USAGE)
        fputs(help, stderr);
    return status;
}
