// SPDX-License-Identifier: Apache-2.0
/* What this library makes, tpm2-tools understand, and the other way round. */
#include "tpm2_fixture.h"

#define SRK_AT (TPM2_PERSISTENT_FIRST + 1)
#define AK_AT (TPM2_PERSISTENT_FIRST + 2)
#define INDEX (TPM2_NV_FIRST + 0x1700)

static void keep(struct env *e, uint32_t hierarchy, const struct tpm2_entity *object, uint32_t at)
{
    struct tpm2_session s;
    struct tpm2_auth a = by(&s);

    env_session(e, &s, TPM2_SESSION_HMAC);
    ok(e, tpm2_evict_control(&e->tpm, hierarchy, &a, object, at));
    ok(e, tpm2_session_end(&e->tpm, &s));
}

/* A file made by a tool must hold exactly these bytes. */
static void file_is(struct env *e, const char *name, struct bytes want)
{
    uint8_t got[4096];

    assert_int_equal(swtpm_get(&e->swtpm, name, got, sizeof(got)), want.n);
    assert_memory_equal(got, want.p, want.n);
}

static int setup(void **state)
{
    int err = env_setup(state);

    if (err == 0)
        keep(*state, TPM2_RH_OWNER, &((struct env *)*state)->srk, SRK_AT);
    return err;
}

static void names_are_those_of_tpm2_readpublic(void **state)
{
    struct env *e = *state;
    struct tpm2_nv nv = {
        .index = INDEX, .attributes = TPM2_NVA_AUTH_READ | TPM2_NVA_AUTH_WRITE, .size = 4};
    struct tpm2_name name;
    char text[2048], hex[80];
    size_t at = 0;

    tool(e, "tpm2_readpublic -c 0x%x -n name", SRK_AT);
    file_is(e, "name", (struct bytes){e->srk.name.b, e->srk.name.n});
    ok(e, tpm2_nv_define(&e->tpm, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, &nv, (struct bytes){NULL, 0}));
    assert_int_equal(tpm2_nv_name(SHA256, &nv, &name), 0);
    for (size_t i = 0; i < name.n; i++)
        at += (size_t)snprintf(hex + at, sizeof(hex) - at, "%02x", name.b[i]);
    assert_int_equal(swtpm_tool(&e->swtpm, text, sizeof(text), "tpm2_nvreadpublic 0x%x", INDEX), 0);
    assert_non_null(strstr(text, hex));
    ok(e, tpm2_nv_undefine(&e->tpm, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, &nv));
}

static void nv_data_is_read_by_tpm2_nvread_and_counters_of_tpm2_nvdefine_by_us(void **state)
{
    struct env *e = *state;
    struct tpm2_nv nv = {
        .index = INDEX, .attributes = TPM2_NVA_AUTH_READ | TPM2_NVA_AUTH_WRITE, .size = 11};
    struct tpm2_session s;
    struct tpm2_auth a = by(&s);
    uint64_t v = 0, v2 = 0;

    env_session(e, &s, TPM2_SESSION_HMAC);
    ok(e, tpm2_nv_define(&e->tpm, TPM2_RH_OWNER, &a, &nv, BYTES_STR("pw")));
    a = by_value(&s, BYTES_STR("pw"));
    ok(e, tpm2_nv_write(&e->tpm, INDEX, &a, &nv, 0, BYTES_STR("hello world")));
    tool(e, "tpm2_nvread -C 0x%x -P pw -s 11 -o data 0x%x", INDEX, INDEX);
    file_is(e, "data", BYTES_STR("hello world"));
    tool(e, "tpm2_nvundefine -C o 0x%x", INDEX);
    tool(e,
         "tpm2_nvdefine -C o -s 8 -p pw -a 'authread|authwrite|nt=counter' 0x%x && "
         "tpm2_nvincrement -C 0x%x -P pw 0x%x",
         INDEX, INDEX, INDEX);
    ok(e, tpm2_nv_read_public(&e->tpm, INDEX, &nv));
    ok(e, tpm2_nv_read_counter(&e->tpm, INDEX, &a, &nv, &v));
    ok(e, tpm2_nv_increment(&e->tpm, INDEX, &a, &nv));
    ok(e, tpm2_nv_read_counter(&e->tpm, INDEX, &a, &nv, &v2));
    assert_true(v2 == v + 1);
    tool(e, "tpm2_nvread -C 0x%x -P pw 0x%x > data && test $(od -An -tu1 -j7 -N1 data) -eq %u",
         INDEX, INDEX, (unsigned)(v2 & 0xff));
    tool(e, "tpm2_nvundefine -C o 0x%x", INDEX);
    ok(e, tpm2_session_end(&e->tpm, &s));
}

