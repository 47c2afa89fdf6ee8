// SPDX-License-Identifier: Apache-2.0
/* NV storage against a real TPM. */
#include "tpm2_fixture.h"

#define INDEX (TPM2_NV_FIRST + 0x1500)

static const struct bytes none = {NULL, 0};

/* A fresh index with the value "nv", and a session for it. */
static struct tpm2_nv define(struct env *e, struct tpm2_session *s, uint32_t attributes,
                             uint16_t size)
{
    struct tpm2_nv nv = {.index = INDEX, .attributes = attributes, .size = size};
    struct tpm2_auth a = by(s);

    env_session(e, s, TPM2_SESSION_HMAC);
    ok(e, tpm2_nv_define(&e->tpm, TPM2_RH_OWNER, &a, &nv, BYTES_STR("nv")));
    return nv;
}

static void undefine(struct env *e, struct tpm2_session *s, const struct tpm2_nv *nv)
{
    struct tpm2_auth a = by(s);

    ok(e, tpm2_nv_undefine(&e->tpm, TPM2_RH_OWNER, &a, nv));
    ok(e, tpm2_session_end(&e->tpm, s));
}

static const uint32_t by_auth = TPM2_NVA_AUTH_READ | TPM2_NVA_AUTH_WRITE | TPM2_NVA_NO_DA;

static void data_is_read_as_written_and_never_crosses_the_bus_in_clear(void **state)
{
    struct env *e = *state;
    const struct bytes secret = BYTES_STR("boot state, slot B, two tries");
    struct tpm2_session s;
    struct tpm2_nv nv = define(e, &s, by_auth, 64);
    struct tpm2_auth a = by_value(&s, BYTES_STR("nv"));
    uint8_t got[64];

    refused(e, tpm2_nv_read(&e->tpm, INDEX, &a, &nv, 0, got, 1), TPM2_RC_NV_UNINITIALIZED);
    ok(e, tpm2_nv_write(&e->tpm, INDEX, &a, &nv, 5, secret));
    ok(e, tpm2_nv_read(&e->tpm, INDEX, &a, &nv, 5, got, secret.n));
    assert_memory_equal(got, secret.p, secret.n);
    assert_false(interposer_saw(&e->bus, secret));
    assert_null(memmem(e->buf, sizeof(e->buf), secret.p, 8)); /* nor left in the work buffer */
    undefine(e, &s, &nv);
}

static void a_wrong_value_neither_reads_nor_writes(void **state)
{
    struct env *e = *state;
    struct tpm2_session s;
    struct tpm2_nv nv = define(e, &s, by_auth, 8);
    struct tpm2_auth a = by_value(&s, BYTES_STR("vn"));
    uint8_t got[8] = {0};

    refused(e, tpm2_nv_write(&e->tpm, INDEX, &a, &nv, 0, BYTES_OF(got)), TPM2_RC_BAD_AUTH);
    a = by_value(&s, BYTES_STR("nv"));
    ok(e, tpm2_nv_write(&e->tpm, INDEX, &a, &nv, 0, BYTES_OF(got)));
    a = by(&s);
    refused(e, tpm2_nv_read(&e->tpm, INDEX, &a, &nv, 0, got, 8), TPM2_RC_BAD_AUTH);
    undefine(e, &s, &nv);
}

static void more_than_one_chunk_is_moved_in_parts(void **state)
{
    struct env *e = *state;
    static uint8_t data[1500], got[1500];
    struct tpm2_session s;
    struct tpm2_nv nv = define(e, &s, by_auth, sizeof(data));
    struct tpm2_auth a = by_value(&s, BYTES_STR("nv"));

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7);
    ok(e, tpm2_nv_write(&e->tpm, INDEX, &a, &nv, 0, BYTES_OF(data)));
    ok(e, tpm2_nv_read(&e->tpm, INDEX, &a, &nv, 0, got, sizeof(got)));
    assert_memory_equal(got, data, sizeof(data));
    memset(got, 0, sizeof(got));
    e->tpm.buf_n = 320; /* a boot stage's small buffer */
    ok(e, tpm2_nv_read(&e->tpm, INDEX, &a, &nv, 0, got, sizeof(got)));
    e->tpm.buf_n = sizeof(e->buf);
    assert_memory_equal(got, data, sizeof(data));
    assert_int_equal(tpm2_nv_read(&e->tpm, INDEX, &a, &nv, 1, got, sizeof(got)), KAPU_ERANGE);
    assert_int_equal(tpm2_nv_write(&e->tpm, INDEX, &a, &nv, 1501, none), KAPU_ERANGE);
    undefine(e, &s, &nv);
}

