/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encryption of what gateways fetch of a release: index, payload, patches and their indexes.
 * docs/update.md says what it is for, and what it does not hide.
 *
 *     release key    32 random bytes, one for each release that is encrypted
 *     check value    HMAC-SHA256(release key, "kapu release key"): in the manifest, for everybody
 *     file           salt (16 random bytes, new each time that a file is made), then the ciphertext
 *     file key       HMAC-SHA256(release key, "kapu release file" 0 NAME 0 salt)
 *     ciphertext     AES-256-CTR (NIST SP 800-38A, 6.5) with the file key: byte n of the plain file
 *                    is at 16 + n, in block n / 16 of the key stream. The counter is 16 bytes,
 *                    big-endian, and begins with 0
 *
 * So each range of a file can be decrypted alone, as soon as its salt is known. Two files never
 * have one key: their names differ, or their salts. A key encrypts less than 2^27 blocks.
 *
 * Trust: the ciphertext is hostile and not authenticated here: an attacker who flips a bit of it
 * flips the same bit of the plain file. The hashes of manifest and index detect that, as they do
 * for a release that is not encrypted.
 *
 * Secrets: release key and file keys belong to the caller, who wipes them.
 *
 * Errors: 0; KAPU_EPIN (it is another key); KAPU_EARG (a name or range that cannot be);
 * KAPU_ECRYPTO (a port failed; then what was to be made is wiped, or is not the plain file).
 */
#ifndef KAPU_CIPHER_H
#define KAPU_CIPHER_H

#include <kapu/bytes.h>
#include <kapu/sha256.h>

#define CIPHER_KEY_SIZE 32u
#define CIPHER_CHECK_SIZE 32u
#define CIPHER_SALT_SIZE 16u
#define CIPHER_BLOCK 16u
#define CIPHER_NAME_MAX 64u /* characters */

/* AES-256 in counter mode. */
struct cipher_port {
    /* Changes n bytes in place by the key stream that begins with this counter block. 0, or a
     * negative value on failure. */
    int (*ctr)(void *ctx, const uint8_t key[CIPHER_KEY_SIZE], const uint8_t counter[CIPHER_BLOCK],
               uint8_t *data, size_t n);
    void *ctx;
};

/* The check value of a release key. It tells which key it is, and nothing else of it. */
KAPU_MUST_CHECK int cipher_check(const struct kapu_sha256 *h, const uint8_t key[CIPHER_KEY_SIZE],
                                 uint8_t check[CIPHER_CHECK_SIZE]);
/* That it is the release key with that check value. */
KAPU_MUST_CHECK int cipher_is_key(const struct kapu_sha256 *h, const uint8_t key[CIPHER_KEY_SIZE],
                                  const uint8_t check[CIPHER_CHECK_SIZE]);
/* Of the file of that name (1 to CIPHER_NAME_MAX bytes, none of them 0). */
KAPU_MUST_CHECK int cipher_file_key(const struct kapu_sha256 *h, const uint8_t key[CIPHER_KEY_SIZE],
                                    struct bytes name, const uint8_t salt[CIPHER_SALT_SIZE],
                                    uint8_t file_key[CIPHER_KEY_SIZE]);
/* Encrypts or decrypts n bytes in place, which begin at byte `at` of the plain file. */
KAPU_MUST_CHECK int cipher_range(const struct cipher_port *port,
                                 const uint8_t file_key[CIPHER_KEY_SIZE], uint64_t at,
                                 uint8_t *data, size_t n);

#endif
