// SPDX-License-Identifier: Apache-2.0
/* What the operator signs: rollouts, memberships of groups, and approvals of trials. */
#include "internal.h"

#include <string.h>

enum {
    ROLLOUT_RELEASE = 1,
    ROLLOUT_ACTION = 2,
    ROLLOUT_NUMBER = 3,
    ROLLOUT_ISSUED = 4,
    ROLLOUT_UNTIL = 5,
    ROLLOUT_GATEWAYS = 6, /* or */
    ROLLOUT_GROUP = 7,
    ROLLOUT_ITEMS = 7,
};

enum {
    MEMBERSHIP_NUMBER = 1,
    MEMBERSHIP_ISSUED = 2,
    MEMBERSHIP_UNTIL = 3,
    MEMBERSHIP_GROUP = 4,
    MEMBERSHIP_GATEWAYS = 5,
    MEMBERSHIP_ITEMS = 6,
};

enum {
    APPROVAL_RELEASE = 1,
    APPROVAL_GATEWAY = 2,
    APPROVAL_BOOT = 3,
    APPROVAL_ISSUED = 4,
    APPROVAL_ITEMS = 5,
};

/* ---- lists of gateways ---- */

static bool are_in_order(const struct release_gateways *g)
{
    if (g->n > RELEASE_GATEWAYS_MAX)
        return false;
    for (size_t i = 1; i < g->n; i++) {
        if (memcmp(g->ueid[i - 1], g->ueid[i], EVIDENCE_UEID_SIZE) >= 0)
            return false;
    }
    return true;
}

static void put_gateways(struct enc *e, int64_t label, const struct release_gateways *g)
{
    QCBOREncode_OpenArrayInMapN(&e->q, label);
    for (size_t i = 0; i < g->n; i++)
        QCBOREncode_AddBytes(&e->q, ub(BYTES_OF(g->ueid[i])));
    QCBOREncode_CloseArray(&e->q);
}

static void get_gateways(struct dec *d, int64_t label, struct release_gateways *g)
{
    g->n = dec_array(d, label, -(int)RELEASE_GATEWAYS_MAX);
    for (size_t i = 0; i < g->n; i++)
        dec_fixed(d, NO_LABEL, g->ueid[i], EVIDENCE_UEID_SIZE);
}

/* ---- rollout ---- */

int release_rollout_encode(const struct release_rollout *r, struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    if (!are_in_order(&r->to) || (r->to.n > 0) == (r->group.n > 0) || r->number == 0 ||
        r->until_ms < r->issued_ms || (r->action != RELEASE_INSTALL && r->action != RELEASE_HALT)) {
        enc_fail(&e, KAPU_EARG);
        return enc_end(&e);
    }
    put_head(&e);
    put_bytes(&e, ROLLOUT_RELEASE, BYTES_OF(r->release));
    QCBOREncode_AddUInt64ToMapN(&e.q, ROLLOUT_ACTION, (uint64_t)r->action);
    QCBOREncode_AddUInt64ToMapN(&e.q, ROLLOUT_NUMBER, r->number);
    put_time(&e, ROLLOUT_ISSUED, r->issued_ms);
    put_time(&e, ROLLOUT_UNTIL, r->until_ms);
    if (r->to.n > 0)
        put_gateways(&e, ROLLOUT_GATEWAYS, &r->to);
    else
        put_text(&e, ROLLOUT_GROUP, r->group, RELEASE_GROUP_MAX);
    QCBOREncode_CloseMap(&e.q);
    return enc_end(&e);
}

/* Either a list of gateways or a group. Their labels differ. */
static void get_targets(struct dec *d, struct release_rollout *r)
{
    struct dec other = *d;

    get_gateways(d, ROLLOUT_GATEWAYS, &r->to);
    if (d->err != 0 && other.err == 0) {
        *d = other;
        r->to.n = 0;
        r->group = dec_text(d, ROLLOUT_GROUP, RELEASE_GROUP_MAX);
    }
}

