// SPDX-License-Identifier: Apache-2.0
/* The slots in flash, as they can be read now. Linux writes one of them: what is read may be
 * another thing a moment later, and the boot stages verify all of it again. */
#include <initcall.h>
#include <io.h>
#include <mm/core_memprot.h>
#include <mm/core_mmu.h>
#include <string.h>

#include <kapu/bootstate.h>

#include "platform.h"
#include "slots.h"

register_phys_mem_pgdir(MEM_AREA_IO_NSEC, PLATFORM_SLOTS, BOOTSTATE_SLOTS *PLATFORM_SLOT_SIZE);

TEE_Result slot_read(unsigned int slot, size_t at, uint8_t *to, size_t n)
{
    paddr_t pa = PLATFORM_SLOTS + slot * PLATFORM_SLOT_SIZE;
    vaddr_t va;

    if (slot >= BOOTSTATE_SLOTS || at > PLATFORM_SLOT_SIZE || n > PLATFORM_SLOT_SIZE - at ||
        at % 4 != 0 || n % 4 != 0)
        return TEE_ERROR_BAD_PARAMETERS;
    va = (vaddr_t)phys_to_virt(pa + at, MEM_AREA_IO_NSEC, n);
    if (va == 0)
        return TEE_ERROR_GENERIC;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t word = io_read32(va + i);

        memcpy(to + i, &word, sizeof(word));
    }
    return TEE_SUCCESS;
}
