/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of kapu-link share. */
#ifndef KAPU_LINK_H
#define KAPU_LINK_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include <kapu/bytes.h>
#include <kapu/protocol.h>
#include <kapu/vault.h>

#include "gateway_settings.h"

/* A line to the journal. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The certificate of the operator's authority, in the verified root image. */
#define SETTINGS_CA "/etc/kapu/operator-ca.pem"

/* Paths are in that folder from now on: for tests. */
void link_set_root(const char *folder);
#define LINK_PATH 256
const char *link_path(const char *path, char to[LINK_PATH]);

/* ---- vault.c: the TLS key, born in the vault TA and never out of it ---- */

/* The public half, as secure storage has it now. Makes the key when it is not there. false: says
 * why. */
bool vault_tls_point(uint8_t point[VAULT_POINT_SIZE]);
/* The private key, for OpenSSL: a handle. Freed by the caller. NULL: says why, as when the vault
 * has another key now than this one. */
EVP_PKEY *vault_tls_key(const uint8_t spki[VAULT_SPKI_SIZE]);

/* ---- identity.c: the certificate that the operator gave ---- */

/* Whether there is one for this key, by the operator's authority. Its dates are not looked at: a
 * gateway has no clock that it can believe. */
bool identity_is_there(struct bytes spki);
/* Keeps a certificate and its issuer's (DER), if it is such a one. */
bool identity_keep(struct bytes spki, struct bytes certificate, struct bytes issuer);

/* ---- tls.c ---- */

struct gateway {
    char name[PROTOCOL_NAME_SIZE];
    uint8_t spki[VAULT_SPKI_SIZE]; /* of its TLS key */
    bool key_is_gone;              /* the vault has another one now, or gives none */
    bool enrolled;
    unsigned certificates; /* that came and were kept */
};

/* TLS 1.3 to the operator, of whom the name in the certificate is checked; with the certificate of
 * `g`, if there is one. NULL: says why, and whether the key is gone is in *g. */
SSL_CTX *tls_context(const struct gateway_settings *s, struct gateway *g);

/* ---- serve.c: requests and what they are answered ---- */

/* Reads who this gateway is from the secure world. */
bool gateway_open(struct gateway *g);
/* The body of a hello, in memory as below. */
struct bytes gateway_hello(struct gateway *g);
/* The body of the answer, in memory that the next call uses again. A certificate that came with the
 * request makes g->enrolled true, and is counted. */
struct bytes gateway_answer(struct gateway *g, enum protocol_place place, struct bytes request);

#endif
