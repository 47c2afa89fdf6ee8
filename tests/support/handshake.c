// SPDX-License-Identifier: Apache-2.0
#include "handshake.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

#define TURNS 20 /* more than any handshake has */

static void need(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "handshake: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

X509 *handshake_certificate(EVP_PKEY *key, EVP_PKEY *issuer)
{
    X509 *c = X509_new();

    need(c != NULL && X509_set_version(c, 2) == 1 &&
             ASN1_INTEGER_set(X509_get_serialNumber(c), 1) == 1 &&
             X509_gmtime_adj(X509_getm_notBefore(c), 0) != NULL &&
             X509_gmtime_adj(X509_getm_notAfter(c), 3600) != NULL && X509_set_pubkey(c, key) == 1 &&
             X509_sign(c, issuer, EVP_sha256()) > 0,
         "certificate");
    return c;
}

static int accept_all(int good, X509_STORE_CTX *ctx)
{
    (void)good;
    (void)ctx;
    return 1;
}

SSL_CTX *handshake_server(EVP_PKEY *key, const char *suite)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    X509 *c = handshake_certificate(key, key);

    need(SSL_CTX_use_certificate(ctx, c) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
             SSL_CTX_set_ciphersuites(ctx, suite) == 1,
         "server");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_all);
    X509_free(c);
    return ctx;
}

SSL_CTX *handshake_client(EVP_PKEY *certified, EVP_PKEY *handle, int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    EVP_PKEY *issuer = EVP_EC_gen("P-256");
    X509 *c = handshake_certificate(certified, issuer);

    need(SSL_CTX_set_min_proto_version(ctx, version) == 1 &&
             SSL_CTX_set_max_proto_version(ctx, version) == 1 &&
             SSL_CTX_use_certificate(ctx, c) == 1 && SSL_CTX_use_PrivateKey(ctx, handle) == 1,
         "client");
    X509_free(c);
    EVP_PKEY_free(issuer);
    return ctx;
}

bool handshake(SSL_CTX *client, SSL_CTX *server, EVP_PKEY *expected)
{
    SSL *c = SSL_new(client), *s = SSL_new(server);
    BIO *to_client = NULL, *to_server = NULL;
    X509 *seen;
    char byte = 0;
    bool good;

    need(BIO_new_bio_pair(&to_client, 0, &to_server, 0) == 1, "pair");
    SSL_set_bio(c, to_client, to_client);
    SSL_set_bio(s, to_server, to_server);
    SSL_set_connect_state(c);
    SSL_set_accept_state(s);
    for (int turn = 0; turn < TURNS && !(SSL_is_init_finished(c) && SSL_is_init_finished(s));
         turn++) {
        (void)SSL_do_handshake(c);
        (void)SSL_do_handshake(s);
    }
    good = SSL_is_init_finished(c) && SSL_is_init_finished(s) && SSL_write(c, "x", 1) == 1 &&
           SSL_read(s, &byte, 1) == 1 && byte == 'x';
    seen = SSL_get1_peer_certificate(s);
    good = good && seen != NULL && EVP_PKEY_eq(X509_get0_pubkey(seen), expected) == 1;
    X509_free(seen);
    SSL_free(c);
    SSL_free(s);
    ERR_clear_error();
    return good;
}
