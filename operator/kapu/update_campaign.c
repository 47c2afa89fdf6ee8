// SPDX-License-Identifier: Apache-2.0
/* kapu update rollout and resume: which gateways get a release in which wave. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "update.h"

#define WAVES_DEFAULT "5,25,100"

/* ---- options ---- */

/* "5,25,100": each more than the one before, the last one 100. */
static int take_waves(const char *text, struct store_campaign *c)
{
    const char *at = text;
    unsigned long before = 0;

    while (c->waves < STORE_WAVES_MAX) {
        char *end;
        unsigned long percent = strtoul(at, &end, 10);

        if (*at < '0' || *at > '9' || percent <= before || percent > 100)
            break;
        c->percent[c->waves++] = (uint8_t)percent;
        before = percent;
        if (*end == '\0' && percent == 100)
            return EXIT_DONE;
        if (*end != ',')
            break;
        at = end + 1;
    }
    return fail("--waves takes up to %u numbers of percent, each more than the one before, the "
                "last one 100, not '%s'",
                STORE_WAVES_MAX, text);
}

static int take_limit(const char *text, struct store_campaign *c)
{
    char *end;
    unsigned long v;

    if (text == NULL)
        return EXIT_DONE;
    errno = 0;
    v = strtoul(text, &end, 10);
    c->limit_percent = strcmp(end, "%") == 0;
    c->limit = (uint32_t)v;
    if (text[0] >= '0' && text[0] <= '9' && errno == 0 && (*end == '\0' || c->limit_percent) &&
        v <= (c->limit_percent ? 100 : UPDATE_NAMED_MAX))
        return EXIT_DONE;
    return fail("--limit takes a number of gateways, or percent as 10%%, not '%s'", text);
}

/* ---- gateways ---- */

struct chosen {
    const struct operator* o;
    struct store_member *m;
    size_t n, room;
};

static int choose(void *ctx, const struct store_state *state)
{
    struct chosen *c = ctx;
    struct store_member *m;
    struct trust_now now;

    if (c->n == c->room) {
        const size_t room = c->room == 0 ? 64 : 2 * c->room;
        struct store_member *more = realloc(c->m, room * sizeof(*more));

        if (more == NULL)
            return KAPU_ESPACE;
        c->m = more;
        c->room = room;
    }
    m = &c->m[c->n++];
    *m = (struct store_member){.state = STORE_WAITING, .changed_ms = fleet_now_ms(&c->o->fleet)};
    memcpy(m->ueid, state->gateway.ueid, sizeof(m->ueid));
    snprintf(m->name, sizeof(m->name), "%.32s", state->gateway.name);
    fleet_trust(&c->o->fleet.policy, state, m->changed_ms, &now);
    if (now.trust != TRUST_NO)
        return 0;
    m->state = STORE_SKIPPED;
    snprintf(m->why, sizeof(m->why), "%.*s", (int)sizeof(m->why) - 1, now.text);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct store_member *)a)->name, ((const struct store_member *)b)->name);
}

/* In the order of their names, which follow from their TPMs: nobody chooses who is early. Each wave
 * has at least one, as long as there are any. */
static void make_waves(struct chosen *c, const struct store_campaign *campaign)
{
    size_t all = 0, at = 0, end = 0;
    uint32_t wave = 0;

    qsort(c->m, c->n, sizeof(c->m[0]), by_name);
    for (size_t i = 0; i < c->n; i++)
        all += c->m[i].state == STORE_WAITING;
    for (size_t i = 0; i < c->n; i++) {
        if (c->m[i].state != STORE_WAITING)
            continue;
        while (at == end) {
            const size_t wanted = (all * campaign->percent[wave] + 99) / 100;

            end = wanted > at ? wanted : at + 1;
            wave++;
        }
        c->m[i].wave = wave - 1;
        at++;
    }
}

static int choose_gateways(struct chosen *c, const struct update_options *p,
                           const struct store_campaign *campaign)
{
    int status = update_each_gateway(c->o, p, choose, c);

    if (status != EXIT_DONE)
        return status;
    if (c->n > 0)
        make_waves(c, campaign);
    for (size_t i = 0; i < c->n; i++) {
        if (c->m[i].state == STORE_SKIPPED)
            update_tell(c->o, p->json, c->m[i].name, "skipped", c->m[i].why);
    }
    for (size_t i = 0; i < c->n; i++) {
        if (c->m[i].state == STORE_WAITING)
            return EXIT_DONE;
    }
    return fail("there is no gateway that is trusted; kapu attest asks them");
}

/* ---- the commands ---- */

