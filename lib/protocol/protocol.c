// SPDX-License-Identifier: Apache-2.0
/* Bodies of requests and replies: wire/protocol.cddl. */
#include <kapu/cbor.h>
#include <kapu/protocol.h>

/* Keys of the maps; what stands behind them depends on the kind. */
enum { KIND, FIRST, SECOND, THIRD, FOURTH };

static const int request_items[] = {
    [PROTOCOL_IDENTIFY] = 1, [PROTOCOL_ENROL] = 4, [PROTOCOL_CERTIFY] = 3, [PROTOCOL_ATTEST] = 3};
static const int reply_items[] = {[PROTOCOL_ERROR] = 2,
                                  [PROTOCOL_IDENTIFY] = 5,
                                  [PROTOCOL_ENROL] = 2,
                                  [PROTOCOL_CERTIFY] = 1,
                                  [PROTOCOL_ATTEST] = 2};

#define ITEMS_MAX 5

static void put_bytes(struct enc *e, int64_t label, struct bytes b, size_t most)
{
    if (b.n == 0 || b.n > most) {
        enc_fail(e, KAPU_EARG);
        return;
    }
    QCBOREncode_AddBytesToMapN(&e->q, label, ub(b));
}

static struct bytes get_bytes(struct dec *d, int64_t label, size_t most)
{
    struct bytes b = dec_bytes(d, label, most);

    if (b.n == 0)
        dec_fail(d, KAPU_EINVAL);
    return b;
}

/* Opens the map and reads its kind; *items is how many it has. */
static enum protocol_kind get_kind(struct dec *d, size_t *items)
{
    *items = dec_map(d, NO_LABEL, -ITEMS_MAX);
    return (enum protocol_kind)dec_uint(d, KIND, PROTOCOL_ATTEST);
}

static int finish(struct enc *e)
{
    QCBOREncode_CloseMap(&e->q);
    return enc_end(e);
}

int protocol_request_encode(const struct protocol_request *r, struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    QCBOREncode_OpenMap(&e.q);
    QCBOREncode_AddUInt64ToMapN(&e.q, KIND, (uint64_t)r->kind);
    switch (r->kind) {
    case PROTOCOL_IDENTIFY:
        break;
    case PROTOCOL_ENROL:
        put_bytes(&e, FIRST, BYTES_OF(r->nonce), sizeof(r->nonce));
        put_bytes(&e, SECOND, r->credential, PROTOCOL_CREDENTIAL_MAX);
        put_bytes(&e, THIRD, r->secret, PROTOCOL_SECRET_MAX);
        break;
    case PROTOCOL_CERTIFY:
        put_bytes(&e, FIRST, r->certificate, PROTOCOL_CERTIFICATE_MAX);
        put_bytes(&e, SECOND, r->issuer, PROTOCOL_CERTIFICATE_MAX);
        break;
    case PROTOCOL_ATTEST:
        put_bytes(&e, FIRST, BYTES_OF(r->nonce), sizeof(r->nonce));
        QCBOREncode_AddBoolToMapN(&e.q, SECOND, r->wants_log);
        break;
    default:
        enc_fail(&e, KAPU_EARG);
    }
    return finish(&e);
}

static void get_request(struct dec *d, struct protocol_request *r)
{
    size_t items;

    r->kind = get_kind(d, &items);
    if (items != (size_t)request_items[r->kind])
        dec_fail(d, KAPU_EINVAL);
    switch (r->kind) {
    case PROTOCOL_IDENTIFY:
        break;
    case PROTOCOL_ENROL:
        dec_fixed(d, FIRST, r->nonce, sizeof(r->nonce));
        r->credential = get_bytes(d, SECOND, PROTOCOL_CREDENTIAL_MAX);
        r->secret = get_bytes(d, THIRD, PROTOCOL_SECRET_MAX);
        break;
    case PROTOCOL_CERTIFY:
        r->certificate = get_bytes(d, FIRST, PROTOCOL_CERTIFICATE_MAX);
        r->issuer = get_bytes(d, SECOND, PROTOCOL_CERTIFICATE_MAX);
        break;
    case PROTOCOL_ATTEST:
        dec_fixed(d, FIRST, r->nonce, sizeof(r->nonce));
        r->wants_log = dec_bool(d, SECOND);
        break;
    default:
        dec_fail(d, KAPU_EINVAL);
    }
}

