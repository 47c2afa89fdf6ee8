// SPDX-License-Identifier: Apache-2.0
/* Policies: the TPM's sessions against the software digests; what a policy holds back. */
#include "tpm2_fixture.h"

#define INDEX (TPM2_NV_FIRST + 0x1600)
#define MASK ((1u << 12) | (1u << 14))

/* Ends a trial session whose digest must be the one computed in software. */
static void agrees(struct env *e, struct tpm2_session *trial, const uint8_t digest[32])
{
    uint8_t is[32];

    ok(e, tpm2_policy_get_digest(&e->tpm, trial, is));
    assert_memory_equal(is, digest, 32);
    ok(e, tpm2_session_end(&e->tpm, trial));
}

static void start_trial(struct env *e, struct tpm2_session *s)
{
    ok(e, tpm2_session_start(&e->tpm, s, TPM2_SESSION_TRIAL, NULL, NULL));
}

static void pcr_values(struct env *e, uint8_t digest[32])
{
    uint8_t v[2][32];

    ok(e, tpm2_pcr_read(&e->tpm, TPM2_UNPROTECTED, 12, v[0]));
    ok(e, tpm2_pcr_read(&e->tpm, TPM2_UNPROTECTED, 14, v[1]));
    assert_int_equal(tpm2_pcr_digest(SHA256, (const uint8_t(*)[32])v, 2, digest), 0);
}

static void simple_policies_computed_in_software_are_what_the_tpm_computes(void **state)
{
    struct env *e = *state;
    const struct tpm2_entity owner = tpm2_entity_of(TPM2_RH_OWNER);
    const struct bytes ref = BYTES_STR("reference");
    struct tpm2_session trial;
    uint8_t d[32] = {0}, pcrs[32], branch[3][32] = {{1}, {2}, {3}};

    pcr_values(e, pcrs);
    start_trial(e, &trial);
    ok(e, tpm2_policy_pcr(&e->tpm, &trial, MASK, pcrs));
    assert_int_equal(tpm2_pd_pcr(SHA256, d, MASK, pcrs), 0);
    ok(e, tpm2_policy_auth_value(&e->tpm, &trial));
    assert_int_equal(tpm2_pd_auth_value(SHA256, d), 0);
    ok(e, tpm2_policy_command_code(&e->tpm, &trial, TPM2_CC_UNSEAL));
    assert_int_equal(tpm2_pd_command_code(SHA256, d, TPM2_CC_UNSEAL), 0);
    ok(e, tpm2_policy_secret(&e->tpm, &trial, &owner, &TPM2_AUTH_CLEAR, ref));
    assert_int_equal(tpm2_pd_secret(SHA256, d, &owner.name, ref), 0);
    agrees(e, &trial, d);

    memset(d, 0, sizeof(d));
    memcpy(branch[1], d, sizeof(d));
    start_trial(e, &trial);
    ok(e, tpm2_policy_or(&e->tpm, &trial, (const uint8_t(*)[32])branch, 3));
    assert_int_equal(tpm2_pd_or(SHA256, d, (const uint8_t(*)[32])branch, 3), 0);
    agrees(e, &trial, d);
    assert_int_equal(tpm2_pd_or(SHA256, d, (const uint8_t(*)[32])branch, 1), KAPU_EARG);
    assert_int_equal(tpm2_pd_or(SHA256, d, (const uint8_t(*)[32])branch, 9), KAPU_EARG);
}

static void the_ek_template_has_the_policy_that_software_computes(void **state)
{
    const struct tpm2_entity endorsement = tpm2_entity_of(TPM2_RH_ENDORSEMENT);
    struct tpm2_public ek;
    uint8_t d[32] = {0};

    (void)state;
    tpm2_template_ek(&ek);
    assert_int_equal(tpm2_pd_secret(SHA256, d, &endorsement.name, (struct bytes){NULL, 0}), 0);
    assert_memory_equal(d, ek.policy, 32);
}

/* Seals "hardware key" to the policy; loads it. */
static void seal_to(struct env *e, const uint8_t policy[32], struct bytes value,
                    struct tpm2_entity *object)
{
    struct tpm2_sensitive secret = {value, BYTES_STR("hardware key")};
    struct tpm2_public pub;
    struct tpm2_session s;
    struct tpm2_auth a = by(&s);
    uint8_t buf[512];
    struct wr blob;

    wr_init(&blob, buf, sizeof(buf));
    tpm2_template_sealed(&pub, policy, true);
    env_session(e, &s, TPM2_SESSION_HMAC);
    ok(e, tpm2_create(&e->tpm, &e->srk, &a, &secret, &pub, &blob));
    ok(e, tpm2_load(&e->tpm, &e->srk, &a, wr_done(&blob), NULL, object));
    ok(e, tpm2_session_end(&e->tpm, &s));
}

