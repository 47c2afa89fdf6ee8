// SPDX-License-Identifier: Apache-2.0
/* The board's record: encoder and decoder. */
#include <string.h>

#include "internal.h"

#define VERSION 2u
#define HASHED_SIZE (FUSEBOX_BOARD_SIZE - KAPU_SHA256_SIZE)

static const uint8_t magic[8] = {'K', 'A', 'P', 'U', 'F', 'U', 'S', 'E'};

int fusebox_board_encode(const struct kapu_sha256 *h, const struct fusebox_board *b,
                         uint8_t to[FUSEBOX_BOARD_SIZE])
{
    struct bytes hashed = {to, HASHED_SIZE};
    struct wr w;

    if (b->ek.n != sizeof(b->ek.b) || b->ak.n != sizeof(b->ak.b))
        return KAPU_EARG;
    wr_init(&w, to, HASHED_SIZE);
    wr_bytes(&w, BYTES_OF(magic));
    wr_be16(&w, VERSION);
    wr_bytes(&w, BYTES_OF(b->id));
    wr_bytes(&w, BYTES_OF(b->ek.b));
    wr_bytes(&w, BYTES_OF(b->ak.b));
    wr_bytes(&w, BYTES_OF(b->pairing));
    wr_be64(&w, b->counter_base);
    wr_be64(&w, b->storage_base);
    wr_be64(&w, b->starts_base);
    if (w.err != 0 || w.at != HASHED_SIZE)
        return KAPU_ESPACE;
    return h->hash(h->ctx, &hashed, 1, to + HASHED_SIZE) == 0 ? 0 : KAPU_ECRYPTO;
}

static bool is_erased(const uint8_t *p, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (p[i] != p[0])
            return false;
    }
    return p[0] == 0x00 || p[0] == 0xff;
}

static void copy(struct rd *r, uint8_t *to, size_t n)
{
    struct bytes b = rd_bytes(r, n);

    if (b.n == n)
        memcpy(to, b.p, n);
}

static void copy_name(struct rd *r, struct tpm2_name *name)
{
    name->n = sizeof(name->b);
    copy(r, name->b, sizeof(name->b));
}

static int decode(const struct kapu_sha256 *h, struct bytes from, uint16_t version,
                  struct fusebox_board *b)
{
    const struct bytes hashed = {from.p, from.n - KAPU_SHA256_SIZE};
    uint8_t digest[KAPU_SHA256_SIZE];
    uint8_t found[sizeof(magic)] = {0};
    struct rd r;

    memset(b, 0, sizeof(*b));
    if (is_erased(from.p, from.n))
        return KAPU_ENOENT;
    rd_init(&r, hashed);
    copy(&r, found, sizeof(found));
    if (memcmp(found, magic, sizeof(magic)) != 0)
        return KAPU_EINVAL;
    if (rd_be16(&r) != version)
        return KAPU_EUNSUPPORTED;
    if (h->hash(h->ctx, &hashed, 1, digest) != 0)
        return KAPU_ECRYPTO;
    if (!kapu_equal(digest, from.p + hashed.n, sizeof(digest)))
        return KAPU_EINVAL;
    copy(&r, b->id, sizeof(b->id));
    copy_name(&r, &b->ek);
    if (version == VERSION)
        copy_name(&r, &b->ak);
    copy(&r, b->pairing, sizeof(b->pairing));
    b->counter_base = rd_be64(&r);
    b->storage_base = rd_be64(&r);
    if (version == VERSION)
        b->starts_base = rd_be64(&r);
    return rd_end(&r);
}

int fusebox_board_decode(const struct kapu_sha256 *h, const uint8_t from[FUSEBOX_BOARD_SIZE],
                         struct fusebox_board *b)
{
    return decode(h, (struct bytes){from, FUSEBOX_BOARD_SIZE}, VERSION, b);
}

int fusebox_board_decode_v1(const struct kapu_sha256 *h, const uint8_t from[FUSEBOX_BOARD_V1_SIZE],
                            struct fusebox_board *b)
{
    return decode(h, (struct bytes){from, FUSEBOX_BOARD_V1_SIZE}, 1, b);
}
