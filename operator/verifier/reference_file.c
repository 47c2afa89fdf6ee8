// SPDX-License-Identifier: Apache-2.0
/* Files of reference values: whose signature they have, and what it covers. */
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl.h"
#include "pem_openssl.h"
#include "reference.h"
#include "symbols.h"
#include "text.h"

#define SHA (&crypto_openssl.sha256)
#define TYPE "application/x.kapu.reference-values+cose"

const struct evidence_kind reference_kind = {
    .type = {(const uint8_t *)TYPE, sizeof(TYPE) - 1},
    .payload_max = REFERENCE_CONTENT_MAX,
};

/* ---- keys ---- */

static const char *add_key(void *ctx, struct pem_object *o)
{
    struct reference_keys *keys = ctx;
    struct evidence_key k;

    if (keys->n == REFERENCE_KEYS)
        return "one key more than there is room for";
    if (openssl_p256_coordinates(o->key, k.x, k.y) != 0)
        return "a public key that is not on P-256";
    keys->key[keys->n++] = k;
    return NULL;
}

int reference_keys_load(const char *path, struct reference_keys *keys, char *why, size_t why_n)
{
    int err;

    keys->n = 0;
    err = pem_objects(path, PEM_PUBLIC_KEY, add_key, keys, why, why_n);
    if (err != 0)
        keys->n = 0;
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

static void explain(int err, const char *path, struct bytes file, const struct evidence_token *t,
                    char *why, size_t why_n)
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
        snprintf(why, why_n, "%s: signed, but of another type or version than this kapu reads%s",
                 path, text_format(file));
        break;
    default:
        snprintf(why, why_n, "%s: not a signed file of reference values%s", path,
                 text_format(file));
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
    err = whole_file(path, REFERENCE_FILE_MAX, f->memory, &n, why, why_n);
    if (err == 0) {
        err = verify((struct bytes){f->memory, n}, keys, &t, work, most);
        memcpy(f->kid, t.kid, sizeof(f->kid));
        if (err == 0)
            err = reference_decode(t.payload, &f->values, work, most);
        if (err != 0)
            explain(err, path, (struct bytes){f->memory, n}, &t, why, why_n);
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

int reference_names(const char *path, const struct reference_keys *keys, struct symbols *s,
                    char *why, size_t why_n)
{
    struct reference_file f;
    int err = open_file(path, keys, &f, why, why_n);

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
