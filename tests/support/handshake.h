/* SPDX-License-Identifier: Apache-2.0 */
/* A client and a server of TLS in one process. What fails ends the program. */
#ifndef HANDSHAKE_H
#define HANDSHAKE_H

#include <stdbool.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

/* For that public key, by the issuer's. */
X509 *handshake_certificate(EVP_PKEY *key, EVP_PKEY *issuer);

/* With a certificate of its own; takes any of a client, and needs one. */
SSL_CTX *handshake_server(EVP_PKEY *key, const char *suite);

/* With a certificate for `certified`, whose private half `handle` has, in that version of TLS. */
SSL_CTX *handshake_client(EVP_PKEY *certified, EVP_PKEY *handle, int version);

/* Whether they agree and can talk, and the server saw a certificate for `expected`. */
bool handshake(SSL_CTX *client, SSL_CTX *server, EVP_PKEY *expected);

#endif
