// SPDX-License-Identifier: Apache-2.0
/* The commands against a real TPM: start, test, PCRs, keys, sealing, hierarchies. */
#include "tpm2_fixture.h"

static void a_second_startup_is_reported_as_such(void **state)
{
    struct env *e = *state;

    refused(e, tpm2_startup(&e->tpm, TPM2_SU_CLEAR), TPM2_RC_INITIALIZE);
}

static void a_command_before_startup_is_refused_with_initialize(void **state)
{
    struct env *e = *state;
    uint8_t v[32];

    assert_int_equal(swtpm_reset(&e->swtpm), 0);
    refused(e, tpm2_pcr_read(&e->tpm, TPM2_UNPROTECTED, 0, v), TPM2_RC_INITIALIZE);
    ok(e, tpm2_startup(&e->tpm, TPM2_SU_CLEAR));
}

static void self_test_passes_and_its_result_says_so(void **state)
{
    struct env *e = *state;
    uint32_t result = 1;

    ok(e, tpm2_self_test(&e->tpm, true));
    ok(e, tpm2_self_test(&e->tpm, false));
    ok(e, tpm2_get_test_result(&e->tpm, &result));
    assert_int_equal(result, TPM2_RC_SUCCESS);
}

static void shutdown_and_start_with_state_keeps_pcrs(void **state)
{
    struct env *e = *state;
    uint8_t before[32], after[32], digest[32] = {7};

    ok(e, tpm2_pcr_extend(&e->tpm, 4, &TPM2_AUTH_CLEAR, digest));
    ok(e, tpm2_pcr_read(&e->tpm, TPM2_UNPROTECTED, 4, before));
    ok(e, tpm2_shutdown(&e->tpm, TPM2_SU_STATE));
    assert_int_equal(swtpm_reset(&e->swtpm), 0);
    ok(e, tpm2_startup(&e->tpm, TPM2_SU_STATE));
    ok(e, tpm2_pcr_read(&e->tpm, TPM2_UNPROTECTED, 4, after));
    assert_memory_equal(before, after, 32);
}

static void extending_a_pcr_hashes_old_value_and_digest(void **state)
{
    struct env *e = *state;
    uint8_t old[32], now[32], want[32], digest[32] = {1, 2, 3};

    ok(e, tpm2_pcr_read(&e->tpm, TPM2_UNPROTECTED, 9, old));
    ok(e, tpm2_pcr_extend(&e->tpm, 9, &TPM2_AUTH_CLEAR, digest));
    ok(e, tpm2_pcr_read(&e->tpm, TPM2_UNPROTECTED, 9, now));
    SHA256->hash(NULL, (struct bytes[]){BYTES_OF(old), BYTES_OF(digest)}, 2, want);
    assert_memory_equal(now, want, 32);
}

static void pcrs_are_extended_and_read_in_protected_sessions(void **state)
{
    struct env *e = *state;
    uint8_t clear[32], authentic[32], digest[32] = {9};
    struct tpm2_session s;

    env_session(e, &s, TPM2_SESSION_HMAC);
    ok(e, tpm2_pcr_extend(&e->tpm, 10, &(struct tpm2_auth){.session = &s}, digest));
    ok(e, tpm2_pcr_read(&e->tpm, &s, 10, authentic));
    ok(e, tpm2_pcr_read(&e->tpm, TPM2_UNPROTECTED, 10, clear));
    assert_memory_equal(clear, authentic, 32);
    ok(e, tpm2_session_end(&e->tpm, &s));
}

static void a_pcr_that_does_not_exist_is_refused(void **state)
{
    struct env *e = *state;
    uint8_t v[32] = {0};

    assert_int_equal(tpm2_pcr_read(&e->tpm, TPM2_UNPROTECTED, 24, v), KAPU_EARG);
    refused(e, tpm2_pcr_extend(&e->tpm, 24, &TPM2_AUTH_CLEAR, v), 0x084 /* VALUE */);
}

