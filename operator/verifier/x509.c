// SPDX-License-Identifier: Apache-2.0
#include "x509.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certificate.h"
#include "crypto_openssl.h"
#include "ek_certificate.h"
#include "pem_openssl.h"

#define AUTH_LEVEL 2 /* at least 112 bits: no SHA-1, no RSA below 2048 */
#define SERIAL_BYTES 16

struct x509_roots {
    X509_STORE *store;
};

struct x509_ca {
    X509 *certificate;
    EVP_PKEY *key;
};

/* ---- TPMs ---- */

static const char *add_root(void *ctx, struct pem_object *o)
{
    if (X509_check_ca(o->certificate) == 0) /* it would vouch for itself, and for nothing else */
        return "a certificate that is not of an authority";
    return X509_STORE_add_cert(ctx, o->certificate) == 1 ? NULL : "OpenSSL does not take it";
}

struct x509_roots *x509_roots_load(const char *path, char *why, size_t why_n)
{
    struct x509_roots *roots = calloc(1, sizeof(*roots));

    if (roots != NULL)
        roots->store = X509_STORE_new();
    if (roots == NULL || roots->store == NULL)
        snprintf(why, why_n, "no memory");
    else if (pem_objects(path, PEM_CERTIFICATE, add_root, roots->store, why, why_n) == 0)
        return roots;
    x509_roots_free(roots);
    return NULL;
}

void x509_roots_free(struct x509_roots *roots)
{
    if (roots != NULL)
        X509_STORE_free(roots->store);
    free(roots);
}

/* A certificate that fills its bytes exactly. */
static X509 *parse(struct bytes der)
{
    const uint8_t *p = der.p;
    X509 *x = der.n > 0 && der.n <= 65536 ? d2i_X509(NULL, &p, (long)der.n) : NULL;

    if (x != NULL && p != der.p + der.n) {
        X509_free(x);
        x = NULL;
    }
    return x;
}

/* Who looks for the missing one should know where its maker says that it is. */
static void add_place_of_issuer(X509_STORE_CTX *c, char *error, size_t n)
{
    X509 *x = X509_STORE_CTX_get_current_cert(c);
    const int err = X509_STORE_CTX_get_error(c);
    const size_t used = strlen(error);
    char place[96];

    if (x == NULL || (err != X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY &&
                      err != X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT &&
                      err != X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE))
        return;
    ek_certificate_issuer_at(x, place, sizeof(place));
    if (place[0] != '\0')
        snprintf(error + used, n - used, "; its maker has it at %s", place);
}

/* Verifies the chain; `error` is empty when it is good. */
static void check_chain(const struct x509_roots *roots, X509 *leaf, STACK_OF(X509) * others,
                        uint64_t now_s, char *error, size_t n)
{
    X509_STORE_CTX *c = X509_STORE_CTX_new();

    snprintf(error, n, "no memory");

    if (c != NULL && X509_STORE_CTX_init(c, roots->store, leaf, others) == 1) {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(c);

        X509_VERIFY_PARAM_set_time(param, (time_t)now_s);
        X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
        /* an intermediate authority may be what the operator trusts */
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
        error[0] = '\0';
        if (X509_verify_cert(c) != 1) {
            certificate_chain_fault(c, now_s, "ek-cas.pem", NULL, error, n);
            add_place_of_issuer(c, error, n);
        }
    }
    X509_STORE_CTX_free(c);
}

/* The extensions of EK certificates that OpenSSL does not know must not be critical. */
int x509_check_ek(const struct x509_roots *roots, struct bytes certificate,
                  const struct bytes *intermediate, size_t intermediates, uint64_t now_s,
                  struct evidence_key *key, char *why, size_t why_n)
{
    const char *error;
    const struct bytes der = ek_certificate_in(certificate, &error);
    STACK_OF(X509) *others = sk_X509_new_null();
    X509 *leaf = parse(der);
    char chain[320];
    bool good = leaf != NULL && others != NULL && intermediates <= X509_INTERMEDIATES;