/* Unseals with the policy session as it stands. */
static int open_with(struct env *e, struct tpm2_session *s, const struct tpm2_entity *object,
                     struct bytes value)
{
    struct tpm2_auth a = by_value(s, value);
    uint8_t got[64] = {0};
    struct wr out;
    int err;

    wr_init(&out, got, sizeof(got));
    err = tpm2_unseal(&e->tpm, object, &a, TPM2_UNPROTECTED, &out);
    if (err == 0)
        assert_memory_equal(got, "hardware key", 12);
    else
        assert_memory_equal(got, ((uint8_t[64]){0}), 64);
    return err;
}

static void a_secret_sealed_to_pcrs_opens_until_one_of_them_is_extended(void **state)
{
    struct env *e = *state;
    const struct bytes none = {NULL, 0};
    struct tpm2_entity object;
    struct tpm2_session s;
    uint8_t d[32] = {0}, pcrs[32], cap[32] = {0xca};

    pcr_values(e, pcrs);
    assert_int_equal(tpm2_pd_pcr(SHA256, d, MASK, pcrs), 0);
    seal_to(e, d, none, &object);
    env_session(e, &s, TPM2_SESSION_POLICY);
    refused(e, open_with(e, &s, &object, none), TPM2_RC_POLICY_FAIL);
    ok(e, tpm2_policy_pcr(&e->tpm, &s, MASK, NULL));
    ok(e, open_with(e, &s, &object, none));
    refused(e, open_with(e, &s, &object, none), TPM2_RC_POLICY_FAIL); /* good once only */
    ok(e, tpm2_policy_pcr(&e->tpm, &s, MASK, pcrs));
    ok(e, tpm2_pcr_extend(&e->tpm, 14, &TPM2_AUTH_CLEAR, cap));
    refused(e, open_with(e, &s, &object, none), TPM2_RC_PCR_CHANGED);
    ok(e, tpm2_session_end(&e->tpm, &s));
    env_session(e, &s, TPM2_SESSION_POLICY);
    refused(e, tpm2_policy_pcr(&e->tpm, &s, MASK, pcrs), TPM2_RC_VALUE);
    ok(e, tpm2_policy_pcr(&e->tpm, &s, MASK, NULL));
    refused(e, open_with(e, &s, &object, none), TPM2_RC_POLICY_FAIL);
    ok(e, tpm2_session_end(&e->tpm, &s));
    ok(e, tpm2_flush_context(&e->tpm, object.handle));
}

static void a_policy_with_auth_value_needs_both_the_policy_and_the_value(void **state)
{
    struct env *e = *state;
    const struct bytes value = BYTES_STR("derived by the secure world");
    struct tpm2_entity object;
    struct tpm2_session s;
    uint8_t d[32] = {0};

    assert_int_equal(tpm2_pd_auth_value(SHA256, d), 0);
    assert_int_equal(tpm2_pd_command_code(SHA256, d, TPM2_CC_UNSEAL), 0);
    seal_to(e, d, value, &object);
    env_session(e, &s, TPM2_SESSION_POLICY);
    ok(e, tpm2_policy_auth_value(&e->tpm, &s));
    ok(e, tpm2_policy_command_code(&e->tpm, &s, TPM2_CC_UNSEAL));
    refused(e, open_with(e, &s, &object, BYTES_STR("guess")), TPM2_RC_BAD_AUTH);
    ok(e, open_with(e, &s, &object, value));
    ok(e, tpm2_session_end(&e->tpm, &s));
    ok(e, tpm2_flush_context(&e->tpm, object.handle));
}

static void a_value_that_the_policy_does_not_ask_for_still_keys_the_encryption(void **state)
{
    struct env *e = *state;
    const struct bytes value = BYTES_STR("value");
    struct tpm2_entity object;
    struct tpm2_session s;
    uint8_t d[32] = {0};

    assert_int_equal(tpm2_pd_command_code(SHA256, d, TPM2_CC_UNSEAL), 0);
    seal_to(e, d, value, &object);
    env_session(e, &s, TPM2_SESSION_POLICY);
    ok(e, tpm2_policy_command_code(&e->tpm, &s, TPM2_CC_UNSEAL));
    ok(e, open_with(e, &s, &object, value));
    ok(e, tpm2_session_end(&e->tpm, &s));
    ok(e, tpm2_flush_context(&e->tpm, object.handle));
}

