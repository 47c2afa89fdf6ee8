// SPDX-License-Identifier: Apache-2.0
/*
 * kapu update halt: a halting rollout for each gateway of a campaign. The store first, so that
 * whoever drives it approves nothing any more; then all gateways at once, so that none waits for
 * another. Gateways that are not connected get it when the command is repeated.
 */
#include <stdlib.h>
#include <string.h>

#include <kapu/update.h>

#include "commands.h"
#include "update.h"
#include "update_ask.h"

#define HALT_MS 8000u
#define TRIES 4u

#define CAMPAIGNS_MAX 64u

struct halt {
    struct store_campaign c[CAMPAIGNS_MAX];
    size_t campaigns;
    struct store_member *m; /* of all campaigns, one after another: those that need it */
    size_t n;
    struct update_asked *asked;
    uint64_t *number;
    uint8_t (*ueid)[EVIDENCE_UEID_SIZE];
    uint8_t (*body)[PROTOCOL_REQUEST_MAX];
};

/* Those that have not taken a halt that is later than what they were sent to install. */
static bool needs_it(const struct store_member *m)
{
    return m->state != STORE_SKIPPED && !(m->halt_taken && m->halt_number > m->number);
}

static int collect(const struct operator* o, const struct store_campaign *c, struct halt *h)
{
    struct store_member *m = NULL, *more;
    size_t n;
    int status = update_members(o, c->id, &m, &n);

    if (status == EXIT_DONE && n > 0) {
        more = realloc(h->m, (h->n + n) * sizeof(*more));
        if (more == NULL)
            status = fail("no memory");
        else
            h->m = more;
        for (size_t i = 0; status == EXIT_DONE && i < n; i++) {
            if (needs_it(&m[i]))
                h->m[h->n++] = m[i];
        }
    }
    free(m);
    return status;
}

static int make_memory(struct halt *h)
{
    h->asked = calloc(h->n + 1, sizeof(*h->asked));
    h->number = calloc(h->n + 1, sizeof(*h->number));
    h->ueid = calloc(h->n + 1, sizeof(*h->ueid));
    h->body = calloc(h->n + 1, sizeof(*h->body));
    return h->asked != NULL && h->number != NULL && h->ueid != NULL && h->body != NULL
               ? EXIT_DONE
               : fail("no memory");
}

static int make_request(const struct operator* o, const struct update_signer *s, struct halt *h,
                        size_t i)
{
    struct store *store = o->fleet.store;
    struct protocol_request q = {.kind = PROTOCOL_HALT, .keys = s->set.seen.content};
    struct update_file order;
    struct wr w;

    if (store->ops->updates->order_get(store, h->number[i], order.b, &order.n) != 0)
        return update_store_failed(o);
    q.order = (struct bytes){order.b, order.n};
    wr_init(&w, h->body[i], sizeof(h->body[i]));
    if (protocol_request_encode(&q, &w) != 0)
        return fail("the halt cannot be encoded");
    h->asked[i] = (struct update_asked){
        .name = h->m[i].name, .body = wr_done(&w), .until_number = h->number[i]};
    h->m[i].halt_number = h->number[i];
    h->m[i].halt_taken = false;
    return EXIT_DONE;
}

/* Those of one campaign, from the first on. */
static int sign_some(const struct operator* o, const struct update_options *p,
                     const struct store_campaign *c, struct update_signer *s, struct halt *h,
                     size_t first)
{
    size_t n = 0;
    int status;

    while (first + n < h->n && h->m[first + n].campaign == c->id) {
        memcpy(h->ueid[n], h->m[first + n].ueid, sizeof(h->ueid[n]));
        n++;
    }
    status =
        update_make_rollouts(o, s, c, RELEASE_HALT, p->number,
                             (const uint8_t(*)[EVIDENCE_UEID_SIZE])h->ueid, n, h->number + first);
    for (size_t i = 0; status == EXIT_DONE && i < n; i++)
        status = make_request(o, s, h, first + i);
    return status;
}

static int sign_all(const struct operator* o, const struct update_options *p, struct halt *h)
{
    struct update_signer s;
    int status = update_signer_open(&s, o, RELEASE_ROLE_ROLLOUT);

    for (size_t i = 0; status == EXIT_DONE && i < h->n; i++) {
        for (size_t k = 0; k < h->campaigns; k++) {
            if (h->c[k].id == h->m[i].campaign && (i == 0 || h->m[i - 1].campaign != h->c[k].id))
                status = sign_some(o, p, &h->c[k], &s, h, i);
        }
    }
    update_signer_close(&s);
    return status;
}

