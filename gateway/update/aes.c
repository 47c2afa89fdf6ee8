// SPDX-License-Identifier: Apache-2.0
#include "aes.h"

#include <limits.h>
#include <openssl/evp.h>

/* Algorithm and context are kept, because a range comes with each frame; of the key nothing is: a
 * reset wipes its schedule. */
static int ctr(void *ctx, const uint8_t key[CIPHER_KEY_SIZE], const uint8_t counter[CIPHER_BLOCK],
               uint8_t *data, size_t n)
{
    static EVP_CIPHER *algorithm;
    static EVP_CIPHER_CTX *kept;
    int done = 0;
    bool good;

    (void)ctx;
    if (algorithm == NULL)
        algorithm = EVP_CIPHER_fetch(NULL, "AES-256-CTR", NULL);
    if (kept == NULL)
        kept = EVP_CIPHER_CTX_new();
    if (algorithm == NULL || kept == NULL || n > INT_MAX)
        return KAPU_ECRYPTO;
    good = EVP_EncryptInit_ex2(kept, algorithm, key, counter, NULL) == 1 &&
           EVP_EncryptUpdate(kept, data, &done, data, (int)n) == 1 && done == (int)n;
    return EVP_CIPHER_CTX_reset(kept) == 1 && good ? 0 : KAPU_ECRYPTO;
}

const struct cipher_port aes_ctr = {.ctr = ctr};
