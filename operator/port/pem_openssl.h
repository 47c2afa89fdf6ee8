/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and certificates in PEM (pem.h of operator/files), as OpenSSL's objects. A file is read to
 * its last byte: what does not belong in it is refused, not passed over. `why` begins with the
 * path.
 */
#ifndef KAPU_PEM_OPENSSL_H
#define KAPU_PEM_OPENSSL_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "pem.h"

/* What may be in a file. */
enum {
    PEM_CERTIFICATE = 1,
    PEM_PUBLIC_KEY = 2,
    PEM_PRIVATE_KEY = 4,
};

/* One object. It is the caller's if it takes it over: then it sets the field to NULL. */
struct pem_object {
    X509 *certificate;
    EVP_PKEY *key; /* public or private */
};

/* NULL, or why the object is refused. */
typedef const char *(*pem_object_fn)(void *ctx, struct pem_object *o);

/* Each object of the file, all of the wanted kinds; at least one. 0 or negative, as pem_file. */
KAPU_MUST_CHECK int pem_objects(const char *path, unsigned kinds, pem_object_fn each, void *ctx,
                                char *why, size_t why_n);

/* The only object of the file, of one of the kinds; the caller frees it. NULL: `why`. */
X509 *pem_certificate(const char *path, char *why, size_t why_n);
EVP_PKEY *pem_key(const char *path, unsigned kinds, char *why, size_t why_n);

#endif
