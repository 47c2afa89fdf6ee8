// SPDX-License-Identifier: Apache-2.0
/*
 * Each request is passed on to the secure world, or to the writer of updates, and the answer goes
 * back. Whether a request is from
 * the operator the broker knows; evidence may go to anybody: it is signed, and for one nonce.
 */
#include <openssl/evp.h>
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
    bool named = false;

    if (result == 0)
        result = attest_identity(&a, &id);
    if (result == 0)
        named = set_name(g, id.ueid);
    else
        say("attest TA: %s", tee_service_error(result));
    attest_close(&a);
    if (!named || !token_key(g->spki, &g->spki_n))
        return false;
    g->enrolled = identity_is_there((struct bytes){g->spki, g->spki_n});
    return true;
}

struct bytes gateway_hello(struct gateway *g)
{
    struct protocol_reply r = {.kind = PROTOCOL_IDENTIFY, .tls_key = {g->spki, g->spki_n}};
    struct attest_identity id;
    struct bytes body;
    struct attest a;
    uint32_t result = attest_open(&a);

    if (result == 0)
        result = attest_identity(&a, &id);
    if (result != 0) {
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

/* Has what this session makes be the evidence of an enrolment. false: why is in *body. */
static bool begin_enrolment(const struct gateway *g, const struct protocol_request *request,
                            struct attest *a, struct bytes *body)
{
    uint8_t tls_key[EVP_MAX_MD_SIZE];
    uint32_t result;

    if (EVP_Digest(g->spki, g->spki_n, tls_key, NULL, EVP_sha256(), NULL) != 1) {
        *body = refuse("the gateway cannot hash its TLS key");
        return false;
    }
    result = attest_enrol(a, request->credential, request->secret, tls_key);
    if (result != 0)
        *body = refuse(tee_service_error(result));
    return result == 0;
}

/* Evidence into an answer; of an enrolment when the request is one, and then of nothing less. */
static struct bytes evidence(struct gateway *g, const struct protocol_request *request)
{
    struct protocol_reply r = {.kind = request->kind};
    struct bytes body;
    struct attest a;
    uint32_t result = attest_open(&a);

    if (result == 0 && request->kind == PROTOCOL_ENROL && !begin_enrolment(g, request, &a, &body)) {
        attest_close(&a);
        return body;
    }
    if (result == 0)
        result = attest_evidence(&a, request->nonce, request->wants_log, &r.message);
    body = result == 0 ? encode(&r) : refuse(tee_service_error(result));
    attest_close(&a);
    return body;
}

static struct bytes certify(struct gateway *g, const struct protocol_request *request)
{
    const struct protocol_reply r = {.kind = PROTOCOL_CERTIFY};
    const struct bytes spki = {g->spki, g->spki_n};

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