int release_rollout_decode(struct bytes in, struct release_rollout *r, uint8_t *work, size_t work_n)
{
    struct dec d;
    struct wr w;
    int err = strict_begin(in, RELEASE_CONTENT_MAX, &w, work, work_n);

    memset(r, 0, sizeof(*r));
    if (err != 0)
        return err;
    dec_begin(&d, in);
    (void)get_head(&d, ROLLOUT_ITEMS);
    dec_fixed(&d, ROLLOUT_RELEASE, r->release, sizeof(r->release));
    r->action = (enum release_action)dec_uint(&d, ROLLOUT_ACTION, RELEASE_HALT);
    r->number = dec_uint(&d, ROLLOUT_NUMBER, UINT64_MAX);
    r->issued_ms = get_time(&d, ROLLOUT_ISSUED);
    r->until_ms = get_time(&d, ROLLOUT_UNTIL);
    get_targets(&d, r);
    err = dec_end(&d);
    if (err == 0 && release_rollout_encode(r, &w) != 0)
        err = KAPU_EINVAL;
    return strict_end(in, err, &w);
}

/* ---- membership ---- */

int release_membership_encode(const struct release_membership *m, struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    if (!are_in_order(&m->of) || m->of.n == 0 || m->group.n == 0 || m->number == 0 ||
        m->until_ms < m->issued_ms) {
        enc_fail(&e, KAPU_EARG);
        return enc_end(&e);
    }
    put_head(&e);
    QCBOREncode_AddUInt64ToMapN(&e.q, MEMBERSHIP_NUMBER, m->number);
    put_time(&e, MEMBERSHIP_ISSUED, m->issued_ms);
    put_time(&e, MEMBERSHIP_UNTIL, m->until_ms);
    put_text(&e, MEMBERSHIP_GROUP, m->group, RELEASE_GROUP_MAX);
    put_gateways(&e, MEMBERSHIP_GATEWAYS, &m->of);
    QCBOREncode_CloseMap(&e.q);
    return enc_end(&e);
}

int release_membership_decode(struct bytes in, struct release_membership *m, uint8_t *work,
                              size_t work_n)
{
    struct dec d;
    struct wr w;
    int err = strict_begin(in, RELEASE_CONTENT_MAX, &w, work, work_n);

    memset(m, 0, sizeof(*m));
    if (err != 0)
        return err;
    dec_begin(&d, in);
    get_head(&d, MEMBERSHIP_ITEMS);
    m->number = dec_uint(&d, MEMBERSHIP_NUMBER, UINT64_MAX);
    m->issued_ms = get_time(&d, MEMBERSHIP_ISSUED);
    m->until_ms = get_time(&d, MEMBERSHIP_UNTIL);
    m->group = dec_text(&d, MEMBERSHIP_GROUP, RELEASE_GROUP_MAX);
    get_gateways(&d, MEMBERSHIP_GATEWAYS, &m->of);
    err = dec_end(&d);
    if (err == 0 && release_membership_encode(m, &w) != 0)
        err = KAPU_EINVAL;
    return strict_end(in, err, &w);
}

/* ---- approval ---- */

int release_approval_encode(const struct release_approval *a, struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    put_head(&e);
    put_bytes(&e, APPROVAL_RELEASE, BYTES_OF(a->release));
    put_bytes(&e, APPROVAL_GATEWAY, BYTES_OF(a->gateway));
    put_bytes(&e, APPROVAL_BOOT, BYTES_OF(a->boot));
    put_time(&e, APPROVAL_ISSUED, a->issued_ms);
    QCBOREncode_CloseMap(&e.q);
    return enc_end(&e);
}

int release_approval_decode(struct bytes in, struct release_approval *a, uint8_t *work,
                            size_t work_n)
{
    struct dec d;
    struct wr w;
    int err = strict_begin(in, RELEASE_CONTENT_MAX, &w, work, work_n);

    memset(a, 0, sizeof(*a));
    if (err != 0)
        return err;
    dec_begin(&d, in);
    (void)get_head(&d, APPROVAL_ITEMS);
    dec_fixed(&d, APPROVAL_RELEASE, a->release, sizeof(a->release));
    dec_fixed(&d, APPROVAL_GATEWAY, a->gateway, sizeof(a->gateway));
    dec_fixed(&d, APPROVAL_BOOT, a->boot, sizeof(a->boot));
    a->issued_ms = get_time(&d, APPROVAL_ISSUED);
    err = dec_end(&d);
    if (err == 0 && release_approval_encode(a, &w) != 0)
        err = KAPU_EINVAL;
    return strict_end(in, err, &w);
}
