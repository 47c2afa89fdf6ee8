// SPDX-License-Identifier: Apache-2.0
/*
 * Drives a campaign: what a gateway said last decides what it is asked next, and what of it is told
 * is in the store before it counts. So a driver may be killed anywhere: the next one asks all
 * gateways again how far they are.
 */
#include "update_drive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kapu/update.h>

#include "commands.h"

#define POLL_MS 1000u
#define POLL_SOON_MS 250u /* of one with which something happened since MOVING_MS */
#define MOVING_MS 2000u
#define REPLY_MS 10000u
#define EVIDENCE_MS 120000u /* a deep check on an emulated gateway takes its time */
#define TIMEOUTS_MAX 10u    /* however much a gateway says that it goes on */
#define ALONE_MS 3000u
#define ALONE_EVIDENCE_MS 30000u
#define ALONE_REST_MS 5000u /* others have their turn */
#define ALONE_FROM 2u       /* replies that did not come: others may hide them */
#define INSTALL_MS 30000u   /* an install that came to a halt is asked for again */
#define UNKNOWN_MS 5000u    /* one that knows nothing of it is asked again */
#define APPROVE_MS 60000u   /* an approval that changed nothing is given again */
#define CHECK_MS 500u       /* whether somebody halted it */
#define KEEP_MS 2000u       /* how often progress is kept */

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

/* ---- what is kept ---- */

static int keep(struct drive *d, struct update_gateway *g, const char *event)
{
    struct store *store = d->o->fleet.store;
    int err;

    g->m.changed_ms = fleet_now_ms(&d->o->fleet);
    g->kept_ms = update_ticks_ms();
    err = store->ops->updates->member_set(store, &g->m, event);
    d->halted = d->halted || err == KAPU_ESTALE;
    if (err != 0 && err != KAPU_ESTALE && !d->broken) {
        d->broken = true;
        (void)update_store_failed(d->o);
    }
    return err == 0 ? 0 : -1;
}

int drive_turn(struct drive *d, struct update_gateway *g, enum store_member_state state,
               const char *answer, const char *why)
{
    const struct store_member before = g->m;
    char event[STORE_WHY_MAX + 64], text[64];

    g->m.state = state;
    if (answer != g->m.answer)
        snprintf(g->m.answer, sizeof(g->m.answer), "%s", answer);
    snprintf(g->m.why, sizeof(g->m.why), "%s", why);
    if (before.state == state && strcmp(before.answer, g->m.answer) == 0 &&
        strcmp(before.why, g->m.why) == 0 && before.number == g->m.number)
        return 0;
    update_state_text(&g->m, text, sizeof(text));
    snprintf(event, sizeof(event), "%s%s%s", text, why[0] != '\0' ? ": " : "", why);
    if (keep(d, g, event) != 0) {
        g->m = before;
        return -1;
    }
    g->progress_ms = update_ticks_ms();
    update_tell(d->o, d->p->json, g->m.name, text, why);
    return 0;
}

/* Whether nothing more is to be done: asked often, looks seldom. */
bool drive_stops(void *ctx)
{
    struct drive *d = ctx;
    struct store *store = d->o->fleet.store;
    struct store_campaign now;
    int err;

    if (ended || d->halted || d->broken || update_ticks_ms() < d->checked_ms + CHECK_MS)
        return ended || d->halted || d->broken;
    d->checked_ms = update_ticks_ms();
    err = store->ops->updates->campaign(store, d->c->id, &now);
    if (err != 0) {
        d->broken = true;
        (void)update_store_failed(d->o);
    } else if (now.state != STORE_RUNNING) {
        d->halted = true;
        memcpy(d->c->why, now.why, sizeof(now.why));
    }
    return d->halted || d->broken;
}

/* ---- what a gateway says ---- */

static bool moved(const struct protocol_update *a, const struct protocol_update *b)
{
    return a->stage != b->stage || a->work != b->work || a->done != b->done ||
           a->fetched != b->fetched || memcmp(a->boot, b->boot, sizeof(a->boot)) != 0;
}

static bool works(const struct protocol_update *u)
{
    return u->work != PROTOCOL_RESTING && u->work != PROTOCOL_STOPPED;
}

static bool is_refusal(const struct protocol_update *u)
{
    return u->answer != UPDATE_DONE && u->answer != UPDATE_NOT_APPROVED &&
           u->answer != UPDATE_RUNS_ALREADY;
}

