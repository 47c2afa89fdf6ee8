// SPDX-License-Identifier: Apache-2.0
/*
 * The attestation key: made once by the factory under the storage root key, persistent. What the
 * TPM has in its place is compared with the name in the board's record, and each use carries a MAC
 * with the key's value.
 */
#include "internal.h"

/* The key as the TPM has it, if it is the one that the factory made. */
static int find_key(struct fusebox *f, struct tpm2_public *pub, struct tpm2_entity *ak)
{
    int err;

    f->at = "attestation key";
    err = tpm2_read_public(f->tpm, FUSEBOX_AK, pub, ak);
    return err == 0 && !tpm2_name_equal(&ak->name, &f->board->ak) ? KAPU_EPIN : err;
}

int fusebox_ak(struct fusebox *f, struct tpm2_public *ak)
{
    struct tpm2_entity object;

    return find_key(f, ak, &object);
}

struct key {
    struct tpm2_entity ak;
    uint8_t value[32];
};

static int key_open(struct fusebox *f, const uint8_t root[FUSEBOX_SECRET_SIZE], struct key *k)
{
    struct tpm2_public pub;
    int err;

    *k = (struct key){0};
    err = find_key(f, &pub, &k->ak);
    if (err == 0 && !f->salted)
        err = KAPU_EPLAIN;
    if (err == 0)
        err = fusebox_derive(&f->tpm->crypto->sha256, root, FUSEBOX_LABEL_AK, k->value);
    return err == 0 ? fusebox_session(f) : err;
}

static int key_close(struct fusebox *f, struct key *k, int err)
{
    kapu_wipe(k->value, sizeof(k->value));
    return fusebox_session_done(f, err);
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
static int satisfy(struct fusebox *f, const uint8_t root[FUSEBOX_SECRET_SIZE],
                   struct tpm2_session *s)
{
    const struct tpm2_entity endorsement = tpm2_entity_of(TPM2_RH_ENDORSEMENT);
    uint8_t value[32];
    const struct tpm2_auth auth = {&f->session, BYTES_OF(value)};
    int err = fusebox_derive(&f->tpm->crypto->sha256, root, FUSEBOX_LABEL_ENDORSEMENT, value);

    if (err == 0)
        err = tpm2_session_start(f->tpm, s, TPM2_SESSION_POLICY, NULL, NULL);
    if (err == 0)
        err = tpm2_policy_secret(f->tpm, s, &endorsement, &auth, (struct bytes){NULL, 0});
    kapu_wipe(value, sizeof(value));
    return err;
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
        err = satisfy(f, root, &s);
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
