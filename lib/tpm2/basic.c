// SPDX-License-Identifier: Apache-2.0
/* Start, test, random numbers, clock, PCRs, flushing. */
#include <string.h>

#include "internal.h"

static int run_u16(struct tpm2 *t, const struct tpm2_spec *spec, uint16_t value)
{
    struct tpm2_cmd c;

    tpm2_cmd_begin(&c, t, spec);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    wr_be16(&c.w, value);
    return tpm2_cmd_finish(&c);
}

int tpm2_startup(struct tpm2 *t, uint16_t type)
{
    static const struct tpm2_spec spec = {TPM2_CC_STARTUP, 0};

    return run_u16(t, &spec, type);
}

int tpm2_shutdown(struct tpm2 *t, uint16_t type)
{
    static const struct tpm2_spec spec = {TPM2_CC_SHUTDOWN, 0};

    return run_u16(t, &spec, type);
}

int tpm2_self_test(struct tpm2 *t, bool full)
{
    static const struct tpm2_spec spec = {TPM2_CC_SELF_TEST, 0};
    struct tpm2_cmd c;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    wr_u8(&c.w, full ? 1 : 0);
    return tpm2_cmd_finish(&c);
}

int tpm2_get_test_result(struct tpm2 *t, uint32_t *result)
{
    static const struct tpm2_spec spec = {TPM2_CC_GET_TEST_RESULT, 0};
    struct tpm2_cmd c;
    int err;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    err = tpm2_cmd_run(&c);
    if (err == 0) {
        (void)rd_2b(&c.r); /* the manufacturer's own data */
        *result = rd_be32(&c.r);
    }
    return tpm2_cmd_end(&c, err);
}

/* One GetRandom: up to n bytes, *got of them. */
static int random_once(struct tpm2 *t, struct tpm2_session *protect, uint8_t *to, size_t n,
                       size_t *got)
{
    static const struct tpm2_spec spec = {TPM2_CC_GET_RANDOM, CMD_HIDES_OUT};
    const size_t ask_max = 32; /* a TPM gives at most its largest digest */
    struct tpm2_cmd c;
    struct bytes b;
    int err;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_params(&c, protect);
    wr_be16(&c.w, (uint16_t)(n < ask_max ? n : ask_max));
    c.secret = protect != NULL;
    err = tpm2_cmd_run(&c);
    if (err == 0) {
        b = rd_2b(&c.r);
        if (c.r.err == 0 && (b.n == 0 || b.n > n || b.n > ask_max))
            rd_fail(&c.r, KAPU_EINVAL);
        else if (c.r.err == 0)
            memcpy(to, b.p, b.n);
        *got = b.n;
    }
    return tpm2_cmd_end(&c, err);
}

int tpm2_get_random(struct tpm2 *t, struct tpm2_session *protect, uint8_t *to, size_t n)
{
    size_t all = n, got = 0;
    uint8_t *at = to;
    int err = 0;

    while (n > 0 && err == 0) {
        err = random_once(t, protect, at, n, &got);
        if (err == 0) {
            at += got;
            n -= got;
        }
    }
    if (err != 0)
        kapu_wipe(to, all);
    return err;
}

int tpm2_read_clock(struct tpm2 *t, struct tpm2_session *protect, uint64_t *time_ms,
                    struct tpm2_clock *clock)
{
    static const struct tpm2_spec spec = {TPM2_CC_READ_CLOCK, 0};
    struct tpm2_cmd c;
    int err;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_params(&c, protect);
    err = tpm2_cmd_run(&c);
    if (err == 0) {
        *time_ms = rd_be64(&c.r);
        tpm2_rd_clock(&c.r, clock);
    }
    return tpm2_cmd_end(&c, err);
}

int tpm2_flush_context(struct tpm2 *t, uint32_t handle)
{
    static const struct tpm2_spec spec = {TPM2_CC_FLUSH_CONTEXT, 0};
    struct tpm2_cmd c;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    wr_be32(&c.w, handle); /* a parameter here, by Part 3, 28.4 */
    return tpm2_cmd_finish(&c);
}

int tpm2_pcr_extend(struct tpm2 *t, uint32_t pcr, const struct tpm2_auth *auth,
                    const uint8_t digest[32])
{
    static const struct tpm2_spec spec = {TPM2_CC_PCR_EXTEND, 0};
    const struct tpm2_entity e = tpm2_entity_of(pcr);
    struct tpm2_cmd c;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, &e);
    tpm2_cmd_auth(&c, auth);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    wr_be32(&c.w, 1);
    wr_be16(&c.w, TPM2_ALG_SHA256);
    wr_bytes(&c.w, (struct bytes){digest, 32});
    return tpm2_cmd_finish(&c);
}

/* Where the value of `pcr` goes among those of `mask`. */
static size_t place_of(uint32_t mask, uint32_t pcr)
{
    size_t place = 0;

    for (uint32_t i = 0; i < pcr; i++)
        place += mask >> i & 1u;
    return place;
}

/* One PCR_Read: some of the PCRs in `left`, which loses them; the TPM chooses how many. */
static int read_some(struct tpm2 *t, struct tpm2_session *protect, uint32_t mask, uint32_t *left,
                     uint8_t (*value)[32])
{
    static const struct tpm2_spec spec = {TPM2_CC_PCR_READ, 0};
    uint32_t given = 0;
    struct tpm2_cmd c;
    int err;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_params(&c, protect);
    tpm2_wr_pcr_selection(&c.w, *left);
    err = tpm2_cmd_run(&c);
    if (err == 0) {
        (void)rd_be32(&c.r); /* update counter */
        given = tpm2_rd_pcr_selection(&c.r);
        if (given == 0 || (given & ~*left) != 0 || rd_be32(&c.r) != place_of(given, 24))
            rd_fail(&c.r, KAPU_EUNSUPPORTED); /* no SHA-256 bank */
    }
    for (uint32_t i = 0; i < 24 && err == 0 && c.r.err == 0; i++) {
        struct bytes b;

        if ((given >> i & 1u) == 0)
            continue;
        b = rd_2b(&c.r);
        if (c.r.err == 0 && b.n != 32)
            rd_fail(&c.r, KAPU_EINVAL);
        else if (c.r.err == 0)
            memcpy(value[place_of(mask, i)], b.p, 32);
    }
    *left &= ~given;
    return tpm2_cmd_end(&c, err);
}

int tpm2_pcr_read_set(struct tpm2 *t, struct tpm2_session *protect, uint32_t mask,
                      uint8_t (*value)[32])
{
    uint32_t left = mask;
    int err = mask >> 24 != 0 ? KAPU_EARG : 0;

    while (left != 0 && err == 0)
        err = read_some(t, protect, mask, &left, value);
    return err;
}

int tpm2_pcr_read(struct tpm2 *t, struct tpm2_session *protect, uint32_t pcr, uint8_t value[32])
{
    uint8_t one[1][32];
    int err = pcr > 23 ? KAPU_EARG : tpm2_pcr_read_set(t, protect, 1u << pcr, one);

    if (err == 0)
        memcpy(value, one[0], 32);
    return err;
}
