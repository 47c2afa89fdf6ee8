/* SPDX-License-Identifier: Apache-2.0 */
/* Patches: the way from one release to another in fewer bytes than the payload's (kapu/release.h).
 */
#ifndef KAPU_RELEASE_PATCH_H
#define KAPU_RELEASE_PATCH_H

#include "content.h"
#include "payload.h"

struct patch_made {
    uint32_t frames;
    uint64_t bytes;
};

/* From the content of a release with that identity to another one: writes the frames and their
 * index, each whole or not at all. Both contents are spoiled by it (kapu/install_code.h).
 * KAPU_ENOENT, and nothing is written: it lacks nothing. 0, or -1
 * with the reason. */
int patch_make(const uint8_t identity[RELEASE_DIGEST_SIZE], struct content *from,
               struct content *to, const char *patch_path, const char *index_path,
               const struct payload_options *o, struct patch_made *made, char why[PACKAGE_WHY]);

#endif