static void a_session_used_again_does_not_remember_that_it_needed_the_value(void **state)
{
    struct env *e = *state;
    const struct bytes value = BYTES_STR("value");
    struct tpm2_entity with_value, without;
    struct tpm2_session s;
    uint8_t d[32] = {0};

    assert_int_equal(tpm2_pd_auth_value(SHA256, d), 0);
    seal_to(e, d, value, &with_value);
    memset(d, 0, sizeof(d));
    assert_int_equal(tpm2_pd_command_code(SHA256, d, TPM2_CC_UNSEAL), 0);
    env_session(e, &s, TPM2_SESSION_POLICY);
    ok(e, tpm2_policy_auth_value(&e->tpm, &s));
    ok(e, open_with(e, &s, &with_value, value));
    ok(e, tpm2_flush_context(&e->tpm, with_value.handle));
    seal_to(e, d, value, &without);
    ok(e, tpm2_policy_command_code(&e->tpm, &s, TPM2_CC_UNSEAL));
    ok(e, open_with(e, &s, &without, value));
    ok(e, tpm2_session_end(&e->tpm, &s));
    ok(e, tpm2_flush_context(&e->tpm, without.handle));
}

static void a_secret_sealed_to_a_counter_is_lost_to_older_firmware(void **state)
{
    struct env *e = *state;
    const struct bytes none = {NULL, 0};
    const uint8_t limit[8] = {0, 0, 0, 0, 0, 0, 0, 200};
    struct tpm2_nv nv = {.index = INDEX,
                         .attributes = TPM2_NVA_AUTH_READ | TPM2_NVA_AUTH_WRITE | TPM2_NVA_NO_DA,
                         .size = 8};
    uint8_t v[8] = {0, 0, 0, 0, 0, 0, 0, 199}, d[32] = {0};
    struct tpm2_session s, trial, owner;
    struct tpm2_entity object;
    struct tpm2_name name;
    struct tpm2_auth a = by(&owner);

    ok(e, tpm2_nv_define(&e->tpm, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, &nv, none));
    env_session(e, &owner, TPM2_SESSION_HMAC);
    ok(e, tpm2_nv_write(&e->tpm, INDEX, &a, &nv, 0, BYTES_OF(v)));
    assert_int_equal(tpm2_nv_name(SHA256, &nv, &name), 0);
    assert_int_equal(tpm2_pd_nv(SHA256, d, &name, BYTES_OF(limit), 0, TPM2_EO_UNSIGNED_LT), 0);
    start_trial(e, &trial);
    ok(e, tpm2_policy_nv(&e->tpm, &trial, INDEX, &a, &nv, BYTES_OF(limit), 0, TPM2_EO_UNSIGNED_LT));
    agrees(e, &trial, d);
    seal_to(e, d, none, &object);
    env_session(e, &s, TPM2_SESSION_POLICY);
    ok(e, tpm2_policy_nv(&e->tpm, &s, INDEX, &a, &nv, BYTES_OF(limit), 0, TPM2_EO_UNSIGNED_LT));
    ok(e, open_with(e, &s, &object, none));
    v[7] = 200;
    ok(e, tpm2_nv_write(&e->tpm, INDEX, &a, &nv, 0, BYTES_OF(v)));
    refused(e, tpm2_policy_nv(&e->tpm, &s, INDEX, &a, &nv, BYTES_OF(limit), 0, TPM2_EO_UNSIGNED_LT),
            TPM2_RC_POLICY);
    ok(e, tpm2_session_end(&e->tpm, &s));
    ok(e, tpm2_flush_context(&e->tpm, object.handle));
    ok(e, tpm2_nv_undefine(&e->tpm, TPM2_RH_OWNER, &a, &nv));
    ok(e, tpm2_session_end(&e->tpm, &owner));
}

