/* SPDX-License-Identifier: Apache-2.0 */
/* Vector registers in interrupt context: between begin and end the calling core may use all. */
#ifndef KAPU_VECTORS_H
#define KAPU_VECTORS_H

#include <compiler.h>
#include <stddef.h>
#include <stdint.h>

struct vectors {
    uint8_t v[32][16];
    uint64_t cpacr;
} __aligned(16);

/* Exceptions must be masked from one to the other. */
void vectors_begin(struct vectors *s);
void vectors_end(const struct vectors *s);
/* n: a multiple of 128. */
void vectors_copy(void *to, const void *from, size_t n);

#endif
