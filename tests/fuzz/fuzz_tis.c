// SPDX-License-Identifier: Apache-2.0
/* The TIS driver on registers that read as the fuzzer likes. Every wait must end. */
#include <kapu/tis.h>

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

struct registers {
    struct rd in;
    uint64_t now_us;
    uint8_t sticky; /* repeats the last status so often */
    uint32_t status;
};

static uint8_t read8(void *ctx, uint32_t offset)
{
    struct registers *r = ctx;

    r->now_us++;
    if ((offset & 0xfff) == 0 && r->in.err == 0 && r->in.at % 16 != 0)
        return 0xa0; /* mostly the locality is there */
    return rd_u8(&r->in);
}

/* Status words are drawn from the meaningful ones, with any burst count. */
static uint32_t read32(void *ctx, uint32_t offset)
{
    static const uint8_t bits[] = {0x40, 0x88, 0x80, 0x90, 0xc0, 0x00, 0x98, 0xff};
    struct registers *r = ctx;

    r->now_us++;
    if ((offset & 0xfff) != 0x18)
        return 0x00011014;
    if (r->sticky > 0) {
        r->sticky--;
        return r->status;
    }
    uint8_t how = rd_u8(&r->in);

    r->sticky = how >> 6;
    r->status = bits[how & 7] | (uint32_t)(how >> 3 & 7) << 8;
    if ((how & 0x38) == 0x38)
        r->status = rd_be32(&r->in);
    return r->status;
}

static void write8(void *ctx, uint32_t offset, uint8_t value)
{
    (void)offset;
    (void)value;
    ((struct registers *)ctx)->now_us++;
}

static void write32(void *ctx, uint32_t offset, uint32_t value)
{
    (void)offset;
    (void)value;
    ((struct registers *)ctx)->now_us++;
}

static uint64_t now_us(void *ctx)
{
    return ((struct registers *)ctx)->now_us;
}

static void pause_us(void *ctx, uint32_t us)
{
    ((struct registers *)ctx)->now_us += us + 5000; /* few looks for each wait */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t cmd[12] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8};
    struct registers r = {.now_us = 0};
    const struct tis_port port = {read8, write8, read32, write32, now_us, pause_us, &r};
    uint8_t rsp[80];
    struct tis t;
    size_t n = 0;

    rd_init(&r.in, (struct bytes){data, size});
    if (tis_open(&t, &port, 0) != 0)
        return 0;
    for (int i = 0; i < 3; i++) {
        size_t capacity = i == 2 ? 9 : 64;
        int err;

        memset(rsp, 0xa5, sizeof(rsp));
        err = tis_transceive(&t, BYTES_OF(cmd), rsp, capacity, &n);
        if ((err == 0 && (n < 10 || n > capacity)) || (err != 0 && n != 0))
            abort();
        for (size_t k = capacity; k < sizeof(rsp); k++) {
            if (rsp[k] != 0xa5)
                abort();
        }
    }
    tis_close(&t);
    return 0;
}
