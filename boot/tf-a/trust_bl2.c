// SPDX-License-Identifier: Apache-2.0
/* The root of trust in BL2. */
#include <arch_helpers.h>
#include <common/bl_common.h>
#include <common/debug.h>
#include <lib/mmio.h>
#include <lib/utils.h>
#include <plat/common/platform.h>

#include <kapu/eventlog.h>
#include <platform_def.h>

#include "handover.h"
#include "trust_internal.h"

void trust_resume(void)
{
    uint32_t n = mmio_read_32(trust_word(HANDOVER_LOG_SIZE));

    trust_find_tpm();
    trust.box.at = "event log";
    trust_need(eventlog_resume(&trust.log, (uint8_t *)KAPU_EVENT_LOG_BASE, n, HANDOVER_LOG_MAX));
}

void trust_end(void)
{
    trust_need(fusebox_close_platform(&trust.box));
    tis_close(&trust.tis);
}

/* BL2 takes its own release only: every certificate has BL2's counter, not an older, not a newer.
 */
int plat_get_nv_ctr(void *cookie, unsigned int *nv_ctr)
{
    (void)cookie;
    *nv_ctr = mmio_read_32(trust_word(HANDOVER_COUNTER_RELEASE));
    return 0;
}

int plat_set_nv_ctr(void *cookie, unsigned int nv_ctr)
{
    (void)cookie;
    (void)nv_ctr;
    return 1;
}