static void random_bytes_come_in_any_number_and_differ(void **state)
{
    struct env *e = *state;
    uint8_t a[100] = {0}, b[100] = {0};
    struct tpm2_session s;

    ok(e, tpm2_get_random(&e->tpm, TPM2_UNPROTECTED, a, sizeof(a)));
    env_session(e, &s, TPM2_SESSION_HMAC);
    ok(e, tpm2_get_random(&e->tpm, &s, b, sizeof(b)));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a + 68, (uint8_t[32]){0}, 32);
    assert_false(interposer_saw(&e->bus, (struct bytes){b, 16}));
    assert_true(interposer_saw(&e->bus, (struct bytes){a, 16}));
    ok(e, tpm2_session_end(&e->tpm, &s));
}

static void the_clock_runs_and_counts_resets(void **state)
{
    struct env *e = *state;
    struct tpm2_clock a, b;
    uint64_t time_ms;

    ok(e, tpm2_read_clock(&e->tpm, TPM2_UNPROTECTED, &time_ms, &a));
    ok(e, tpm2_shutdown(&e->tpm, TPM2_SU_CLEAR));
    env_reboot(e);
    ok(e, tpm2_read_clock(&e->tpm, TPM2_UNPROTECTED, &time_ms, &b));
    assert_true(b.resets == a.resets + 1);
    assert_true(b.clock_ms >= a.clock_ms);
}

static void properties_handles_and_banks_are_read(void **state)
{
    struct env *e = *state;
    uint32_t v = 0, handles[8], mask = 0;
    size_t n = 8;

    ok(e, tpm2_get_property(&e->tpm, TPM2_UNPROTECTED, TPM2_PT_MANUFACTURER, &v));
    assert_int_equal(v, 0x49424d00); /* "IBM" */
    assert_int_equal(tpm2_get_property(&e->tpm, TPM2_UNPROTECTED, 0x1ff, &v), KAPU_ENOENT);
    ok(e, tpm2_get_handles(&e->tpm, TPM2_UNPROTECTED, TPM2_TRANSIENT_FIRST, handles, &n));
    assert_int_equal(n, 1);
    assert_int_equal(handles[0], e->srk.handle);
    ok(e, tpm2_get_sha256_pcrs(&e->tpm, TPM2_UNPROTECTED, &mask));
    assert_int_equal(mask, 0xffffff);
}

static void primaries_made_again_are_the_same_and_their_names_are_read_back(void **state)
{
    struct env *e = *state;
    struct tpm2_public pub, read;
    struct tpm2_entity ek, again, back;

    tpm2_template_ek(&pub);
    ok(e, tpm2_create_primary(&e->tpm, TPM2_RH_ENDORSEMENT, &TPM2_AUTH_CLEAR, NO_SENSITIVE, &pub,
                              &ek));
    ok(e, tpm2_read_public(&e->tpm, ek.handle, &read, &back));
    assert_true(tpm2_name_equal(&ek.name, &back.name));
    assert_memory_equal(pub.x, read.x, 32);
    ok(e, tpm2_flush_context(&e->tpm, ek.handle));
    tpm2_template_ek(&pub);
    ok(e, tpm2_create_primary(&e->tpm, TPM2_RH_ENDORSEMENT, &TPM2_AUTH_CLEAR, NO_SENSITIVE, &pub,
                              &again));
    assert_true(tpm2_name_equal(&ek.name, &again.name));
    ok(e, tpm2_flush_context(&e->tpm, again.handle));
}

