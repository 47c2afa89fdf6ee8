// SPDX-License-Identifier: Apache-2.0
#include "vault_client.h"

#include <string.h>

#define MEMORY 4096u
#define RESULT 2048u /* where a result begins */

static const struct tee_uuid vault_ta = VAULT_TA_UUID;

uint32_t vault_client_open(struct vault_client *c)
{
    uint32_t result;

    memset(c, 0, sizeof(*c));
    c->memory.fd = -1;
    result = tee_service_open_as_user(&c->service, &vault_ta);
    if (result == 0 && tee_memory_open(&c->service, &c->memory, MEMORY) != 0)
        result = TEE_SYSTEM_ERROR;
    return result;
}

void vault_client_close(struct vault_client *c)
{
    if (c->memory.fd >= 0)
        tee_memory_close(&c->memory);
    tee_service_close(&c->service);
}

/* What the command gives, which has n bytes. */
static uint32_t call(struct vault_client *c, uint32_t command, struct tee_param first, uint8_t *to,
                     uint32_t n)
{
    struct tee_param p[TEE_PARAMS] = {first, {TEE_MEMORY_OUTPUT, RESULT, n, &c->memory}};
    uint32_t result = tee_service_call(&c->service, command, p);

    if (result == 0 && p[1].b != n)
        result = TEE_BAD_FORMAT;
    if (result == 0)
        memcpy(to, (const uint8_t *)c->memory.p + RESULT, n);
    return result;
}

uint32_t vault_client_public(struct vault_client *c, uint32_t use,
                             uint8_t point[VAULT_TA_POINT_SIZE])
{
    return call(c, VAULT_TA_PUBLIC, (struct tee_param){.kind = TEE_INPUT, .a = use}, point,
                VAULT_TA_POINT_SIZE);
}

uint32_t vault_client_sign_tls(struct vault_client *c, struct bytes transcript,
                               uint8_t signature[VAULT_TA_SIGNATURE_SIZE])
{
    const uint32_t n = transcript.n <= RESULT ? (uint32_t)transcript.n : 0; /* the TA refuses 0 */

    memcpy(c->memory.p, transcript.p, n);
    return call(c, VAULT_TA_SIGN_TLS_CLIENT, (struct tee_param){TEE_MEMORY_INPUT, 0, n, &c->memory},
                signature, VAULT_TA_SIGNATURE_SIZE);
}
