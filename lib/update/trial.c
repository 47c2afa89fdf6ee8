// SPDX-License-Identifier: Apache-2.0
/*
 * The trial: what became of it, and its confirmation.
 *
 * Record, boot state and counter are written one after another, and the power may go in between.
 * Orders of writes, and what update_open finds when only the first of them were done:
 *
 * begin: record (trial), state (trial).
 *     Recorded and not set: it is set now.
 * end: record (no trial), state.
 *     Set and not recorded: the state is cleared now.
 * confirm: state (confirmed), counter, record.
 *     Recorded, and the state names it as confirmed: counter and record follow now.
 * fall back: state (other slot, gave_up), by BL1.
 *     Recorded, and given up: the record follows now.
 */
#include <string.h>

#include "internal.h"

int update_put_record(struct update *u, const struct update_record *r)
{
    uint8_t encoded[UPDATE_RECORD_SIZE], held[UPDATE_RECORD_SIZE];
    int err;

    update_record_encode(r, encoded);
    update_record_encode(&u->record, held);
    if (memcmp(encoded, held, sizeof(held)) == 0) /* NV memory wears out */
        return 0;
    err = u->port.write_record(u->port.ctx, encoded);
    if (err == 0)
        u->record = *r;
    return err;
}

int update_put_state(struct update *u, const struct bootstate *s)
{
    int err = u->port.write_state(u->port.ctx, s);

    if (err == 0)
        u->next = *s;
    return err;
}

int update_done(struct update *u, int err)
{
    if (err != 0)
        u->stage = UPDATE_CLOSED;
    return err;
}

int update_set_trial(struct update *u)
{
    struct bootstate s = {.slot = u->record.slot, .trial = true, .tries = UPDATE_TRIES};
    int err;

    memcpy(s.confirmed, u->next.confirmed, sizeof(s.confirmed));
    memcpy(s.tried, u->record.identity, sizeof(s.tried));
    err = update_put_state(u, &s);
    if (err == 0)
        u->stage = UPDATE_WAITING;
    return err;
}

/* The boot state forgets a trial, and that there was one. */
static int clear_state(struct update *u)
{
    struct bootstate s = {.slot = u->next.trial ? other_slot(u->next.slot) : u->next.slot};

    if (!u->next.trial && u->next.gave_up == BOOTSTATE_NOT_GIVEN_UP)
        return 0;
    memcpy(s.confirmed, u->next.confirmed, sizeof(s.confirmed));
    return update_put_state(u, &s);
}

bool update_runs_unconfirmed(const struct update *u)
{
    const uint8_t confirmed = u->next.trial ? other_slot(u->next.slot) : u->next.slot;

    return u->boot->trial && confirmed != u->boot->slot;
}

static int forget_trial(struct update *u)
{
    int err = clear_state(u);

    u->stage = update_runs_unconfirmed(u) ? UPDATE_OVER : UPDATE_IDLE;
    return err;
}

int update_end_trial(struct update *u, const struct update_record *r)
{
    int err = update_put_record(u, r);

    return err == 0 ? forget_trial(u) : err;
}

static int end_as(struct update *u, enum update_outcome outcome)
{
    struct update_record r = u->record;

    r.trial = false;
    r.last = (uint8_t)outcome;
    r.reset = outcome == UPDATE_TRIES_GONE ? u->boot->reset : 0;
    return update_end_trial(u, &r);
}

static bool runs_it(const struct update *u)
{
    return u->boot->slot == u->record.slot &&
           memcmp(u->boot->identity, u->record.identity, sizeof(u->record.identity)) == 0;
}

/* The boot state has a trial. */
static int settle_set(struct update *u)
{
    if (u->next.slot != u->record.slot || (u->boot->slot == u->record.slot && !u->boot->trial))
        return end_as(u, UPDATE_NEVER_BEGAN); /* of the running slot there is none */
    if (u->boot->slot != u->record.slot) {
        u->stage = UPDATE_WAITING;
        return 0;
    }
    if (!runs_it(u))
        return end_as(u, UPDATE_OTHER_RAN);
    u->stage = UPDATE_ON_TRIAL;
    return 0;
}

/* The boot state names it as confirmed: the rest of that follows, when it runs. */
static int settle_confirmed(struct update *u)
{
    int err;

    u->stage = UPDATE_IDLE;
    if (!runs_it(u))
        return 0; /* it does not start: nothing more is promised */
    err = u->port.confirm(u->port.ctx);
    return err == 0 ? end_as(u, UPDATE_CONFIRMED) : err;
}

