/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by OpenSSL: the port of our libraries, and piece by piece for what does not fit into
 * memory. One thread, one digest at a time. */
#ifndef KAPU_UPDATE_DIGEST_H
#define KAPU_UPDATE_DIGEST_H

#include <kapu/sha256.h>

extern const struct kapu_sha256 digest_sha256;

/* Each 0 or KAPU_ECRYPTO. */
KAPU_MUST_CHECK int digest_begin(void);
KAPU_MUST_CHECK int digest_add(struct bytes some);
KAPU_MUST_CHECK int digest_end(uint8_t digest[KAPU_SHA256_SIZE]);

#endif
