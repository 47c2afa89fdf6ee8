// SPDX-License-Identifier: Apache-2.0
/* Who speaks, and now? Then what was booted and what runs (other files). */
#include "appraise.h"

#include <kapu/tpm2.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl.h"

#define SHA (&crypto_openssl.sha256)

#define IDENTITY(a, ...)                                                                           \
    verifier_reason((a)->r, VERIFIER_IDENTITY, VERIFIER_CONTRAINDICATED, __VA_ARGS__)

/* What the operator has to do when a board comes back with new keys. */
#define AFTER_FACTORY                                                                              \
    "; if the board was at the factory: kapu board add FILE, then kapu enroll --renew %s"

/* Malformed, or of another kind: nothing in it counts. */
static int refuse(struct appraisal *a, const char *what, int err)
{
    switch (err) {
    case 0:
        return 0;
    case KAPU_EUNSUPPORTED:
        IDENTITY(a, "the %s is of a kind, or signed by an algorithm, that is not allowed", what);
        break;
    case KAPU_ERANGE:
        IDENTITY(a, "the %s, or a part of it, is larger than is allowed", what);
        break;
    case KAPU_EPIN:
        IDENTITY(a, "the %s is signed by another key than the one enrolled" AFTER_FACTORY, what,
                 a->q->gateway->name);
        break;
    case KAPU_EAUTH:
        IDENTITY(a, "the signature of the %s does not verify", what);
        break;
    case KAPU_ECRYPTO:
        break;
    default:
        IDENTITY(a, "the %s is malformed", what);
        break;
    }
    return err;
}

/* A key that nobody knows is what a gateway has whose secure storage was started anew. If the TPM
 * signed for this very token, and the token says so, the reader should know. */
static void explain_other_key(struct appraisal *a)
{
    const struct verifier_gateway *g = a->q->gateway;
    uint8_t digest[32], nonce[32];
    struct tpm2_attest quote;

    a->claims.monitor = &a->monitor;
    if (evidence_claims_decode(a->token.payload, &a->claims, a->work, sizeof(a->work)) != 0 ||
        !kapu_equal(a->claims.ueid, g->ueid, sizeof(g->ueid)) || g->storage_starts == 0 ||
        a->claims.software.storage_starts <= g->storage_starts ||
        evidence_quote_nonce(SHA, a->message.token, nonce) != 0 ||
        SHA->hash(SHA->ctx, &a->message.attest, 1, digest) != 0 ||
        openssl_p256_verify(g->ak.x, g->ak.y, digest, a->message.quote_signature) != 0 ||
        tpm2_attest_parse(a->message.attest, &quote) != 0 || quote.type != TPM2_ST_ATTEST_QUOTE ||
        quote.nonce.n != sizeof(nonce) || !kapu_equal(quote.nonce.p, nonce, sizeof(nonce)))
        return;
    IDENTITY(a,
             "its secure storage was started anew since enrolment (starts: %u then, %u now), so "
             "its keys are other ones: enrol it again if you know why",
             g->storage_starts, a->claims.software.storage_starts);
}

/* The claims, of which the enrolled TEE key vouches. */
static int open_token(struct appraisal *a)
{
    int err = refuse(a, "message",
                     evidence_message_decode(a->q->message, &a->message, a->work, sizeof(a->work)));

    if (err == 0)
        err = refuse(a, "token",
                     evidence_token_decode(a->message.token, &a->token, a->work, sizeof(a->work)));
    if (err == 0)
        err = refuse(a, "token",
                     evidence_token_verify(SHA, &evidence_openssl, &a->token, &a->q->gateway->tee));
    if (err == KAPU_EPIN)
        explain_other_key(a);
    a->claims.monitor = &a->monitor;
    if (err == 0)
        err =
            refuse(a, "claims-set",
                   evidence_claims_decode(a->token.payload, &a->claims, a->work, sizeof(a->work)));
    return err;
}

static bool appraise_claims(struct appraisal *a)
{
    const struct verifier_gateway *g = a->q->gateway;
    uint32_t before = a->r->reasons;

    if (!kapu_equal(a->claims.nonce, a->q->nonce, EVIDENCE_NONCE_SIZE))
        IDENTITY(a, "it answers another nonce than the one sent: old evidence, or made for "
                    "somebody else");
    if (!kapu_equal(a->claims.ueid, g->ueid, sizeof(g->ueid)))
        IDENTITY(a, "it names another gateway (UEID)");
    if (!kapu_equal(a->claims.boot.board, g->board, sizeof(g->board)))
        IDENTITY(a, "it names another board");
    return a->r->reasons == before;
}

/* The TPM's part: by the enrolled AK, over this token. */
static int appraise_quote(struct appraisal *a, struct tpm2_attest *quote, bool *good)
{
    uint8_t digest[32], nonce[32];
    const struct evidence_key *ak = &a->q->gateway->ak;

    *good = false;
    if (evidence_quote_nonce(SHA, a->message.token, nonce) != 0 ||
        SHA->hash(SHA->ctx, &a->message.attest, 1, digest) != 0)
        return KAPU_ECRYPTO;
    if (openssl_p256_verify(ak->x, ak->y, digest, a->message.quote_signature) != 0) {
        IDENTITY(a, "the TPM quote is not signed by the enrolled attestation key" AFTER_FACTORY,
                 a->q->gateway->name);
        return 0;
    }
    if (tpm2_attest_parse(a->message.attest, quote) != 0 || quote->type != TPM2_ST_ATTEST_QUOTE) {
        IDENTITY(a, "what the TPM signed is not a quote");
        return 0;
    }
    if (quote->nonce.n != sizeof(nonce) || !kapu_equal(quote->nonce.p, nonce, sizeof(nonce))) {
        IDENTITY(a, "the TPM quote was made for another token");
        return 0;
    }
    *good = true;
    return 0;
}

