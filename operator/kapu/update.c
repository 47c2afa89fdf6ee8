// SPDX-License-Identifier: Apache-2.0
/* kapu update: releases come to gateways in waves, and are halted. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "update.h"

#define TIMEOUT_S 3600u
#define DAYS_MAX 3660u

static const char help[] =
    "usage: kapu update publish DIR [--to WEBROOT] [--folder NAME] [--release-keys FILE] [--json]\n"
    "       kapu update rollout RELEASE (--all | --group NAME | --gateway NAME...)\n"
    "                           [--waves PERCENT,...]\n"
    "                           [--limit N|N%] [--days N] [--timeout SECONDS] [--number N] "
    "[--json]\n"
    "       kapu update resume RELEASE [--number N] [--json]\n"
    "       kapu update halt (RELEASE | --all) [--number N] [--json]\n"
    "       kapu update join GROUP (--all | --gateway NAME...) [--days N] [--number N] [--json]\n"
    "       kapu update status [RELEASE] [--ask] [--history] [--json]\n\n"
    "  publish  a release's folder, signed by enough, comes to the server of releases, and is "
    "known\n"
    "  rollout  brings a release to gateways, wave by wave: each gateway installs it, is asked "
    "for\n"
    "           evidence in its trial, and gets an approval if it is trusted. Goes on until all "
    "is\n"
    "           done, or too many of a wave have failed: then it halts\n"
    "  resume   goes on with a rollout that was interrupted; or that was halted, with all "
    "gateways\n"
    "           that are not confirmed\n"
    "  halt     ends a rollout on all its gateways, trials that run too; at once\n"
    "  join     gateways become part of a group, and leave the one that they were part of\n"
    "  status   how far each gateway is, and what it answered last\n\n"
    "  RELEASE            version, folder, or the beginning of the digest\n"
    "  --to WEBROOT       copy it there, into a folder of its own\n"
    "  --folder NAME      that folder's name (PRODUCT-VERSION)\n"
    "  --release-keys FILE  set of release keys (release-set of operator.conf)\n"
    "  --all              all gateways that are trusted; join: all; halt: all rollouts that are\n"
    "                     running\n"
    "  --group NAME       those that joined this group\n"
    "  --gateway NAME     this one, by its name or label; once for each\n"
    "  --waves PERCENT,...  how many of the gateways, up to the end of each wave (5,25,100)\n"
    "  --limit N|N%       how many of a wave may fail, or percent of it (0)\n"
    "  --days N           each of its rollouts ends so many days after it was signed (30); join:\n"
    "                     a gateway takes it no later\n"
    "  --timeout SECONDS  a gateway of which nothing new was heard for so long has failed (3600)\n"
    "  --number N         the next number of a rollout or membership is at least N\n"
    "  --ask              ask the gateways now\n"
    "  --history          all that has happened\n"
    "  --json             for machines\n"
    "  --operator DIR     the operator's folder\n\n"
    "status: 0 done, 1 refused, failed or halted, 2 wrong usage\n";

enum { TO = 256, FOLDER, RELEASE_KEYS, GATEWAY, GROUP, WAVES, LIMIT, DAYS, TIMEOUT, NUMBER };

static const struct option long_options[] = {
    {"operator", required_argument, NULL, 'o'},
    {"to", required_argument, NULL, TO},
    {"folder", required_argument, NULL, FOLDER},
    {"release-keys", required_argument, NULL, RELEASE_KEYS},
    {"all", no_argument, NULL, 'a'},
    {"gateway", required_argument, NULL, GATEWAY},
    {"group", required_argument, NULL, GROUP},
    {"waves", required_argument, NULL, WAVES},
    {"limit", required_argument, NULL, LIMIT},
    {"days", required_argument, NULL, DAYS},
    {"timeout", required_argument, NULL, TIMEOUT},
    {"number", required_argument, NULL, NUMBER},
    {"ask", no_argument, NULL, 'A'},
    {"history", no_argument, NULL, 'H'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* 0, or EXIT_USAGE. */
static int take_number(const char *name, uint64_t most, uint64_t *to)
{
    char *end;

    errno = 0;
    *to = strtoull(optarg, &end, 10);
    if (optarg[0] >= '0' && optarg[0] <= '9' && *end == '\0' && errno == 0 && *to >= 1 &&
        *to <= most)
        return 0;
    (void)fail("--%s takes a number from 1 to %llu, not '%s'", name, (unsigned long long)most,
               optarg);
    return EXIT_USAGE;
}

static int take_gateway(struct update_options *p)
{
    if (p->gateways == UPDATE_NAMED_MAX) {
        (void)fail("--gateway can be given %u times; or give --all", UPDATE_NAMED_MAX);
        return EXIT_USAGE;
    }
    p->gateway[p->gateways++] = optarg;
    return 0;
}

