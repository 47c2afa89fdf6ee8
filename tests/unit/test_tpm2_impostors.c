// SPDX-License-Identifier: Apache-2.0
/* An interposer that puts other keys and objects in the place of those that were asked for. */
#include "tpm2_fixture.h"

static const struct bytes none = {NULL, 0};

static void flip_at(struct interposer *i, uint8_t *rsp, size_t *n, size_t capacity)
{
    (void)capacity;
    if (i->at < *n)
        rsp[i->at] ^= 0x40;
}

static uint8_t flip_bit = 1;

static void flip_command(struct interposer *i, uint8_t *cmd, size_t *n)
{
    cmd[i->at < *n ? i->at : *n - 1] ^= flip_bit;
}

/* The attacker's key in the place of the TPM's, with a name that fits it. */
static struct test_key attacker;

static void swap_public(struct interposer *i, uint8_t *rsp, size_t *n, size_t capacity)
{
    struct tpm2_public pub;
    struct tpm2_name name;
    struct rd r;
    struct wr w;
    size_t start, place;

    (void)capacity;
    start = i->code == TPM2_CC_READ_PUBLIC ? 10 : 10 + 4 + 4;
    rd_init(&r, (struct bytes){rsp + start, *n - start});
    (void)rd_be16(&r);
    assert_int_equal(tpm2_rd_public(&r, &pub), 0);
    memcpy(pub.x, attacker.x, 32);
    memcpy(pub.y, attacker.y, 32);
    wr_init(&w, rsp + start, *n - start);
    place = wr_2b_open(&w);
    tpm2_wr_public(&w, &pub);
    wr_2b_close(&w, place);
    assert_int_equal(w.at, r.at);
    assert_int_equal(tpm2_public_name(SHA256, &pub, &name), 0);
    if (i->code == TPM2_CC_READ_PUBLIC)
        wr_2b(&w, (struct bytes){name.b, name.n});
    else /* after creation data, hash and ticket, before an empty password session */
        memcpy(rsp + *n - 5 - 34, name.b, 34);
}

static void a_swapped_primary_key_is_not_the_pinned_one(void **state)
{
    struct env *e = *state;
    struct tpm2_name pinned = e->srk.name;
    struct tpm2_public pub;
    struct tpm2_entity object;
    struct tpm2_session s;
    struct tpm2_salt salt = {.key = &pub, .pinned = &pinned};
    const uint32_t via[] = {TPM2_CC_READ_PUBLIC, TPM2_CC_CREATE_PRIMARY};

    assert_int_equal(test_key_make(&attacker), 0);
    for (int i = 0; i < 2; i++) {
        size_t before;

        e->bus.only = via[i];
        e->bus.on_answer = swap_public;
        if (i == 0) {
            ok(e, tpm2_read_public(&e->tpm, e->srk.handle, &pub, &object));
        } else {
            tpm2_template_srk(&pub);
            ok(e, tpm2_create_primary(&e->tpm, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, NO_SENSITIVE, &pub,
                                      &object));
        }
        e->bus.on_answer = NULL;
        assert_memory_equal(pub.x, attacker.x, 32);
        salt.handle = object.handle;
        before = e->bus.seen_n;
        assert_int_equal(tpm2_session_start(&e->tpm, &s, TPM2_SESSION_HMAC, &salt, NULL),
                         KAPU_EPIN);
        assert_int_equal(e->bus.seen_n, before); /* nothing was sent */
        if (i == 1)
            ok(e, tpm2_flush_context(&e->tpm, object.handle));
    }
    salt = e->salt;
    salt.pinned = NULL;
    assert_int_equal(tpm2_session_start(&e->tpm, &s, TPM2_SESSION_HMAC, &salt, NULL), KAPU_EARG);
    test_key_free(&attacker);
    e->bus.only = 0;
}