static void a_key_is_made_persistent_and_removed(void **state)
{
    struct env *e = *state;
    const uint32_t at = TPM2_PERSISTENT_FIRST + 1;
    struct tpm2_public pub;
    struct tpm2_entity kept;
    struct tpm2_session s;
    struct tpm2_auth a;

    env_session(e, &s, TPM2_SESSION_HMAC);
    a = by(&s);
    ok(e, tpm2_evict_control(&e->tpm, TPM2_RH_OWNER, &a, &e->srk, at));
    ok(e, tpm2_read_public(&e->tpm, at, &pub, &kept));
    assert_true(tpm2_name_equal(&kept.name, &e->srk.name));
    ok(e, tpm2_evict_control(&e->tpm, TPM2_RH_OWNER, &a, &kept, at));
    refused(e, tpm2_read_public(&e->tpm, at, &pub, &kept), TPM2_RC_HANDLE);
    ok(e, tpm2_session_end(&e->tpm, &s));
}

/* A sealed secret that needs `auth` (HMAC session) or a policy. */
static void seal(struct env *e, struct tpm2_public *pub, struct tpm2_sensitive *sensitive,
                 struct tpm2_entity *object)
{
    uint8_t blob_buf[512];
    struct tpm2_session s;
    struct tpm2_auth a;
    struct wr blob;

    wr_init(&blob, blob_buf, sizeof(blob_buf));
    env_session(e, &s, TPM2_SESSION_HMAC);
    a = by(&s);
    ok(e, tpm2_create(&e->tpm, &e->srk, &a, sensitive, pub, &blob));
    ok(e, tpm2_load(&e->tpm, &e->srk, &a, wr_done(&blob), NULL, object));
    ok(e, tpm2_session_end(&e->tpm, &s));
}

static void sealed_data_opens_with_its_authorisation_value_only(void **state)
{
    struct env *e = *state;
    struct tpm2_sensitive secret = {BYTES_STR("open sesame"), BYTES_STR("forty thieves' gold")};
    struct tpm2_public pub;
    struct tpm2_entity object;
    struct tpm2_session s;
    struct tpm2_auth right, wrong;
    uint8_t got[128];
    struct wr out;

    tpm2_template_sealed(&pub, (uint8_t[32]){0}, true);
    pub.policy_n = 0;
    pub.attributes |= TPM2_OA_USER_WITH_AUTH;
    seal(e, &pub, &secret, &object);
    env_session(e, &s, TPM2_SESSION_HMAC);
    right = by_value(&s, secret.auth);
    wrong = by_value(&s, BYTES_STR("open barley"));
    wr_init(&out, got, sizeof(got));
    refused(e, tpm2_unseal(&e->tpm, &object, &wrong, TPM2_UNPROTECTED, &out), TPM2_RC_BAD_AUTH);
    assert_int_equal(out.at, 0);
    ok(e, tpm2_unseal(&e->tpm, &object, &right, TPM2_UNPROTECTED, &out));
    assert_int_equal(out.at, secret.data.n);
    assert_memory_equal(got, secret.data.p, out.at);
    ok(e, tpm2_session_end(&e->tpm, &s));
    ok(e, tpm2_flush_context(&e->tpm, object.handle));
}

static void a_session_bound_to_a_hierarchy_or_object_works_with_and_without_salt(void **state)
{
    struct env *e = *state;
    struct tpm2_sensitive secret = {BYTES_STR("value\0"), BYTES_STR("data")};
    struct tpm2_public pub;
    struct tpm2_bind bind;
    struct tpm2_session s;

    tpm2_template_sealed(&pub, (uint8_t[32]){0}, true);
    pub.policy_n = 0;
    pub.attributes |= TPM2_OA_USER_WITH_AUTH;
    seal(e, &pub, &secret, &bind.entity);
    bind.value = secret.auth;
    for (int salted = 0; salted < 2; salted++) {
        struct tpm2_auth a = by_value(&s, secret.auth);
        uint8_t got[128];
        struct wr out;

        wr_init(&out, got, sizeof(got));
        ok(e, tpm2_session_start(&e->tpm, &s, TPM2_SESSION_HMAC, salted ? &e->salt : NULL, &bind));
        ok(e, tpm2_unseal(&e->tpm, &bind.entity, &a, TPM2_UNPROTECTED, &out));
        assert_memory_equal(got, "data", 4);
        /* vouching for an answer makes it an audit session, which is bound no longer */
        ok(e, tpm2_pcr_read(&e->tpm, &s, 0, got));
        wr_init(&out, got, sizeof(got));
        ok(e, tpm2_unseal(&e->tpm, &bind.entity, &a, TPM2_UNPROTECTED, &out));
        /* the same session for another entity: its value counts again */
        ok(e, tpm2_pcr_extend(&e->tpm, 11, &(struct tpm2_auth){.session = &s}, got));
        ok(e, tpm2_session_end(&e->tpm, &s));
    }
    ok(e, tpm2_flush_context(&e->tpm, bind.entity.handle));
}

