/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the attest TA share. */
#ifndef ATTEST_H
#define ATTEST_H

#include <tee_internal_api.h>

#include <kapu/evidence.h>

#include "attest_ta.h"

#define CERTIFICATE_MAX 2048u /* FUSEBOX_CERTIFICATE_MAX */
#define PUBLIC_MAX 128u       /* TPMT_PUBLIC of a P-256 key */
#define RECORD_MAX 256u       /* FUSEBOX_RECORD_SIZE and more */
#define NAME_MAX 34u          /* TPM 2.0 Part 1, 16 */

extern const struct kapu_sha256 ta_hash;

/* ---- services.c: boot service, monitor TA and vault TA ---- */

TEE_Result services_open(void);

struct identity {
    uint8_t board[EVIDENCE_BOARD_SIZE];
    uint8_t ek_name[NAME_MAX], ak[PUBLIC_MAX], certificate[CERTIFICATE_MAX];
    size_t ek_name_n, ak_n, certificate_n;
};
TEE_Result boot_identity(struct identity *id);
TEE_Result boot_state(struct evidence_software *s);
TEE_Result boot_storage(struct evidence_software *s);
/* Identity of the release, and name of the boot. */
TEE_Result boot_name(struct evidence_software *s);
/* What came of the last trial of a release. */
TEE_Result boot_update(struct evidence_software *s);
/* Refusals of updates in this boot. */
TEE_Result boot_refusals(struct evidence_software *s);
TEE_Result boot_pcr(uint32_t pcr, uint8_t value[32]);
/* *n: room in `log`, and then its bytes. *told: what boot_quote wants, to be asked before the
 * monitor's claims. */
TEE_Result boot_events(uint8_t *log, size_t *n, uint32_t *told);
TEE_Result boot_quote(const uint8_t nonce[32], uint32_t told, uint8_t *attest, size_t *n,
                      uint8_t signature[EVIDENCE_SIGNATURE_SIZE]);
TEE_Result boot_activate(const TEE_Param *blob, const TEE_Param *secret, uint8_t out[32]);

/* The next step of a deep check; *left: steps left of it. */
TEE_Result monitor_step(uint32_t *left);
/* Times in ms since the secure world's start. *number 0: no deep check is complete yet. */
TEE_Result monitor_last(uint32_t *number, uint64_t *began_ms, uint64_t *now_ms);
/* *n: room in `claims`, and then their bytes. */
TEE_Result monitor_claims(uint8_t *claims, size_t *n);

/* SHA-256 of the public key (SubjectPublicKeyInfo, DER) that the vault has for TLS. */
TEE_Result vault_tls_key(uint8_t digest[32]);

/* ---- evidence.c ---- */

/* What a session asks for. */
struct request {
    uint8_t nonce[EVIDENCE_NONCE_SIZE];
    bool wants_log;
    bool enrols;
    uint8_t secret[32], tls_key[32]; /* of an enrolment */
};

/* The public key of this TEE. */
TEE_Result evidence_public(struct evidence_key *public);
/* The signed message. */
TEE_Result evidence_make(const struct request *r, struct wr *message);

#endif
