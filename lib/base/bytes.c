// SPDX-License-Identifier: Apache-2.0
#include <kapu/bytes.h>

#include <string.h>

void rd_init(struct rd *r, struct bytes from)
{
    *r = (struct rd){.p = from.p, .n = from.n};
}

void rd_fail(struct rd *r, int err)
{
    if (r->err == 0)
        r->err = err;
}

struct bytes rd_bytes(struct rd *r, size_t n)
{
    struct bytes b = {NULL, 0};

    if (r->err == 0 && n > r->n - r->at)
        r->err = KAPU_ERANGE;
    if (r->err != 0 || n == 0)
        return b;
    b = (struct bytes){r->p + r->at, n};
    r->at += n;
    return b;
}

static uint64_t rd_be(struct rd *r, size_t n)
{
    struct bytes b = rd_bytes(r, n);
    uint64_t v = 0;

    for (size_t i = 0; i < b.n; i++)
        v = v << 8 | b.p[i];
    return v;
}

static uint32_t rd_le(struct rd *r, size_t n)
{
    struct bytes b = rd_bytes(r, n);
    uint32_t v = 0;

    for (size_t i = b.n; i > 0; i--)
        v = v << 8 | b.p[i - 1];
    return v;
}

uint8_t rd_u8(struct rd *r)
{
    return (uint8_t)rd_be(r, 1);
}

uint16_t rd_be16(struct rd *r)
{
    return (uint16_t)rd_be(r, 2);
}

uint32_t rd_be32(struct rd *r)
{
    return (uint32_t)rd_be(r, 4);
}

uint64_t rd_be64(struct rd *r)
{
    return rd_be(r, 8);
}

uint16_t rd_le16(struct rd *r)
{
    return (uint16_t)rd_le(r, 2);
}

uint32_t rd_le32(struct rd *r)
{
    return rd_le(r, 4);
}

struct bytes rd_2b(struct rd *r)
{
    uint16_t n = rd_be16(r);

    return rd_bytes(r, n);
}

int rd_end(const struct rd *r)
{
    if (r->err != 0)
        return r->err;
    return r->at == r->n ? 0 : KAPU_EINVAL;
}

void wr_init(struct wr *w, uint8_t *to, size_t capacity)
{
    *w = (struct wr){.p = to, .n = capacity};
}

void wr_fail(struct wr *w, int err)
{
    if (w->err == 0)
        w->err = err;
}

/* Room for n bytes, or NULL. */
static uint8_t *wr_room(struct wr *w, size_t n)
{
    uint8_t *p;

    if (w->err == 0 && n > w->n - w->at)
        w->err = KAPU_ESPACE;
    if (w->err != 0 || n == 0)
        return NULL;
    p = w->p + w->at;
    w->at += n;
    return p;
}

static void wr_be(struct wr *w, uint64_t v, size_t n)
{
    uint8_t *p = wr_room(w, n);

    for (size_t i = n; p != NULL && i > 0; i--) {
        p[i - 1] = (uint8_t)v;
        v >>= 8;
    }
}

static void wr_le(struct wr *w, uint32_t v, size_t n)
{
    uint8_t *p = wr_room(w, n);

    for (size_t i = 0; p != NULL && i < n; i++) {
        p[i] = (uint8_t)v;
        v >>= 8;
    }
}

void wr_u8(struct wr *w, uint8_t v)
{
    wr_be(w, v, 1);
}

void wr_be16(struct wr *w, uint16_t v)
{
    wr_be(w, v, 2);
}

void wr_be32(struct wr *w, uint32_t v)
{
    wr_be(w, v, 4);
}

void wr_be64(struct wr *w, uint64_t v)
{
    wr_be(w, v, 8);
}

void wr_le16(struct wr *w, uint16_t v)
{
    wr_le(w, v, 2);
}

void wr_le32(struct wr *w, uint32_t v)
{
    wr_le(w, v, 4);
}

void wr_bytes(struct wr *w, struct bytes b)
{
    uint8_t *p = wr_room(w, b.n);

    if (p != NULL)
        memcpy(p, b.p, b.n);
}

void wr_2b(struct wr *w, struct bytes b)
{
    if (b.n > UINT16_MAX)
        wr_fail(w, KAPU_EARG);
    wr_be16(w, (uint16_t)b.n);
    wr_bytes(w, b);
}

size_t wr_2b_open(struct wr *w)
{
    size_t place = w->at;

    wr_be16(w, 0);
    return place;
}

void wr_2b_close(struct wr *w, size_t place)
{
    struct wr len;
    size_t n;

    if (w->err != 0)
        return;
    n = w->at - place - 2;
    if (n > UINT16_MAX) {
        w->err = KAPU_EARG;
        return;
    }
    wr_init(&len, w->p + place, 2);
    wr_be16(&len, (uint16_t)n);
}

struct bytes wr_done(const struct wr *w)
{
    return (struct bytes){w->p, w->at};
}

void kapu_wipe(void *p, size_t n)
{
    volatile uint8_t *v = p;

    while (n-- > 0)
        *v++ = 0;
}

bool kapu_equal(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;
    uint8_t diff = 0;

    for (size_t i = 0; i < n; i++)
        diff |= (uint8_t)(x[i] ^ y[i]);
    return diff == 0;
}
