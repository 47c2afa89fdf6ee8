// SPDX-License-Identifier: Apache-2.0
/*
 * The encryption of what gateways fetch, against values that python's hmac and cryptography made,
 * and NIST's vector of AES-256-CTR; with both ports, the operator's and the gateway's.
 */
#include "tpm2_fixture.h"

#include <kapu/cipher.h>

#include "../../operator/release/aes.h"
#include "digest.h"

extern const struct cipher_port aes_ctr; /* the gateway's */

static const struct cipher_port *const ports[] = {&aes_openssl, &aes_ctr};
#define SHA (&digest_sha256)
#define NAME(literal) ((struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

/* key 00 01 .. 1f, salt a0 a1 .. af, name "payload"; plain byte n is 7 n. `far`: 40 bytes that
 * begin at 0x7fffff35. */
static const uint8_t golden_check[] = {
    0x72, 0x9b, 0x6a, 0xf5, 0x9a, 0xae, 0xba, 0x60, 0xc5, 0x13, 0x2c, 0x40, 0xca, 0xb7, 0xa9, 0xec,
    0xfa, 0xe2, 0x6a, 0xf3, 0x2b, 0x95, 0x8c, 0xd5, 0x08, 0x19, 0x80, 0x8b, 0x9a, 0x58, 0xac, 0x3c,
};
static const uint8_t golden_file_key[] = {
    0x58, 0x4e, 0xbe, 0xd9, 0x82, 0xa3, 0x7b, 0xdc, 0x3e, 0x12, 0x92, 0x1a, 0x94, 0xd3, 0xaf, 0x49,
    0xc4, 0xf2, 0x95, 0x47, 0x04, 0x1b, 0x04, 0xce, 0x25, 0xf0, 0xe8, 0x85, 0xbc, 0x1a, 0x4d, 0xf8,
};
static const uint8_t golden_cipher[] = {
    0x56, 0x94, 0x90, 0x13, 0x9b, 0x57, 0x91, 0x79, 0xa9, 0x35, 0x8b, 0xbe, 0xc1, 0x9e, 0xa3,
    0x4e, 0x68, 0x36, 0xd2, 0x0c, 0x22, 0x2f, 0x00, 0x23, 0x65, 0x5d, 0xde, 0xca, 0x6e, 0x7a,
    0x9b, 0xc0, 0x6a, 0x27, 0xb2, 0x22, 0x64, 0x33, 0x11, 0x97, 0x45, 0x1e, 0xe1, 0x74, 0x78,
    0xbb, 0xc7, 0xde, 0x3d, 0xca, 0x19, 0x64, 0xba, 0xa6, 0xcd, 0xe1, 0x3a, 0xbd, 0xfc, 0xfc,
    0x36, 0x8b, 0xfb, 0x0c, 0xef, 0xaf, 0xca, 0x40, 0x1a, 0x9b, 0xea, 0x23, 0x8f, 0xec, 0xef,
    0xa0, 0xb6, 0x7f, 0x41, 0x54, 0xee, 0x1f, 0x2e, 0x96, 0x4b, 0xd4, 0x8f, 0x51, 0xd2, 0x43,
    0x42, 0x01, 0x01, 0x9e, 0x28, 0x34, 0x61, 0x99, 0xda, 0xad,
};
static const uint8_t golden_far[] = {
    0x5d, 0xf4, 0xad, 0x94, 0xe4, 0x8f, 0x35, 0xcb, 0x2a, 0x67, 0x8e, 0x3a, 0xca, 0xd0,
    0x5f, 0x39, 0x75, 0x44, 0xdf, 0xb2, 0x03, 0x82, 0x62, 0xd1, 0x6a, 0x01, 0x5a, 0xe3,
    0x6e, 0xd9, 0x47, 0xed, 0x47, 0xf1, 0x20, 0xd9, 0xee, 0x98, 0x17, 0x0e,
};

#define FAR 0x7fffff35u

static uint8_t key[CIPHER_KEY_SIZE], salt[CIPHER_SALT_SIZE], plain[sizeof(golden_cipher)];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(salt); i++)
        salt[i] = (uint8_t)(0xa0 + i);
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(7 * i);
    return 0;
}

