// SPDX-License-Identifier: Apache-2.0
#include "answers.h"

#include "internal.h"

#include <string.h>

#define ST_SESSIONS 0x8002u

static void put_zeros(struct wr *w, size_t n)
{
    while (n-- > 0)
        wr_u8(w, 0);
}

static void put_2b(struct wr *w, size_t n, uint8_t fill)
{
    wr_be16(w, (uint16_t)n);
    while (n-- > 0)
        wr_u8(w, fill);
}

static void put_name(struct wr *w)
{
    wr_be16(w, 34);
    wr_be16(w, TPM2_ALG_SHA256);
    for (unsigned i = 0; i < 32; i++)
        wr_u8(w, ANSWER_MAC);
}

static void put_public(struct wr *w, void (*make)(struct tpm2_public *))
{
    struct tpm2_public pub;
    size_t place = wr_2b_open(w);

    make(&pub);
    pub.x_n = pub.y_n = 32;
    tpm2_wr_public(w, &pub);
    wr_2b_close(w, place);
}

static void put_creation(struct wr *w)
{
    put_2b(w, 10, 1);
    put_2b(w, 32, 2);
    wr_be16(w, 0x8021);
    wr_be32(w, TPM2_RH_OWNER);
    put_2b(w, 32, 3);
}

static void put_attest(struct wr *w, bool quote)
{
    size_t place = wr_2b_open(w);

    wr_be32(w, 0xFF544347);
    wr_be16(w, quote ? TPM2_ST_ATTEST_QUOTE : TPM2_ST_ATTEST_CERTIFY);
    put_name(w);
    put_2b(w, 20, 0);
    put_zeros(w, 8 + 4 + 4);
    wr_u8(w, 1);
    put_zeros(w, 8);
    if (quote) {
        tpm2_wr_pcr_selection(w, 0xff00ff);
        put_2b(w, 32, 4);
    } else {
        put_name(w);
        put_name(w);
    }
    wr_2b_close(w, place);
    wr_be16(w, TPM2_ALG_ECDSA);
    wr_be16(w, TPM2_ALG_SHA256);
    put_2b(w, 32, 5);
    put_2b(w, 32, 6);
}

static void put_capability(struct wr *w, struct rd *cmd)
{
    uint32_t cap = rd_be32(cmd), property = rd_be32(cmd), count = rd_be32(cmd);

    wr_u8(w, 0);
    wr_be32(w, cap);
    switch (cap) {
    case 1: /* handles */
        wr_be32(w, count < 3 ? count : 3);
        for (uint32_t i = 0; i < count && i < 3; i++)
            wr_be32(w, property + i);
        break;
    case 5: /* PCR banks */
        wr_be32(w, 2);
        wr_be16(w, 4);
        wr_u8(w, 3);
        put_zeros(w, 3);
        wr_be16(w, TPM2_ALG_SHA256);
        wr_u8(w, 3);
        wr_be16(w, 0xffff);
        wr_u8(w, 0xff);
        break;
    default:
        wr_be32(w, 1);
        wr_be32(w, property);
        wr_be32(w, 0x49424d00);
        break;
    }
}

static void put_nv_public(struct wr *w)
{
    const struct tpm2_nv nv = {.index = ANSWER_INDEX, .attributes = 0x20040004, .size = 8};
    size_t place = wr_2b_open(w);

    tpm2_wr_nv_public(w, &nv);
    wr_2b_close(w, place);
    put_name(w);
}

/* The parameters; cmd stands at those of the command. */
static void put_params(struct wr *w, uint32_t code, struct rd *cmd)
{
    switch (code) {
    case TPM2_CC_GET_TEST_RESULT:
        put_2b(w, 4, 0);
        wr_be32(w, 0);
        break;
    case TPM2_CC_GET_RANDOM:
    case TPM2_CC_NV_READ:
        put_2b(w, rd_be16(cmd), 0x33);
        break;
    case TPM2_CC_READ_CLOCK:
        put_zeros(w, 8 + 8 + 4 + 4 + 1);
        break;
    case TPM2_CC_PCR_READ:
        wr_be32(w, 1);
        wr_bytes(w, rd_bytes(cmd, 10));
        wr_be32(w, 1);
        put_2b(w, 32, 7);
        break;
    case TPM2_CC_GET_CAPABILITY:
        put_capability(w, cmd);
        break;
    case TPM2_CC_START_AUTH_SESSION:
        put_2b(w, 32, 0x99);
        break;
    case TPM2_CC_CREATE_PRIMARY:
        put_public(w, tpm2_template_srk);
        put_creation(w);
        put_name(w);
        break;
    case TPM2_CC_CREATE:
        put_2b(w, 100, 8);
        put_public(w, tpm2_template_ak);
        put_creation(w);
        break;
    case TPM2_CC_LOAD:
    case TPM2_CC_LOAD_EXTERNAL:
        put_name(w);
        break;
    case TPM2_CC_UNSEAL:
    case TPM2_CC_ACTIVATE_CREDENTIAL:
    case TPM2_CC_POLICY_GET_DIGEST:
        put_2b(w, 32, 9);
        break;
    case TPM2_CC_READ_PUBLIC:
        put_public(w, tpm2_template_srk);
        put_name(w);
        put_name(w);
        break;
    case TPM2_CC_NV_READ_PUBLIC:
        put_nv_public(w);
        break;
    case TPM2_CC_QUOTE:
        put_attest(w, true);
        break;
    case TPM2_CC_CERTIFY:
        put_attest(w, false);
        break;
    case TPM2_CC_POLICY_SECRET:
        wr_be16(w, 0);
        wr_be16(w, 0x8023);
        wr_be32(w, TPM2_RH_NULL);
        wr_be16(w, 0);
        break;
    case TPM2_CC_VERIFY_SIGNATURE:
        wr_be16(w, 0x8022);
        wr_be32(w, TPM2_RH_OWNER);
        put_2b(w, 64, 10);
        break;
    default:
        break;
    }
}

