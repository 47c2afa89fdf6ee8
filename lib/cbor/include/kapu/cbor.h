/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CBOR by schema, on QCBOR: what lib/evidence and lib/protocol are written with. Both sides are
 * sticky: `err` keeps the first error, so that code reads like the schema and checks once.
 *
 * Trust: what is decoded is hostile. strict_begin and strict_end around a decoder and its encoder
 * make the rule "one meaning, one encoding": whatever is not deterministic CBOR (RFC 8949, 4.2.1)
 * of the schema, to the last byte, is KAPU_EINVAL.
 */
#ifndef KAPU_CBOR_H
#define KAPU_CBOR_H

#include <kapu/bytes.h>
#include <qcbor/qcbor_decode.h>
#include <qcbor/qcbor_encode.h>

static inline UsefulBufC ub(struct bytes b)
{
    return (UsefulBufC){b.p, b.n};
}

/* ---- encoding ---- */

struct enc {
    QCBOREncodeContext q;
    struct wr *out;
    int err;
};

void enc_begin(struct enc *e, struct wr *out);
/* Adds what was encoded to the struct wr, or records the error there and gives it. */
int enc_end(struct enc *e);
/* Text of the bounds in the header: KAPU_EARG when it is longer, or not printable ASCII. */
void enc_text(struct enc *e, struct bytes text, size_t most);
/* An array of unsigned integers, in a map. */
void enc_uints(struct enc *e, int64_t label, const uint32_t *v, size_t n);
void enc_fail(struct enc *e, int err);

/* ---- decoding ---- */

struct dec {
    QCBORDecodeContext q;
    int err;
};

#define NO_LABEL INT64_MIN /* members of arrays, and the outermost item */

void dec_begin(struct dec *d, struct bytes in);
void dec_fail(struct dec *d, int err);
/* A map or array of exactly n items; n < 0: up to -n. The number of items, 0 after an error. */
size_t dec_map(struct dec *d, int64_t label, int n);
size_t dec_array(struct dec *d, int64_t label, int n);
/* The same for a map or array behind a text label. */
size_t dec_text_map(struct dec *d, struct bytes label, int n);
size_t dec_text_array(struct dec *d, struct bytes label, int n);
uint64_t dec_uint(struct dec *d, int64_t label, uint64_t most);
int32_t dec_int32(struct dec *d, int64_t label);
bool dec_bool(struct dec *d, int64_t label);
struct bytes dec_bytes(struct dec *d, int64_t label, size_t most);
void dec_fixed(struct dec *d, int64_t label, uint8_t *to, size_t n);
struct bytes dec_text(struct dec *d, int64_t label, size_t most);
/* Text that must be this. */
void dec_this(struct dec *d, int64_t label, struct bytes text, int otherwise);
void dec_uints(struct dec *d, int64_t label, uint32_t *v, size_t n);
int dec_end(struct dec *d);

/*
 * The rule of strictness: what was decoded from `in` must encode to the same bytes. Before decoding
 * strict_begin looks at sizes; `err` is what decoding gave; `w` holds what was encoded anew.
 */
int strict_begin(struct bytes in, size_t most, struct wr *w, uint8_t *work, size_t work_n);
int strict_end(struct bytes in, int err, const struct wr *w);

#endif