/* A trial can only be trusted when its release is known. */
static int check_known(const struct operator* o, const struct store_release *r)
{
    struct store *store = o->fleet.store;
    struct verifier_reference ref;
    int err = store->ops->reference_of_release(store, r->version, &ref);

    if (err == KAPU_ENOENT)
        return fail("there are no reference values of release %s, so no trial of it would be "
                    "trusted; kapu reference add takes them in",
                    r->version);
    return err == 0 ? EXIT_DONE : update_store_failed(o);
}

/* Before anything begins, rather than in the middle. */
static int check_keys(const struct operator* o, const struct store_release *r)
{
    static const enum release_role roles[] = {RELEASE_ROLE_ROLLOUT, RELEASE_ROLE_APPROVAL};
    struct release_file_read set;
    uint8_t key[CIPHER_KEY_SIZE];
    bool encrypted;
    int status = update_read_set(o, RELEASE_ROLE_RELEASE, NULL, &set);

    if (status == EXIT_DONE)
        status = update_key_load(o, r, key, &encrypted);
    kapu_wipe(key, sizeof(key));
    for (size_t i = 0; status == EXIT_DONE && i < sizeof(roles) / sizeof(roles[0]); i++) {
        struct update_signer s;

        status = update_signer_open(&s, o, roles[i]);
        update_signer_close(&s);
    }
    return status;
}

static int add_campaign(const struct operator* o, struct store_campaign *c, const struct chosen *g)
{
    struct store *store = o->fleet.store;
    char taken[PROTOCOL_NAME_SIZE], label[LABEL_MAX];
    uint64_t by = 0;
    int err = store->ops->updates->campaign_add(store, c, g->m, g->n, taken, &by);

    if (err == KAPU_EPIN)
        return fail("gateway %s is in rollout %llu, which is running: halt that one, or let it end",
                    operator_label(o, taken, label), (unsigned long long)by);
    return err == 0 ? EXIT_DONE : update_store_failed(o);
}

static int drive(struct operator* o, const struct update_options *p, struct store_campaign *c,
                 const struct store_release *r)
{
    int lock, status = update_lock(o, c->id, &lock);

    if (status != EXIT_DONE)
        return status;
    status = update_drive(o, p, c, r);
    close(lock);
    return status;
}

static int begin(struct operator* o, const struct update_options *p, struct store_campaign *c)
{
    struct chosen chosen = {.o = o};
    int lock, status = update_lock(o, 0, &lock);

    if (status != EXIT_DONE)
        return status;
    status = choose_gateways(&chosen, p, c);
    if (status == EXIT_DONE)
        status = add_campaign(o, c, &chosen);
    close(lock);
    free(chosen.m);
    return status;
}

int update_rollout(struct operator* o, const struct update_options *p, const char *release)
{
    struct store_campaign c = {
        .days = (uint32_t)p->days, .timeout_s = p->timeout_s, .begun_ms = fleet_now_ms(&o->fleet)};
    struct store_release r;

    if (take_waves(p->waves != NULL ? p->waves : WAVES_DEFAULT, &c) != EXIT_DONE ||
        take_limit(p->limit, &c) != EXIT_DONE || update_find_release(o, release, &r) != EXIT_DONE ||
        check_known(o, &r) != EXIT_DONE || check_keys(o, &r) != EXIT_DONE)
        return EXIT_FAILED;
    memcpy(c.release, r.digest, sizeof(c.release));
    return begin(o, p, &c) == EXIT_DONE ? drive(o, p, &c, &r) : EXIT_FAILED;
}

/* One that was halted runs again, under the lock of its driver. */
static int run_again(struct operator* o, struct store_campaign *c)
{
    struct store *store = o->fleet.store;
    int err = 0;

    if (c->state == STORE_HALTED)
        err = store->ops->updates->campaign_turn(store, c->id, STORE_HALTED, STORE_RUNNING, "",
                                                 fleet_now_ms(&o->fleet));
    if (err == 0)
        err = store->ops->updates->campaign(store, c->id, c);
    if (err == KAPU_ESTALE)
        return fail("somebody else resumes it now");
    return err == 0 ? EXIT_DONE : update_store_failed(o);
}

int update_resume(struct operator* o, const struct update_options *p, const char *release)
{
    struct store_release r;
    struct store_campaign c;
    int lock, status;

    if (update_find_release(o, release, &r) != EXIT_DONE ||
        update_find_campaign(o, &r, &c) != EXIT_DONE || check_keys(o, &r) != EXIT_DONE)
        return EXIT_FAILED;
    if (c.state == STORE_FINISHED)
        return fail("the rollout of release %s is done; kapu update rollout begins another one",
                    r.version);
    if (update_lock(o, c.id, &lock) != EXIT_DONE)
        return EXIT_FAILED;
    status = run_again(o, &c);
    if (status == EXIT_DONE)
        status = update_drive(o, p, &c, &r);
    close(lock);
    return status;
}
