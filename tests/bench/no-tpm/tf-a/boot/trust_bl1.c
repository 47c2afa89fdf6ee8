// SPDX-License-Identifier: Apache-2.0
/* Measurement only: the counter of the release as BL1 sees it; no counter is kept. */
#include <lib/mmio.h>
#include <plat/common/platform.h>

#include <platform_def.h>

#include "handover.h"

int plat_get_nv_ctr(void *cookie, unsigned int *nv_ctr)
{
    (void)cookie;
    *nv_ctr = 0;
    return 0;
}

int plat_set_nv_ctr(void *cookie, unsigned int nv_ctr)
{
    (void)cookie;
    mmio_write_32(KAPU_HANDOVER_BASE + HANDOVER_COUNTER_RELEASE, nv_ctr);
    return 0;
}
