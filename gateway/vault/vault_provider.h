/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OpenSSL provider whose one kind of key is in the vault TA: an "EC" key on P-256 that signs
 * what a client of TLS 1.3 signs, and nothing else. OpenSSL hands over the content of
 * CertificateVerify; the provider takes the transcript hash out of it, and the vault TA puts the
 * content together again and signs it.
 */
#ifndef KAPU_VAULT_PROVIDER_H
#define KAPU_VAULT_PROVIDER_H

#include <openssl/evp.h>

#include <kapu/vault.h>

#define VAULT_PROVIDER_SIGNATURE_SIZE 64u /* r and s */

/* Signs a client's CertificateVerify for that transcript hash. 0, or -1. */
typedef int (*vault_provider_sign_fn)(struct bytes transcript,
                                      uint8_t signature[VAULT_PROVIDER_SIGNATURE_SIZE]);

/* A handle of the key with that public half (x and y), which signs by `sign`: one key of one
 * process at a time. Freed by the caller. NULL: OpenSSL's error queue says why. */
EVP_PKEY *vault_provider_key(const uint8_t point[VAULT_POINT_SIZE], vault_provider_sign_fn sign);

#endif