static void ask_for_evidence(struct update_gateway *g, bool proving)
{
    g->proving = proving;
    g->rolls_back = false;
    g->want = WANT_EVIDENCE;
    g->next_ms = 0;
}

static void refuse(struct drive *d, struct update_gateway *g, const struct protocol_update *u,
                   const char *why)
{
    const enum update_answer a = (enum update_answer)u->answer;

    (void)drive_turn(d, g, STORE_REFUSED, update_answer_name(a),
                     why[0] != '\0' ? why : update_answer_says(a));
}

static void take_trial(struct drive *d, struct update_gateway *g, const struct protocol_update *u,
                       const char *why)
{
    const bool approved =
        g->m.state == STORE_APPROVED && memcmp(u->boot, g->m.boot, sizeof(u->boot)) == 0;

    if (approved && is_refusal(u) && !works(u))
        refuse(d, g, u, why);
    else if (approved && (works(u) || update_ticks_ms() < g->approved_ms + APPROVE_MS))
        return;
    else if (approved || drive_turn(d, g, STORE_ON_TRIAL, "", "") == 0)
        ask_for_evidence(g, false);
}

/* The secure world took our rollout, and the trial has ended. */
static void take_end(struct drive *d, struct update_gateway *g, const struct protocol_update *u)
{
    char why[STORE_WHY_MAX] = "";

    if (u->last == UPDATE_CONFIRMED) {
        ask_for_evidence(g, true);
        return;
    }
    if (u->last == UPDATE_OTHER_RAN) {
        (void)drive_turn(d, g, STORE_REFUSED, update_answer_name(UPDATE_CHANGED),
                         update_answer_says(UPDATE_CHANGED));
        return;
    }
    if (u->reset != 0)
        snprintf(why, sizeof(why), "the monitor had reset the gateway: %s",
                 verifier_reset_name((enum evidence_reset)u->reset));
    (void)drive_turn(d, g, STORE_FAILED, update_outcome_name((enum update_outcome)u->last), why);
}

static void take_progress(struct drive *d, struct update_gateway *g,
                          const struct protocol_update *u)
{
    if (u->all > 0) { /* else its writer has begun nothing, as after a reset */
        g->m.done = u->done;
        g->m.all = u->all;
        g->m.fetched = u->fetched;
    }
    if (g->m.state == STORE_ASKED || (g->m.state == STORE_ON_TRIAL && works(u)))
        (void)drive_turn(d, g, STORE_FETCHING, "", "");
    else if (update_ticks_ms() >= g->kept_ms + KEEP_MS)
        (void)keep(d, g, NULL);
    if (!works(u) && u->stage == UPDATE_IDLE && update_ticks_ms() >= g->installed_ms + INSTALL_MS)
        g->want = WANT_INSTALL;
}

/* In the boot in which it was confirmed, the counter of a release is the gateway's own. */
static void look_whether_it_runs(struct update_gateway *g)
{
    ask_for_evidence(g, true);
    g->rolls_back = true;
}

static void take_state(struct drive *d, struct update_gateway *g, const struct protocol_update *u,
                       const char *why)
{
    const bool ours = memcmp(u->release, d->r->digest, sizeof(u->release)) == 0;

    if (u->stage == UPDATE_ON_TRIAL)
        take_trial(d, g, u, why);
    else if (u->stage == UPDATE_IDLE && u->rollout == g->m.number && !works(u))
        take_end(d, g, u);
    else if (ours && !works(u) && u->answer == UPDATE_RUNS_ALREADY)
        ask_for_evidence(g, true);
    else if (ours && !works(u) && u->answer == UPDATE_ROLLBACK)
        look_whether_it_runs(g);
    else if (ours && !works(u) && is_refusal(u))
        refuse(d, g, u, why);
    else if (ours || works(u) || u->stage != UPDATE_IDLE)
        take_progress(d, g, u);
    else if (update_ticks_ms() >= g->installed_ms + UNKNOWN_MS) /* it knows nothing of it */
        g->want = WANT_INSTALL;
}

/* No progress and no event of its own: whatever a gateway says again and again, it is silent in
 * time, and fills no history. */
static void take_error(struct drive *d, struct update_gateway *g, struct bytes error)
{
    snprintf(g->m.why, sizeof(g->m.why), "the gateway says: %.*s", (int)error.n,
             (const char *)error.p);
    if (update_ticks_ms() >= g->kept_ms + KEEP_MS)
        (void)keep(d, g, NULL);
}

