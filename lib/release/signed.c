// SPDX-License-Identifier: Apache-2.0
/* COSE_Sign (RFC 9052, 4.1) by several keys, and what counts. */
#include "internal.h"

#include <string.h>

/* RFC 9052, 3.1; RFC 9596 */
enum { HEADER_ALG = 1, HEADER_KID = 4, HEADER_TYP = 16, ALG_ES256 = -7 };

#define BODY_MAX (1 + 2 + 2 + EVIDENCE_TYPE_MAX)
#define SIGNER_MAX (1 + 2 + 1 + 2 + EVIDENCE_KID_SIZE)
#define STRUCTURE_MAX (1 + 1 + 9 + 2 + BODY_MAX + 2 + SIGNER_MAX + 1 + 9)
#define COSE_SIGN_ITEMS 4
#define COSE_SIGNATURE_ITEMS 3

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }
#define KIND(name, type_)                                                                          \
    const struct evidence_kind release_##name##_kind = {.type = TEXT(type_),                       \
                                                        .payload_max = RELEASE_CONTENT_MAX}

KIND(manifest, "application/x.kapu.release+cose");
KIND(keys, "application/x.kapu.keys+cose");
KIND(rollout, "application/x.kapu.rollout+cose");
KIND(approval, "application/x.kapu.approval+cose");
KIND(membership, "application/x.kapu.membership+cose");

static const struct bytes context = TEXT("Signature");

static int body_header(const struct evidence_kind *kind, struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    QCBOREncode_OpenMap(&e.q);
    QCBOREncode_AddTextToMapN(&e.q, HEADER_TYP, ub(kind->type));
    QCBOREncode_CloseMap(&e.q);
    return enc_end(&e);
}

static int signer_header(const uint8_t kid[EVIDENCE_KID_SIZE], struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    QCBOREncode_OpenMap(&e.q);
    QCBOREncode_AddInt64ToMapN(&e.q, HEADER_ALG, ALG_ES256);
    QCBOREncode_AddBytesToMapN(&e.q, HEADER_KID, (UsefulBufC){kid, EVIDENCE_KID_SIZE});
    QCBOREncode_CloseMap(&e.q);
    return enc_end(&e);
}

int release_signed_digest(const struct kapu_sha256 *h, const struct evidence_kind *kind,
                          const uint8_t kid[EVIDENCE_KID_SIZE], struct bytes content,
                          uint8_t digest[32])
{
    uint8_t body_[BODY_MAX], signer_[SIGNER_MAX], head[STRUCTURE_MAX];
    struct wr body, signer, w;
    struct enc e;
    int err;

    wr_init(&body, body_, sizeof(body_));
    wr_init(&signer, signer_, sizeof(signer_));
    wr_init(&w, head, sizeof(head));
    err = body_header(kind, &body);
    if (err == 0)
        err = signer_header(kid, &signer);
    if (err != 0)
        return err;
    enc_begin(&e, &w);
    QCBOREncode_OpenArray(&e.q);
    QCBOREncode_AddText(&e.q, ub(context));
    QCBOREncode_AddBytes(&e.q, ub(wr_done(&body)));
    QCBOREncode_AddBytes(&e.q, ub(wr_done(&signer)));
    QCBOREncode_AddBytes(&e.q, (UsefulBufC){"", 0}); /* nothing external */
    QCBOREncode_AddBytesLenOnly(&e.q, ub(content));
    QCBOREncode_CloseArray(&e.q);
    err = enc_end(&e);
    if (err == 0 && h->hash(h->ctx, (struct bytes[]){wr_done(&w), content}, 2, digest) != 0)
        err = KAPU_ECRYPTO;
    return err;
}

int release_signed_add(struct release_signed *s, const uint8_t kid[EVIDENCE_KID_SIZE],
                       const uint8_t signature[EVIDENCE_SIGNATURE_SIZE])
{
    size_t at = 0;

    if (s->signatures > RELEASE_SIGNATURES_MAX)
        return KAPU_EARG;
    while (at < s->signatures && memcmp(s->by[at].kid, kid, EVIDENCE_KID_SIZE) < 0)
        at++;
    if (at == s->signatures || memcmp(s->by[at].kid, kid, EVIDENCE_KID_SIZE) != 0) {
        if (s->signatures == RELEASE_SIGNATURES_MAX)
            return KAPU_ESPACE;
        memmove(&s->by[at + 1], &s->by[at], (s->signatures - at) * sizeof(s->by[0]));
        s->signatures++;
    }
    memcpy(s->by[at].kid, kid, EVIDENCE_KID_SIZE);
    memcpy(s->by[at].signature, signature, EVIDENCE_SIGNATURE_SIZE);
    return 0;
}

static void put_signature(struct enc *e, const struct release_signed *s, size_t i)
{
    uint8_t header[SIGNER_MAX];
    struct wr w;

    wr_init(&w, header, sizeof(header));
    if (signer_header(s->by[i].kid, &w) != 0 ||
        (i > 0 && memcmp(s->by[i - 1].kid, s->by[i].kid, EVIDENCE_KID_SIZE) >= 0))
        enc_fail(e, KAPU_EARG);
    QCBOREncode_OpenArray(&e->q);
    QCBOREncode_AddBytes(&e->q, ub(wr_done(&w)));
    QCBOREncode_OpenMap(&e->q);
    QCBOREncode_CloseMap(&e->q);
    QCBOREncode_AddBytes(&e->q, ub(BYTES_OF(s->by[i].signature)));
    QCBOREncode_CloseArray(&e->q);
}

