// SPDX-License-Identifier: Apache-2.0
/* Numbers, key derivation and structures, without a TPM. */
#include "tpm2_fixture.h"

#include "internal.h"

extern const uint32_t constants_tss[];
extern const size_t constants_tss_n;

static void constants_are_those_of_tpm2_tss(void **state)
{
    static const struct {
        const char *name;
        uint32_t value;
    } ours[] = {
#define ROW(ours, theirs) {#ours, ours},
#include "tpm2_constants.inc"
    };

    (void)state;
    assert_int_equal(constants_tss_n, sizeof(ours) / sizeof(ours[0]));
    for (size_t i = 0; i < constants_tss_n; i++) {
        if (ours[i].value != constants_tss[i])
            fail_msg("%s: 0x%x is not 0x%x", ours[i].name, ours[i].value, constants_tss[i]);
    }
}

static void hmac_gives_the_values_of_rfc_4231(void **state)
{
    /* Test cases 1 and 2; the longer keys of others are refused here. */
    static const uint8_t mac1[32] = {0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53,
                                     0x5c, 0xa8, 0xaf, 0xce, 0xaf, 0x0b, 0xf1, 0x2b,
                                     0x88, 0x1d, 0xc2, 0x00, 0xc9, 0x83, 0x3d, 0xa7,
                                     0x26, 0xe9, 0x37, 0x6c, 0x2e, 0x32, 0xcf, 0xf7};
    static const uint8_t mac2[32] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
                                     0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
                                     0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
                                     0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    struct bytes text = BYTES_STR("Hi There");
    struct bytes parts[] = {BYTES_STR("what do ya want "), BYTES_STR("for nothing?")};
    uint8_t key[65], mac[32];

    (void)state;
    memset(key, 0x0b, sizeof(key));
    assert_int_equal(tpm2_hmac(SHA256, (struct bytes){key, 20}, &text, 1, mac), 0);
    assert_memory_equal(mac, mac1, 32);
    assert_int_equal(tpm2_hmac(SHA256, BYTES_STR("Jefe"), parts, 2, mac), 0);
    assert_memory_equal(mac, mac2, 32);
    assert_int_equal(tpm2_hmac(SHA256, BYTES_OF(key), parts, 2, mac), KAPU_EARG);
}

static int failing_hash(void *ctx, const struct bytes *part, size_t parts, uint8_t out[32])
{
    (void)ctx;
    (void)part;
    (void)parts;
    memset(out, 0, 32);
    return -1;
}

static void a_failing_hash_is_a_crypto_error_everywhere(void **state)
{
    const struct kapu_sha256 broken = {.hash = failing_hash};
    const struct tpm2_nv nv = {.index = 1};
    struct tpm2_public pub;
    struct tpm2_name name = {.n = 4};
    uint8_t d[32] = {0}, z[32] = {0};
    struct bytes none = {NULL, 0};

    (void)state;
    tpm2_template_srk(&pub);
    assert_int_equal(tpm2_public_name(&broken, &pub, &name), KAPU_ECRYPTO);
    assert_int_equal(tpm2_nv_name(&broken, &nv, &name), KAPU_ECRYPTO);
    assert_int_equal(tpm2_hmac(&broken, none, &none, 1, d), KAPU_ECRYPTO);
    assert_int_equal(tpm2_kdfa(&broken, none, "X", none, none, d, 16), KAPU_ECRYPTO);
    assert_int_equal(tpm2_kdfe(&broken, z, "X", none, none, d), KAPU_ECRYPTO);
    assert_int_equal(tpm2_pd_pcr(&broken, d, 1, z), KAPU_ECRYPTO);
    assert_int_equal(tpm2_pd_auth_value(&broken, d), KAPU_ECRYPTO);
    assert_int_equal(tpm2_pd_command_code(&broken, d, 1), KAPU_ECRYPTO);
    assert_int_equal(tpm2_pd_secret(&broken, d, &name, none), KAPU_ECRYPTO);
    assert_int_equal(tpm2_pd_nv(&broken, d, &name, none, 0, 0), KAPU_ECRYPTO);
    assert_int_equal(tpm2_pd_authorize(&broken, d, &name, none), KAPU_ECRYPTO);
}

