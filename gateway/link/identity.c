// SPDX-License-Identifier: Apache-2.0
/* Nothing here is secret: a certificate, and that of its issuer, as PEM. */
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "identity.h"
#include "identity_file.h"
#include "link.h"

#define TEMPORARY IDENTITY_FILE ".new"

static bool is_for(X509 *certificate, struct bytes spki)
{
    uint8_t *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    bool same = n > 0 && (size_t)n == spki.n && memcmp(der, spki.p, spki.n) == 0;

    OPENSSL_free(der);
    return same;
}

bool identity_is_there(struct bytes spki)
{
    char why[256];
    X509 *certificate = identity_file_read(IDENTITY_FILE, why, sizeof(why));
    bool there = certificate != NULL && is_for(certificate, spki);

    if (why[0] != '\0')
        say("%s: a certificate is asked for again", why);

    if (certificate != NULL && !there)
        say("the certificate is for a key that is gone: the secure world's storage was started "
            "anew, "
            "or lost that key; enrol this gateway again");
    X509_free(certificate);
    return there;
}

static X509 *decode(struct bytes der)
{
    const uint8_t *p = der.p;
    X509 *certificate = d2i_X509(NULL, &p, (long)der.n);

    if (certificate != NULL && p == der.p + der.n)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static bool write_both(X509 *certificate, X509 *issuer)
{
    FILE *file = fopen(TEMPORARY, "we");
    bool done = file != NULL && PEM_write_X509(file, certificate) == 1 &&
                PEM_write_X509(file, issuer) == 1 && fflush(file) == 0 && fsync(fileno(file)) == 0;

    if (file != NULL && fclose(file) != 0)
        done = false;
    if (!done || rename(TEMPORARY, IDENTITY_FILE) != 0) {
        say("%s: %m", IDENTITY_FILE);
        done = false;
    }
    return done;
}

bool identity_keep(struct bytes spki, struct bytes certificate, struct bytes issuer)
{
    X509 *own = decode(certificate), *ca = decode(issuer);
    bool done = own != NULL && ca != NULL && is_for(own, spki) && write_both(own, ca);

    X509_free(own);
    X509_free(ca);
    return done;
}
