// SPDX-License-Identifier: Apache-2.0
/* The factory of release 0.1.0, as it was: to test that its boards can be upgraded. */
#include "factory_v1.h"

#include <string.h>

#include "internal.h" /* of lib/fusebox */

struct work {
    struct factory_v1 *y;
    struct fusebox_board *board;
    struct tpm2 *t;
    const struct kapu_sha256 *h;
    struct tpm2_public ek_pub;
    struct tpm2_entity ek, srk, root;
    struct tpm2_session session; /* salted by the endorsement key */
    uint8_t secret[FUSEBOX_SECRET_SIZE];
};

/* Authorised by an empty value, over the session: nothing secret travels in clear. */
static struct tpm2_auth empty(struct work *k)
{
    return (struct tpm2_auth){&k->session, {NULL, 0}};
}

static const struct tpm2_sensitive nothing = {{NULL, 0}, {NULL, 0}};

/* Deletes an index that the platform made, if it is there. */
static int forget_index(struct tpm2 *t, uint32_t index)
{
    struct tpm2_nv nv;
    int err = tpm2_nv_read_public(t, index, &nv);

    if (err == KAPU_ETPM && tpm2_rc_base(t->rc) == TPM2_RC_HANDLE)
        return 0;
    if (err == 0)
        err = tpm2_nv_undefine(t, TPM2_RH_PLATFORM, &TPM2_AUTH_CLEAR, &nv);
    return err;
}

static int step_forget(struct work *k)
{
    static const uint32_t ours[] = {FUSEBOX_NV_COUNTER, FUSEBOX_NV_BOOT_V1, FUSEBOX_NV_STORAGE};
    int err = 0;

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]) && err == 0; i++)
        err = forget_index(k->t, ours[i]);
    if (err == 0 && k->y->ek_certificate.n > 0)
        err = forget_index(k->t, FUSEBOX_NV_EK_CERTIFICATE);
    if (err == 0)
        err = tpm2_clear_control(k->t, TPM2_RH_PLATFORM, &TPM2_AUTH_CLEAR, false);
    return err == 0 ? tpm2_clear(k->t, TPM2_RH_PLATFORM, &TPM2_AUTH_CLEAR) : err;
}

static int step_ek(struct work *k)
{
    int err;

    tpm2_template_ek(&k->ek_pub);
    err = tpm2_create_primary(k->t, TPM2_RH_ENDORSEMENT, &TPM2_AUTH_CLEAR, &nothing, &k->ek_pub,
                              &k->ek);
    if (err == 0)
        err = tpm2_evict_control(k->t, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, &k->ek, FUSEBOX_EK);
    if (err == 0)
        err = tpm2_flush_context(k->t, k->ek.handle);
    k->board->ek = k->ek.name;
    return err;
}

static int step_session(struct work *k)
{
    const struct tpm2_salt salt = {FUSEBOX_EK, &k->ek_pub, &k->ek.name};

    return tpm2_session_start(k->t, &k->session, TPM2_SESSION_HMAC, &salt, NULL);
}

static int step_secrets(struct work *k)
{
    const struct tpm2_crypto *c = k->t->crypto;

    if (c->random(c->ctx, k->board->pairing, sizeof(k->board->pairing)) != 0)
        return KAPU_ECRYPTO;
    return tpm2_get_random(k->t, &k->session, k->secret, sizeof(k->secret));
}

static int step_srk(struct work *k)
{
    const struct tpm2_auth auth = empty(k);
    struct tpm2_public pub;
    int err;

    tpm2_template_srk(&pub);
    err = tpm2_create_primary(k->t, TPM2_RH_OWNER, &auth, &nothing, &pub, &k->srk);
    if (err == 0)
        err = tpm2_evict_control(k->t, TPM2_RH_OWNER, &auth, &k->srk, FUSEBOX_SRK);
    return err;
}

