/* SPDX-License-Identifier: Apache-2.0 */
/* The SHA-256 port: each world binds the implementation that it already has. */
#ifndef KAPU_SHA256_H
#define KAPU_SHA256_H

#include <kapu/bytes.h>

#define KAPU_SHA256_SIZE 32u

struct kapu_sha256 {
    /* Hashes the concatenation of `parts` byte strings. 0, or a negative value on failure. */
    int (*hash)(void *ctx, const struct bytes *part, size_t parts, uint8_t out[KAPU_SHA256_SIZE]);
    void *ctx;
};

#endif
