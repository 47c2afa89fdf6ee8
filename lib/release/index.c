// SPDX-License-Identifier: Apache-2.0
/* The index of a payload. */
#include "internal.h"

enum { FRAME_BLOCKS = 1, PREFIX = 2, HASHES = 3, ENDS = 4, ITEMS = 5 };
#define END_SIZE 4u

static uint32_t blocks_of(uint64_t bytes)
{
    return (uint32_t)((bytes + RELEASE_BLOCK - 1) / RELEASE_BLOCK);
}

uint32_t release_content_blocks(const struct release_manifest *m)
{
    return blocks_of(m->root.size) + blocks_of(m->firmware.size);
}

uint32_t release_frames(const struct release_index *x)
{
    return (x->blocks + x->frame_blocks - 1) / x->frame_blocks;
}

int release_frame(const struct release_index *x, uint32_t number, uint32_t *at, uint32_t *n)
{
    uint32_t end;

    if (number >= release_frames(x))
        return KAPU_EARG;
    end = be32(x->ends.p + (size_t)number * END_SIZE);
    *at = number == 0 ? 0 : be32(x->ends.p + (size_t)(number - 1) * END_SIZE);
    *n = end - *at;
    return 0;
}

/* Sizes that fit each other, and frames that follow each other, none of them empty. */
static bool fits(const struct release_index *x)
{
    uint32_t before = 0;

    if (x->blocks == 0 || x->blocks > RELEASE_BLOCKS_MAX || x->frame_blocks == 0 ||
        x->frame_blocks > RELEASE_FRAME_BLOCKS_MAX || x->prefix > RELEASE_PREFIX_MAX ||
        x->prefix % RELEASE_BLOCK != 0 || x->hashes.n != (size_t)x->blocks * RELEASE_BLOCK_HASH ||
        x->ends.n != (size_t)release_frames(x) * END_SIZE)
        return false;
    for (size_t i = 0; i < x->ends.n; i += END_SIZE) {
        uint32_t end = be32(x->ends.p + i);

        if (end <= before || end >= RELEASE_SIZE_MAX)
            return false;
        before = end;
    }
    return true;
}

int release_index_encode(const struct release_index *x, struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    if (!fits(x)) {
        enc_fail(&e, KAPU_EARG);
        return enc_end(&e);
    }
    put_head(&e);
    QCBOREncode_AddUInt64ToMapN(&e.q, FRAME_BLOCKS, x->frame_blocks);
    QCBOREncode_AddUInt64ToMapN(&e.q, PREFIX, x->prefix);
    put_bytes(&e, HASHES, x->hashes);
    put_bytes(&e, ENDS, x->ends);
    QCBOREncode_CloseMap(&e.q);
    return enc_end(&e);
}

int release_index_decode(struct bytes in, struct release_index *x)
{
    struct dec d;

    *x = (struct release_index){0};
    dec_begin(&d, in);
    (void)get_head(&d, ITEMS);
    x->frame_blocks = (uint32_t)dec_uint(&d, FRAME_BLOCKS, RELEASE_FRAME_BLOCKS_MAX);
    x->prefix = (uint32_t)dec_uint(&d, PREFIX, RELEASE_PREFIX_MAX);
    x->hashes = dec_bytes(&d, HASHES, (size_t)RELEASE_BLOCKS_MAX * RELEASE_BLOCK_HASH);
    x->ends = dec_bytes(&d, ENDS, (size_t)RELEASE_BLOCKS_MAX * END_SIZE);
    if (dec_end(&d) != 0)
        return d.err;
    x->blocks = (uint32_t)(x->hashes.n / RELEASE_BLOCK_HASH);
    return fits(x) ? 0 : KAPU_EINVAL;
}
