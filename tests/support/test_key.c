// SPDX-License-Identifier: Apache-2.0
#include "test_key.h"

#include <openssl/ec.h>
#include <openssl/evp.h>

#include "crypto_openssl.h"

int test_key_make(struct test_key *k)
{
    k->pkey = EVP_EC_gen("P-256");
    return k->pkey != NULL ? openssl_p256_coordinates(k->pkey, k->x, k->y) : -1;
}

int test_key_sign(const struct test_key *k, const uint8_t digest[32], struct tpm2_signature *sig)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k->pkey, NULL);
    uint8_t der[80];
    const uint8_t *p = der;
    size_t n = sizeof(der);
    ECDSA_SIG *s = NULL;
    int ok = c != NULL && EVP_PKEY_sign_init(c) == 1 && EVP_PKEY_sign(c, der, &n, digest, 32) == 1;

    if (ok)
        s = d2i_ECDSA_SIG(NULL, &p, (long)n);
    ok = s != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(s), sig->r, 32) == 32 &&
         BN_bn2binpad(ECDSA_SIG_get0_s(s), sig->s, 32) == 32;
    ECDSA_SIG_free(s);
    EVP_PKEY_CTX_free(c);
    return ok ? 0 : -1;
}

void test_key_free(struct test_key *k)
{
    EVP_PKEY_free(k->pkey);
}

int test_verify(const uint8_t x[32], const uint8_t y[32], const uint8_t digest[32],
                const struct tpm2_signature *sig)
{
    EVP_PKEY *key = openssl_p256_public(x, y);
    EVP_PKEY_CTX *c = key != NULL ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    ECDSA_SIG *s = ECDSA_SIG_new();
    uint8_t *der = NULL;
    int n, ok;

    ECDSA_SIG_set0(s, BN_bin2bn(sig->r, 32, NULL), BN_bin2bn(sig->s, 32, NULL));
    n = i2d_ECDSA_SIG(s, &der);
    ok = c != NULL && n > 0 && EVP_PKEY_verify_init(c) == 1 &&
         EVP_PKEY_verify(c, der, (size_t)n, digest, 32) == 1;
    OPENSSL_free(der);
    ECDSA_SIG_free(s);
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(key);
    return ok;
}
