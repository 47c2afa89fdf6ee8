// SPDX-License-Identifier: Apache-2.0
/* COSE_Sign1 (RFC 9052, 4.2) around the claims, and around what others sign in the same way. */
#include "internal.h"

#include <string.h>

/* RFC 9052, 3.1; RFC 9596 */
enum { HEADER_ALG = 1, HEADER_KID = 4, HEADER_TYP = 16, HEADERS = 3, ALG_ES256 = -7 };

#define PROTECTED_MAX (1 + 2 + 1 + 2 + EVIDENCE_KID_SIZE + 1 + 2 + EVIDENCE_TYPE_MAX)
#define STRUCTURE_MAX (2 + 10 + 2 + PROTECTED_MAX + 1 + 9)
#define COSE_SIGN1_ITEMS 4

static const struct evidence_kind token_kind = {
    .type = {(const uint8_t *)EVIDENCE_TYPE, sizeof(EVIDENCE_TYPE) - 1},
    .payload_max = EVIDENCE_CLAIMS_MAX,
};

static int protected_header(const struct evidence_kind *kind, const uint8_t kid[EVIDENCE_KID_SIZE],
                            struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    QCBOREncode_OpenMap(&e.q);
    QCBOREncode_AddInt64ToMapN(&e.q, HEADER_ALG, ALG_ES256);
    QCBOREncode_AddBytesToMapN(&e.q, HEADER_KID, (UsefulBufC){kid, EVIDENCE_KID_SIZE});
    QCBOREncode_AddTextToMapN(&e.q, HEADER_TYP, ub(kind->type));
    QCBOREncode_CloseMap(&e.q);
    return enc_end(&e);
}

int evidence_signed_digest(const struct kapu_sha256 *h, const struct evidence_kind *kind,
                           const uint8_t kid[EVIDENCE_KID_SIZE], struct bytes payload,
                           uint8_t digest[32])
{
    uint8_t header[PROTECTED_MAX], head[STRUCTURE_MAX];
    struct wr w, protected;
    struct enc e;
    int err;

    wr_init(&protected, header, sizeof(header));
    err = protected_header(kind, kid, &protected);
    if (err != 0)
        return err;
    wr_init(&w, head, sizeof(head));
    enc_begin(&e, &w);
    QCBOREncode_OpenArray(&e.q);
    QCBOREncode_AddText(&e.q, ub(TEXT("Signature1")));
    QCBOREncode_AddBytes(&e.q, ub(wr_done(&protected)));
    QCBOREncode_AddBytes(&e.q, (UsefulBufC){"", 0}); /* nothing external */
    QCBOREncode_AddBytesLenOnly(&e.q, ub(payload));
    QCBOREncode_CloseArray(&e.q);
    err = enc_end(&e);
    if (err == 0 && h->hash(h->ctx, (struct bytes[]){wr_done(&w), payload}, 2, digest) != 0)
        err = KAPU_ECRYPTO;
    return err;
}

int evidence_signed_encode(const struct evidence_kind *kind, const struct evidence_token *t,
                           struct wr *out)
{
    uint8_t header[PROTECTED_MAX];
    struct wr protected;
    struct enc e;
    int err;

    wr_init(&protected, header, sizeof(header));
    err = protected_header(kind, t->kid, &protected);
    enc_begin(&e, out);
    if (err != 0 || t->payload.n == 0 || t->payload.n > kind->payload_max)
        enc_fail(&e, KAPU_EARG);
    QCBOREncode_AddTag(&e.q, CBOR_TAG_COSE_SIGN1);
    QCBOREncode_OpenArray(&e.q);
    QCBOREncode_AddBytes(&e.q, ub(wr_done(&protected)));
    QCBOREncode_OpenMap(&e.q);
    QCBOREncode_CloseMap(&e.q);
    QCBOREncode_AddBytes(&e.q, e.err == 0 ? ub(t->payload) : (UsefulBufC){"", 0});
    QCBOREncode_AddBytes(&e.q, ub(BYTES_OF(t->signature)));
    QCBOREncode_CloseArray(&e.q);
    return enc_end(&e);
}

/* Of the protected header only the kid varies: the rest is held by the encoding anew. */
static void get_protected(struct dec *d, const struct evidence_kind *kind,
                          uint8_t kid[EVIDENCE_KID_SIZE])
{
    struct dec in;

    dec_begin(&in, dec_bytes(d, NO_LABEL, PROTECTED_MAX));
    if (d->err != 0)
        return;
    (void)dec_map(&in, NO_LABEL, HEADERS);
    if (dec_int32(&in, HEADER_ALG) != ALG_ES256)
        dec_fail(&in, KAPU_EUNSUPPORTED);
    dec_fixed(&in, HEADER_KID, kid, EVIDENCE_KID_SIZE);
    dec_this(&in, HEADER_TYP, kind->type, KAPU_EUNSUPPORTED);
    if (dec_end(&in) != 0)
        dec_fail(d, in.err);
}

int evidence_signed_decode(const struct evidence_kind *kind, struct bytes in,
                           struct evidence_token *t, uint8_t *work, size_t work_n)
{
    struct dec d;
    struct wr w;
    int err = strict_begin(in, kind->payload_max + EVIDENCE_SIGNED_MORE, &w, work, work_n);

    if (err != 0)
        return err;
    *t = (struct evidence_token){0};
    dec_begin(&d, in);
    (void)dec_array(&d, NO_LABEL, COSE_SIGN1_ITEMS);
    get_protected(&d, kind, t->kid);
    (void)dec_map(&d, NO_LABEL, 0);
    t->payload = dec_bytes(&d, NO_LABEL, kind->payload_max);
    dec_fixed(&d, NO_LABEL, t->signature, sizeof(t->signature));
    err = dec_end(&d);
    if (err == 0 && evidence_signed_encode(kind, t, &w) != 0)
        err = KAPU_EINVAL;
    return strict_end(in, err, &w);
}

int evidence_signed_verify(const struct kapu_sha256 *h, const struct evidence_verify *port,
                           const struct evidence_kind *kind, const struct evidence_token *t,
                           const struct evidence_key *key)
{
    uint8_t kid[EVIDENCE_KID_SIZE], digest[32];
    int err = evidence_key_thumbprint(h, key, kid);

    if (err != 0)
        return err;
    if (memcmp(kid, t->kid, sizeof(kid)) != 0)
        return KAPU_EPIN;
    err = evidence_signed_digest(h, kind, t->kid, t->payload, digest);
    if (err != 0)
        return err;
    return port->ecdsa_p256(port->ctx, key, digest, t->signature) == 0 ? 0 : KAPU_EAUTH;
}

int evidence_token_digest(const struct kapu_sha256 *h, const uint8_t kid[EVIDENCE_KID_SIZE],
                          struct bytes payload, uint8_t digest[32])
{
    return evidence_signed_digest(h, &token_kind, kid, payload, digest);
}

int evidence_token_encode(const struct evidence_token *t, struct wr *out)
{
    return evidence_signed_encode(&token_kind, t, out);
}

int evidence_token_decode(struct bytes in, struct evidence_token *t, uint8_t *work, size_t work_n)
{
    return evidence_signed_decode(&token_kind, in, t, work, work_n);
}

int evidence_token_verify(const struct kapu_sha256 *h, const struct evidence_verify *port,
                          const struct evidence_token *t, const struct evidence_key *key)
{
    return evidence_signed_verify(h, port, &token_kind, t, key);
}
