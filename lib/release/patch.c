// SPDX-License-Identifier: Apache-2.0
/* The index of a patch. */
#include "internal.h"

#include <string.h>

enum { FROM = 1, WINDOW = 2, PREFIX = 3, TABLE = 4, ITEMS = 5 };
#define ROW 12u /* number, window, end */

static const uint8_t *row_of(const struct release_patch *p, uint32_t i)
{
    return p->table.p + (size_t)i * ROW;
}

/* Frames in ascending order without gaps, none of them empty. */
static bool fits(const struct release_patch *p)
{
    uint32_t end = 0;

    if (p->frames == 0 || p->frames > RELEASE_PATCH_FRAMES_MAX ||
        p->table.n != (size_t)p->frames * ROW || p->prefix > RELEASE_PREFIX_MAX ||
        p->prefix % RELEASE_BLOCK != 0 || p->window > RELEASE_PREFIX_MAX / RELEASE_BLOCK)
        return false;
    for (uint32_t i = 0; i < p->frames; i++) {
        const uint8_t *row = row_of(p, i);

        if ((i > 0 && be32(row) <= be32(row - ROW)) || be32(row) >= RELEASE_BLOCKS_MAX ||
            be32(row + 4) >= RELEASE_BLOCKS_MAX || be32(row + 8) <= end ||
            be32(row + 8) >= RELEASE_SIZE_MAX)
            return false;
        end = be32(row + 8);
    }
    return true;
}

int release_patch_find(const struct release_patch *p, uint32_t number,
                       struct release_patch_frame *f)
{
    uint32_t low = 0, high = p->frames;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (be32(row_of(p, middle)) < number)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == p->frames || be32(row_of(p, low)) != number)
        return KAPU_ENOENT;
    f->number = number;
    f->window = be32(row_of(p, low) + 4);
    f->at = low == 0 ? 0 : be32(row_of(p, low - 1) + 8);
    f->n = be32(row_of(p, low) + 8) - f->at;
    return 0;
}

int release_patch_encode(const struct release_patch *p, struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    if (!fits(p)) {
        enc_fail(&e, KAPU_EARG);
        return enc_end(&e);
    }
    put_head(&e);
    put_bytes(&e, FROM, BYTES_OF(p->from));
    QCBOREncode_AddUInt64ToMapN(&e.q, WINDOW, p->window);
    QCBOREncode_AddUInt64ToMapN(&e.q, PREFIX, p->prefix);
    put_bytes(&e, TABLE, p->table);
    QCBOREncode_CloseMap(&e.q);
    return enc_end(&e);
}

/* Head of a CBOR item (RFC 8949, 3) of a major type: its number or length. */
static uint32_t head_of(struct rd *r, uint8_t major)
{
    const uint8_t first = rd_u8(r), more = first & 31u;

    if (first >> 5 != major || more > 26)
        rd_fail(r, KAPU_EINVAL);
    switch (more) {
    case 24:
        return rd_u8(r);
    case 25:
        return rd_be16(r);
    case 26:
        return rd_be32(r);
    default:
        return more;
    }
}

int release_patch_size(const uint8_t head[RELEASE_PATCH_HEAD], size_t *n)
{
    enum { UINT = 0, BSTR = 2, MAP = 5 };
    struct rd r;
    uint32_t table;

    rd_init(&r, (struct bytes){head, RELEASE_PATCH_HEAD});
    if (head_of(&r, MAP) != ITEMS)
        rd_fail(&r, KAPU_EINVAL);
    (void)rd_bytes(&r, 3); /* version; label of the next */
    (void)rd_bytes(&r, head_of(&r, BSTR));
    (void)head_of(&r, UINT); /* label, value */
    (void)head_of(&r, UINT);
    (void)head_of(&r, UINT);
    (void)head_of(&r, UINT);
    (void)head_of(&r, UINT); /* label of the table */
    table = head_of(&r, BSTR);
    if (r.err != 0 || table > RELEASE_PATCH_FRAMES_MAX * ROW)
        return KAPU_EINVAL;
    *n = r.at + table;
    return *n < RELEASE_PATCH_HEAD ? KAPU_EINVAL : 0;
}

int release_patch_decode(struct bytes in, struct release_patch *p)
{
    struct dec d;
    size_t n;

    memset(p, 0, sizeof(*p));
    /* Who fetches it has its size from there. Tags, and longer encodings, would be another one. */
    if (in.n < RELEASE_PATCH_HEAD || release_patch_size(in.p, &n) != 0 || n != in.n)
        return KAPU_EINVAL;
    dec_begin(&d, in);
    (void)get_head(&d, ITEMS);
    dec_fixed(&d, FROM, p->from, sizeof(p->from));
    p->window = (uint32_t)dec_uint(&d, WINDOW, RELEASE_PREFIX_MAX / RELEASE_BLOCK);
    p->prefix = (uint32_t)dec_uint(&d, PREFIX, RELEASE_PREFIX_MAX);
    p->table = dec_bytes(&d, TABLE, (size_t)RELEASE_PATCH_FRAMES_MAX * ROW);
    if (dec_end(&d) != 0)
        return d.err;
    p->frames = (uint32_t)(p->table.n / ROW);
    return fits(p) ? 0 : KAPU_EINVAL;
}
