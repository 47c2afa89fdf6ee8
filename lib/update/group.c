// SPDX-License-Identifier: Apache-2.0
/* Which gateways a rollout addresses: a list of them, or a group; and membership of that group. */
#include <string.h>

#include "internal.h"

bool update_is_named(const struct update *u, const struct release_gateways *g)
{
    for (size_t i = 0; i < g->n; i++) {
        if (memcmp(g->ueid[i], u->self->ueid, sizeof(u->self->ueid)) == 0)
            return true;
    }
    return false;
}

static bool is_same(struct bytes a, struct bytes b)
{
    return a.n > 0 && a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

bool update_is_of_group(const struct update *u, struct bytes group)
{
    return is_same(group, u->self->group) || is_same(group, update_record_group(&u->record));
}

static enum update_answer judge_membership(const struct update *u,
                                           const struct release_membership *m)
{
    const struct update_record *k = &u->record;
    const uint64_t last = later(k->membership, k->rollout);

    if (!update_is_named(u, &m->of) || m->number < k->membership ||
        (m->number == k->membership && !is_same(m->group, update_record_group(k))))
        return UPDATE_REPLAYED_ROLLOUT;
    if (m->number > last && m->number - last > UPDATE_NUMBER_JUMP)
        return UPDATE_FAST_FORWARD;
    return m->until_ms < k->time_ms ? UPDATE_FREEZE : UPDATE_DONE;
}

static int take_membership(struct update *u, struct bytes signed_, struct bytes keys,
                           enum update_answer *answer)
{
    struct update_record r = u->record;
    struct release_membership m;
    int err = update_use_set(u, RELEASE_ROLE_ROLLOUT, keys, answer);

    if (err == 0 && *answer == UPDATE_DONE)
        err =
            update_open_signed(u, &release_membership_kind, RELEASE_ROLE_ROLLOUT, signed_, answer);
    if (err != 0 || *answer != UPDATE_DONE)
        return err;
    if (release_membership_decode(u->signed_.content, &m, u->work, sizeof(u->work)) != 0) {
        *answer = UPDATE_ARBITRARY_SOFTWARE;
        return 0;
    }
    *answer = judge_membership(u, &m);
    if (*answer != UPDATE_DONE || m.number == r.membership) /* taken already */
        return 0;
    r.membership = m.number;
    memset(r.group, 0, sizeof(r.group));
    memcpy(r.group, m.group.p, m.group.n);
    return update_put_record(u, &r);
}

int update_join(struct update *u, struct bytes membership, struct bytes keys,
                enum update_answer *answer)
{
    return u->stage == UPDATE_CLOSED ? KAPU_ESESSION
                                     : update_done(u, take_membership(u, membership, keys, answer));
}
