// SPDX-License-Identifier: Apache-2.0
#include "nonce.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#define MAC_SIZE 16u
#define MADE_MAX ((1ull << 48) - 1) /* in the year 10889 */

int nonce_derive(const struct nonce_key *key, const char *label, const struct bytes *part,
                 size_t parts, uint8_t out[32])
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *c = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_end(),
    };
    size_t n = 0;
    int ok = c != NULL && EVP_MAC_init(c, key->b, sizeof(key->b), params) == 1 &&
             EVP_MAC_update(c, (const uint8_t *)label, strlen(label)) == 1;

    for (size_t i = 0; ok && i < parts; i++)
        ok = EVP_MAC_update(c, part[i].p, part[i].n) == 1;
    ok = ok && EVP_MAC_final(c, out, &n, 32) == 1 && n == 32;
    EVP_MAC_CTX_free(c);
    EVP_MAC_free(mac);
    return ok ? 0 : KAPU_ECRYPTO;
}

static int mac_of(const struct nonce_key *key, const uint8_t ueid[EVIDENCE_UEID_SIZE],
                  const uint8_t nonce[EVIDENCE_NONCE_SIZE], uint8_t mac[32])
{
    const struct bytes part[] = {{ueid, EVIDENCE_UEID_SIZE}, {nonce, NONCE_SEQUENCE}};

    return nonce_derive(key, "kapu nonce 2", part, 2, mac);
}

int nonce_make(const struct nonce_key *key, const uint8_t ueid[EVIDENCE_UEID_SIZE], uint32_t epoch,
               uint64_t now_ms, uint8_t nonce[EVIDENCE_NONCE_SIZE])
{
    uint8_t mac[32];
    struct wr w;
    int err;

    if (now_ms > MADE_MAX)
        return KAPU_ERANGE;
    wr_init(&w, nonce, EVIDENCE_NONCE_SIZE);
    wr_be32(&w, epoch);
    wr_be16(&w, (uint16_t)(now_ms >> 32));
    wr_be32(&w, (uint32_t)now_ms);
    if (RAND_bytes(nonce + w.at, (int)(NONCE_SEQUENCE - w.at)) != 1)
        return KAPU_ECRYPTO;
    err = mac_of(key, ueid, nonce, mac);
    memcpy(nonce + NONCE_SEQUENCE, mac, MAC_SIZE);
    return err;
}

int nonce_check(const struct nonce_key *key, const uint8_t ueid[EVIDENCE_UEID_SIZE], uint32_t epoch,
                uint64_t now_ms, uint32_t lifetime_ms, const uint8_t nonce[EVIDENCE_NONCE_SIZE])
{
    const uint64_t made = nonce_made_ms(nonce);
    uint8_t mac[32];
    int err = mac_of(key, ueid, nonce, mac);

    if (err != 0)
        return err;
    if (!kapu_equal(mac, nonce + NONCE_SEQUENCE, MAC_SIZE))
        return KAPU_EAUTH;
    if (nonce_epoch(nonce) != epoch)
        return KAPU_ESTALE;
    if (made > now_ms ? made - now_ms > NONCE_SKEW_MS : now_ms - made > lifetime_ms)
        return KAPU_ETIMEOUT;
    return 0;
}

uint32_t nonce_epoch(const uint8_t sequence[NONCE_EPOCH])
{
    struct rd r;

    rd_init(&r, (struct bytes){sequence, NONCE_EPOCH});
    return rd_be32(&r);
}

uint64_t nonce_made_ms(const uint8_t sequence[NONCE_SEQUENCE])
{
    struct rd r;
    uint64_t high;

    rd_init(&r, (struct bytes){sequence + NONCE_EPOCH, 6});
    high = rd_be16(&r);
    return high << 32 | rd_be32(&r);
}
