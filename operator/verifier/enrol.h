/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enrolment: that an attestation key lives in a genuine TPM, and a TEE key and a TLS key on the
 * same board, before an operator knows anything of it.
 *
 *   gateway   -> operator   hello: EK certificate, EK and AK public areas
 *   operator  -> gateway    challenge: nonce, and a secret that only the TPM of that EK opens, for
 * an object of the AK's name (TPM2_MakeCredential) gateway   -> operator   answer: a message whose
 * token has the enrolment claims, and the TLS key operator  -> gateway    certificate of the TLS
 * key, CN = the gateway's name
 *
 * Why each link holds: the board record, which the manufacturer's factory signed, says that the EK
 * and the AK are those of one of its boards, and which board that is. Without it all that is said
 * below is true of any board with a TPM, also of one whose "secure world" is a program. The
 * certificate says whose the EK is; the TPM gives the secret out only if
 * an object of the AK's name, that is with exactly these attributes, is in it; the activation claim
 * is an HMAC with the secret over nonce, TEE key and TLS key; the quote, by a key that signs
 * nothing but what its TPM made, covers the token with that claim. Nothing is kept between
 * challenge and answer: the secret follows from fleet key, nonce, EK and AK.
 *
 * Trust: all that comes from the gateway is hostile, the name that it is to have is the operator's.
 */
#ifndef KAPU_ENROL_H
#define KAPU_ENROL_H

#include <kapu/protocol.h>
#include <kapu/tpm2.h>

#include "fleet.h"
#include "x509.h"

#define ENROL_WHY 384u

/* Under which terms: what the operator decided, not the gateway. */
struct enrol_terms {
    /* The gateway is enrolled, and has other keys now: all is proved as for a new one, and it keeps
     * its name and history. */
    bool renew;
    /* Why a gateway of which there is no board record is taken all the same; NULL: it is not. For
     * ever a warning, and audited. A record that does not fit cannot be passed over so. */
    const char *without_record;
    const char *user; /* of the operator's, for the audit */
};

struct enrol_hello {
    struct bytes ek_certificate; /* DER */
    struct bytes intermediate[X509_INTERMEDIATES];
    size_t intermediates;
    struct bytes ek_public, ak_public; /* TPMT_PUBLIC */
};

struct enrol_challenge {
    uint8_t nonce[EVIDENCE_NONCE_SIZE];
    uint8_t blob[128], secret[160]; /* TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET */
    size_t blob_n, secret_n;
};

/* 0; KAPU_EAUTH: refused, `why` says the reason. Other errors: the operator's side does not work.
 */
KAPU_MUST_CHECK int enrol_challenge(const struct fleet *f, const struct x509_roots *roots,
                                    const struct enrol_terms *terms,
                                    const struct enrol_hello *hello, struct enrol_challenge *c,
                                    char why[ENROL_WHY]);

/*
 * The EK's public area (TPMT_PUBLIC) by its certificate's key: its template is fixed. Older TPMs
 * leave out zeros at the front of a coordinate, and the EK's name follows from what they write: it
 * is the area of the gateway that is called `name` (kapu/protocol.h). KAPU_EPIN: no such area; the
 * ordinary one is written, and `called` is what its gateway is called. KAPU_ECRYPTO, KAPU_ESPACE.
 */
KAPU_MUST_CHECK int enrol_ek_public(const struct evidence_key *key, const char *name,
                                    char called[PROTOCOL_NAME_SIZE], struct wr *area);

struct enrol_answer {
    const char *name; /* 1 to 63 of A-Z a-z 0-9 . _ -, begins with none of the last three */
    uint32_t interval_s;
    struct bytes message;
    struct bytes tls_spki; /* SubjectPublicKeyInfo, DER */
};

/*
 * Checks the answer, appraises the evidence in it (contraindicated: refused), adds the gateway to
 * the store with this as its first verdict, and issues its certificate. *r is the appraisal's
 * result.
 */
KAPU_MUST_CHECK int enrol_finish(const struct fleet *f, const struct x509_roots *roots,
                                 const struct x509_ca *ca, uint32_t days,
                                 const struct enrol_terms *terms, const struct enrol_hello *hello,
                                 const struct enrol_answer *a, struct verifier_result *r,
                                 struct wr *certificate, char why[ENROL_WHY]);

#endif
