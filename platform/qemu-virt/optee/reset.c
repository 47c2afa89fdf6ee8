// SPDX-License-Identifier: Apache-2.0
/* QEMU's secure GPIO (PL061, ARM DDI 0190): pin 1 resets the machine on a rising edge. */
#include <io.h>
#include <mm/core_memprot.h>

#include "platform.h"

#define SECURE_GPIO 0x090b0000UL
#define GPIO_DIR 0x400U
#define RESET_PIN 2U
#define GPIO_DATA (RESET_PIN << 2)

register_phys_mem(MEM_AREA_IO_SEC, SECURE_GPIO, SMALL_PAGE_SIZE);

void platform_reset(void)
{
    vaddr_t base = (vaddr_t)phys_to_virt(SECURE_GPIO, MEM_AREA_IO_SEC, SMALL_PAGE_SIZE);

    io_setbits32(base + GPIO_DIR, RESET_PIN);
    io_write32(base + GPIO_DATA, 0);
    io_write32(base + GPIO_DATA, RESET_PIN);
    for (;;)
        ;
}
