// SPDX-License-Identifier: Apache-2.0
#include "odd_certificate.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEQUENCE 0x30
#define SET 0x31
#define OID 0x06
#define BIT_STRING 0x03
#define OCTET_STRING 0x04
#define BOOLEAN 0x01
#define INTEGER 0x02
#define UTF8 0x0c
#define BMP 0x1e

static void need(bool good)
{
    if (!good)
        abort();
}

/* ---- DER (X.690) ---- */

static void put(struct odd_bytes *to, const void *p, size_t n)
{
    need(n <= ODD_MAX - to->n);
    memcpy(to->b + to->n, p, n);
    to->n += n;
}

static void put_value(struct odd_bytes *to, uint8_t tag, const void *p, size_t n)
{
    const uint8_t head[] = {tag, 0x82, (uint8_t)(n >> 8), (uint8_t)n};

    if (n < 0x80)
        put(to, (uint8_t[]){tag, (uint8_t)n}, 2);
    else if (n < 0x100)
        put(to, (uint8_t[]){tag, 0x81, (uint8_t)n}, 3);
    else
        put(to, head, sizeof(head));
    put(to, p, n);
}

static void put_wrapped(struct odd_bytes *to, uint8_t tag, const struct odd_bytes *content)
{
    put_value(to, tag, content->b, content->n);
}

static void wrap(struct odd_bytes *b, uint8_t tag)
{
    const struct odd_bytes content = *b;

    b->n = 0;
    put_wrapped(b, tag, &content);
}

static void put_oid(struct odd_bytes *to, const char *text)
{
    ASN1_OBJECT *o = OBJ_txt2obj(text, 1);

    need(o != NULL);
    put_value(to, OID, OBJ_get0_data(o), OBJ_length(o));
    ASN1_OBJECT_free(o);
}

/* ---- names ---- */

static void put_attribute(struct odd_bytes *to, const char *oid, uint8_t type, const char *value)
{
    struct odd_bytes a = {.n = 0}, wide = {.n = 0};

    put_oid(&a, oid);
    for (const char *c = value; type == BMP && *c != '\0'; c++)
        put(&wide, (char[]){0, *c}, 2);
    if (type == BMP)
        put_wrapped(&a, BMP, &wide);
    else
        put_value(&a, type, value, strlen(value));
    put_wrapped(to, SEQUENCE, &a);
}

void odd_name(const char *common, bool two_names, struct odd_bytes *name)
{
    name->n = 0;
    if (common != NULL) {
        if (two_names) /* DER's order of a set is the other */
            put_attribute(name, "2.5.4.10", UTF8, "one who makes TPMs and has a long name");
        put_attribute(name, "2.5.4.3", UTF8, common);
        wrap(name, SET);
    }
    wrap(name, SEQUENCE);
}

static void put_tpm(struct odd_bytes *extensions, const struct odd_certificate *c)
{
    static const struct {
        const char *oid, *value;
    } row[] = {{"2.23.133.2.1", "id:54455354"},
               {"2.23.133.2.2", "a TPM of a test"},
               {"2.23.133.2.3", "id:00010002"}};
    struct odd_bytes e = {.n = 0}, names = {.n = 0};

    for (size_t i = 0; i < (c->tpm_half ? 1 : 3); i++) {
        struct odd_bytes one = {.n = 0};

        put_attribute(&one, row[i].oid, c->string_type != 0 ? c->string_type : UTF8, row[i].value);
        if (!c->one_set)
            wrap(&one, SET);
        put(&names, one.b, one.n);
    }
    if (c->one_set)
        wrap(&names, SET);
    wrap(&names, SEQUENCE);
    wrap(&names, 0xa4); /* directoryName */
    wrap(&names, SEQUENCE);
    put_oid(&e, "2.5.29.17");
    if (c->critical)
        put(&e, "\x01\x01\xff", 3);
    put_wrapped(&e, OCTET_STRING, &names);
    put_wrapped(extensions, SEQUENCE, &e);
}