static void secrets_are_not_sent_without_a_keyed_session(void **state)
{
    struct env *e = *state;
    struct tpm2_sensitive secret = {{NULL, 0}, BYTES_STR("never in clear")};
    struct tpm2_nv nv = {.index = TPM2_NV_FIRST + 9,
                         .attributes = TPM2_NVA_AUTH_READ | TPM2_NVA_AUTH_WRITE,
                         .size = 4};
    struct tpm2_auth a;
    struct tpm2_public pub;
    struct tpm2_session s;
    uint8_t buf[512];
    struct wr w;

    wr_init(&w, buf, sizeof(buf));
    tpm2_template_sealed(&pub, buf, true);
    ok(e, tpm2_session_start(&e->tpm, &s, TPM2_SESSION_HMAC, NULL, NULL));
    a = by(&s);
    for (int i = 0; i < 2; i++) {
        const struct tpm2_auth *auth = i == 0 ? &TPM2_AUTH_CLEAR : &a;

        assert_int_equal(tpm2_create(&e->tpm, &e->srk, auth, &secret, &pub, &w), KAPU_EPLAIN);
        assert_int_equal(tpm2_unseal(&e->tpm, &e->srk, auth, TPM2_UNPROTECTED, &w), KAPU_EPLAIN);
        assert_int_equal(tpm2_nv_define(&e->tpm, TPM2_RH_OWNER, auth, &nv, secret.data),
                         KAPU_EPLAIN);
        assert_int_equal(tpm2_hierarchy_change_auth(&e->tpm, TPM2_RH_OWNER, auth, secret.data),
                         KAPU_EPLAIN);
    }
    assert_int_equal(tpm2_get_random(&e->tpm, &s, buf, 8), KAPU_EPLAIN);
    a = by_value(NULL, secret.data);
    assert_int_equal(tpm2_pcr_extend(&e->tpm, 3, &a, buf), KAPU_EPLAIN);
    assert_false(interposer_saw(&e->bus, secret.data));
    ok(e, tpm2_session_end(&e->tpm, &s));
}

static void hierarchy_values_change_and_the_answer_is_checked_with_the_new_one(void **state)
{
    struct env *e = *state;
    const struct bytes value = BYTES_STR("owner's value of 32 bytes, padded");
    struct tpm2_session s, bound;
    struct tpm2_auth a, now;
    struct tpm2_bind bind;
    struct bytes first = {value.p, 32};
    uint32_t handle = TPM2_PERSISTENT_FIRST + 2;

    env_session(e, &s, TPM2_SESSION_HMAC);
    a = by(&s);
    ok(e, tpm2_hierarchy_change_auth(&e->tpm, TPM2_RH_OWNER, &a, first));
    refused(e, tpm2_evict_control(&e->tpm, TPM2_RH_OWNER, &a, &e->srk, handle), TPM2_RC_BAD_AUTH);
    now = by_value(&s, first);
    ok(e, tpm2_evict_control(&e->tpm, TPM2_RH_OWNER, &now, &e->srk, handle));
    bind = (struct tpm2_bind){tpm2_entity_of(TPM2_RH_OWNER), first};
    ok(e, tpm2_session_start(&e->tpm, &bound, TPM2_SESSION_HMAC, &e->salt, &bind));
    now = by_value(&bound, first);
    ok(e, tpm2_hierarchy_change_auth(&e->tpm, TPM2_RH_OWNER, &now, BYTES_STR("other")));
    now = by_value(&bound, BYTES_STR("other")); /* no longer bound: the value has changed */
    ok(e, tpm2_hierarchy_change_auth(&e->tpm, TPM2_RH_OWNER, &now, (struct bytes){NULL, 0}));
    ok(e, tpm2_session_end(&e->tpm, &bound));
    assert_false(interposer_saw(&e->bus, (struct bytes){value.p, 16}));
    ok(e, tpm2_session_end(&e->tpm, &s));
}