static void templates_survive_the_wire(void **state)
{
    void (*const templates[])(struct tpm2_public *) = {tpm2_template_ek, tpm2_template_srk,
                                                       tpm2_template_ak};
    struct tpm2_public pub, back;
    uint8_t buf[256];
    struct wr w;
    struct rd r;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        templates[i](&pub);
        wr_init(&w, buf, sizeof(buf));
        tpm2_wr_public(&w, &pub);
        assert_int_equal(w.err, 0);
        for (size_t n = 0; n <= w.at; n++) {
            rd_init(&r, (struct bytes){buf, n});
            assert_int_equal(tpm2_rd_public(&r, &back) == 0, n == w.at);
        }
        assert_memory_equal(&pub, &back, sizeof(pub));
    }
}

static void a_coordinate_with_leading_zeros_left_out_keeps_the_name(void **state)
{
    struct tpm2_public pub, back;
    struct tpm2_name full, cut;
    uint8_t buf[256];
    struct wr w;
    struct rd r;

    (void)state;
    tpm2_template_ak(&pub);
    pub.x_n = pub.y_n = 32;
    pub.x[1] = 5;
    assert_int_equal(tpm2_public_name(SHA256, &pub, &full), 0);
    pub.x_n = 31;
    assert_int_equal(tpm2_public_name(SHA256, &pub, &cut), 0);
    assert_false(tpm2_name_equal(&full, &cut)); /* the name is of the bytes as they travel */
    wr_init(&w, buf, sizeof(buf));
    tpm2_wr_public(&w, &pub);
    rd_init(&r, wr_done(&w));
    assert_int_equal(tpm2_rd_public(&r, &back), 0);
    assert_memory_equal(pub.x, back.x, 32);
    assert_int_equal(back.x_n, 31);
}

static void public_areas_with_other_algorithms_are_refused(void **state)
{
    /* Offsets into the AK's public area: type, hash, symmetric, scheme, its hash, curve, KDF */
    static const size_t at[] = {1, 3, 11, 13, 15, 17, 19};
    struct tpm2_public pub;
    uint8_t buf[256];
    struct wr w;
    struct rd r;

    (void)state;
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        tpm2_template_ak(&pub);
        wr_init(&w, buf, sizeof(buf));
        tpm2_wr_public(&w, &pub);
        buf[at[i]] = 0x7e;
        rd_init(&r, wr_done(&w));
        assert_int_equal(tpm2_rd_public(&r, &pub), KAPU_EUNSUPPORTED);
    }
    pub.x_n = 33;
    wr_init(&w, buf, sizeof(buf));
    tpm2_wr_public(&w, &pub);
    assert_int_equal(w.err, KAPU_EARG);
}

static void names_are_equal_only_when_there_is_one(void **state)
{
    struct tpm2_name a = {0}, b = {0};

    (void)state;
    assert_false(tpm2_name_equal(&a, &b));
    a = tpm2_entity_of(5).name;
    b = tpm2_entity_of(5).name;
    assert_true(tpm2_name_equal(&a, &b));
    b.b[3] = 6;
    assert_false(tpm2_name_equal(&a, &b));
}

static void response_codes_lose_what_they_concern(void **state)
{
    (void)state;
    assert_int_equal(tpm2_rc_base(0x98e), TPM2_RC_AUTH_FAIL); /* session 1 */
    assert_int_equal(tpm2_rc_base(0x2c4), TPM2_RC_VALUE);     /* parameter 2 */
    assert_int_equal(tpm2_rc_base(0x18b), TPM2_RC_HANDLE);    /* handle 1 */
    assert_int_equal(tpm2_rc_base(0x100), TPM2_RC_INITIALIZE);
    assert_int_equal(tpm2_rc_base(0x922), TPM2_RC_RETRY);
}

static void pcr_masks_beyond_24_registers_are_refused(void **state)
{
    uint8_t buf[16], d[32] = {0};
    struct wr w;

    (void)state;
    wr_init(&w, buf, sizeof(buf));
    tpm2_wr_pcr_selection(&w, 1u << 24);
    assert_int_equal(w.err, KAPU_EARG);
    assert_int_equal(tpm2_pd_pcr(SHA256, d, 1u << 24, d), KAPU_EARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_are_those_of_tpm2_tss),
        cmocka_unit_test(hmac_gives_the_values_of_rfc_4231),
        cmocka_unit_test(a_failing_hash_is_a_crypto_error_everywhere),
        cmocka_unit_test(templates_survive_the_wire),
        cmocka_unit_test(a_coordinate_with_leading_zeros_left_out_keeps_the_name),
        cmocka_unit_test(public_areas_with_other_algorithms_are_refused),
        cmocka_unit_test(names_are_equal_only_when_there_is_one),
        cmocka_unit_test(response_codes_lose_what_they_concern),
        cmocka_unit_test(pcr_masks_beyond_24_registers_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
