/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEED_H
#define SEED_H

#include <stdint.h>

#define SEED_SIZE 32

/* The seed that QEMU made for a world, at `path` of its device tree; the caller wipes it.
 * 0, or a negative libfdt error. */
int seed_read(const char *path, uint8_t seed[SEED_SIZE]);

#endif
