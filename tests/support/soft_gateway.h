/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gateway in software, with keys of its name: boots by an event log, has a TPM's attestation key
 * and a TEE's key, and answers nonces. A test changes a field before it asks for a message.
 */
#ifndef KAPU_SOFT_GATEWAY_H
#define KAPU_SOFT_GATEWAY_H

#include <kapu/evidence.h>
#include <kapu/tpm2.h>

#include "soft_key.h"

struct soft_gateway {
    struct soft_key tee, ak; /* what signs */
    struct tpm2_public ak_public;
    struct tpm2_name ak_name, ek_name;
    struct evidence_claims claims; /* nonce and boot.log_* are set with each message */
    struct evidence_monitor monitor;
    uint8_t log[2048];
    size_t log_n;
    bool with_log;
    uint8_t token[EVIDENCE_TOKEN_MAX]; /* of the last message */
    size_t token_n;
    /* How the quote is made: a test may bend it. */
    uint32_t quote_mask;
    uint16_t quote_type;
    uint32_t quote_magic;
    uint32_t quote_resets, quote_restarts; /* of the TPM's clock */
    uint8_t quote_pcr[EVIDENCE_PCRS][32];
    bool quote_other_pcrs;  /* quote_pcr instead of the PCRs of the claims */
    bool quote_other_nonce; /* over something else than this token */
    /* A TPM of its own that quotes, instead of the software. */
    void (*quote)(void *ctx, const uint8_t nonce[32], struct wr *attest, uint8_t signature[64]);
    void *quote_ctx;
};

/* `release` says whose software it boots: the PCRs follow from it. */
void soft_gateway_init(struct soft_gateway *g, const char *name, const char *release);
/* Boots another release: PCRs and event log follow; nothing else does. */
void soft_gateway_boot(struct soft_gateway *g, const char *release);
/* Adds a finding and counts it. */
void soft_gateway_finding(struct soft_gateway *g, enum evidence_severity severity, const char *id,
                          const char *object, uint64_t address, const char *detail);
void soft_gateway_message(struct soft_gateway *g, const uint8_t nonce[32], struct wr *out);
/* Makes the claims those of an enrolment. */
void soft_gateway_enrol(struct soft_gateway *g, const uint8_t nonce[32], const uint8_t secret[32],
                        const uint8_t tls_key[32]);

/* The vectors of tests/vectors/evidence: name and content; false behind the last. */
bool soft_vector(unsigned i, const char **name, struct wr *out);

#endif
