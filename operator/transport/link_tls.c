// SPDX-License-Identifier: Apache-2.0
#include "link_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "certificate.h"

struct link_tls {
    SSL_CTX *ctx;
    char host[256], ca[512];
    char said[480];
    bool is_final;
};

/* What OpenSSL says, by a part of it, and what that means to an operator. */
static const struct {
    const char *part, *means;
} meanings[] = {
    {"wrong version number", "what listens there does not speak TLS: is this the broker's port?"},
    {"http request", "what listens there does not speak TLS: is this the broker's port?"},
    {"packet length too long", "what listens there does not speak TLS: is this the broker's port?"},
    {"record layer failure", "what listens there does not speak TLS: is this the broker's port?"},
    {"alert protocol version", "the broker does not speak TLS 1.3, and kapu speaks nothing older"},
    {"unsupported protocol", "the broker does not speak TLS 1.3, and kapu speaks nothing older"},
    {"alert certificate expired",
     "the broker refuses kapu.pem: by its clock that certificate ran out, or is not valid yet"},
    {"alert unknown ca",
     "the broker refuses kapu.pem: it does not know the authority that issued it (staff-ca.pem)"},
    {"alert certificate required", "the broker refuses this program: it got no certificate"},
    {"alert bad certificate", "the broker refuses kapu.pem: it takes the certificate for damaged"},
    {"alert certificate unknown", "the broker refuses kapu.pem"},
    {"alert handshake failure",
     "the broker and kapu have no cipher or certificate in common that both accept"},
};

void link_tls_heard(struct link_tls *t, const char *line)
{
    static const char begin[] = "OpenSSL Error";

    if (t == NULL || t->said[0] != '\0' || strncmp(line, begin, sizeof(begin) - 1) != 0)
        return;
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (strstr(line, meanings[i].part) != NULL) {
            snprintf(t->said, sizeof(t->said), "%s", meanings[i].means);
            t->is_final = true;
            return;
        }
    }
    snprintf(t->said, sizeof(t->said), "%s", line);
}

void link_tls_begin(struct link_tls *t)
{
    if (t == NULL)
        return;
    t->said[0] = '\0';
    t->is_final = false;
}

bool link_tls_is_final(const struct link_tls *t)
{
    return t != NULL && t->is_final;
}

const char *link_tls_said(const struct link_tls *t)
{
    return t != NULL && t->said[0] != '\0' ? t->said : NULL;
}

/* The first fault of the broker's chain. */
static int verified(int good, X509_STORE_CTX *c)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(c, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct link_tls *t = ssl != NULL ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;

    if (good == 0 && t != NULL && t->said[0] == '\0') {
        const size_t n = (size_t)snprintf(t->said, sizeof(t->said), "the broker is not believed: ");

        certificate_chain_fault(c, (uint64_t)time(NULL), t->ca, t->host, t->said + n,
                                sizeof(t->said) - n);
        t->is_final = true;
    }
    return good;
}

static bool set_up(struct link_tls *t, const struct transport_options *o)
{
    X509_VERIFY_PARAM *param;

    t->ctx = SSL_CTX_new(TLS_client_method());
    if (t->ctx == NULL)
        return false;
    SSL_CTX_set_app_data(t->ctx, t);
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, verified);
    param = SSL_CTX_get0_param(t->ctx);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_WILDCARDS);
    return SSL_CTX_set_min_proto_version(t->ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_load_verify_file(t->ctx, o->ca) == 1 &&
           SSL_CTX_use_certificate_chain_file(t->ctx, o->certificate) == 1 &&
           SSL_CTX_use_PrivateKey_file(t->ctx, o->key, SSL_FILETYPE_PEM) == 1 &&
           (X509_VERIFY_PARAM_set1_ip_asc(param, o->host) == 1 ||
            X509_VERIFY_PARAM_set1_host(param, o->host, 0) == 1);
}

struct link_tls *link_tls_set(struct mosquitto *client, const struct transport_options *o,
                              char *why, size_t n)
{
    struct link_tls *t = calloc(1, sizeof(*t));
    unsigned long err;

    if (t != NULL) {
        snprintf(t->host, sizeof(t->host), "%s", o->host);
        snprintf(t->ca, sizeof(t->ca), "%s", o->ca);
    }
    if (t != NULL && set_up(t, o) &&
        mosquitto_int_option(client, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0) == MOSQ_ERR_SUCCESS &&
        mosquitto_void_option(client, MOSQ_OPT_SSL_CTX, t->ctx) == MOSQ_ERR_SUCCESS) {
        ERR_clear_error(); /* of the address that was a name */
        return t;
    }
    err = ERR_peek_last_error();
    snprintf(why, n, "TLS by %s, %s and %s: %s", o->ca, o->certificate, o->key,
             err != 0 ? ERR_reason_error_string(err) : "no memory");
    ERR_clear_error();
    link_tls_free(t);
    return NULL;
}

void link_tls_free(struct link_tls *t)
{
    if (t != NULL)
        SSL_CTX_free(t->ctx);
    free(t);
}
