// SPDX-License-Identifier: Apache-2.0
/*
 * How often the normal world has the TPM's memory written, in secure RAM that is kept over resets.
 * The security counter needs no budget: it rises no further than the counters of signed releases.
 */
#include <arm.h>
#include <kernel/mutex.h>
#include <mm/core_memprot.h>
#include <mm/core_mmu.h>
#include <tee_api_defines.h>
#include <trace.h>

#include <kapu/nvbudget.h>

#include "internal.h"
#include "platform.h"

#define MINUTE_MS 60000U

register_phys_mem(MEM_AREA_RAM_SEC, PLATFORM_NV_BUDGET, SMALL_PAGE_SIZE);

static struct mutex lock = MUTEX_INITIALIZER;
static bool told; /* once until there is something again */

static uint64_t now_ms(void)
{
    return barrier_read_counter_timer() / (read_cntfrq() / 1000);
}

TEE_Result nv_budget_take(uint32_t writes)
{
    uint8_t *kept = phys_to_virt(PLATFORM_NV_BUDGET, MEM_AREA_RAM_SEC, NVBUDGET_SIZE);
    uint64_t now = now_ms(), wait_ms;
    struct nvbudget b;
    bool taken;

    mutex_lock(&lock);
    if (nvbudget_decode(kept, &b) != 0)
        nvbudget_start(&b, now);
    taken = nvbudget_take(&b, now, writes);
    wait_ms = nvbudget_wait_ms(&b, now, writes);
    nvbudget_encode(&b, kept);
    if (!taken && !told)
        EMSG("kapu: TPM memory: written too often, so changes of secure storage and boot state "
             "are refused for %" PRIu64 " minutes",
             wait_ms / MINUTE_MS + 1);
    told = !taken;
    mutex_unlock(&lock);
    return taken ? TEE_SUCCESS : TEE_ERROR_BUSY;
}