static void lockout_clears_and_resets_dictionary_attack_protection(void **state)
{
    struct env *e = *state;
    const struct bytes value = BYTES_STR("lockout");
    struct tpm2_session s;
    struct tpm2_auth a;

    env_session(e, &s, TPM2_SESSION_HMAC);
    a = by(&s);
    ok(e, tpm2_hierarchy_change_auth(&e->tpm, TPM2_RH_LOCKOUT, &a, value));
    a = by_value(&s, value);
    ok(e, tpm2_da_parameters(&e->tpm, &a, 5, 60, 60));
    ok(e, tpm2_da_lock_reset(&e->tpm, &a));
    ok(e, tpm2_clear_control(&e->tpm, TPM2_RH_LOCKOUT, &a, true));
    refused(e, tpm2_clear(&e->tpm, TPM2_RH_LOCKOUT, &a), TPM2_RC_DISABLED);
    a = by(&s);
    ok(e, tpm2_clear_control(&e->tpm, TPM2_RH_PLATFORM, &a, false));
    a = by_value(&s, value);
    ok(e, tpm2_clear(&e->tpm, TPM2_RH_LOCKOUT, &a));
    a = by(&s);
    ok(e, tpm2_da_lock_reset(&e->tpm, &a)); /* the value is empty again */
    ok(e, tpm2_session_end(&e->tpm, &s));
}

static void a_closed_platform_hierarchy_stays_closed_until_reset(void **state)
{
    struct env *e = *state;
    struct tpm2_session s;
    struct tpm2_auth a;

    env_session(e, &s, TPM2_SESSION_HMAC);
    a = by(&s);
    ok(e, tpm2_hierarchy_control(&e->tpm, TPM2_RH_PLATFORM, &a, TPM2_RH_PLATFORM, false));
    refused(e, tpm2_hierarchy_control(&e->tpm, TPM2_RH_PLATFORM, &a, TPM2_RH_PLATFORM, true),
            TPM2_RC_HIERARCHY);
    ok(e, tpm2_session_end(&e->tpm, &s));
    env_reboot(e);
    env_session(e, &s, TPM2_SESSION_HMAC);
    a = by(&s);
    ok(e, tpm2_hierarchy_control(&e->tpm, TPM2_RH_PLATFORM, &a, TPM2_RH_PLATFORM, false));
    ok(e, tpm2_session_end(&e->tpm, &s));
    env_reboot(e);
}

static void a_work_buffer_of_512_bytes_serves_a_boot_stage(void **state)
{
    struct env *e = *state;
    struct tpm2_public pub;
    struct tpm2_entity key;
    struct tpm2_session s;
    struct tpm2_auth a = by(&s);
    uint8_t v[32];

    e->tpm.buf_n = 512;
    memset(e->buf, 0xa5, sizeof(e->buf));
    ok(e, tpm2_read_public(&e->tpm, e->srk.handle, &pub, &key));
    env_session(e, &s, TPM2_SESSION_HMAC);
    ok(e, tpm2_pcr_extend(&e->tpm, 8, &a, pub.x));
    ok(e, tpm2_pcr_read(&e->tpm, &s, 8, v));
    tpm2_template_srk(&pub);
    ok(e, tpm2_create_primary(&e->tpm, TPM2_RH_OWNER, &a, NO_SENSITIVE, &pub, &key));
    ok(e, tpm2_flush_context(&e->tpm, key.handle));
    ok(e, tpm2_session_end(&e->tpm, &s));
    for (size_t i = 512; i < sizeof(e->buf); i++)
        assert_int_equal(e->buf[i], 0xa5);
    e->tpm.buf_n = sizeof(e->buf);
}

