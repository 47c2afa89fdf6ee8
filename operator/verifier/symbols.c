// SPDX-License-Identifier: Apache-2.0
#include "symbols.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define SHOWN_MAX 96               /* of a name, in a sentence */
#define PLACE_MAX (SHOWN_MAX + 16) /* with an offset of 32 bits behind it */
#define PIECE 32u                  /* of text, that a profile tells apart */

/* ---- the table ---- */

/* Unsigned LEB128 of at most 32 bits, in no more bytes than it needs. */
static uint32_t get_distance(struct rd *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 35; shift += 7) {
        const uint8_t b = rd_u8(r);

        v |= (uint64_t)(b & 0x7fU) << shift;
        if ((b & 0x80U) != 0)
            continue;
        if ((b == 0 && shift > 0) || v > UINT32_MAX)
            rd_fail(r, KAPU_EINVAL);
        return (uint32_t)v;
    }
    rd_fail(r, KAPU_EINVAL);
    return 0;
}

static void get_offsets(struct rd *r, struct symbols *s)
{
    uint64_t at = 0;

    for (uint32_t i = 0; i < s->n && r->err == 0; i++) {
        const uint32_t distance = get_distance(r);

        at += distance;
        if (at >= s->size || (i > 0 && distance == 0))
            rd_fail(r, KAPU_EINVAL);
        s->offset[i] = (uint32_t)at;
    }
}

static void get_names(struct rd *r, struct symbols *s)
{
    for (uint32_t i = 0; i < s->n && r->err == 0; i++) {
        uint8_t c;

        s->name[i] = (uint32_t)r->at;
        while ((c = rd_u8(r)) != 0) {
            if (c < 0x21 || c > 0x7e)
                rd_fail(r, KAPU_EINVAL);
        }
        if (r->at - s->name[i] < 2 || r->at - s->name[i] > SYMBOLS_NAME_MAX + 1)
            rd_fail(r, KAPU_EINVAL);
    }
}

/* s->table has `bytes` of a table. */
static int read_table(struct symbols *s, size_t bytes)
{
    struct rd r;

    s->offset = calloc(s->n, sizeof(*s->offset));
    s->name = calloc(s->n, sizeof(*s->name));
    if (s->offset == NULL || s->name == NULL)
        return KAPU_ESPACE;
    rd_init(&r, (struct bytes){s->table, bytes});
    get_offsets(&r, s);
    get_names(&r, s);
    return rd_end(&r) == 0 ? 0 : KAPU_EINVAL;
}

/* Empty but for what bounds the table: so many bytes for so many symbols. */
static int begin(struct symbols *s, uint32_t size, uint32_t n, size_t bytes)
{
    *s = (struct symbols){.size = size, .n = n};
    if (size == 0 || n == 0 || n > SYMBOLS_MAX || bytes == 0 || bytes > SYMBOLS_TABLE_MAX)
        return KAPU_ERANGE;
    s->table = malloc(bytes);
    return s->table != NULL ? 0 : KAPU_ESPACE;
}

/* One that cannot be used has no symbols. */
static int finish(struct symbols *s, int err)
{
    if (err != 0)
        symbols_close(s);
    return err;
}

int symbols_read(struct symbols *s, uint32_t size, uint32_t n, struct bytes table)
{
    int err = begin(s, size, n, table.n);

    if (err == 0) {
        memcpy(s->table, table.p, table.n);
        err = read_table(s, table.n);
    }
    return finish(s, err);
}

int symbols_open(struct symbols *s, const struct verifier_kernel *kernel)
{
    uLongf bytes = kernel->unpacked;
    uLong used = kernel->packed.n;
    int err = begin(s, kernel->size, kernel->symbols, bytes);

    if (err == 0 && (uncompress2(s->table, &bytes, kernel->packed.p, &used) != Z_OK ||
                     bytes != kernel->unpacked || used != kernel->packed.n))
        err = KAPU_EINVAL;
    if (err == 0)
        err = read_table(s, bytes);
    return finish(s, err);
}

void symbols_close(struct symbols *s)
{
    free(s->table);
    free(s->name);
    free(s->offset);
    *s = (struct symbols){0};
}

/* ---- places ---- */

bool symbols_place(const struct symbols *s, uint64_t offset, char *to, size_t n)
{
    uint32_t from = 0, end = s->n; /* the last that is not behind `offset` is before `end` */

    if (offset >= s->size || s->n == 0 || s->offset[0] > offset)
        return false;
    while (end - from > 1) {
        const uint32_t middle = from + (end - from) / 2;

        if (s->offset[middle] <= offset)
            from = middle;
        else
            end = middle;
    }
    snprintf(to, n, "%.*s+0x%" PRIx64, SHOWN_MAX, (const char *)s->table + s->name[from],
             offset - s->offset[from]);
    return true;
}

static bool is_piece(struct bytes detail)
{
    static const char says[] = "32 bytes";

    return detail.n > 0 && memmem(detail.p, detail.n, says, sizeof(says) - 1) != NULL;
}

static bool same_symbol(const char *a, const char *b)
{
    const size_t n = strcspn(a, "+");

    return n == strcspn(b, "+") && memcmp(a, b, n) == 0;
}

bool symbols_finding(const struct symbols *s, uint64_t offset, struct bytes detail,
                     char to[SYMBOLS_FINDING_MAX])
{
    char begin[PLACE_MAX], end[PLACE_MAX];

    if (!symbols_place(s, offset, begin, sizeof(begin)))
        return false;
    if (is_piece(detail) && symbols_place(s, offset + PIECE - 1, end, sizeof(end)) &&
        !same_symbol(begin, end))
        snprintf(to, SYMBOLS_FINDING_MAX, "%s to %s", begin, end);
    else
        snprintf(to, SYMBOLS_FINDING_MAX, "%s", begin);
    return true;
}
