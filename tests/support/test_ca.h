/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate authority of a test: of a manufacturer of TPMs, or of an operator. Asserts nothing:
 * aborts when OpenSSL fails. */
#ifndef KAPU_TEST_CA_H
#define KAPU_TEST_CA_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <kapu/bytes.h>

struct test_ca {
    EVP_PKEY *key;
    X509 *certificate;
};

void test_ca_make(struct test_ca *ca, const char *name);
void test_ca_free(struct test_ca *ca);
/* PEM files; key_path may be NULL. */
void test_ca_write(const struct test_ca *ca, const char *path, const char *key_path);

enum test_ca_kind { TEST_CA_EK, TEST_CA_TLS, TEST_CA_AUTHORITY, TEST_CA_EK_AUTHORITY };
/* A certificate for a public key (P-256 coordinates), good from `from` days from now to `to`. */
void test_ca_issue(const struct test_ca *ca, enum test_ca_kind kind, const uint8_t x[32],
                   const uint8_t y[32], int from, int to, struct wr *der);

#endif
