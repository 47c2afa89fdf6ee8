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

int plat_get_nv_ctr(void *cookie, unsigned int *nv_ctr);
int plat_set_nv_ctr(void *cookie, unsigned int nv_ctr);

int plat_get_nv_ctr(void *cookie, unsigned int *nv_ctr)
{
    (void)cookie;
    *nv_ctr = 0;
    return 0;
}

int plat_set_nv_ctr(void *cookie, unsigned int nv_ctr)
{
    (void)cookie;
    (void)nv_ctr;
    return 0;
}
