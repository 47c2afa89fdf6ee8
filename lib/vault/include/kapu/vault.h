/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keys of the vault sign, and how their public halves travel. The vault TA puts together what
 * it signs with these functions; the program that asks for it takes apart what its TLS library
 * wants to have signed.
 *
 * Trust: transcripts and contents may be hostile.
 *
 * Errors: 0; KAPU_EINVAL (not the content of a client's handshake); KAPU_ESPACE.
 */
#ifndef KAPU_VAULT_H
#define KAPU_VAULT_H

#include <kapu/bytes.h>

/* ---- TLS 1.3 (RFC 8446, 4.4.3) ---- */

/* Bytes of a transcript hash: SHA-256, SHA-384. */
#define VAULT_TRANSCRIPT_MIN 32u
#define VAULT_TRANSCRIPT_MAX 48u
#define VAULT_TLS_CONTENT_MAX (64u + 33u + 1u + VAULT_TRANSCRIPT_MAX)

/* What a client's CertificateVerify signs: 64 spaces, the context string of a client, a zero byte,
 * the transcript hash. With the context string of a server, or without one as in TLS 1.2, it is
 * another content, which no transcript gives. */
KAPU_MUST_CHECK int vault_tls_encode(struct bytes transcript, struct wr *content);
/* *transcript: a view into `content`. */
KAPU_MUST_CHECK int vault_tls_decode(struct bytes content, struct bytes *transcript);

/* ---- public keys ---- */

#define VAULT_POINT_SIZE 64u /* x and y, on P-256 */
#define VAULT_SPKI_SIZE 91u

/* SubjectPublicKeyInfo (RFC 5480, 2), DER. */
void vault_spki_encode(const uint8_t point[VAULT_POINT_SIZE], uint8_t spki[VAULT_SPKI_SIZE]);

#endif
