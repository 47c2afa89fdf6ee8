/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key pair of this TEE: ECDSA on P-256, born at its first use, kept in secure storage of the TA.
 * The private half never leaves the TEE: the storage is encrypted with a key that the TPM gives to
 * verified firmware only, and is fresh by a counter of the TPM. If it is deleted, another key is
 * born, which no operator knows: the gateway has to be enrolled again.
 */
#ifndef TA_KEY_H
#define TA_KEY_H

#include <stdint.h>

#include <tee_internal_api.h>

#define TA_KEY_SIGNATURE_SIZE 64u /* r and s */

struct ta_key {
    TEE_OperationHandle signer; /* TEE_HANDLE_NULL: it is not open */
    uint8_t x[32], y[32];       /* the public half */
};

/* Of the object of that name, if it is not open yet. *k stays open as long as the TA lives; the
 * stored object does not, as an open one would keep the directory of secure storage open. */
TEE_Result ta_key_open(const char *name, struct ta_key *k);
TEE_Result ta_key_sign(const struct ta_key *k, const uint8_t digest[32],
                       uint8_t signature[TA_KEY_SIGNATURE_SIZE]);

#endif
