// SPDX-License-Identifier: Apache-2.0
/* What a release is; and what all contents have in common. */
#include "internal.h"

#include <string.h>

#define BLOCK 4096u /* of the file system and of dm-verity */

enum {
    IDENTITY = 1,
    VERSION = 2,
    HARDWARE = 3,
    PRODUCT = 4,
    COUNTER = 5,
    COUNTER_FROM = 6,
    MADE = 7,
    EXPIRES = 8,
    FIRMWARE = 9,
    ROOT = 10,
    INDEX = 11,
    APPROVAL = 12,
    ITEMS = 13, /* of a release that is not encrypted */
    KEY_CHECK = 13,
};
#define FILE_ITEMS 2 /* size, SHA-256 */
#define ROOT_ITEMS 3 /* size, salt, root hash */

void put_head(struct enc *e)
{
    QCBOREncode_OpenMap(&e->q);
    QCBOREncode_AddUInt64ToMapN(&e->q, 0, RELEASE_FORMAT);
}

size_t get_head(struct dec *d, int items)
{
    const size_t n = dec_map(d, NO_LABEL, -2 * items); /* other versions may have other items */

    if (dec_uint(d, 0, UINT32_MAX) != RELEASE_FORMAT)
        dec_fail(d, KAPU_EUNSUPPORTED);
    return n;
}

void put_bytes(struct enc *e, int64_t label, struct bytes b)
{
    QCBOREncode_AddBytesToMapN(&e->q, label, ub(b));
}

void put_text(struct enc *e, int64_t label, struct bytes text, size_t most)
{
    QCBOREncode_AddInt64(&e->q, label);
    if (text.n == 0)
        enc_fail(e, KAPU_EARG);
    enc_text(e, text, most);
}

void put_time(struct enc *e, int64_t label, uint64_t ms)
{
    if (ms == 0 || ms > RELEASE_TIME_MAX)
        enc_fail(e, KAPU_EARG);
    QCBOREncode_AddUInt64ToMapN(&e->q, label, ms);
}

uint64_t get_time(struct dec *d, int64_t label)
{
    return dec_uint(d, label, RELEASE_TIME_MAX);
}

static void put_size(struct enc *e, uint64_t size)
{
    if (size == 0 || size >= RELEASE_SIZE_MAX)
        enc_fail(e, KAPU_EARG);
    QCBOREncode_AddUInt64(&e->q, size);
}

static void put_file(struct enc *e, int64_t label, const struct release_file *f)
{
    QCBOREncode_OpenArrayInMapN(&e->q, label);
    put_size(e, f->size);
    QCBOREncode_AddBytes(&e->q, ub(BYTES_OF(f->sha256)));
    QCBOREncode_CloseArray(&e->q);
}

static void get_file(struct dec *d, int64_t label, struct release_file *f)
{
    (void)dec_array(d, label, FILE_ITEMS);
    f->size = dec_uint(d, NO_LABEL, RELEASE_SIZE_MAX - 1);
    dec_fixed(d, NO_LABEL, f->sha256, sizeof(f->sha256));
}

int release_manifest_encode(const struct release_manifest *m, struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    if (m->counter_from > m->counter || m->expires_ms < m->made_ms || m->root.size % BLOCK != 0)
        enc_fail(&e, KAPU_EARG);
    put_head(&e);
    put_bytes(&e, IDENTITY, BYTES_OF(m->identity));
    put_text(&e, VERSION, m->version, RELEASE_VERSION_MAX);
    put_text(&e, HARDWARE, m->hardware, RELEASE_CLASS_MAX);
    put_text(&e, PRODUCT, m->product, RELEASE_CLASS_MAX);
    QCBOREncode_AddUInt64ToMapN(&e.q, COUNTER, m->counter);
    QCBOREncode_AddUInt64ToMapN(&e.q, COUNTER_FROM, m->counter_from);
    put_time(&e, MADE, m->made_ms);
    put_time(&e, EXPIRES, m->expires_ms);
    put_file(&e, FIRMWARE, &m->firmware);
    QCBOREncode_OpenArrayInMapN(&e.q, ROOT);
    put_size(&e, m->root.size);
    QCBOREncode_AddBytes(&e.q, ub(BYTES_OF(m->root.salt)));
    QCBOREncode_AddBytes(&e.q, ub(BYTES_OF(m->root.hash)));
    QCBOREncode_CloseArray(&e.q);
    put_file(&e, INDEX, &m->index);
    QCBOREncode_AddBoolToMapN(&e.q, APPROVAL, m->approval);
    if (m->encrypted)
        put_bytes(&e, KEY_CHECK, BYTES_OF(m->key_check));
    QCBOREncode_CloseMap(&e.q);
    return enc_end(&e);
}

static void get_manifest(struct dec *d, struct release_manifest *m)
{
    const size_t items = get_head(d, ITEMS);

    dec_fixed(d, IDENTITY, m->identity, sizeof(m->identity));
    m->version = dec_text(d, VERSION, RELEASE_VERSION_MAX);
    m->hardware = dec_text(d, HARDWARE, RELEASE_CLASS_MAX);
    m->product = dec_text(d, PRODUCT, RELEASE_CLASS_MAX);
    m->counter = (uint32_t)dec_uint(d, COUNTER, UINT32_MAX);
    m->counter_from = (uint32_t)dec_uint(d, COUNTER_FROM, UINT32_MAX);
    m->made_ms = get_time(d, MADE);
    m->expires_ms = get_time(d, EXPIRES);
    get_file(d, FIRMWARE, &m->firmware);
    (void)dec_array(d, ROOT, ROOT_ITEMS);
    m->root.size = dec_uint(d, NO_LABEL, RELEASE_SIZE_MAX - 1);
    dec_fixed(d, NO_LABEL, m->root.salt, sizeof(m->root.salt));
    dec_fixed(d, NO_LABEL, m->root.hash, sizeof(m->root.hash));
    get_file(d, INDEX, &m->index);
    m->approval = dec_bool(d, APPROVAL);
    m->encrypted = items > ITEMS; /* another item is found out by encoding it again */
    if (m->encrypted)
        dec_fixed(d, KEY_CHECK, m->key_check, sizeof(m->key_check));
}

int release_manifest_decode(struct bytes in, struct release_manifest *m, uint8_t *work,
                            size_t work_n)
{
    struct dec d;
    struct wr w;
    int err = strict_begin(in, RELEASE_CONTENT_MAX, &w, work, work_n);

    memset(m, 0, sizeof(*m));
    if (err != 0)
        return err;
    dec_begin(&d, in);
    get_manifest(&d, m);
    err = dec_end(&d);
    if (err == 0 && release_manifest_encode(m, &w) != 0)
        err = KAPU_EINVAL;
    return strict_end(in, err, &w);
}

int release_digest(const struct kapu_sha256 *h, struct bytes manifest,
                   uint8_t digest[RELEASE_DIGEST_SIZE])
{
    return h->hash(h->ctx, &manifest, 1, digest) == 0 ? 0 : KAPU_ECRYPTO;
}
