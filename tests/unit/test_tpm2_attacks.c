// SPDX-License-Identifier: Apache-2.0
/* An active interposer between library and TPM: what it tries, and what it gets. */
#include "tpm2_fixture.h"

#include "internal.h" /* to send what the public functions refuse to */

static const struct bytes none = {NULL, 0};
static const struct bytes secret = {(const uint8_t *)"thirty-two bytes of hardware key", 32};

struct sealed {
    struct tpm2_entity object;
    struct tpm2_session s;
};

/* A sealed secret, and a policy session that may open it. */
static void prepare(struct env *e, struct sealed *x)
{
    struct tpm2_sensitive sensitive = {none, secret};
    struct tpm2_public pub;
    struct tpm2_session h;
    struct tpm2_auth a = by(&h);
    uint8_t d[32] = {0}, buf[512];
    struct wr blob;

    assert_int_equal(tpm2_pd_command_code(SHA256, d, TPM2_CC_UNSEAL), 0);
    tpm2_template_sealed(&pub, d, true);
    wr_init(&blob, buf, sizeof(buf));
    env_session(e, &h, TPM2_SESSION_HMAC);
    ok(e, tpm2_create(&e->tpm, &e->srk, &a, &sensitive, &pub, &blob));
    ok(e, tpm2_load(&e->tpm, &e->srk, &a, wr_done(&blob), NULL, &x->object));
    ok(e, tpm2_session_end(&e->tpm, &h));
    env_session(e, &x->s, TPM2_SESSION_POLICY);
    ok(e, tpm2_policy_command_code(&e->tpm, &x->s, TPM2_CC_UNSEAL));
}

static void renew(struct env *e, struct sealed *x)
{
    ok(e, tpm2_session_end(&e->tpm, &x->s));
    env_session(e, &x->s, TPM2_SESSION_POLICY);
    ok(e, tpm2_policy_command_code(&e->tpm, &x->s, TPM2_CC_UNSEAL));
}

static void finish(struct env *e, struct sealed *x)
{
    e->bus.on_answer = NULL;
    e->bus.on_command = NULL;
    e->bus.only = 0;
    ok(e, tpm2_session_end(&e->tpm, &x->s));
    ok(e, tpm2_flush_context(&e->tpm, x->object.handle));
}

/* Unseals; whatever happens, no plaintext but after success, and none left in the work buffer. */
static int try_unseal(struct env *e, struct sealed *x)
{
    struct tpm2_auth a = by(&x->s);
    uint8_t got[64] = {0};
    struct wr out;
    int err;

    wr_init(&out, got, sizeof(got));
    err = tpm2_unseal(&e->tpm, &x->object, &a, TPM2_UNPROTECTED, &out);
    if (err == 0) {
        assert_int_equal(out.at, secret.n);
        assert_memory_equal(got, secret.p, secret.n);
    } else {
        assert_int_equal(out.at, 0);
        assert_memory_equal(got, ((uint8_t[64]){0}), sizeof(got));
    }
    assert_null(memmem(e->buf, sizeof(e->buf), secret.p, 8));
    return err;
}

static void flip_at(struct interposer *i, uint8_t *rsp, size_t *n, size_t capacity)
{
    (void)capacity;
    if (i->at < *n)
        rsp[i->at] ^= 0x40;
}

/* Where the sessions of an answer without handle begin. */
static size_t auth_start(const uint8_t *rsp)
{
    struct rd r;

    rd_init(&r, (struct bytes){rsp, 14});
    (void)rd_bytes(&r, 10);
    return 14 + rd_be32(&r);
}