int protocol_request_decode(struct bytes in, struct protocol_request *r, uint8_t *work,
                            size_t work_n)
{
    struct dec d;
    struct wr w;
    int err = strict_begin(in, PROTOCOL_REQUEST_MAX, &w, work, work_n);

    if (err != 0)
        return err;
    *r = (struct protocol_request){.kind = PROTOCOL_ERROR};
    dec_begin(&d, in);
    get_request(&d, r);
    err = dec_end(&d);
    if (err == 0 && protocol_request_encode(r, &w) != 0)
        err = KAPU_EINVAL;
    return strict_end(in, err, &w);
}

int protocol_reply_encode(const struct protocol_reply *r, struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    QCBOREncode_OpenMap(&e.q);
    QCBOREncode_AddUInt64ToMapN(&e.q, KIND, (uint64_t)r->kind);
    switch (r->kind) {
    case PROTOCOL_ERROR:
        if (r->error.n == 0)
            enc_fail(&e, KAPU_EARG);
        QCBOREncode_AddUInt64(&e.q, FIRST);
        enc_text(&e, r->error, PROTOCOL_ERROR_MAX);
        break;
    case PROTOCOL_IDENTIFY:
        put_bytes(&e, FIRST, r->ek_certificate, PROTOCOL_CERTIFICATE_MAX);
        put_bytes(&e, SECOND, r->ak, PROTOCOL_AK_MAX);
        put_bytes(&e, THIRD, BYTES_OF(r->tee_key), sizeof(r->tee_key));
        put_bytes(&e, FOURTH, r->tls_key, PROTOCOL_TLS_KEY_MAX);
        break;
    case PROTOCOL_CERTIFY:
        break;
    case PROTOCOL_ENROL:
    case PROTOCOL_ATTEST:
        put_bytes(&e, FIRST, r->message, EVIDENCE_MESSAGE_MAX);
        break;
    default:
        enc_fail(&e, KAPU_EARG);
    }
    return finish(&e);
}

static void get_reply(struct dec *d, struct protocol_reply *r)
{
    size_t items;

    r->kind = get_kind(d, &items);
    if (items != (size_t)reply_items[r->kind])
        dec_fail(d, KAPU_EINVAL);
    switch (r->kind) {
    case PROTOCOL_ERROR:
        r->error = dec_text(d, FIRST, PROTOCOL_ERROR_MAX);
        break;
    case PROTOCOL_IDENTIFY:
        r->ek_certificate = get_bytes(d, FIRST, PROTOCOL_CERTIFICATE_MAX);
        r->ak = get_bytes(d, SECOND, PROTOCOL_AK_MAX);
        dec_fixed(d, THIRD, r->tee_key, sizeof(r->tee_key));
        r->tls_key = get_bytes(d, FOURTH, PROTOCOL_TLS_KEY_MAX);
        break;
    case PROTOCOL_CERTIFY:
        break;
    case PROTOCOL_ENROL:
    case PROTOCOL_ATTEST:
        r->message = get_bytes(d, FIRST, EVIDENCE_MESSAGE_MAX);
        break;
    }
}

int protocol_reply_decode(struct bytes in, struct protocol_reply *r, uint8_t *work, size_t work_n)
{
    struct dec d;
    struct wr w;
    int err = strict_begin(in, PROTOCOL_BODY_MAX, &w, work, work_n);

    if (err != 0)
        return err;
    *r = (struct protocol_reply){.kind = PROTOCOL_ERROR};
    dec_begin(&d, in);
    get_reply(&d, r);
    err = dec_end(&d);
    if (err == 0 && protocol_reply_encode(r, &w) != 0)
        err = KAPU_EINVAL;
    return strict_end(in, err, &w);
}
