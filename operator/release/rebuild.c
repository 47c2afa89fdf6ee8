// SPDX-License-Identifier: Apache-2.0
#include "rebuild.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kapu/verity.h>
#include <zstd.h>

#include "crypto_openssl.h"
#include "mapped.h"

#define SHA (&crypto_openssl.sha256)
#define INDEX_MAX (64u << 20)
#define SAY(...) (snprintf(why, PACKAGE_WHY, __VA_ARGS__), -1)

struct work {
    struct mapped index, payload, have_firmware, have_root;
    struct release_index x;
    ZSTD_DCtx *zstd;
    uint8_t *content, *frame, *packed, *prefix;
    struct install_block *blocks;
    uint32_t root_blocks; /* of what the gateway has, as whole blocks */
    struct install in;
};

/* ---- the port ---- */

/* Of the root image all blocks, then those of the firmware package, the last one filled up. */
static int have(void *ctx, uint32_t number, uint8_t block[RELEASE_BLOCK])
{
    const struct work *w = ctx;
    const struct mapped *m = number < w->root_blocks ? &w->have_root : &w->have_firmware;
    const size_t at =
        (size_t)(number < w->root_blocks ? number : number - w->root_blocks) * RELEASE_BLOCK;
    const size_t n = m->n - at < RELEASE_BLOCK ? m->n - at : RELEASE_BLOCK;

    memset(block, 0, RELEASE_BLOCK);
    memcpy(block, m->p + at, n);
    return 0;
}

static int read_target(void *ctx, uint64_t at, uint8_t *to, size_t n)
{
    const struct work *w = ctx;

    memcpy(to, w->content + at, n);
    return 0;
}

static int write_target(void *ctx, uint64_t at, const uint8_t *from, size_t n)
{
    const struct work *w = ctx;

    memcpy(w->content + at, from, n);
    return 0;
}

static int fetch(void *ctx, uint32_t at, uint8_t *to, uint32_t n)
{
    const struct work *w = ctx;

    if (at > w->payload.n || n > w->payload.n - at)
        return KAPU_EIO;
    memcpy(to, w->payload.p + at, n);
    return 0;
}

static int unpack(void *ctx, struct bytes prefix, struct bytes frame, uint8_t *to, size_t n)
{
    const struct work *w = ctx;
    size_t got;

    if (ZSTD_isError(ZSTD_DCtx_refPrefix(w->zstd, prefix.p, prefix.n)))
        return KAPU_EIO;
    got = ZSTD_decompressDCtx(w->zstd, to, n, frame.p, frame.n);
    return ZSTD_isError(got) || got != n ? KAPU_EINVAL : 0;
}

/* ---- opening ---- */

static int open_index(struct work *w, const struct release_manifest *m, const struct rebuild *r,
                      char why[PACKAGE_WHY])
{
    struct bytes file;
    uint8_t digest[32];

    if (mapped_open(r->index, INDEX_MAX, &w->index, why) != 0)
        return -1;
    file = (struct bytes){w->index.p, w->index.n};
    if (SHA->hash(SHA->ctx, &file, 1, digest) != 0)
        return SAY("SHA-256 failed");
    if (file.n != m->index.size || memcmp(digest, m->index.sha256, sizeof(digest)) != 0)
        return SAY("%s: is not the index of this release", r->index);
    if (release_index_decode(file, &w->x) != 0 || w->x.blocks != release_content_blocks(m))
        return SAY("%s: is no index, or not of a content of that size", r->index);
    return mapped_open(r->payload, RELEASE_SIZE_MAX - 1, &w->payload, why);
}

static int open_have(struct work *w, const struct rebuild *r, char why[PACKAGE_WHY])
{
    if (r->have_root == NULL)
        return 0;
    if (mapped_open(r->have_root, RELEASE_SIZE_MAX - 1, &w->have_root, why) != 0 ||
        mapped_open(r->have_firmware, RELEASE_SIZE_MAX - 1, &w->have_firmware, why) != 0)
        return -1;
    w->root_blocks = (uint32_t)(w->have_root.n / RELEASE_BLOCK);
    return w->have_root.n % RELEASE_BLOCK == 0
               ? 0
               : SAY("%s: is no root image: it has no whole blocks", r->have_root);
}

