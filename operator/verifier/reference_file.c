// SPDX-License-Identifier: Apache-2.0
/* Files of reference values: whose signature they have, and what it covers. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl.h"
#include "reference.h"
#include "symbols.h"

#define SHA (&crypto_openssl.sha256)
#define TYPE "application/x.kapu.reference-values+cose"

const struct evidence_kind reference_kind = {
    .type = {(const uint8_t *)TYPE, sizeof(TYPE) - 1},
    .payload_max = REFERENCE_CONTENT_MAX,
};

/* ---- keys ---- */

static bool add_key(struct reference_keys *keys, const char *name, const uint8_t *der, long n)
{
    const bool fits = strcmp(name, PEM_STRING_PUBLIC) == 0 && keys->n < REFERENCE_KEYS;
    EVP_PKEY *key = fits ? d2i_PUBKEY(NULL, &der, n) : NULL;
    struct evidence_key k;
    bool good = key != NULL && openssl_p256_coordinates(key, k.x, k.y) == 0;

    if (good)
        keys->key[keys->n++] = k;
    EVP_PKEY_free(key);
    return good;
}

/* All keys of the file, or an error for one that does not fit. */
static int read_keys(FILE *file, struct reference_keys *keys)
{
    char *name, *header;
    uint8_t *der;
    bool good = true;
    long n;

    while (good && PEM_read(file, &name, &header, &der, &n) == 1) {
        good = add_key(keys, name, der, n);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(der);
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        good = false; /* it did not end behind a key */
    ERR_clear_error();
    if (!good)
        return KAPU_EUNSUPPORTED;
    return keys->n == 0 ? KAPU_ENOENT : 0;
}

int reference_keys_load(const char *path, struct reference_keys *keys, char *why, size_t why_n)
{
    FILE *file = fopen(path, "re");
    int err;

    keys->n = 0;
    if (file == NULL) {
        snprintf(why, why_n,
                 "%s: %s; it has the public keys of those whose signatures are believed", path,
                 strerror(errno));
        return KAPU_EIO;
    }
    err = read_keys(file, keys);
    fclose(file);
    if (err == KAPU_ENOENT)
        snprintf(why, why_n, "%s: there is no public key (PEM) in it", path);
    else if (err != 0)
        snprintf(why, why_n, "%s: not at most %u public keys on P-256 (PEM)", path, REFERENCE_KEYS);
    return err;
}

/* ---- signature ---- */

int reference_verify_kind(const struct evidence_kind *kind, struct bytes file,
                          const struct reference_keys *keys, struct evidence_token *t,
                          uint8_t *work, size_t work_n)
{
    int err = evidence_signed_decode(kind, file, t, work, work_n);

    if (err != 0)
        return err;
    err = KAPU_EPIN;
    for (size_t i = 0; i < keys->n && err == KAPU_EPIN; i++)
        err = evidence_signed_verify(SHA, &evidence_openssl, kind, t, &keys->key[i]);
    return err;
}

int reference_verify(struct bytes file, const struct reference_keys *keys, struct evidence_token *t,
                     uint8_t *work, size_t work_n)
{
    return reference_verify_kind(&reference_kind, file, keys, t, work, work_n);
}

/* ---- files ---- */

static void explain(int err, const char *path, const struct evidence_token *t, char *why,
                    size_t why_n)
{
    switch (err) {
    case KAPU_EPIN:
        snprintf(why, why_n, "%s: signed by a key that is not believed (kid %02x%02x%02x%02x...)",
                 path, t->kid[0], t->kid[1], t->kid[2], t->kid[3]);
        break;
    case KAPU_EAUTH:
        snprintf(why, why_n, "%s: its signature does not verify: changed, or not by whom it says",
                 path);
        break;
    case KAPU_ECRYPTO:
        snprintf(why, why_n, "%s: cryptography failed", path);
        break;
    case KAPU_ESPACE:
        snprintf(why, why_n, "%s: it has more releases than %u", path, REFERENCE_RELEASES);
        break;
    case KAPU_EUNSUPPORTED:
        snprintf(why, why_n, "%s: signed, but of another type or version than this kapu reads",
                 path);
        break;
    default:
        snprintf(why, why_n, "%s: not a signed file of reference values", path);
        break;
    }
}

/* Tables of symbols that could not be used later are refused now. */
static int check_symbols(const struct reference_values *v)
{
    int err = 0;

    for (size_t i = 0; i < v->releases && err == 0; i++) {
        struct symbols s;

        if (v->release[i].kernel.size == 0)
            continue;
        err = symbols_open(&s, &v->release[i].kernel);
        symbols_close(&s);
    }
    return err;
}

/* All of it; KAPU_ERANGE when it is larger than such a file can be. */
static int read_all(const char *path, uint8_t *to, size_t *n, char *why, size_t why_n)
{
    FILE *file = fopen(path, "rbe");
    int err = 0;

    if (file != NULL)
        *n = fread(to, 1, REFERENCE_FILE_MAX + 1, file);
    if (file == NULL || ferror(file) != 0) {
        snprintf(why, why_n, "%s: %s", path, strerror(errno));
        err = KAPU_EIO;
    } else if (*n > REFERENCE_FILE_MAX) {
        snprintf(why, why_n, "%s: larger than a file of reference values can be", path);
        err = KAPU_ERANGE;
    }
    if (file != NULL)
        fclose(file);
    return err;
}

/* Without keys, whoever signed it. */
static int verify(struct bytes file, const struct reference_keys *keys, struct evidence_token *t,
                  uint8_t *work, size_t work_n)
{
    return keys != NULL ? reference_verify(file, keys, t, work, work_n)
                        : evidence_signed_decode(&reference_kind, file, t, work, work_n);
}

static int open_file(const char *path, const struct reference_keys *keys, struct reference_file *f,
                     char *why, size_t why_n)
{
    const size_t most = REFERENCE_FILE_MAX + 1;
    struct evidence_token t = {0};
    uint8_t *work = malloc(most);
    size_t n = 0;
    int err;

    *f = (struct reference_file){.memory = malloc(most)};
    f->values.room = REFERENCE_RELEASES;
    f->values.release = calloc(f->values.room, sizeof(*f->values.release));
    if (work == NULL || f->memory == NULL || f->values.release == NULL) {
        snprintf(why, why_n, "no memory");
        free(work);
        return KAPU_ESPACE;
    }
    err = read_all(path, f->memory, &n, why, why_n);
    if (err == 0) {
        err = verify((struct bytes){f->memory, n}, keys, &t, work, most);
        memcpy(f->kid, t.kid, sizeof(f->kid));
        if (err == 0)
            err = reference_decode(t.payload, &f->values, work, most);
        if (err != 0)
            explain(err, path, &t, why, why_n);
    }
    if (err == 0) {
        err = check_symbols(&f->values);
        if (err != 0)
            snprintf(why, why_n, "%s: signed, but its kernel's symbols cannot be read", path);
    }
    if (err != 0)
        f->values.releases = 0;
    free(work);
    return err;
}

int reference_open(const char *path, const struct reference_keys *keys, struct reference_file *f,
                   char *why, size_t why_n)
{
    return open_file(path, keys, f, why, why_n);
}

int reference_names(const char *path, struct symbols *s)
{
    struct reference_file f;
    char why[256];
    int err = open_file(path, NULL, &f, why, sizeof(why));

    *s = (struct symbols){0};
    if (err == 0)
        err = f.values.releases == 1 && f.values.release[0].kernel.size != 0
                  ? symbols_open(s, &f.values.release[0].kernel)
                  : KAPU_ENOENT;
    reference_close(&f);
    return err;
}

void reference_close(struct reference_file *f)
{
    free(f->values.release);
    free(f->memory);
    *f = (struct reference_file){0};
}
