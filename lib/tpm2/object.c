// SPDX-License-Identifier: Apache-2.0
/* Keys and sealed data: making, loading, opening, keeping (Part 3, 12, 24.1, 28.5). */
#include <string.h>

#include "internal.h"

#define SEALED_MAX 128u /* Part 2, 11.1.14: MAX_SYM_DATA */

static void put_creation(struct tpm2_cmd *c, const struct tpm2_sensitive *s,
                         const struct tpm2_public *pub)
{
    size_t place;

    if (s->auth.n > TPM2_VALUE_MAX || s->data.n > SEALED_MAX)
        wr_fail(&c->w, KAPU_EARG);
    c->secret = s->auth.n > 0 || s->data.n > 0;
    place = wr_2b_open(&c->w);
    wr_2b(&c->w, s->auth);
    wr_2b(&c->w, s->data);
    wr_2b_close(&c->w, place);
    place = wr_2b_open(&c->w);
    tpm2_wr_public(&c->w, pub);
    wr_2b_close(&c->w, place);
    wr_be16(&c->w, 0); /* no outside information */
    wr_be32(&c->w, 0); /* no creation PCRs */
}

/* A TPM2B_PUBLIC; its bytes as they travelled, size included, for those who keep them. */
static struct bytes rd_2b_public(struct rd *r, struct tpm2_public *pub)
{
    struct bytes b = rd_2b(r);
    struct rd in;
    int err;

    rd_init(&in, b);
    err = tpm2_rd_public(&in, pub);
    if (err == 0)
        err = rd_end(&in);
    if (r->err == 0 && err != 0)
        rd_fail(r, err);
    return r->err == 0 ? (struct bytes){b.p - 2, b.n + 2} : (struct bytes){NULL, 0};
}

/* Creation data, hash and ticket: checked for form, not used. */
static void skip_creation(struct rd *r)
{
    (void)rd_2b(r);
    (void)rd_2b(r);
    (void)rd_be16(r);
    (void)rd_be32(r);
    (void)rd_2b(r);
}

/* KAPU_EPIN unless the TPM made what was asked for; only `unique` is its own choice. */
static int check_made(const struct tpm2_public *want, const struct tpm2_public *is)
{
    if (want->type != is->type || want->attributes != is->attributes ||
        want->policy_n != is->policy_n || !kapu_equal(want->policy, is->policy, sizeof(is->policy)))
        return KAPU_EPIN;
    if (want->storage != is->storage || want->ecdsa != is->ecdsa || is->x_n == 0)
        return KAPU_EPIN;
    return 0;
}

/* The name that the TPM says must be the one computed from the public area. */
static int check_name(struct tpm2_cmd *c, const struct tpm2_public *pub, struct tpm2_name *name)
{
    struct tpm2_name said;
    int err;

    tpm2_rd_name(&c->r, &said);
    if (c->r.err != 0)
        return c->r.err;
    if (c->t->crypto == NULL)
        return KAPU_EARG;
    err = tpm2_public_name(&c->t->crypto->sha256, pub, name);
    if (err != 0)
        return err;
    return tpm2_name_equal(&said, name) ? 0 : KAPU_EPIN;
}

/* Flushes what must not be used; the error that led here stays the one reported. */
static void drop(struct tpm2 *t, uint32_t handle)
{
    uint32_t rc = t->rc;
    int err = tpm2_flush_context(t, handle);

    if (err == 0)
        t->rc = rc;
}

int tpm2_create_primary(struct tpm2 *t, uint32_t hierarchy, const struct tpm2_auth *auth,
                        const struct tpm2_sensitive *sensitive, struct tpm2_public *pub,
                        struct tpm2_entity *object)
{
    static const struct tpm2_spec spec = {TPM2_CC_CREATE_PRIMARY,
                                          CMD_HIDES_IN | CMD_HIDES_OUT | CMD_GIVES_HANDLE};
    const struct tpm2_entity parent = tpm2_entity_of(hierarchy);
    struct tpm2_public made;
    struct tpm2_cmd c;
    int err;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, &parent);
    tpm2_cmd_auth(&c, auth);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    put_creation(&c, sensitive, pub);
    err = tpm2_cmd_run(&c);
    object->handle = 0;
    if (err == 0) {
        object->handle = c.gave_handle;
        (void)rd_2b_public(&c.r, &made);
        skip_creation(&c.r);
        err = check_name(&c, &made, &object->name);
    }
    if (err == 0)
        err = check_made(pub, &made);
    err = tpm2_cmd_end(&c, err);
    if (err == 0)
        *pub = made;
    if (err != 0 && object->handle != 0)
        drop(t, object->handle);
    return err;
}

