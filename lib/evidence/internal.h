/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding and decoding by schema, on QCBOR. Both sides are sticky: `err` keeps the first error. */
#ifndef KAPU_EVIDENCE_INTERNAL_H
#define KAPU_EVIDENCE_INTERNAL_H

#include <kapu/evidence.h>
#include <qcbor/qcbor_decode.h>
#include <qcbor/qcbor_encode.h>

/* ---- labels of claims ---- */

enum evidence_label {
    LABEL_CNF = 8,    /* RFC 8747 */
    LABEL_NONCE = 10, /* RFC 9711 from here */
    LABEL_UEID = 256,
    LABEL_OEMBOOT = 262,
    LABEL_DBGSTAT = 263,
    LABEL_PROFILE = 265,
    LABEL_SUBMODS = 266,
    LABEL_SWVERSION = 271,
    /* Private use: below -65536 (RFC 8392, 9.1). This is the table of them. */
    LABEL_TLS_KEY = -70000,
    LABEL_ACTIVATION = -70001,
    LABEL_PCRS = -70010, /* boot */
    LABEL_LOG_DIGEST = -70011,
    LABEL_LOG_SIZE = -70012,
    LABEL_BOARD = -70013,
    LABEL_VERDICT = -70020, /* monitor */
    LABEL_NUMBER = -70021,
    LABEL_TIMES = -70022,
    LABEL_COUNTS = -70023,
    LABEL_WATCH = -70024,
    LABEL_RESETS = -70025,
    LABEL_CHECKS = -70026,
    LABEL_FINDINGS = -70027,
    LABEL_COUNTERS = -70030, /* software */
    LABEL_SLOT = -70031,
};

#define EVIDENCE_PROFILE "tag:kapu.example,2026:evidence-1"
#define EVIDENCE_TYPE "application/eat+cwt" /* RFC 9782 */

/* A string literal without its end. */
#define TEXT(literal) ((struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

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

/* ---- parts that two files know ---- */

void put_monitor(struct enc *e, const struct evidence_monitor *m);
/* The map's items; the map itself was entered. */
void get_monitor(struct dec *d, struct evidence_monitor *m);
#define MONITOR_ITEMS 8
void put_key(struct enc *e, const struct evidence_key *key);
void get_key(struct dec *d, struct evidence_key *key);
#define KEY_ITEMS 4

#endif
