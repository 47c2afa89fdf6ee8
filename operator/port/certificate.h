/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a certificate, in sentences for people: which one, why, and what to do. */
#ifndef KAPU_CERTIFICATE_H
#define KAPU_CERTIFICATE_H

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL, or `why`: its time has not come, or is over, by that clock. */
const char *certificate_time_fault(const X509 *x, uint64_t now_s, char *why, size_t n);

/*
 * After a chain did not verify: the certificate that it failed at and the reason. `where` says
 * where authorities are looked for, `host` what the peer should be called (may be NULL).
 */
void certificate_chain_fault(X509_STORE_CTX *c, uint64_t now_s, const char *where, const char *host,
                             char *why, size_t n);

#endif