int tpm2_create(struct tpm2 *t, const struct tpm2_entity *parent, const struct tpm2_auth *auth,
                const struct tpm2_sensitive *sensitive, struct tpm2_public *pub, struct wr *blob)
{
    static const struct tpm2_spec spec = {TPM2_CC_CREATE, CMD_HIDES_IN | CMD_HIDES_OUT};
    struct bytes private, public;
    struct tpm2_public made;
    struct tpm2_cmd c;
    int err;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, parent);
    tpm2_cmd_auth(&c, auth);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    put_creation(&c, sensitive, pub);
    err = tpm2_cmd_run(&c);
    if (err == 0) {
        private = rd_2b(&c.r);
        public = rd_2b_public(&c.r, &made);
        skip_creation(&c.r);
        err = rd_end(&c.r);
    }
    if (err == 0)
        err = check_made(pub, &made);
    if (err == 0) {
        wr_2b(blob, private);
        wr_bytes(blob, public);
        err = blob->err;
    }
    if (err == 0)
        *pub = made;
    return tpm2_cmd_end(&c, err);
}

int tpm2_load(struct tpm2 *t, const struct tpm2_entity *parent, const struct tpm2_auth *auth,
              struct bytes blob, struct tpm2_public *pub, struct tpm2_entity *object)
{
    static const struct tpm2_spec spec = {TPM2_CC_LOAD,
                                          CMD_HIDES_IN | CMD_HIDES_OUT | CMD_GIVES_HANDLE};
    struct tpm2_public stored;
    struct tpm2_cmd c;
    struct rd r;
    int err;

    rd_init(&r, blob);
    (void)rd_2b(&r);
    (void)rd_2b_public(&r, &stored);
    err = rd_end(&r);
    if (err != 0)
        return err;
    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, parent);
    tpm2_cmd_auth(&c, auth);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    wr_bytes(&c.w, blob);
    err = tpm2_cmd_run(&c);
    object->handle = 0;
    if (err == 0) {
        object->handle = c.gave_handle;
        err = check_name(&c, &stored, &object->name);
    }
    err = tpm2_cmd_end(&c, err);
    if (err == 0 && pub != NULL)
        *pub = stored;
    if (err != 0 && object->handle != 0)
        drop(t, object->handle);
    return err;
}

int tpm2_load_external(struct tpm2 *t, struct tpm2_session *protect, const struct tpm2_public *pub,
                       struct tpm2_entity *object)
{
    static const struct tpm2_spec spec = {TPM2_CC_LOAD_EXTERNAL,
                                          CMD_HIDES_IN | CMD_HIDES_OUT | CMD_GIVES_HANDLE};
    struct tpm2_cmd c;
    size_t place;
    int err;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_params(&c, protect);
    wr_be16(&c.w, 0); /* no private part */
    place = wr_2b_open(&c.w);
    tpm2_wr_public(&c.w, pub);
    wr_2b_close(&c.w, place);
    wr_be32(&c.w, TPM2_RH_OWNER); /* tickets of the null hierarchy do not serve PolicyAuthorize */
    err = tpm2_cmd_run(&c);
    object->handle = 0;
    if (err == 0) {
        object->handle = c.gave_handle;
        err = check_name(&c, pub, &object->name);
    }
    err = tpm2_cmd_end(&c, err);
    if (err != 0 && object->handle != 0)
        drop(t, object->handle);
    return err;
}

int tpm2_unseal(struct tpm2 *t, const struct tpm2_entity *object, const struct tpm2_auth *auth,
                struct tpm2_session *protect, struct wr *out)
{
    static const struct tpm2_spec spec = {TPM2_CC_UNSEAL, CMD_HIDES_OUT | CMD_SECRET};
    struct tpm2_cmd c;
    struct bytes b;
    int err;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, object);
    tpm2_cmd_auth(&c, auth);
    tpm2_cmd_params(&c, protect);
    err = tpm2_cmd_run(&c);
    if (err == 0) {
        b = rd_2b(&c.r);
        err = rd_end(&c.r);
        if (err == 0) {
            wr_bytes(out, b);
            err = out->err;
        }
    }
    return tpm2_cmd_end(&c, err);
}

int tpm2_read_public(struct tpm2 *t, uint32_t handle, struct tpm2_public *pub,
                     struct tpm2_entity *object)
{
    static const struct tpm2_spec spec = {TPM2_CC_READ_PUBLIC, CMD_HIDES_OUT};
    struct tpm2_cmd c;
    int err;

    *object = tpm2_entity_of(handle);
    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, object);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    err = tpm2_cmd_run(&c);
    if (err == 0) {
        (void)rd_2b_public(&c.r, pub);
        err = check_name(&c, pub, &object->name);
    }
    if (err == 0)
        (void)rd_2b(&c.r); /* qualified name */
    return tpm2_cmd_end(&c, err);
}

int tpm2_evict_control(struct tpm2 *t, uint32_t hierarchy, const struct tpm2_auth *auth,
                       const struct tpm2_entity *object, uint32_t persistent)
{
    static const struct tpm2_spec spec = {TPM2_CC_EVICT_CONTROL, 0};
    const struct tpm2_entity by = tpm2_entity_of(hierarchy);
    struct tpm2_cmd c;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, &by);
    tpm2_cmd_handle(&c, object);
    tpm2_cmd_auth(&c, auth);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    wr_be32(&c.w, persistent);
    return tpm2_cmd_finish(&c);
}