static void a_quote_verifies_with_tpm2_checkquote(void **state)
{
    struct env *e = *state;
    const struct bytes nonce = BYTES_STR("\x12\x34\x56\x78\x9a\xbc\xde\xf0");
    uint8_t attest_buf[512], sig_buf[128];
    struct tpm2_signature sig;
    struct tpm2_public pub;
    struct tpm2_entity ak;
    struct tpm2_session s;
    struct tpm2_auth a = by(&s);
    struct wr attest, w;

    tpm2_template_ak(&pub);
    ok(e, tpm2_create_primary(&e->tpm, TPM2_RH_ENDORSEMENT, &TPM2_AUTH_CLEAR, NO_SENSITIVE, &pub,
                              &ak));
    keep(e, TPM2_RH_OWNER, &ak, AK_AT);
    env_session(e, &s, TPM2_SESSION_HMAC);
    wr_init(&attest, attest_buf, sizeof(attest_buf));
    ok(e, tpm2_quote(&e->tpm, &ak, &a, nonce, 0x1234, &attest, &sig));
    ok(e, tpm2_session_end(&e->tpm, &s));
    ok(e, tpm2_flush_context(&e->tpm, ak.handle));
    wr_init(&w, sig_buf, sizeof(sig_buf));
    wr_be16(&w, TPM2_ALG_ECDSA);
    wr_be16(&w, TPM2_ALG_SHA256);
    wr_2b(&w, BYTES_OF(sig.r));
    wr_2b(&w, BYTES_OF(sig.s));
    assert_true(swtpm_put(&e->swtpm, "msg", wr_done(&attest)) > 0);
    assert_true(swtpm_put(&e->swtpm, "sig", wr_done(&w)) > 0);
    tool(e,
         "tpm2_readpublic -c 0x%x -f pem -o ak.pem && tpm2_pcrread -o pcrs -F values "
         "sha256:2,4,5,9,12 && tpm2_checkquote -u ak.pem -m msg -s sig -q 123456789abcdef0 "
         "-g sha256 -f pcrs -F values -l sha256:2,4,5,9,12",
         AK_AT);
    assert_int_not_equal(
        swtpm_tool(&e->swtpm, (char *)sig_buf, sizeof(sig_buf),
                   "tpm2_checkquote -u ak.pem -m msg -s sig -q 123456789abcdef1 -g sha256"),
        0);
}

static void sealed_data_opens_in_tpm2_unseal_with_the_right_pcrs_only(void **state)
{
    struct env *e = *state;
    uint8_t d[32] = {0}, pcr[32], pcrs[32], buf[512];
    struct tpm2_sensitive secret = {{NULL, 0}, BYTES_STR("for tpm2_unseal")};
    struct tpm2_public pub;
    struct tpm2_session s;
    struct tpm2_auth a = by(&s);
    struct bytes private;
    struct wr blob;
    struct rd r;

    ok(e, tpm2_pcr_read(&e->tpm, TPM2_UNPROTECTED, 16, pcr));
    assert_int_equal(tpm2_pcr_digest(SHA256, (const uint8_t(*)[32])pcr, 1, pcrs), 0);
    assert_int_equal(tpm2_pd_pcr(SHA256, d, 1u << 16, pcrs), 0);
    tpm2_template_sealed(&pub, d, true);
    env_session(e, &s, TPM2_SESSION_HMAC);
    wr_init(&blob, buf, sizeof(buf));
    ok(e, tpm2_create(&e->tpm, &e->srk, &a, &secret, &pub, &blob));
    ok(e, tpm2_session_end(&e->tpm, &s));
    rd_init(&r, wr_done(&blob));
    private = rd_2b(&r);
    assert_true(swtpm_put(&e->swtpm, "priv", (struct bytes){private.p - 2, private.n + 2}) > 0);
    assert_true(swtpm_put(&e->swtpm, "pub", rd_bytes(&r, r.n - r.at)) > 0);
    tool(e,
         "tpm2_load -C 0x%x -r priv -u pub -c sealed.ctx && "
         "tpm2_unseal -c sealed.ctx -p pcr:sha256:16 -o opened",
         SRK_AT);
    file_is(e, "opened", secret.data);
    assert_int_not_equal(swtpm_tool(&e->swtpm, (char *)buf, sizeof(buf),
                                    "tpm2_pcrextend 16:sha256=%064d && "
                                    "tpm2_unseal -c sealed.ctx -p pcr:sha256:16",
                                    1),
                         0);
    tool(e, "tpm2_flushcontext -t");
    e->srk.handle = SRK_AT;
    e->salt.handle = SRK_AT;
}

