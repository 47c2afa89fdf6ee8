// SPDX-License-Identifier: Apache-2.0
#include "crypto_openssl.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

static int sha256(void *ctx, const struct bytes *part, size_t parts, uint8_t out[32])
{
    EVP_MD_CTX *m = EVP_MD_CTX_new();
    int ok = m != NULL && EVP_DigestInit_ex(m, EVP_sha256(), NULL);

    (void)ctx;
    for (size_t i = 0; ok && i < parts; i++)
        ok = part[i].n == 0 || EVP_DigestUpdate(m, part[i].p, part[i].n);
    ok = ok && EVP_DigestFinal_ex(m, out, NULL);
    EVP_MD_CTX_free(m);
    return ok ? 0 : -1;
}

static int aes128_cfb(void *ctx, bool encrypt, const uint8_t key[16], const uint8_t iv[16],
                      uint8_t *data, size_t n)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int len = 0, ok;

    (void)ctx;
    ok = c != NULL && EVP_CipherInit_ex(c, EVP_aes_128_cfb128(), NULL, key, iv, encrypt) &&
         EVP_CipherUpdate(c, data, &len, data, (int)n) && len == (int)n;
    EVP_CIPHER_CTX_free(c);
    return ok ? 0 : -1;
}

/* A key on P-256 (its base point: SEC 2, 2.4.2), to copy the curve from: building one takes most of
 * the time that a public key needs. */
static EVP_PKEY *model;
static pthread_once_t model_once = PTHREAD_ONCE_INIT;

static void make_model(void)
{
    static uint8_t base[65] = {
        0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
        0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
        0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
        0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
        0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
    };
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM p[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char[]){"P-256"}, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, base, sizeof(base)),
        OSSL_PARAM_construct_end(),
    };

    if (c == NULL || EVP_PKEY_fromdata_init(c) != 1 ||
        EVP_PKEY_fromdata(c, &model, EVP_PKEY_PUBLIC_KEY, p) != 1)
        model = NULL;
    EVP_PKEY_CTX_free(c);
}

EVP_PKEY *openssl_p256_public(const uint8_t x[32], const uint8_t y[32])
{
    uint8_t point[65] = {4};
    EVP_PKEY *key;

    memcpy(point + 1, x, 32);
    memcpy(point + 33, y, 32);
    (void)pthread_once(&model_once, make_model);
    key = model != NULL ? EVP_PKEY_dup(model) : NULL;
    if (key != NULL && EVP_PKEY_set1_encoded_public_key(key, point, sizeof(point)) != 1) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

bool openssl_is_p256(EVP_PKEY *key)
{
    char group[32];
    size_t n;

    return key != NULL && EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof(group), &n) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

int openssl_p256_coordinates(EVP_PKEY *key, uint8_t x[32], uint8_t y[32])
{
    uint8_t point[65];
    size_t n = 0;

    if (!openssl_is_p256(key)) /* other curves have coordinates of 32 bytes, too */
        return -1;
    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &n) !=
            1 ||
        n != sizeof(point))
        return -1;
    memcpy(x, point + 1, 32);
    memcpy(y, point + 33, 32);
    return 0;
}

static int ecdh_p256(void *ctx, const uint8_t peer_x[32], const uint8_t peer_y[32],
                     struct tpm2_ecdh *out)
{
    EVP_PKEY *own = EVP_EC_gen("P-256"), *peer = openssl_p256_public(peer_x, peer_y);
    EVP_PKEY_CTX *c = own != NULL ? EVP_PKEY_CTX_new(own, NULL) : NULL;
    size_t n = sizeof(out->shared_x);
    int ok = c != NULL && peer != NULL && EVP_PKEY_derive_init(c) == 1 &&
             EVP_PKEY_derive_set_peer(c, peer) == 1 && EVP_PKEY_derive(c, out->shared_x, &n) == 1 &&
             n == sizeof(out->shared_x) &&
             openssl_p256_coordinates(own, out->own_x, out->own_y) == 0;

    (void)ctx;
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(own);
    EVP_PKEY_free(peer);
    return ok ? 0 : -1;
}

static int random_bytes(void *ctx, uint8_t *to, size_t n)
{
    (void)ctx;
    return RAND_bytes(to, (int)n) == 1 ? 0 : -1;
}

/* r || s as OpenSSL takes it (DER); its size, or 0. */
static size_t der_signature(const uint8_t signature[64], uint8_t *der, size_t n)
{
    ECDSA_SIG *s = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, 32, NULL), *t = BN_bin2bn(signature + 32, 32, NULL);
    int size = 0;

    if (s != NULL && r != NULL && t != NULL && ECDSA_SIG_set0(s, r, t) == 1) {
        r = t = NULL; /* s owns them */
        size = i2d_ECDSA_SIG(s, NULL);
        if (size > 0 && (size_t)size <= n)
            size = i2d_ECDSA_SIG(s, &der);
        else
            size = 0;
    }
    BN_free(t);
    BN_free(r);
    ECDSA_SIG_free(s);
    return size > 0 ? (size_t)size : 0;
}

int openssl_p256_verify(const uint8_t x[32], const uint8_t y[32], const uint8_t digest[32],
                        const uint8_t signature[64])
{
    EVP_PKEY *key = openssl_p256_public(x, y);
    EVP_PKEY_CTX *c = key != NULL ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    uint8_t der[80];
    size_t n = der_signature(signature, der, sizeof(der));
    int ok = c != NULL && n > 0 && EVP_PKEY_verify_init(c) == 1 &&
             EVP_PKEY_verify(c, der, n, digest, 32) == 1;

    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(key);
    return ok ? 0 : -1;
}

static int verify(void *ctx, const struct evidence_key *key, const uint8_t digest[32],
                  const uint8_t signature[EVIDENCE_SIGNATURE_SIZE])
{
    (void)ctx;
    return openssl_p256_verify(key->x, key->y, digest, signature);
}

const struct evidence_verify evidence_openssl = {.ecdsa_p256 = verify};

const struct tpm2_crypto crypto_openssl = {
    .sha256 = {.hash = sha256},
    .aes128_cfb = aes128_cfb,
    .ecdh_p256 = ecdh_p256,
    .random = random_bytes,
};
