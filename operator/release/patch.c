// SPDX-License-Identifier: Apache-2.0
#include "patch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kapu/install.h>
#include <kapu/install_code.h>

#include "crypto_openssl.h"
#include "frame.h"
#include "output.h"

#define SHA (&crypto_openssl.sha256)
#define FRAME_BLOCKS PAYLOAD_FRAME_BLOCKS
#define FRAME ((size_t)FRAME_BLOCKS * RELEASE_BLOCK)
/* As measured (docs/update.md): 1 MiB of the other release on each side of a frame's place in it.
 */
#define SIDE_BLOCKS 256u
#define WINDOW_BLOCKS (2u * SIDE_BLOCKS + FRAME_BLOCKS)
#define PREFIX ((size_t)256 << 10)
#define PREFIX_MAX ((size_t)WINDOW_BLOCKS * RELEASE_BLOCK + PREFIX)
#define WINDOW_LOG 22 /* of prefix and frame */
#define ROW 12u
#define SAY(...) (snprintf(why, PACKAGE_WHY, __VA_ARGS__), -1)

struct maker {
    const struct content *from, *to;
    struct release_index x; /* hashes of `to` */
    struct install in;      /* says which block of `from` each block of `to` is */
    struct install_block *blocks;
    uint8_t *hashes, *prefix, *frame, *table;
    size_t frame_n;
    ZSTD_CCtx *zstd;
};

static uint32_t blocks_of(const struct content *c)
{
    return (uint32_t)(c->n / RELEASE_BLOCK);
}

static int open_memory(struct maker *m, char why[PACKAGE_WHY])
{
    const uint32_t blocks = blocks_of(m->to), frames = (blocks + FRAME_BLOCKS - 1) / FRAME_BLOCKS;

    m->x = (struct release_index){.blocks = blocks, .frame_blocks = FRAME_BLOCKS};
    m->frame_n = ZSTD_compressBound(FRAME);
    m->zstd = ZSTD_createCCtx();
    m->blocks = malloc(INSTALL_MEMORY(blocks));
    m->hashes = malloc((size_t)blocks * RELEASE_BLOCK_HASH);
    m->prefix = malloc(PREFIX_MAX);
    m->frame = malloc(m->frame_n);
    m->table = calloc(frames, ROW);
    m->x.hashes = (struct bytes){m->hashes, (size_t)blocks * RELEASE_BLOCK_HASH};
    m->x.ends = (struct bytes){m->table, (size_t)frames * 4}; /* no frames to fetch: all zeros */
    return m->zstd != NULL && m->blocks != NULL && m->hashes != NULL && m->prefix != NULL &&
                   m->frame != NULL && m->table != NULL
               ? 0
               : SAY("no memory");
}

static void close_maker(struct maker *m)
{
    ZSTD_freeCCtx(m->zstd);
    free(m->blocks);
    free(m->hashes);
    free(m->prefix);
    free(m->frame);
    free(m->table);
}

static int find_blocks(struct maker *m, char why[PACKAGE_WHY])
{
    static const struct install_port nobody;
    int err = 0;

    for (uint32_t i = 0; err == 0 && i < m->x.blocks; i++) {
        const struct bytes block = {m->to->p + (size_t)i * RELEASE_BLOCK, RELEASE_BLOCK};
        uint8_t digest[32];

        err = SHA->hash(SHA->ctx, &block, 1, digest);
        memcpy(m->hashes + (size_t)i * RELEASE_BLOCK_HASH, digest, RELEASE_BLOCK_HASH);
    }
    if (err == 0)
        err = install_begin(&m->in, SHA, &m->x, NULL, &nobody, m->blocks, NULL, NULL, NULL);
    for (uint32_t i = 0; err == 0 && i < blocks_of(m->from); i++)
        err = install_offer(&m->in, i, m->from->p + (size_t)i * RELEASE_BLOCK);
    return err == 0 ? 0 : SAY("the blocks of the two releases cannot be compared");
}

/* How far what is at a block has moved, by the last block before it that both releases have. */
static int64_t moved(const struct maker *m, uint32_t first)
{
    const bool firmware = first >= m->to->root_blocks;
    const uint32_t begin = firmware ? m->to->root_blocks : 0;

    for (uint32_t i = first; i > begin; i--) {
        if (m->blocks[i - 1].from != 0)
            return (int64_t)m->blocks[i - 1].from - 1 - (i - 1);
    }
    return firmware ? (int64_t)m->from->root_blocks - m->to->root_blocks : 0;
}

static uint32_t window_of(const struct maker *m, uint32_t first)
{
    const int64_t at = (int64_t)first + moved(m, first) - SIDE_BLOCKS,
                  most = blocks_of(m->from) - 1;

    return (uint32_t)(at < 0 ? 0 : (at > most ? most : at));
}

