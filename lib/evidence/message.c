// SPDX-License-Identifier: Apache-2.0
/* What travels: a CMW collection (RFC 9999) of token, quote and event log. */
#include "internal.h"

#include <string.h>

#define RECORD_ITEMS 3
#define QUOTE_ITEMS 2
#define FORMAT_EAT_CWT 263 /* CoAP Content-Format of application/eat+cwt (RFC 9782) */
#define KIND_EVIDENCE 4    /* RFC 9999: bit 2 of the indicator */
#define TYPE_QUOTE "application/x.kapu.tpm-quote+cbor"
#define TYPE_LOG "application/x.kapu.tcg-event-log"
/* [bstr, bstr] around attestation and signature */
#define QUOTE_MAX (1u + 3u + EVIDENCE_ATTEST_MAX + 2u + EVIDENCE_SIGNATURE_SIZE)

int evidence_quote_nonce(const struct kapu_sha256 *h, struct bytes token, uint8_t nonce[32])
{
    return h->hash(h->ctx, &token, 1, nonce) == 0 ? 0 : KAPU_ECRYPTO;
}

static int quote_encode(const struct evidence_message *m, struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    if (m->attest.n == 0 || m->attest.n > EVIDENCE_ATTEST_MAX)
        enc_fail(&e, KAPU_EARG);
    QCBOREncode_OpenArray(&e.q);
    QCBOREncode_AddBytes(&e.q, e.err == 0 ? ub(m->attest) : (UsefulBufC){"", 0});
    QCBOREncode_AddBytes(&e.q, ub(BYTES_OF(m->quote_signature)));
    QCBOREncode_CloseArray(&e.q);
    return enc_end(&e);
}

static int quote_decode(struct bytes in, struct evidence_message *m)
{
    struct dec d;

    dec_begin(&d, in);
    (void)dec_array(&d, NO_LABEL, QUOTE_ITEMS);
    m->attest = dec_bytes(&d, NO_LABEL, EVIDENCE_ATTEST_MAX);
    dec_fixed(&d, NO_LABEL, m->quote_signature, sizeof(m->quote_signature));
    return dec_end(&d);
}

/* A record's value and the kind of message that it is: what follows its type. */
static void put_record(struct enc *e, struct bytes value)
{
    QCBOREncode_AddBytes(&e->q, ub(value));
    QCBOREncode_AddUInt64(&e->q, KIND_EVIDENCE);
    QCBOREncode_CloseArray(&e->q);
}

int evidence_message_encode(const struct evidence_message *m, struct wr *out)
{
    uint8_t quote[QUOTE_MAX];
    struct enc e;
    struct wr q;
    int err;

    wr_init(&q, quote, sizeof(quote));
    err = quote_encode(m, &q);
    enc_begin(&e, out);
    if (err != 0 || m->token.n == 0 || m->token.n > EVIDENCE_TOKEN_MAX ||
        m->log.n > EVIDENCE_LOG_MAX) {
        enc_fail(&e, KAPU_EARG);
        return enc_end(&e);
    }
    QCBOREncode_OpenMap(&e.q);
    QCBOREncode_AddText(&e.q, ub(TEXT("eat")));
    QCBOREncode_OpenArray(&e.q);
    QCBOREncode_AddUInt64(&e.q, FORMAT_EAT_CWT);
    put_record(&e, m->token);
    if (m->log.n > 0) {
        QCBOREncode_AddText(&e.q, ub(TEXT("log")));
        QCBOREncode_OpenArray(&e.q);
        enc_text(&e, TEXT(TYPE_LOG), sizeof(TYPE_LOG));
        put_record(&e, m->log);
    }
    QCBOREncode_AddText(&e.q, ub(TEXT("tpm")));
    QCBOREncode_OpenArray(&e.q);
    enc_text(&e, TEXT(TYPE_QUOTE), sizeof(TYPE_QUOTE));
    put_record(&e, wr_done(&q));
    QCBOREncode_CloseMap(&e.q);
    return enc_end(&e);
}

static struct bytes get_record(struct dec *d, size_t most)
{
    struct bytes value = dec_bytes(d, NO_LABEL, most);

    if (dec_uint(d, NO_LABEL, KIND_EVIDENCE) != KIND_EVIDENCE)
        dec_fail(d, KAPU_EINVAL);
    return value;
}

static void get_message(struct dec *d, struct evidence_message *m)
{
    struct bytes quote;
    size_t records = dec_map(d, NO_LABEL, -3);

    (void)dec_text_array(d, TEXT("eat"), RECORD_ITEMS);
    if (dec_uint(d, NO_LABEL, FORMAT_EAT_CWT) != FORMAT_EAT_CWT)
        dec_fail(d, KAPU_EINVAL);
    m->token = get_record(d, EVIDENCE_TOKEN_MAX);
    if (records == 3) {
        (void)dec_text_array(d, TEXT("log"), RECORD_ITEMS);
        dec_this(d, NO_LABEL, TEXT(TYPE_LOG), KAPU_EINVAL);
        m->log = get_record(d, EVIDENCE_LOG_MAX);
    }
    (void)dec_text_array(d, TEXT("tpm"), RECORD_ITEMS);
    dec_this(d, NO_LABEL, TEXT(TYPE_QUOTE), KAPU_EINVAL);
    quote = get_record(d, QUOTE_MAX);
    if (d->err == 0)
        dec_fail(d, quote_decode(quote, m));
}

int evidence_message_decode(struct bytes in, struct evidence_message *m, uint8_t *work,
                            size_t work_n)
{
    struct dec d;
    struct wr w;
    int err = strict_begin(in, EVIDENCE_MESSAGE_MAX, &w, work, work_n);

    if (err != 0)
        return err;
    *m = (struct evidence_message){0};
    dec_begin(&d, in);
    get_message(&d, m);
    err = dec_end(&d);
    if (err == 0 && evidence_message_encode(m, &w) != 0)
        err = KAPU_EINVAL;
    return strict_end(in, err, &w);
}
