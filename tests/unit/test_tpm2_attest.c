// SPDX-License-Identifier: Apache-2.0
/* Quotes, certifications and credentials, checked as a verifier would. */
#include "tpm2_fixture.h"

static const struct bytes nonce = {(const uint8_t *)"verifier's nonce", 16};

struct keys {
    struct tpm2_entity ek, ak;
    struct tpm2_public ek_pub, ak_pub;
    struct tpm2_session s;
};

static void make_keys(struct env *e, struct keys *k)
{
    struct tpm2_auth a = by(&k->s);

    env_session(e, &k->s, TPM2_SESSION_HMAC);
    tpm2_template_ek(&k->ek_pub);
    ok(e, tpm2_create_primary(&e->tpm, TPM2_RH_ENDORSEMENT, &a, NO_SENSITIVE, &k->ek_pub, &k->ek));
    tpm2_template_ak(&k->ak_pub);
    ok(e, tpm2_create_primary(&e->tpm, TPM2_RH_ENDORSEMENT, &a, NO_SENSITIVE, &k->ak_pub, &k->ak));
}

static void drop_keys(struct env *e, struct keys *k)
{
    ok(e, tpm2_session_end(&e->tpm, &k->s));
    ok(e, tpm2_flush_context(&e->tpm, k->ek.handle));
    ok(e, tpm2_flush_context(&e->tpm, k->ak.handle));
}

static int verify(const struct tpm2_public *key, struct bytes attest,
                  const struct tpm2_signature *sig)
{
    uint8_t digest[32];

    SHA256->hash(NULL, &attest, 1, digest);
    return test_verify(key->x, key->y, digest, sig);
}

static void a_quote_is_signed_by_the_key_over_nonce_and_pcrs(void **state)
{
    struct env *e = *state;
    uint8_t buf[512], v[2][32] = {{1}}, want[32];
    struct tpm2_signature sig;
    struct tpm2_attest att;
    struct tpm2_auth a;
    struct keys k;
    struct wr out;

    make_keys(e, &k);
    a = by(&k.s);
    wr_init(&out, buf, sizeof(buf));
    ok(e, tpm2_pcr_extend(&e->tpm, 7, &a, v[0]));
    ok(e, tpm2_quote(&e->tpm, &k.ak, &a, nonce, 1u << 0 | 1u << 7, &out, &sig));
    assert_true(verify(&k.ak_pub, wr_done(&out), &sig));
    assert_int_equal(tpm2_attest_parse(wr_done(&out), &att), 0);
    assert_int_equal(att.type, TPM2_ST_ATTEST_QUOTE);
    assert_int_equal(att.nonce.n, nonce.n);
    assert_memory_equal(att.nonce.p, nonce.p, nonce.n);
    assert_int_equal(att.pcr_mask, 0x81);
    ok(e, tpm2_pcr_read(&e->tpm, &k.s, 0, v[0]));
    ok(e, tpm2_pcr_read(&e->tpm, &k.s, 7, v[1]));
    assert_int_equal(tpm2_pcr_digest(SHA256, (const uint8_t(*)[32])v, 2, want), 0);
    assert_int_equal(att.pcr_digest.n, 32);
    assert_memory_equal(att.pcr_digest.p, want, 32);
    buf[20] ^= 1;
    assert_false(verify(&k.ak_pub, wr_done(&out), &sig));
    drop_keys(e, &k);
}

static void a_certification_names_the_object(void **state)
{
    struct env *e = *state;
    struct tpm2_signature sig;
    struct tpm2_attest att;
    struct tpm2_auth a;
    uint8_t buf[512];
    struct keys k;
    struct wr out;

    make_keys(e, &k);
    ok(e, tpm2_flush_context(&e->tpm, k.ek.handle));
    a = by(&k.s);
    for (int keyed_is_second = 0; keyed_is_second < 2; keyed_is_second++) {
        const struct tpm2_auth *first = keyed_is_second ? &TPM2_AUTH_CLEAR : &a;
        const struct tpm2_auth *second = keyed_is_second ? &a : &TPM2_AUTH_CLEAR;

        wr_init(&out, buf, sizeof(buf));
        ok(e, tpm2_certify(&e->tpm, &e->srk, first, &k.ak, second, nonce, &out, &sig));
        assert_true(verify(&k.ak_pub, wr_done(&out), &sig));
        assert_int_equal(tpm2_attest_parse(wr_done(&out), &att), 0);
        assert_int_equal(att.type, TPM2_ST_ATTEST_CERTIFY);
        assert_int_equal(att.name.n, e->srk.name.n);
        assert_memory_equal(att.name.p, e->srk.name.b, att.name.n);
    }
    ok(e, tpm2_session_end(&e->tpm, &k.s));
    ok(e, tpm2_flush_context(&e->tpm, k.ak.handle));
}