static int open_memory(struct work *w, char why[PACKAGE_WHY])
{
    const size_t frame = (size_t)w->x.frame_blocks * RELEASE_BLOCK;

    w->zstd = ZSTD_createDCtx();
    w->content = calloc(w->x.blocks, RELEASE_BLOCK);
    w->frame = malloc(frame);
    w->packed = malloc(2 * frame);
    w->prefix = malloc((size_t)w->x.prefix + 1);
    w->blocks = malloc(INSTALL_MEMORY(w->x.blocks));
    return w->zstd != NULL && w->content != NULL && w->frame != NULL && w->packed != NULL &&
                   w->prefix != NULL && w->blocks != NULL
               ? 0
               : SAY("no memory");
}

static void close_work(struct work *w)
{
    mapped_close(&w->index);
    mapped_close(&w->payload);
    mapped_close(&w->have_firmware);
    mapped_close(&w->have_root);
    ZSTD_freeDCtx(w->zstd);
    free(w->content);
    free(w->frame);
    free(w->packed);
    free(w->prefix);
    free(w->blocks);
}

/* ---- rebuilding ---- */

static int offer_all(struct work *w)
{
    const size_t firmware_blocks = (w->have_firmware.n + RELEASE_BLOCK - 1) / RELEASE_BLOCK;
    const uint32_t all = w->root_blocks + (uint32_t)firmware_blocks;
    uint8_t block[RELEASE_BLOCK];
    int err = 0;

    for (uint32_t i = 0; err == 0 && i < all; i++) {
        err = have(w, i, block);
        if (err == 0)
            err = install_offer(&w->in, i, block);
    }
    return err;
}

static int install_all(struct work *w, const struct rebuild *r, char why[PACKAGE_WHY])
{
    const struct install_port port = {.ctx = w,
                                      .have = have,
                                      .read = read_target,
                                      .write = write_target,
                                      .fetch = fetch,
                                      .unpack = unpack};
    int err = install_begin(&w->in, SHA, &w->x, &port, w->blocks, w->frame, w->packed, w->prefix);

    if (err == 0)
        err = offer_all(w);
    if (err == 0) {
        do
            err = install_step(&w->in);
        while (err > 0);
    }
    if (err == 0)
        return 0;
    return SAY(err == KAPU_EAUTH ? "%s: frame %u does not give the blocks that the index says"
               : err == KAPU_EIO ? "%s: ends before frame %u"
                                 : "%s: frame %u cannot be used",
               r->payload, w->in.next);
}

static int root_is(const struct work *w, const struct release_manifest *m)
{
    static struct verity tree;
    const uint64_t blocks = m->root.size / RELEASE_BLOCK;
    uint8_t root[VERITY_HASH];
    int err = verity_begin(&tree, SHA, m->root.salt, blocks, NULL, NULL);

    for (uint64_t i = 0; err == 0 && i < blocks; i++)
        err = verity_add(&tree, w->content + i * RELEASE_BLOCK);
    if (err == 0)
        err = verity_end(&tree, root);
    return err == 0 && memcmp(root, m->root.hash, sizeof(root)) == 0;
}

static int firmware_is(const struct work *w, const struct release_manifest *m)
{
    const struct bytes firmware = {w->content + m->root.size, (size_t)m->firmware.size};
    uint8_t digest[32];

    return SHA->hash(SHA->ctx, &firmware, 1, digest) == 0 &&
           memcmp(digest, m->firmware.sha256, sizeof(digest)) == 0;
}

int rebuild_release(const struct release_manifest *m, const struct rebuild *r,
                    struct install_figures *figures, char why[PACKAGE_WHY])
{
    struct work w = {0};
    int err = open_index(&w, m, r, why);

    if (err == 0)
        err = open_have(&w, r, why);
    if (err == 0)
        err = open_memory(&w, why);
    if (err == 0)
        err = install_all(&w, r, why);
    if (err == 0 && !root_is(&w, m))
        err = SAY("%s: gives another root image than the manifest names", r->payload);
    if (err == 0 && !firmware_is(&w, m))
        err = SAY("%s: gives another firmware package than the manifest names", r->payload);
    *figures = w.in.figures;
    close_work(&w);
    return err;
}
