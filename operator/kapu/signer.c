// SPDX-License-Identifier: Apache-2.0
#include "signer.h"

#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <string.h>

#include "commands.h"
#include "crypto_openssl.h"

static int public_of(struct signer *s, EVP_PKEY **key)
{
    uint8_t der[SIGN_KEY_PUBLIC_MAX];
    const uint8_t *p = der;
    size_t n;

    *key = NULL;
    if (sign_key_public(&s->key, der, &n) != 0) {
        (void)fail("%s: %s", s->what, s->key.why);
        return -1;
    }
    *key = d2i_PUBKEY(NULL, &p, (long)n);
    if (*key != NULL && openssl_p256_coordinates(*key, s->public.x, s->public.y) == 0)
        return 0;
    (void)fail("%s: its public half cannot be read", s->what);
    return -1;
}

/* r || s of an ECDSA-Sig-Value. */
static bool take_signature(const uint8_t *der, size_t n, uint8_t to[EVIDENCE_SIGNATURE_SIZE])
{
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &der, (long)n);
    bool good = s != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(s), to, 32) == 32 &&
                BN_bn2binpad(ECDSA_SIG_get0_s(s), to + 32, 32) == 32;

    ECDSA_SIG_free(s);
    return good;
}

int signer_sign(struct signer *s, const uint8_t digest[32],
                uint8_t signature[EVIDENCE_SIGNATURE_SIZE])
{
    uint8_t der[SIGN_KEY_SIGNATURE_MAX];
    size_t n;

    if (sign_key_sign_digest(&s->key, digest, der, &n) != 0) {
        (void)fail("%s: %s", s->what, s->key.why);
        return -1;
    }
    if (take_signature(der, n, signature) &&
        openssl_p256_verify(s->public.x, s->public.y, digest, signature) == 0)
        return 0;
    (void)fail("%s: what it signs does not verify by its public half", s->what);
    return -1;
}

static int key_open(struct signer *s, const char *key)
{
    if (sign_key_open(&s->key, key) == 0)
        return 0;
    (void)fail("%s: %s", s->what, s->key.why);
    return -1;
}

int signer_open(struct signer *s, const char *what, const char *key)
{
    static const uint8_t probe[32] = {0};
    uint8_t signature[EVIDENCE_SIGNATURE_SIZE];
    EVP_PKEY *public = NULL;
    int err;

    memset(&s->public, 0, sizeof(s->public));
    s->what = what;
    if (key_open(s, key) != 0)
        return -1;
    err = public_of(s, &public);
    EVP_PKEY_free(public);
    if (err == 0 && evidence_key_thumbprint(&crypto_openssl.sha256, &s->public, s->kid) != 0) {
        (void)fail("%s: SHA-256 failed", what);
        err = -1;
    }
    return err == 0 ? signer_sign(s, probe, signature) : err;
}

void signer_close(struct signer *s)
{
    sign_key_close(&s->key);
}

int signer_show(const char *what, const char *key)
{
    struct signer s = {.what = what};
    EVP_PKEY *public = NULL;
    int status = EXIT_FAILED;

    if (key_open(&s, key) == 0 && public_of(&s, &public) == 0 &&
        PEM_write_PUBKEY(stdout, public) == 1 && fflush(stdout) == 0)
        status = EXIT_DONE;
    EVP_PKEY_free(public);
    signer_close(&s);
    return status;
}