static int step_seal(struct work *k)
{
    const struct tpm2_auth auth = empty(k);
    uint8_t policy[32], value[32], buf[512];
    const struct tpm2_sensitive secret = {BYTES_OF(value), BYTES_OF(k->secret)};
    struct tpm2_public pub;
    struct wr blob;
    int err;

    wr_init(&blob, buf, sizeof(buf));
    err = fusebox_root_policy(k->h, k->y->root_key_hash, policy);
    if (err == 0)
        err = fusebox_board_value(k->h, k->board, FUSEBOX_ROOT, value);
    tpm2_template_sealed(&pub, policy, true);
    if (err == 0)
        err = tpm2_create(k->t, &k->srk, &auth, &secret, &pub, &blob);
    if (err == 0)
        err = tpm2_load(k->t, &k->srk, &auth, wr_done(&blob), NULL, &k->root);
    if (err == 0)
        err = tpm2_evict_control(k->t, TPM2_RH_OWNER, &auth, &k->root, FUSEBOX_ROOT);
    if (err == 0)
        err = tpm2_flush_context(k->t, k->root.handle);
    if (err == 0)
        err = tpm2_flush_context(k->t, k->srk.handle);
    kapu_wipe(value, sizeof(value));
    return err;
}

static int define(struct work *k, struct tpm2_nv *nv)
{
    const struct tpm2_auth auth = empty(k);
    uint8_t value[32];
    int err = fusebox_board_value(k->h, k->board, nv->index, value);

    nv->attributes &= ~TPM2_NVA_WRITTEN;
    if (err == 0)
        err = tpm2_nv_define(k->t, TPM2_RH_PLATFORM, &auth, nv, BYTES_OF(value));
    kapu_wipe(value, sizeof(value));
    return err;
}

/* A new counter starts wherever the TPM wants (Part 3, 31.7): its first value stands for 0. */
static int make_counter(struct work *k, uint32_t index, uint64_t *base)
{
    struct tpm2_nv nv = fusebox_nv_counter(index);
    const struct tpm2_auth owner = empty(k);
    struct tpm2_auth reader = empty(k);
    uint8_t value[32];
    int err = define(k, &nv);

    if (err == 0)
        err = tpm2_nv_increment(k->t, TPM2_RH_OWNER, &owner, &nv);
    if (err == 0)
        err = fusebox_board_value(k->h, k->board, index, value);
    reader.value = BYTES_OF(value);
    if (err == 0)
        err = tpm2_nv_read_counter(k->t, index, &reader, &nv, base);
    kapu_wipe(value, sizeof(value));
    return err;
}

static int step_counters(struct work *k)
{
    int err = make_counter(k, FUSEBOX_NV_COUNTER, &k->board->counter_base);

    return err == 0 ? make_counter(k, FUSEBOX_NV_STORAGE, &k->board->storage_base) : err;
}

static int step_state(struct work *k)
{
    const uint8_t state[BOOTSTATE_V1_SIZE] = {'K', 'B', 'S', 1, k->y->slot};
    struct tpm2_nv nv = fusebox_nv_board(FUSEBOX_NV_BOOT_V1, BOOTSTATE_V1_SIZE);
    struct tpm2_auth writer = empty(k);
    uint8_t value[32];
    int err = define(k, &nv);

    if (err == 0)
        err = fusebox_board_value(k->h, k->board, nv.index, value);
    writer.value = BYTES_OF(value);
    if (err == 0)
        err = tpm2_nv_write(k->t, nv.index, &writer, &nv, 0, BYTES_OF(state));
    kapu_wipe(value, sizeof(value));
    return err;
}

