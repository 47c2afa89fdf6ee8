// SPDX-License-Identifier: Apache-2.0
/* QEMU's tpm-tis-device, and the generic timer as its clock. */
#include <arch_helpers.h>
#include <lib/mmio.h>

#include <platform_def.h>

#include "platform.h"

#define MICROSECONDS 1000000U

static uint8_t read8(void *ctx, uint32_t offset)
{
    (void)ctx;
    return mmio_read_8(KAPU_TPM_BASE + offset);
}

static void write8(void *ctx, uint32_t offset, uint8_t value)
{
    (void)ctx;
    mmio_write_8(KAPU_TPM_BASE + offset, value);
}

static uint32_t read32(void *ctx, uint32_t offset)
{
    (void)ctx;
    return mmio_read_32(KAPU_TPM_BASE + offset);
}

static void write32(void *ctx, uint32_t offset, uint32_t value)
{
    (void)ctx;
    mmio_write_32(KAPU_TPM_BASE + offset, value);
}

static uint64_t now_us(void *ctx)
{
    (void)ctx;
    return read_cntpct_el0() * MICROSECONDS / read_cntfrq_el0();
}

static void pause_us(void *ctx, uint32_t us)
{
    uint64_t from = now_us(ctx);

    while (now_us(ctx) - from < us)
        ;
}

const struct tis_port platform_tpm = {
    .read8 = read8,
    .write8 = write8,
    .read32 = read32,
    .write32 = write32,
    .now_us = now_us,
    .pause_us = pause_us,
};
