// SPDX-License-Identifier: Apache-2.0
#include <arch_helpers.h>
#include <lib/mmio.h>

#include <platform_def.h>

#include "platform.h"

/* PL061 (ARM DDI 0190): data registers are addressed by a mask of the pins, shifted by 2. */
#define GPIO_DIR 0x400U
#define GPIO_DATA(pins) ((pins) << 2)
#define RESET_PIN (1U << SECURE_GPIO_RESET)

void platform_reset(void)
{
    mmio_setbits_32(SECURE_GPIO_BASE + GPIO_DIR, RESET_PIN);
    mmio_write_32(SECURE_GPIO_BASE + GPIO_DATA(RESET_PIN), 0);
    mmio_write_32(SECURE_GPIO_BASE + GPIO_DATA(RESET_PIN), RESET_PIN);
    for (;;)
        wfi();
}
