// SPDX-License-Identifier: Apache-2.0
/* Credentials: proof that a key lives in the TPM of an EK (Part 1, 24; Part 3, 12.5). */
#include <string.h>

#include "internal.h"

#define CREDENTIAL_MAX 32u

int tpm2_activate_credential(struct tpm2 *t, const struct tpm2_entity *object,
                             const struct tpm2_auth *object_auth, const struct tpm2_entity *key,
                             const struct tpm2_auth *key_auth, struct bytes blob,
                             struct bytes secret, struct wr *out)
{
    static const struct tpm2_spec spec = {TPM2_CC_ACTIVATE_CREDENTIAL,
                                          CMD_HIDES_IN | CMD_HIDES_OUT | CMD_SECRET};
    struct tpm2_cmd c;
    struct bytes b;
    int err;

    tpm2_cmd_begin(&c, t, &spec);
    tpm2_cmd_handle(&c, object);
    tpm2_cmd_handle(&c, key);
    tpm2_cmd_auth(&c, object_auth);
    tpm2_cmd_auth(&c, key_auth);
    tpm2_cmd_params(&c, TPM2_UNPROTECTED);
    wr_bytes(&c.w, blob);
    wr_bytes(&c.w, secret);
    err = tpm2_cmd_run(&c);
    if (err == 0) {
        b = rd_2b(&c.r);
        err = rd_end(&c.r);
        if (err == 0) {
            wr_bytes(out, b);
            err = out->err;
        }
    }
    return tpm2_cmd_end(&c, err);
}

/* The credential encrypted for the seed's owner, and a MAC that ties it to the object's name. */
static int protect(const struct tpm2_crypto *c, const uint8_t seed[32],
                   const struct tpm2_name *object, struct bytes credential, struct wr *blob)
{
    static const uint8_t zero_iv[16] = {0};
    const struct bytes name = {object->b, object->n}, none = {NULL, 0};
    const struct bytes key = {seed, 32};
    struct bytes covered[2] = {{NULL, 0}, name};
    uint8_t inner[2 + CREDENTIAL_MAX], sym[16], mac_key[32], mac[32];
    struct wr in;
    size_t place;
    int err;

    wr_init(&in, inner, sizeof(inner));
    wr_2b(&in, credential);
    covered[0] = wr_done(&in);
    err = tpm2_kdfa(&c->sha256, key, "STORAGE", name, none, sym, sizeof(sym));
    if (err == 0)
        err = tpm2_kdfa(&c->sha256, key, "INTEGRITY", none, none, mac_key, sizeof(mac_key));
    if (err == 0 && c->aes128_cfb(c->ctx, true, sym, zero_iv, inner, in.at) != 0)
        err = KAPU_ECRYPTO;
    if (err == 0)
        err = tpm2_hmac(&c->sha256, BYTES_OF(mac_key), covered, 2, mac);
    if (err == 0) {
        place = wr_2b_open(blob);
        wr_2b(blob, BYTES_OF(mac));
        wr_bytes(blob, wr_done(&in));
        wr_2b_close(blob, place);
        err = blob->err;
    }
    kapu_wipe(inner, sizeof(inner));
    kapu_wipe(sym, sizeof(sym));
    kapu_wipe(mac_key, sizeof(mac_key));
    return err;
}

int tpm2_make_credential(const struct tpm2_crypto *c, const struct tpm2_public *ek,
                         const struct tpm2_name *object, struct bytes credential, struct wr *blob,
                         struct wr *secret)
{
    uint8_t seed[32];
    size_t place;
    int err;

    if (credential.n > CREDENTIAL_MAX || object->n > sizeof(object->b))
        return KAPU_EARG;
    place = wr_2b_open(secret);
    err = tpm2_ecc_secret(c, ek, "IDENTITY", seed, secret);
    wr_2b_close(secret, place);
    if (err == 0)
        err = protect(c, seed, object, credential, blob);
    kapu_wipe(seed, sizeof(seed));
    return err;
}
