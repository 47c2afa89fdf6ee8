// SPDX-License-Identifier: Apache-2.0
/*
 * Every command of lib/tpm2 against a TPM that answers what the fuzzer likes.
 *
 * The input is: the scenario, then for each command how it is answered. Most answers start from a
 * well-formed one with a right MAC, which is then damaged: so that what lies behind the checks of
 * form and authenticity is reached as well. Hash and MAC are constants here, encryption is none.
 */
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "fuzz.h"

struct bench {
    struct rd in; /* rest of the fuzzer's input */
    struct tpm2 tpm;
    struct tpm2_session s;
    uint8_t counter;
};

static const struct tpm2_name pinned_name = {.n = 34, .b = {0, 0x0b}};

static int const_hash(void *ctx, const struct bytes *part, size_t parts, uint8_t out[32])
{
    (void)ctx;
    for (size_t i = 0; i < parts; i++) {
        if (!kapu_equal(part[i].p, part[i].p, part[i].n)) /* all of it must be readable */
            return -1;
    }
    memset(out, ANSWER_MAC, 32);
    return 0;
}

static int no_cipher(void *ctx, bool encrypt, const uint8_t key[16], const uint8_t iv[16],
                     uint8_t *data, size_t n)
{
    (void)ctx;
    (void)encrypt;
    for (size_t i = 0; i < n; i++)
        data[i] ^= (uint8_t)(key[0] ^ iv[0]); /* the same twice: none, but memory is touched */
    return 0;
}

static int const_ecdh(void *ctx, const uint8_t x[32], const uint8_t y[32], struct tpm2_ecdh *out)
{
    (void)ctx;
    memcpy(out->own_x, x, 32);
    memcpy(out->own_y, y, 32);
    memset(out->shared_x, 1, 32);
    return 0;
}

static int counting_random(void *ctx, uint8_t *to, size_t n)
{
    (void)ctx;
    memset(to, 0x77, n);
    return 0;
}

static const struct tpm2_crypto crypto = {
    .sha256 = {.hash = const_hash},
    .aes128_cfb = no_cipher,
    .ecdh_p256 = const_ecdh,
    .random = counting_random,
};

enum { AS_IS, EDITED, CUT, RAW, REFUSED, BROKEN, KINDS };

/* Single bytes of the answer changed: count, then place and value each. */
static void edit(struct bench *b, uint8_t *p, size_t n)
{
    uint8_t edits = rd_u8(&b->in) % 8;

    for (unsigned i = 0; i < edits; i++) {
        uint16_t at = rd_be16(&b->in);
        uint8_t v = rd_u8(&b->in);

        if (n > 0)
            p[at % n] = v;
    }
}

static int transceive(void *ctx, struct bytes cmd, uint8_t *rsp, size_t capacity, size_t *n)
{
    struct bench *b = ctx;
    uint8_t buf[TPM2_BUFFER_MAX + 64];
    struct wr w;
    struct bytes raw;
    uint8_t kind = rd_u8(&b->in) % KINDS;
    size_t size;

    if (b->in.err != 0)
        return KAPU_EIO;
    wr_init(&w, buf, sizeof(buf));
    answer(&w, cmd, ++b->counter);
    size = w.at;
    switch (kind) {
    case EDITED:
        edit(b, buf, size);
        break;
    case CUT:
        size = rd_be16(&b->in) % (sizeof(buf) + 1);
        memset(buf + (w.at < size ? w.at : size), 0xee, size > w.at ? size - w.at : 0);
        edit(b, buf, size);
        break;
    case RAW:
        raw = rd_bytes(&b->in, rd_u8(&b->in));
        size = raw.n;
        if (size > 0)
            memcpy(buf, raw.p, size);
        break;
    case REFUSED:
        wr_init(&w, buf, sizeof(buf));
        wr_be16(&w, 0x8001);
        wr_be32(&w, 10);
        wr_be32(&w, rd_be16(&b->in));
        size = w.at;
        break;
    case BROKEN:
        return KAPU_ETIMEOUT;
    default:
        break;
    }
    if (size > capacity)
        return KAPU_ESPACE;
    memcpy(rsp, buf, size);
    *n = size;
    return 0;
}

/* ---- scenarios ---- */

struct tools {
    struct bench *b;
    struct tpm2 *t;
    struct tpm2_auth auth;  /* by session or in clear */
    struct tpm2_session *s; /* protecting session, or none */
    struct tpm2_entity key, key2;
    struct tpm2_public pub;
    struct tpm2_nv nv;
    uint8_t out_buf[300];
    struct wr out, out2;
};