/* What came of it on one gateway: whether it took it, and what a person reads. */
static bool result(const struct update_asked *a, const char **what, const char **why)
{
    *why = "";
    switch (a->reach) {
    case UPDATE_NOT_HERE:
        *what = "not connected";
        *why = "it gets the halt when kapu update halt is repeated";
        return false;
    case UPDATE_HEARD:
        break;
    case UPDATE_UNSENT:
    case UPDATE_UNHEARD:
    default:
        *what = "no answer to the halt";
        return false;
    }
    if (a->said.rollout >= a->until_number) {
        *what = "halt taken";
        return true;
    }
    *what = "halt not taken";
    *why = a->error[0] != '\0' ? a->error : update_answer_says((enum update_answer)a->said.answer);
    return false;
}

static int keep_all(const struct operator* o, const struct update_options *p, struct halt *h)
{
    struct store *store = o->fleet.store;
    int status = EXIT_DONE;

    for (size_t i = 0; i < h->n; i++) {
        const struct update_asked *a = &h->asked[i];
        const char *what, *why;
        char event[STORE_WHY_MAX];

        h->m[i].halt_taken = result(a, &what, &why);
        if (a->reach == UPDATE_HEARD && !h->m[i].halt_taken && a->error[0] == '\0')
            snprintf(event, sizeof(event), "%s: %s", what,
                     update_answer_name((enum update_answer)a->said.answer));
        else
            snprintf(event, sizeof(event), "%s", what);
        update_tell(o, p->json, h->m[i].name, event, why);
        if (store->ops->updates->member_halt(store, &h->m[i], event, fleet_now_ms(&o->fleet)) != 0)
            status = update_store_failed(o);
        if (!h->m[i].halt_taken && a->reach != UPDATE_NOT_HERE)
            status = EXIT_FAILED;
    }
    return status;
}

static int send(const struct operator* o, const struct update_options *p, struct halt *h)
{
    int status = make_memory(h);

    if (status == EXIT_DONE)
        status = sign_all(o, p, h);
    if (status == EXIT_DONE && update_ask_all(o, h->asked, h->n, HALT_MS) != 0)
        status = EXIT_FAILED;
    if (status == EXIT_DONE)
        status = keep_all(o, p, h);
    free(h->asked);
    free(h->number);
    free(h->ueid);
    free(h->body);
    return status;
}

/* A driver may change its state at the same time, so it is looked at again. */
static int turn(const struct operator* o, struct store_campaign *c, const char *why)
{
    struct store *store = o->fleet.store;
    int err = KAPU_ESTALE;

    for (unsigned i = 0; i < TRIES && err == KAPU_ESTALE; i++) {
        err = store->ops->updates->campaign(store, c->id, c);
        if (err == 0 && c->state == STORE_HALTED)
            return EXIT_DONE;
        if (err == 0)
            err = store->ops->updates->campaign_turn(store, c->id, c->state, STORE_HALTED, why,
                                                     fleet_now_ms(&o->fleet));
    }
    return err == 0 ? EXIT_DONE : update_store_failed(o);
}

static int halt(struct operator* o, const struct update_options *p, struct halt *h, const char *why)
{
    int status = EXIT_DONE;

    for (size_t i = 0; status == EXIT_DONE && i < h->campaigns; i++)
        status = turn(o, &h->c[i], why);
    if (status == EXIT_DONE)
        update_tell(o, p->json, "", "halted", why);
    for (size_t i = 0; status == EXIT_DONE && i < h->campaigns; i++)
        status = collect(o, &h->c[i], h);
    if (status == EXIT_DONE && h->n > 0)
        status = send(o, p, h);
    free(h->m);
    return status;
}

int update_halt_campaign(struct operator* o, const struct update_options *p,
                         const struct store_campaign *c, const char *why)
{
    struct halt h = {.campaigns = 1};

    h.c[0] = *c;
    return halt(o, p, &h, why);
}

/* ---- the command ---- */

static int is_running(void *ctx, const struct store_campaign *c)
{
    struct halt *h = ctx;

    if (c->state == STORE_RUNNING && h->campaigns == CAMPAIGNS_MAX)
        return KAPU_ESPACE;
    if (c->state == STORE_RUNNING)
        h->c[h->campaigns++] = *c;
    return 0;
}

static int halt_all(struct operator* o, const struct update_options *p, const char *why)
{
    struct store *store = o->fleet.store;
    struct halt h = {.campaigns = 0};
    int err = store->ops->updates->campaigns(store, is_running, &h);

    if (err == KAPU_ESPACE)
        return fail("more than %u rollouts are running: halt them by their releases",
                    CAMPAIGNS_MAX);
    if (err != 0)
        return update_store_failed(o);
    return h.campaigns > 0 ? halt(o, p, &h, why) : fail("no rollout is running");
}

int update_halt(struct operator* o, const struct update_options *p, const char *release)
{
    struct store_release r;
    struct store_campaign c;
    char why[STORE_WHY_MAX];

    snprintf(why, sizeof(why), "by %s", operator_user());
    if (release == NULL)
        return halt_all(o, p, why);
    if (update_find_release(o, release, &r) != EXIT_DONE ||
        update_find_campaign(o, &r, &c) != EXIT_DONE)
        return EXIT_FAILED;
    return update_halt_campaign(o, p, &c, why);
}
