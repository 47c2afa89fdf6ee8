// SPDX-License-Identifier: Apache-2.0
/* Measurement only: what trust.h promises, without a TPM. */
#include <lib/mmio.h>

#include <platform_def.h>

#include "handover.h"
#include "slot.h"
#include "trust.h"

void trust_begin(struct bootstate *state)
{
    *state = (struct bootstate){.slot = 0};
    mmio_write_32(KAPU_HANDOVER_BASE + HANDOVER_COUNTER_RELEASE, 0);
}

void trust_store(const struct bootstate *state)
{
    (void)state;
}

void trust_hand_over(const struct bootstate *state)
{
    (void)state;
    mmio_write_32(KAPU_HANDOVER_BASE + HANDOVER_STATE, 0);
}

void trust_state(struct bootstate *state)
{
    *state = (struct bootstate){.slot = 0};
}

void trust_resume(void)
{
}

void trust_measure(uint32_t pcr, uint32_t event_type, const char *name, const void *image,
                   uint32_t n)
{
    (void)pcr;
    (void)event_type;
    (void)name;
    (void)image;
    (void)n;
}

void trust_measure_authority(void)
{
}

void trust_end(void)
{
}
