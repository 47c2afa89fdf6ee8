// SPDX-License-Identifier: Apache-2.0
/* The normal world's memory, all of it mapped: the monitor reads it, nothing else here does. */
#include <arm.h>
#include <kernel/delay.h>
#include <mm/core_memprot.h>
#include <mm/core_mmu.h>

#include "monitor.h"
#include "platform.h"

register_phys_mem_pgdir(MEM_AREA_RAM_NSEC, PLATFORM_NORMAL_RAM, PLATFORM_NORMAL_RAM_SIZE);

const void *normal_memory(uint64_t pa, size_t n)
{
    static const uint8_t *base;

    if (pa < PLATFORM_NORMAL_RAM || n > PLATFORM_NORMAL_RAM_SIZE ||
        pa - PLATFORM_NORMAL_RAM > PLATFORM_NORMAL_RAM_SIZE - n)
        return NULL;
    if (base == NULL)
        base = phys_to_virt(PLATFORM_NORMAL_RAM, MEM_AREA_RAM_NSEC, PLATFORM_NORMAL_RAM_SIZE);
    return base == NULL ? NULL : base + (pa - PLATFORM_NORMAL_RAM);
}

uint64_t monitor_now(void)
{
    return barrier_read_counter_timer();
}

uint64_t monitor_ms(uint32_t ms)
{
    return (uint64_t)read_cntfrq() * ms / 1000;
}