static int appraise_quoted_pcrs(struct appraisal *a, const struct tpm2_attest *quote)
{
    uint8_t digest[32];

    if (tpm2_pcr_digest(SHA, a->claims.boot.pcr, EVIDENCE_PCRS, digest) != 0)
        return KAPU_ECRYPTO;
    if (quote->pcr_mask != EVIDENCE_PCR_MASK)
        verifier_reason(a->r, VERIFIER_EXECUTABLES, VERIFIER_CONTRAINDICATED,
                        "the TPM quote covers other PCRs (%06x) than 0, 7, 8, 9 and 14",
                        quote->pcr_mask);
    else if (quote->pcr_digest.n != sizeof(digest) ||
             !kapu_equal(quote->pcr_digest.p, digest, sizeof(digest)))
        verifier_reason(a->r, VERIFIER_EXECUTABLES, VERIFIER_CONTRAINDICATED,
                        "the PCRs in the token are not those that the TPM quoted");
    else
        a->quoted = true;
    return 0;
}

static void remember(struct appraisal *a)
{
    struct verifier_result *r = a->r;
    const struct evidence_monitor *m = &a->monitor;

    r->authentic = true;
    memcpy(r->nonce, a->claims.nonce, sizeof(r->nonce));
    snprintf(r->version, sizeof(r->version), "%.*s", TEXT_OF(a->claims.software.version));
    memcpy(r->release_identity, a->claims.software.identity, sizeof(r->release_identity));
    memcpy(r->boot_name, a->claims.software.boot_name, sizeof(r->boot_name));
    r->trial = a->claims.software.trial;
    r->counter_tpm = a->claims.software.counter_tpm;
    r->last_update = a->claims.software.last_update;
    r->last_update_reset = a->claims.software.last_update_reset;
    r->refused = a->claims.software.refused;
    r->told = a->claims.software.told;
    r->counter = a->claims.software.counter_release;
    r->check_number = m->number;
    r->alarms = m->alarms;
    r->warnings = m->warnings;
    r->age_ms = m->now_ms - m->ended_ms;
    r->storage_starts = a->claims.software.storage_starts;
}

/* Where nothing speaks against it, all that kapu's evidence covers is affirmed. */
static void affirm_the_rest(struct verifier_result *r)
{
    for (unsigned i = 0; i < VERIFIER_ASPECTS; i++) {
        if (r->vector[i] == VERIFIER_NONE)
            r->vector[i] = VERIFIER_AFFIRMING;
    }
    if (r->status == VERIFIER_NONE)
        r->status = VERIFIER_AFFIRMING;
}

static int appraise(struct appraisal *a)
{
    struct tpm2_attest quote;
    bool claims_good, quote_good;
    int err = open_token(a);

    if (err != 0)
        return err == KAPU_ECRYPTO ? err : 0;
    claims_good = appraise_claims(a);
    err = appraise_quote(a, &quote, &quote_good);
    if (err != 0 || !claims_good || !quote_good)
        return err;
    remember(a);
    err = appraise_quoted_pcrs(a, &quote);
    if (err == 0)
        err = appraise_boot(a);
    if (err != 0)
        return err;
    appraise_monitor(a);
    appraise_record(a);
    appraise_starts(a, quote.clock.resets, quote.clock.restarts);
    affirm_the_rest(a->r);
    return 0;
}

int verifier_appraise(const struct verifier_request *q, struct verifier_result *r)
{
    struct appraisal *a = malloc(sizeof(*a));
    int err;

    memset(r, 0, offsetof(struct verifier_result, reason));
    memset(r->nonce, 0, sizeof(*r) - offsetof(struct verifier_result, nonce));
    if (a == NULL)
        return KAPU_ESPACE;
    a->q = q;
    a->r = r;
    a->quoted = a->tried = false;
    a->symbols = (struct symbols){0};
    err = appraise(a);
    symbols_close(&a->symbols);
    free(a);
    if (err != 0)
        r->status = VERIFIER_NONE;
    return err;
}

int verifier_nonce_of(struct bytes message, uint8_t nonce[EVIDENCE_NONCE_SIZE])
{
    uint8_t *work = malloc(EVIDENCE_MESSAGE_MAX);
    struct evidence_message m;
    struct evidence_token t;
    int err = KAPU_ESPACE;

    if (work != NULL) {
        err = evidence_message_decode(message, &m, work, EVIDENCE_MESSAGE_MAX);
        if (err == 0)
            err = evidence_token_decode(m.token, &t, work, EVIDENCE_MESSAGE_MAX);
        if (err == 0)
            err = evidence_claims_nonce(t.payload, nonce);
    }
    free(work);
    return err;
}
