/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of a trusted application, as the port that our libraries take (kapu/sha256.h). */
#ifndef TA_SHA256_H
#define TA_SHA256_H

#include <tee_internal_api.h>

#include <kapu/sha256.h>

/* Once, before the other: allocates what it needs. */
TEE_Result ta_sha256_open(void);
int ta_sha256(void *ctx, const struct bytes *part, size_t parts, uint8_t out[KAPU_SHA256_SIZE]);

#endif
