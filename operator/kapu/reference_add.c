// SPDX-License-Identifier: Apache-2.0
/* kapu reference: which releases the verifier knows. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "operator.h"
#include "reference.h"

static const char help[] =
    "usage: kapu reference add FILE...              [--operator DIR]\n"
    "       kapu reference remove RELEASE FLAVOUR   [--operator DIR]\n\n"
    "  add     take the reference values of releases into the store; tools/reference-values makes\n"
    "          such files\n"
    "  remove  a release is not known any longer, nor gateways that run it\n";

static int add(struct operator* o, char **path, int n)
{
    char why[512];

    if (n < 1)
        return EXIT_USAGE;
    for (int i = 0; i < n; i++) {
        size_t releases;

        if (reference_load(o->fleet.store, path[i], &releases, why, sizeof(why)) != 0)
            return fail("%s", why);
        printf("%s: %zu release%s\n", path[i], releases, releases == 1 ? "" : "s");
    }
    return EXIT_DONE;
}

static int take_away(struct operator* o, char **word, int n)
{
    struct store *store = o->fleet.store;
    int err;

    if (n != 2)
        return EXIT_USAGE;
    err = store->ops->references_remove(store, word[0], word[1]);
    if (err == KAPU_ENOENT)
        return fail("there are no reference values of %s, flavour %s", word[0], word[1]);
    if (err != 0)
        return fail("the store: %s", store->said);
    printf("%s (%s): not known any longer\n", word[0], word[1]);
    return EXIT_DONE;
}

static const struct {
    const char *name;
    int (*run)(struct operator* o, char **word, int n);
} verbs[] = {{"add", add}, {"remove", take_away}};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

/* The index of the verb, or -1. */
static int parse(int argc, char **argv, const char **folder)
{
    static const struct option known[] = {
        {"operator", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (c == 'o') {
            *folder = optarg;
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

int command_reference(int argc, char **argv)
{
    const char *folder = NULL;
    struct operator o = {0};
    int verb = parse(argc, argv, &folder), status = EXIT_USAGE;

    if (verb >= 0) {
        status = EXIT_FAILED;
        if (operator_open(&o, folder) == 0)
            status = verbs[verb].run(&o, argv + optind + 1, argc - optind - 1);
        operator_close(&o);
    }
    if (status == EXIT_USAGE)
        fputs(help, stderr);
    return status;
}
