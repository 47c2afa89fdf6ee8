/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ECDSA P-256 keys that sign, in a PEM file or a PKCS#11 token: what kapu-sign and kapu factory
 * use.
 *
 * A key's name is a file name or a "pkcs11:" URI (RFC 7512; the PIN comes from the URI's pin-source
 * or pin-value attribute, which no message shows). With a key file the nonce is derived from key
 * and message (RFC 6979), so that a release built twice is the same release; a token chooses its
 * own nonce.
 *
 * 0, or -1 with the reason in `why`. sign_key_close is right after both.
 */
#ifndef KAPU_SIGN_KEY_H
#define KAPU_SIGN_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGN_KEY_PUBLIC_MAX 128u   /* bytes of a SubjectPublicKeyInfo on P-256 (DER) */
#define SIGN_KEY_SIGNATURE_MAX 80u /* bytes of an ECDSA-Sig-Value on P-256 (DER) */
#define SIGN_KEY_WHY 512u

struct sign_key {
    const char *name;
    void *handle; /* GnuTLS's */
    char why[SIGN_KEY_WHY];
};

/* `name` must outlive the key. */
int sign_key_open(struct sign_key *k, const char *name);
void sign_key_close(struct sign_key *k);

/* SubjectPublicKeyInfo: from the key itself, or for a token from the public object with it. */
int sign_key_public(struct sign_key *k, uint8_t der[SIGN_KEY_PUBLIC_MAX], size_t *n);
/* ECDSA-Sig-Value over the SHA-256 of the data. */
int sign_key_sign(struct sign_key *k, const uint8_t *data, size_t data_n,
                  uint8_t der[SIGN_KEY_SIGNATURE_MAX], size_t *n);
/* The same when the SHA-256 is there already. */
int sign_key_sign_digest(struct sign_key *k, const uint8_t digest[32],
                         uint8_t der[SIGN_KEY_SIGNATURE_MAX], size_t *n);

#endif
