/* SPDX-License-Identifier: Apache-2.0 */
/* Files in memory, to read. */
#ifndef KAPU_RELEASE_MAPPED_H
#define KAPU_RELEASE_MAPPED_H

#include <kapu/bytes.h>

#include "package.h"

struct mapped {
    void *at;
    const uint8_t *p; /* the same */
    size_t n;
};

/* A file of 1 to `most` bytes. 0, or -1 with the reason; unmap it after success, or when it is all
 * zeros. */
int mapped_open(const char *path, uint64_t most, struct mapped *m, char why[PACKAGE_WHY]);
void mapped_close(struct mapped *m);

#endif
