// SPDX-License-Identifier: Apache-2.0
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "identity.h"
#include "link.h"

/* No dates: a gateway has no clock that it can believe. Whom the operator's authority certified is
 * believed as long as this release runs; nothing secret is told to them. */
static bool trust_operator(SSL_CTX *ctx, const struct gateway_settings *s)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
    char ca[LINK_PATH];

    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_WILDCARDS);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_load_verify_file(ctx, link_path(SETTINGS_CA, ca)) == 1 &&
           X509_VERIFY_PARAM_set1_host(param, s->name, 0) == 1;
}

static bool show_identity(SSL_CTX *ctx, struct gateway *g)
{
    char path[LINK_PATH];
    EVP_PKEY *key = vault_tls_key(g->spki);
    bool done = key != NULL &&
                SSL_CTX_use_certificate_chain_file(ctx, link_path(IDENTITY_FILE, path)) == 1 &&
                SSL_CTX_use_PrivateKey(ctx, key) == 1;

    g->key_is_gone = key == NULL;
    EVP_PKEY_free(key);
    return done;
}

SSL_CTX *tls_context(const struct gateway_settings *s, struct gateway *g)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ctx != NULL && trust_operator(ctx, s) && (g == NULL || show_identity(ctx, g)))
        return ctx;
    if (ERR_peek_last_error() != 0)
        say("TLS: %s", ERR_reason_error_string(ERR_peek_last_error()));
    SSL_CTX_free(ctx);
    return NULL;
}
