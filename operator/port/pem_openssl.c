// SPDX-License-Identifier: Apache-2.0
#include "pem_openssl.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

struct reader {
    unsigned kinds;
    pem_object_fn each;
    void *ctx;
    unsigned found;
};

/* By RFC 7468, and what OpenSSL writes of old. */
static const struct {
    const char *label;
    unsigned kind;
} labels[] = {
    {"CERTIFICATE", PEM_CERTIFICATE},     {"PUBLIC KEY", PEM_PUBLIC_KEY},
    {"PRIVATE KEY", PEM_PRIVATE_KEY},     {"EC PRIVATE KEY", PEM_PRIVATE_KEY},
    {"RSA PRIVATE KEY", PEM_PRIVATE_KEY},
};

static unsigned kind_of(const char *label)
{
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        if (strcmp(label, labels[i].label) == 0)
            return labels[i].kind;
    }
    return 0;
}

static const char *decode(unsigned kind, struct bytes der, struct pem_object *o)
{
    const uint8_t *p = der.p;

    if (kind == PEM_CERTIFICATE)
        o->certificate = d2i_X509(NULL, &p, (long)der.n);
    else if (kind == PEM_PUBLIC_KEY)
        o->key = d2i_PUBKEY(NULL, &p, (long)der.n);
    else
        o->key = d2i_AutoPrivateKey(NULL, &p, (long)der.n);
    ERR_clear_error();
    if (o->certificate == NULL && o->key == NULL)
        return kind == PEM_CERTIFICATE ? "the certificate that begins here is damaged"
                                       : "the key that begins here is damaged, or of no known kind";
    return p == der.p + der.n ? NULL : "what begins here goes on after its end";
}

static const char *refusal(unsigned kinds)
{
    if (kinds == PEM_CERTIFICATE)
        return "a block that is not a certificate";
    if (kinds == PEM_PUBLIC_KEY)
        return "a block that is not a public key";
    return kinds == PEM_PRIVATE_KEY ? "a block that is not a private key without encryption"
                                    : "a block that is not a key without encryption";
}

static const char *take(void *ctx, const char *label, struct bytes der)
{
    struct reader *r = ctx;
    const unsigned kind = kind_of(label);
    struct pem_object o = {NULL, NULL};
    const char *fault;

    /* openssl ecparam -genkey writes the curve's name before a key that names it too */
    if (strcmp(label, "EC PARAMETERS") == 0 && (r->kinds & PEM_PRIVATE_KEY) != 0 && r->found == 0)
        return NULL;
    if ((kind & r->kinds) == 0)
        return refusal(r->kinds);
    r->found++;
    fault = decode(kind, der, &o);
    if (fault == NULL)
        fault = r->each(r->ctx, &o);
    X509_free(o.certificate);
    EVP_PKEY_free(o.key);
    // cppcheck-suppress returnDanglingLifetime ; reasons are not in the object
    return fault;
}

int pem_objects(const char *path, unsigned kinds, pem_object_fn each, void *ctx, char *why,
                size_t why_n)
{
    struct reader r = {.kinds = kinds, .each = each, .ctx = ctx};
    int err = pem_file(path, take, &r, why, why_n);

    if (err == 0 && r.found == 0) {
        snprintf(why, why_n, "%s: there is a curve in it, but no key", path);
        err = KAPU_ENOENT;
    }
    return err;
}

static const char *keep(void *ctx, struct pem_object *o)
{
    struct pem_object *kept = ctx;

    if (kept->certificate != NULL || kept->key != NULL)
        return "a second block; only one belongs in this file";
    *kept = *o;
    *o = (struct pem_object){NULL, NULL};
    return NULL;
}

static struct pem_object one(const char *path, unsigned kinds, char *why, size_t why_n)
{
    struct pem_object o = {NULL, NULL};

    if (pem_objects(path, kinds, keep, &o, why, why_n) != 0) {
        X509_free(o.certificate);
        EVP_PKEY_free(o.key);
        o = (struct pem_object){NULL, NULL};
    }
    return o;
}

X509 *pem_certificate(const char *path, char *why, size_t why_n)
{
    return one(path, PEM_CERTIFICATE, why, why_n).certificate;
}

EVP_PKEY *pem_key(const char *path, unsigned kinds, char *why, size_t why_n)
{
    return one(path, kinds, why, why_n).key;
}
