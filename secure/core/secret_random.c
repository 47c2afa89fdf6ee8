// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers for interrupt context, where OP-TEE's generator, which takes a mutex, may not be used:
 * SHA-256 of a secret and a count.
 */
#include <atomic.h>
#include <crypto/crypto.h>
#include <initcall.h>
#include <kernel/panic.h>
#include <string.h>

#include "monitor.h"
#include "sha256_blocks.h"
#include "vectors.h"

static uint8_t secret[32];
static uint32_t count;

uint64_t secret_random(void)
{
    uint8_t message[64] = {};
    uint32_t n = atomic_inc32(&count);
    struct vectors saved;
    uint8_t digest[32];
    uint64_t value;

    memcpy(message, secret, sizeof(secret));
    memcpy(message + sizeof(secret), &n, sizeof(n));
    vectors_begin(&saved);
    sha256_blocks(message, 1, digest);
    vectors_end(&saved);
    memcpy(&value, digest, sizeof(value));
    return value;
}

static TEE_Result secret_init(void)
{
    if (crypto_rng_read(secret, sizeof(secret)) != TEE_SUCCESS)
        panic("no random numbers");
    return TEE_SUCCESS;
}
driver_init(secret_init);
