// SPDX-License-Identifier: Apache-2.0
#include <kapu/cbor.h>

#include <string.h>

static bool printable(struct bytes text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < 0x20 || text.p[i] > 0x7e)
            return false;
    }
    return true;
}

void enc_begin(struct enc *e, struct wr *out)
{
    UsefulBuf to = {out->p + out->at, out->n - out->at};

    *e = (struct enc){.out = out, .err = out->err};
    QCBOREncode_Init(&e->q, to);
}

void enc_fail(struct enc *e, int err)
{
    if (e->err == 0)
        e->err = err;
}

int enc_end(struct enc *e)
{
    UsefulBufC done = NULLUsefulBufC;
    QCBORError q = QCBOREncode_Finish(&e->q, &done);

    if (q == QCBOR_ERR_BUFFER_TOO_SMALL)
        enc_fail(e, KAPU_ESPACE);
    else if (q != QCBOR_SUCCESS)
        enc_fail(e, KAPU_EARG);
    if (e->err == 0)
        e->out->at += done.len;
    else
        wr_fail(e->out, e->err);
    return e->err;
}

void enc_text(struct enc *e, struct bytes text, size_t most)
{
    if (text.n > most || !printable(text)) {
        enc_fail(e, KAPU_EARG);
        return;
    }
    /* a text of no bytes may have no address, which QCBOR takes for an error */
    QCBOREncode_AddText(&e->q, text.n > 0 ? ub(text) : (UsefulBufC){"", 0});
}

void enc_uints(struct enc *e, int64_t label, const uint32_t *v, size_t n)
{
    QCBOREncode_OpenArrayInMapN(&e->q, label);
    for (size_t i = 0; i < n; i++)
        QCBOREncode_AddUInt64(&e->q, v[i]);
    QCBOREncode_CloseArray(&e->q);
}

void dec_begin(struct dec *d, struct bytes in)
{
    *d = (struct dec){0};
    QCBORDecode_Init(&d->q, ub(in), QCBOR_DECODE_MODE_NORMAL);
}

void dec_fail(struct dec *d, int err)
{
    if (d->err == 0)
        d->err = err;
}

static bool label_is(const QCBORItem *item, int64_t label)
{
    if (label == NO_LABEL)
        return item->uLabelType == QCBOR_TYPE_NONE;
    return item->uLabelType == QCBOR_TYPE_INT64 && item->label.int64 == label;
}

static bool text_label_is(const QCBORItem *item, struct bytes label)
{
    return item->uLabelType == QCBOR_TYPE_TEXT_STRING && item->label.string.len == label.n &&
           memcmp(item->label.string.ptr, label.p, label.n) == 0;
}

/* The next item in the order of the encoding; false, and nothing in it, when there is none. */
static bool next(struct dec *d, QCBORItem *item)
{
    *item = (QCBORItem){0};
    if (d->err == 0 && QCBORDecode_GetNext(&d->q, item) != QCBOR_SUCCESS) {
        *item = (QCBORItem){0};
        dec_fail(d, KAPU_EINVAL);
    }
    return d->err == 0;
}

static bool take(struct dec *d, QCBORItem *item, int64_t label, uint8_t type)
{
    if (next(d, item) && (item->uDataType != type || !label_is(item, label)))
        dec_fail(d, KAPU_EINVAL);
    return d->err == 0;
}

/* Indefinite lengths have the count QCBOR_COUNT_INDICATES_INDEFINITE_LENGTH, which no n allows. */
static size_t counted(struct dec *d, const QCBORItem *item, int n)
{
    size_t count = item->val.uCount;

    if (d->err == 0 && (n >= 0 ? count != (size_t)n : count > (size_t)-n))
        dec_fail(d, KAPU_EINVAL);
    return d->err == 0 ? count : 0;
}

size_t dec_map(struct dec *d, int64_t label, int n)
{
    QCBORItem item;

    return take(d, &item, label, QCBOR_TYPE_MAP) ? counted(d, &item, n) : 0;
}

size_t dec_array(struct dec *d, int64_t label, int n)
{
    QCBORItem item;

    return take(d, &item, label, QCBOR_TYPE_ARRAY) ? counted(d, &item, n) : 0;
}

static size_t dec_text_container(struct dec *d, struct bytes label, uint8_t type, int n)
{
    QCBORItem item;

    if (next(d, &item) && (item.uDataType != type || !text_label_is(&item, label)))
        dec_fail(d, KAPU_EINVAL);
    return d->err == 0 ? counted(d, &item, n) : 0;
}

