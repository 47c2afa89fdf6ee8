// SPDX-License-Identifier: Apache-2.0
/*
 * Replays a trace of update.pml (spin -T -nSEED, on standard input) against the real lib/bootstate
 * and lib/update, and compares the answer and the whole state after each event. Ends with 1 at the
 * first difference, and says in which line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"

#define ORDERS 64
#define NOBODY 7
#define LINE 256
#define WORDS 16

static struct a_release releases[RELEASES];
static struct gateway g;
static struct update u;
static bool open_now;
static struct update_file orders[ORDERS];
static unsigned int ordered;
static enum update_answer answer;

/* ---- events; each may end in a longjmp to g.off ---- */

static void begin(const int *w)
{
    if (w[0] == NOBODY)
        gateway_unnamed(&g);
    g.clean_cuts = true;
    g.rollout = 0;
    if (w[1] == 0)
        memcpy(g.slot[1], g.slot[0], sizeof(g.slot[1]));
    else
        memset(g.slot[1], 0xff, sizeof(g.slot[1]));
}

static void start(const int *w)
{
    for (size_t i = 0; i < RELEASES; i++)
        g.quality[i] = w[1] != 0 ? GOOD : HANGS;
    open_now = false;
    (void)gateway_boot(&g);
}

static void open_it(const int *w)
{
    (void)w;
    open_now = true; /* a cut takes that back */
    gateway_open(&g, &u);
}

static void request(const int *w)
{
    g.order = orders[w[0]];
    if (gateway_ask(&g, &u, &answer) != 0)
        exit(1);
}

static void confirm(const int *w)
{
    answer = gateway_confirm(&g, &u, w[1] != 0);
}

static void order(const int *w)
{
    ordered++;
    if (w[1] != 0)
        gateway_order_halt(&g, (uint32_t)w[0]);
    else
        gateway_order(&g, (uint32_t)w[0]);
    orders[ordered] = g.order;
}

static void write_slot(const int *w)
{
    uint8_t *to = g.slot[w[0]][0];

    if (w[1] < 3)
        memcpy(to, releases[w[1]].content, sizeof(g.slot[0]));
    else
        memset(to, 0xff, sizeof(g.slot[0]));
}

static void reset(const int *w)
{
    g.running = open_now = false;
    if (w[0] == 0)
        memset(&g.marks, 0, sizeof(g.marks));
}

static const struct {
    const char *name;
    void (*run)(const int *w);
    int cut; /* word that says after how many writes the power goes; -1: none */
} events[] = {
    {"begin", begin, -1},      {"start", start, 0},     {"open", open_it, 0},
    {"request", request, 1},   {"confirm", confirm, 0}, {"order", order, -1},
    {"write", write_slot, -1}, {"reset", reset, -1},
};

/* True: the power went. */
static bool ends_in_a_cut(void (*event)(const int *w), const int *w)
{
    switch (setjmp(g.off)) {
    case 0:
        event(w);
        return false;
    case GATEWAY_POWER_OFF:
        g.running = open_now = false;
        return true;
    default: /* it resets, or waits for a person */
        g.running = open_now = false;
        return false;
    }
}

static bool run(const char *name, const int *w)
{
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (strcmp(events[i].name, name) != 0)
            continue;
        g.cut_at = events[i].cut < 0 ? -1 : g.operations + w[events[i].cut];
        return ends_in_a_cut(events[i].run, w);
    }
    fprintf(stderr, "replay: event %s is not known\n", name);
    exit(1);
}

/* ---- the state, in the words of the model ---- */

static int release_of(const uint8_t *identity)
{
    static const uint8_t nobody[BOOTSTATE_IDENTITY_SIZE];

    if (memcmp(identity, nobody, sizeof(nobody)) == 0)
        return NOBODY;
    for (int n = 0; n < (int)RELEASES; n++) {
        if (memcmp(identity, releases[n].identity, sizeof(nobody)) == 0)
            return n;
    }
    return -1;
}

static int release_of_digest(const uint8_t *digest)
{
    for (int n = 0; n < (int)RELEASES; n++) {
        if (memcmp(digest, releases[n].digest, RELEASE_DIGEST_SIZE) == 0)
            return n;
    }
    return -1;
}

static int stage_of(enum update_stage s)
{
    return (int)s; /* the model has the same numbers */
}

static void describe(char *to, size_t n)
{
    struct update_record r = {0};
    struct bootstate s;

    if (bootstate_decode(g.state, &s) != 0 || update_record_decode(g.record, &r) != 0)
        exit(1);
    snprintf(to, n, "IS %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d", s.slot, s.trial, s.tries,
             (int)s.gave_up, release_of(s.confirmed), release_of(s.tried), r.trial,
             r.trial ? r.slot : 0, r.trials, r.last, (int)r.rollout,
             r.rollout == 0 ? 0 : release_of_digest(r.release),
             (int)(g.counter - releases[0].counter), g.running,
             g.running && open_now ? stage_of(u.stage) : 0);
}

static int words_of(const char *line, int *w)
{
    int n = 0, used = 0;

    while (n < WORDS && sscanf(line, "%d%n", &w[n], &used) == 1) {
        line += used;
        n++;
    }
    return n;
}

int main(void)
{
    char line[LINE], is[LINE], name[LINE];
    unsigned int at = 0, seen = 0;
    bool off = false;

    gateway_releases(releases);
    gateway_init(&g, releases, 1);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        int w[WORDS] = {0}, used = 0;

        at++;
        line[strcspn(line, "\n")] = '\0';
        is[0] = '\0';
        if (sscanf(line, "DO %255s%n", name, &used) == 1) {
            (void)words_of(line + used, w);
            off = run(name, w);
            seen++;
        } else if (sscanf(line, "SAYS %d", &w[0]) == 1) {
            snprintf(is, sizeof(is), "SAYS %d", (int)answer);
        } else if (sscanf(line, "OFF %d", &w[0]) == 1) {
            snprintf(is, sizeof(is), off ? "OFF %d" : "the power stayed", w[0]);
            reset(w);
        } else if (strncmp(line, "IS ", 3) == 0) {
            describe(is, sizeof(is));
        }
        if (g.wrong != NULL || (is[0] != '\0' && strcmp(is, line) != 0)) {
            printf("line %u: the model says: %s\nthe code says: %s\n", at, line,
                   g.wrong != NULL ? g.wrong : is);
            return 1;
        }
    }
    printf("%u events\n", seen);
    return seen > 0 ? 0 : 1;
}
