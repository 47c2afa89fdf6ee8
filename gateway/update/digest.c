// SPDX-License-Identifier: Apache-2.0
#include "digest.h"

#include <openssl/evp.h>

/* Fetched once: a digest of a block takes less time than looking for the algorithm. */
static EVP_MD *algorithm;

static EVP_MD_CTX *begin(EVP_MD_CTX **kept)
{
    if (algorithm == NULL)
        algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (*kept == NULL)
        *kept = EVP_MD_CTX_new();
    if (algorithm == NULL || *kept == NULL || EVP_DigestInit_ex2(*kept, algorithm, NULL) != 1)
        return NULL;
    return *kept;
}

static int hash(void *ctx, const struct bytes *part, size_t parts, uint8_t out[KAPU_SHA256_SIZE])
{
    static EVP_MD_CTX *kept;
    EVP_MD_CTX *m = begin(&kept);
    bool good = m != NULL;

    (void)ctx;
    for (size_t i = 0; good && i < parts; i++)
        good = part[i].n == 0 || EVP_DigestUpdate(m, part[i].p, part[i].n) == 1;
    return good && EVP_DigestFinal_ex(m, out, NULL) == 1 ? 0 : KAPU_ECRYPTO;
}

const struct kapu_sha256 digest_sha256 = {.hash = hash};

static EVP_MD_CTX *stream;

int digest_begin(void)
{
    return begin(&stream) != NULL ? 0 : KAPU_ECRYPTO;
}

int digest_add(struct bytes some)
{
    return EVP_DigestUpdate(stream, some.p, some.n) == 1 ? 0 : KAPU_ECRYPTO;
}

int digest_end(uint8_t digest[KAPU_SHA256_SIZE])
{
    return EVP_DigestFinal_ex(stream, digest, NULL) == 1 ? 0 : KAPU_ECRYPTO;
}
