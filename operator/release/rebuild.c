// SPDX-License-Identifier: Apache-2.0
#include "rebuild.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kapu/verity.h>
#include <zstd.h>

#include "crypto_openssl.h"
#include "part.h"

#define SHA (&crypto_openssl.sha256)
#define INDEX_MAX (64u << 20)
#define SAY(...) (snprintf(why, PACKAGE_WHY, __VA_ARGS__), -1)

struct work {
    struct part index, payload, patch, patch_index;
    struct bytes index_bytes, patch_index_bytes; /* views of these are in x and p */
    const struct content *have;
    struct release_index x;
    struct release_patch p;
    ZSTD_DCtx *zstd;
    uint8_t *content, *frame, *packed, *prefix;
    struct install_block *blocks;
    struct install in;
};

/* ---- the port ---- */

static int have(void *ctx, uint32_t number, uint8_t block[RELEASE_BLOCK])
{
    const struct work *w = ctx;

    if (number >= w->have->n / RELEASE_BLOCK)
        return KAPU_ENOENT;
    memcpy(block, w->have->p + (size_t)number * RELEASE_BLOCK, RELEASE_BLOCK);
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

    return part_read(&w->payload, at, to, n);
}

static int fetch_patch(void *ctx, uint32_t at, uint8_t *to, uint32_t n)
{
    const struct work *w = ctx;

    return part_read(&w->patch, at, to, n) == 0 ? 0 : KAPU_EAUTH; /* a patch may be anything */
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

    if (part_open(r->index, INDEX_MAX, r->key, &w->index, why) != 0)
        return -1;
    file = w->index_bytes = part_read_all(&w->index);
    if (file.p == NULL)
        return SAY("%s: no memory", r->index);
    if (SHA->hash(SHA->ctx, &file, 1, digest) != 0)
        return SAY("SHA-256 failed");
    if (file.n != m->index.size || memcmp(digest, m->index.sha256, sizeof(digest)) != 0)
        return SAY("%s: is not the index of this release", r->index);
    if (release_index_decode(file, &w->x) != 0 || w->x.blocks != release_content_blocks(m))
        return SAY("%s: is no index, or not of a content of that size", r->index);
    return part_open(r->payload, RELEASE_SIZE_MAX - 1, r->key, &w->payload, why);
}

/* One that is not there, or damaged, is as good as none. */
static const struct release_patch *open_patch(struct work *w, const struct rebuild *r)
{
    char why[PACKAGE_WHY];

    if (r->patch == NULL || r->have == NULL ||
        part_open(r->patch_index, INDEX_MAX, r->key, &w->patch_index, why) != 0 ||
        part_open(r->patch, RELEASE_SIZE_MAX - 1, r->key, &w->patch, why) != 0)
        return NULL;
    w->patch_index_bytes = part_read_all(&w->patch_index);
    return w->patch_index_bytes.p != NULL && release_patch_decode(w->patch_index_bytes, &w->p) == 0
               ? &w->p
               : NULL;
}

static int open_memory(struct work *w, const struct release_patch *patch, char why[PACKAGE_WHY])
{
    const size_t frame = (size_t)w->x.frame_blocks * RELEASE_BLOCK;

    w->zstd = ZSTD_createDCtx();
    w->content = calloc(w->x.blocks, RELEASE_BLOCK);
    w->frame = malloc(frame);
    w->packed = malloc(2 * frame);
    w->prefix = malloc(install_prefix(&w->x, patch) + 1);
    w->blocks = malloc(INSTALL_MEMORY(w->x.blocks));
    return w->zstd != NULL && w->content != NULL && w->frame != NULL && w->packed != NULL &&
                   w->prefix != NULL && w->blocks != NULL
               ? 0
               : SAY("no memory");
}

static void close_work(struct work *w)
{
    part_close(&w->index);
    part_close(&w->payload);
    part_close(&w->patch);
    part_close(&w->patch_index);
    free((void *)w->index_bytes.p);
    free((void *)w->patch_index_bytes.p);
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
    const size_t all = w->have != NULL ? w->have->n / RELEASE_BLOCK : 0;
    int err = 0;

    for (uint32_t i = 0; err == 0 && i < all; i++)
        err = install_offer(&w->in, i, w->have->p + (size_t)i * RELEASE_BLOCK);
    return err;
}

static int install_all(struct work *w, const struct rebuild *r, const struct release_patch *patch,
                       char why[PACKAGE_WHY])
{
    const struct install_port port = {.ctx = w,
                                      .have = have,
                                      .read = read_target,
                                      .write = write_target,
                                      .fetch = fetch,
                                      .fetch_patch = fetch_patch,
                                      .unpack = unpack};
    int err =
        install_begin(&w->in, SHA, &w->x, patch, &port, w->blocks, w->frame, w->packed, w->prefix);

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
    uint8_t root[VERITY_HASH] = {0};
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
                    struct install_figures *figures, struct content *content, char why[PACKAGE_WHY])
{
    struct work w = {.have = r->have};
    int err = open_index(&w, m, r, why);
    const struct release_patch *patch = err == 0 ? open_patch(&w, r) : NULL;

    if (err == 0)
        err = open_memory(&w, patch, why);
    if (err == 0)
        err = install_all(&w, r, patch, why);
    if (err == 0 && !root_is(&w, m))
        err = SAY("%s: gives another root image than the manifest names", r->payload);
    if (err == 0 && !firmware_is(&w, m))
        err = SAY("%s: gives another firmware package than the manifest names", r->payload);
    *figures = w.in.figures;
    if (err == 0 && content != NULL) {
        *content = (struct content){.p = w.content,
                                    .n = (size_t)w.x.blocks * RELEASE_BLOCK,
                                    .root_blocks = (uint32_t)(m->root.size / RELEASE_BLOCK)};
        w.content = NULL;
    }
    close_work(&w);
    return err;
}