static void every_flipped_byte_of_an_answer_is_noticed(void **state)
{
    struct env *e = *state;
    size_t auth, n, handled = 0;
    struct sealed x;

    prepare(e, &x);
    e->bus.only = TPM2_CC_UNSEAL;
    assert_int_equal(try_unseal(e, &x), 0);
    n = e->bus.last_n;
    auth = auth_start(e->bus.last);
    e->bus.on_answer = flip_at;
    for (e->bus.at = 0; e->bus.at < n; e->bus.at++, handled++) {
        int err;

        renew(e, &x);
        err = try_unseal(e, &x);
        assert_int_not_equal(err, 0);
        if (e->bus.at >= auth + 2 + 32 + 1 + 2) /* the MAC */
            assert_int_equal(err, KAPU_EAUTH);
        else if (e->bus.at >= auth + 2 && e->bus.at < auth + 2 + 32) /* the nonce */
            assert_int_equal(err, KAPU_EAUTH);
        else if (e->bus.at == auth + 2 + 32) /* the attributes */
            assert_int_equal(err, KAPU_ESTRIPPED);
        else if (e->bus.at >= 16 && e->bus.at < auth) /* the secret, encrypted */
            assert_int_equal(err, KAPU_EAUTH);
        assert_true(x.s.broken);
    }
    assert_int_equal(handled, 14 + 2 + 32 + 2 + 32 + 1 + 2 + 32);
    finish(e, &x);
}

/* The answer without its sessions, as the TPM would give it to a command without. */
static void strip(struct interposer *i, uint8_t *rsp, size_t *n, size_t capacity)
{
    struct rd r;
    struct wr w;
    size_t params;

    (void)i;
    rd_init(&r, (struct bytes){rsp, *n});
    (void)rd_bytes(&r, 10);
    params = rd_be32(&r);
    memmove(rsp + 10, rsp + 14, params);
    *n = 10 + params;
    wr_init(&w, rsp, capacity);
    wr_be16(&w, 0x8001);
    wr_be32(&w, (uint32_t)*n);
}

static void an_answer_without_its_session_is_refused_as_stripped(void **state)
{
    struct env *e = *state;
    struct sealed x;

    prepare(e, &x);
    e->bus.only = TPM2_CC_UNSEAL;
    e->bus.on_answer = strip;
    assert_int_equal(try_unseal(e, &x), KAPU_ESTRIPPED);
    finish(e, &x);
}

/* An answer that claims an empty nonce and MAC, as that of a password. */
static void empty_auth(struct interposer *i, uint8_t *rsp, size_t *n, size_t capacity)
{
    size_t at = auth_start(rsp);
    struct wr w;

    (void)i;
    memcpy(rsp + at, "\0\0\1\0\0", 5);
    *n = at + 5;
    wr_init(&w, rsp + 2, capacity - 2);
    wr_be32(&w, (uint32_t)*n);
}

static void an_answer_with_an_empty_mac_is_refused_as_stripped(void **state)
{
    struct env *e = *state;
    struct sealed x;

    prepare(e, &x);
    e->bus.only = TPM2_CC_UNSEAL;
    e->bus.on_answer = empty_auth;
    assert_int_equal(try_unseal(e, &x), KAPU_ESTRIPPED);
    finish(e, &x);
}

static void replay(struct interposer *i, uint8_t *rsp, size_t *n, size_t capacity)
{
    (void)capacity;
    memcpy(rsp, i->last, i->last_n);
    *n = i->last_n;
}

static void an_old_answer_is_refused(void **state)
{
    struct env *e = *state;
    struct sealed x;
    uint8_t kept[4096];
    size_t kept_n;

    prepare(e, &x);
    e->bus.only = TPM2_CC_UNSEAL;
    for (int older = 0; older < 2; older++) {
        ok(e, try_unseal(e, &x));
        kept_n = e->bus.last_n;
        memcpy(kept, e->bus.last, kept_n);
        ok(e, tpm2_policy_command_code(&e->tpm, &x.s, TPM2_CC_UNSEAL));
        if (older) {
            ok(e, try_unseal(e, &x));
            ok(e, tpm2_policy_command_code(&e->tpm, &x.s, TPM2_CC_UNSEAL));
        }
        memcpy(e->bus.last, kept, kept_n);
        e->bus.last_n = kept_n;
        e->bus.on_answer = replay;
        assert_int_equal(try_unseal(e, &x), older ? KAPU_EAUTH : KAPU_EREPLAY);
        e->bus.on_answer = NULL;
        renew(e, &x);
    }
    finish(e, &x);
}

