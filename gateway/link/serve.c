// SPDX-License-Identifier: Apache-2.0
/*
 * Each request is passed on to the secure world, or to the writer of updates, and the answer goes
 * back. Whether a request is from
 * the operator the broker knows; evidence may go to anybody: it is signed, and for one nonce.
 */
#include <string.h>

#include "ask.h"
#include "attest.h"
#include "link.h"

static uint8_t answer[PROTOCOL_BODY_MAX], work[PROTOCOL_REQUEST_MAX];

static struct bytes encode(const struct protocol_reply *r)
{
    struct wr w;

    wr_init(&w, answer, sizeof(answer));
    if (protocol_reply_encode(r, &w) != 0)
        say("an answer has no place in the protocol");
    return wr_done(&w);
}

static struct bytes refuse(const char *why)
{
    const struct protocol_reply r = {
        .kind = PROTOCOL_ERROR,
        .error = {(const uint8_t *)why, strlen(why)},
    };

    say("refused: %s", why);
    return encode(&r);
}

/* The name follows from the UEID: without all of it there is none. */
static bool set_name(struct gateway *g, struct bytes ueid)
{
    if (ueid.n != EVIDENCE_UEID_SIZE) {
        say("attest TA: its UEID has %zu bytes, not %u", ueid.n, EVIDENCE_UEID_SIZE);
        return false;
    }
    protocol_name(ueid.p, g->name);
    return true;
}

bool gateway_open(struct gateway *g)
{
    struct attest_identity id;
    struct attest a;
    uint32_t result = attest_open(&a);
    uint8_t point[VAULT_POINT_SIZE];
    bool named = false;

    if (result == 0)
        result = attest_identity(&a, &id);
    if (result == 0)
        named = set_name(g, id.ueid);
    else
        say("attest TA: %s", tee_service_error(result));
    attest_close(&a);
    if (!named || !vault_tls_point(point))
        return false;
    vault_spki_encode(point, g->spki);
    g->enrolled = identity_is_there(BYTES_OF(g->spki));
    return true;
}

/* To be asked before the key is named or vouched for: the key that this program started with may be
 * lost. Then it names none, exits, and is started again. */
static bool has_its_key(struct gateway *g)
{
    EVP_PKEY *key = vault_tls_key(g->spki);

    g->key_is_gone = key == NULL;
    EVP_PKEY_free(key);
    return !g->key_is_gone;
}

struct bytes gateway_hello(struct gateway *g)
{
    struct protocol_reply r = {.kind = PROTOCOL_IDENTIFY, .tls_key = BYTES_OF(g->spki)};
    struct attest_identity id;
    struct bytes body;
    struct attest a;
    uint32_t result = attest_open(&a);

    if (result == 0)
        result = attest_identity(&a, &id);
    if (!has_its_key(g)) {
        body = refuse("the TLS key is gone: the gateway begins again with another one");
    } else if (result != 0) {
        body = refuse(tee_service_error(result));
    } else if (id.key.n != sizeof(r.tee_key)) {
        body = refuse("the key of the secure world has another size");
    } else {
        r.ek_certificate = id.ek_certificate;
        r.ak = id.ak;
        memcpy(r.tee_key, id.key.p, sizeof(r.tee_key));
        body = encode(&r);
    }
    attest_close(&a);
    return body;
}

/* Evidence into an answer; of an enrolment when the request is one, and then of nothing less. */
static struct bytes evidence(struct gateway *g, const struct protocol_request *request)
{
    struct protocol_reply r = {.kind = request->kind};
    struct bytes body;
    struct attest a;
    uint32_t result;

    if (request->kind == PROTOCOL_ENROL && !has_its_key(g))
        return refuse("the TLS key is gone: the gateway begins again with another one");
    result = attest_open(&a);
    if (result == 0 && request->kind == PROTOCOL_ENROL)
        result = attest_enrol(&a, request->credential, request->secret);
    if (result == 0)
        result = attest_evidence(&a, request->nonce, request->wants_log, &r.message);
    body = result == 0 ? encode(&r) : refuse(tee_service_error(result));
    attest_close(&a);
    return body;
}

static struct bytes certify(struct gateway *g, const struct protocol_request *request)
{
    const struct protocol_reply r = {.kind = PROTOCOL_CERTIFY};
    const struct bytes spki = BYTES_OF(g->spki);

    if (!identity_keep(spki, request->certificate, request->issuer))
        return refuse(
            "the certificate is not by this gateway's operator for its key, or cannot be kept");
    g->enrolled = true;
    g->certificates++;
    return encode(&r);
}

static struct bytes update(struct bytes request, bool approval)
{
    const size_t n = update_ask(request, approval ? ASK_APPROVAL_S : ASK_S, answer, sizeof(answer));

    if (n > 0)
        return (struct bytes){answer, n};
    say("%s: %m", ASK_SOCKET);
    return refuse("the writer of updates does not answer");
}

struct bytes gateway_answer(struct gateway *g, enum protocol_place place, struct bytes request)
{
    struct protocol_request r;
    int err = protocol_request_decode(request, &r, work, sizeof(work));

    kapu_wipe(work, sizeof(work)); /* it had the request: an order may have a key */
    if (err != 0)
        return refuse("the request is malformed");
    /* One that is enrolled may be asked to prove its keys again, as after a factory upgrade. */
    if (place == PROTOCOL_ENROLLED ? r.kind == PROTOCOL_CERTIFY : r.kind >= PROTOCOL_ATTEST)
        return refuse("the request is not for this topic");
    switch (r.kind) {
    case PROTOCOL_IDENTIFY:
        return gateway_hello(g); /* the same, on request */
    case PROTOCOL_ENROL:
    case PROTOCOL_ATTEST:
        return evidence(g, &r);
    case PROTOCOL_CERTIFY:
        return certify(g, &r);
    case PROTOCOL_UPDATE:
    case PROTOCOL_INSTALL:
    case PROTOCOL_HALT:
    case PROTOCOL_APPROVE:
    case PROTOCOL_KEYS:
    case PROTOCOL_JOIN:
        return update(request, r.kind == PROTOCOL_APPROVE);
    default:
        return refuse("the request is not known");
    }
}
