// SPDX-License-Identifier: Apache-2.0
#include "aes.h"

#include <limits.h>
#include <openssl/evp.h>

static int ctr(void *ctx, const uint8_t key[CIPHER_KEY_SIZE], const uint8_t counter[CIPHER_BLOCK],
               uint8_t *data, size_t n)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int len = 0, ok;

    (void)ctx;
    ok = c != NULL && n <= INT_MAX &&
         EVP_EncryptInit_ex(c, EVP_aes_256_ctr(), NULL, key, counter) == 1 &&
         EVP_EncryptUpdate(c, data, &len, data, (int)n) == 1 && len == (int)n;
    EVP_CIPHER_CTX_free(c); /* wipes the key schedule */
    return ok ? 0 : -1;
}

const struct cipher_port aes_openssl = {.ctr = ctr};
