// SPDX-License-Identifier: Apache-2.0
/* Which keys count, and whether they signed. */
#include <string.h>

#include "internal.h"

/* A malformed file is hostile input; an error of the crypto port is not. */
static int refusal(int err, enum update_answer *answer)
{
    if (err == KAPU_ECRYPTO)
        return err;
    if (err != 0)
        *answer = UPDATE_ARBITRARY_SOFTWARE;
    return 0;
}

static int first_set(struct update *u, enum release_role role, struct release_keys *k)
{
    int err = release_keys_decode(u->self->first[role - 1], k, u->work, sizeof(u->work));

    return err == 0 && k->role != role ? KAPU_EINVAL : err;
}

int update_use_set(struct update *u, enum release_role role, struct bytes given,
                   enum update_answer *answer)
{
    struct release_keys *k = &u->set[role - 1], first;
    uint32_t version = u->record.keys[role - 1].version;
    uint8_t digest[RELEASE_DIGEST_SIZE];
    int err = first_set(u, role, &first);

    *answer = UPDATE_DONE;
    if (err != 0)
        return err;
    if (version <= first.version) {
        *k = first;
        return 0;
    }
    err = release_keys_decode(given, k, u->work, sizeof(u->work));
    if (err == 0 && u->sha->hash(u->sha->ctx, &given, 1, digest) != 0)
        return KAPU_ECRYPTO;
    if (err == 0 && k->role == role && k->version < version)
        *answer = UPDATE_REVOKED_KEY;
    else if (err != 0 || memcmp(digest, u->record.keys[role - 1].digest, sizeof(digest)) != 0)
        *answer = UPDATE_ARBITRARY_SOFTWARE;
    return 0;
}

static bool has_key(const struct release_keys *k, const struct evidence_key *key)
{
    for (size_t i = 0; i < k->keys; i++) {
        if (memcmp(k->key[i].x, key->x, sizeof(key->x)) == 0)
            return true;
    }
    return false;
}

/* Whether u->signed_ has a good signature by a built-in key that is in use no more. */
static int signed_by_revoked(struct update *u, const struct evidence_kind *kind,
                             enum release_role role, bool *is)
{
    struct release_keys gone;
    size_t good = 0, n = 0;
    int err = first_set(u, role, &gone);

    *is = false;
    if (err != 0)
        return err;
    for (size_t i = 0; i < gone.keys; i++) {
        if (!has_key(&u->set[role - 1], &gone.key[i]))
            gone.key[n++] = gone.key[i];
    }
    gone.keys = n;
    gone.threshold = 1;
    if (n == 0)
        return 0;
    err = release_verify(u->sha, u->verify, kind, &u->signed_, &gone, &good);
    *is = good > 0;
    return err == KAPU_EAUTH ? 0 : err;
}

int update_open_signed(struct update *u, const struct evidence_kind *kind, enum release_role role,
                       struct bytes in, enum update_answer *answer)
{
    bool revoked = false;
    int err = release_signed_decode(kind, in, &u->signed_, u->work, sizeof(u->work));

    *answer = UPDATE_DONE;
    if (err != 0)
        return refusal(err, answer);
    err = release_verify(u->sha, u->verify, kind, &u->signed_, &u->set[role - 1], NULL);
    if (err != KAPU_EAUTH)
        return err;
    err = signed_by_revoked(u, kind, role, &revoked);
    *answer = revoked ? UPDATE_REVOKED_KEY : UPDATE_ARBITRARY_SOFTWARE;
    return err;
}

/* Its signatures are looked at for what they are worth against both sets. */
static int judge_next(struct update *u, const struct release_keys *next, enum update_answer *answer)
{
    int err = release_keys_follow(u->sha, u->verify, &u->signed_, &u->set[next->role - 1], next);

    switch (err) {
    case KAPU_EREPLAY:
        *answer = UPDATE_REVOKED_KEY;
        return 0;
    case KAPU_ESTALE:
        *answer = UPDATE_BETWEEN;
        return 0;
    default:
        return refusal(err, answer);
    }
}

/* Whether what keys of the former set signed can pass for signed by the next one. */
static bool old_files_may_count(const struct release_keys *now, const struct release_keys *next)
{
    size_t shared = 0;

    for (size_t i = 0; i < next->keys; i++)
        shared += has_key(now, &next->key[i]);
    return shared >= next->threshold;
}

static int take_next(struct update *u, struct bytes now, struct bytes in,
                     enum update_answer *answer)
{
    struct update_record r = u->record;
    struct release_keys next;
    struct bytes content;
    size_t at;
    int err = release_signed_decode(&release_keys_kind, in, &u->signed_, u->work, sizeof(u->work));

    *answer = UPDATE_DONE;
    content = u->signed_.content;
    if (err == 0)
        err = release_keys_decode(content, &next, u->work, sizeof(u->work));
    if (err != 0)
        return refusal(err, answer);
    err = update_use_set(u, next.role, now, answer);
    if (err == 0 && *answer == UPDATE_DONE)
        err = judge_next(u, &next, answer);
    if (err != 0 || *answer != UPDATE_DONE)
        return err;
    at = next.role - 1u;
    r.keys[at].version = next.version;
    if (u->sha->hash(u->sha->ctx, &content, 1, r.keys[at].digest) != 0)
        return KAPU_ECRYPTO;
    if (next.role == RELEASE_ROLE_ROLLOUT && !old_files_may_count(&u->set[at], &next)) {
        r.rollout = 0;
        r.membership = 0;
        memset(r.group, 0, sizeof(r.group));
        r.time_ms = 0;
    }
    return update_put_record(u, &r);
}

int update_keys(struct update *u, struct bytes now, struct bytes next, enum update_answer *answer)
{
    return u->stage == UPDATE_CLOSED ? KAPU_ESESSION
                                     : update_done(u, take_next(u, now, next, answer));
}
