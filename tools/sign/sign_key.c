// SPDX-License-Identifier: Apache-2.0
#include "sign_key.h"

#include <stdio.h>
#include <string.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/pkcs11.h>

#include "pem.h"

static bool is_uri(const char *name)
{
    return strncmp(name, "pkcs11:", 7) == 0;
}

/* The query part of a URI may hold the PIN: it is not shown. */
static int because(struct sign_key *k, const char *what)
{
    const int shown = (int)(is_uri(k->name) ? strcspn(k->name, "?") : strlen(k->name));

    snprintf(k->why, sizeof(k->why), "%.*s%s", shown, k->name, what);
    return -1;
}

static int failed(struct sign_key *k, int err)
{
    char text[256];

    snprintf(text, sizeof(text), ": %s", gnutls_strerror(err));
    return because(k, text);
}

struct found {
    gnutls_privkey_t key;
    bool any;
};

/* A key file is read by us, to its last byte: GnuTLS takes the first key that it finds in it. */
static const char *take(void *ctx, const char *label, struct bytes der)
{
    const gnutls_datum_t in = {(unsigned char *)der.p, (unsigned int)der.n};
    struct found *f = ctx;

    /* openssl ecparam -genkey writes the curve's name before a key that names it too */
    if (strcmp(label, "EC PARAMETERS") == 0 && !f->any)
        return NULL;
    if (strcmp(label, "PRIVATE KEY") != 0 && strcmp(label, "EC PRIVATE KEY") != 0 &&
        strcmp(label, "RSA PRIVATE KEY") != 0)
        return "a block that is not a private key without encryption";
    if (f->any)
        return "a second block; only one belongs in this file";
    f->any = true;
    return gnutls_privkey_import_x509_raw(f->key, &in, GNUTLS_X509_FMT_DER, NULL, 0) == 0
               ? NULL
               : "the key that begins here is damaged, or not on P-256";
}

static int load(struct sign_key *k, gnutls_privkey_t *out)
{
    struct found f = {NULL, false};
    int err = gnutls_privkey_init(out);

    if (err == 0 && is_uri(k->name))
        err = gnutls_privkey_import_url(*out, k->name, 0);
    if (err != 0)
        return failed(k, err);
    if (is_uri(k->name))
        return 0;
    f.key = *out;
    if (pem_file(k->name, take, &f, k->why, sizeof(k->why)) != 0)
        return -1;
    return f.any ? 0 : because(k, ": there is a curve in it, but no key");
}

/* Asked of the public half, since a token does not tell the size of a private key. */
static bool is_p256(gnutls_privkey_t key)
{
    gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
    gnutls_pubkey_t public;
    int err;

    if (gnutls_pubkey_init(&public) != 0)
        return false;
    err = gnutls_pubkey_import_privkey(public, key, GNUTLS_KEY_DIGITAL_SIGNATURE, 0);
    if (err == 0)
        err = gnutls_pubkey_export_ecc_raw2(public, &curve, NULL, NULL, 0);
    gnutls_pubkey_deinit(public);
    return err == 0 && curve == GNUTLS_ECC_CURVE_SECP256R1;
}

int sign_key_open(struct sign_key *k, const char *name)
{
    gnutls_privkey_t key = NULL;
    int err;

    *k = (struct sign_key){.name = name};
    err = load(k, &key);
    k->handle = key;
    if (err != 0)
        return err;
    return is_p256(key) ? 0 : because(k, " is not an ECDSA P-256 key");
}

void sign_key_close(struct sign_key *k)
{
    if (k->handle != NULL)
        gnutls_privkey_deinit(k->handle);
    k->handle = NULL;
}

/* Takes GnuTLS's memory over into the caller's. */
static int give(struct sign_key *k, int err, gnutls_datum_t *from, uint8_t *to, size_t room,
                size_t *n)
{
    if (err != 0)
        return failed(k, err);
    *n = from->size;
    if (*n <= room)
        memcpy(to, from->data, *n);
    gnutls_free(from->data);
    return *n <= room ? 0 : because(k, ": larger than a key on P-256 gives");
}

int sign_key_public(struct sign_key *k, uint8_t der[SIGN_KEY_PUBLIC_MAX], size_t *n)
{
    gnutls_datum_t out = {NULL, 0};
    gnutls_pubkey_t public;
    int err = gnutls_pubkey_init(&public);

    if (err != 0)
        return failed(k, err);
    err = gnutls_pubkey_import_privkey(public, k->handle, GNUTLS_KEY_DIGITAL_SIGNATURE, 0);
    if (err == 0)
        err = gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, &out);
    gnutls_pubkey_deinit(public);
    return give(k, err, &out, der, SIGN_KEY_PUBLIC_MAX, n);
}

static unsigned int flags_of(const struct sign_key *k)
{
    return is_uri(k->name) ? 0 : GNUTLS_PRIVKEY_FLAG_REPRODUCIBLE;
}

int sign_key_sign(struct sign_key *k, const uint8_t *data, size_t data_n,
                  uint8_t der[SIGN_KEY_SIGNATURE_MAX], size_t *n)
{
    const gnutls_datum_t in = {(unsigned char *)data, (unsigned int)data_n};
    gnutls_datum_t out = {NULL, 0};
    int err = gnutls_privkey_sign_data2(k->handle, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, flags_of(k),
                                        &in, &out);

    return give(k, err, &out, der, SIGN_KEY_SIGNATURE_MAX, n);
}

int sign_key_sign_digest(struct sign_key *k, const uint8_t digest[32],
                         uint8_t der[SIGN_KEY_SIGNATURE_MAX], size_t *n)
{
    const gnutls_datum_t in = {(unsigned char *)digest, 32};
    gnutls_datum_t out = {NULL, 0};
    int err = gnutls_privkey_sign_hash2(k->handle, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, flags_of(k),
                                        &in, &out);

    return give(k, err, &out, der, SIGN_KEY_SIGNATURE_MAX, n);
}
