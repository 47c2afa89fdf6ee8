// SPDX-License-Identifier: Apache-2.0
/*
 * How often the TPM's memory is written for what the normal world does, in secure RAM that is kept
 * over resets. The security counter needs no budget: it rises no further than the counters of
 * signed releases.
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

enum purse { OF_LINUX, OF_WORDS, PURSES };

static struct mutex lock = MUTEX_INITIALIZER;

static uint64_t now_ms(void)
{
    return barrier_read_counter_timer() / (read_cntfrq() / 1000);
}

/* `spare`: so many must be left. *wait_ms: until there are enough. */
static bool take(enum purse purse, uint32_t tokens, uint32_t spare, uint64_t *wait_ms)
{
    uint8_t *kept = phys_to_virt(PLATFORM_NV_BUDGET, MEM_AREA_RAM_SEC, PURSES * NVBUDGET_SIZE);
    uint64_t now = now_ms();
    struct nvbudget b;
    bool taken;

    kept += purse * NVBUDGET_SIZE;
    mutex_lock(&lock);
    if (nvbudget_decode(kept, &b) != 0)
        nvbudget_start(&b, now);
    *wait_ms = nvbudget_wait_ms(&b, now, tokens + spare);
    taken = *wait_ms == 0 && nvbudget_take(&b, now, tokens);
    nvbudget_encode(&b, kept);
    mutex_unlock(&lock);
    return taken;
}

TEE_Result nv_budget_take(uint32_t writes)
{
    static bool told; /* once until there is something again */
    uint64_t wait_ms = 0;
    bool taken = take(OF_LINUX, writes, 0, &wait_ms);

    if (!taken && !told)
        EMSG("kapu: TPM memory: written too often, so changes of secure storage and boot state "
             "are refused for %" PRIu64 " minutes",
             wait_ms / MINUTE_MS + 1);
    told = !taken;
    return taken ? TEE_SUCCESS : TEE_ERROR_BUSY;
}

TEE_Result nv_budget_take_words(bool keep_one)
{
    const uint32_t spare = keep_one ? NVBUDGET_WORDS_TOKENS : 0;
    uint64_t wait_ms = 0;

    return take(OF_WORDS, NVBUDGET_WORDS_TOKENS, spare, &wait_ms) ? TEE_SUCCESS : TEE_ERROR_BUSY;
}