int release_signed_encode(const struct evidence_kind *kind, const struct release_signed *s,
                          struct wr *out)
{
    uint8_t header[BODY_MAX];
    struct wr body;
    struct enc e;
    int err;

    wr_init(&body, header, sizeof(header));
    err = body_header(kind, &body);
    enc_begin(&e, out);
    if (err != 0 || s->content.n == 0 || s->content.n > kind->payload_max ||
        s->signatures > RELEASE_SIGNATURES_MAX) {
        enc_fail(&e, KAPU_EARG);
        return enc_end(&e);
    }
    QCBOREncode_AddTag(&e.q, CBOR_TAG_COSE_SIGN);
    QCBOREncode_OpenArray(&e.q);
    QCBOREncode_AddBytes(&e.q, ub(wr_done(&body)));
    QCBOREncode_OpenMap(&e.q);
    QCBOREncode_CloseMap(&e.q);
    QCBOREncode_AddBytes(&e.q, ub(s->content));
    QCBOREncode_OpenArray(&e.q);
    for (size_t i = 0; i < s->signatures; i++)
        put_signature(&e, s, i);
    QCBOREncode_CloseArray(&e.q);
    QCBOREncode_CloseArray(&e.q);
    return enc_end(&e);
}

static void get_body(struct dec *d, const struct evidence_kind *kind)
{
    struct dec in;

    dec_begin(&in, dec_bytes(d, NO_LABEL, BODY_MAX));
    if (d->err != 0)
        return;
    (void)dec_map(&in, NO_LABEL, 1);
    dec_this(&in, HEADER_TYP, kind->type, KAPU_EUNSUPPORTED);
    if (dec_end(&in) != 0)
        dec_fail(d, in.err);
}

static void get_signature(struct dec *d, struct release_signed *s, size_t i)
{
    struct dec in;

    (void)dec_array(d, NO_LABEL, COSE_SIGNATURE_ITEMS);
    dec_begin(&in, dec_bytes(d, NO_LABEL, SIGNER_MAX));
    if (d->err != 0)
        return;
    (void)dec_map(&in, NO_LABEL, 2);
    if (dec_int32(&in, HEADER_ALG) != ALG_ES256)
        dec_fail(&in, KAPU_EUNSUPPORTED);
    dec_fixed(&in, HEADER_KID, s->by[i].kid, EVIDENCE_KID_SIZE);
    if (dec_end(&in) != 0)
        dec_fail(d, in.err);
    (void)dec_map(d, NO_LABEL, 0);
    dec_fixed(d, NO_LABEL, s->by[i].signature, EVIDENCE_SIGNATURE_SIZE);
}

int release_signed_decode(const struct evidence_kind *kind, struct bytes in,
                          struct release_signed *s, uint8_t *work, size_t work_n)
{
    struct dec d;
    struct wr w;
    int err = strict_begin(in, RELEASE_SIGNED_MAX, &w, work, work_n);

    *s = (struct release_signed){0};
    if (err != 0)
        return err;
    dec_begin(&d, in);
    (void)dec_array(&d, NO_LABEL, COSE_SIGN_ITEMS);
    get_body(&d, kind);
    (void)dec_map(&d, NO_LABEL, 0);
    s->content = dec_bytes(&d, NO_LABEL, kind->payload_max);
    s->signatures = dec_array(&d, NO_LABEL, -(int)RELEASE_SIGNATURES_MAX);
    for (size_t i = 0; i < s->signatures; i++)
        get_signature(&d, s, i);
    err = dec_end(&d);
    if (err == 0 && release_signed_encode(kind, s, &w) != 0)
        err = KAPU_EINVAL;
    return strict_end(in, err, &w);
}

/* Whether one of the signatures is by this key and holds: 1 or 0, or KAPU_ECRYPTO. */
static int signed_by(const struct kapu_sha256 *h, const struct evidence_verify *port,
                     const struct evidence_kind *kind, const struct release_signed *s,
                     const struct evidence_key *key)
{
    uint8_t kid[EVIDENCE_KID_SIZE], digest[32];
    int err = evidence_key_thumbprint(h, key, kid);

    for (size_t i = 0; err == 0 && i < s->signatures; i++) {
        if (memcmp(s->by[i].kid, kid, sizeof(kid)) != 0)
            continue;
        err = release_signed_digest(h, kind, kid, s->content, digest);
        if (err == 0)
            return port->ecdsa_p256(port->ctx, key, digest, s->by[i].signature) == 0;
    }
    return err;
}

int release_verify(const struct kapu_sha256 *h, const struct evidence_verify *port,
                   const struct evidence_kind *kind, const struct release_signed *s,
                   const struct release_keys *k, size_t *good)
{
    size_t hold = 0;

    if (good != NULL)
        *good = 0;
    if (k->keys > RELEASE_KEYS_MAX || k->threshold == 0 || k->threshold > k->keys ||
        s->signatures > RELEASE_SIGNATURES_MAX)
        return KAPU_EARG;
    for (size_t i = 0; i < k->keys; i++) {
        int result = signed_by(h, port, kind, s, &k->key[i]);

        if (result < 0)
            return KAPU_ECRYPTO;
        hold += (size_t)result;
    }
    if (good != NULL)
        *good = hold;
    return hold >= k->threshold ? 0 : KAPU_EAUTH;
}