static void policy_digests_are_those_of_tpm2_policy_tools(void **state)
{
    struct env *e = *state;
    const struct tpm2_entity owner = tpm2_entity_of(TPM2_RH_OWNER);
    struct tpm2_nv nv = {.index = INDEX,
                         .attributes = TPM2_NVA_AUTH_READ | TPM2_NVA_AUTH_WRITE | TPM2_NVA_WRITTEN,
                         .size = 8};
    uint8_t d[32] = {0}, pcr[32], pcrs[32], zero[32] = {0}, branch[2][32];
    const uint8_t operand[8] = {0, 0, 0, 0, 0, 0, 0, 5};
    struct tpm2_name name;

    ok(e, tpm2_pcr_read(&e->tpm, TPM2_UNPROTECTED, 3, pcr));
    assert_int_equal(tpm2_pcr_digest(SHA256, (const uint8_t(*)[32])pcr, 1, pcrs), 0);
    assert_int_equal(tpm2_pd_pcr(SHA256, d, 1u << 3, pcrs), 0);
    tool(e, "tpm2_startauthsession -S s && tpm2_policypcr -S s -l sha256:3 -L pcr.pol");
    file_is(e, "pcr.pol", BYTES_OF(d));
    memcpy(branch[0], d, 32);
    assert_int_equal(tpm2_pd_auth_value(SHA256, d), 0);
    tool(e, "tpm2_policyauthvalue -S s -L p");
    file_is(e, "p", BYTES_OF(d));
    assert_int_equal(tpm2_pd_command_code(SHA256, d, TPM2_CC_UNSEAL), 0);
    tool(e, "tpm2_policycommandcode -S s -L cc.pol TPM2_CC_Unseal");
    file_is(e, "cc.pol", BYTES_OF(d));
    memcpy(branch[1], d, 32);
    assert_int_equal(tpm2_pd_or(SHA256, d, (const uint8_t(*)[32])branch, 2), 0);
    tool(e, "tpm2_policyor -S s -L p sha256:pcr.pol,cc.pol");
    file_is(e, "p", BYTES_OF(d));
    assert_int_equal(tpm2_pd_secret(SHA256, d, &owner.name, (struct bytes){zero, 2}), 0);
    tool(e, "tpm2_policysecret -S s -c o -q 0000 -L p");
    file_is(e, "p", BYTES_OF(d));
    assert_int_equal(tpm2_nv_name(SHA256, &nv, &name), 0);
    assert_int_equal(tpm2_pd_nv(SHA256, d, &name, BYTES_OF(operand), 0, TPM2_EO_UNSIGNED_GE), 0);
    assert_true(swtpm_put(&e->swtpm, "operand", BYTES_OF(operand)) > 0);
    tool(e,
         "tpm2_nvdefine -C o -s 8 -a 'authread|authwrite' 0x%x && "
         "tpm2_nvwrite -C 0x%x -i operand 0x%x && "
         "tpm2_policynv -S s -C 0x%x -i operand -L p 0x%x uge",
         INDEX, INDEX, INDEX, INDEX, INDEX);
    file_is(e, "p", BYTES_OF(d));
    assert_int_equal(tpm2_pd_authorize(SHA256, d, &e->srk.name, (struct bytes){zero, 0}), 0);
    tool(e, "tpm2_policyauthorize -S s -i cc.pol -n name -L p");
    file_is(e, "p", BYTES_OF(d));
    tool(e, "tpm2_flushcontext s; tpm2_nvundefine -C o 0x%x", INDEX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_tpm2_readpublic),
        cmocka_unit_test(nv_data_is_read_by_tpm2_nvread_and_counters_of_tpm2_nvdefine_by_us),
        cmocka_unit_test(a_quote_verifies_with_tpm2_checkquote),
        cmocka_unit_test(policy_digests_are_those_of_tpm2_policy_tools),
        cmocka_unit_test(sealed_data_opens_in_tpm2_unseal_with_the_right_pcrs_only),
    };

    return cmocka_run_group_tests(tests, setup, env_teardown);
}
