// SPDX-License-Identifier: Apache-2.0
#include "frame.h"

size_t frame_compress(ZSTD_CCtx *zstd, int level, int window_log, struct bytes prefix,
                      struct bytes content, uint8_t *to, size_t to_n)
{
    size_t err = ZSTD_CCtx_reset(zstd, ZSTD_reset_session_and_parameters);

    if (!ZSTD_isError(err))
        err = ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level);
    if (!ZSTD_isError(err))
        err = ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, window_log);
    if (!ZSTD_isError(err))
        err = ZSTD_CCtx_refPrefix(zstd, prefix.p, prefix.n);
    return ZSTD_isError(err) ? err : ZSTD_compress2(zstd, to, to_n, content.p, content.n);
}