static int do_basic(struct tools *x)
{
    struct tpm2_clock clock;
    uint32_t v, handles[5], mask;
    uint64_t ms;
    size_t n = 5;
    int err = tpm2_startup(x->t, TPM2_SU_CLEAR);

    err |= tpm2_self_test(x->t, true);
    err |= tpm2_get_test_result(x->t, &v);
    err |= tpm2_read_clock(x->t, x->s, &ms, &clock);
    err |= tpm2_get_property(x->t, x->s, TPM2_PT_MANUFACTURER, &v);
    err |= tpm2_get_handles(x->t, x->s, TPM2_PERSISTENT_FIRST, handles, &n);
    if (n > 5)
        abort();
    err |= tpm2_get_sha256_pcrs(x->t, x->s, &mask);
    return err | tpm2_shutdown(x->t, TPM2_SU_STATE);
}

static int do_pcr(struct tools *x)
{
    uint8_t v[32] = {0};
    int err = tpm2_pcr_extend(x->t, 3, &x->auth, v);

    err |= tpm2_pcr_read(x->t, x->s, 3, v);
    return err | tpm2_get_random(x->t, x->s, x->out_buf, 70);
}

static int do_nv(struct tools *x)
{
    uint64_t v;
    int err = tpm2_nv_define(x->t, TPM2_RH_OWNER, &x->auth, &x->nv, (struct bytes){NULL, 0});

    err |= tpm2_nv_read_public(x->t, x->nv.index, &x->nv);
    err |= tpm2_nv_write(x->t, x->nv.index, &x->auth, &x->nv, 0,
                         (struct bytes){x->out_buf, x->nv.size < 300 ? x->nv.size : 300});
    err |= tpm2_nv_read(x->t, x->nv.index, &x->auth, &x->nv, 0, x->out_buf,
                        x->nv.size < 300 ? x->nv.size : 300);
    err |= tpm2_nv_increment(x->t, x->nv.index, &x->auth, &x->nv);
    err |= tpm2_nv_read_counter(x->t, x->nv.index, &x->auth, &x->nv, &v);
    err |= tpm2_nv_write_lock(x->t, x->nv.index, &x->auth, &x->nv);
    err |= tpm2_nv_read_lock(x->t, x->nv.index, &x->auth, &x->nv);
    return err | tpm2_nv_undefine(x->t, TPM2_RH_OWNER, &x->auth, &x->nv);
}

static int do_objects(struct tools *x)
{
    const struct tpm2_sensitive none = {{NULL, 0}, {NULL, 0}};
    int err = tpm2_create_primary(x->t, TPM2_RH_OWNER, &x->auth, &none, &x->pub, &x->key);

    err |= tpm2_read_public(x->t, 0x80000000, &x->pub, &x->key2);
    x->key.name = pinned_name;
    tpm2_template_ak(&x->pub);
    err |= tpm2_create(x->t, &x->key, &x->auth, &none, &x->pub, &x->out);
    err |= tpm2_load(x->t, &x->key, &x->auth, wr_done(&x->out), &x->pub, &x->key2);
    err |= tpm2_load_external(x->t, x->s, &x->pub, &x->key2);
    err |= tpm2_evict_control(x->t, TPM2_RH_OWNER, &x->auth, &x->key, TPM2_PERSISTENT_FIRST);
    return err | tpm2_flush_context(x->t, 0x80000000);
}

static int do_unseal(struct tools *x)
{
    uint8_t small_buf[40];
    struct wr small;
    int err;

    wr_init(&small, small_buf, sizeof(small_buf));
    err = tpm2_unseal(x->t, &x->key, &x->auth, TPM2_UNPROTECTED, &small);
    if (err != 0 && small.at != 0)
        abort(); /* plaintext in spite of an error */
    return err | tpm2_unseal(x->t, &x->key, &x->auth, TPM2_UNPROTECTED, &x->out);
}

static int do_attest(struct tools *x)
{
    struct tpm2_signature sig;
    struct tpm2_attest a;
    struct bytes nonce = {x->nv.policy, 20};
    int err = tpm2_quote(x->t, &x->key, &x->auth, nonce, 0xff00ff, &x->out, &sig);

    err |= tpm2_attest_parse(wr_done(&x->out), &a);
    err |= tpm2_certify(x->t, &x->key, &x->auth, &x->key, &TPM2_AUTH_CLEAR, nonce, &x->out2, &sig);
    return err | tpm2_attest_parse(wr_done(&x->out2), &a);
}

static int do_credential(struct tools *x)
{
    struct bytes b = {x->nv.policy, 32};

    return tpm2_activate_credential(x->t, &x->key, &x->auth, &x->key, &TPM2_AUTH_CLEAR, b, b,
                                    &x->out);
}

