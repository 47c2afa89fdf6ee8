/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endorsement certificates as makers of TPMs write them (EK Credential Profile 2.5, 3), and as they
 * lie in a TPM. What is harmless in them and what is not: docs/tpm-hardware.md.
 */
#ifndef KAPU_EK_CERTIFICATE_H
#define KAPU_EK_CERTIFICATE_H

#include <kapu/bytes.h>
#include <kapu/evidence.h>
#include <openssl/x509.h>

/*
 * The certificate in what an NV index holds: without bytes 0x00 or 0xff that fill the index, and
 * without an OCTET STRING around it. A view of `nv`; n = 0: `*fault` says what is wrong.
 */
struct bytes ek_certificate_in(struct bytes nv, const char **fault);

/* Its P-256 key, if it is a certificate for an endorsement key. NULL, or why not. The chain is the
 * caller's to check. */
const char *ek_certificate_fault(X509 *x, struct evidence_key *key);

/* Where its maker says that the certificate of its issuer is (a caIssuers URI of printable ASCII).
 * Empty: nowhere. */
void ek_certificate_issuer_at(X509 *x, char *to, size_t n);

#endif
