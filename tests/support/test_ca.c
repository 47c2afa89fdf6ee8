// SPDX-License-Identifier: Apache-2.0
#include "test_ca.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto_openssl.h"

static void need(int good)
{
    if (!good)
        abort();
}

static void extend(X509 *x, X509 *issuer, const char *name, const char *value)
{
    X509_EXTENSION *e;
    X509V3_CTX c;

    X509V3_set_ctx(&c, issuer, x, NULL, NULL, 0);
    e = X509V3_EXT_conf(NULL, &c, name, value);
    need(e != NULL && X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
}

static X509 *blank(const char *name, EVP_PKEY *key, int from, int to)
{
    static long serial = 1;
    X509 *x = X509_new();

    need(x != NULL && X509_set_version(x, X509_VERSION_3) == 1 &&
         ASN1_INTEGER_set(X509_get_serialNumber(x), serial++) == 1 &&
         X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                    (const uint8_t *)name, -1, -1, 0) == 1 &&
         X509_gmtime_adj(X509_getm_notBefore(x), from * 86400L) != NULL &&
         X509_gmtime_adj(X509_getm_notAfter(x), to * 86400L) != NULL &&
         X509_set_pubkey(x, key) == 1);
    return x;
}

void test_ca_make(struct test_ca *ca, const char *name)
{
    ca->key = EVP_EC_gen("P-256");
    need(ca->key != NULL);
    ca->certificate = blank(name, ca->key, -1, 3650);
    need(X509_set_issuer_name(ca->certificate, X509_get_subject_name(ca->certificate)) == 1);
    extend(ca->certificate, ca->certificate, "basicConstraints", "critical,CA:TRUE");
    extend(ca->certificate, ca->certificate, "keyUsage", "critical,keyCertSign");
    extend(ca->certificate, ca->certificate, "subjectKeyIdentifier", "hash");
    need(X509_sign(ca->certificate, ca->key, EVP_sha256()) > 0);
}

void test_ca_free(struct test_ca *ca)
{
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key);
}

static void write_file(const char *path, int (*write)(FILE *f, const struct test_ca *ca),
                       const struct test_ca *ca)
{
    FILE *f = fopen(path, "w");

    if (f == NULL)
        abort();
    need(write(f, ca) == 1);
    need(fclose(f) == 0);
}

static int write_certificate(FILE *f, const struct test_ca *ca)
{
    return PEM_write_X509(f, ca->certificate);
}

static int write_key(FILE *f, const struct test_ca *ca)
{
    return PEM_write_PrivateKey(f, ca->key, NULL, NULL, 0, NULL, NULL);
}

void test_ca_write(const struct test_ca *ca, const char *path, const char *key_path)
{
    write_file(path, write_certificate, ca);
    if (key_path != NULL)
        write_file(key_path, write_key, ca);
}

void test_ca_issue(const struct test_ca *ca, enum test_ca_kind kind, const uint8_t x[32],
                   const uint8_t y[32], int from, int to, struct wr *der)
{
    const bool authority = kind == TEST_CA_AUTHORITY || kind == TEST_CA_EK_AUTHORITY;
    EVP_PKEY *key = openssl_p256_public(x, y);
    uint8_t *p = NULL;
    X509 *c;
    int n;

    need(key != NULL);
    c = blank(authority ? "an authority" : "a holder", key, from, to);
    need(X509_set_issuer_name(c, X509_get_subject_name(ca->certificate)) == 1);
    extend(c, ca->certificate, "basicConstraints",
           authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    extend(c, ca->certificate, "keyUsage",
           authority ? "critical,keyCertSign" : "critical,keyAgreement");
    if (kind != TEST_CA_AUTHORITY)
        extend(c, ca->certificate, "extendedKeyUsage",
               kind == TEST_CA_TLS ? "clientAuth" : "2.23.133.8.1");
    need(X509_sign(c, ca->key, EVP_sha256()) > 0);
    n = i2d_X509(c, &p);
    need(n > 0);
    wr_bytes(der, (struct bytes){p, (size_t)n});
    OPENSSL_free(p);
    X509_free(c);
    EVP_PKEY_free(key);
}
