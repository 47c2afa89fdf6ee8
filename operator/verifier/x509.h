/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: of TPMs (to check), and of gateways (to issue). */
#ifndef KAPU_X509_H
#define KAPU_X509_H

#include <kapu/bytes.h>
#include <kapu/evidence.h>

/* ---- TPMs ---- */

#define X509_INTERMEDIATES 4u

/* The authorities whose TPMs are genuine: all certificates of a PEM file. NULL: `why` says the
 * reason. */
struct x509_roots;
struct x509_roots *x509_roots_load(const char *path, char *why, size_t why_n);
void x509_roots_free(struct x509_roots *roots);

/*
 * The P-256 key of an endorsement certificate (DER) that chains to one of the roots, maybe through
 * intermediates (DER), is good at that time, and was issued for an endorsement key (EK Credential
 * Profile 2.5, 3.2.16). `certificate` may be followed by what fills its NV index
 * (ek_certificate.h). KAPU_EAUTH: `why` says what is wrong.
 */
KAPU_MUST_CHECK int x509_check_ek(const struct x509_roots *roots, struct bytes certificate,
                                  const struct bytes *intermediate, size_t intermediates,
                                  uint64_t now_s, struct evidence_key *key, char *why,
                                  size_t why_n);

/* ---- this program, as a client of brokers ---- */

/*
 * Whether a TLS connection can be made by these PEM files: the authorities of brokers, this
 * program's certificate (first; maybe others of its chain), and its key. Each is read to its end,
 * is in its time now, and certificate and key belong together. KAPU_EINVAL: `why` names the file,
 * the certificate, and what to do.
 */
KAPU_MUST_CHECK int x509_check_client(const char *authorities, const char *certificate,
                                      const char *key, uint64_t now_s, char *why, size_t why_n);
/* ---- gateways ---- */

#define X509_CERTIFICATE_MAX 2048u

/* The operator's authority for gateways: certificate and private key, PEM files. */
struct x509_ca;
struct x509_ca *x509_ca_load(const char *certificate, const char *key, char *why, size_t why_n);
void x509_ca_free(struct x509_ca *ca);
/* Its certificate (DER). KAPU_ECRYPTO, KAPU_ESPACE. */
KAPU_MUST_CHECK int x509_ca_certificate(const struct x509_ca *ca, struct wr *der);

/* A client certificate for the public key `spki` (DER, on P-256) with CN = name. KAPU_EINVAL: no
 * such key. KAPU_ECRYPTO. */
KAPU_MUST_CHECK int x509_issue(const struct x509_ca *ca, const char *name, struct bytes spki,
                               uint64_t now_s, uint32_t days, struct wr *der);
/* Whether it is a SubjectPublicKeyInfo (DER) with a P-256 key. */
KAPU_MUST_CHECK bool x509_is_p256(struct bytes spki);

#endif
