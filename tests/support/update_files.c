// SPDX-License-Identifier: Apache-2.0
#include "update_files.h"

#include <stdlib.h>
#include <string.h>

#include "crypto_openssl.h"

static const struct kapu_sha256 *const sha = &crypto_openssl.sha256;

static void must(int err)
{
    if (err != 0)
        abort();
}

static void sign(const struct evidence_key *key, const uint8_t digest[32], uint8_t signature[64])
{
    const struct bytes part[] = {BYTES_OF(key->x), {digest, 32}};

    must(sha->hash(sha->ctx, part, 2, signature));
    memcpy(signature + 32, signature, 32);
}

static int verify(void *ctx, const struct evidence_key *key, const uint8_t digest[32],
                  const uint8_t signature[EVIDENCE_SIGNATURE_SIZE])
{
    uint8_t right[EVIDENCE_SIGNATURE_SIZE];

    (void)ctx;
    sign(key, digest, right);
    return memcmp(right, signature, sizeof(right)) == 0 ? 0 : KAPU_EAUTH;
}

const struct evidence_verify update_files_verify = {.ecdsa_p256 = verify};

struct evidence_key update_files_key(unsigned int number)
{
    struct evidence_key k = {.x = {0}};
    const uint8_t name[4] = {'k', 'e', 'y', (uint8_t)number};

    must(sha->hash(sha->ctx, &BYTES_OF(name), 1, k.x));
    return k;
}

struct release_keys update_files_set(enum release_role role, uint32_t version, unsigned int first,
                                     size_t n, uint32_t threshold)
{
    struct release_keys k = {.role = role, .version = version, .threshold = threshold, .keys = n};

    for (size_t i = 0; i < n; i++)
        k.key[i] = update_files_key(first + (unsigned int)i);
    must(release_keys_sort(&k));
    return k;
}

struct bytes update_file_bytes(const struct update_file *f)
{
    return (struct bytes){f->b, f->n};
}

struct bytes update_content_bytes(const struct update_content *c)
{
    return (struct bytes){c->b, c->n};
}

#define ENCODER(what, type)                                                                        \
    void update_files_##what(const struct type *t, struct update_content *c)                       \
    {                                                                                              \
        struct wr w;                                                                               \
                                                                                                   \
        wr_init(&w, c->b, sizeof(c->b));                                                           \
        must(release_##what##_encode(t, &w));                                                      \
        c->n = w.at;                                                                               \
    }

ENCODER(keys, release_keys)
ENCODER(manifest, release_manifest)
ENCODER(rollout, release_rollout)
ENCODER(membership, release_membership)
ENCODER(approval, release_approval)

void update_files_sign(const struct evidence_kind *kind, const struct update_content *c,
                       const unsigned int *keys, size_t n, struct update_file *f)
{
    struct release_signed s = {.content = update_content_bytes(c)};
    struct wr w;

    for (size_t i = 0; i < n; i++) {
        const struct evidence_key key = update_files_key(keys[i]);
        uint8_t kid[EVIDENCE_KID_SIZE], digest[32], signature[EVIDENCE_SIGNATURE_SIZE];

        must(evidence_key_thumbprint(sha, &key, kid));
        must(release_signed_digest(sha, kind, kid, s.content, digest));
        sign(&key, digest, signature);
        must(release_signed_add(&s, kid, signature));
    }
    wr_init(&w, f->b, sizeof(f->b));
    must(release_signed_encode(kind, &s, &w));
    f->n = w.at;
}
