/* SPDX-License-Identifier: Apache-2.0 */
/* The crypto port of lib/tpm2 bound to OpenSSL 3. */
#ifndef KAPU_TEST_CRYPTO_OPENSSL_H
#define KAPU_TEST_CRYPTO_OPENSSL_H

#include <kapu/tpm2.h>

extern const struct tpm2_crypto crypto_openssl;

/* A P-256 key pair for tests: public coordinates, and an ECDSA signature over a digest. */
struct test_key {
    void *pkey;
    uint8_t x[32], y[32];
};

int test_key_make(struct test_key *k);
int test_key_sign(const struct test_key *k, const uint8_t digest[32], struct tpm2_signature *sig);
void test_key_free(struct test_key *k);

/* 1 when the signature by that public key verifies. */
int test_verify(const uint8_t x[32], const uint8_t y[32], const uint8_t digest[32],
                const struct tpm2_signature *sig);

#endif
