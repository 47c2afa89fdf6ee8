/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vault TA, as the user of a key asks it (wire/vault_ta.h).
 *
 * Results: 0; or what tee_service_error explains.
 */
#ifndef KAPU_VAULT_CLIENT_H
#define KAPU_VAULT_CLIENT_H

#include <stdint.h>

#include <kapu/vault.h>

#include "tee_service.h"
#include "vault_ta.h"

struct vault_client {
    struct tee_service service;
    struct tee_memory memory;
};

/* Closed by vault_client_close in each case. */
uint32_t vault_client_open(struct vault_client *c);
void vault_client_close(struct vault_client *c);

/* The public half of the key of a use, VAULT_TA_...; the key is made if there is none. */
uint32_t vault_client_public(struct vault_client *c, uint32_t use,
                             uint8_t point[VAULT_TA_POINT_SIZE]);

/* Of a client's CertificateVerify in TLS 1.3, for a transcript hash. */
uint32_t vault_client_sign_tls(struct vault_client *c, struct bytes transcript,
                               uint8_t signature[VAULT_TA_SIGNATURE_SIZE]);

#endif
