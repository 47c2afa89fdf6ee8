// SPDX-License-Identifier: Apache-2.0
/* BL31's stack canary: BL2 has derived it. Called once, by assembly, before there is a console. */
#include <arch_helpers.h>
#include <common/debug.h>
#include <lib/mmio.h>
#include <plat/common/platform.h>

#include <platform_def.h>

#include "handover.h"

#define CANARY (KAPU_HANDOVER_BASE + HANDOVER_CANARY)

u_register_t plat_get_stack_protector_canary(void)
{
    u_register_t canary = mmio_read_32(CANARY) | (u_register_t)mmio_read_32(CANARY + 4) << 32;

    mmio_write_32(CANARY, 0);
    mmio_write_32(CANARY + 4, 0);
    if (canary == 0)
        panic();
    return canary;
}
