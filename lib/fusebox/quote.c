// SPDX-License-Identifier: Apache-2.0
/*
 * The attestation key: a primary key of the endorsement hierarchy, made for each use. The TPM
 * derives it from its seed and the template, so it is always the same key, and nothing is stored.
 */
#include <string.h>

#include "internal.h"

struct key {
    struct tpm2_entity ak;
    struct tpm2_public pub;
    uint8_t endorsement[32], value[32]; /* of the hierarchy, of the key */
};

static int key_open(struct fusebox *f, const uint8_t root[FUSEBOX_SECRET_SIZE], struct key *k)
{
    const struct kapu_sha256 *h = &f->tpm->crypto->sha256;
    int err;

    memset(k, 0, sizeof(*k));
    f->at = "attestation key";
    if (!f->salted)
        return KAPU_EPLAIN;
    err = fusebox_derive(h, root, FUSEBOX_LABEL_ENDORSEMENT, k->endorsement);
    if (err == 0)
        err = fusebox_derive(h, root, FUSEBOX_LABEL_AK, k->value);
    if (err == 0)
        err = fusebox_session(f);
    if (err == 0) {
        const struct tpm2_auth auth = {&f->session, BYTES_OF(k->endorsement)};
        const struct tpm2_sensitive sensitive = {.auth = BYTES_OF(k->value)};

        tpm2_template_ak(&k->pub);
        err = tpm2_create_primary(f->tpm, TPM2_RH_ENDORSEMENT, &auth, &sensitive, &k->pub, &k->ak);
    }
    return err;
}

/* The result is err, whose response code stays, or that of removing the key. */
static int key_close(struct fusebox *f, struct key *k, int err)
{
    uint32_t rc = f->tpm->rc;
    int end = k->ak.handle != 0 ? tpm2_flush_context(f->tpm, k->ak.handle) : 0;

    kapu_wipe(k->endorsement, sizeof(k->endorsement));
    kapu_wipe(k->value, sizeof(k->value));
    if (err != 0)
        f->tpm->rc = rc;
    return fusebox_session_done(f, err != 0 ? err : end);
}

int fusebox_ak(struct fusebox *f, const uint8_t root[FUSEBOX_SECRET_SIZE], struct tpm2_public *ak)
{
    struct key k;
    int err = key_open(f, root, &k);

    *ak = k.pub;
    return key_close(f, &k, err);
}

int fusebox_quote(struct fusebox *f, const uint8_t root[FUSEBOX_SECRET_SIZE],
                  const uint8_t nonce[32], struct wr *attest, struct tpm2_signature *sig)
{
    struct key k;
    int err = key_open(f, root, &k);

    if (err == 0) {
        const struct tpm2_auth auth = {&f->session, BYTES_OF(k.value)};

        err =
            tpm2_quote(f->tpm, &k.ak, &auth, (struct bytes){nonce, 32}, FUSEBOX_PCRS, attest, sig);
    }
    return key_close(f, &k, err);
}

/* The EK's policy: whoever knows the endorsement hierarchy's value. */
static int satisfy(struct fusebox *f, const struct key *k, struct tpm2_session *s)
{
    const struct tpm2_entity endorsement = tpm2_entity_of(TPM2_RH_ENDORSEMENT);
    const struct tpm2_auth auth = {&f->session, BYTES_OF(k->endorsement)};
    int err = tpm2_session_start(f->tpm, s, TPM2_SESSION_POLICY, NULL, NULL);

    return err == 0 ? tpm2_policy_secret(f->tpm, s, &endorsement, &auth, (struct bytes){NULL, 0})
                    : err;
}

int fusebox_activate(struct fusebox *f, const uint8_t root[FUSEBOX_SECRET_SIZE], struct bytes blob,
                     struct bytes secret, uint8_t out[FUSEBOX_SECRET_SIZE])
{
    const struct tpm2_entity ek = {FUSEBOX_EK, f->board->ek};
    struct tpm2_session s = {0};
    struct key k;
    struct wr to;
    int err = key_open(f, root, &k);

    wr_init(&to, out, FUSEBOX_SECRET_SIZE);
    if (err == 0)
        err = satisfy(f, &k, &s);
    if (err == 0) {
        const struct tpm2_auth ak_auth = {&f->session, BYTES_OF(k.value)};
        const struct tpm2_auth ek_auth = {&s, {NULL, 0}};

        err = tpm2_activate_credential(f->tpm, &k.ak, &ak_auth, &ek, &ek_auth, blob, secret, &to);
    }
    if (err == 0 && to.at != FUSEBOX_SECRET_SIZE)
        err = KAPU_EINVAL;
    err = fusebox_session_end(f, &s, err);
    if (err != 0)
        kapu_wipe(out, FUSEBOX_SECRET_SIZE);
    return key_close(f, &k, err);
}

int fusebox_ek_certificate(struct fusebox *f, uint8_t der[FUSEBOX_CERTIFICATE_MAX], size_t *n)
{
    struct tpm2_nv nv;
    int err;

    f->at = "endorsement certificate";
    err = tpm2_nv_read_public(f->tpm, FUSEBOX_NV_EK_CERTIFICATE, &nv);
    if (err == 0 && nv.size > FUSEBOX_CERTIFICATE_MAX)
        err = KAPU_ERANGE;
    if (err == 0)
        err = tpm2_nv_read(f->tpm, nv.index, &TPM2_AUTH_CLEAR, &nv, 0, der, nv.size);
    *n = err == 0 ? nv.size : 0;
    return err;
}