static size_t handles_of(uint32_t code)
{
    switch (code) {
    case TPM2_CC_STARTUP:
    case TPM2_CC_SHUTDOWN:
    case TPM2_CC_SELF_TEST:
    case TPM2_CC_GET_TEST_RESULT:
    case TPM2_CC_GET_RANDOM:
    case TPM2_CC_READ_CLOCK:
    case TPM2_CC_PCR_READ:
    case TPM2_CC_GET_CAPABILITY:
    case TPM2_CC_LOAD_EXTERNAL:
    case TPM2_CC_FLUSH_CONTEXT:
        return 0;
    case TPM2_CC_NV_READ:
    case TPM2_CC_NV_WRITE:
    case TPM2_CC_NV_INCREMENT:
    case TPM2_CC_NV_UNDEFINE_SPACE:
    case TPM2_CC_NV_READ_LOCK:
    case TPM2_CC_NV_WRITE_LOCK:
    case TPM2_CC_EVICT_CONTROL:
    case TPM2_CC_CERTIFY:
    case TPM2_CC_ACTIVATE_CREDENTIAL:
    case TPM2_CC_POLICY_SECRET:
    case TPM2_CC_START_AUTH_SESSION:
        return 2;
    case TPM2_CC_POLICY_NV:
        return 3;
    default:
        return 1;
    }
}

/* One session of the answer for each of the command. */
static void put_sessions(struct wr *w, struct bytes area, uint8_t nonce)
{
    struct rd r;

    rd_init(&r, area);
    while (r.at < r.n && r.err == 0) {
        struct bytes old_nonce, mac;
        uint8_t attrs;

        (void)rd_be32(&r);
        old_nonce = rd_2b(&r);
        attrs = rd_u8(&r);
        mac = rd_2b(&r);
        put_2b(w, old_nonce.n, nonce);
        wr_u8(w, attrs);
        put_2b(w, mac.n, ANSWER_MAC);
    }
}

void answer(struct wr *w, struct bytes cmd, uint8_t nonce)
{
    struct bytes area = {NULL, 0};
    size_t params_at, size_at = 0;
    struct wr patch;
    struct rd r;
    uint16_t tag;
    uint32_t code;

    rd_init(&r, cmd);
    tag = rd_be16(&r);
    (void)rd_be32(&r);
    code = rd_be32(&r);
    (void)rd_bytes(&r, 4 * handles_of(code));
    if (tag == ST_SESSIONS)
        area = rd_bytes(&r, rd_be32(&r));
    wr_be16(w, tag);
    wr_be32(w, 0);
    wr_be32(w, 0);
    if (code == TPM2_CC_START_AUTH_SESSION) {
        rd_init(&r, cmd);
        (void)rd_bytes(&r, 10 + 8 + 2 + 32);
        (void)rd_2b(&r);
        wr_be32(w, rd_u8(&r) == TPM2_SESSION_HMAC ? 0x02000000 : 0x03000000);
    } else if (code == TPM2_CC_CREATE_PRIMARY || code == TPM2_CC_LOAD ||
               code == TPM2_CC_LOAD_EXTERNAL) {
        wr_be32(w, 0x80000001);
    }
    size_at = w->at;
    if (tag == ST_SESSIONS)
        wr_be32(w, 0);
    params_at = w->at;
    put_params(w, code, &r);
    if (tag == ST_SESSIONS) {
        wr_init(&patch, w->p + size_at, 4);
        wr_be32(&patch, (uint32_t)(w->at - params_at));
        put_sessions(w, area, nonce);
    }
    wr_init(&patch, w->p + 2, 4);
    wr_be32(&patch, (uint32_t)w->at);
}