size_t dec_text_map(struct dec *d, struct bytes label, int n)
{
    return dec_text_container(d, label, QCBOR_TYPE_MAP, n);
}

size_t dec_text_array(struct dec *d, struct bytes label, int n)
{
    return dec_text_container(d, label, QCBOR_TYPE_ARRAY, n);
}

uint64_t dec_uint(struct dec *d, int64_t label, uint64_t most)
{
    QCBORItem item;
    uint64_t v;

    if (!next(d, &item))
        return 0;
    if (!label_is(&item, label) || (item.uDataType != QCBOR_TYPE_UINT64 &&
                                    (item.uDataType != QCBOR_TYPE_INT64 || item.val.int64 < 0))) {
        dec_fail(d, KAPU_EINVAL);
        return 0;
    }
    v = item.uDataType == QCBOR_TYPE_UINT64 ? item.val.uint64 : (uint64_t)item.val.int64;
    if (v > most)
        dec_fail(d, KAPU_EINVAL);
    return d->err == 0 ? v : 0;
}

int32_t dec_int32(struct dec *d, int64_t label)
{
    QCBORItem item;

    if (!take(d, &item, label, QCBOR_TYPE_INT64))
        return 0;
    if (item.val.int64 < INT32_MIN || item.val.int64 > INT32_MAX)
        dec_fail(d, KAPU_EINVAL);
    return d->err == 0 ? (int32_t)item.val.int64 : 0;
}

bool dec_bool(struct dec *d, int64_t label)
{
    QCBORItem item;

    if (next(d, &item) && (!label_is(&item, label) || (item.uDataType != QCBOR_TYPE_TRUE &&
                                                       item.uDataType != QCBOR_TYPE_FALSE)))
        dec_fail(d, KAPU_EINVAL);
    return d->err == 0 && item.uDataType == QCBOR_TYPE_TRUE;
}

static struct bytes dec_string(struct dec *d, int64_t label, uint8_t type, size_t most)
{
    struct bytes b = {NULL, 0};
    QCBORItem item;

    if (!take(d, &item, label, type))
        return b;
    if (item.val.string.len > most) {
        dec_fail(d, KAPU_ERANGE);
        return b;
    }
    if (item.val.string.len > 0)
        b = (struct bytes){item.val.string.ptr, item.val.string.len};
    return b;
}

struct bytes dec_bytes(struct dec *d, int64_t label, size_t most)
{
    return dec_string(d, label, QCBOR_TYPE_BYTE_STRING, most);
}

struct bytes dec_text(struct dec *d, int64_t label, size_t most)
{
    struct bytes text = dec_string(d, label, QCBOR_TYPE_TEXT_STRING, most);

    if (!printable(text))
        dec_fail(d, KAPU_EINVAL);
    return text;
}

void dec_fixed(struct dec *d, int64_t label, uint8_t *to, size_t n)
{
    struct bytes b = dec_bytes(d, label, n);

    if (b.p != NULL && b.n == n)
        memcpy(to, b.p, n);
    else
        dec_fail(d, KAPU_EINVAL);
}

void dec_this(struct dec *d, int64_t label, struct bytes text, int otherwise)
{
    struct bytes is = dec_string(d, label, QCBOR_TYPE_TEXT_STRING, SIZE_MAX);

    if (d->err == 0 && (is.p == NULL || is.n != text.n || memcmp(is.p, text.p, text.n) != 0))
        dec_fail(d, otherwise);
}

void dec_uints(struct dec *d, int64_t label, uint32_t *v, size_t n)
{
    (void)dec_array(d, label, (int)n);
    for (size_t i = 0; i < n; i++)
        v[i] = (uint32_t)dec_uint(d, NO_LABEL, UINT32_MAX);
}

int dec_end(struct dec *d)
{
    if (d->err == 0 && QCBORDecode_Finish(&d->q) != QCBOR_SUCCESS)
        dec_fail(d, KAPU_EINVAL);
    return d->err;
}

int strict_begin(struct bytes in, size_t most, struct wr *w, uint8_t *work, size_t work_n)
{
    wr_init(w, work, in.n); /* what needs more is not the same anyway */
    if (in.n > most)
        return KAPU_ERANGE;
    if (in.n == 0)
        return KAPU_EINVAL;
    return work_n < in.n ? KAPU_ESPACE : 0;
}

int strict_end(struct bytes in, int err, const struct wr *w)
{
    if (err != 0)
        return err;
    return w->err == 0 && w->at == in.n && memcmp(w->p, in.p, in.n) == 0 ? 0 : KAPU_EINVAL;
}
