/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every library of kapu shares: a pointer and a length as one value, error numbers,
 * little-endian decoding. Freestanding; nothing here allocates or keeps state.
 */
#ifndef KAPU_BYTES_H
#define KAPU_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* A function whose result must not be dropped. */
#define KAPU_MUST_CHECK __attribute__((warn_unused_result))

/* Errors are negative; 0 is success. */
enum {
    KAPU_EINVAL = -1, /* malformed: a field has a value that the format does not allow */
    KAPU_ERANGE = -2, /* an offset or length points outside its container */
    KAPU_ENOENT = -3, /* what was asked for is not there */
};

/* Memory that somebody else owns: n bytes at p; p may be null when n is 0. */
struct bytes {
    const uint8_t *p;
    size_t n;
};

/* Little-endian integers at p, which need not be aligned. */
static inline uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | ((uint32_t)p[1] << 8) | ((uint32_t)p[2] << 16) | ((uint32_t)p[3] << 24);
}

static inline uint64_t get_le64(const uint8_t *p)
{
    return (uint64_t)get_le32(p) | ((uint64_t)get_le32(p + 4) << 32);
}

#endif
