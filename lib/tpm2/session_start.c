// SPDX-License-Identifier: Apache-2.0
/* Opening and closing sessions (Part 3, 11.1; Part 1, 19.6). */
#include <string.h>

#include "internal.h"

/* TPM2B of an ECC point: two sizes and two coordinates. */
#define POINT_MAX (2u * (2u + 32u))

static int check_pin(const struct tpm2 *t, const struct tpm2_salt *salt)
{
    struct tpm2_name is;
    int err;

    if (salt->pinned == NULL || salt->key == NULL)
        return KAPU_EARG;
    err = tpm2_public_name(&t->crypto->sha256, salt->key, &is);
    if (err != 0)
        return err;
    return tpm2_name_equal(&is, salt->pinned) ? 0 : KAPU_EPIN;
}

/* Key of the session from salt and bound value (Part 1, 19.6.8). */
static int derive_key(const struct tpm2 *t, struct tpm2_session *s, const uint8_t *salt,
                      const struct tpm2_bind *bind)
{
    struct bytes value = bind == NULL ? (struct bytes){NULL, 0} : tpm2_strip(bind->value);
    uint8_t secret[64];
    size_t n = value.n;
    int err;

    if (n > TPM2_VALUE_MAX)
        return KAPU_EARG;
    if (n > 0)
        memcpy(secret, value.p, n);
    if (salt != NULL) {
        memcpy(secret + n, salt, 32);
        n += 32;
    }
    err = tpm2_kdfa(&t->crypto->sha256, (struct bytes){secret, n}, "ATH", BYTES_OF(s->nonce_tpm),
                    BYTES_OF(s->nonce_caller), s->key, sizeof(s->key));
    kapu_wipe(secret, sizeof(secret));
    return err;
}

static int send_start(struct tpm2 *t, struct tpm2_session *s, const struct tpm2_salt *salt,
                      const struct tpm2_bind *bind, struct bytes point)
{
    static const struct tpm2_spec spec = {TPM2_CC_START_AUTH_SESSION, CMD_GIVES_HANDLE};
    const struct tpm2_entity none = tpm2_entity_of(TPM2_RH_NULL);
    struct tpm2_entity salt_key = none;
    struct tpm2_cmd c;
    struct bytes nonce;
    uint8_t kind = s->type == TPM2_SESSION_HMAC ? 0x02 : 0x03; /* Part 2, 7.2 */
    int err;

    if (salt != NULL)
        salt_key.handle = salt->handle;
    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, &salt_key);
    tpm2_cmd_handle(&c, bind != NULL ? &bind->entity : &none);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    wr_2b(&c.w, BYTES_OF(s->nonce_caller));
    wr_2b(&c.w, point);
    wr_u8(&c.w, s->type);
    if (s->keyed) {
        wr_be16(&c.w, TPM2_ALG_AES);
        wr_be16(&c.w, 128);
        wr_be16(&c.w, TPM2_ALG_CFB);
    } else {
        wr_be16(&c.w, TPM2_ALG_NULL);
    }
    wr_be16(&c.w, TPM2_ALG_SHA256);
    err = tpm2_cmd_run(&c);
    if (err != 0)
        return tpm2_cmd_end(&c, err);
    nonce = rd_2b(&c.r);
    if (c.r.err == 0 && (nonce.n != sizeof(s->nonce_tpm) || c.gave_handle >> 24 != kind))
        rd_fail(&c.r, KAPU_EINVAL);
    if (c.r.err == 0) {
        memcpy(s->nonce_tpm, nonce.p, nonce.n);
        s->handle = c.gave_handle;
    }
    return tpm2_cmd_end(&c, 0);
}

int tpm2_session_start(struct tpm2 *t, struct tpm2_session *s, enum tpm2_session_type type,
                       const struct tpm2_salt *salt, const struct tpm2_bind *bind)
{
    uint8_t seed[32], point_buf[POINT_MAX];
    struct wr point;
    int err = 0;

    memset(s, 0, sizeof(*s));
    if (t->crypto == NULL)
        return KAPU_EARG;
    /* A key from nothing but what crosses the bus would protect nothing. */
    if (salt == NULL && bind != NULL && tpm2_strip(bind->value).n == 0)
        return KAPU_EARG;
    wr_init(&point, point_buf, sizeof(point_buf));
    s->type = (uint8_t)type;
    s->keyed = type != TPM2_SESSION_TRIAL && (salt != NULL || bind != NULL);
    if (salt != NULL)
        err = check_pin(t, salt);
    if (err == 0 && salt != NULL)
        err = tpm2_ecc_secret(t->crypto, salt->key, "SECRET", seed, &point);
    if (err == 0 &&
        t->crypto->random(t->crypto->ctx, s->nonce_caller, sizeof(s->nonce_caller)) != 0)
        err = KAPU_ECRYPTO;
    if (err == 0)
        err = send_start(t, s, salt, bind, wr_done(&point));
    if (err == 0 && s->keyed)
        err = derive_key(t, s, salt != NULL ? seed : NULL, bind);
    if (err == 0 && bind != NULL) {
        struct tpm2_name bound;

        err = tpm2_bound_name(&bind->entity.name, tpm2_strip(bind->value), &bound);
        if (err == 0) {
            memcpy(s->bound, bound.b, sizeof(s->bound));
            s->bound_n = sizeof(s->bound);
        }
    }
    kapu_wipe(seed, sizeof(seed));
    if (err != 0 && s->handle != 0)
        (void)tpm2_session_end(t, s);
    if (err != 0)
        kapu_wipe(s, sizeof(*s));
    return err;
}

int tpm2_session_end(struct tpm2 *t, struct tpm2_session *s)
{
    bool open = s->handle != 0 && !s->last;
    uint32_t handle = s->handle;

    kapu_wipe(s, sizeof(*s));
    return open ? tpm2_flush_context(t, handle) : 0;
}