static void take_reply(struct drive *d, struct update_gateway *g, struct bytes body)
{
    struct protocol_reply r;
    char why[STORE_WHY_MAX];

    if (protocol_reply_decode(body, &r, d->work, sizeof(d->work)) != 0)
        return;
    if (r.kind == PROTOCOL_ERROR) {
        take_error(d, g, r.error);
    }
    if (r.kind != PROTOCOL_UPDATE || r.update.answer >= UPDATE_ANSWERS ||
        r.update.last >= UPDATE_OUTCOMES)
        return;
    if (moved(&g->said, &r.update))
        g->progress_ms = update_ticks_ms();
    snprintf(why, sizeof(why), "%.*s", (int)r.update.why.n,
             r.update.why.n > 0 ? (const char *)r.update.why.p : "");
    g->said = r.update;
    g->said.why = (struct bytes){NULL, 0};
    take_state(d, g, &g->said, why);
}

/* ---- what it is asked ---- */

static int make_install(struct drive *d, const struct update_gateway *g, struct wr *body)
{
    struct store *store = d->o->fleet.store;
    struct protocol_request q = {.kind = PROTOCOL_INSTALL};
    struct update_file order;

    if (store->ops->updates->order_get(store, g->m.number, order.b, &order.n) != 0)
        return -1;
    q.folder = (struct bytes){(const uint8_t *)d->r->folder, strlen(d->r->folder)};
    q.manifest = (struct bytes){d->r->manifest, d->r->manifest_n};
    q.order = (struct bytes){order.b, order.n};
    q.release_keys = d->release_set.seen.content;
    q.keys = d->rollout.set.seen.content;
    if (d->encrypted)
        q.release_key = BYTES_OF(d->release_key);
    return protocol_request_encode(&q, body);
}

static int make_request(struct drive *d, struct update_gateway *g, struct wr *body,
                        enum protocol_kind *kind)
{
    const struct protocol_request state = {.kind = PROTOCOL_UPDATE};

    switch (g->want) {
    case WANT_INSTALL:
        *kind = PROTOCOL_INSTALL;
        g->installed_ms = update_ticks_ms();
        return make_install(d, g, body);
    case WANT_EVIDENCE:
        *kind = PROTOCOL_ATTEST;
        return trial_ask(d, g, body);
    case WANT_APPROVAL:
        *kind = PROTOCOL_APPROVE;
        g->approved_ms = update_ticks_ms();
        return trial_approve(d, g, body);
    case WANT_STATE:
        break;
    }
    *kind = PROTOCOL_UPDATE;
    return protocol_request_encode(&state, body);
}

static void answered(struct drive *d, struct update_gateway *g, struct bytes body)
{
    const enum protocol_kind kind = g->waits;
    const uint64_t now = update_ticks_ms();

    g->waits = 0;
    g->misses = 0;
    g->want = WANT_STATE;
    g->next_ms = now + (now < g->progress_ms + MOVING_MS ? POLL_SOON_MS : POLL_MS);
    if (kind == PROTOCOL_ATTEST)
        trial_judge(d, g, body);
    else
        take_reply(d, g, body);
}

/* On a line of its own, where no other gateway's messages can hide the reply. */
static void ask_alone(struct drive *d, struct update_gateway *g, struct bytes body)
{
    const uint32_t ms = g->waits == PROTOCOL_ATTEST ? ALONE_EVIDENCE_MS : ALONE_MS;

    if (d->alone == NULL)
        d->alone = operator_connect(d->o, PROTOCOL_ENROLLED);
    if (d->alone == NULL)
        return;
    transport_stop_when(d->alone, drive_stops, d);
    if (transport_request(d->alone, g->m.name, body, ms, &d->reply) == 0)
        answered(d, g, (struct bytes){d->reply.body, d->reply.n});
    else
        g->next_ms = update_ticks_ms() + ALONE_REST_MS;
    g->waits = 0;
}

