/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of reference values (wire/reference.cddl), as the build makes and signs them.
 *
 * Trust: a file is hostile until its signature holds by one of the keys that the operator believes
 * (a file of public keys, PEM). What was signed is then taken as true; it is decoded as strictly as
 * evidence is all the same.
 */
#ifndef KAPU_REFERENCE_H
#define KAPU_REFERENCE_H

#include "symbols.h"

#define REFERENCE_RELEASES 4096u
#define REFERENCE_CONTENT_MAX (16u << 20) /* bytes that are signed */
#define REFERENCE_FILE_MAX (REFERENCE_CONTENT_MAX + EVIDENCE_SIGNED_MORE)
#define REFERENCE_KEYS 16u

/* ---- what is signed ---- */

struct reference_values {
    char platform[VERIFIER_NAME_MAX]; /* the board that the releases are for */
    size_t releases, room;
    struct verifier_reference *release; /* the caller's: `room` of them */
};

/*
 * Symbols of kernels stay packed, and are views into `in`: symbols_open says whether they are good.
 * KAPU_EINVAL, KAPU_ERANGE, KAPU_EUNSUPPORTED (another version of the format), KAPU_ESPACE (more
 * than there is room for; work memory is smaller than `in`). After an error there are no releases.
 */
KAPU_MUST_CHECK int reference_decode(struct bytes in, struct reference_values *v, uint8_t *work,
                                     size_t work_n);
/* KAPU_EARG, KAPU_ESPACE. */
KAPU_MUST_CHECK int reference_encode(const struct reference_values *v, struct wr *out);

/* ---- whose signature counts ---- */

struct reference_keys {
    size_t n;
    struct evidence_key key[REFERENCE_KEYS];
};

/* Public keys on P-256, PEM, at least one. 0 or a negative value: `why` says the reason. */
KAPU_MUST_CHECK int reference_keys_load(const char *path, struct reference_keys *keys, char *why,
                                        size_t why_n);

extern const struct evidence_kind reference_kind;

/*
 * What was signed, when the signature is by one of the keys. KAPU_EINVAL, KAPU_ERANGE,
 * KAPU_EUNSUPPORTED: it is no such file; KAPU_EPIN: signed by another key (t->kid); KAPU_EAUTH: not
 * by the one that it names; KAPU_ESPACE, KAPU_ECRYPTO.
 */
KAPU_MUST_CHECK int reference_verify(struct bytes file, const struct reference_keys *keys,
                                     struct evidence_token *t, uint8_t *work, size_t work_n);

/* The same of another kind of signed file. */
KAPU_MUST_CHECK int reference_verify_kind(const struct evidence_kind *kind, struct bytes file,
                                          const struct reference_keys *keys,
                                          struct evidence_token *t, uint8_t *work, size_t work_n);

/* ---- files ---- */

struct reference_file {
    uint8_t kid[EVIDENCE_KID_SIZE]; /* who signed */
    struct reference_values values;
    uint8_t *memory; /* what `values` looks into */
};

/*
 * A file whose signature holds; reference_close frees it, also after an error. 0 or a negative
 * value: `why` names the file and says the reason.
 */
KAPU_MUST_CHECK int reference_open(const char *path, const struct reference_keys *keys,
                                   struct reference_file *f, char *why, size_t why_n);
void reference_close(struct reference_file *f);

/*
 * The names of a release's kernel, of the file next to it: for people to read, never for a verdict.
 * keys NULL: anyone may have signed it. symbols_close frees, also after an error. KAPU_ENOENT:
 * there is no file, it is not about one release, or it has no names; else as reference_open.
 */
KAPU_MUST_CHECK int reference_names(const char *path, const struct reference_keys *keys,
                                    struct symbols *s, char *why, size_t why_n);

#endif