static void an_unkeyed_first_session_vouches_for_the_encrypting_second_one(void **state)
{
    struct env *e = *state;
    struct tpm2_signature sig;
    struct tpm2_session plain;
    struct tpm2_auth first = by(&plain), second;
    uint8_t buf[512];
    struct keys k;
    struct wr out;

    make_keys(e, &k);
    ok(e, tpm2_flush_context(&e->tpm, k.ek.handle));
    second = by(&k.s);
    wr_init(&out, buf, sizeof(buf));
    ok(e, tpm2_session_start(&e->tpm, &plain, TPM2_SESSION_HMAC, NULL, NULL));
    ok(e, tpm2_certify(&e->tpm, &e->srk, &first, &k.ak, &second, nonce, &out, &sig));
    assert_true(verify(&k.ak_pub, wr_done(&out), &sig));
    ok(e, tpm2_session_end(&e->tpm, &plain));
    ok(e, tpm2_session_end(&e->tpm, &k.s));
    ok(e, tpm2_flush_context(&e->tpm, k.ak.handle));
}

/* PolicySecret of the endorsement hierarchy, as the EK demands. */
static void ek_session(struct env *e, struct tpm2_session *s, struct tpm2_session *by_session)
{
    const struct tpm2_entity endorsement = tpm2_entity_of(TPM2_RH_ENDORSEMENT);
    struct tpm2_auth a = by(by_session);

    env_session(e, s, TPM2_SESSION_POLICY);
    ok(e, tpm2_policy_secret(&e->tpm, s, &endorsement, &a, (struct bytes){NULL, 0}));
}

static void a_credential_opens_only_for_the_named_key_in_the_tpm_of_the_ek(void **state)
{
    struct env *e = *state;
    const struct bytes credential = BYTES_STR("sixteen or more of secret");
    uint8_t blob_buf[128], secret_buf[128], got[32];
    struct wr blob, secret, out;
    struct tpm2_session policy;
    struct tpm2_auth ak_auth, ek_auth = by(&policy);
    struct tpm2_name other;
    struct keys k;

    make_keys(e, &k);
    ak_auth = by(&k.s);
    for (int wrong = 0; wrong < 2; wrong++) {
        other = k.ak.name;
        other.b[10] ^= (uint8_t)wrong;
        wr_init(&blob, blob_buf, sizeof(blob_buf));
        wr_init(&secret, secret_buf, sizeof(secret_buf));
        wr_init(&out, got, sizeof(got));
        assert_int_equal(
            tpm2_make_credential(&crypto_openssl, &k.ek_pub, &other, credential, &blob, &secret),
            0);
        ek_session(e, &policy, &k.s);
        if (wrong) {
            refused(e,
                    tpm2_activate_credential(&e->tpm, &k.ak, &ak_auth, &k.ek, &ek_auth,
                                             wr_done(&blob), wr_done(&secret), &out),
                    TPM2_RC_INTEGRITY);
            assert_int_equal(out.at, 0);
        } else {
            ok(e, tpm2_activate_credential(&e->tpm, &k.ak, &ak_auth, &k.ek, &ek_auth,
                                           wr_done(&blob), wr_done(&secret), &out));
            assert_int_equal(out.at, credential.n);
            assert_memory_equal(got, credential.p, out.at);
        }
        ok(e, tpm2_session_end(&e->tpm, &policy));
    }
    assert_false(interposer_saw(&e->bus, credential));
    drop_keys(e, &k);
}