static void a_counter_only_rises_even_when_defined_anew(void **state)
{
    struct env *e = *state;
    uint64_t first = 0, second = 0, third = 0;
    struct tpm2_session s;
    struct tpm2_nv nv = define(e, &s, by_auth | TPM2_NVA_COUNTER, 8);
    struct tpm2_auth a = by_value(&s, BYTES_STR("nv"));

    ok(e, tpm2_nv_increment(&e->tpm, INDEX, &a, &nv));
    ok(e, tpm2_nv_read_counter(&e->tpm, INDEX, &a, &nv, &first));
    ok(e, tpm2_nv_increment(&e->tpm, INDEX, &a, &nv));
    ok(e, tpm2_nv_read_counter(&e->tpm, INDEX, &a, &nv, &second));
    assert_true(second == first + 1);
    undefine(e, &s, &nv);
    nv = define(e, &s, by_auth | TPM2_NVA_COUNTER, 8);
    ok(e, tpm2_nv_increment(&e->tpm, INDEX, &a, &nv));
    ok(e, tpm2_nv_read_counter(&e->tpm, INDEX, &a, &nv, &third));
    assert_true(third > second);
    undefine(e, &s, &nv);
}

static void locks_hold_until_reset(void **state)
{
    struct env *e = *state;
    struct tpm2_session s;
    struct tpm2_nv nv = define(e, &s, by_auth | TPM2_NVA_WRITE_STCLEAR | TPM2_NVA_READ_STCLEAR, 4);
    struct tpm2_nv now;
    struct tpm2_auth a = by_value(&s, BYTES_STR("nv"));
    uint8_t v[4] = {1, 2, 3, 4};

    ok(e, tpm2_nv_write(&e->tpm, INDEX, &a, &nv, 0, BYTES_OF(v)));
    ok(e, tpm2_nv_write_lock(&e->tpm, INDEX, &a, &nv));
    refused(e, tpm2_nv_write(&e->tpm, INDEX, &a, &nv, 0, BYTES_OF(v)), TPM2_RC_NV_LOCKED);
    ok(e, tpm2_nv_read(&e->tpm, INDEX, &a, &nv, 0, v, 4));
    ok(e, tpm2_nv_read_lock(&e->tpm, INDEX, &a, &nv));
    refused(e, tpm2_nv_read(&e->tpm, INDEX, &a, &nv, 0, v, 4), TPM2_RC_NV_LOCKED);
    ok(e, tpm2_nv_read_public(&e->tpm, INDEX, &now));
    assert_int_equal(now.attributes, nv.attributes);
    env_reboot(e);
    ok(e, tpm2_nv_read_public(&e->tpm, INDEX, &now));
    assert_int_equal(tpm2_nv_check(&now, &nv), 0);
    env_session(e, &s, TPM2_SESSION_HMAC);
    ok(e, tpm2_nv_write(&e->tpm, INDEX, &a, &now, 0, BYTES_OF(v)));
    undefine(e, &s, &now);
}

static void guessing_locks_the_tpm_until_the_lockout_value_frees_it(void **state)
{
    struct env *e = *state;
    struct tpm2_session s;
    struct tpm2_nv nv = define(e, &s, TPM2_NVA_AUTH_READ | TPM2_NVA_AUTH_WRITE, 4);
    struct tpm2_auth right = by_value(&s, BYTES_STR("nv")), wrong = by_value(&s, BYTES_STR("?"));
    struct tpm2_auth lockout = by(&s);
    uint8_t v[4] = {0};
    uint32_t tries = 0;

    ok(e, tpm2_nv_write(&e->tpm, INDEX, &right, &nv, 0, BYTES_OF(v)));
    ok(e, tpm2_da_parameters(&e->tpm, &lockout, 2, 1000, 1000));
    refused(e, tpm2_nv_read(&e->tpm, INDEX, &wrong, &nv, 0, v, 4), TPM2_RC_AUTH_FAIL);
    refused(e, tpm2_nv_read(&e->tpm, INDEX, &wrong, &nv, 0, v, 4), TPM2_RC_AUTH_FAIL);
    refused(e, tpm2_nv_read(&e->tpm, INDEX, &right, &nv, 0, v, 4), TPM2_RC_LOCKOUT);
    ok(e, tpm2_get_property(&e->tpm, &s, TPM2_PT_LOCKOUT_COUNTER, &tries));
    assert_int_equal(tries, 2);
    ok(e, tpm2_da_lock_reset(&e->tpm, &lockout));
    ok(e, tpm2_nv_read(&e->tpm, INDEX, &right, &nv, 0, v, 4));
    undefine(e, &s, &nv);
}

