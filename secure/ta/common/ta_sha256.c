// SPDX-License-Identifier: Apache-2.0
#include "ta_sha256.h"

static TEE_OperationHandle digest = TEE_HANDLE_NULL;

TEE_Result ta_sha256_open(void)
{
    return TEE_AllocateOperation(&digest, TEE_ALG_SHA256, TEE_MODE_DIGEST, 0);
}

int ta_sha256(void *ctx, const struct bytes *part, size_t parts, uint8_t out[KAPU_SHA256_SIZE])
{
    size_t n = KAPU_SHA256_SIZE;

    (void)ctx;
    for (size_t i = 0; i + 1 < parts; i++)
        TEE_DigestUpdate(digest, part[i].p, part[i].n);
    return TEE_DigestDoFinal(digest, parts == 0 ? NULL : part[parts - 1].p,
                             parts == 0 ? 0 : part[parts - 1].n, out, &n) == TEE_SUCCESS
               ? 0
               : -1;
}
