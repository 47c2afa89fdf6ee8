// SPDX-License-Identifier: Apache-2.0
/* Nothing here is secret: a certificate, and that of its issuer, as PEM. */
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "identity.h"
#include "identity_file.h"
#include "link.h"
#include "store.h"

/* Whether the operator's authority, which the root image has, issued it for a client. */
static bool is_of_operator(X509 *certificate)
{
    char path[LINK_PATH];
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool good = store != NULL && ctx != NULL &&
                X509_STORE_load_file(store, link_path(SETTINGS_CA, path)) == 1 &&
                X509_STORE_CTX_init(ctx, store, certificate, NULL) == 1 &&
                X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT) == 1;

    if (good) {
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
        good = X509_verify_cert(ctx) == 1;
    }
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return good;
}

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
    char path[LINK_PATH], why[LINK_PATH + 256];
    X509 *certificate = identity_file_read(link_path(IDENTITY_FILE, path), why, sizeof(why));
    bool there = certificate != NULL && is_for(certificate, spki);

    if (why[0] != '\0')
        say("%s: a certificate is asked for again", why);

    if (certificate != NULL && !there)
        say("the certificate is for a key that is gone: the secure world's storage was started "
            "anew, "
            "or lost that key; enrol this gateway again");
    if (there && !is_of_operator(certificate)) {
        say("the certificate is not by this operator's authority: it waits to be enrolled");
        there = false;
    }
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

static bool keep_both(X509 *certificate, X509 *issuer)
{
    BIO *pem = BIO_new(BIO_s_mem());
    char path[LINK_PATH], *text = NULL;
    struct store folder = {-1};
    bool done = pem != NULL && PEM_write_bio_X509(pem, certificate) == 1 &&
                PEM_write_bio_X509(pem, issuer) == 1;

    if (done) {
        const long n = BIO_get_mem_data(pem, &text);

        done = store_open(&folder, link_path(IDENTITY_FOLDER, path)) == 0 &&
               store_write(&folder, IDENTITY_NAME, (struct bytes){(uint8_t *)text, (size_t)n}) == 0;
        if (!done)
            say("%s: %m", IDENTITY_FILE);
        store_close(&folder);
    }
    BIO_free(pem);
    return done;
}

bool identity_keep(struct bytes spki, struct bytes certificate, struct bytes issuer)
{
    X509 *own = decode(certificate), *ca = decode(issuer);
    bool done =
        own != NULL && ca != NULL && is_for(own, spki) && is_of_operator(own) && keep_both(own, ca);

    X509_free(own);
    X509_free(ca);
    return done;
}
