/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two slots of a gateway, as the content of a release (kapu/release.h): the blocks of the root
 * image's file system, then those of the firmware package. The slot that runs is read only. Of the
 * other one the hash tree of dm-verity is written too, where the file system ends, and all is read
 * back and held against the manifest.
 *
 * The disk holds back what is written until it is synced. This is done whenever the writing leaves
 * a stretch as long as a sector of the flash, so that a power cut loses of the root image no more
 * than of the firmware package (flash.h); never both, as the one is synced before the other begins.
 * slot_other_reach tells as soon as a stretch is done, before more is fetched.
 *
 * Errors: 0 or KAPU_E*; of the other slot's media, struct slot_other.failed has them too, so that a
 * caller knows whose they are.
 */
#ifndef KAPU_UPDATE_SLOT_H
#define KAPU_UPDATE_SLOT_H

#include <kapu/release.h>
#include <kapu/verity.h>

#include "disk.h"
#include "flash.h"

/* ---- the slot that runs ---- */

struct slot_running {
    struct disk_port root;
    struct flash_port firmware;
    uint32_t root_blocks;   /* the rest are firmware's */
    uint64_t firmware_size; /* bytes; the last block is filled up with zeros */
};

/* `m`: the release that runs, or NULL when nobody knows: then all of both. */
void slot_running_begin(struct slot_running *s, const struct disk_port *root,
                        const struct flash_port *firmware, const struct release_manifest *m);
uint32_t slot_running_blocks(const struct slot_running *s);
/* KAPU_ENOENT: there are fewer. */
KAPU_MUST_CHECK int slot_running_block(const struct slot_running *s, uint32_t number,
                                       uint8_t block[RELEASE_BLOCK]);

/* ---- the other slot ---- */

enum slot_part { SLOT_ROOT, SLOT_FIRMWARE };

struct slot_other {
    const struct release_manifest *m;
    struct disk_port root;
    struct flash flash;
    uint64_t stretch; /* of the root image, that is being written */
    int failed;       /* the first error of a medium, and of which */
    enum slot_part failing;
    struct verity verity;
};

/* `sector`: FLASH_SECTOR_MAX bytes. KAPU_ESPACE: `failing` says which part of the release is larger
 * than its place. KAPU_EARG: no such flash. */
KAPU_MUST_CHECK int slot_other_begin(struct slot_other *s, const struct disk_port *root,
                                     const struct flash_port *firmware,
                                     const struct release_manifest *m, uint8_t *sector);
/* n bytes of the content, from a block's beginning. */
KAPU_MUST_CHECK int slot_other_read(struct slot_other *s, uint64_t at, uint8_t *to, size_t n);
KAPU_MUST_CHECK int slot_other_write(struct slot_other *s, uint64_t at, const uint8_t *from,
                                     size_t n);

/* All before this offset of the content is written, as far as it was lacking. */
KAPU_MUST_CHECK int slot_other_reach(struct slot_other *s, uint64_t at);

/*
 * After the last block: writes the hash tree, makes all of it lasting, and reads it back.
 * KAPU_EAUTH: `failing` says which part is not what the manifest names. KAPU_ECRYPTO.
 * KAPU_ETIMEOUT: `goes_on`, which is asked again and again, said no.
 */
KAPU_MUST_CHECK int slot_other_finish(struct slot_other *s, const struct kapu_sha256 *sha,
                                      bool (*goes_on)(void *ctx), void *ctx);

#endif
