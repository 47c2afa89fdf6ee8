/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A release rebuilt in memory from its index and payload, as a gateway does it (kapu/install.h):
 * with what a gateway has, or with nothing.
 */
#ifndef KAPU_RELEASE_REBUILD_H
#define KAPU_RELEASE_REBUILD_H

#include <kapu/install.h>

#include "package.h"

struct rebuild {
    const char *index, *payload;           /* files */
    const char *have_firmware, *have_root; /* what the gateway has, both or none: NULL */
};

/* 0: root image and firmware package came out as the manifest says. -1: `why` says what is wrong,
 * and in which file. */
int rebuild_release(const struct release_manifest *m, const struct rebuild *r,
                    struct install_figures *figures, char why[PACKAGE_WHY]);

#endif
