// SPDX-License-Identifier: Apache-2.0
#include "payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kapu/install_code.h>

#include "content.h"
#include "crypto_openssl.h"
#include "frame.h"
#include "output.h"

#define SHA (&crypto_openssl.sha256)
#define FRAME_BLOCKS PAYLOAD_FRAME_BLOCKS
#define FRAME ((size_t)FRAME_BLOCKS * RELEASE_BLOCK)
#define PREFIX ((size_t)1 << 20)
#define WINDOW_LOG 21 /* of prefix and frame */
#define SAY(...) (snprintf(why, PACKAGE_WHY, __VA_ARGS__), -1)

/* ---- making ---- */

struct maker {
    struct content content;
    ZSTD_CCtx *zstd;
    uint8_t *frame, *hashes, *ends, *index;
    size_t frame_n, index_n;
    struct release_index x;
};

static int maker_open(struct maker *m, char why[PACKAGE_WHY])
{
    m->x = (struct release_index){.blocks = (uint32_t)(m->content.n / RELEASE_BLOCK),
                                  .frame_blocks = FRAME_BLOCKS,
                                  .prefix = PREFIX};
    m->frame_n = ZSTD_compressBound(FRAME);
    m->x.hashes.n = (size_t)m->x.blocks * RELEASE_BLOCK_HASH;
    m->x.ends.n = (size_t)release_frames(&m->x) * 4;
    m->index_n = m->x.hashes.n + m->x.ends.n + 64;
    m->zstd = ZSTD_createCCtx();
    m->frame = malloc(m->frame_n);
    m->hashes = malloc(m->x.hashes.n);
    m->ends = malloc(m->x.ends.n);
    m->index = malloc(m->index_n);
    m->x.hashes.p = m->hashes;
    m->x.ends.p = m->ends;
    return m->zstd != NULL && m->frame != NULL && m->hashes != NULL && m->ends != NULL &&
                   m->index != NULL
               ? 0
               : SAY("no memory");
}

static void maker_close(struct maker *m)
{
    ZSTD_freeCCtx(m->zstd);
    free(m->content.p);
    free(m->frame);
    free(m->hashes);
    free(m->ends);
    free(m->index);
}

static int hash_blocks(struct maker *m, char why[PACKAGE_WHY])
{
    for (uint32_t i = 0; i < m->x.blocks; i++) {
        const struct bytes block = {m->content.p + (size_t)i * RELEASE_BLOCK, RELEASE_BLOCK};
        uint8_t digest[32];

        if (SHA->hash(SHA->ctx, &block, 1, digest) != 0)
            return SAY("SHA-256 failed");
        memcpy(m->hashes + (size_t)i * RELEASE_BLOCK_HASH, digest, RELEASE_BLOCK_HASH);
    }
    return 0;
}

static size_t compress_frame(struct maker *m, int level, size_t at, size_t n)
{
    const size_t before = at < PREFIX ? at : PREFIX;

    return frame_compress(m->zstd, level, WINDOW_LOG,
                          (struct bytes){m->content.p + at - before, before},
                          (struct bytes){m->content.p + at, n}, m->frame, m->frame_n);
}

static int compress_all(struct maker *m, struct output *out, const struct payload_options *o,
                        char why[PACKAGE_WHY])
{
    const uint32_t frames = release_frames(&m->x);
    struct wr ends;

    wr_init(&ends, m->ends, m->x.ends.n);
    for (uint32_t i = 0, total = 0; i < frames; i++) {
        const size_t at = (size_t)i * FRAME, left = m->content.n - at;
        const size_t n = compress_frame(m, o->level, at, left < FRAME ? left : FRAME);

        if (ZSTD_isError(n))
            return SAY("compression: %s", ZSTD_getErrorName(n));
        if (output_write(out, m->frame, n, why) != 0)
            return -1;
        total += (uint32_t)n;
        wr_be32(&ends, total);
        if (o->told != NULL)
            o->told(o->ctx, (i + 1) * 100 / frames);
    }
    return 0;
}

static int write_index(struct maker *m, const char *path, const uint8_t *key,
                       struct release_file *index, char why[PACKAGE_WHY])
{
    struct output out = {0};
    struct bytes done;
    struct wr w;
    int err;

    wr_init(&w, m->index, m->index_n);
    if (release_index_encode(&m->x, &w) != 0)
        return SAY("the index cannot be encoded");
    done = wr_done(&w);
    index->size = done.n;
    if (SHA->hash(SHA->ctx, &done, 1, index->sha256) != 0)
        return SAY("SHA-256 failed");
    err = output_open(&out, path, why);
    if (err == 0)
        err = output_encrypt(&out, key, why);
    if (err == 0)
        err = output_write(&out, done.p, done.n, why);
    return output_close(&out, err, why);
}

int payload_make(const struct package *p, const char *firmware, const char *root,
                 const char *payload_path, const char *index_path, struct release_file *index,
                 const struct payload_options *o, char why[PACKAGE_WHY])
{
    struct output out = {0};
    struct maker m = {0};
    int err = content_read(&m.content, p, firmware, root, why);

    if (err == 0)
        err = maker_open(&m, why);
    if (err == 0)
        err = hash_blocks(&m, why);
    if (err == 0)
        install_code_absolute(m.content.p, m.content.n, 0);
    if (err == 0)
        err = output_open(&out, payload_path, why);
    if (err == 0)
        err = output_encrypt(&out, o->key, why);
    if (err == 0)
        err = compress_all(&m, &out, o, why);
    err = output_close(&out, err, why);
    if (err == 0)
        err = write_index(&m, index_path, o->key, index, why);
    maker_close(&m);
    return err;
}