    for (size_t i = 0; good && i < intermediates; i++) {
        X509 *x = parse(intermediate[i]);

        good = x != NULL && sk_X509_push(others, x) > 0;
        if (!good)
            X509_free(x);
    }
    if (good)
        error = ek_certificate_fault(leaf, key);
    if (good && error == NULL) {
        check_chain(roots, leaf, others, now_s, chain, sizeof(chain));
        error = chain[0] != '\0' ? chain : NULL;
    }
    if (error != NULL)
        snprintf(why, why_n, "the TPM is not genuine: %s", error);
    sk_X509_pop_free(others, X509_free);
    X509_free(leaf);
    ERR_clear_error();
    return error == NULL ? 0 : KAPU_EAUTH;
}

/* ---- this program, as a client of brokers ---- */

struct dated {
    uint64_t now_s;
    int purpose; /* of the first one; 0: it is an authority */
    X509 *first;
    char why[256];
};

static const char *kind_fault(X509 *x, int purpose)
{
    if (!openssl_is_p256(X509_get0_pubkey(x)))
        return "its key is not an ECDSA key on P-256";
    if (purpose == 0)
        return X509_check_ca(x) == 1 ? NULL : "a certificate that is not of an authority";
    return X509_check_purpose(x, purpose, 0) == 1
               ? NULL
               : "a certificate that is not for a client of TLS (extended key usage)";
}

static const char *take_dated(void *ctx, struct pem_object *o)
{
    struct dated *d = ctx;
    const char *fault = d->first == NULL ? kind_fault(o->certificate, d->purpose) : NULL;

    if (fault == NULL)
        fault = certificate_time_fault(o->certificate, d->now_s, d->why, sizeof(d->why));
    if (fault == NULL && d->first == NULL) {
        d->first = o->certificate;
        o->certificate = NULL;
    }
    return fault;
}

int x509_check_client(const char *authorities, const char *certificate, const char *key,
                      uint64_t now_s, char *why, size_t why_n)
{
    struct dated ca = {.now_s = now_s};
    struct dated own = {.now_s = now_s, .purpose = X509_PURPOSE_SSL_CLIENT};
    EVP_PKEY *private = NULL;
    int err = KAPU_EINVAL;

    if (pem_objects(authorities, PEM_CERTIFICATE, take_dated, &ca, why, why_n) == 0 &&
        pem_objects(certificate, PEM_CERTIFICATE, take_dated, &own, why, why_n) == 0)
    private = pem_key(key, PEM_PRIVATE_KEY, why, why_n);
    if (private != NULL && X509_check_private_key(own.first, private) == 1)
        err = 0;
    else if (private != NULL)
        snprintf(why, why_n, "%s: is not the key of the certificate in %s", key, certificate);
    ERR_clear_error();
    EVP_PKEY_free(private);
    X509_free(own.first);
    X509_free(ca.first);
    return err;
}

/* ---- gateways ---- */

struct x509_ca *x509_ca_load(const char *certificate, const char *key, char *why, size_t why_n)
{
    struct x509_ca *ca = calloc(1, sizeof(*ca));

    if (ca == NULL) {
        snprintf(why, why_n, "no memory");
        return NULL;
    }
    ca->certificate = pem_certificate(certificate, why, why_n);
    if (ca->certificate != NULL)
        ca->key = pem_key(key, PEM_PRIVATE_KEY, why, why_n);
    if (ca->key != NULL && X509_check_private_key(ca->certificate, ca->key) == 1 &&
        X509_check_ca(ca->certificate) == 1 && openssl_is_p256(ca->key))
        return ca;
    if (ca->key != NULL && !openssl_is_p256(ca->key))
        snprintf(why, why_n, "%s: is not an ECDSA key on P-256", key);
    else if (ca->key != NULL)
        snprintf(why, why_n, "%s is no authority's certificate for the key in %s", certificate,
                 key);
    ERR_clear_error();
    x509_ca_free(ca);
    return NULL;
}

