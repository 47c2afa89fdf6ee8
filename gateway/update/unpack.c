// SPDX-License-Identifier: Apache-2.0
#include "unpack.h"

#include <zstd.h>

/* The whole of a frame at once: libzstd needs no window of its own then. */
int unpack_frame(void *ctx, struct bytes prefix, struct bytes frame, uint8_t *to, size_t n)
{
    static ZSTD_DCtx *kept;
    size_t got;

    (void)ctx;
    if (kept == NULL)
        kept = ZSTD_createDCtx();
    if (kept == NULL || ZSTD_isError(ZSTD_DCtx_refPrefix(kept, prefix.p, prefix.n)))
        return KAPU_EIO;
    got = ZSTD_decompressDCtx(kept, to, n, frame.p, frame.n);
    return ZSTD_isError(got) || got != n ? KAPU_EINVAL : 0;
}