/* NIST SP 800-38A, F.5.5: CTR-AES256.Encrypt, its first two blocks. */
static void each_port_is_aes_256_in_counter_mode(void **state)
{
    static const uint8_t k[] = {0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae,
                                0xf0, 0x85, 0x7d, 0x77, 0x81, 0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61,
                                0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4};
    static const uint8_t counter[] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7,
                                      0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff};
    static const uint8_t in[] = {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e,
                                 0x11, 0x73, 0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03,
                                 0xac, 0x9c, 0x9e, 0xb7, 0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51};
    static const uint8_t out[] = {0x60, 0x1e, 0xc3, 0x13, 0x77, 0x57, 0x89, 0xa5, 0xb7, 0xa7, 0xf5,
                                  0x04, 0xbb, 0xf3, 0xd2, 0x28, 0xf4, 0x43, 0xe3, 0xca, 0x4d, 0x62,
                                  0xb5, 0x9a, 0xca, 0x84, 0xe9, 0x90, 0xca, 0xca, 0xf5, 0xc5};

    (void)state;
    for (size_t p = 0; p < 2; p++) {
        uint8_t data[sizeof(in)];

        memcpy(data, in, sizeof(data));
        assert_int_equal(ports[p]->ctr(ports[p]->ctx, k, counter, data, sizeof(data)), 0);
        assert_memory_equal(data, out, sizeof(out));
    }
}

static void keys_and_ciphertext_are_those_that_another_implementation_makes(void **state)
{
    uint8_t got[32];

    (void)state;
    assert_int_equal(cipher_check(SHA, key, got), 0);
    assert_memory_equal(got, golden_check, sizeof(got));
    assert_int_equal(cipher_file_key(SHA, key, NAME("payload"), salt, got), 0);
    assert_memory_equal(got, golden_file_key, sizeof(got));
    for (size_t p = 0; p < 2; p++) {
        uint8_t data[sizeof(plain)];

        memcpy(data, plain, sizeof(plain));
        assert_int_equal(cipher_range(ports[p], golden_file_key, 0, data, sizeof(data)), 0);
        assert_memory_equal(data, golden_cipher, sizeof(data));
        memcpy(data, plain, sizeof(golden_far));
        assert_int_equal(cipher_range(ports[p], golden_file_key, FAR, data, sizeof(golden_far)), 0);
        assert_memory_equal(data, golden_far, sizeof(golden_far));
    }
}

static void a_range_that_begins_and_ends_anywhere_is_decrypted_alone(void **state)
{
    (void)state;
    for (size_t p = 0; p < 2; p++) {
        for (size_t at = 0; at <= sizeof(plain); at++) {
            for (size_t n = 0; n <= sizeof(plain) - at; n++) {
                uint8_t data[sizeof(plain) + 2];

                memset(data, 0xee, sizeof(data));
                memcpy(data + 1, golden_cipher + at, n);
                assert_int_equal(cipher_range(ports[p], golden_file_key, at, data + 1, n), 0);
                assert_memory_equal(data + 1, plain + at, n);
                assert_true(data[0] == 0xee && data[1 + n] == 0xee); /* nothing around it */
            }
        }
    }
}

static void no_two_files_have_one_key(void **state)
{
    uint8_t got[6][CIPHER_KEY_SIZE], other[CIPHER_KEY_SIZE], more[CIPHER_SALT_SIZE];

    (void)state;
    memcpy(other, key, sizeof(other));
    other[31] ^= 1;
    memcpy(more, salt, sizeof(more));
    more[15] ^= 0x80;
    assert_int_equal(cipher_file_key(SHA, key, NAME("payload"), salt, got[0]), 0);
    assert_int_equal(cipher_file_key(SHA, key, NAME("payloae"), salt, got[1]), 0);
    assert_int_equal(cipher_file_key(SHA, key, NAME("payload"), more, got[2]), 0);
    assert_int_equal(cipher_file_key(SHA, other, NAME("payload"), salt, got[3]), 0);
    assert_int_equal(cipher_file_key(SHA, key, NAME("patch"), salt, got[4]), 0);
    assert_int_equal(cipher_file_key(SHA, key, NAME("patch.index"), salt, got[5]), 0);
    for (size_t i = 0; i < 6; i++) {
        assert_memory_not_equal(got[i], golden_check, sizeof(got[i]));
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(got[i], got[k], sizeof(got[i]));
    }
}

