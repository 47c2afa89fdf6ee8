// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <string.h>

#include <lib/utils.h>
#include <mbedtls/sha256.h>

#include "crypto.h"
#include "platform.h"

static int sha256(void *ctx, const struct bytes *part, size_t parts, uint8_t out[32])
{
    mbedtls_sha256_context c;
    int err;

    (void)ctx;
    mbedtls_sha256_init(&c);
    err = mbedtls_sha256_starts(&c, 0);
    for (size_t i = 0; i < parts && err == 0; i++)
        err = mbedtls_sha256_update(&c, part[i].p, part[i].n);
    if (err == 0)
        err = mbedtls_sha256_finish(&c, out);
    mbedtls_sha256_free(&c);
    return err;
}

/* The i-th block is a hash of the seed, a label and i: no two of one boot are equal. */
static int nonces(void *ctx, uint8_t *to, size_t n)
{
    static const char label[] = "kapu boot nonces";
    static uint32_t block;
    uint8_t seed[32], digest[32], count[4];
    int err = platform_random_seed(seed);

    while (n > 0 && err == 0) {
        const struct bytes part[] = {
            BYTES_OF(seed), {(const uint8_t *)label, sizeof(label)}, BYTES_OF(count)};
        size_t take = n < sizeof(digest) ? n : sizeof(digest);

        block++;
        memcpy(count, &block, sizeof(count));
        err = sha256(ctx, part, 3, digest);
        memcpy(to, digest, take);
        to += take;
        n -= take;
    }
    zeromem(seed, sizeof(seed));
    return err;
}

const struct tpm2_crypto boot_crypto = {
    .sha256 = {.hash = sha256},
    .random = nonces,
};
