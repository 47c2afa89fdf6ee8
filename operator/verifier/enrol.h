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
 * Why each link holds: the certificate says whose the EK is; the TPM gives the secret out only if
 * an object of the AK's name, that is with exactly these attributes, is in it; the activation claim
 * is an HMAC with the secret over nonce, TEE key and TLS key; the quote, by a key that signs
 * nothing but what its TPM made, covers the token with that claim. Nothing is kept between
 * challenge and answer: the secret follows from fleet key, nonce, EK and AK.
 *
 * Trust: all that comes from the gateway is hostile, the name that it is to have is the operator's.
 */
#ifndef KAPU_ENROL_H
#define KAPU_ENROL_H

#include <kapu/tpm2.h>

#include "fleet.h"
#include "x509.h"

#define ENROL_WHY 384u

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
                                    const struct enrol_hello *hello, struct enrol_challenge *c,
                                    char why[ENROL_WHY]);

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
                                 const struct enrol_hello *hello, const struct enrol_answer *a,
                                 struct verifier_result *r, struct wr *certificate,
                                 char why[ENROL_WHY]);

#endif