static void ask(struct drive *d, struct update_gateway *g)
{
    uint8_t body[PROTOCOL_REQUEST_MAX];
    const size_t who = (size_t)(g - d->gateway);
    enum protocol_kind kind;
    struct wr w;

    wr_init(&w, body, sizeof(body));
    g->sent_ms = update_ticks_ms();
    g->next_ms = g->sent_ms + POLL_MS;
    if (make_request(d, g, &w, &kind) != 0)
        return;
    g->waits = kind;
    if ((d->flooded || g->misses >= ALONE_FROM) && g->delivered)
        ask_alone(d, g, wr_done(&w));
    else if (exchange_post(d->x, who, g->m.name, wr_done(&w), REPLY_MS / 1000) != 0)
        g->waits = 0;
    if (d->encrypted)
        kapu_wipe(body, sizeof(body));
}

static void heard(void *ctx, size_t who, enum exchange_event what, struct bytes body)
{
    struct drive *d = ctx;
    struct update_gateway *g = &d->gateway[who];

    if (what == EXCHANGE_REPLY) {
        if (g->waits != 0 && !drive_stops(d))
            answered(d, g, body);
        return;
    }
    g->delivered = what == EXCHANGE_DELIVERED;
    if (!g->delivered) { /* it is off, or starts */
        g->waits = 0;
        g->next_ms = update_ticks_ms() + POLL_MS;
    }
}

void drive_step(struct drive *d, struct update_gateway *g)
{
    const uint64_t now = update_ticks_ms();
    const uint64_t timeout = d->c->timeout_s * 1000ull;
    const uint64_t patience = g->waits == PROTOCOL_ATTEST ? EVIDENCE_MS : REPLY_MS;

    if (now > g->progress_ms + timeout || now > g->begun_ms + TIMEOUTS_MAX * timeout) {
        (void)drive_turn(d, g, STORE_SILENT, g->m.answer,
                         now <= g->progress_ms + timeout ? "it goes on, and does not come to an end"
                         : g->delivered                  ? "nothing new was heard of it in time"
                                                         : "not connected");
        return;
    }
    if (g->waits != 0 && now > g->sent_ms + patience) {
        g->waits = 0;
        g->misses++;
        g->want = g->want == WANT_INSTALL ? WANT_INSTALL : WANT_STATE;
    }
    if (g->waits == 0 && now >= g->next_ms && d->young < DRIVE_WINDOW) {
        d->young++;
        ask(d, g);
    }
}

/* ---- the whole ---- */

static int load(struct drive *d)
{
    struct store_member *m;
    int status = update_members(d->o, d->c->id, &m, &d->n);

    if (status != EXIT_DONE)
        return status;
    d->gateway = calloc(d->n + 1, sizeof(d->gateway[0]));
    for (size_t i = 0; d->gateway != NULL && i < d->n; i++) {
        d->gateway[i].m = m[i];
        d->gateway[i].progress_ms = update_ticks_ms();
    }
    free(m);
    return d->gateway != NULL ? EXIT_DONE : fail("no memory");
}

static void catch_signals(void)
{
    const struct sigaction act = {.sa_handler = on_signal};

    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
}

static void say_end(const struct drive *d, const struct store_release *r)
{
    if (d->halted)
        update_tell(d->o, d->p->json, "", "halted", d->c->why);
    else if (ended)
        (void)fail("interrupted; kapu update resume %s goes on", r->folder);
}

int update_drive(struct operator* o, const struct update_options *p, struct store_campaign *c,
                 const struct store_release *r)
{
    struct drive *d = calloc(1, sizeof(*d));
    int status = EXIT_FAILED;

    if (d == NULL)
        return fail("no memory");
    d->o = o;
    d->p = p;
    d->c = c;
    d->r = r;
    catch_signals();
    if (update_signer_open(&d->rollout, o, RELEASE_ROLE_ROLLOUT) == EXIT_DONE &&
        update_signer_open(&d->approval, o, RELEASE_ROLE_APPROVAL) == EXIT_DONE &&
        update_read_set(o, RELEASE_ROLE_RELEASE, NULL, &d->release_set) == EXIT_DONE &&
        update_key_load(o, r, d->release_key, &d->encrypted) == EXIT_DONE && load(d) == EXIT_DONE) {
        d->x = operator_exchange(o, d->n, heard, d);
        if (d->x != NULL)
            status = drive_waves(d);
        say_end(d, r);
    }
    exchange_close(d->x);
    transport_close(d->alone);
    update_signer_close(&d->rollout);
    update_signer_close(&d->approval);
    free(d->gateway);
    kapu_wipe(d->release_key, sizeof(d->release_key));
    free(d);
    return status;
}
