// SPDX-License-Identifier: Apache-2.0
/* The crypto port of lib/tpm2 bound to OP-TEE's core crypto. */
#include <crypto/crypto.h>
#include <string.h>
#include <string_ext.h>
#include <tee_api_defines.h>
#include <utee_defines.h>

#include "internal.h"

#define AES_BLOCK 16
#define P256_BITS 256
#define P256_SIZE 32

static int sha256(void *ctx __unused, const struct bytes *part, size_t parts, uint8_t out[32])
{
    void *h = NULL;
    TEE_Result res = crypto_hash_alloc_ctx(&h, TEE_ALG_SHA256);

    if (res == TEE_SUCCESS)
        res = crypto_hash_init(h);
    for (size_t i = 0; i < parts && res == TEE_SUCCESS; i++) {
        if (part[i].n > 0)
            res = crypto_hash_update(h, part[i].p, part[i].n);
    }
    if (res == TEE_SUCCESS)
        res = crypto_hash_final(h, out, TEE_SHA256_HASH_SIZE);
    crypto_hash_free_ctx(h);
    return res == TEE_SUCCESS ? 0 : -1;
}

/* CFB128 (NIST SP 800-38A, 6.3) over the block cipher: OP-TEE's core has no CFB. */
static int aes128_cfb(void *ctx __unused, bool encrypt, const uint8_t key[16], const uint8_t iv[16],
                      uint8_t *data, size_t n)
{
    uint8_t feedback[AES_BLOCK], stream[AES_BLOCK];
    void *c = NULL;
    TEE_Result res = crypto_cipher_alloc_ctx(&c, TEE_ALG_AES_ECB_NOPAD);

    memcpy(feedback, iv, sizeof(feedback));
    if (res == TEE_SUCCESS)
        res = crypto_cipher_init(c, TEE_MODE_ENCRYPT, key, AES_BLOCK, NULL, 0, NULL, 0);
    for (size_t done = 0; done < n && res == TEE_SUCCESS; done += AES_BLOCK) {
        size_t part = n - done < AES_BLOCK ? n - done : AES_BLOCK;

        res = crypto_cipher_update(c, TEE_MODE_ENCRYPT, false, feedback, AES_BLOCK, stream);
        for (size_t i = 0; i < part && res == TEE_SUCCESS; i++) {
            uint8_t in = data[done + i];

            data[done + i] = in ^ stream[i];
            feedback[i] = encrypt ? data[done + i] : in;
        }
    }
    if (c != NULL) {
        crypto_cipher_final(c);
        crypto_cipher_free_ctx(c);
    }
    memzero_explicit(stream, sizeof(stream));
    return res == TEE_SUCCESS ? 0 : -1;
}

/* A number with leading zeros, as it travels. */
static void fixed_size(const struct bignum *number, uint8_t to[P256_SIZE])
{
    size_t n = crypto_bignum_num_bytes((struct bignum *)number);

    memset(to, 0, P256_SIZE);
    if (n <= P256_SIZE)
        crypto_bignum_bn2bin(number, to + P256_SIZE - n);
}

static TEE_Result derive(struct ecc_keypair *own, struct ecc_public_key *peer,
                         struct tpm2_ecdh *out)
{
    unsigned long n = sizeof(out->shared_x);
    TEE_Result res = crypto_acipher_gen_ecc_key(own, P256_BITS);

    if (res == TEE_SUCCESS)
        res = crypto_acipher_ecc_shared_secret(own, peer, out->shared_x, &n);
    if (res == TEE_SUCCESS && n != sizeof(out->shared_x))
        res = TEE_ERROR_GENERIC;
    if (res == TEE_SUCCESS) {
        fixed_size(own->x, out->own_x);
        fixed_size(own->y, out->own_y);
    }
    return res;
}

/* The peer is the endorsement key whose name the board's record pins, so it is the point that the
 * factory verified: looking whether it is on the curve would cost a third of the time. */
static int ecdh_p256(void *ctx __unused, const uint8_t peer_x[32], const uint8_t peer_y[32],
                     struct tpm2_ecdh *out)
{
    struct ecc_keypair own = {};
    struct ecc_public_key peer = {};
    TEE_Result res = crypto_acipher_alloc_ecc_keypair(&own, TEE_TYPE_ECDH_KEYPAIR, P256_BITS);

    if (res != TEE_SUCCESS)
        return -1;
    own.curve = TEE_ECC_CURVE_NIST_P256;
    res = crypto_acipher_alloc_ecc_public_key(&peer, TEE_TYPE_ECDH_PUBLIC_KEY, P256_BITS);
    if (res == TEE_SUCCESS) {
        peer.curve = TEE_ECC_CURVE_NIST_P256;
        res = crypto_bignum_bin2bn(peer_x, P256_SIZE, peer.x);
        if (res == TEE_SUCCESS)
            res = crypto_bignum_bin2bn(peer_y, P256_SIZE, peer.y);
        if (res == TEE_SUCCESS)
            res = derive(&own, &peer, out);
        crypto_acipher_free_ecc_public_key(&peer);
    }
    crypto_bignum_free(&own.d); /* clears it too */
    crypto_bignum_free(&own.x);
    crypto_bignum_free(&own.y);
    return res == TEE_SUCCESS ? 0 : -1;
}

static int random_bytes(void *ctx __unused, uint8_t *to, size_t n)
{
    return crypto_rng_read(to, n) == TEE_SUCCESS ? 0 : -1;
}

const struct tpm2_crypto core_crypto = {
    .sha256 = {.hash = sha256},
    .aes128_cfb = aes128_cfb,
    .ecdh_p256 = ecdh_p256,
    .random = random_bytes,
};