static void a_session_that_was_tampered_with_is_dead_but_ends_cleanly(void **state)
{
    struct env *e = *state;
    struct sealed x;
    uint32_t handles[8];
    size_t n = 8;

    prepare(e, &x);
    e->bus.only = TPM2_CC_UNSEAL;
    e->bus.on_answer = flip_at;
    e->bus.at = 20;
    assert_int_equal(try_unseal(e, &x), KAPU_EAUTH);
    e->bus.on_answer = NULL;
    assert_int_equal(try_unseal(e, &x), KAPU_ESESSION);
    assert_int_equal(tpm2_policy_command_code(&e->tpm, &x.s, TPM2_CC_UNSEAL), KAPU_ESESSION);
    finish(e, &x);
    ok(e, tpm2_get_handles(&e->tpm, TPM2_UNPROTECTED, 0x02000000, handles, &n));
    assert_int_equal(n, 0);
}

static void flip_command(struct interposer *i, uint8_t *cmd, size_t *n)
{
    cmd[i->at < *n ? i->at : *n - 1] ^= 1;
}

static void a_changed_command_parameter_is_refused_by_the_tpm(void **state)
{
    struct env *e = *state;
    uint8_t before[32], after[32], digest[32] = {0};
    struct tpm2_session s;
    struct tpm2_auth a = by(&s);

    env_session(e, &s, TPM2_SESSION_HMAC);
    ok(e, tpm2_pcr_read(&e->tpm, &s, 15, before));
    e->bus.only = TPM2_CC_PCR_EXTEND;
    e->bus.on_command = flip_command;
    e->bus.at = SIZE_MAX; /* last byte of the digest */
    refused(e, tpm2_pcr_extend(&e->tpm, 15, &a, digest), TPM2_RC_BAD_AUTH);
    e->bus.at = 13; /* the PCR's number */
    refused(e, tpm2_pcr_extend(&e->tpm, 15, &a, digest), TPM2_RC_BAD_AUTH);
    e->bus.on_command = NULL;
    ok(e, tpm2_pcr_read(&e->tpm, &s, 15, after));
    assert_memory_equal(before, after, 32);
    ok(e, tpm2_pcr_extend(&e->tpm, 15, &a, digest)); /* the session lives on */
    ok(e, tpm2_session_end(&e->tpm, &s));
    e->bus.only = 0;
}

/* Clears the attribute by which the session encrypts the answer. */
static void no_encryption(struct interposer *i, uint8_t *cmd, size_t *n)
{
    const size_t attrs = 10 + 4 + 4 + 4 + 2 + 32; /* header, handle, size, session, nonce */

    (void)i;
    assert_true(*n > attrs);
    assert_int_equal(cmd[attrs], 0x41);
    cmd[attrs] = 0x01;
}

static void an_encryption_attribute_taken_away_gets_no_answer(void **state)
{
    struct env *e = *state;
    struct sealed x;

    prepare(e, &x);
    e->bus.only = TPM2_CC_UNSEAL;
    e->bus.on_command = no_encryption;
    refused(e, try_unseal(e, &x), TPM2_RC_BAD_AUTH);
    assert_false(interposer_saw(&e->bus, secret));
    finish(e, &x);
}

/* Makes a command with one session into one without. */
static void no_session(struct interposer *i, uint8_t *cmd, size_t *n)
{
    struct wr w;

    (void)i;
    *n = 14;
    wr_init(&w, cmd, 6);
    wr_be16(&w, 0x8001);
    wr_be32(&w, 14);
}

static void a_session_taken_away_from_the_command_gets_no_answer(void **state)
{
    struct env *e = *state;
    struct sealed x;

    prepare(e, &x);
    e->bus.only = TPM2_CC_UNSEAL;
    e->bus.on_command = no_session;
    refused(e, try_unseal(e, &x), TPM2_RC_AUTH_MISSING);
    finish(e, &x);
}

