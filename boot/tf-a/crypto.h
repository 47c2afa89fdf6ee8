/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BOOT_CRYPTO_H
#define BOOT_CRYPTO_H

#include <kapu/tpm2.h>

/*
 * SHA-256 by mbedTLS, and nonces. Nothing that encrypts: what the boot stages say to the TPM is
 * authenticated, not secret. Nonces are unique, since their seed is new at each reset.
 */
extern const struct tpm2_crypto boot_crypto;

#endif
