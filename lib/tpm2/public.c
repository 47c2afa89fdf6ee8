// SPDX-License-Identifier: Apache-2.0
/* Public areas and names (Part 1, 16; Part 2, 12.2 and 13.5), templates, shared structures. */
#include <string.h>

#include "internal.h"

/* Larger than any TPMT_PUBLIC or TPMS_NV_PUBLIC that this library writes. */
#define PUBLIC_MAX 160u

static const uint16_t aes_128_cfb[] = {TPM2_ALG_AES, 128, TPM2_ALG_CFB};

void tpm2_wr_public(struct wr *w, const struct tpm2_public *pub)
{
    bool ecc = pub->type == TPM2_ALG_ECC;

    if (pub->policy_n > 32 || pub->x_n > 32 || pub->y_n > 32) {
        wr_fail(w, KAPU_EARG);
        return;
    }
    wr_be16(w, pub->type);
    wr_be16(w, TPM2_ALG_SHA256);
    wr_be32(w, pub->attributes);
    wr_2b(w, (struct bytes){pub->policy, pub->policy_n});
    if (ecc && pub->storage) {
        for (unsigned i = 0; i < 3; i++)
            wr_be16(w, aes_128_cfb[i]);
    } else if (ecc) {
        wr_be16(w, TPM2_ALG_NULL);
    }
    wr_be16(w, ecc && pub->ecdsa ? TPM2_ALG_ECDSA : TPM2_ALG_NULL);
    if (ecc && pub->ecdsa)
        wr_be16(w, TPM2_ALG_SHA256);
    if (ecc) {
        wr_be16(w, TPM2_ECC_NIST_P256);
        wr_be16(w, TPM2_ALG_NULL); /* no key derivation scheme */
    }
    wr_2b(w, (struct bytes){pub->x + 32 - pub->x_n, pub->x_n});
    if (ecc)
        wr_2b(w, (struct bytes){pub->y + 32 - pub->y_n, pub->y_n});
}

/* The reader fails unless the next value is the one that this library does. */
static void rd_only(struct rd *r, uint16_t value)
{
    if (rd_be16(r) != value)
        rd_fail(r, KAPU_EUNSUPPORTED);
}

static void rd_ecc_parameters(struct rd *r, struct tpm2_public *pub)
{
    uint16_t symmetric = rd_be16(r), scheme;

    pub->storage = symmetric == TPM2_ALG_AES;
    if (pub->storage) {
        rd_only(r, aes_128_cfb[1]);
        rd_only(r, aes_128_cfb[2]);
    } else if (symmetric != TPM2_ALG_NULL) {
        rd_fail(r, KAPU_EUNSUPPORTED);
    }
    scheme = rd_be16(r);
    pub->ecdsa = scheme == TPM2_ALG_ECDSA;
    if (pub->ecdsa)
        rd_only(r, TPM2_ALG_SHA256);
    else if (scheme != TPM2_ALG_NULL)
        rd_fail(r, KAPU_EUNSUPPORTED);
    rd_only(r, TPM2_ECC_NIST_P256);
    rd_only(r, TPM2_ALG_NULL);
}

uint8_t tpm2_rd_number(struct rd *r, uint8_t to[32])
{
    struct bytes b = rd_2b(r);

    memset(to, 0, 32);
    if (b.n > 32) {
        rd_fail(r, KAPU_EUNSUPPORTED);
        return 0;
    }
    if (b.n > 0)
        memcpy(to + 32 - b.n, b.p, b.n);
    return (uint8_t)b.n;
}

static uint8_t rd_policy(struct rd *r, uint8_t to[32])
{
    struct bytes b = rd_2b(r);

    if (b.n != 0 && b.n != 32) {
        rd_fail(r, KAPU_EUNSUPPORTED);
        return 0;
    }
    if (b.n > 0)
        memcpy(to, b.p, b.n);
    return (uint8_t)b.n;
}

int tpm2_rd_public(struct rd *r, struct tpm2_public *pub)
{
    memset(pub, 0, sizeof(*pub));
    pub->type = rd_be16(r);
    rd_only(r, TPM2_ALG_SHA256);
    pub->attributes = rd_be32(r);
    pub->policy_n = rd_policy(r, pub->policy);
    if (pub->type == TPM2_ALG_ECC)
        rd_ecc_parameters(r, pub);
    else if (pub->type == TPM2_ALG_KEYEDHASH)
        rd_only(r, TPM2_ALG_NULL); /* sealed data, no HMAC key */
    else
        rd_fail(r, KAPU_EUNSUPPORTED);
    pub->x_n = tpm2_rd_number(r, pub->x);
    if (pub->type == TPM2_ALG_ECC)
        pub->y_n = tpm2_rd_number(r, pub->y);
    return r->err;
}