/* ---- other extensions ---- */

static void put_extension(struct odd_bytes *extensions, const char *oid, const char *critical,
                          const struct odd_bytes *value)
{
    struct odd_bytes e = {.n = 0};

    put_oid(&e, oid);
    if (critical != NULL)
        put(&e, critical, 3);
    put_wrapped(&e, OCTET_STRING, value);
    put_wrapped(extensions, SEQUENCE, &e);
}

#define CRITICAL "\x01\x01\xff"
#define EXPLICITLY_NOT "\x01\x01\x00" /* DER leaves a default out */

static void put_basic(struct odd_bytes *extensions, enum odd_basic basic)
{
    struct odd_bytes v = {.n = 0};

    if (basic == ODD_BASIC_ABSENT)
        return;
    if (basic != ODD_NOT_CA)
        put(&v, basic == ODD_CA ? CRITICAL : EXPLICITLY_NOT, 3);
    wrap(&v, SEQUENCE);
    put_extension(extensions, "2.5.29.19", CRITICAL, &v);
}

static void put_usage(struct odd_bytes *extensions, const struct odd_certificate *c)
{
    const int bits = c->usage != 0 ? c->usage : c->basic == ODD_CA ? 0x04 : 0x08;
    struct odd_bytes v = {.n = 0};
    int unused = 0;

    if (c->usage_absent)
        return;
    while ((bits >> unused & 1) == 0)
        unused++;
    put_value(&v, BIT_STRING, (uint8_t[]){(uint8_t)unused, (uint8_t)bits}, 2);
    put_extension(extensions, "2.5.29.15", CRITICAL, &v);
}

static void put_purposes(struct odd_bytes *extensions, const char *purposes)
{
    char words[128], *save = NULL;
    struct odd_bytes v = {.n = 0};

    snprintf(words, sizeof(words), "%s", purposes != NULL ? purposes : "2.23.133.8.1");
    for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
        put_oid(&v, w);
    if (v.n == 0)
        return;
    wrap(&v, SEQUENCE);
    put_extension(extensions, "2.5.29.37", NULL, &v);
}

static void put_more(struct odd_bytes *extensions, const struct odd_certificate *c)
{
    struct odd_bytes v = {.n = 0};

    if (c->attributes) { /* TPM specification: 2.0, level 0, revision 138 */
        put_value(&v, UTF8, "2.0", 3);
        put_value(&v, INTEGER, "\0", 1);
        put_value(&v, INTEGER, "\0\x8a", 2);
        wrap(&v, SEQUENCE);
        wrap(&v, SET);
        {
            struct odd_bytes a = {.n = 0};

            put_oid(&a, "2.23.133.2.16");
            put(&a, v.b, v.n);
            v = a;
        }
        wrap(&v, SEQUENCE);
        wrap(&v, SEQUENCE);
        put_extension(extensions, "2.5.29.9", c->attributes_critical ? CRITICAL : EXPLICITLY_NOT,
                      &v);
    }
    v.n = 0;
    if (c->issuer_at != NULL) {
        put_oid(&v, "1.3.6.1.5.5.7.48.2");
        put_value(&v, 0x86, c->issuer_at, strlen(c->issuer_at));
        wrap(&v, SEQUENCE);
        wrap(&v, SEQUENCE);
        put_extension(extensions, "1.3.6.1.5.5.7.1.1", NULL, &v);
    }
    v.n = 0;
    put(&v, "\x05\x00", 2);
    if (c->unknown != NULL)
        put_extension(extensions, c->unknown, c->unknown_critical ? CRITICAL : NULL, &v);
}

/* ---- keys ---- */

