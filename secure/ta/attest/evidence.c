// SPDX-License-Identifier: Apache-2.0
/*
 * Evidence: claims, signed by this TEE's key; then a quote by the TPM over the hash of that. What
 * Linux wrote into its own memory reaches this file only as claims that the monitor TA encoded.
 */
#include <stdio.h>
#include <string.h>

#include "attest.h"
#include "release.h"
#include "ta_key.h"

static uint8_t monitor[EVIDENCE_MONITOR_MAX], encoded[EVIDENCE_CLAIMS_MAX];
static uint8_t token_bytes[EVIDENCE_TOKEN_MAX], event_log[EVIDENCE_LOG_MAX];
static struct ta_key signer;
static struct evidence_key key;

static TEE_Result result_of(int err)
{
    return err == 0 ? TEE_SUCCESS : err == KAPU_ESPACE ? TEE_ERROR_SHORT_BUFFER : TEE_ERROR_GENERIC;
}

static TEE_Result put_boot(struct evidence_claims *c, size_t *log_n, uint32_t *told)
{
    TEE_Result res = TEE_SUCCESS;

    for (size_t i = 0; i < EVIDENCE_PCRS && res == TEE_SUCCESS; i++)
        res = boot_pcr(evidence_pcr[i], c->boot.pcr[i]);
    *log_n = sizeof(event_log);
    if (res == TEE_SUCCESS)
        res = boot_events(event_log, log_n, told);
    if (res != TEE_SUCCESS)
        return res;
    c->boot.log_size = (uint32_t)*log_n;
    return result_of(
        ta_hash.hash(ta_hash.ctx, &(struct bytes){event_log, *log_n}, 1, c->boot.log_digest));
}

static TEE_Result put_identity(struct evidence_claims *c)
{
    static struct identity id;
    TEE_Result res = boot_identity(&id);

    if (res != TEE_SUCCESS)
        return res;
    memcpy(c->boot.board, id.board, sizeof(c->boot.board));
    return result_of(evidence_ueid(&ta_hash, (struct bytes){id.ek_name, id.ek_name_n}, c->ueid));
}

static TEE_Result put_tee(struct evidence_claims *c)
{
    static char text[EVIDENCE_VERSION_MAX + 1];
    char version[48];
    size_t n = sizeof(version);
    TEE_Result res = TEE_GetPropertyAsString(
        TEE_PROPSET_TEE_IMPLEMENTATION, "gpd.tee.trustedos.implementation.version", version, &n);

    if (res != TEE_SUCCESS)
        return res;
    snprintf(text, sizeof(text), "OP-TEE %s", version);
    c->tee = (struct bytes){(const uint8_t *)text, strlen(text)};
    return TEE_SUCCESS;
}

static TEE_Result put_enrolment(struct evidence_claims *c, const struct request *r)
{
    c->enrolment = r->enrols;
    if (!r->enrols)
        return TEE_SUCCESS;
    c->key = key;
    memcpy(c->tls_key, r->tls_key, sizeof(c->tls_key));
    return result_of(
        evidence_activation(&ta_hash, r->secret, r->nonce, &key, r->tls_key, c->activation));
}

static TEE_Result make_claims(const struct request *r, struct wr *out, size_t *log_n,
                              uint32_t *told)
{
    static struct evidence_claims c;
    size_t monitor_n = sizeof(monitor);
    TEE_Result res;

    memset(&c, 0, sizeof(c));
    memcpy(c.nonce, r->nonce, sizeof(c.nonce));
    c.oemboot = true;
    c.dbgstat = RELEASE_DEBUG;
    c.software.version =
        (struct bytes){(const uint8_t *)RELEASE_VERSION, sizeof(RELEASE_VERSION) - 1};
    res = put_boot(&c, log_n, told); /* before the monitor's claims */
    if (res == TEE_SUCCESS)
        res = put_identity(&c);
    if (res == TEE_SUCCESS)
        res = boot_state(&c.software);
    if (res == TEE_SUCCESS)
        res = boot_storage(&c.software);
    if (res == TEE_SUCCESS)
        res = boot_name(&c.software);
    if (res == TEE_SUCCESS)
        res = boot_update(&c.software);
    if (res == TEE_SUCCESS)
        res = boot_refusals(&c.software);
    if (res == TEE_SUCCESS)
        res = put_tee(&c);
    if (res == TEE_SUCCESS)
        res = put_enrolment(&c, r);
    if (res == TEE_SUCCESS)
        res = monitor_claims(monitor, &monitor_n);
    if (res != TEE_SUCCESS)
        return res;
    c.monitor_encoded = (struct bytes){monitor, monitor_n};
    return result_of(evidence_claims_encode(&c, out));
}

static TEE_Result make_token(struct bytes claims, struct wr *out)
{
    struct evidence_token t = {.payload = claims};
    uint8_t digest[32];
    TEE_Result res = result_of(evidence_key_thumbprint(&ta_hash, &key, t.kid));

    if (res == TEE_SUCCESS)
        res = result_of(evidence_token_digest(&ta_hash, t.kid, claims, digest));
    if (res == TEE_SUCCESS)
        res = ta_key_sign(&signer, digest, t.signature);
    return res == TEE_SUCCESS ? result_of(evidence_token_encode(&t, out)) : res;
}

static TEE_Result make_message(const struct request *r, struct bytes token, size_t log_n,
                               uint32_t told, struct wr *out)
{
    uint8_t attest[EVIDENCE_ATTEST_MAX], nonce[32];
    struct evidence_message m = {.token = token};
    size_t n = sizeof(attest);
    TEE_Result res = result_of(evidence_quote_nonce(&ta_hash, token, nonce));

    if (res == TEE_SUCCESS)
        res = boot_quote(nonce, told, attest, &n, m.quote_signature);
    if (res != TEE_SUCCESS)
        return res;
    m.attest = (struct bytes){attest, n};
    if (r->wants_log)
        m.log = (struct bytes){event_log, log_n};
    return result_of(evidence_message_encode(&m, out));
}

static TEE_Result open_key(void)
{
    TEE_Result res = ta_key_open("attestation key", &signer);

    memcpy(key.x, signer.x, sizeof(key.x));
    memcpy(key.y, signer.y, sizeof(key.y));
    return res;
}

TEE_Result evidence_make(const struct request *r, struct wr *message)
{
    size_t log_n = 0;
    uint32_t told = 0;
    struct wr claims, token;
    TEE_Result res = open_key();

    wr_init(&claims, encoded, sizeof(encoded));
    wr_init(&token, token_bytes, sizeof(token_bytes));
    if (res == TEE_SUCCESS)
        res = make_claims(r, &claims, &log_n, &told);
    if (res == TEE_SUCCESS)
        res = make_token(wr_done(&claims), &token);
    return res == TEE_SUCCESS ? make_message(r, wr_done(&token), log_n, told, message) : res;
}

TEE_Result evidence_public(struct evidence_key *public)
{
    TEE_Result res = open_key();

    *public = key;
    return res;
}
