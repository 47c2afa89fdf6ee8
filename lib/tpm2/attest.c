// SPDX-License-Identifier: Apache-2.0
/* Quotes and certifications (Part 3, 18; Part 2, 10.12). */
#include "internal.h"

#define ATTEST_MAGIC 0xFF544347u /* Part 2, 6.2: TPM_GENERATED_VALUE */
#define NONCE_MAX 32u

/* The common answer: TPM2B_ATTEST and a signature. */
static int take(struct tpm2_cmd *c, int err, struct wr *attest, struct tpm2_signature *sig)
{
    struct bytes b;

    if (err == 0) {
        b = rd_2b(&c->r);
        tpm2_rd_signature(&c->r, sig);
        err = rd_end(&c->r);
        if (err == 0) {
            wr_bytes(attest, b);
            err = attest->err;
        }
    }
    return tpm2_cmd_end(c, err);
}

int tpm2_quote(struct tpm2 *t, const struct tpm2_entity *key, const struct tpm2_auth *auth,
               struct bytes nonce, uint32_t mask, struct wr *attest, struct tpm2_signature *sig)
{
    static const struct tpm2_spec spec = {TPM2_CC_QUOTE, CMD_HIDES_IN | CMD_HIDES_OUT};
    struct tpm2_cmd c;

    if (nonce.n > NONCE_MAX)
        return KAPU_EARG;
    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, key);
    tpm2_cmd_auth(&c, auth);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    wr_2b(&c.w, nonce);
    wr_be16(&c.w, TPM2_ALG_NULL); /* the key's own scheme */
    tpm2_wr_pcr_selection(&c.w, mask);
    return take(&c, tpm2_cmd_run(&c), attest, sig);
}

int tpm2_certify(struct tpm2 *t, const struct tpm2_entity *object,
                 const struct tpm2_auth *object_auth, const struct tpm2_entity *key,
                 const struct tpm2_auth *key_auth, struct bytes nonce, struct wr *attest,
                 struct tpm2_signature *sig)
{
    static const struct tpm2_spec spec = {TPM2_CC_CERTIFY, CMD_HIDES_IN | CMD_HIDES_OUT};
    struct tpm2_cmd c;

    if (nonce.n > NONCE_MAX)
        return KAPU_EARG;
    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, object);
    tpm2_cmd_handle(&c, key);
    tpm2_cmd_auth(&c, object_auth);
    tpm2_cmd_auth(&c, key_auth);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    wr_2b(&c.w, nonce);
    wr_be16(&c.w, TPM2_ALG_NULL); /* the key's own scheme */
    return take(&c, tpm2_cmd_run(&c), attest, sig);
}

int tpm2_attest_parse(struct bytes in, struct tpm2_attest *a)
{
    struct rd r;

    *a = (struct tpm2_attest){0};
    rd_init(&r, in);
    if (rd_be32(&r) != ATTEST_MAGIC)
        rd_fail(&r, KAPU_EINVAL);
    a->type = rd_be16(&r);
    a->signer = rd_2b(&r);
    a->nonce = rd_2b(&r);
    tpm2_rd_clock(&r, &a->clock);
    a->firmware = rd_be64(&r);
    if (a->type == TPM2_ST_ATTEST_QUOTE) {
        a->pcr_mask = tpm2_rd_pcr_selection(&r);
        a->pcr_digest = rd_2b(&r);
    } else if (a->type == TPM2_ST_ATTEST_CERTIFY) {
        a->name = rd_2b(&r);
        a->qualified_name = rd_2b(&r);
    } else {
        rd_fail(&r, KAPU_EUNSUPPORTED);
    }
    return rd_end(&r);
}
