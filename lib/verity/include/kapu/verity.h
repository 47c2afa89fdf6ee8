/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash tree of dm-verity, computed from the blocks of an image as they come: a release says its
 * salt and its root hash, and sends no tree. Format: Linux,
 * Documentation/admin-guide/device-mapper/ verity.rst, hash type 1, SHA-256, blocks of 4,096 bytes
 * for data and hashes, no superblock. The tree follows the data, its top level first:
 *
 *     data blocks | top | ... | hashes of the data blocks
 *
 * Memory: the caller's struct verity, one block for each level. Nothing is allocated.
 */
#ifndef KAPU_VERITY_H
#define KAPU_VERITY_H

#include <kapu/bytes.h>
#include <kapu/sha256.h>

#define VERITY_BLOCK 4096u
#define VERITY_HASH 32u
#define VERITY_SALT 32u
#define VERITY_LEVELS 4u /* of 128 hashes in a block: 2^28 blocks, an image of 1 TiB */
#define VERITY_BLOCKS_MAX (1ull << 28)

/* A level that is being filled. */
struct verity_level {
    uint64_t at;   /* block of the image where its next block goes */
    uint64_t left; /* hashes that it still gets */
    size_t used;   /* bytes of `block` */
    uint8_t block[VERITY_BLOCK];
};

struct verity {
    const struct kapu_sha256 *sha;
    uint8_t salt[VERITY_SALT];
    /* Takes a block of the tree, numbered from the image's beginning: 0, or a negative KAPU_E*,
     * which ends the computation. May be NULL: only the root hash is wanted. */
    int (*put)(void *ctx, uint64_t number, const uint8_t block[VERITY_BLOCK]);
    void *ctx;
    uint64_t left; /* data blocks still to come */
    size_t levels;
    int err;
    uint8_t root[VERITY_HASH];
    struct verity_level level[VERITY_LEVELS]; /* the first is that of the data blocks */
};

/* Blocks of the tree of an image of `blocks` data blocks, 1 to VERITY_BLOCKS_MAX: none for one,
 * whose hash is the root. */
uint64_t verity_tree_blocks(uint64_t blocks);

/* KAPU_EARG: a number of blocks that there is no tree for. */
KAPU_MUST_CHECK int
verity_begin(struct verity *v, const struct kapu_sha256 *sha, const uint8_t salt[VERITY_SALT],
             uint64_t blocks,
             int (*put)(void *ctx, uint64_t number, const uint8_t block[VERITY_BLOCK]), void *ctx);

/* The next data block, from the first to the last. KAPU_EARG: there are no more; KAPU_ECRYPTO; or
 * what `put` said. After an error only that error comes. */
KAPU_MUST_CHECK int verity_add(struct verity *v, const uint8_t block[VERITY_BLOCK]);

/* After the last block. KAPU_ERANGE: blocks are missing; else as verity_add. */
KAPU_MUST_CHECK int verity_end(struct verity *v, uint8_t root[VERITY_HASH]);

#endif
