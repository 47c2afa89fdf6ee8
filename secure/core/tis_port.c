// SPDX-License-Identifier: Apache-2.0
/* The TPM's registers, and the generic timer as their clock. */
#include <io.h>
#include <kernel/delay.h>
#include <mm/core_memprot.h>
#include <mm/core_mmu.h>

#include "internal.h"
#include "platform.h"

#define MICROSECONDS 1000000ULL

register_phys_mem(MEM_AREA_IO_SEC, PLATFORM_TPM, SMALL_PAGE_SIZE);

static vaddr_t at(uint32_t offset)
{
    return (vaddr_t)phys_to_virt(PLATFORM_TPM, MEM_AREA_IO_SEC, SMALL_PAGE_SIZE) + offset;
}

static uint8_t read8(void *ctx __unused, uint32_t offset)
{
    return io_read8(at(offset));
}

static void write8(void *ctx __unused, uint32_t offset, uint8_t value)
{
    io_write8(at(offset), value);
}

static uint32_t read32(void *ctx __unused, uint32_t offset)
{
    return io_read32(at(offset));
}

static void write32(void *ctx __unused, uint32_t offset, uint32_t value)
{
    io_write32(at(offset), value);
}

/* Split, so that the product does not overflow within centuries. */
static uint64_t now_us(void *ctx __unused)
{
    uint64_t count = delay_cnt_read();
    uint64_t frequency = delay_cnt_freq();

    return count / frequency * MICROSECONDS + count % frequency * MICROSECONDS / frequency;
}

static void pause_us(void *ctx __unused, uint32_t us)
{
    udelay(us);
}

const struct tis_port core_tpm_port = {
    .read8 = read8,
    .write8 = write8,
    .read32 = read32,
    .write32 = write32,
    .now_us = now_us,
    .pause_us = pause_us,
};
