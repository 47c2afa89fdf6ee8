// SPDX-License-Identifier: Apache-2.0
#include "tis_model.h"

#include <string.h>

#define NOBODY 0xff
#define STS_VALID 0x80u
#define STS_READY 0x40u
#define STS_GO 0x20u
#define STS_DATA 0x10u
#define STS_EXPECT 0x08u

void tis_model_init(struct tis_model *m, struct tpm2_transport tpm)
{
    memset(m, 0, sizeof(*m));
    m->tpm = tpm;
    m->holder = NOBODY;
    m->burst = 64;
    m->run_us = 1000;
}

static bool is_active(const struct tis_model *m, uint32_t offset)
{
    return !m->fault.absent && m->holder == offset >> 12;
}

/* Size of the command that is being received, as far as known. */
static size_t command_size(const struct tis_model *m)
{
    struct rd r;

    if (m->in_n < 6)
        return 10;
    rd_init(&r, (struct bytes){m->in, m->in_n});
    (void)rd_be16(&r);
    return rd_be32(&r);
}

static void execute(struct tis_model *m)
{
    m->out_at = 0;
    if (m->tpm.transceive(m->tpm.ctx, (struct bytes){m->in, m->in_n}, m->out, sizeof(m->out) - 1,
                          &m->out_n) != 0)
        m->out_n = 0;
    if (m->fault.truncate != 0 && m->fault.truncate < m->out_n)
        m->out_n = m->fault.truncate;
    if (m->fault.surplus)
        m->out[m->out_n++] = 0xee;
    m->state = TIS_COMPLETION;
}

static uint32_t status(struct tis_model *m)
{
    size_t want = command_size(m), burst = 0;
    uint32_t sts = m->fault.never_valid ? 0 : STS_VALID;

    if (m->state == TIS_EXECUTION && m->now_us >= m->done_us && !m->fault.never_done)
        execute(m);
    if (m->state == TIS_READY)
        sts |= STS_READY;
    if (m->state == TIS_RECEPTION &&
        (m->in_n + (m->fault.forgets ? 1 : 0) < want || m->fault.insatiable))
        sts |= STS_EXPECT;
    if (m->state == TIS_COMPLETION && m->out_at < m->out_n)
        sts |= STS_DATA;
    if ((m->state == TIS_READY || m->state == TIS_RECEPTION) && !m->fault.burst_in_zero)
        burst = m->burst;
    if (m->state == TIS_COMPLETION && !m->fault.burst_out_zero)
        burst = m->out_n - m->out_at < m->burst ? m->out_n - m->out_at : m->burst;
    m->credit = (uint32_t)burst;
    return sts | (uint32_t)burst << 8;
}

static void set_status(struct tis_model *m, uint32_t value)
{
    if ((value & STS_READY) != 0) {
        /* What runs is aborted, what lies there is dropped: first idle, then ready. */
        m->state = m->state == TIS_IDLE && !m->fault.never_ready ? TIS_READY : TIS_IDLE;
        m->in_n = m->out_n = m->out_at = 0;
    } else if ((value & STS_GO) != 0 && m->state == TIS_RECEPTION) {
        m->state = TIS_EXECUTION;
        m->done_us = m->now_us + m->run_us;
        if (m->fault.hangs_up)
            m->holder = NOBODY;
    }
}

static uint8_t read8(void *ctx, uint32_t offset)
{
    struct tis_model *m = ctx;

    m->now_us++;
    if (m->fault.absent)
        return 0xff;
    if ((offset & 0xfff) == 0)
        return (uint8_t)(0x80 | (is_active(m, offset) ? 0x20 : 0));
    if (!is_active(m, offset) || (offset & 0xfff) != 0x24)
        return 0xff;
    if (m->state != TIS_COMPLETION || m->out_at >= m->out_n || m->credit == 0) {
        m->overruns++;
        return 0xff;
    }
    m->credit--;
    return m->out[m->out_at++];
}

static void write8(void *ctx, uint32_t offset, uint8_t value)
{
    struct tis_model *m = ctx;

    m->now_us++;
    if ((offset & 0xfff) == 0) {
        if ((value & 0x02) != 0 && m->holder == NOBODY)
            m->holder = (uint8_t)(offset >> 12);
        if ((value & 0x20) != 0 && is_active(m, offset))
            m->holder = NOBODY;
        return;
    }
    if (!is_active(m, offset) || (offset & 0xfff) != 0x24)
        return;
    if (m->state == TIS_READY)
        m->state = TIS_RECEPTION;
    if (m->state != TIS_RECEPTION || m->credit == 0 || m->in_n == sizeof(m->in)) {
        m->overruns++;
        return;
    }
    m->credit--;
    m->in[m->in_n++] = value;
}

static uint32_t read32(void *ctx, uint32_t offset)
{
    struct tis_model *m = ctx;

    m->now_us++;
    if (!is_active(m, offset))
        return UINT32_MAX;
    if ((offset & 0xfff) == 0x18)
        return status(m);
    if ((offset & 0xfff) == 0xf00)
        return m->fault.no_id ? 0 : 0x00011014;
    return UINT32_MAX;
}

static void write32(void *ctx, uint32_t offset, uint32_t value)
{
    struct tis_model *m = ctx;

    m->now_us++;
    if (is_active(m, offset) && (offset & 0xfff) == 0x18)
        set_status(m, value);
}

static uint64_t now_us(void *ctx)
{
    return ((struct tis_model *)ctx)->now_us;
}

static void pause_us(void *ctx, uint32_t us)
{
    ((struct tis_model *)ctx)->now_us += us;
}

struct tis_port tis_model_port(struct tis_model *m)
{
    return (struct tis_port){read8, write8, read32, write32, now_us, pause_us, m};
}