static void a_signed_new_policy_opens_what_was_sealed_to_the_signer(void **state)
{
    struct env *e = *state;
    const struct bytes none = {NULL, 0}, ref = BYTES_STR("release 2");
    struct tpm2_public key_pub = {.type = TPM2_ALG_ECC,
                                  .attributes = TPM2_OA_SIGN | TPM2_OA_USER_WITH_AUTH,
                                  .ecdsa = true,
                                  .x_n = 32,
                                  .y_n = 32};
    uint8_t approved[32] = {0}, d[32] = {0}, digest[32];
    struct tpm2_entity object, key;
    struct tpm2_signature sig;
    struct tpm2_session s;
    struct tpm2_name name;
    struct test_key k;

    assert_int_equal(test_key_make(&k), 0);
    memcpy(key_pub.x, k.x, 32);
    memcpy(key_pub.y, k.y, 32);
    assert_int_equal(tpm2_public_name(SHA256, &key_pub, &name), 0);
    assert_int_equal(tpm2_pd_authorize(SHA256, d, &name, ref), 0);
    assert_int_equal(tpm2_pd_command_code(SHA256, approved, TPM2_CC_UNSEAL), 0);
    seal_to(e, d, none, &object);
    SHA256->hash(NULL, (struct bytes[]){BYTES_OF(approved), ref}, 2, digest);
    assert_int_equal(test_key_sign(&k, digest, &sig), 0);

    env_session(e, &s, TPM2_SESSION_POLICY);
    ok(e, tpm2_load_external(&e->tpm, TPM2_UNPROTECTED, &key_pub, &key));
    assert_true(tpm2_name_equal(&key.name, &name));
    ok(e, tpm2_policy_command_code(&e->tpm, &s, TPM2_CC_UNSEAL));
    sig.r[5] ^= 1;
    refused(e, tpm2_policy_authorize(&e->tpm, &s, &key, approved, ref, &sig), TPM2_RC_SIGNATURE);
    sig.r[5] ^= 1;
    ok(e, tpm2_policy_authorize(&e->tpm, &s, &key, approved, ref, &sig));
    ok(e, open_with(e, &s, &object, none));
    ok(e, tpm2_session_end(&e->tpm, &s));
    ok(e, tpm2_flush_context(&e->tpm, key.handle));
    ok(e, tpm2_flush_context(&e->tpm, object.handle));
    test_key_free(&k);
}

static void different_policies_for_reading_and_writing_share_an_index_by_or(void **state)
{
    struct env *e = *state;
    const struct bytes none = {NULL, 0};
    uint8_t branch[2][32] = {{0}}, v[4] = {1, 2, 3, 4}, got[4];
    struct tpm2_nv nv = {.index = INDEX,
                         .attributes = TPM2_NVA_POLICY_READ | TPM2_NVA_POLICY_WRITE,
                         .policy_n = 32,
                         .size = 4};
    struct tpm2_session s, h;
    struct tpm2_auth a = by(&s), owner = by(&h);

    assert_int_equal(tpm2_pd_command_code(SHA256, branch[0], TPM2_CC_NV_READ), 0);
    assert_int_equal(tpm2_pd_command_code(SHA256, branch[1], TPM2_CC_NV_WRITE), 0);
    assert_int_equal(tpm2_pd_or(SHA256, nv.policy, (const uint8_t(*)[32])branch, 2), 0);
    env_session(e, &h, TPM2_SESSION_HMAC);
    ok(e, tpm2_nv_define(&e->tpm, TPM2_RH_OWNER, &owner, &nv, none));
    env_session(e, &s, TPM2_SESSION_POLICY);
    ok(e, tpm2_policy_command_code(&e->tpm, &s, TPM2_CC_NV_WRITE));
    ok(e, tpm2_policy_or(&e->tpm, &s, (const uint8_t(*)[32])branch, 2));
    ok(e, tpm2_nv_write(&e->tpm, INDEX, &a, &nv, 0, BYTES_OF(v)));
    ok(e, tpm2_policy_command_code(&e->tpm, &s, TPM2_CC_NV_READ));
    ok(e, tpm2_policy_or(&e->tpm, &s, (const uint8_t(*)[32])branch, 2));
    refused(e, tpm2_nv_write(&e->tpm, INDEX, &a, &nv, 0, BYTES_OF(v)), 0x0a4 /* POLICY_CC */);
    ok(e, tpm2_nv_read(&e->tpm, INDEX, &a, &nv, 0, got, 4));
    assert_memory_equal(v, got, 4);
    ok(e, tpm2_session_end(&e->tpm, &s));
    ok(e, tpm2_nv_undefine(&e->tpm, TPM2_RH_OWNER, &owner, &nv));
    ok(e, tpm2_session_end(&e->tpm, &h));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_policies_computed_in_software_are_what_the_tpm_computes),
        cmocka_unit_test(the_ek_template_has_the_policy_that_software_computes),
        cmocka_unit_test(a_secret_sealed_to_pcrs_opens_until_one_of_them_is_extended),
        cmocka_unit_test(a_policy_with_auth_value_needs_both_the_policy_and_the_value),
        cmocka_unit_test(a_value_that_the_policy_does_not_ask_for_still_keys_the_encryption),
        cmocka_unit_test(a_session_used_again_does_not_remember_that_it_needed_the_value),
        cmocka_unit_test(a_secret_sealed_to_a_counter_is_lost_to_older_firmware),
        cmocka_unit_test(a_signed_new_policy_opens_what_was_sealed_to_the_signer),
        cmocka_unit_test(different_policies_for_reading_and_writing_share_an_index_by_or),
    };

    return cmocka_run_group_tests(tests, env_setup, env_teardown);
}
