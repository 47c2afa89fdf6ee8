// SPDX-License-Identifier: Apache-2.0
#include <kapu/verity.h>

#include <string.h>

#define HASHES (VERITY_BLOCK / VERITY_HASH) /* of a block */

static uint64_t blocks_of(uint64_t hashes)
{
    return (hashes + HASHES - 1) / HASHES;
}

/* Blocks of each level, from the hashes of data blocks to the top; how many levels: none for one
 * data block, whose hash is the root. */
static size_t shape(uint64_t blocks, uint64_t count[VERITY_LEVELS])
{
    size_t n = 0;

    while (blocks > 1 && n < VERITY_LEVELS) {
        blocks = blocks_of(blocks);
        count[n++] = blocks;
    }
    return n;
}

uint64_t verity_tree_blocks(uint64_t blocks)
{
    uint64_t count[VERITY_LEVELS], total = 0;

    if (blocks == 0 || blocks > VERITY_BLOCKS_MAX)
        return 0;
    for (size_t n = shape(blocks, count); n > 0; n--)
        total += count[n - 1];
    return total;
}

int verity_begin(struct verity *v, const struct kapu_sha256 *sha, const uint8_t salt[VERITY_SALT],
                 uint64_t blocks,
                 int (*put)(void *ctx, uint64_t number, const uint8_t block[VERITY_BLOCK]),
                 void *ctx)
{
    uint64_t count[VERITY_LEVELS], at = blocks, hashes = blocks;

    if (blocks == 0 || blocks > VERITY_BLOCKS_MAX)
        return KAPU_EARG;
    memset(v, 0, sizeof(*v));
    v->sha = sha;
    memcpy(v->salt, salt, sizeof(v->salt));
    v->put = put;
    v->ctx = ctx;
    v->left = blocks;
    v->levels = shape(blocks, count);
    for (size_t n = v->levels; n > 0; n--) {
        v->level[n - 1].at = at;
        at += count[n - 1];
    }
    for (size_t n = 0; n < v->levels; n++) {
        v->level[n].left = hashes;
        hashes = count[n];
    }
    return 0;
}

static int hash(const struct verity *v, const uint8_t block[VERITY_BLOCK], uint8_t out[VERITY_HASH])
{
    const struct bytes parts[] = {BYTES_OF(v->salt), {block, VERITY_BLOCK}};

    return v->sha->hash(v->sha->ctx, parts, 2, out) == 0 ? 0 : KAPU_ECRYPTO;
}

/* A block's hash goes into the level above it; a block of hashes that is full, or the last of its
 * level, is put and does the same. */
static int add(struct verity *v, const uint8_t block[VERITY_BLOCK])
{
    uint8_t digest[VERITY_HASH];
    int err = hash(v, block, digest);

    v->left--;
    for (size_t n = 0; err == 0 && n < v->levels; n++) {
        struct verity_level *l = &v->level[n];

        memcpy(l->block + l->used, digest, sizeof(digest));
        l->used += sizeof(digest);
        l->left--;
        if (l->used < VERITY_BLOCK && l->left > 0)
            return 0;
        memset(l->block + l->used, 0, VERITY_BLOCK - l->used);
        l->used = 0;
        err = hash(v, l->block, digest);
        if (err == 0 && v->put != NULL)
            err = v->put(v->ctx, l->at, l->block);
        l->at++;
    }
    memcpy(v->root, digest, sizeof(digest));
    return err;
}

int verity_add(struct verity *v, const uint8_t block[VERITY_BLOCK])
{
    if (v->err == 0)
        v->err = v->left > 0 ? add(v, block) : KAPU_EARG;
    return v->err;
}

int verity_end(struct verity *v, uint8_t root[VERITY_HASH])
{
    if (v->err == 0 && v->left > 0)
        v->err = KAPU_ERANGE;
    if (v->err == 0)
        memcpy(root, v->root, VERITY_HASH);
    return v->err;
}
