/* SPDX-License-Identifier: Apache-2.0 */
/* The crypto port of lib/tpm2 bound to OpenSSL 3. */
#ifndef KAPU_CRYPTO_OPENSSL_H
#define KAPU_CRYPTO_OPENSSL_H

#include <openssl/evp.h>

#include <kapu/evidence.h>
#include <kapu/tpm2.h>

extern const struct tpm2_crypto crypto_openssl;

/* A public key on P-256 from its coordinates; null when they are no point of the curve. */
EVP_PKEY *openssl_p256_public(const uint8_t x[32], const uint8_t y[32]);
/* Whether it is a key on P-256, and not of another kind or curve. NULL is none. */
bool openssl_is_p256(EVP_PKEY *key);
/* The coordinates of one; 0, or -1: it is none. */
int openssl_p256_coordinates(EVP_PKEY *key, uint8_t x[32], uint8_t y[32]);

/* 0 when r || s is that key's ECDSA signature of the digest; -1 else. */
int openssl_p256_verify(const uint8_t x[32], const uint8_t y[32], const uint8_t digest[32],
                        const uint8_t signature[64]);

/* The port of lib/evidence. */
extern const struct evidence_verify evidence_openssl;

#endif
