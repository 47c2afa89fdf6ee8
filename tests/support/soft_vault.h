/* SPDX-License-Identifier: Apache-2.0 */
/* The vault TA in software: what it does with a key that is OpenSSL's. */
#ifndef SOFT_VAULT_H
#define SOFT_VAULT_H

#include <openssl/evp.h>

#include <kapu/vault.h>

bool soft_vault_point(EVP_PKEY *key, uint8_t point[VAULT_POINT_SIZE]);
bool soft_vault_sign(EVP_PKEY *key, struct bytes transcript, uint8_t signature[64]);

#endif
