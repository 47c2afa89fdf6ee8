// SPDX-License-Identifier: Apache-2.0
#include "attest.h"

#include <string.h>

#include "attest_ta.h"

#define MEMORY (128u * 1024) /* more than EVIDENCE_MESSAGE_MAX */
#define PART (MEMORY / 4)    /* where one of several parameters begins */

static const struct tee_uuid attest_ta = ATTEST_TA_UUID;

uint32_t attest_open(struct attest *a)
{
    uint32_t result;

    memset(a, 0, sizeof(*a));
    a->memory.fd = -1;
    result = tee_service_open(&a->service, &attest_ta);
    if (result == 0 && tee_memory_open(&a->service, &a->memory, MEMORY) != 0)
        result = TEE_SYSTEM_ERROR;
    return result;
}

void attest_close(struct attest *a)
{
    if (a->memory.fd >= 0)
        tee_memory_close(&a->memory);
    tee_service_close(&a->service);
}

static struct tee_param output(const struct attest *a, uint32_t part, uint32_t n)
{
    return (struct tee_param){TEE_MEMORY_OUTPUT, part * PART, n, &a->memory};
}

static struct tee_param input(struct attest *a, uint32_t part, const void *p, size_t n)
{
    uint32_t size = n <= PART ? (uint32_t)n : 0; /* too large: the TA refuses the empty one */

    memcpy((uint8_t *)a->memory.p + part * PART, p, size);
    return (struct tee_param){TEE_MEMORY_INPUT, part * PART, size, &a->memory};
}

static struct bytes view(const struct attest *a, const struct tee_param *p)
{
    return (struct bytes){(const uint8_t *)a->memory.p + p->a, p->b};
}

uint32_t attest_identity(struct attest *a, struct attest_identity *id)
{
    struct tee_param p[TEE_PARAMS] = {output(a, 0, PART), output(a, 1, PART), output(a, 2, PART),
                                      output(a, 3, PART)};
    uint32_t result = tee_service_call(&a->service, ATTEST_TA_IDENTITY, p);

    id->ek_certificate = view(a, &p[0]);
    id->ak = view(a, &p[1]);
    id->key = view(a, &p[2]);
    id->ueid = view(a, &p[3]);
    return result;
}

uint32_t attest_enrol(struct attest *a, struct bytes credential, struct bytes secret)
{
    struct tee_param p[TEE_PARAMS] = {input(a, 0, credential.p, credential.n),
                                      input(a, 1, secret.p, secret.n)};

    return tee_service_call(&a->service, ATTEST_TA_ENROL, p);
}

uint32_t attest_evidence(struct attest *a, const uint8_t nonce[32], int wants_log,
                         struct bytes *message)
{
    struct tee_param begin[TEE_PARAMS] = {input(a, 0, nonce, ATTEST_TA_NONCE_SIZE),
                                          {.kind = TEE_INPUT, .a = wants_log ? 1 : 0}};
    struct tee_param fetch[TEE_PARAMS] = {output(a, 0, MEMORY)};
    uint32_t result = tee_service_call(&a->service, ATTEST_TA_BEGIN, begin), left = 1;

    while (result == 0 && left > 0) {
        struct tee_param step[TEE_PARAMS] = {{.kind = TEE_OUTPUT}};

        result = tee_service_call(&a->service, ATTEST_TA_STEP, step);
        left = step[0].a;
    }
    if (result == 0)
        result = tee_service_call(&a->service, ATTEST_TA_MESSAGE, fetch);
    *message = view(a, &fetch[0]);
    return result;
}