static void a_credential_by_tpm2_tools_opens(void **state)
{
    struct env *e = *state;
    const struct bytes credential = BYTES_STR("by tpm2_makecredential");
    struct tpm2_session policy;
    struct tpm2_auth ak_auth, ek_auth = by(&policy);
    uint8_t buf[512], got[64];
    char name[80];
    struct keys k;
    struct wr w, out;
    struct rd r;
    size_t place, at = 0;
    int n;

    make_keys(e, &k);
    ak_auth = by(&k.s);
    wr_init(&w, buf, sizeof(buf));
    place = wr_2b_open(&w);
    tpm2_wr_public(&w, &k.ek_pub);
    wr_2b_close(&w, place);
    assert_true(swtpm_put(&e->swtpm, "ek.pub", wr_done(&w)) > 0);
    assert_true(swtpm_put(&e->swtpm, "cred", credential) > 0);
    for (size_t i = 0; i < k.ak.name.n; i++)
        at += (size_t)snprintf(name + at, sizeof(name) - at, "%02x", k.ak.name.b[i]);
    tool(e, "tpm2_makecredential -T none -u ek.pub -s cred -n %s -o out.cred", name);
    n = swtpm_get(&e->swtpm, "out.cred", buf, sizeof(buf));
    assert_true(n > 8);
    rd_init(&r, (struct bytes){buf, (size_t)n});
    (void)rd_bytes(&r, 8); /* tpm2-tools' own header */
    struct bytes blob = rd_2b(&r), secret = rd_2b(&r);
    assert_int_equal(rd_end(&r), 0);
    wr_init(&out, got, sizeof(got));
    ek_session(e, &policy, &k.s);
    ok(e, tpm2_activate_credential(&e->tpm, &k.ak, &ak_auth, &k.ek, &ek_auth,
                                   (struct bytes){blob.p - 2, blob.n + 2},
                                   (struct bytes){secret.p - 2, secret.n + 2}, &out));
    assert_memory_equal(got, credential.p, credential.n);
    ok(e, tpm2_session_end(&e->tpm, &policy));
    drop_keys(e, &k);
}

static void statements_cut_short_or_of_other_kinds_are_refused(void **state)
{
    struct env *e = *state;
    struct tpm2_signature sig;
    struct tpm2_attest att;
    struct tpm2_auth a;
    uint8_t buf[512];
    struct keys k;
    struct wr out;

    make_keys(e, &k);
    a = by(&k.s);
    wr_init(&out, buf, sizeof(buf));
    ok(e, tpm2_quote(&e->tpm, &k.ak, &a, nonce, 1, &out, &sig));
    for (size_t n = 0; n < out.at; n++)
        assert_int_not_equal(tpm2_attest_parse((struct bytes){buf, n}, &att), 0);
    assert_int_equal(tpm2_attest_parse((struct bytes){buf, out.at + 1}, &att), KAPU_EINVAL);
    buf[0] ^= 1;
    assert_int_equal(tpm2_attest_parse(wr_done(&out), &att), KAPU_EINVAL);
    buf[0] ^= 1;
    buf[5] = 0x14; /* an NV certification */
    assert_int_equal(tpm2_attest_parse(wr_done(&out), &att), KAPU_EUNSUPPORTED);
    wr_init(&out, buf, 20);
    assert_int_equal(tpm2_quote(&e->tpm, &k.ak, &a, nonce, 1, &out, &sig), KAPU_ESPACE);
    assert_int_equal(tpm2_quote(&e->tpm, &k.ak, &a, (struct bytes){buf, 33}, 1, &out, &sig),
                     KAPU_EARG);
    drop_keys(e, &k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quote_is_signed_by_the_key_over_nonce_and_pcrs),
        cmocka_unit_test(a_certification_names_the_object),
        cmocka_unit_test(an_unkeyed_first_session_vouches_for_the_encrypting_second_one),
        cmocka_unit_test(a_credential_opens_only_for_the_named_key_in_the_tpm_of_the_ek),
        cmocka_unit_test(a_credential_by_tpm2_tools_opens),
        cmocka_unit_test(statements_cut_short_or_of_other_kinds_are_refused),
    };

    return cmocka_run_group_tests(tests, env_setup, env_teardown);
}
