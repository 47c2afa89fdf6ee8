/* SPDX-License-Identifier: Apache-2.0 */
/* The content of a release (kapu/release.h, "index") in memory: what gateways rebuild. */
#ifndef KAPU_RELEASE_CONTENT_H
#define KAPU_RELEASE_CONTENT_H

#include "package.h"

struct content {
    uint8_t *p; /* the caller frees it, right after both results of content_read */
    size_t n;   /* whole blocks */
    uint32_t root_blocks;
};

/* Of the files that `p` was read from. 0, or -1 with the reason. */
int content_read(struct content *c, const struct package *p, const char *firmware, const char *root,
                 char why[PACKAGE_WHY]);

#endif
