// SPDX-License-Identifier: Apache-2.0
/* What a trial is approved by: evidence of this gateway, for our question of now, which is trusted
 * and says that this release is on trial in this boot. Nothing else that a gateway says counts. */
#include <string.h>

#include <kapu/update.h>

#include "commands.h"
#include "release_order.h"
#include "update_drive.h"

#define AGAIN_MS 1000u

int trial_ask(struct drive *d, struct update_gateway *g, struct wr *body)
{
    memset(&d->out, 0, sizeof(d->out));
    return attest_question(&d->o->fleet, g->m.name, false, body, g->nonce, &d->out);
}

static const char *worst_reason(const struct verifier_result *r)
{
    for (uint32_t i = 0; i < r->reasons; i++) {
        if (r->reason[i].tier == r->status)
            return r->reason[i].text;
    }
    return "";
}

/* It proves nothing, for or against: asked again, but not for ever. */
static void ask_again(struct drive *d, struct update_gateway *g, const char *why)
{
    g->want = WANT_STATE;
    g->next_ms = update_ticks_ms() + AGAIN_MS;
    if (++g->bad >= ATTEST_TRIES)
        (void)drive_turn(d, g, STORE_NOT_TRUSTED, g->m.answer, why);
}

/* What keeps evidence that is trusted from being that of this trial; NULL: nothing. */
static const char *not_this_trial(const struct drive *d, const struct update_gateway *g,
                                  const struct verifier_result *r)
{
    if (memcmp(r->release_identity, d->r->identity, sizeof(d->r->identity)) != 0)
        return "its evidence has the identity of another release";
    if (r->counter != d->r->counter)
        return "its evidence has another security counter than the release";
    if (!r->trial)
        return "its evidence says that what runs is not on trial";
    if (memcmp(r->boot_name, g->said.boot, sizeof(r->boot_name)) != 0)
        return "its evidence is of another boot than the one that is on trial";
    return NULL;
}

static const char *not_confirmed(const struct drive *d, const struct verifier_result *r)
{
    if (memcmp(r->release_identity, d->r->identity, sizeof(d->r->identity)) != 0)
        return "its evidence has the identity of another release";
    if (r->trial)
        return "it says that the release is confirmed, and its evidence that it is on trial";
    if (r->counter_tpm < d->r->counter)
        return "its evidence says that the security counter was not raised";
    return NULL;
}

static void take_proof(struct drive *d, struct update_gateway *g, const struct verifier_result *r)
{
    const char *why = not_confirmed(d, r);

    if (why != NULL && g->rolls_back)
        (void)drive_turn(d, g, STORE_REFUSED, update_answer_name(UPDATE_ROLLBACK),
                         update_answer_says(UPDATE_ROLLBACK));
    else if (why != NULL)
        ask_again(d, g, why);
    else
        (void)drive_turn(d, g, STORE_CONFIRMED, "", "");
}

/* Kept first: a campaign that was halted approves nothing any more. */
static void take_trial(struct drive *d, struct update_gateway *g, const struct verifier_result *r)
{
    const char *why = not_this_trial(d, g, r);

    if (why != NULL) {
        ask_again(d, g, why);
        return;
    }
    g->bad = 0;
    memcpy(g->m.boot, r->boot_name, sizeof(g->m.boot));
    if (drive_turn(d, g, STORE_APPROVED, "", "") != 0)
        return;
    g->want = WANT_APPROVAL;
    g->next_ms = 0;
}

void trial_judge(struct drive *d, struct update_gateway *g, struct bytes body)
{
    const struct fleet *f = &d->o->fleet;
    const struct verifier_result *r = &d->out.result;

    memset(&d->out, 0, sizeof(d->out));
    attest_judge(f, g->m.name, body, d->work, &d->out);
    if (d->out.status == EXIT_NO_ANSWER || attest_was_overtaken(f, g->m.name, &d->out, g->nonce)) {
        g->want = WANT_STATE;
        g->next_ms = update_ticks_ms() + AGAIN_MS;
        return;
    }
    g->progress_ms = update_ticks_ms();
    if (!r->authentic)
        ask_again(d, g, worst_reason(r));
    else if (d->out.status != EXIT_DONE)
        (void)drive_turn(d, g, STORE_NOT_TRUSTED, "", worst_reason(r));
    else if (g->proving)
        take_proof(d, g, r);
    else
        take_trial(d, g, r);
}

int trial_approve(struct drive *d, const struct update_gateway *g, struct wr *body)
{
    struct release_approval a = {.issued_ms = release_order_now_ms()};
    struct protocol_request q = {.kind = PROTOCOL_APPROVE};
    struct update_file file;

    d->checked_ms = 0;
    if (drive_stops(d)) /* halted since the approval was recorded, or in an earlier run */
        return -1;
    memcpy(a.release, d->r->digest, sizeof(a.release));
    memcpy(a.gateway, g->m.ueid, sizeof(a.gateway));
    memcpy(a.boot, g->m.boot, sizeof(a.boot));
    if (update_make_approval(&d->approval, &a, &file) != EXIT_DONE)
        return -1;
    q.order = (struct bytes){file.b, file.n};
    q.keys = d->approval.set.seen.content;
    return protocol_request_encode(&q, body) == 0 ? 0 : -1;
}
