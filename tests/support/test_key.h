/* SPDX-License-Identifier: Apache-2.0 */
/* P-256 key pairs for tests. */
#ifndef KAPU_TEST_KEY_H
#define KAPU_TEST_KEY_H

#include <kapu/tpm2.h>

/* A key pair: public coordinates, and an ECDSA signature over a digest. */
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
