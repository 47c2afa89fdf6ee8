// SPDX-License-Identifier: Apache-2.0
/* What is signed of reference values: both ends of wire/reference.cddl. */
#include "reference.h"

#include <kapu/cbor.h>
#include <string.h>

#include "symbols.h"

enum { VERSION = 0, PLATFORM = 1, RELEASES = 2, VALUES_ITEMS = 3 };
enum { RELEASE = 0, FLAVOUR = 1, COUNTER = 2, PCRS = 3, KERNEL = 4, RELEASE_ITEMS = 5 };
enum { SIZE = 0, SYMBOLS = 1, UNPACKED = 2, PACKED = 3, KERNEL_ITEMS = 4 };
#define FORMAT 2u

/* ---- encoding ---- */

static void put_text(struct enc *e, int64_t label, const char *text)
{
    const size_t n = strnlen(text, VERIFIER_NAME_MAX);

    if (n == 0)
        enc_fail(e, KAPU_EARG);
    QCBOREncode_AddInt64(&e->q, label);
    enc_text(e, (struct bytes){(const uint8_t *)text, n}, VERIFIER_NAME_MAX - 1);
}

static bool kernel_fits(const struct verifier_kernel *k)
{
    return k->size > 0 && k->symbols > 0 && k->symbols <= SYMBOLS_MAX && k->unpacked > 0 &&
           k->unpacked <= SYMBOLS_TABLE_MAX && k->packed.n > 0 &&
           k->packed.n <= REFERENCE_CONTENT_MAX;
}

static void put_kernel(struct enc *e, const struct verifier_kernel *k)
{
    if (!kernel_fits(k)) {
        enc_fail(e, KAPU_EARG);
        return;
    }
    QCBOREncode_OpenMapInMapN(&e->q, KERNEL);
    QCBOREncode_AddUInt64ToMapN(&e->q, SIZE, k->size);
    QCBOREncode_AddUInt64ToMapN(&e->q, SYMBOLS, k->symbols);
    QCBOREncode_AddUInt64ToMapN(&e->q, UNPACKED, k->unpacked);
    QCBOREncode_AddBytesToMapN(&e->q, PACKED, ub(k->packed));
    QCBOREncode_CloseMap(&e->q);
}

static void put_release(struct enc *e, const struct verifier_reference *r)
{
    QCBOREncode_OpenMap(&e->q);
    put_text(e, RELEASE, r->release);
    put_text(e, FLAVOUR, r->flavour);
    QCBOREncode_AddUInt64ToMapN(&e->q, COUNTER, r->counter);
    QCBOREncode_OpenArrayInMapN(&e->q, PCRS);
    for (size_t i = 0; i < VERIFIER_MEASURED; i++)
        QCBOREncode_AddBytes(&e->q, ub(BYTES_OF(r->pcr[i])));
    QCBOREncode_CloseArray(&e->q);
    if (r->kernel.size != 0)
        put_kernel(e, &r->kernel);
    QCBOREncode_CloseMap(&e->q);
}

int reference_encode(const struct reference_values *v, struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    if (v->releases == 0 || v->releases > REFERENCE_RELEASES)
        enc_fail(&e, KAPU_EARG);
    QCBOREncode_OpenMap(&e.q);
    QCBOREncode_AddUInt64ToMapN(&e.q, VERSION, FORMAT);
    put_text(&e, PLATFORM, v->platform);
    QCBOREncode_OpenArrayInMapN(&e.q, RELEASES);
    for (size_t i = 0; i < v->releases && e.err == 0; i++)
        put_release(&e, &v->release[i]);
    QCBOREncode_CloseArray(&e.q);
    QCBOREncode_CloseMap(&e.q);
    return enc_end(&e);
}

/* ---- decoding ---- */

static void get_text(struct dec *d, int64_t label, char to[VERIFIER_NAME_MAX])
{
    struct bytes text = dec_text(d, label, VERIFIER_NAME_MAX - 1);

    if (text.n == 0)
        dec_fail(d, KAPU_EINVAL);
    else
        memcpy(to, text.p, text.n);
    to[text.n] = '\0';
}

static void get_kernel(struct dec *d, struct verifier_kernel *k)
{
    (void)dec_map(d, KERNEL, KERNEL_ITEMS);
    k->size = (uint32_t)dec_uint(d, SIZE, UINT32_MAX);
    k->symbols = (uint32_t)dec_uint(d, SYMBOLS, SYMBOLS_MAX);
    k->unpacked = (uint32_t)dec_uint(d, UNPACKED, SYMBOLS_TABLE_MAX);
    k->packed = dec_bytes(d, PACKED, REFERENCE_CONTENT_MAX);
    if (!kernel_fits(k))
        dec_fail(d, KAPU_EINVAL);
}

static void get_release(struct dec *d, struct verifier_reference *to)
{
    bool has_kernel;

    memset(to, 0, sizeof(*to));
    has_kernel = dec_map(d, NO_LABEL, -RELEASE_ITEMS) == RELEASE_ITEMS;
    get_text(d, RELEASE, to->release);
    get_text(d, FLAVOUR, to->flavour);
    to->counter = (uint32_t)dec_uint(d, COUNTER, UINT32_MAX);
    (void)dec_array(d, PCRS, VERIFIER_MEASURED);
    for (size_t i = 0; i < VERIFIER_MEASURED; i++)
        dec_fixed(d, NO_LABEL, to->pcr[i], sizeof(to->pcr[i]));
    if (has_kernel)
        get_kernel(d, &to->kernel);
}

static void get_values(struct dec *d, struct reference_values *v)
{
    (void)dec_map(d, NO_LABEL, -VALUES_ITEMS); /* other versions may have other items */
    if (dec_uint(d, VERSION, UINT32_MAX) != FORMAT)
        dec_fail(d, KAPU_EUNSUPPORTED);
    get_text(d, PLATFORM, v->platform);
    v->releases = dec_array(d, RELEASES, -(int)REFERENCE_RELEASES);
    if (v->releases > v->room)
        dec_fail(d, KAPU_ESPACE);
    for (size_t i = 0; i < v->releases && d->err == 0; i++)
        get_release(d, &v->release[i]);
}

int reference_decode(struct bytes in, struct reference_values *v, uint8_t *work, size_t work_n)
{
    struct dec d;
    struct wr w;
    int err = strict_begin(in, REFERENCE_CONTENT_MAX, &w, work, work_n);

    v->releases = 0;
    if (err != 0)
        return err;
    dec_begin(&d, in);
    get_values(&d, v);
    err = dec_end(&d);
    if (err == 0 && reference_encode(v, &w) != 0)
        err = KAPU_EINVAL;
    err = strict_end(in, err, &w);
    if (err != 0)
        v->releases = 0;
    return err;
}