static int name_of(const struct kapu_sha256 *h, const struct wr *w, struct tpm2_name *name)
{
    struct bytes all = wr_done(w);

    name->n = 34;
    name->b[0] = TPM2_ALG_SHA256 >> 8;
    name->b[1] = TPM2_ALG_SHA256 & 0xff;
    if (w->err != 0)
        return w->err;
    return h->hash(h->ctx, &all, 1, name->b + 2) == 0 ? 0 : KAPU_ECRYPTO;
}

int tpm2_public_name(const struct kapu_sha256 *h, const struct tpm2_public *pub,
                     struct tpm2_name *name)
{
    uint8_t buf[PUBLIC_MAX];
    struct wr w;

    wr_init(&w, buf, sizeof(buf));
    tpm2_wr_public(&w, pub);
    return name_of(h, &w, name);
}

void tpm2_wr_nv_public(struct wr *w, const struct tpm2_nv *nv)
{
    if (nv->policy_n > 32)
        wr_fail(w, KAPU_EARG);
    wr_be32(w, nv->index);
    wr_be16(w, TPM2_ALG_SHA256);
    wr_be32(w, nv->attributes);
    wr_2b(w, (struct bytes){nv->policy, nv->policy_n});
    wr_be16(w, nv->size);
}

void tpm2_rd_nv_public(struct rd *r, struct tpm2_nv *nv)
{
    memset(nv, 0, sizeof(*nv));
    nv->index = rd_be32(r);
    rd_only(r, TPM2_ALG_SHA256);
    nv->attributes = rd_be32(r);
    nv->policy_n = rd_policy(r, nv->policy);
    nv->size = rd_be16(r);
}

int tpm2_nv_name(const struct kapu_sha256 *h, const struct tpm2_nv *nv, struct tpm2_name *name)
{
    uint8_t buf[PUBLIC_MAX];
    struct wr w;

    wr_init(&w, buf, sizeof(buf));
    tpm2_wr_nv_public(&w, nv);
    return name_of(h, &w, name);
}

bool tpm2_name_equal(const struct tpm2_name *a, const struct tpm2_name *b)
{
    return a->n == b->n && a->n > 0 && a->n <= sizeof(a->b) && kapu_equal(a->b, b->b, a->n);
}

void tpm2_rd_name(struct rd *r, struct tpm2_name *name)
{
    struct bytes b = rd_2b(r);

    memset(name, 0, sizeof(*name));
    if (b.n == 0 || b.n > sizeof(name->b)) {
        rd_fail(r, KAPU_EUNSUPPORTED);
        return;
    }
    name->n = (uint8_t)b.n;
    memcpy(name->b, b.p, b.n);
}

/* Part 2, 10.9.7: one SHA-256 selection of 24 PCRs. */
void tpm2_wr_pcr_selection(struct wr *w, uint32_t mask)
{
    if (mask >> 24 != 0)
        wr_fail(w, KAPU_EARG);
    wr_be32(w, 1);
    wr_be16(w, TPM2_ALG_SHA256);
    wr_u8(w, 3);
    for (unsigned i = 0; i < 24; i += 8)
        wr_u8(w, (uint8_t)(mask >> i));
}

/* The SHA-256 PCRs of a list of selections; banks of other algorithms are passed over. */
uint32_t tpm2_rd_pcr_selection(struct rd *r)
{
    const uint32_t banks_max = 16; /* Part 2, 10.9.7: at most one for each hash */
    uint32_t banks = rd_be32(r), mask = 0;

    if (banks > banks_max)
        rd_fail(r, KAPU_EINVAL);
    for (uint32_t i = 0; i < banks && r->err == 0; i++) {
        uint16_t alg = rd_be16(r);
        struct bytes map = rd_bytes(r, rd_u8(r));

        for (unsigned k = 0; k < map.n && alg == TPM2_ALG_SHA256; k++) {
            if (k < 4)
                mask |= (uint32_t)map.p[k] << (8 * k);
            else if (map.p[k] != 0)
                rd_fail(r, KAPU_EUNSUPPORTED);
        }
    }
    return mask;
}

void tpm2_rd_clock(struct rd *r, struct tpm2_clock *clock)
{
    uint8_t safe;

    clock->clock_ms = rd_be64(r);
    clock->resets = rd_be32(r);
    clock->restarts = rd_be32(r);
    safe = rd_u8(r);
    if (safe > 1)
        rd_fail(r, KAPU_EINVAL);
    clock->safe = safe == 1;
}

void tpm2_rd_signature(struct rd *r, struct tpm2_signature *sig)
{
    rd_only(r, TPM2_ALG_ECDSA);
    rd_only(r, TPM2_ALG_SHA256);
    (void)tpm2_rd_number(r, sig->r);
    (void)tpm2_rd_number(r, sig->s);
}
