/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reader of TF-A's firmware image package (FIP): a table of contents, then the images.
 *
 * Trust: everything in the package is hostile. It lies in flash that the normal world can write,
 * and the table of contents carries no signature; only the images that it points at are verified,
 * after they have been copied. So each offset and size is checked against the slot, the table is
 * bounded, and an ambiguous package (two entries with one UUID) is refused rather than guessed at.
 * No function writes, allocates or keeps state.
 *
 * Format: TF-A documentation, "Firmware Image Package (FIP)", and
 * include/tools_share/firmware_image_package.h.
 */
#ifndef KAPU_FIP_H
#define KAPU_FIP_H

#include <kapu/bytes.h>

#define FIP_UUID_SIZE 16U
/* Entries that a package may have, the end marker not counted. kapu's packages have 13. */
#define FIP_MAX_ENTRIES 32U

/* A package whose table of contents has been checked. `img` is borrowed from the caller. */
struct fip {
    struct bytes img;
    size_t entries;
};

/*
 * Check the table of contents of the package at the start of `slot` (the whole slot, in bytes).
 * 0, or KAPU_EINVAL (not a package, or a malformed table) or KAPU_ERANGE (an entry points outside
 * the slot or into the table).
 */
KAPU_MUST_CHECK int fip_open(struct fip *fip, struct bytes slot);

/*
 * Find an image by its UUID, 16 bytes in the order in which they stand in the package.
 * `out` then lies inside the slot. 0, or KAPU_ENOENT.
 */
KAPU_MUST_CHECK int fip_find(const struct fip *fip, const uint8_t uuid[FIP_UUID_SIZE],
                             struct bytes *out);

#endif