/* Recorded, and the state knows nothing of it. What runs in its slot, not on trial, was started
 * before the state named any release. */
static int settle_recorded(struct update *u)
{
    return u->boot->slot == u->record.slot ? end_as(u, UPDATE_NEVER_BEGAN) : update_set_trial(u);
}

static int settle(struct update *u)
{
    if (!u->record.trial)
        return forget_trial(u);
    if (u->next.trial)
        return settle_set(u);
    if (memcmp(u->next.confirmed, u->record.identity, sizeof(u->next.confirmed)) == 0)
        return settle_confirmed(u);
    switch (u->next.gave_up) {
    case BOOTSTATE_GAVE_UP_REFUSED:
        return end_as(u, UPDATE_REFUSED);
    case BOOTSTATE_GAVE_UP_TRIES:
        return end_as(u, UPDATE_TRIES_GONE);
    case BOOTSTATE_NOT_GIVEN_UP:
    default:
        return settle_recorded(u);
    }
}

static int check_first_sets(struct update *u)
{
    for (size_t i = 0; i < UPDATE_ROLES; i++) {
        int err = release_keys_decode(u->self->first[i], &u->set[i], u->work, sizeof(u->work));

        if (err != 0 || u->set[i].role != (enum release_role)(i + 1))
            return KAPU_EINVAL;
    }
    return 0;
}

int update_open(struct update *u)
{
    uint8_t encoded[UPDATE_RECORD_SIZE];
    int err = check_first_sets(u);

    memset(&u->record, 0, sizeof(u->record));
    if (err == 0)
        err = u->port.read_record(u->port.ctx, encoded);
    if (err == 0)
        err = update_record_decode(encoded, &u->record);
    if (err == 0)
        err = u->port.read_state(u->port.ctx, &u->next, &u->counter);
    if (err == 0)
        err = settle(u);
    return update_done(u, err);
}

/* ---- confirmation ---- */

static enum update_answer judge_approval(const struct update *u, const struct release_approval *a)
{
    if (memcmp(a->release, u->record.release, sizeof(a->release)) != 0 ||
        memcmp(a->gateway, u->self->ueid, sizeof(a->gateway)) != 0 ||
        memcmp(a->boot, u->boot->name, sizeof(a->boot)) != 0)
        return UPDATE_REPLAYED_APPROVAL;
    return UPDATE_DONE;
}

static int take_approval(struct update *u, struct bytes approval, struct bytes keys,
                         enum update_answer *answer)
{
    struct release_approval a;
    int err;

    if (approval.n == 0) {
        *answer = UPDATE_NOT_APPROVED;
        return 0;
    }
    err = update_use_set(u, RELEASE_ROLE_APPROVAL, keys, answer);
    if (err == 0 && *answer == UPDATE_DONE)
        err =
            update_open_signed(u, &release_approval_kind, RELEASE_ROLE_APPROVAL, approval, answer);
    if (err != 0 || *answer != UPDATE_DONE)
        return err;
    if (release_approval_decode(u->signed_.content, &a, u->work, sizeof(u->work)) != 0) {
        *answer = UPDATE_ARBITRARY_SOFTWARE;
        return 0;
    }
    *answer = judge_approval(u, &a);
    return 0;
}

static int confirm(struct update *u, bool clean, struct bytes approval, struct bytes keys,
                   enum update_answer *answer)
{
    struct update_record r = u->record;
    int err = 0;

    if (u->stage != UPDATE_ON_TRIAL)
        *answer = u->stage == UPDATE_OVER && r.last == UPDATE_OTHER_RAN ? UPDATE_CHANGED
                                                                        : UPDATE_NO_TRIAL;
    else if (!clean)
        *answer = UPDATE_NOT_CLEAN;
    else if (r.approval)
        err = take_approval(u, approval, keys, answer);
    if (err == 0 && *answer == UPDATE_DONE)
        err = u->port.confirm(u->port.ctx);
    if (err == 0 && *answer == UPDATE_DONE)
        err = u->port.read_state(u->port.ctx, &u->next, &u->counter);
    if (err != 0 || *answer != UPDATE_DONE)
        return err;
    r.trial = false;
    r.last = UPDATE_CONFIRMED;
    r.reset = 0;
    return update_end_trial(u, &r);
}

int update_confirm(struct update *u, bool clean, struct bytes approval, struct bytes keys,
                   enum update_answer *answer)
{
    *answer = UPDATE_DONE;
    return u->stage == UPDATE_CLOSED ? KAPU_ESESSION
                                     : update_done(u, confirm(u, clean, approval, keys, answer));
}
