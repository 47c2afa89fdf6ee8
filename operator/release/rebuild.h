/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A release rebuilt in memory from its index and payload, as a gateway does it (kapu/install.h):
 * with what a gateway has, or with nothing.
 */
#ifndef KAPU_RELEASE_REBUILD_H
#define KAPU_RELEASE_REBUILD_H

#include <kapu/install.h>

#include "content.h"

struct rebuild {
    const char *index, *payload; /* files */
    const char *patch,
        *patch_index;           /* files, both or none: NULL; not used when they are of no use */
    const struct content *have; /* what the gateway has, or NULL */
    const uint8_t *key;         /* of the release; NULL: it is not encrypted */
};

/* 0: root image and firmware package came out as the manifest says, and are in `content`, which the
 * caller frees and which may be NULL. -1: `why` says what is wrong, and in which file. */
int rebuild_release(const struct release_manifest *m, const struct rebuild *r,
                    struct install_figures *figures, struct content *content,
                    char why[PACKAGE_WHY]);

#endif
