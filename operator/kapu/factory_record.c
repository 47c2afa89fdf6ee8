// SPDX-License-Identifier: Apache-2.0
#include "factory_record.h"

#include <errno.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "crypto_openssl.h"
#include "factory.h"

#define SHA (&crypto_openssl.sha256)

/* ---- the key ---- */

static int public_of(struct record_issuer *i, EVP_PKEY **key)
{
    uint8_t der[SIGN_KEY_PUBLIC_MAX];
    const uint8_t *p = der;
    size_t n;

    *key = NULL;
    if (sign_key_public(&i->key, der, &n) != 0) {
        (void)fail("the factory key: %s", i->key.why);
        return -1;
    }
    *key = d2i_PUBKEY(NULL, &p, (long)n);
    if (*key != NULL && openssl_p256_coordinates(*key, i->public.x, i->public.y) == 0)
        return 0;
    (void)fail("the factory key: its public half cannot be read");
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

/* Signs, and sees that the signature verifies. */
static int sign(struct record_issuer *i, const uint8_t digest[32],
                uint8_t signature[EVIDENCE_SIGNATURE_SIZE])
{
    uint8_t der[SIGN_KEY_SIGNATURE_MAX];
    size_t n;

    if (sign_key_sign_digest(&i->key, digest, der, &n) != 0) {
        (void)fail("the factory key: %s", i->key.why);
        return -1;
    }
    if (take_signature(der, n, signature) &&
        openssl_p256_verify(i->public.x, i->public.y, digest, signature) == 0)
        return 0;
    (void)fail("the factory key: what it signs does not verify by its public half");
    return -1;
}

int record_issuer_open(struct record_issuer *i, const char *key)
{
    static const uint8_t probe[32] = {0};
    uint8_t signature[EVIDENCE_SIGNATURE_SIZE];
    EVP_PKEY *public = NULL;
    int err;

    memset(&i->public, 0, sizeof(i->public));
    if (sign_key_open(&i->key, key) != 0) {
        (void)fail("the factory key: %s", i->key.why);
        return -1;
    }
    err = public_of(i, &public);
    EVP_PKEY_free(public);
    return err == 0 ? sign(i, probe, signature) : err;
}

void record_issuer_close(struct record_issuer *i)
{
    sign_key_close(&i->key);
}

int record_show_key(const char *key)
{
    struct record_issuer i;
    EVP_PKEY *public = NULL;
    int status = EXIT_FAILED;

    if (sign_key_open(&i.key, key) != 0)
        (void)fail("the factory key: %s", i.key.why);
    else if (public_of(&i, &public) == 0 && PEM_write_PUBKEY(stdout, public) == 1 &&
             fflush(stdout) == 0)
        status = EXIT_DONE;
    EVP_PKEY_free(public);
    record_issuer_close(&i);
    return status;
}

/* ---- records ---- */

bool record_platform_is_good(const char *platform)
{
    const size_t n = strlen(platform);

    for (size_t i = 0; i < n; i++) {
        if (platform[i] < 0x20 || platform[i] > 0x7e)
            return false;
    }
    return n > 0 && n <= BOARD_PLATFORM_MAX;
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int content_of(const struct fusebox_board *board, const char *platform, struct wr *out)
{
    struct board_record r = {.issued_ms = now_ms()};

    if (board->ek.n != sizeof(r.ek) || board->ak.n != sizeof(r.ak))
        return KAPU_EARG;
    memcpy(r.ek, board->ek.b, sizeof(r.ek));
    memcpy(r.ak, board->ak.b, sizeof(r.ak));
    memcpy(r.board, board->id, sizeof(r.board));
    snprintf(r.platform, sizeof(r.platform), "%s", platform);
    return evidence_ueid(SHA, BYTES_OF(r.ek), r.ueid) == 0 ? board_record_encode(&r, out)
                                                           : KAPU_ECRYPTO;
}

int record_issue(struct record_issuer *i, const struct fusebox_board *board, const char *platform,
                 const char *path)
{
    uint8_t content[BOARD_CONTENT_MAX], file[BOARD_RECORD_MAX], digest[32];
    struct evidence_token t = {0};
    struct wr w;
    int err;

    wr_init(&w, content, sizeof(content));
    err = content_of(board, platform, &w);
    t.payload = wr_done(&w);
    if (err == 0)
        err = evidence_key_thumbprint(SHA, &i->public, t.kid);
    if (err == 0)
        err = evidence_signed_digest(SHA, &board_record_kind, t.kid, t.payload, digest);
    if (err == 0 && sign(i, digest, t.signature) != 0)
        return -1;
    wr_init(&w, file, sizeof(file));
    if (err == 0)
        err = evidence_signed_encode(&board_record_kind, &t, &w);
    if (err != 0)
        (void)fail("the board record cannot be made (error %d)", err);
    else if (file_write(path, wr_done(&w), 0644) != 0)
        (void)fail("%s: %s", path, strerror(errno));
    else
        return 0;
    return -1;
}

int record_read(const char *path, struct board_record *r, uint8_t kid[EVIDENCE_KID_SIZE])
{
    uint8_t file[BOARD_RECORD_MAX + 1], work[BOARD_RECORD_MAX];
    FILE *from = fopen(path, "rbe");
    struct evidence_token t = {0};
    size_t n;

    if (from == NULL) {
        (void)fail("%s: %s", path, strerror(errno));
        return -1;
    }
    n = fread(file, 1, sizeof(file), from);
    fclose(from);
    if (evidence_signed_decode(&board_record_kind, (struct bytes){file, n}, &t, work,
                               sizeof(work)) != 0 ||
        board_record_decode(t.payload, r, work, sizeof(work)) != 0 ||
        board_record_check(SHA, r) != 0) {
        (void)fail("%s: not a board record", path);
        return -1;
    }
    memcpy(kid, t.kid, EVIDENCE_KID_SIZE);
    return 0;
}
