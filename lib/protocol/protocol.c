// SPDX-License-Identifier: Apache-2.0
/* Bodies of requests and replies: wire/protocol.cddl. */
#include <kapu/cbor.h>
#include <kapu/protocol.h>

/* Keys of the maps; what stands behind them depends on the kind. */
enum { KIND, FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH };

/* Keys of an update. */
enum {
    STAGE = 1,
    LAST,
    RESET,
    WORK,
    ANSWER,
    WHY,
    RELEASE,
    DONE,
    ALL,
    FETCHED,
    ROLLOUT,
    BOOT,
    MEMORY,
    GROUP
};

#define KINDS (PROTOCOL_JOIN + 1)
#define NONE (-1) /* no such request, or reply */

static const int request_items[KINDS] = {
    [PROTOCOL_ERROR] = NONE, [PROTOCOL_IDENTIFY] = 1, [PROTOCOL_ENROL] = 4,
    [PROTOCOL_CERTIFY] = 3,  [PROTOCOL_ATTEST] = 3,   [PROTOCOL_UPDATE] = 1,
    [PROTOCOL_INSTALL] = 6,  [PROTOCOL_HALT] = 3,     [PROTOCOL_APPROVE] = 3,
    [PROTOCOL_KEYS] = 3,     [PROTOCOL_JOIN] = 3,
};
static const int request_optional[KINDS] = {[PROTOCOL_INSTALL] = 1};
static const int reply_items[KINDS] = {
    [PROTOCOL_ERROR] = 2,      [PROTOCOL_IDENTIFY] = 5, [PROTOCOL_ENROL] = 2,
    [PROTOCOL_CERTIFY] = 1,    [PROTOCOL_ATTEST] = 2,   [PROTOCOL_UPDATE] = GROUP + 1,
    [PROTOCOL_INSTALL] = NONE, [PROTOCOL_HALT] = NONE,  [PROTOCOL_APPROVE] = NONE,
    [PROTOCOL_KEYS] = NONE,    [PROTOCOL_JOIN] = NONE,
};

#define ITEMS_MAX (GROUP + 1)

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

/* Opens the map and reads its kind, which has so many items, and up to `optional[kind]` more (NULL:
 * none has more): *more are there. PROTOCOL_ERROR after an error. */
static enum protocol_kind get_kind(struct dec *d, const int items[KINDS], const int *optional,
                                   size_t *more)
{
    const size_t n = dec_map(d, NO_LABEL, -ITEMS_MAX);
    const size_t kind = (size_t)dec_uint(d, KIND, KINDS - 1);
    const size_t most = optional != NULL ? (size_t)optional[kind] : 0;

    *more = 0;
    if (items[kind] == NONE || n < (size_t)items[kind] || n - (size_t)items[kind] > most)
        dec_fail(d, KAPU_EINVAL);
    else
        *more = n - (size_t)items[kind];
    return (enum protocol_kind)kind;
}

/* ---- sets of keys, and where a release is ---- */

static void put_keys(struct enc *e, int64_t label, struct bytes b)
{
    if (b.n > PROTOCOL_KEYS_MAX)
        enc_fail(e, KAPU_EARG);
    else
        QCBOREncode_AddBytesToMapN(&e->q, label, ub(b));
}

/* Of an encrypted release only. */
static void put_release_key(struct enc *e, int64_t label, struct bytes key)
{
    if (key.n == PROTOCOL_RELEASE_KEY_SIZE)
        QCBOREncode_AddBytesToMapN(&e->q, label, ub(key));
    else if (key.n != 0)
        enc_fail(e, KAPU_EARG);
}

static struct bytes get_release_key(struct dec *d, int64_t label)
{
    const struct bytes key = dec_bytes(d, label, PROTOCOL_RELEASE_KEY_SIZE);

    if (key.n != PROTOCOL_RELEASE_KEY_SIZE)
        dec_fail(d, KAPU_EINVAL);
    return key;
}

static bool is_folder(struct bytes name)
{
    for (size_t i = 0; i < name.n; i++) {
        const uint8_t c = name.p[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && (c != '.' || i == 0))
            return false;
    }
    return name.n > 0;
}

static void put_folder(struct enc *e, int64_t label, struct bytes name)
{
    if (!is_folder(name))
        enc_fail(e, KAPU_EARG);
    QCBOREncode_AddUInt64(&e->q, (uint64_t)label);
    enc_text(e, name, PROTOCOL_FOLDER_MAX);
}

/* ---- the state of updates ---- */

