/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload of a release and its index (kapu/release.h): made from a root image and a firmware
 * package, and held against them. 0, or -1: `why` says what is wrong.
 */
#ifndef KAPU_RELEASE_PAYLOAD_H
#define KAPU_RELEASE_PAYLOAD_H

#include "package.h"

struct payload_options {
    int level; /* of Zstandard, 1 to PAYLOAD_LEVEL: how hard it tries */
    void (*told)(void *ctx, unsigned percent); /* may be NULL */
    void *ctx;
    const uint8_t *key; /* of the release (kapu/cipher.h); NULL: it is not encrypted */
};
#define PAYLOAD_LEVEL 19
/* Of a frame, as measured (docs/update.md): smaller ones fetch less that is not needed, and
 * compress worse. */
#define PAYLOAD_FRAME_BLOCKS 4u

/* Writes both files, whole or not at all; `index` gets size and hash for the manifest: of the plain
 * file. */
int payload_make(const struct package *p, const char *firmware, const char *root,
                 const char *payload_path, const char *index_path, struct release_file *index,
                 const struct payload_options *o, char why[PACKAGE_WHY]);

#endif
