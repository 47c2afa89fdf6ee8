// SPDX-License-Identifier: Apache-2.0
/*
 * kapu-sign: sign with an ECDSA P-256 key that is a PEM file or a PKCS#11 object.
 *
 *   kapu-sign public KEY            DER SubjectPublicKeyInfo on standard output
 *   kapu-sign sign KEY < DATA       DER ECDSA-Sig-Value over SHA-256 of DATA on standard output
 *
 * KEY is a file name or a "pkcs11:" URI (RFC 7512; the PIN comes from the URI's pin-source or
 * pin-value attribute). With a key file the nonce is derived from key and message (RFC 6979), so
 * that a release built twice is the same release; a token chooses its own nonce.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/pkcs11.h>

#define INPUT_MAX (1U << 20)

static bool is_uri(const char *key)
{
    return strncmp(key, "pkcs11:", 7) == 0;
}

/* How much of a key's name may be shown: the query part of a URI may hold the PIN. */
static int shown(const char *key)
{
    return (int)(is_uri(key) ? strcspn(key, "?") : strlen(key));
}

static int fail(const char *key, int err)
{
    fprintf(stderr, "kapu-sign: %.*s: %s\n", shown(key), key, gnutls_strerror(err));
    return 1;
}

static int load_key(gnutls_privkey_t *out, const char *name)
{
    gnutls_datum_t pem = {NULL, 0};
    int err = gnutls_privkey_init(out);

    if (err != 0)
        return err;
    if (is_uri(name))
        return gnutls_privkey_import_url(*out, name, 0);
    err = gnutls_load_file(name, &pem);
    if (err == 0)
        err = gnutls_privkey_import_x509_raw(*out, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (pem.data != NULL) {
        gnutls_memset(pem.data, 0, pem.size);
        gnutls_free(pem.data);
    }
    return err;
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

static int print_datum(gnutls_datum_t *datum)
{
    size_t written = fwrite(datum->data, 1, datum->size, stdout);
    bool ok = written == datum->size && fflush(stdout) == 0;

    gnutls_free(datum->data);
    if (!ok)
        fputs("kapu-sign: cannot write the result\n", stderr);
    return ok ? 0 : 1;
}

/* The public half: from the key itself, or for a token from the public object beside it. */
static int print_public(gnutls_privkey_t key, const char *name)
{
    gnutls_datum_t der = {NULL, 0};
    gnutls_pubkey_t public;
    int err = gnutls_pubkey_init(&public);

    if (err != 0)
        return fail(name, err);
    err = gnutls_pubkey_import_privkey(public, key, GNUTLS_KEY_DIGITAL_SIGNATURE, 0);
    if (err == 0)
        err = gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, &der);
    gnutls_pubkey_deinit(public);
    return err == 0 ? print_datum(&der) : fail(name, err);
}

static int print_signature(gnutls_privkey_t key, const char *name)
{
    static unsigned char input[INPUT_MAX];
    size_t length = fread(input, 1, sizeof(input), stdin);
    gnutls_datum_t data = {input, (unsigned int)length};
    gnutls_datum_t signature = {NULL, 0};
    unsigned int flags = is_uri(name) ? 0 : GNUTLS_PRIVKEY_FLAG_REPRODUCIBLE;
    int err;

    if (ferror(stdin) || !feof(stdin) || length == 0) {
        fputs("kapu-sign: data to sign is missing, unreadable or larger than 1 MiB\n", stderr);
        return 1;
    }
    err = gnutls_privkey_sign_data2(key, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, flags, &data,
                                    &signature);
    return err == 0 ? print_datum(&signature) : fail(name, err);
}

int main(int argc, char **argv)
{
    gnutls_privkey_t key = NULL;
    int err;
    int status;

    if (argc != 3 || (strcmp(argv[1], "sign") != 0 && strcmp(argv[1], "public") != 0)) {
        fputs("usage: kapu-sign public KEY | kapu-sign sign KEY < DATA\n"
              "  KEY: PEM file, or pkcs11: URI\n",
              stderr);
        return 2;
    }
    err = load_key(&key, argv[2]);
    if (err != 0)
        return fail(argv[2], err);
    if (!is_p256(key)) {
        fprintf(stderr, "kapu-sign: %.*s is not an ECDSA P-256 key\n", shown(argv[2]), argv[2]);
        gnutls_privkey_deinit(key);
        return 1;
    }
    status =
        strcmp(argv[1], "sign") == 0 ? print_signature(key, argv[2]) : print_public(key, argv[2]);
    gnutls_privkey_deinit(key);
    return status;
}