static void a_key_is_known_by_its_check_value_and_no_other_is(void **state)
{
    (void)state;
    assert_int_equal(cipher_is_key(SHA, key, golden_check), 0);
    for (size_t bit = 0; bit < 8 * sizeof(key); bit++) {
        uint8_t other[sizeof(key)], check[sizeof(golden_check)];

        memcpy(other, key, sizeof(other));
        other[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(cipher_is_key(SHA, other, golden_check), KAPU_EPIN);
        memcpy(check, golden_check, sizeof(check));
        check[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(cipher_is_key(SHA, key, check), KAPU_EPIN);
    }
}

static void names_and_ranges_that_cannot_be_are_refused(void **state)
{
    static const char longest[] =
        "0123456789012345678901234567890123456789012345678901234567890123";
    const struct bytes name = {(const uint8_t *)longest, CIPHER_NAME_MAX};
    uint8_t got[CIPHER_KEY_SIZE], data[2] = {0};

    (void)state;
    assert_int_equal(cipher_file_key(SHA, key, name, salt, got), 0);
    assert_int_equal(
        cipher_file_key(SHA, key, (struct bytes){name.p, CIPHER_NAME_MAX + 1}, salt, got),
        KAPU_EARG);
    assert_int_equal(cipher_file_key(SHA, key, (struct bytes){name.p, 0}, salt, got), KAPU_EARG);
    assert_int_equal(cipher_file_key(SHA, key, NAME("a\0b"), salt, got), KAPU_EARG);
    assert_int_equal(cipher_range(&aes_ctr, key, 0x7fffffffu, data, 1), 0);
    assert_int_equal(cipher_range(&aes_ctr, key, 0x7fffffffu, data, 2), KAPU_EARG);
    assert_int_equal(cipher_range(&aes_ctr, key, UINT64_MAX, data, 1), KAPU_EARG);
}

static int fail_hash(void *ctx, const struct bytes *part, size_t parts, uint8_t out[32])
{
    (void)ctx;
    (void)part;
    (void)parts;
    (void)out;
    return -1;
}

static int fail_ctr(void *ctx, const uint8_t k[CIPHER_KEY_SIZE],
                    const uint8_t counter[CIPHER_BLOCK], uint8_t *data, size_t n)
{
    int *left = ctx;

    (void)k;
    (void)counter;
    (void)data;
    (void)n;
    return (*left)-- > 0 ? 0 : -1;
}

static void a_port_that_fails_is_told(void **state)
{
    static const uint8_t zero[CIPHER_KEY_SIZE];
    const struct kapu_sha256 sha = {.hash = fail_hash};
    uint8_t got[CIPHER_KEY_SIZE], data[32] = {0};

    (void)state;
    assert_int_equal(cipher_check(&sha, key, got), KAPU_ECRYPTO);
    assert_int_equal(cipher_is_key(&sha, key, golden_check), KAPU_ECRYPTO);
    memset(got, 1, sizeof(got));
    assert_int_equal(cipher_file_key(&sha, key, NAME("payload"), salt, got), KAPU_ECRYPTO);
    assert_memory_equal(got, zero, sizeof(got));
    for (int good = 0; good < 3; good++) { /* of the two calls that this range takes */
        int left = good;
        const struct cipher_port port = {.ctr = fail_ctr, .ctx = &left};

        assert_int_equal(cipher_range(&port, key, 3, data, 20), good < 2 ? KAPU_ECRYPTO : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_port_is_aes_256_in_counter_mode),
        cmocka_unit_test(keys_and_ciphertext_are_those_that_another_implementation_makes),
        cmocka_unit_test(a_range_that_begins_and_ends_anywhere_is_decrypted_alone),
        cmocka_unit_test(no_two_files_have_one_key),
        cmocka_unit_test(a_key_is_known_by_its_check_value_and_no_other_is),
        cmocka_unit_test(names_and_ranges_that_cannot_be_are_refused),
        cmocka_unit_test(a_port_that_fails_is_told),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
