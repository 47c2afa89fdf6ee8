// SPDX-License-Identifier: Apache-2.0
/* Policy commands (Part 3, 23). Each acts on a session; what it does there shows in its digest. */
#include <string.h>

#include "internal.h"

#define ST_VERIFIED 0x8022u /* Part 2, 6.9: ticket of VerifySignature */

/* A policy command up to its parameters. */
static void begin(struct tpm2_cmd *c, struct tpm2 *t, const struct tpm2_spec *spec,
                  const struct tpm2_session *s)
{
    const struct tpm2_entity e = tpm2_entity_of(s->handle);

    tpm2_cmd_begin(c, t, spec);
    if (s->handle == 0 || s->broken || s->type == TPM2_SESSION_HMAC)
        wr_fail(&c->w, KAPU_ESESSION);
    tpm2_cmd_handle(c, &e);
    tpm2_cmd_params(c, TPM2_UNPROTECTED);
}

int tpm2_policy_pcr(struct tpm2 *t, struct tpm2_session *s, uint32_t mask, const uint8_t *digest)
{
    static const struct tpm2_spec spec = {TPM2_CC_POLICY_PCR, CMD_HIDES_IN};
    struct tpm2_cmd c;

    begin(&c, t, &spec, s);
    wr_2b(&c.w, (struct bytes){digest, digest != NULL ? 32 : 0});
    tpm2_wr_pcr_selection(&c.w, mask);
    return tpm2_cmd_finish(&c);
}

int tpm2_policy_auth_value(struct tpm2 *t, struct tpm2_session *s)
{
    static const struct tpm2_spec spec = {TPM2_CC_POLICY_AUTH_VALUE, 0};
    struct tpm2_cmd c;
    int err;

    begin(&c, t, &spec, s);
    err = tpm2_cmd_finish(&c);
    if (err == 0)
        s->needs_auth = true;
    return err;
}

int tpm2_policy_command_code(struct tpm2 *t, struct tpm2_session *s, uint32_t command)
{
    static const struct tpm2_spec spec = {TPM2_CC_POLICY_COMMAND_CODE, 0};
    struct tpm2_cmd c;

    begin(&c, t, &spec, s);
    wr_be32(&c.w, command);
    return tpm2_cmd_finish(&c);
}

int tpm2_policy_secret(struct tpm2 *t, struct tpm2_session *s, const struct tpm2_entity *by,
                       const struct tpm2_auth *auth, struct bytes ref)
{
    static const struct tpm2_spec spec = {TPM2_CC_POLICY_SECRET, CMD_HIDES_IN | CMD_HIDES_OUT};
    const struct tpm2_entity session = tpm2_entity_of(s->handle);
    struct tpm2_cmd c;
    int err;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, by);
    tpm2_cmd_handle(&c, &session);
    tpm2_cmd_auth(&c, auth);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    wr_be16(&c.w, 0); /* nonceTPM, cpHash: not limited, as the authorising session is fresh */
    wr_be16(&c.w, 0);
    wr_2b(&c.w, ref);
    wr_be32(&c.w, 0); /* no expiry, no ticket */
    err = tpm2_cmd_run(&c);
    if (err == 0) {
        (void)rd_2b(&c.r);
        (void)rd_be16(&c.r);
        (void)rd_be32(&c.r);
        (void)rd_2b(&c.r);
    }
    return tpm2_cmd_end(&c, err);
}

int tpm2_policy_or(struct tpm2 *t, struct tpm2_session *s, const uint8_t (*branch)[32],
                   size_t branches)
{
    static const struct tpm2_spec spec = {TPM2_CC_POLICY_OR, 0};
    struct tpm2_cmd c;

    begin(&c, t, &spec, s);
    if (branches < 2 || branches > 8)
        wr_fail(&c.w, KAPU_EARG);
    wr_be32(&c.w, (uint32_t)branches);
    for (size_t i = 0; i < branches && c.w.err == 0; i++)
        wr_2b(&c.w, BYTES_OF(branch[i]));
    return tpm2_cmd_finish(&c);
}

/* Digest of a ticket; at most a SHA-512's size. */
struct ticket {
    uint32_t hierarchy;
    uint8_t n;
    uint8_t b[64];
};

static int verify_signature(struct tpm2 *t, const struct tpm2_entity *key, const uint8_t digest[32],
                            const struct tpm2_signature *sig, struct ticket *ticket)
{
    static const struct tpm2_spec spec = {TPM2_CC_VERIFY_SIGNATURE, CMD_HIDES_IN};
    struct tpm2_cmd c;
    struct bytes b;
    int err;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, key);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    wr_2b(&c.w, (struct bytes){digest, 32});
    wr_be16(&c.w, TPM2_ALG_ECDSA);
    wr_be16(&c.w, TPM2_ALG_SHA256);
    wr_2b(&c.w, BYTES_OF(sig->r));
    wr_2b(&c.w, BYTES_OF(sig->s));
    err = tpm2_cmd_run(&c);
    if (err == 0) {
        if (rd_be16(&c.r) != ST_VERIFIED)
            rd_fail(&c.r, KAPU_EINVAL);
        ticket->hierarchy = rd_be32(&c.r);
        b = rd_2b(&c.r);
        if (b.n > sizeof(ticket->b))
            rd_fail(&c.r, KAPU_EINVAL);
        else if (b.n > 0)
            memcpy(ticket->b, b.p, b.n);
        ticket->n = (uint8_t)b.n;
    }
    return tpm2_cmd_end(&c, err);
}

int tpm2_policy_authorize(struct tpm2 *t, struct tpm2_session *s, const struct tpm2_entity *key,
                          const uint8_t approved[32], struct bytes ref,
                          const struct tpm2_signature *sig)
{
    static const struct tpm2_spec spec = {TPM2_CC_POLICY_AUTHORIZE, CMD_HIDES_IN};
    const struct bytes part[2] = {{approved, 32}, ref};
    struct ticket ticket = {0};
    uint8_t digest[32];
    struct tpm2_cmd c;
    int err;

    if (t->crypto == NULL)
        return KAPU_EARG;
    if (t->crypto->sha256.hash(t->crypto->sha256.ctx, part, 2, digest) != 0)
        return KAPU_ECRYPTO;
    err = verify_signature(t, key, digest, sig, &ticket);
    if (err != 0)
        return err;
    begin(&c, t, &spec, s);
    wr_2b(&c.w, (struct bytes){approved, 32});
    wr_2b(&c.w, ref);
    wr_2b(&c.w, (struct bytes){key->name.b, key->name.n});
    wr_be16(&c.w, ST_VERIFIED);
    wr_be32(&c.w, ticket.hierarchy);
    wr_2b(&c.w, (struct bytes){ticket.b, ticket.n});
    return tpm2_cmd_finish(&c);
}

int tpm2_policy_get_digest(struct tpm2 *t, struct tpm2_session *s, uint8_t digest[32])
{
    static const struct tpm2_spec spec = {TPM2_CC_POLICY_GET_DIGEST, CMD_HIDES_OUT};
    struct tpm2_cmd c;
    struct bytes b;
    int err;

    begin(&c, t, &spec, s);
    err = tpm2_cmd_run(&c);
    if (err == 0) {
        b = rd_2b(&c.r);
        if (c.r.err == 0 && b.n != 32)
            rd_fail(&c.r, KAPU_EINVAL);
        else if (c.r.err == 0)
            memcpy(digest, b.p, 32);
    }
    return tpm2_cmd_end(&c, err);
}