static int do_policy(struct tools *x)
{
    const uint8_t branch[3][32] = {{0}};
    const struct tpm2_entity owner = tpm2_entity_of(TPM2_RH_OWNER);
    struct tpm2_signature sig = {{0}, {0}};
    struct tpm2_session p;
    uint8_t digest[32];
    int err = tpm2_session_start(x->t, &p, TPM2_SESSION_POLICY, NULL, NULL);

    err |= tpm2_policy_pcr(x->t, &p, 1, NULL);
    err |= tpm2_policy_auth_value(x->t, &p);
    err |= tpm2_policy_command_code(x->t, &p, TPM2_CC_UNSEAL);
    err |= tpm2_policy_secret(x->t, &p, &owner, &x->auth, (struct bytes){NULL, 0});
    err |= tpm2_policy_nv(x->t, &p, x->nv.index, &x->auth, &x->nv, (struct bytes){digest, 0}, 0, 0);
    err |= tpm2_policy_or(x->t, &p, branch, 3);
    err |= tpm2_policy_authorize(x->t, &p, &x->key, branch[0], (struct bytes){NULL, 0}, &sig);
    err |= tpm2_policy_get_digest(x->t, &p, digest);
    err |= tpm2_pcr_extend(x->t, 3, &(struct tpm2_auth){.session = &p}, branch[0]);
    return err | tpm2_session_end(x->t, &p);
}

static int do_hierarchy(struct tools *x)
{
    struct bytes value = {x->nv.policy, x->auth.session != NULL ? 8 : 0};
    int err = tpm2_hierarchy_change_auth(x->t, TPM2_RH_OWNER, &x->auth, value);

    err |= tpm2_hierarchy_control(x->t, TPM2_RH_PLATFORM, &x->auth, TPM2_RH_PLATFORM, false);
    err |= tpm2_clear(x->t, TPM2_RH_LOCKOUT, &x->auth);
    err |= tpm2_clear_control(x->t, TPM2_RH_LOCKOUT, &x->auth, true);
    err |= tpm2_da_parameters(x->t, &x->auth, 1, 2, 3);
    return err | tpm2_da_lock_reset(x->t, &x->auth);
}

static int (*const scenarios[])(struct tools *) = {
    do_basic,  do_pcr,        do_nv,     do_objects,   do_unseal,
    do_attest, do_credential, do_policy, do_hierarchy,
};

/* Commands in clear, by a salted session, or by one bound and salted. */
static int start(struct tools *x, uint8_t how)
{
    struct tpm2_public key;
    struct tpm2_name pinned = pinned_name;
    const struct tpm2_salt salt = {0x80000000, &key, &pinned};
    const struct tpm2_bind bind = {tpm2_entity_of(TPM2_RH_OWNER), {x->nv.policy, 5}};
    int err;

    if (how % 3 == 0)
        return 0;
    tpm2_template_srk(&key);
    key.x_n = key.y_n = 32;
    memset(pinned.b + 2, ANSWER_MAC, 32);
    err = tpm2_session_start(x->t, &x->b->s, TPM2_SESSION_HMAC, &salt, how % 3 == 2 ? &bind : NULL);
    x->s = &x->b->s;
    x->auth.session = &x->b->s;
    if (how % 3 == 2)
        x->auth.value = bind.value;
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t work[TPM2_BUFFER_MAX + 16];
    struct bench b = {.counter = 0};
    struct tools x = {.b = &b, .t = &b.tpm};
    uint8_t which, how;

    rd_init(&b.in, (struct bytes){data, size});
    which = rd_u8(&b.in);
    how = rd_u8(&b.in);
    memset(work, 0xa5, sizeof(work));
    b.tpm = (struct tpm2){
        .io = {.transceive = transceive, .ctx = &b},
        .crypto = &crypto,
        .buf = work,
        .buf_n = (how & 0x80) != 0 ? 300 : TPM2_BUFFER_MAX,
    };
    wr_init(&x.out, x.out_buf, sizeof(x.out_buf));
    wr_init(&x.out2, x.out_buf, sizeof(x.out_buf));
    x.key = (struct tpm2_entity){0x80000000, pinned_name};
    x.nv = (struct tpm2_nv){.index = ANSWER_INDEX, .size = ANSWER_NV_SIZE};
    tpm2_template_srk(&x.pub);
    if (start(&x, how & 0x7f) == 0 && scenarios[which % 9](&x) == 0 && x.s != NULL && x.s->broken)
        abort(); /* all went well, and yet the session is broken */
    if (x.s != NULL)
        (void)tpm2_session_end(&b.tpm, x.s);
    for (size_t i = b.tpm.buf_n; i < sizeof(work); i++) {
        if (work[i] != 0xa5)
            abort();
    }
    return 0;
}
