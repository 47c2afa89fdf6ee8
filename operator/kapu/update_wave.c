// SPDX-License-Identifier: Apache-2.0
/* The waves of a campaign, one after another: each begins with its rollouts, and ends when all of
 * its gateways are over, or too many have failed. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "update_drive.h"

#define TURN_MS 50
#define YOUNG_MS 1000u
#define TELL_MS 30000u
#define LOOK_MS 500u
#define FLOOD 32u     /* messages in LOOK_MS that nobody asked for */
#define DRY_MS 30000u /* without a flood: then all are asked together again */

struct wave {
    size_t all, over, failed, confirmed;
};

static struct wave count(const struct drive *d)
{
    struct wave w = {0};

    for (size_t i = 0; i < d->n; i++) {
        const struct store_member *m = &d->gateway[i].m;

        if (m->wave != d->c->wave || m->state == STORE_SKIPPED)
            continue;
        w.all++;
        w.over += update_is_over(m->state);
        w.failed += update_is_failure(m->state);
        w.confirmed += m->state == STORE_CONFIRMED;
    }
    return w;
}

static size_t allowed(const struct store_campaign *c, size_t all)
{
    return c->limit_percent ? all * c->limit / 100 : c->limit;
}

static void tell_wave(struct drive *d, const struct wave *w)
{
    char what[160];
    const char *trouble = exchange_trouble(d->x);

    snprintf(what, sizeof(what), "wave %u of %u: %zu of %zu confirmed, %zu failed", d->c->wave + 1,
             d->c->waves, w->confirmed, w->all, w->failed);
    update_tell(d->o, d->p->json, "", what, trouble != NULL ? trouble : "");
    d->told_ms = update_ticks_ms();
}

static bool waits_for_wave(const struct drive *d, const struct update_gateway *g)
{
    return g->m.wave == d->c->wave && g->m.state == STORE_WAITING;
}

/* The number is theirs in the store before it is sent. */
static int begin_all(struct drive *d, const uint64_t *number)
{
    size_t at = 0;
    char why[32];

    for (size_t i = 0; i < d->n; i++) {
        struct update_gateway *g = &d->gateway[i];

        g->progress_ms = g->begun_ms = update_ticks_ms();
        if (!waits_for_wave(d, g))
            continue;
        g->m.number = number[at++];
        g->want = WANT_INSTALL;
        snprintf(why, sizeof(why), "rollout %llu", (unsigned long long)g->m.number);
        if (drive_turn(d, g, STORE_ASKED, "", why) != 0)
            return EXIT_FAILED;
    }
    return EXIT_DONE;
}

/* Those of the wave that wait get a rollout. */
static int begin_wave(struct drive *d)
{
    uint8_t(*ueid)[EVIDENCE_UEID_SIZE] = calloc(d->n + 1, sizeof(*ueid));
    uint64_t *number = calloc(d->n + 1, sizeof(*number));
    size_t n = 0;
    int status = EXIT_FAILED;

    if (ueid == NULL || number == NULL) {
        (void)fail("no memory");
        goto out;
    }
    for (size_t i = 0; i < d->n; i++) {
        if (waits_for_wave(d, &d->gateway[i]))
            memcpy(ueid[n++], d->gateway[i].m.ueid, sizeof(ueid[0]));
    }
    status = update_make_rollouts(d->o, &d->rollout, d->c, RELEASE_INSTALL, d->p->number,
                                  (const uint8_t(*)[EVIDENCE_UEID_SIZE])ueid, n, number);
    if (status == EXIT_DONE)
        status = begin_all(d, number);
out:
    free(ueid);
    free(number);
    return status;
}

/* How many were asked just now, and have not answered. */
static size_t young(const struct drive *d)
{
    const uint64_t now = update_ticks_ms();
    size_t n = 0;

    for (size_t i = 0; i < d->n; i++)
        n += d->gateway[i].waits != 0 && now < d->gateway[i].sent_ms + YOUNG_MS;
    return n;
}

