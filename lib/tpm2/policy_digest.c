// SPDX-License-Identifier: Apache-2.0
/* Policy digests without a TPM (Part 1, 19.7; formulas with each command in Part 3, 23). */
#include <string.h>

#include "internal.h"

/* digest := H(digest || code || part...) */
static int step(const struct kapu_sha256 *h, uint8_t digest[32], uint32_t code, struct bytes a,
                struct bytes b)
{
    uint8_t cc[4];
    const struct bytes part[] = {{digest, 32}, BYTES_OF(cc), a, b};
    uint8_t next[32];
    struct wr w;

    wr_init(&w, cc, sizeof(cc));
    wr_be32(&w, code);
    if (h->hash(h->ctx, part, sizeof(part) / sizeof(part[0]), next) != 0)
        return KAPU_ECRYPTO;
    memcpy(digest, next, sizeof(next));
    return 0;
}

/* PolicyUpdate (Part 3, 23.2.3): two hashes, the second with the reference. */
static int update(const struct kapu_sha256 *h, uint8_t digest[32], uint32_t code,
                  const struct tpm2_name *name, struct bytes ref)
{
    const struct bytes part[] = {{digest, 32}, ref};
    uint8_t next[32];
    int err;

    if (name->n > sizeof(name->b))
        return KAPU_EARG;
    err = step(h, digest, code, (struct bytes){name->b, name->n}, (struct bytes){NULL, 0});
    if (err != 0)
        return err;
    if (h->hash(h->ctx, part, 2, next) != 0)
        return KAPU_ECRYPTO;
    memcpy(digest, next, sizeof(next));
    return 0;
}

int tpm2_pcr_digest(const struct kapu_sha256 *h, const uint8_t (*value)[32], size_t count,
                    uint8_t digest[32])
{
    const struct bytes all = {count > 0 ? value[0] : NULL, count * 32};

    return h->hash(h->ctx, &all, 1, digest) == 0 ? 0 : KAPU_ECRYPTO;
}

int tpm2_pd_pcr(const struct kapu_sha256 *h, uint8_t digest[32], uint32_t mask,
                const uint8_t pcrs[32])
{
    uint8_t selection[10];
    struct wr w;

    wr_init(&w, selection, sizeof(selection));
    tpm2_wr_pcr_selection(&w, mask);
    if (w.err != 0)
        return w.err;
    return step(h, digest, TPM2_CC_POLICY_PCR, BYTES_OF(selection), (struct bytes){pcrs, 32});
}

int tpm2_pd_auth_value(const struct kapu_sha256 *h, uint8_t digest[32])
{
    const struct bytes none = {NULL, 0};

    return step(h, digest, TPM2_CC_POLICY_AUTH_VALUE, none, none);
}

int tpm2_pd_command_code(const struct kapu_sha256 *h, uint8_t digest[32], uint32_t command)
{
    uint8_t cc[4];
    struct wr w;

    wr_init(&w, cc, sizeof(cc));
    wr_be32(&w, command);
    return step(h, digest, TPM2_CC_POLICY_COMMAND_CODE, BYTES_OF(cc), (struct bytes){NULL, 0});
}

int tpm2_pd_secret(const struct kapu_sha256 *h, uint8_t digest[32], const struct tpm2_name *by,
                   struct bytes ref)
{
    return update(h, digest, TPM2_CC_POLICY_SECRET, by, ref);
}

int tpm2_pd_nv(const struct kapu_sha256 *h, uint8_t digest[32], const struct tpm2_name *nv,
               struct bytes operand, uint16_t offset, uint16_t operation)
{
    uint8_t where[4], args[32];
    const struct bytes part[] = {operand, BYTES_OF(where)};
    struct wr w;

    if (nv->n > sizeof(nv->b))
        return KAPU_EARG;
    wr_init(&w, where, sizeof(where));
    wr_be16(&w, offset);
    wr_be16(&w, operation);
    if (h->hash(h->ctx, part, 2, args) != 0)
        return KAPU_ECRYPTO;
    return step(h, digest, TPM2_CC_POLICY_NV, BYTES_OF(args), (struct bytes){nv->b, nv->n});
}

int tpm2_pd_or(const struct kapu_sha256 *h, uint8_t digest[32], const uint8_t (*branch)[32],
               size_t branches)
{
    if (branches < 2 || branches > 8)
        return KAPU_EARG;
    memset(digest, 0, 32); /* whichever branch was taken, the result is the same */
    return step(h, digest, TPM2_CC_POLICY_OR, (struct bytes){branch[0], branches * 32},
                (struct bytes){NULL, 0});
}

int tpm2_pd_authorize(const struct kapu_sha256 *h, uint8_t digest[32], const struct tpm2_name *key,
                      struct bytes ref)
{
    memset(digest, 0, 32); /* whatever was approved, the result is the same */
    return update(h, digest, TPM2_CC_POLICY_AUTHORIZE, key, ref);
}