static void an_index_with_other_attributes_size_or_policy_is_noticed(void **state)
{
    const struct tpm2_nv right = {
        .index = INDEX, .attributes = TPM2_NVA_AUTH_READ, .policy_n = 32, .policy = {1}, .size = 8};
    struct tpm2_nv is = right;

    (void)state;
    is.attributes |= TPM2_NVA_WRITTEN | TPM2_NVA_WRITE_LOCKED | TPM2_NVA_READ_LOCKED;
    assert_int_equal(tpm2_nv_check(&is, &right), 0);
    is.attributes |= TPM2_NVA_OWNER_READ;
    assert_int_equal(tpm2_nv_check(&is, &right), KAPU_EPIN);
    is = right;
    is.size++;
    assert_int_equal(tpm2_nv_check(&is, &right), KAPU_EPIN);
    is = right;
    is.policy[31] = 1;
    assert_int_equal(tpm2_nv_check(&is, &right), KAPU_EPIN);
    is = right;
    is.index++;
    assert_int_equal(tpm2_nv_check(&is, &right), KAPU_EPIN);
}

static void an_index_that_is_not_what_it_was_said_to_be_fails_in_a_session(void **state)
{
    struct env *e = *state;
    struct tpm2_session s;
    struct tpm2_nv nv = define(e, &s, by_auth, 4), lie = nv;
    struct tpm2_auth a = by_value(&s, BYTES_STR("nv"));
    uint8_t v[4] = {0};

    lie.attributes |= TPM2_NVA_OWNER_WRITE;
    refused(e, tpm2_nv_write(&e->tpm, INDEX, &a, &lie, 0, BYTES_OF(v)), TPM2_RC_BAD_AUTH);
    ok(e, tpm2_nv_write(&e->tpm, INDEX, &a, &nv, 0, BYTES_OF(v)));
    undefine(e, &s, &nv);
    refused(e, tpm2_nv_read_public(&e->tpm, INDEX, &nv), TPM2_RC_HANDLE);
}

static void owner_and_platform_reach_indexes_that_allow_it(void **state)
{
    struct env *e = *state;
    struct tpm2_session s;
    struct tpm2_nv nv = define(e, &s, by_auth | TPM2_NVA_OWNER_WRITE | TPM2_NVA_PP_READ, 4);
    struct tpm2_auth a = by(&s);
    uint8_t v[4] = {4, 3, 2, 1}, got[4];

    ok(e, tpm2_nv_write(&e->tpm, TPM2_RH_OWNER, &a, &nv, 0, BYTES_OF(v)));
    ok(e, tpm2_nv_read(&e->tpm, TPM2_RH_PLATFORM, &a, &nv, 0, got, 4));
    assert_memory_equal(v, got, 4);
    refused(e, tpm2_nv_read(&e->tpm, TPM2_RH_OWNER, &a, &nv, 0, got, 4), TPM2_RC_NV_AUTHORIZATION);
    undefine(e, &s, &nv);
}

static void a_boot_stage_without_crypto_reads_what_needs_no_secret(void **state)
{
    struct env *e = *state;
    struct tpm2_nv nv = {.index = INDEX, .attributes = by_auth, .size = 4};
    uint8_t v[4] = {5, 6, 7, 8}, got[4];

    e->tpm.crypto = NULL;
    ok(e, tpm2_nv_define(&e->tpm, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, &nv, none));
    ok(e, tpm2_nv_write(&e->tpm, INDEX, &TPM2_AUTH_CLEAR, &nv, 0, BYTES_OF(v)));
    ok(e, tpm2_nv_read_public(&e->tpm, INDEX, &nv));
    ok(e, tpm2_nv_read(&e->tpm, INDEX, &TPM2_AUTH_CLEAR, &nv, 0, got, 4));
    assert_memory_equal(v, got, 4);
    ok(e, tpm2_nv_undefine(&e->tpm, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, &nv));
    e->tpm.crypto = &crypto_openssl;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_read_as_written_and_never_crosses_the_bus_in_clear),
        cmocka_unit_test(a_wrong_value_neither_reads_nor_writes),
        cmocka_unit_test(more_than_one_chunk_is_moved_in_parts),
        cmocka_unit_test(a_counter_only_rises_even_when_defined_anew),
        cmocka_unit_test(locks_hold_until_reset),
        cmocka_unit_test(guessing_locks_the_tpm_until_the_lockout_value_frees_it),
        cmocka_unit_test(an_index_with_other_attributes_size_or_policy_is_noticed),
        cmocka_unit_test(an_index_that_is_not_what_it_was_said_to_be_fails_in_a_session),
        cmocka_unit_test(owner_and_platform_reach_indexes_that_allow_it),
        cmocka_unit_test(a_boot_stage_without_crypto_reads_what_needs_no_secret),
    };

    return cmocka_run_group_tests(tests, env_setup, env_teardown);
}
