// SPDX-License-Identifier: Apache-2.0
#include "identity_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pem.h"

#define CERTIFICATES 2u

struct both {
    X509 *own;
    unsigned n;
};

static const char *take(void *ctx, const char *label, struct bytes der)
{
    struct both *b = ctx;
    const uint8_t *p = der.p;
    X509 *x;

    if (strcmp(label, "CERTIFICATE") != 0)
        return "a block that is not a certificate";
    if (b->n == CERTIFICATES)
        return "a third certificate; the gateway's and its issuer's belong in this file";
    x = d2i_X509(NULL, &p, (long)der.n);
    if (x == NULL || p != der.p + der.n) {
        X509_free(x);
        return "the certificate that begins here is damaged";
    }
    if (b->n++ == 0)
        b->own = x;
    else
        X509_free(x);
    return NULL;
}

X509 *identity_file_read(const char *path, char *why, size_t why_n)
{
    struct both b = {NULL, 0};
    int err;

    why[0] = '\0';
    err = pem_file(path, take, &b, why, why_n);
    if (err == 0 && b.n == CERTIFICATES)
        return b.own;
    if (err == 0)
        snprintf(why, why_n, "%s: the issuer's certificate is missing", path);
    else if (err == KAPU_ENOENT && access(path, F_OK) != 0)
        why[0] = '\0';
    X509_free(b.own);
    return NULL;
}