static void put_key(struct odd_bytes *to, enum odd_key kind, EVP_PKEY *key)
{
    static EVP_PKEY *rsa, *p384;
    uint8_t *der = NULL;
    int n;

    if (kind == ODD_KEY_P384)
        key = p384 = p384 != NULL ? p384 : EVP_EC_gen("P-384");
    else if (kind != ODD_KEY)
        key = rsa = rsa != NULL ? rsa : EVP_RSA_gen(2048);
    n = i2d_PUBKEY(key, &der);
    need(n > 19);
    if (kind == ODD_KEY_RSA_OAEP) { /* 1.2.840.113549.1.1.1 becomes .7 */
        need(der[16] == 0x01 && der[17] == 0x05);
        der[16] = 0x07;
    }
    put(to, der, (size_t)n);
    OPENSSL_free(der);
}

static void put_algorithm(struct odd_bytes *to, EVP_PKEY *key, bool sha1)
{
    const bool rsa = EVP_PKEY_is_a(key, "RSA"), large = EVP_PKEY_get_bits(key) == 384;
    struct odd_bytes a = {.n = 0};

    put_oid(&a, rsa     ? sha1 ? "1.2.840.113549.1.1.5" : "1.2.840.113549.1.1.11"
                : sha1  ? "1.2.840.10045.4.1"
                : large ? "1.2.840.10045.4.3.3"
                        : "1.2.840.10045.4.3.2");
    if (rsa)
        put(&a, "\x05\x00", 2);
    put_wrapped(to, SEQUENCE, &a);
}

static void put_signature(struct odd_bytes *to, EVP_PKEY *key, bool sha1,
                          const struct odd_bytes *over)
{
    const bool large = !EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) == 384;
    const EVP_MD *md = sha1 ? EVP_sha1() : large ? EVP_sha384() : EVP_sha256();
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    uint8_t sig[513] = {0};
    size_t n = sizeof(sig) - 1;

    need(c != NULL && EVP_DigestSignInit(c, NULL, md, NULL, key) == 1 &&
         EVP_DigestSign(c, sig + 1, &n, over->b, over->n) == 1);
    put_value(to, BIT_STRING, sig, n + 1);
    EVP_MD_CTX_free(c);
}

/* ---- all of it ---- */

static void put_dates(struct odd_bytes *to, const struct odd_certificate *c)
{
    const char *from = c->from != NULL ? c->from : "20200101000000Z";
    const char *until = c->to != NULL ? c->to : "20991231235959Z";
    struct odd_bytes v = {.n = 0};

    put_value(&v, 0x18, from, strlen(from));
    put_value(&v, 0x18, until, strlen(until));
    put_wrapped(to, SEQUENCE, &v);
}

static void put_extensions(struct odd_bytes *to, const struct odd_certificate *c)
{
    struct odd_bytes all = {.n = 0};

    if (!c->no_tpm)
        put_tpm(&all, c);
    put_basic(&all, c->basic);
    put_purposes(&all, c->purposes);
    put_usage(&all, c);
    put_more(&all, c);
    wrap(&all, SEQUENCE);
    put_wrapped(to, 0xa3, &all);
}

void odd_certificate_make(const struct odd_certificate *c, EVP_PKEY *key,
                          const struct odd_issuer *by, struct odd_bytes *der)
{
    EVP_PKEY *signer = by->key != NULL ? by->key : key;
    struct odd_bytes tbs = {.n = 0}, subject;

    odd_name(c->subject, c->two_names, &subject);
    put(&tbs, "\xa0\x03\x02\x01\x02", 5); /* version 3 */
    put_value(&tbs, INTEGER, c->serial != NULL ? c->serial : "\x01",
              c->serial != NULL ? c->serial_n : 1);
    put_algorithm(&tbs, signer, c->sha1);
    put(&tbs, by->key != NULL ? by->name.b : subject.b, by->key != NULL ? by->name.n : subject.n);
    put_dates(&tbs, c);
    put(&tbs, subject.b, subject.n);
    put_key(&tbs, c->key, key);
    put_extensions(&tbs, c);
    wrap(&tbs, SEQUENCE);
    *der = tbs;
    put_algorithm(der, signer, c->sha1);
    put_signature(der, signer, c->sha1, &tbs);
    wrap(der, SEQUENCE);
}
