// SPDX-License-Identifier: Apache-2.0
/* Keys, identities, and the proof of activation. */
#include "internal.h"

#include <string.h>

/* RFC 9052, 7.1 and RFC 9053, 7.1.1 */
enum {
    COSE_KTY = 1,
    COSE_CRV = -1,
    COSE_X = -2,
    COSE_Y = -3,
    COSE_KTY_EC2 = 2,
    COSE_CRV_P256 = 1,
};

#define UEID_RANDOM 0x01u
#define HMAC_BLOCK 64u

void put_key(struct enc *e, const struct evidence_key *key)
{
    QCBOREncode_AddInt64ToMapN(&e->q, COSE_KTY, COSE_KTY_EC2);
    QCBOREncode_AddInt64ToMapN(&e->q, COSE_CRV, COSE_CRV_P256);
    QCBOREncode_AddBytesToMapN(&e->q, COSE_X, ub(BYTES_OF(key->x)));
    QCBOREncode_AddBytesToMapN(&e->q, COSE_Y, ub(BYTES_OF(key->y)));
}

void get_key(struct dec *d, struct evidence_key *key)
{
    if (dec_uint(d, COSE_KTY, COSE_KTY_EC2) != COSE_KTY_EC2 ||
        dec_uint(d, COSE_CRV, COSE_CRV_P256) != COSE_CRV_P256)
        dec_fail(d, KAPU_EINVAL);
    dec_fixed(d, COSE_X, key->x, sizeof(key->x));
    dec_fixed(d, COSE_Y, key->y, sizeof(key->y));
}

/* Always fits: the size of a key is known. */
void evidence_key_encode(const struct evidence_key *key, uint8_t to[EVIDENCE_KEY_SIZE])
{
    struct enc e;
    struct wr w;

    wr_init(&w, to, EVIDENCE_KEY_SIZE);
    enc_begin(&e, &w);
    QCBOREncode_OpenMap(&e.q);
    put_key(&e, key);
    QCBOREncode_CloseMap(&e.q);
    (void)enc_end(&e);
}

static int sha256(const struct kapu_sha256 *h, const struct bytes *part, size_t parts,
                  uint8_t out[32])
{
    return h->hash(h->ctx, part, parts, out) == 0 ? 0 : KAPU_ECRYPTO;
}

int evidence_key_thumbprint(const struct kapu_sha256 *h, const struct evidence_key *key,
                            uint8_t kid[EVIDENCE_KID_SIZE])
{
    uint8_t encoded[EVIDENCE_KEY_SIZE];

    evidence_key_encode(key, encoded);
    return sha256(h, &BYTES_OF(encoded), 1, kid);
}

int evidence_ueid(const struct kapu_sha256 *h, struct bytes ek_name,
                  uint8_t ueid[EVIDENCE_UEID_SIZE])
{
    ueid[0] = UEID_RANDOM;
    return sha256(h, &ek_name, 1, ueid + 1);
}

int evidence_hmac(const struct kapu_sha256 *h, const uint8_t key[32], const struct bytes *part,
                  size_t parts, uint8_t mac[32])
{
    uint8_t inner[HMAC_BLOCK], outer[HMAC_BLOCK], digest[32];
    struct bytes all[1 + EVIDENCE_HMAC_PARTS] = {BYTES_OF(inner)};
    int err;

    if (parts > EVIDENCE_HMAC_PARTS)
        return KAPU_EARG;
    memset(inner, 0x36, sizeof(inner));
    memset(outer, 0x5c, sizeof(outer));
    for (size_t i = 0; i < 32; i++) {
        inner[i] ^= key[i];
        outer[i] ^= key[i];
    }
    for (size_t i = 0; i < parts; i++)
        all[1 + i] = part[i];
    err = sha256(h, all, 1 + parts, digest);
    if (err == 0)
        err = sha256(h, (struct bytes[]){BYTES_OF(outer), BYTES_OF(digest)}, 2, mac);
    kapu_wipe(inner, sizeof(inner));
    kapu_wipe(outer, sizeof(outer));
    kapu_wipe(digest, sizeof(digest));
    return err;
}

int evidence_activation(const struct kapu_sha256 *h, const uint8_t secret[32],
                        const uint8_t nonce[EVIDENCE_NONCE_SIZE], const struct evidence_key *key,
                        const uint8_t tls_key[32], uint8_t mac[32])
{
    uint8_t kid[EVIDENCE_KID_SIZE];
    const struct bytes part[] = {
        TEXT("kapu enrolment"), {nonce, EVIDENCE_NONCE_SIZE}, BYTES_OF(kid), {tls_key, 32}};
    int err = evidence_key_thumbprint(h, key, kid);

    return err != 0 ? err : evidence_hmac(h, secret, part, sizeof(part) / sizeof(part[0]), mac);
}