/* What was asked together may never be heard: it is asked again, one by one. */
static void begin_flood(struct drive *d, const char *who)
{
    char why[96], label[LABEL_MAX];

    snprintf(why, sizeof(why), "%s sends what nobody asked for", operator_label(d->o, who, label));
    update_tell(d->o, d->p->json, "", "flood: gateways are asked one by one", why);
    d->flooded = true;
    for (size_t i = 0; i < d->n; i++) {
        struct update_gateway *g = &d->gateway[i];

        if (g->waits != 0 && g->want != WANT_INSTALL)
            g->want = WANT_STATE;
        g->waits = 0;
        g->next_ms = 0;
    }
}

static void look_for_flood(struct drive *d)
{
    const uint64_t now = update_ticks_ms();
    const char *who;
    uint64_t strays;

    if (now < d->strays_ms + LOOK_MS)
        return;
    strays = exchange_strays(d->x, &who);
    if (strays > d->strays + FLOOD)
        d->flooded_ms = now;
    if (d->flooded_ms == now && !d->flooded)
        begin_flood(d, who);
    d->flooded = d->flooded && now < d->flooded_ms + DRY_MS;
    d->strays = strays;
    d->strays_ms = now;
}

/* Until all of the wave are over: EXIT_DONE; EXIT_FAILED: too many failed, or it stops. */
static int run_wave(struct drive *d, struct wave *w)
{
    *w = count(d);
    while (!drive_stops(d) && w->over < w->all && w->failed <= allowed(d->c, w->all)) {
        d->young = young(d);
        for (size_t i = 0; i < d->n && !drive_stops(d); i++) {
            struct update_gateway *g = &d->gateway[i];

            if (g->m.wave == d->c->wave && !update_is_over(g->m.state))
                drive_step(d, g);
        }
        exchange_turn(d->x, TURN_MS);
        look_for_flood(d);
        *w = count(d);
        if (update_ticks_ms() >= d->told_ms + TELL_MS)
            tell_wave(d, w);
    }
    return drive_stops(d) || w->failed > allowed(d->c, w->all) ? EXIT_FAILED : EXIT_DONE;
}

static int halt_for(struct drive *d, const struct wave *w)
{
    char why[STORE_WHY_MAX];

    snprintf(why, sizeof(why), "%zu of wave %u failed, of %zu; %zu may", w->failed, d->c->wave + 1,
             w->all, allowed(d->c, w->all));
    (void)update_halt_campaign(d->o, d->p, d->c, why);
    return EXIT_FAILED;
}

static int finish(struct drive *d)
{
    struct store *store = d->o->fleet.store;
    int err = store->ops->updates->campaign_turn(store, d->c->id, STORE_RUNNING, STORE_FINISHED, "",
                                                 fleet_now_ms(&d->o->fleet));

    d->halted = err == KAPU_ESTALE;
    if (err == 0)
        update_tell(d->o, d->p->json, "", "done", "");
    return err == 0 ? EXIT_DONE : d->halted ? EXIT_FAILED : update_store_failed(d->o);
}

static int next_wave(struct drive *d)
{
    struct store *store = d->o->fleet.store;
    int err = store->ops->updates->campaign_wave(store, d->c->id, d->c->wave + 1,
                                                 fleet_now_ms(&d->o->fleet));

    d->halted = err == KAPU_ESTALE;
    if (err == 0)
        d->c->wave++;
    return err == 0 ? EXIT_DONE : d->halted ? EXIT_FAILED : update_store_failed(d->o);
}

int drive_waves(struct drive *d)
{
    struct wave w;

    for (;;) {
        if (begin_wave(d) != EXIT_DONE)
            return EXIT_FAILED;
        w = count(d);
        if (w.all > 0)
            tell_wave(d, &w);
        if (run_wave(d, &w) != EXIT_DONE)
            return drive_stops(d) ? EXIT_FAILED : halt_for(d, &w);
        if (w.all > 0)
            tell_wave(d, &w);
        if (d->c->wave + 1 == d->c->waves)
            return finish(d);
        if (next_wave(d) != EXIT_DONE)
            return EXIT_FAILED;
    }
}
