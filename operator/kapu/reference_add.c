// SPDX-License-Identifier: Apache-2.0
/* kapu reference: which releases the verifier knows. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "operator.h"
#include "reference.h"

#define KEYS_FILE "release-keys.pem"

static const char help[] =
    "usage: kapu reference add FILE...              [--operator DIR]\n"
    "       kapu reference show FILE...             [--operator DIR]\n"
    "       kapu reference remove RELEASE FLAVOUR   [--operator DIR]\n\n"
    "  add     take the reference values of releases into the store: reference.cbor of a build,\n"
    "          signed by a key in " KEYS_FILE " of the operator's folder\n"
    "  show    what such a file says, without taking it in\n"
    "  remove  a release is not known any longer, nor gateways that run it\n";

static void show_file(const char *path, const struct reference_file *f)
{
    printf("%s: for %s, signed by the key ", path, f->values.platform);
    for (size_t i = 0; i < sizeof(f->kid); i++)
        printf("%02x", f->kid[i]);
    printf("\n");
    for (size_t i = 0; i < f->values.releases; i++) {
        const struct verifier_reference *r = &f->values.release[i];

        printf("  release %s, flavour %s, security counter %u, %u symbols of its kernel\n",
               r->release, r->flavour, r->counter, r->kernel.symbols);
    }
}

static void show_pcrs(const struct verifier_reference *r)
{
    printf("%s, flavour %s:\n", r->release, r->flavour);
    for (size_t i = 0; i < VERIFIER_MEASURED; i++) {
        printf("  PCR %u  ", evidence_pcr[i]);
        for (size_t k = 0; k < sizeof(r->pcr[i]); k++)
            printf("%02x", r->pcr[i][k]);
        printf("\n");
    }
}

/* One file after the other, to the first that is not believed or cannot be kept. */
static int each_file(struct operator* o, char **path, int n,
                     int (*use)(struct operator* o, const struct reference_file *f))
{
    char keys_path[OPERATOR_PATH], why[OPERATOR_PATH + 256];
    struct reference_keys keys;
    int status = EXIT_DONE;

    if (n < 1)
        return EXIT_USAGE;
    if (reference_keys_load(operator_path(o, KEYS_FILE, keys_path), &keys, why, sizeof(why)) != 0)
        return fail("%s", why);
    for (int i = 0; i < n && status == EXIT_DONE; i++) {
        struct reference_file f;

        if (reference_open(path[i], &keys, &f, why, sizeof(why)) != 0)
            status = fail("%s", why);
        else
            status = use(o, &f);
        if (status == EXIT_DONE)
            show_file(path[i], &f);
        reference_close(&f);
    }
    return status;
}

static int keep(struct operator* o, const struct reference_file *f)
{
    struct store *store = o->fleet.store;

    if (store->ops->references_add(store, f->values.release, f->values.releases) != 0)
        return fail("the store: %s", store->said);
    return EXIT_DONE;
}

static int add(struct operator* o, char **path, int n)
{
    return each_file(o, path, n, keep);
}

static int print(struct operator* o, const struct reference_file *f)
{
    (void)o;
    for (size_t i = 0; i < f->values.releases; i++)
        show_pcrs(&f->values.release[i]);
    return EXIT_DONE;
}

static int show(struct operator* o, char **path, int n)
{
    return each_file(o, path, n, print);
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
} verbs[] = {{"add", add}, {"show", show}, {"remove", take_away}};

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
