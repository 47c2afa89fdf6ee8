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

TEE_Result trust_read_state(struct bootstate *state)
{
    *state = (struct bootstate){.slot = 0};
    return TEE_SUCCESS;
}

TEE_Result trust_write_state(const struct bootstate *state)
{
    (void)state;
    return TEE_SUCCESS;
}

void trust_boot_complete(void)
{
}
