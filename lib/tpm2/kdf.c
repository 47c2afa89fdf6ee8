// SPDX-License-Identifier: Apache-2.0
/* HMAC (FIPS 198-1), KDFa and KDFe (Part 1, 11.4.10), secrets by ECDH (Part 1, C.6.1). */
#include <string.h>

#include "internal.h"

#define BLOCK_N 64u /* SHA-256 block */
#define PARTS_MAX 8u

static size_t label_size(const char *label)
{
    size_t n = 0;

    while (label[n] != '\0')
        n++;
    return n + 1; /* the terminating zero is part of the derivation */
}

int tpm2_hmac(const struct kapu_sha256 *h, struct bytes key, const struct bytes *part, size_t parts,
              uint8_t mac[32])
{
    struct bytes all[PARTS_MAX + 1];
    uint8_t pad[BLOCK_N], inner[32];
    int err = KAPU_EARG;

    if (key.n > BLOCK_N || parts > PARTS_MAX)
        return KAPU_EARG;
    memset(pad, 0x36, sizeof(pad));
    for (size_t i = 0; i < key.n; i++)
        pad[i] ^= key.p[i];
    all[0] = BYTES_OF(pad);
    for (size_t i = 0; i < parts; i++)
        all[i + 1] = part[i];
    err = h->hash(h->ctx, all, parts + 1, inner);
    if (err != 0)
        goto out;
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36 ^ 0x5c;
    all[1] = BYTES_OF(inner);
    err = h->hash(h->ctx, all, 2, mac);
out:
    kapu_wipe(pad, sizeof(pad));
    kapu_wipe(inner, sizeof(inner));
    return err == 0 ? 0 : KAPU_ECRYPTO;
}

int tpm2_kdfa(const struct kapu_sha256 *h, struct bytes key, const char *label, struct bytes u,
              struct bytes v, uint8_t *out, size_t n)
{
    uint8_t counter[4], bits[4], mac[32];
    const struct bytes part[] = {
        BYTES_OF(counter), {(const uint8_t *)label, label_size(label)}, u, v, BYTES_OF(bits),
    };
    struct wr w;
    int err;

    /* One block is all that is needed here: n bytes of at most a digest. */
    if (n > KAPU_SHA256_SIZE)
        return KAPU_EARG;
    wr_init(&w, counter, sizeof(counter));
    wr_be32(&w, 1);
    wr_init(&w, bits, sizeof(bits));
    wr_be32(&w, (uint32_t)(n * 8));
    err = tpm2_hmac(h, key, part, sizeof(part) / sizeof(part[0]), mac);
    if (err == 0)
        memcpy(out, mac, n);
    kapu_wipe(mac, sizeof(mac));
    return err;
}

int tpm2_kdfe(const struct kapu_sha256 *h, const uint8_t z[32], const char *label, struct bytes u,
              struct bytes v, uint8_t out[32])
{
    static const uint8_t counter[4] = {0, 0, 0, 1};
    struct bytes part[] = {
        BYTES_OF(counter), {z, 32}, {(const uint8_t *)label, label_size(label)}, u, v,
    };

    return h->hash(h->ctx, part, sizeof(part) / sizeof(part[0]), out) == 0 ? 0 : KAPU_ECRYPTO;
}

int tpm2_ecc_secret(const struct tpm2_crypto *c, const struct tpm2_public *key, const char *label,
                    uint8_t seed[32], struct wr *point)
{
    struct tpm2_ecdh e;
    int err = KAPU_EARG;

    if (key->type != TPM2_ALG_ECC || key->x_n == 0 || key->x_n > 32)
        return KAPU_EARG;
    if (c->ecdh_p256(c->ctx, key->x, key->y, &e) != 0) {
        err = KAPU_ECRYPTO;
        goto out;
    }
    err = tpm2_kdfe(&c->sha256, e.shared_x, label, BYTES_OF(e.own_x),
                    (struct bytes){key->x + 32 - key->x_n, key->x_n}, seed);
    if (err != 0)
        goto out;
    wr_2b(point, BYTES_OF(e.own_x));
    wr_2b(point, BYTES_OF(e.own_y));
    err = point->err;
out:
    kapu_wipe(&e, sizeof(e));
    return err;
}
