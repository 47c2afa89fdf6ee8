// SPDX-License-Identifier: Apache-2.0
/*
 * Cuts the power of simulated gateways: powercut RUNS [SEED] [--json FILE]. Three campaigns:
 *
 *   each      every operation of an update in turn, in every way, and once more in the recovery
 *   random    any operations, of updates one after the other, good releases and bad ones
 *   attacked  the same, and in some boots an attacker in Linux writes both slots and asks for
 *             anything that was ever signed
 *
 * Ends with 1 when a single run was wrong, and says which seed it was.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway.h"

#define CUTS_MAX 4u  /* of one update */
#define EACH_MAX 400 /* operations of an update, at most */
#define SHOW_EVERY_S 10

static struct a_release releases[RELEASES];

struct campaign {
    const char *name;
    uint64_t runs, cuts, boots, trials, reverts, halts, wrong;
};

static bool report(struct campaign *c, const struct gateway *g, const char *wrong, uint32_t seed)
{
    c->runs++;
    c->boots += g->boots;
    c->trials += g->trials;
    c->reverts += g->reverts;
    c->halts += g->halts;
    if (wrong == NULL)
        return true;
    c->wrong++;
    if (c->wrong <= 10)
        fprintf(stderr, "powercut: %s, seed %" PRIu32 ": %s\n", c->name, seed, wrong);
    return false;
}

/* One update, with the power cut at the operations that a function gives. */
static const char *update(struct gateway *g, struct campaign *c, uint32_t release,
                          enum quality quality, const long *cuts, size_t n)
{
    size_t i = 0;

    g->quality[release] = quality;
    gateway_order(g, release);
    for (;;) {
        g->cut_at = i < n ? g->operations + cuts[i] : -1;
        i++;
        if (gateway_run(g))
            return gateway_check(g);
        if (g->wrong != NULL)
            return g->wrong;
        c->cuts++;
    }
}

/* Every operation in turn. True: there are more than `first`. */
static bool cut_at_each(struct campaign *c, long first, uint32_t seed, enum quality quality)
{
    struct gateway g;
    const char *wrong;
    long cuts[2] = {first, 0}, before;
    uint64_t cut;

    gateway_init(&g, releases, seed);
    cuts[1] = (long)gateway_random(&g, 12);
    wrong = update(&g, c, 0, GOOD, NULL, 0); /* both slots */
    before = g.operations;
    cut = c->cuts;
    if (wrong == NULL)
        wrong = update(&g, c, 1, quality, cuts, 1 + seed % 2);
    (void)report(c, &g, wrong, seed);
    return c->cuts > cut && g.operations - before > first;
}

static void each(struct campaign *c, uint64_t runs, uint32_t seed)
{

    while (c->runs < runs) {
        for (unsigned int q = 0; q < QUALITIES; q++) {
            long first = 0;

            while (first < EACH_MAX && c->runs < runs &&
                   cut_at_each(c, first, seed++, (enum quality)q))
                first++;
        }
    }
}

static void at_random(struct campaign *c, uint32_t seed)
{
    struct gateway g;
    const char *wrong;

    gateway_init(&g, releases, seed);
    wrong = update(&g, c, 0, GOOD, NULL, 0);
    for (uint32_t release = 1; release < RELEASES && wrong == NULL; release++) {
        const size_t n = gateway_random(&g, CUTS_MAX + 1);
        long cuts[CUTS_MAX];

        for (size_t i = 0; i < n; i++)
            cuts[i] = (long)gateway_random(&g, i == 0 ? 40 : 15);
        wrong =
            update(&g, c, release,
                   gateway_random(&g, 2) == 0 ? GOOD : (enum quality)gateway_random(&g, QUALITIES),
                   cuts, n);
    }
    (void)report(c, &g, wrong, seed);
}

/* Whatever he leaves in the slots: when they hold the confirmed release again, updates go on. */
static void attacked(struct campaign *c, uint32_t seed)
{
    struct gateway g;
    const char *wrong;

    gateway_init(&g, releases, seed);
    wrong = update(&g, c, 0, GOOD, NULL, 0);
    for (uint32_t release = 1; release < RELEASES && wrong == NULL; release++) {
        gateway_order(&g, release);
        for (uint32_t i = 1 + gateway_random(&g, 4); i > 0 && g.wrong == NULL; i--) {
            g.cut_at =
                gateway_random(&g, 3) == 0 ? g.operations + (long)gateway_random(&g, 20) : -1;
            gateway_attack(&g);
        }
        gateway_repair(&g);
        wrong = g.wrong != NULL ? g.wrong : update(&g, c, release, GOOD, NULL, 0);
    }
    (void)report(c, &g, wrong, seed);
}

static void show(const struct campaign *c)
{
    printf("%-9s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %7" PRIu64
           " %6" PRIu64 "\n",
           c->name, c->runs, c->cuts, c->boots, c->trials, c->reverts, c->halts, c->wrong);
    fflush(stdout);
}

static bool write_json(const char *path, const struct campaign *c, size_t n)
{
    FILE *f = fopen(path, "w");
    uint64_t runs = 0, cuts = 0, wrong = 0;
    bool good = f != NULL;

    for (size_t i = 0; i < n; i++) {
        runs += c[i].runs;
        cuts += c[i].cuts;
        wrong += c[i].wrong;
    }
    good = good && fprintf(f,
                           "{\"host_runs\": %" PRIu64 ", \"host_cuts\": %" PRIu64
                           ", \"host_wrong\": %" PRIu64 "}\n",
                           runs, cuts, wrong) > 0;
    if (f != NULL && fclose(f) != 0)
        good = false;
    if (!good)
        perror(path);
    return good;
}

static void run(struct campaign *c, uint64_t runs, uint32_t seed,
                void (*one)(struct campaign *c, uint32_t seed))
{
    time_t shown = time(NULL);

    for (uint64_t i = 0; i < runs; i++) {
        one(c, seed + (uint32_t)i);
        if (time(NULL) - shown >= SHOW_EVERY_S) {
            shown = time(NULL);
            fprintf(stderr, "powercut: %s: %" PRIu64 " of %" PRIu64 " runs\n", c->name, c->runs,
                    runs);
        }
    }
}

int main(int argc, char **argv)
{
    struct campaign c[] = {{.name = "each"}, {.name = "random"}, {.name = "attacked"}};
    const size_t n = sizeof(c) / sizeof(c[0]);
    const char *json = argc > 2 && strcmp(argv[argc - 2], "--json") == 0 ? argv[argc - 1] : NULL;
    const int words = json != NULL ? argc - 2 : argc;
    uint64_t runs = words > 1 ? strtoull(argv[1], NULL, 10) : 0, wrong = 0;
    uint32_t seed = words > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1;

    if (words < 2 || words > 3 || runs == 0) {
        fprintf(stderr, "powercut RUNS [SEED] [--json FILE]\n");
        return 2;
    }
    gateway_releases(releases);
    each(&c[0], runs / 4 + 1, seed);
    run(&c[1], runs - runs / 4 - runs / 4, seed, at_random);
    run(&c[2], runs / 4, seed, attacked);
    printf("%-9s %9s %9s %9s %9s %9s %7s %6s\n", "campaign", "runs", "cuts", "boots", "trials",
           "reverts", "halts", "wrong");
    for (size_t i = 0; i < n; i++) {
        show(&c[i]);
        wrong += c[i].wrong;
    }
    if (json != NULL && !write_json(json, c, n))
        return 1;
    return wrong == 0 ? 0 : 1;
}
