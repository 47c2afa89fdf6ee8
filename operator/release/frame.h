/* SPDX-License-Identifier: Apache-2.0 */
/* One frame of a payload or patch: a Zstandard frame (RFC 8878) with a prefix that both ends have.
 */
#ifndef KAPU_RELEASE_FRAME_H
#define KAPU_RELEASE_FRAME_H

#include <kapu/bytes.h>
#include <zstd.h>

/* Bytes written to `to`, or what ZSTD_isError() takes for an error. `window_log`: of prefix and
 * content together. Level and window are set anew for each frame, because a prefix counts for one
 * only. */
size_t frame_compress(ZSTD_CCtx *zstd, int level, int window_log, struct bytes prefix,
                      struct bytes content, uint8_t *to, size_t to_n);

#endif
