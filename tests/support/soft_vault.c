// SPDX-License-Identifier: Apache-2.0
#include "soft_vault.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <string.h>

bool soft_vault_point(EVP_PKEY *key, uint8_t point[VAULT_POINT_SIZE])
{
    uint8_t encoded[1 + VAULT_POINT_SIZE];
    size_t n = 0;

    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, encoded, sizeof(encoded),
                                        &n) != 1 ||
        n != sizeof(encoded))
        return false;
    memcpy(point, encoded + 1, VAULT_POINT_SIZE);
    return true;
}

static bool split(const uint8_t *der, size_t n, uint8_t signature[64])
{
    ECDSA_SIG *both = d2i_ECDSA_SIG(NULL, &der, (long)n);
    const bool good = both != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(both), signature, 32) == 32 &&
                      BN_bn2binpad(ECDSA_SIG_get0_s(both), signature + 32, 32) == 32;

    ECDSA_SIG_free(both);
    return good;
}

bool soft_vault_sign(EVP_PKEY *key, struct bytes transcript, uint8_t signature[64])
{
    uint8_t content[VAULT_TLS_CONTENT_MAX], der[80];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    size_t n = sizeof(der);
    struct bytes all;
    struct wr w;
    bool good;

    wr_init(&w, content, sizeof(content));
    good = md != NULL && vault_tls_encode(transcript, &w) == 0;
    all = wr_done(&w);
    good = good && EVP_DigestSignInit_ex(md, NULL, "SHA256", NULL, NULL, key, NULL) == 1 &&
           EVP_DigestSign(md, der, &n, all.p, all.n) == 1 && split(der, n, signature);
    EVP_MD_CTX_free(md);
    return good;
}