static void wrong_arguments_are_refused_before_anything_is_sent(void **state)
{
    struct env *e = *state;
    struct tpm2_session s, closed = {0};
    struct tpm2_auth a = by(&closed);
    struct tpm2_bind bind;
    uint8_t v[64] = {0};

    e->bus.seen_n = 0;
    assert_int_equal(tpm2_pcr_extend(&e->tpm, 1, NULL, v), KAPU_EARG);
    assert_int_equal(tpm2_pcr_extend(&e->tpm, 1, &a, v), KAPU_ESESSION);
    a = by_value(NULL, (struct bytes){v, 33});
    assert_int_equal(tpm2_pcr_extend(&e->tpm, 1, &a, v), KAPU_EARG);
    assert_int_equal(tpm2_policy_auth_value(&e->tpm, &closed), KAPU_ESESSION);
    bind = (struct tpm2_bind){e->srk, {v, 5}}; /* zeros are no value */
    assert_int_equal(tpm2_session_start(&e->tpm, &s, TPM2_SESSION_HMAC, NULL, &bind), KAPU_EARG);
    e->tpm.crypto = NULL;
    assert_int_equal(tpm2_session_start(&e->tpm, &s, TPM2_SESSION_HMAC, NULL, NULL), KAPU_EARG);
    e->tpm.crypto = &crypto_openssl;
    e->tpm.buf_n = 20;
    assert_int_equal(tpm2_pcr_extend(&e->tpm, 1, &TPM2_AUTH_CLEAR, v), KAPU_ESPACE);
    e->tpm.buf_n = sizeof(e->buf);
    assert_int_equal(e->bus.seen_n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_startup_is_reported_as_such),
        cmocka_unit_test(self_test_passes_and_its_result_says_so),
        cmocka_unit_test(extending_a_pcr_hashes_old_value_and_digest),
        cmocka_unit_test(pcrs_are_extended_and_read_in_protected_sessions),
        cmocka_unit_test(a_pcr_that_does_not_exist_is_refused),
        cmocka_unit_test(random_bytes_come_in_any_number_and_differ),
        cmocka_unit_test(properties_handles_and_banks_are_read),
        cmocka_unit_test(primaries_made_again_are_the_same_and_their_names_are_read_back),
        cmocka_unit_test(a_key_is_made_persistent_and_removed),
        cmocka_unit_test(sealed_data_opens_with_its_authorisation_value_only),
        cmocka_unit_test(a_session_bound_to_a_hierarchy_or_object_works_with_and_without_salt),
        cmocka_unit_test(secrets_are_not_sent_without_a_keyed_session),
        cmocka_unit_test(a_work_buffer_of_512_bytes_serves_a_boot_stage),
        cmocka_unit_test(wrong_arguments_are_refused_before_anything_is_sent),
        cmocka_unit_test(hierarchy_values_change_and_the_answer_is_checked_with_the_new_one),
        cmocka_unit_test(the_clock_runs_and_counts_resets),
        cmocka_unit_test(a_closed_platform_hierarchy_stays_closed_until_reset),
        cmocka_unit_test(lockout_clears_and_resets_dictionary_attack_protection),
        cmocka_unit_test(a_command_before_startup_is_refused_with_initialize),
        cmocka_unit_test(shutdown_and_start_with_state_keeps_pcrs),
    };

    return cmocka_run_group_tests(tests, env_setup, env_teardown);
}