/* EK Credential Profile 2.5, 2.2.1.4: readable by anybody with the empty value. */
static int step_certificate(struct work *k)
{
    const struct tpm2_auth auth = empty(k);
    struct tpm2_nv nv = {
        .index = FUSEBOX_NV_EK_CERTIFICATE,
        .attributes = TPM2_NVA_PP_WRITE | TPM2_NVA_PP_READ | TPM2_NVA_OWNER_READ |
                      TPM2_NVA_AUTH_READ | TPM2_NVA_NO_DA | TPM2_NVA_PLATFORM_CREATE,
        .size = (uint16_t)k->y->ek_certificate.n,
    };
    int err;

    if (k->y->ek_certificate.n == 0)
        return 0;
    if (k->y->ek_certificate.n > FUSEBOX_CERTIFICATE_MAX)
        return KAPU_EARG;
    err = tpm2_nv_define(k->t, TPM2_RH_PLATFORM, &auth, &nv, (struct bytes){NULL, 0});
    if (err == 0)
        err = tpm2_nv_write(k->t, TPM2_RH_PLATFORM, &auth, &nv, 0, k->y->ek_certificate);
    return err;
}

static int step_hierarchies(struct work *k)
{
    static const struct {
        uint32_t hierarchy;
        const char *label;
    } row[] = {
        {TPM2_RH_ENDORSEMENT, FUSEBOX_LABEL_ENDORSEMENT},
        {TPM2_RH_LOCKOUT, FUSEBOX_LABEL_LOCKOUT},
        {TPM2_RH_OWNER, FUSEBOX_LABEL_OWNER},
    };
    struct tpm2_auth auth = empty(k);
    uint8_t value[32];
    /* Clearing by the lockout value is switched off: nothing but a new factory run may do it. */
    int err = tpm2_clear_control(k->t, TPM2_RH_LOCKOUT, &auth, true);

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]) && err == 0; i++) {
        err = fusebox_derive(k->h, k->secret, row[i].label, value);
        if (err == 0)
            err = tpm2_hierarchy_change_auth(k->t, row[i].hierarchy, &auth, BYTES_OF(value));
    }
    kapu_wipe(value, sizeof(value));
    return err;
}

static int step_end(struct work *k)
{
    int err = tpm2_session_end(k->t, &k->session);

    return err == 0 ? tpm2_shutdown(k->t, TPM2_SU_CLEAR) : err;
}

int factory_v1_provision(struct factory_v1 *y, struct fusebox_board *board)
{
    static int (*const steps[])(struct work * k) = {
        step_forget,   step_ek,    step_session,     step_secrets,     step_srk, step_seal,
        step_counters, step_state, step_certificate, step_hierarchies, step_end,
    };
    struct work k = {.y = y, .board = board, .t = y->tpm, .h = &y->tpm->crypto->sha256};
    int err = tpm2_startup(y->tpm, TPM2_SU_CLEAR);

    if (err == KAPU_ETPM && tpm2_rc_base(y->tpm->rc) == TPM2_RC_INITIALIZE)
        err = 0;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && err == 0; i++)
        err = steps[i](&k);
    kapu_wipe(&k, sizeof(k));
    return err;
}

int factory_v1_encode(const struct kapu_sha256 *h, const struct fusebox_board *b,
                      uint8_t to[FUSEBOX_BOARD_V1_SIZE])
{
    const struct bytes hashed = {to, FUSEBOX_BOARD_V1_SIZE - KAPU_SHA256_SIZE};
    struct wr w;

    wr_init(&w, to, hashed.n);
    wr_bytes(&w, (struct bytes){(const uint8_t *)"KAPUFUSE", 8});
    wr_be16(&w, 1);
    wr_bytes(&w, BYTES_OF(b->id));
    wr_bytes(&w, BYTES_OF(b->ek.b));
    wr_bytes(&w, BYTES_OF(b->pairing));
    wr_be64(&w, b->counter_base);
    wr_be64(&w, b->storage_base);
    if (w.err != 0 || w.at != hashed.n)
        return KAPU_ESPACE;
    return h->hash(h->ctx, &hashed, 1, to + hashed.n) == 0 ? 0 : KAPU_ECRYPTO;
}
