// SPDX-License-Identifier: Apache-2.0
/* Measurement only: what kapu/trust.h promises, without a TPM. */
#include <mm/core_memprot.h>
#include <string.h>

#include <kapu/trust.h>

#include "platform.h"

static struct trust_boot boot;
static uint32_t counters[2];

const struct trust_boot *trust_boot(void)
{
    return &boot;
}

TEE_Result trust_derive(const char *label, uint8_t out[FUSEBOX_SECRET_SIZE])
{
    (void)label;
    memset(out, 0, FUSEBOX_SECRET_SIZE);
    return TEE_SUCCESS;
}

TEE_Result trust_read_pcr(uint32_t pcr, uint8_t value[32])
{
    (void)pcr;
    memset(value, 0, 32);
    return TEE_SUCCESS;
}

TEE_Result trust_read_counter(enum fusebox_counter which, uint32_t *value)
{
    *value = counters[which];
    return TEE_SUCCESS;
}

TEE_Result trust_raise_counter(enum fusebox_counter which, uint32_t value)
{
    counters[which] = value;
    return TEE_SUCCESS;
}

TEE_Result trust_confirm(void)
{
    return TEE_SUCCESS;
}

TEE_Result trust_read_state(struct bootstate *state)
{
    *state = (struct bootstate){.slot = 0};
    return TEE_SUCCESS;
}

TEE_Result trust_try(uint8_t slot __unused, uint8_t tries __unused)
{
    return TEE_SUCCESS;
}

TEE_Result trust_ak(struct tpm2_public *ak __unused)
{
    return TEE_ERROR_NOT_SUPPORTED;
}

void trust_check_tpm(struct trust_tpm *t)
{
    *t = (struct trust_tpm){};
}

void trust_tell(uint32_t pcrs __unused, bool reset __unused)
{
}

uint32_t trust_told(void)
{
    return 0;
}

bool trust_wants_check(void)
{
    return false;
}

TEE_Result trust_quote(const uint8_t nonce[32] __unused, uint32_t told __unused,
                       struct wr *attest __unused, struct tpm2_signature *sig __unused)
{
    return TEE_ERROR_NOT_SUPPORTED;
}

TEE_Result trust_activate(struct bytes blob __unused, struct bytes secret __unused,
                          uint8_t out[FUSEBOX_SECRET_SIZE] __unused)
{
    return TEE_ERROR_NOT_SUPPORTED;
}

TEE_Result trust_ek_certificate(uint8_t der[FUSEBOX_CERTIFICATE_MAX] __unused, size_t *n __unused)
{
    return TEE_ERROR_NOT_SUPPORTED;
}

void trust_boot_complete(void)
{
}

TEE_Result trust_write_state(const struct bootstate *state __unused)
{
    return TEE_ERROR_NOT_SUPPORTED;
}

TEE_Result trust_read_record(uint8_t record[FUSEBOX_RECORD_SIZE] __unused)
{
    return TEE_ERROR_NOT_SUPPORTED;
}

TEE_Result trust_write_record(const uint8_t record[FUSEBOX_RECORD_SIZE] __unused)
{
    return TEE_ERROR_NOT_SUPPORTED;
}

TEE_Result trust_read_words(uint8_t words[FUSEBOX_WORDS_SIZE] __unused)
{
    return TEE_ERROR_NOT_SUPPORTED;
}

TEE_Result trust_write_words(const uint8_t words[FUSEBOX_WORDS_SIZE] __unused,
                             bool keep_one __unused)
{
    return TEE_ERROR_NOT_SUPPORTED;
}