static void put_update(struct enc *e, const struct protocol_update *u)
{
    QCBOREncode_AddUInt64ToMapN(&e->q, STAGE, u->stage);
    QCBOREncode_AddUInt64ToMapN(&e->q, LAST, u->last);
    QCBOREncode_AddUInt64ToMapN(&e->q, RESET, u->reset);
    if (u->work >= PROTOCOL_WORKS)
        enc_fail(e, KAPU_EARG);
    QCBOREncode_AddUInt64ToMapN(&e->q, WORK, u->work);
    QCBOREncode_AddUInt64ToMapN(&e->q, ANSWER, u->answer);
    QCBOREncode_AddUInt64(&e->q, WHY);
    enc_text(e, u->why, PROTOCOL_WHY_MAX);
    QCBOREncode_AddBytesToMapN(&e->q, RELEASE, ub(BYTES_OF(u->release)));
    QCBOREncode_AddUInt64ToMapN(&e->q, DONE, u->done);
    QCBOREncode_AddUInt64ToMapN(&e->q, ALL, u->all);
    QCBOREncode_AddUInt64ToMapN(&e->q, FETCHED, u->fetched);
    QCBOREncode_AddUInt64ToMapN(&e->q, ROLLOUT, u->rollout);
    QCBOREncode_AddBytesToMapN(&e->q, BOOT, ub(BYTES_OF(u->boot)));
    QCBOREncode_AddUInt64ToMapN(&e->q, MEMORY, u->memory_kib);
    QCBOREncode_AddUInt64(&e->q, GROUP);
    enc_text(e, u->group, PROTOCOL_GROUP_MAX);
}

static void get_update(struct dec *d, struct protocol_update *u)
{
    u->stage = (uint8_t)dec_uint(d, STAGE, UINT8_MAX);
    u->last = (uint8_t)dec_uint(d, LAST, UINT8_MAX);
    u->reset = (uint8_t)dec_uint(d, RESET, UINT8_MAX);
    u->work = (uint8_t)dec_uint(d, WORK, PROTOCOL_WORKS - 1);
    u->answer = (uint8_t)dec_uint(d, ANSWER, UINT8_MAX);
    u->why = dec_text(d, WHY, PROTOCOL_WHY_MAX);
    dec_fixed(d, RELEASE, u->release, sizeof(u->release));
    u->done = (uint32_t)dec_uint(d, DONE, UINT32_MAX);
    u->all = (uint32_t)dec_uint(d, ALL, UINT32_MAX);
    u->fetched = dec_uint(d, FETCHED, UINT64_MAX);
    u->rollout = dec_uint(d, ROLLOUT, UINT64_MAX);
    dec_fixed(d, BOOT, u->boot, sizeof(u->boot));
    u->memory_kib = (uint32_t)dec_uint(d, MEMORY, UINT32_MAX);
    u->group = dec_text(d, GROUP, PROTOCOL_GROUP_MAX);
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
    case PROTOCOL_UPDATE:
        break;
    case PROTOCOL_INSTALL:
        put_folder(&e, FIRST, r->folder);
        put_bytes(&e, SECOND, r->manifest, PROTOCOL_SIGNED_MAX);
        put_bytes(&e, THIRD, r->order, PROTOCOL_SIGNED_MAX);
        put_keys(&e, FOURTH, r->release_keys);
        put_keys(&e, FIFTH, r->keys);
        put_release_key(&e, SIXTH, r->release_key);
        break;
    case PROTOCOL_HALT:
    case PROTOCOL_APPROVE:
    case PROTOCOL_KEYS:
    case PROTOCOL_JOIN:
        put_bytes(&e, FIRST, r->order, PROTOCOL_SIGNED_MAX);
        put_keys(&e, SECOND, r->keys);
        break;
    default:
        enc_fail(&e, KAPU_EARG);
    }
    return finish(&e);
}

static void get_request(struct dec *d, struct protocol_request *r)
{
    size_t more;

    r->kind = get_kind(d, request_items, request_optional, &more);
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
    case PROTOCOL_UPDATE:
        break;
    case PROTOCOL_INSTALL:
        r->folder = dec_text(d, FIRST, PROTOCOL_FOLDER_MAX);
        r->manifest = get_bytes(d, SECOND, PROTOCOL_SIGNED_MAX);
        r->order = get_bytes(d, THIRD, PROTOCOL_SIGNED_MAX);
        r->release_keys = dec_bytes(d, FOURTH, PROTOCOL_KEYS_MAX);
        r->keys = dec_bytes(d, FIFTH, PROTOCOL_KEYS_MAX);
        if (more > 0)
            r->release_key = get_release_key(d, SIXTH);
        break;
    case PROTOCOL_HALT:
    case PROTOCOL_APPROVE:
    case PROTOCOL_KEYS:
    case PROTOCOL_JOIN:
        r->order = get_bytes(d, FIRST, PROTOCOL_SIGNED_MAX);
        r->keys = dec_bytes(d, SECOND, PROTOCOL_KEYS_MAX);
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
    case PROTOCOL_UPDATE:
        put_update(&e, &r->update);
        break;
    default:
        enc_fail(&e, KAPU_EARG);
    }
    return finish(&e);
}

static void get_reply(struct dec *d, struct protocol_reply *r)
{
    size_t more;

    r->kind = get_kind(d, reply_items, NULL, &more);
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
    case PROTOCOL_UPDATE:
        get_update(d, &r->update);
        break;
    default:
        dec_fail(d, KAPU_EINVAL);
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