void x509_ca_free(struct x509_ca *ca)
{
    if (ca == NULL)
        return;
    EVP_PKEY_free(ca->key);
    X509_free(ca->certificate);
    free(ca);
}

static EVP_PKEY *public_key(struct bytes spki)
{
    const uint8_t *p = spki.p;
    EVP_PKEY *key = spki.n > 0 && spki.n <= 1024 ? d2i_PUBKEY(NULL, &p, (long)spki.n) : NULL;

    if (key != NULL && (p != spki.p + spki.n || !openssl_is_p256(key))) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    ERR_clear_error();
    return key;
}

bool x509_is_p256(struct bytes spki)
{
    EVP_PKEY *key = public_key(spki);

    EVP_PKEY_free(key);
    return key != NULL;
}

static bool set_serial(X509 *x)
{
    uint8_t random[SERIAL_BYTES];
    BIGNUM *n = NULL;
    bool good = RAND_bytes(random, sizeof(random)) == 1;

    random[0] &= 0x7f; /* positive in DER */
    random[0] |= 0x40;
    if (good)
        n = BN_bin2bn(random, sizeof(random), NULL);
    good = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
    BN_free(n);
    return good;
}

static bool set_names(X509 *x, const struct x509_ca *ca, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(x);

    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(x, X509_get_subject_name(ca->certificate)) == 1;
}

/* From when its authority's is good: a clock that is ahead makes no certificate that no broker
 * takes when the clock is right again. A clock that shows a time before the authority began is
 * wrong.
 */
static bool set_time(X509 *x, const struct x509_ca *ca, uint64_t now_s, uint32_t days)
{
    const ASN1_TIME *from = X509_get0_notBefore(ca->certificate);
    time_t now = (time_t)now_s;

    if (ASN1_TIME_cmp_time_t(from, now) > 0)
        return false;
    return X509_set1_notBefore(x, from) == 1 &&
           X509_time_adj_ex(X509_getm_notAfter(x), (int)days, 0, &now) != NULL;
}

static bool set_extensions(X509 *x, const struct x509_ca *ca)
{
    static const struct {
        int nid;
        const char *value;
    } row[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "clientAuth"},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid"},
    };
    X509V3_CTX c;

    X509V3_set_ctx(&c, ca->certificate, x, NULL, NULL, 0);
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &c, row[i].nid, row[i].value);
        bool good = e != NULL && X509_add_ext(x, e, -1) == 1;

        X509_EXTENSION_free(e);
        if (!good)
            return false;
    }
    return true;
}

static int write_der(X509 *x, struct wr *der)
{
    uint8_t *p = NULL;
    int n = i2d_X509(x, &p);

    if (n > 0)
        wr_bytes(der, (struct bytes){p, (size_t)n});
    else
        wr_fail(der, KAPU_ECRYPTO);
    OPENSSL_free(p);
    return der->err;
}

int x509_ca_certificate(const struct x509_ca *ca, struct wr *der)
{
    return write_der(ca->certificate, der);
}

int x509_issue(const struct x509_ca *ca, const char *name, struct bytes spki, uint64_t now_s,
               uint32_t days, struct wr *der)
{
    EVP_PKEY *key = public_key(spki);
    X509 *x = X509_new();
    int err = KAPU_ECRYPTO;

    if (key == NULL)
        err = KAPU_EINVAL;
    else if (x != NULL && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
             set_names(x, ca, name) && set_time(x, ca, now_s, days) &&
             X509_set_pubkey(x, key) == 1 && set_extensions(x, ca) &&
             X509_sign(x, ca->key, EVP_sha256()) > 0)
        err = write_der(x, der);
    X509_free(x);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return err;
}