static void a_changed_session_start_makes_a_session_that_opens_nothing(void **state)
{
    struct env *e = *state;
    struct sealed x;

    prepare(e, &x);
    ok(e, tpm2_session_end(&e->tpm, &x.s));
    e->bus.only = TPM2_CC_START_AUTH_SESSION;
    e->bus.on_answer = flip_at;
    e->bus.at = 30; /* in the TPM's nonce */
    env_session(e, &x.s, TPM2_SESSION_POLICY);
    e->bus.on_answer = NULL;
    ok(e, tpm2_policy_command_code(&e->tpm, &x.s, TPM2_CC_UNSEAL));
    refused(e, try_unseal(e, &x), TPM2_RC_BAD_AUTH);
    finish(e, &x);
}

static void other_parameters_of_a_protected_read_are_refused(void **state)
{
    struct env *e = *state;
    struct tpm2_session s;
    uint8_t v[32];

    env_session(e, &s, TPM2_SESSION_HMAC);
    e->bus.only = TPM2_CC_PCR_READ;
    e->bus.on_answer = flip_at;
    e->bus.at = 14 + 4 + 10 + 4 + 2 + 5; /* in the PCR's value */
    assert_int_equal(tpm2_pcr_read(&e->tpm, &s, 0, v), KAPU_EAUTH);
    e->bus.on_answer = NULL;
    e->bus.only = 0;
    ok(e, tpm2_session_end(&e->tpm, &s));
}

static void forged_error(struct interposer *i, uint8_t *rsp, size_t *n, size_t capacity)
{
    struct wr w;

    wr_init(&w, rsp, capacity);
    wr_be16(&w, 0x8001);
    wr_be32(&w, (uint32_t)(10 + i->at));
    wr_be32(&w, TPM2_RC_FAILURE);
    *n = 10 + i->at;
}

static void a_forged_error_denies_service_and_no_more(void **state)
{
    struct env *e = *state;
    struct sealed x;

    prepare(e, &x);
    e->bus.only = TPM2_CC_UNSEAL;
    e->bus.on_answer = forged_error;
    e->bus.at = 0;
    refused(e, try_unseal(e, &x), TPM2_RC_FAILURE);
    /* The TPM has answered and rolled its nonce; the library did not see it: fails closed. */
    e->bus.on_answer = NULL;
    ok(e, tpm2_policy_command_code(&e->tpm, &x.s, TPM2_CC_UNSEAL));
    refused(e, try_unseal(e, &x), TPM2_RC_BAD_AUTH);
    renew(e, &x);
    e->bus.on_answer = forged_error;
    e->bus.at = 1; /* an error is a header and nothing else */
    assert_int_equal(try_unseal(e, &x), KAPU_EINVAL);
    finish(e, &x);
}

static void busy(struct interposer *i, uint8_t *rsp, size_t *n, size_t capacity)
{
    static const uint32_t codes[] = {TPM2_RC_RETRY, TPM2_RC_TESTING, TPM2_RC_YIELDED,
                                     TPM2_RC_NV_RATE};
    struct wr w;

    if (i->hits > 4)
        return;
    wr_init(&w, rsp, capacity);
    wr_be16(&w, 0x8001);
    wr_be32(&w, 10);
    wr_be32(&w, codes[i->hits - 1]);
    *n = 10;
}

static void a_busy_tpm_is_asked_again(void **state)
{
    struct env *e = *state;
    uint32_t v;

    e->bus.only = TPM2_CC_GET_CAPABILITY;
    e->bus.on_answer = busy;
    e->bus.hits = 0;
    ok(e, tpm2_get_property(&e->tpm, TPM2_UNPROTECTED, TPM2_PT_MANUFACTURER, &v));
    assert_int_equal(e->bus.hits, 5);
    assert_int_equal(v, 0x49424d00);
    e->bus.on_answer = NULL;
    e->bus.only = 0;
}

