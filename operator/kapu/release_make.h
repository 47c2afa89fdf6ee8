/* SPDX-License-Identifier: Apache-2.0 */
/* `kapu release make`, and the parts of a release against its manifest. Statuses of commands.h. */
#ifndef KAPU_RELEASE_MAKE_H
#define KAPU_RELEASE_MAKE_H

#include <kapu/release.h>

struct release_parts {
    const char *firmware, *root; /* files */
    const char *version, *hardware, *product;
    uint32_t expires_days, counter_from;
    int level; /* of compression */
    bool no_approval;
    bool encrypt; /* what gateways fetch, with a new key */
};

/* Writes manifest, index and payload, and the key if there is one, to a folder that is not there
 * yet. */
int release_make(const struct release_parts *p, const char *folder);

/* What a gateway that has `have`'s firmware and root, or nothing, fetches of the release in a
 * folder. */
int release_rebuild(const char *folder, const struct release_parts *have, bool json);

/* Adds to the folder the patch from the release that `have` is. */
int release_patch(const char *folder, const struct release_parts *have);

/* That firmware and root, as far as they are given, are those of the manifest. */
int release_check_parts(const struct release_manifest *m, const struct release_parts *p);

#endif