/* Without a session the TPM itself is made to do other than asked: what comes back tells. */
static void a_changed_template_makes_a_key_that_is_refused(void **state)
{
    struct env *e = *state;
    const size_t attributes = 10 + 4 + 4 + 9 + 6 + 2 + 4; /* of an object's template, in clear */
    struct tpm2_public pub;
    struct tpm2_entity object;
    uint32_t handles[8];
    uint8_t buf[512];
    size_t n = 8;
    struct wr blob;

    wr_init(&blob, buf, sizeof(buf));
    e->bus.on_command = flip_command;
    e->bus.only = TPM2_CC_CREATE_PRIMARY;
    e->bus.at = attributes + 3;
    tpm2_template_ak(&pub);
    flip_bit = 1u << 6; /* user with authorisation */
    assert_int_equal(
        tpm2_create_primary(&e->tpm, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, NO_SENSITIVE, &pub, &object),
        KAPU_EPIN);
    e->bus.only = TPM2_CC_CREATE;
    assert_int_equal(tpm2_create(&e->tpm, &e->srk, &TPM2_AUTH_CLEAR, NO_SENSITIVE, &pub, &blob),
                     KAPU_EPIN);
    assert_int_equal(blob.at, 0);
    flip_bit = 1;
    e->bus.on_command = NULL;
    e->bus.only = 0;
    ok(e, tpm2_get_handles(&e->tpm, TPM2_UNPROTECTED, TPM2_TRANSIENT_FIRST, handles, &n));
    assert_int_equal(n, 1); /* what was made was flushed */
}

static void the_public_area_of_another_index_is_refused(void **state)
{
    struct env *e = *state;
    struct tpm2_nv nv = {.index = TPM2_NV_FIRST + 0x10,
                         .attributes = TPM2_NVA_AUTH_READ | TPM2_NVA_AUTH_WRITE,
                         .size = 4};
    struct tpm2_nv is;

    ok(e, tpm2_nv_define(&e->tpm, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, &nv, none));
    e->bus.on_command = flip_command;
    e->bus.only = TPM2_CC_NV_READ_PUBLIC;
    e->bus.at = 13;
    assert_int_equal(tpm2_nv_read_public(&e->tpm, nv.index ^ 1, &is), KAPU_EPIN);
    e->bus.on_command = NULL;
    e->bus.only = 0;
    ok(e, tpm2_nv_undefine(&e->tpm, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, &nv));
}

static void a_public_area_that_does_not_have_its_name_is_refused(void **state)
{
    struct env *e = *state;
    struct tpm2_public pub;
    struct tpm2_entity object;

    e->bus.only = TPM2_CC_READ_PUBLIC;
    e->bus.on_answer = flip_at;
    e->bus.at = 60; /* in a coordinate */
    assert_int_equal(tpm2_read_public(&e->tpm, e->srk.handle, &pub, &object), KAPU_EPIN);
    e->bus.on_answer = NULL;
    e->bus.only = 0;
}

static void a_salt_key_off_the_curve_is_refused(void **state)
{
    struct env *e = *state;
    struct tpm2_public pub = e->srk_pub;
    struct tpm2_name name;
    struct tpm2_session s;
    struct tpm2_salt salt = {.handle = e->srk.handle, .key = &pub, .pinned = &name};

    pub.y[31] ^= 1;
    assert_int_equal(tpm2_public_name(SHA256, &pub, &name), 0);
    assert_int_equal(tpm2_session_start(&e->tpm, &s, TPM2_SESSION_HMAC, &salt, NULL), KAPU_ECRYPTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_swapped_primary_key_is_not_the_pinned_one),
        cmocka_unit_test(a_changed_template_makes_a_key_that_is_refused),
        cmocka_unit_test(the_public_area_of_another_index_is_refused),
        cmocka_unit_test(a_public_area_that_does_not_have_its_name_is_refused),
        cmocka_unit_test(a_salt_key_off_the_curve_is_refused),
    };

    return cmocka_run_group_tests(tests, env_setup, env_teardown);
}
