/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a payload, by libzstd, whose memory is taken once. */
#ifndef KAPU_UPDATE_UNPACK_H
#define KAPU_UPDATE_UNPACK_H

#include <kapu/bytes.h>

/* As struct install_port.unpack (kapu/install.h); KAPU_EIO: no memory. `ctx` is not used. */
KAPU_MUST_CHECK int unpack_frame(void *ctx, struct bytes prefix, struct bytes frame, uint8_t *to,
                                 size_t n);

#endif
