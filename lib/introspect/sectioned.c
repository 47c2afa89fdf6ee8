// SPDX-License-Identifier: Apache-2.0
/* Files of sections (sectioned_format.h): whether one is whole. */
#include "internal.h"

#include <string.h>

int sectioned_check(const struct kapu_sha256 *sha, struct bytes data, const char *magic,
                    uint32_t version)
{
    uint8_t digest[KAPU_SHA256_SIZE];
    struct bytes content = data;

    if (data.n < SECTIONED_HEADER + SECTIONED_DIGEST || memcmp(data.p, magic, 8) != 0)
        return KAPU_EINVAL;
    if (kapu_le32(data.p + 8) != version)
        return KAPU_EUNSUPPORTED;
    if (kapu_le32(data.p + 12) != data.n)
        return KAPU_ERANGE;
    content.n = data.n - SECTIONED_DIGEST;
    if (content.n % SECTIONED_BLOCK != 0)
        return KAPU_ERANGE;
    if (sha->hash(sha->ctx, &content, 1, digest) != 0)
        return KAPU_ECRYPTO;
    return kapu_equal(digest, content.p + content.n, sizeof(digest)) ? 0 : KAPU_EAUTH;
}

struct bytes sectioned_digest(struct bytes data)
{
    return (struct bytes){data.p + data.n - SECTIONED_DIGEST, SECTIONED_DIGEST};
}