static size_t fill_prefix(struct maker *m, uint32_t window, size_t at)
{
    const uint32_t left = blocks_of(m->from) - window;
    const size_t n = (size_t)(left < WINDOW_BLOCKS ? left : WINDOW_BLOCKS) * RELEASE_BLOCK;
    const size_t before = at < PREFIX ? at : PREFIX;

    memcpy(m->prefix, m->from->p + (size_t)window * RELEASE_BLOCK, n);
    memcpy(m->prefix + n, m->to->p + at - before, before);
    return n + before;
}

static size_t compress_frame(struct maker *m, int level, uint32_t window, size_t at, size_t n)
{
    const size_t prefix = fill_prefix(m, window, at);

    return frame_compress(m->zstd, level, WINDOW_LOG, (struct bytes){m->prefix, prefix},
                          (struct bytes){m->to->p + at, n}, m->frame, m->frame_n);
}

static bool lacks(const struct maker *m, uint32_t first)
{
    for (uint32_t i = first; i < first + FRAME_BLOCKS && i < m->x.blocks; i++) {
        if (m->blocks[i].from == 0)
            return true;
    }
    return false;
}

/* A row of the table is written behind those before it. */
static int compress_all(struct maker *m, struct output *out, const struct payload_options *o,
                        struct patch_made *made, char why[PACKAGE_WHY])
{
    const uint32_t frames = (m->x.blocks + FRAME_BLOCKS - 1) / FRAME_BLOCKS;
    struct wr table;

    memset(made, 0, sizeof(*made));
    wr_init(&table, m->table, (size_t)frames * ROW);
    for (uint32_t i = 0; i < frames; i++) {
        const size_t at = (size_t)i * FRAME, left = m->to->n - at;
        uint32_t window;
        size_t n;

        if (o->told != NULL)
            o->told(o->ctx, (i + 1) * 100 / frames);
        if (!lacks(m, i * FRAME_BLOCKS))
            continue;
        window = window_of(m, i * FRAME_BLOCKS);
        n = compress_frame(m, o->level, window, at, left < FRAME ? left : FRAME);
        if (ZSTD_isError(n))
            return SAY("compression: %s", ZSTD_getErrorName(n));
        if (output_write(out, m->frame, n, why) != 0)
            return -1;
        made->frames++;
        made->bytes += n;
        wr_be32(&table, i);
        wr_be32(&table, window);
        wr_be32(&table, (uint32_t)made->bytes);
    }
    return 0;
}

static int write_index(const struct maker *m, const uint8_t identity[RELEASE_DIGEST_SIZE],
                       uint32_t frames, const char *path, const uint8_t *key, char why[PACKAGE_WHY])
{
    struct release_patch p = {.window = WINDOW_BLOCKS,
                              .prefix = PREFIX,
                              .frames = frames,
                              .table = {m->table, (size_t)frames * ROW}};
    const size_t room = p.table.n + 64;
    uint8_t *buf = malloc(room);
    struct output out = {0};
    struct wr w;
    int err;

    if (buf == NULL)
        return SAY("no memory");
    memcpy(p.from, identity, sizeof(p.from));
    wr_init(&w, buf, room);
    err = release_patch_encode(&p, &w) == 0 ? 0 : SAY("the index of the patch cannot be encoded");
    if (err == 0)
        err = output_open(&out, path, why);
    if (err == 0)
        err = output_encrypt(&out, key, why);
    if (err == 0)
        err = output_write(&out, buf, w.at, why);
    err = output_close(&out, err, why);
    free(buf);
    return err;
}

int patch_make(const uint8_t identity[RELEASE_DIGEST_SIZE], struct content *from,
               struct content *to, const char *patch_path, const char *index_path,
               const struct payload_options *o, struct patch_made *made, char why[PACKAGE_WHY])
{
    struct maker m = {.from = from, .to = to};
    struct output out = {0};
    int err = open_memory(&m, why);

    if (err == 0)
        err = find_blocks(&m, why);
    if (err == 0 && install_lacking(&m.in) == 0)
        err = KAPU_ENOENT;
    install_code_absolute(from->p, from->n, 0);
    install_code_absolute(to->p, to->n, 0);
    if (err == 0)
        err = output_open(&out, patch_path, why);
    if (err == 0)
        err = output_encrypt(&out, o->key, why);
    if (err == 0)
        err = compress_all(&m, &out, o, made, why);
    err = output_close(&out, err, why);
    if (err == 0)
        err = write_index(&m, identity, made->frames, index_path, o->key, why);
    close_maker(&m);
    return err;
}