static int take_valued(struct update_options *p, int c)
{
    switch (c) {
    case TO:
        p->to = optarg;
        return 0;
    case FOLDER:
        p->folder = optarg;
        return 0;
    case RELEASE_KEYS:
        p->release_keys = optarg;
        return 0;
    case GATEWAY:
        return take_gateway(p);
    case GROUP:
        p->group = optarg;
        return 0;
    case WAVES:
        p->waves = optarg;
        return 0;
    case LIMIT:
        p->limit = optarg;
        return 0;
    case DAYS:
        return take_number("days", DAYS_MAX, &p->days);
    case TIMEOUT:
        p->timeout_s = operator_seconds(optarg);
        return p->timeout_s > 0 ? 0 : EXIT_USAGE;
    case NUMBER:
        return take_number("number", INT64_MAX / 2, &p->number);
    default:
        return EXIT_USAGE;
    }
}

static void note(struct update_options *p, int c)
{
    for (size_t i = 0; i < p->given_n; i++) {
        if (p->given[i] == c)
            return;
    }
    if (p->given_n < UPDATE_GIVEN_MAX)
        p->given[p->given_n++] = c;
}

static int take(struct update_options *p, int c)
{
    note(p, c);
    switch (c) {
    case 'o':
        p->at = optarg;
        return 0;
    case 'a':
        p->all = true;
        return 0;
    case 'A':
        p->ask = true;
        return 0;
    case 'H':
        p->history = true;
        return 0;
    case 'j':
        p->json = true;
        return 0;
    case 'h':
        fputs(help, stdout);
        exit(EXIT_DONE);
    default:
        return take_valued(p, c);
    }
}

/* ---- the verbs, with what each needs ---- */

static int publish(struct operator* o, const struct update_options *p, char **word, int n)
{
    return n == 1 ? update_publish(o, p, word[0]) : EXIT_USAGE;
}

/* All gateways, some, or those of a group. */
static bool names_once(const struct update_options *p)
{
    return (p->all ? 1 : 0) + (p->gateways > 0 ? 1 : 0) + (p->group != NULL ? 1 : 0) == 1;
}

static int rollout(struct operator* o, const struct update_options *p, char **word, int n)
{
    return n == 1 && names_once(p) ? update_rollout(o, p, word[0]) : EXIT_USAGE;
}

static int join(struct operator* o, const struct update_options *p, char **word, int n)
{
    return n == 1 && names_once(p) ? update_join_group(o, p, word[0]) : EXIT_USAGE;
}

static int resume(struct operator* o, const struct update_options *p, char **word, int n)
{
    return n == 1 ? update_resume(o, p, word[0]) : EXIT_USAGE;
}

static int halt(struct operator* o, const struct update_options *p, char **word, int n)
{
    return n == (p->all ? 0 : 1) ? update_halt(o, p, p->all ? NULL : word[0]) : EXIT_USAGE;
}

static int status(struct operator* o, const struct update_options *p, char **word, int n)
{
    return n <= 1 ? update_status(o, p, n == 1 ? word[0] : NULL) : EXIT_USAGE;
}

#define MOST_TAKEN 12u

static const struct verb {
    const char *name;
    int takes[MOST_TAKEN]; /* options, besides those of all */
    int (*run)(struct operator* o, const struct update_options *p, char **word, int n);
} verbs[] = {
    {"publish", {TO, FOLDER, RELEASE_KEYS}, publish},
    {"rollout", {'a', GATEWAY, GROUP, WAVES, LIMIT, DAYS, TIMEOUT, NUMBER}, rollout},
    {"join", {'a', GATEWAY, DAYS, NUMBER}, join},
    {"resume", {NUMBER}, resume},
    {"halt", {'a', NUMBER}, halt},
    {"status", {'A', 'H'}, status},
};

static const char *option_name(int c)
{
    size_t i = 0;

    while (long_options[i].name != NULL && long_options[i].val != c)
        i++;
    return long_options[i].name;
}

static bool takes(const struct verb *v, int c)
{
    if (c == 'o' || c == 'j')
        return true;
    for (size_t i = 0; i < MOST_TAKEN; i++) {
        if (v->takes[i] == c)
            return true;
    }
    return false;
}

/* An option that means nothing here was meant for something. */
static bool is_right(const struct verb *v, const struct update_options *p)
{
    for (size_t i = 0; i < p->given_n; i++) {
        if (!takes(v, p->given[i])) {
            (void)fail("update %s takes no --%s", v->name, option_name(p->given[i]));
            return false;
        }
    }
    return true;
}

static const struct verb *verb_of(const char *name)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    (void)fail("update: there is no command '%s'", name);
    return NULL;
}

static int parse(int argc, char **argv, struct update_options *p)
{
    int c, err = 0;

    while (err == 0 && (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
        err = take(p, c);
    return err == 0 && optind < argc ? 0 : EXIT_USAGE;
}

int command_update(int argc, char **argv)
{
    static const char *named[UPDATE_NAMED_MAX];
    static struct operator o;
    struct update_options p = {.gateway = named, .days = 30, .timeout_s = TIMEOUT_S};
    const struct verb *verb = NULL;
    int done = EXIT_USAGE;

    if (parse(argc, argv, &p) == 0)
        verb = verb_of(argv[optind]);
    if (verb != NULL && is_right(verb, &p)) {
        done = operator_open(&o, p.at) == 0
                   ? verb->run(&o, &p, argv + optind + 1, argc - optind - 1)
                   : EXIT_FAILED;
        operator_close(&o);
    }
    if (done == EXIT_USAGE)
        fputs(help, stderr);
    return done;
}
