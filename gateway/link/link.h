/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of kapu-link share. */
#ifndef KAPU_LINK_H
#define KAPU_LINK_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include <kapu/bytes.h>
#include <kapu/protocol.h>

#include "gateway_settings.h"

/* A line to the journal. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The certificate of the operator's authority, in the verified root image. */
#define SETTINGS_CA "/etc/kapu/operator-ca.pem"

/* Paths are in that folder from now on: for tests. */
void link_set_root(const char *folder);
#define LINK_PATH 256
const char *link_path(const char *path, char to[LINK_PATH]);

/* ---- token.c: the TLS key, born in the secure world and never out of it ---- */

#define TLS_KEY_MAX PROTOCOL_TLS_KEY_MAX

/* Makes token and key when they are not there; *n: bytes of SubjectPublicKeyInfo (DER). */
bool token_key(uint8_t spki[TLS_KEY_MAX], size_t *n);
/* The private key, for OpenSSL: a handle. Freed by the caller. NULL: says why. */
EVP_PKEY *token_private_key(void);

/* ---- identity.c: the certificate that the operator gave ---- */

/* Whether there is one for this key, by the operator's authority. Its dates are not looked at: a
 * gateway has no clock that it can believe. */
bool identity_is_there(struct bytes spki);
/* Keeps a certificate and its issuer's (DER), if it is such a one. */
bool identity_keep(struct bytes spki, struct bytes certificate, struct bytes issuer);

/* ---- tls.c ---- */

/* TLS 1.3 to the operator, of whom the name in the certificate is checked; with this gateway's
 * certificate when `authenticated`. NULL: says why; *key_is_gone: the secure world has no key for
 * it any more. */
SSL_CTX *tls_context(const struct gateway_settings *s, bool authenticated, bool *key_is_gone);

/* ---- serve.c: requests and what they are answered ---- */

struct gateway {
    char name[PROTOCOL_NAME_SIZE];
    uint8_t spki[TLS_KEY_MAX];
    size_t spki_n;
    bool enrolled;
    unsigned certificates; /* that came and were kept */
};
/* Reads who this gateway is from the secure world. */
bool gateway_open(struct gateway *g);
/* The body of a hello, in memory as below. */
struct bytes gateway_hello(struct gateway *g);
/* The body of the answer, in memory that the next call uses again. A certificate that came with the
 * request makes g->enrolled true, and is counted. */
struct bytes gateway_answer(struct gateway *g, enum protocol_place place, struct bytes request);

#endif
