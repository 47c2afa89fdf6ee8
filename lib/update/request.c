// SPDX-License-Identifier: Apache-2.0
/* Manifest and rollout: what they ask for, and everything that has to hold before it is done. */
#include <string.h>

#include "internal.h"

static bool same(struct bytes a, struct bytes b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

/* ---- the signed files ---- */

static int take_rollout(struct update *u, const struct update_request *r,
                        enum update_answer *answer)
{
    int err = update_use_set(u, RELEASE_ROLE_ROLLOUT, r->keys[RELEASE_ROLE_ROLLOUT - 1], answer);

    if (err == 0 && *answer == UPDATE_DONE)
        err =
            update_open_signed(u, &release_rollout_kind, RELEASE_ROLE_ROLLOUT, r->rollout, answer);
    if (err != 0 || *answer != UPDATE_DONE)
        return err;
    if (release_rollout_decode(u->signed_.content, &u->rollout, u->work, sizeof(u->work)) != 0)
        *answer = UPDATE_ARBITRARY_SOFTWARE;
    return 0;
}

static int take_manifest(struct update *u, const struct update_request *r,
                         uint8_t digest[RELEASE_DIGEST_SIZE], enum update_answer *answer)
{
    int err = update_use_set(u, RELEASE_ROLE_RELEASE, r->keys[RELEASE_ROLE_RELEASE - 1], answer);

    if (err == 0 && *answer == UPDATE_DONE)
        err = update_open_signed(u, &release_manifest_kind, RELEASE_ROLE_RELEASE, r->manifest,
                                 answer);
    if (err != 0 || *answer != UPDATE_DONE)
        return err;
    if (release_manifest_decode(u->signed_.content, &u->manifest, u->work, sizeof(u->work)) != 0)
        *answer = UPDATE_ARBITRARY_SOFTWARE;
    return release_digest(u->sha, u->signed_.content, digest);
}

/* ---- rules ---- */

static bool is_for_us(const struct update *u)
{
    const struct release_rollout *r = &u->rollout;

    return r->to.n > 0 ? update_is_named(u, &r->to) : update_is_of_group(u, r->group);
}

static bool is_last_release(const struct update *u)
{
    return memcmp(u->rollout.release, u->record.release, sizeof(u->record.release)) == 0;
}

static enum update_answer judge_order(const struct update *u)
{
    const struct release_rollout *r = &u->rollout;
    const struct update_record *k = &u->record;

    if (!is_for_us(u) || r->number < k->rollout || (r->number == k->rollout && !is_last_release(u)))
        return UPDATE_REPLAYED_ROLLOUT;
    return r->number - k->rollout > UPDATE_NUMBER_JUMP ? UPDATE_FAST_FORWARD : UPDATE_DONE;
}

static enum update_answer judge_release(const struct update *u)
{
    const struct release_manifest *m = &u->manifest;
    const uint64_t now = later(u->record.time_ms, u->rollout.issued_ms);

    if (u->rollout.issued_ms > m->made_ms && u->rollout.issued_ms - m->made_ms > UPDATE_TIME_JUMP)
        return UPDATE_FAST_FORWARD;
    if (m->expires_ms < now || u->rollout.until_ms < now)
        return UPDATE_FREEZE;
    if (!same(m->hardware, u->self->hardware) || !same(m->product, u->self->product))
        return UPDATE_WRONG_HARDWARE;
    if (memcmp(m->identity, u->boot->identity, sizeof(m->identity)) == 0 &&
        !update_runs_unconfirmed(u))
        return UPDATE_RUNS_ALREADY;
    if (m->counter <= u->counter)
        return UPDATE_ROLLBACK;
    if (m->counter - u->counter > UPDATE_COUNTER_JUMP)
        return UPDATE_FAST_FORWARD;
    return m->counter_from > u->counter ? UPDATE_BETWEEN : UPDATE_DONE;
}

/* The trial that waits is of this rollout: it is asked for again. */
static bool is_set_already(const struct update *u)
{
    return u->stage == UPDATE_WAITING && is_last_release(u) &&
           u->rollout.number == u->record.rollout;
}

/* A trial falls back to the slot that runs, which must have been confirmed by then. */
static enum update_answer judge_trials(const struct update *u)
{
    if (update_runs_unconfirmed(u))
        return UPDATE_BUSY;
    return u->rollout.number == u->record.rollout && u->record.trials >= UPDATE_TRIALS_MAX
               ? UPDATE_TRIED
               : UPDATE_DONE;
}

static int judge_slot(struct update *u, uint8_t slot, enum update_answer *answer)
{
    uint8_t digest[RELEASE_DIGEST_SIZE];
    int err = u->port.hash_slot(u->port.ctx, slot, u->manifest.firmware.size, digest);

    if (err == KAPU_ERANGE ||
        (err == 0 && memcmp(digest, u->manifest.firmware.sha256, sizeof(digest)) != 0))
        *answer = UPDATE_PARTIAL_BUNDLE;
    return err == KAPU_ERANGE ? 0 : err;
}

/* ---- what is done ---- */

/* The record first: update_open sets a trial that was recorded only. */
static int begin_trial(struct update *u, uint8_t slot)
{
    struct update_record r = u->record;
    int err;

    r.trials = (uint8_t)(u->rollout.number == r.rollout ? r.trials + 1 : 1);
    r.trial = true;
    r.slot = slot;
    r.approval = u->manifest.approval;
    r.time_ms = later(r.time_ms, u->rollout.issued_ms);
    r.rollout = u->rollout.number;
    memcpy(r.release, u->rollout.release, sizeof(r.release));
    memcpy(r.identity, u->manifest.identity, sizeof(r.identity));
    err = update_put_record(u, &r);
    if (err == 0)
        err = update_set_trial(u);
    return err;
}

/* All but the slot. */
static int judge_install(struct update *u, const struct update_request *request,
                         enum update_answer *answer)
{
    uint8_t digest[RELEASE_DIGEST_SIZE];
    int err = take_manifest(u, request, digest, answer);

    if (err != 0 || *answer != UPDATE_DONE)
        return err;
    if (memcmp(digest, u->rollout.release, sizeof(digest)) != 0)
        *answer = UPDATE_MIX_AND_MATCH;
    if (*answer == UPDATE_DONE)
        *answer = judge_order(u);
    if (*answer == UPDATE_DONE)
        *answer = judge_release(u);
    if (*answer == UPDATE_DONE && !is_set_already(u))
        *answer = judge_trials(u);
    return 0;
}

static int install(struct update *u, const struct update_request *request,
                   enum update_answer *answer)
{
    const uint8_t slot = other_slot(u->boot->slot);
    int err = judge_install(u, request, answer);

    if (err != 0 || *answer != UPDATE_DONE || is_set_already(u))
        return err;
    err = judge_slot(u, slot, answer);
    return err == 0 && *answer == UPDATE_DONE ? begin_trial(u, slot) : err;
}

/* Of a release that is not the one on trial too: its rollout must not come again. */
static int halt(struct update *u, enum update_answer *answer)
{
    struct update_record r = u->record;

    *answer = judge_order(u);
    if (*answer != UPDATE_DONE || (u->rollout.number == r.rollout && !r.trial))
        return 0;
    r.rollout = u->rollout.number;
    r.trials = UPDATE_TRIALS_MAX; /* an install under this number is refused */
    if (!r.trial || !is_last_release(u)) {
        if (!r.trial)
            memcpy(r.release, u->rollout.release, sizeof(r.release));
        return update_put_record(u, &r);
    }
    r.trial = false;
    r.last = UPDATE_HALTED;
    return update_end_trial(u, &r);
}

int update_check(struct update *u, const struct update_request *r, enum update_answer *answer)
{
    int err = u->stage == UPDATE_CLOSED ? KAPU_ESESSION : take_rollout(u, r, answer);

    if (err == 0 && *answer == UPDATE_DONE && u->rollout.action == RELEASE_HALT)
        *answer = judge_order(u);
    else if (err == 0 && *answer == UPDATE_DONE)
        err = judge_install(u, r, answer);
    return update_done(u, err);
}

int update_request(struct update *u, const struct update_request *r, enum update_answer *answer)
{
    int err = u->stage == UPDATE_CLOSED ? KAPU_ESESSION : take_rollout(u, r, answer);

    if (err == 0 && *answer == UPDATE_DONE)
        err = u->rollout.action == RELEASE_HALT ? halt(u, answer) : install(u, r, answer);
    return update_done(u, err);
}