/* Create and Unseal as the library would send them if it did not insist on a keyed session. */
static void seal_and_unseal_in_clear(struct env *e)
{
    static const struct tpm2_spec create = {TPM2_CC_CREATE, 0}, unseal = {TPM2_CC_UNSEAL, 0};
    struct tpm2_public pub;
    struct tpm2_entity object;
    struct tpm2_cmd c;
    struct bytes private, public;
    uint8_t buf[512];
    struct wr blob;
    size_t place;

    tpm2_template_sealed(&pub, buf, true);
    pub.policy_n = 0;
    pub.attributes |= TPM2_OA_USER_WITH_AUTH;
    tpm2_cmd_begin(&c, &e->tpm, &create);
    tpm2_cmd_handle(&c, &e->srk);
    tpm2_cmd_auth(&c, &TPM2_AUTH_CLEAR);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    place = wr_2b_open(&c.w);
    wr_2b(&c.w, none);
    wr_2b(&c.w, secret);
    wr_2b_close(&c.w, place);
    place = wr_2b_open(&c.w);
    tpm2_wr_public(&c.w, &pub);
    wr_2b_close(&c.w, place);
    wr_be16(&c.w, 0);
    wr_be32(&c.w, 0);
    ok(e, tpm2_cmd_run(&c));
    private = rd_2b(&c.r);
    public = rd_2b(&c.r);
    wr_init(&blob, buf, sizeof(buf));
    wr_2b(&blob, private);
    wr_2b(&blob, public);
    ok(e, tpm2_load(&e->tpm, &e->srk, &TPM2_AUTH_CLEAR, wr_done(&blob), NULL, &object));
    tpm2_cmd_begin(&c, &e->tpm, &unseal);
    tpm2_cmd_handle(&c, &object);
    tpm2_cmd_auth(&c, &TPM2_AUTH_CLEAR);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    ok(e, tpm2_cmd_run(&c));
    assert_memory_equal(rd_2b(&c.r).p, secret.p, secret.n);
    ok(e, tpm2_flush_context(&e->tpm, object.handle));
}

static void a_sealed_secret_is_nowhere_on_the_bus_and_the_search_would_find_it(void **state)
{
    struct env *e = *state;
    struct sealed x;

    e->bus.seen_n = 0;
    prepare(e, &x);
    assert_int_equal(try_unseal(e, &x), 0);
    finish(e, &x);
    assert_true(e->bus.seen_n > 1000);
    assert_false(interposer_saw(&e->bus, (struct bytes){secret.p, 8}));
    assert_false(interposer_saw(&e->bus, (struct bytes){secret.p + 24, 8}));
    e->bus.seen_n = 0;
    seal_and_unseal_in_clear(e);
    assert_true(interposer_saw(&e->bus, secret));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_byte_of_an_answer_is_noticed),
        cmocka_unit_test(an_answer_without_its_session_is_refused_as_stripped),
        cmocka_unit_test(an_answer_with_an_empty_mac_is_refused_as_stripped),
        cmocka_unit_test(an_old_answer_is_refused),
        cmocka_unit_test(a_session_that_was_tampered_with_is_dead_but_ends_cleanly),
        cmocka_unit_test(a_changed_command_parameter_is_refused_by_the_tpm),
        cmocka_unit_test(an_encryption_attribute_taken_away_gets_no_answer),
        cmocka_unit_test(a_session_taken_away_from_the_command_gets_no_answer),
        cmocka_unit_test(a_changed_session_start_makes_a_session_that_opens_nothing),
        cmocka_unit_test(other_parameters_of_a_protected_read_are_refused),
        cmocka_unit_test(a_forged_error_denies_service_and_no_more),
        cmocka_unit_test(a_busy_tpm_is_asked_again),
        cmocka_unit_test(a_sealed_secret_is_nowhere_on_the_bus_and_the_search_would_find_it),
    };

    return cmocka_run_group_tests(tests, env_setup, env_teardown);
}
