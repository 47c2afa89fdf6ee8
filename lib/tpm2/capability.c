// SPDX-License-Identifier: Apache-2.0
/* What the TPM is and has (Part 3, 30.2). */
#include "internal.h"

/* Part 2, 6.12 */
#define CAP_HANDLES 1u
#define CAP_PCRS 5u
#define CAP_TPM_PROPERTIES 6u

/* Asks; on success c->r stands behind the capability's number. *more: the TPM has more. */
static int ask(struct tpm2_cmd *c, struct tpm2 *t, struct tpm2_session *protect,
               const uint32_t what[3])
{
    static const struct tpm2_spec spec = {TPM2_CC_GET_CAPABILITY, 0};
    int err;

    tpm2_cmd_begin(c, t, &spec);
    tpm2_cmd_params(c, protect);
    for (unsigned i = 0; i < 3; i++)
        wr_be32(&c->w, what[i]);
    err = tpm2_cmd_run(c);
    if (err != 0)
        return err;
    if (rd_u8(&c->r) > 1 || rd_be32(&c->r) != what[0])
        rd_fail(&c->r, KAPU_EINVAL);
    return c->r.err;
}

int tpm2_get_property(struct tpm2 *t, struct tpm2_session *protect, uint32_t property,
                      uint32_t *value)
{
    struct tpm2_cmd c;
    int err = ask(&c, t, protect, (const uint32_t[]){CAP_TPM_PROPERTIES, property, 1});

    if (err == 0) {
        /* A TPM without it answers with the next one that it has, or with none. */
        if (rd_be32(&c.r) != 1 || rd_be32(&c.r) != property)
            rd_fail(&c.r, KAPU_ENOENT);
        *value = rd_be32(&c.r);
    }
    return tpm2_cmd_end(&c, err);
}

int tpm2_get_handles(struct tpm2 *t, struct tpm2_session *protect, uint32_t first,
                     uint32_t *handles, size_t *n)
{
    const uint32_t ask_max = 64;
    uint32_t want = *n < ask_max ? (uint32_t)*n : ask_max, got = 0;
    struct tpm2_cmd c;
    int err = ask(&c, t, protect, (const uint32_t[]){CAP_HANDLES, first, want});

    if (err == 0) {
        got = rd_be32(&c.r);
        if (got > want)
            rd_fail(&c.r, KAPU_EINVAL);
        for (uint32_t i = 0; i < got && c.r.err == 0; i++)
            handles[i] = rd_be32(&c.r);
    }
    err = tpm2_cmd_end(&c, err);
    *n = err == 0 ? got : 0;
    return err;
}

int tpm2_get_sha256_pcrs(struct tpm2 *t, struct tpm2_session *protect, uint32_t *mask)
{
    struct tpm2_cmd c;
    int err = ask(&c, t, protect, (const uint32_t[]){CAP_PCRS, 0, 1});

    if (err == 0)
        *mask = tpm2_rd_pcr_selection(&c.r);
    return tpm2_cmd_end(&c, err);
}
