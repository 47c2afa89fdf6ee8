// SPDX-License-Identifier: Apache-2.0
#include <kapu/tis.h>

/* Registers of one locality (PTP 1.05, table 18), localities 0x1000 apart. */
#define LOCALITY_N 0x1000u
#define REG_ACCESS 0x000u
#define REG_STS 0x018u
#define REG_DATA_FIFO 0x024u
#define REG_DID_VID 0xf00u

#define ACCESS_VALID 0x80u
#define ACCESS_ACTIVE 0x20u
#define ACCESS_REQUEST 0x02u
#define ACCESS_ABSENT 0xffu

#define STS_VALID 0x80u
#define STS_READY 0x40u
#define STS_GO 0x20u
#define STS_DATA 0x10u
#define STS_EXPECT 0x08u
#define STS_BURST_SHIFT 8
#define STS_BURST_MASK 0xffffu
#define STS_ABSENT 0xffffffffu

/* PTP 1.05, 6.5.1.3, in milliseconds */
#define TIMEOUT_A 750u
#define TIMEOUT_B 2000u
#define TIMEOUT_C 200u

#define POLL_US 100u
#define HEADER_N 10u /* of an answer: tag, size, code */

static uint32_t at(const struct tis *t, uint32_t reg)
{
    return t->locality * LOCALITY_N + reg;
}

static void set_sts(const struct tis *t, uint32_t bits)
{
    t->port->write32(t->port->ctx, at(t, REG_STS), bits);
}

/* A wait of so many milliseconds; another look after the time is up is the caller's. */
struct deadline {
    uint64_t from_us, limit_us;
};

static struct deadline deadline_in(const struct tis *t, uint32_t ms)
{
    return (struct deadline){t->port->now_us(t->port->ctx), (uint64_t)ms * 1000};
}

/* Pauses; false when the time is up. */
static bool wait_more(const struct tis *t, const struct deadline *d)
{
    if (t->port->now_us(t->port->ctx) - d->from_us > d->limit_us)
        return false;
    t->port->pause_us(t->port->ctx, POLL_US);
    return true;
}

static int wait_access(const struct tis *t, uint8_t bits, uint32_t ms)
{
    struct deadline d = deadline_in(t, ms);

    do {
        uint8_t a = t->port->read8(t->port->ctx, at(t, REG_ACCESS));

        if (a == ACCESS_ABSENT)
            return KAPU_EIO;
        if ((a & bits) == bits)
            return 0;
    } while (wait_more(t, &d));
    return KAPU_ETIMEOUT;
}

/* Waits until the status, where masked, has the value. */
static int wait_sts(const struct tis *t, uint32_t mask, uint32_t value, uint32_t ms)
{
    struct deadline d = deadline_in(t, ms);

    do {
        uint32_t sts = t->port->read32(t->port->ctx, at(t, REG_STS));

        if (sts == STS_ABSENT)
            return KAPU_EIO;
        if ((sts & mask) == value)
            return 0;
    } while (wait_more(t, &d));
    return KAPU_ETIMEOUT;
}

/* How many bytes the FIFO takes or gives without another look, at least 1. */
static int wait_burst(const struct tis *t, size_t *burst)
{
    struct deadline d = deadline_in(t, TIMEOUT_A);

    do {
        uint32_t sts = t->port->read32(t->port->ctx, at(t, REG_STS));

        if (sts == STS_ABSENT)
            return KAPU_EIO;
        *burst = sts >> STS_BURST_SHIFT & STS_BURST_MASK;
        if (*burst > 0)
            return 0;
    } while (wait_more(t, &d));
    return KAPU_ETIMEOUT;
}

static int take_locality(struct tis *t)
{
    int err = wait_access(t, ACCESS_VALID, TIMEOUT_A);

    if (err != 0)
        return err;
    t->port->write8(t->port->ctx, at(t, REG_ACCESS), ACCESS_REQUEST);
    err = wait_access(t, ACCESS_VALID | ACCESS_ACTIVE, TIMEOUT_A);
    t->active = err == 0;
    return err;
}

int tis_open(struct tis *t, const struct tis_port *port, uint8_t locality)
{
    uint32_t id;
    int err;

    *t = (struct tis){.port = port, .locality = locality, .command_ms = TIS_COMMAND_MS};
    if (locality > 4)
        return KAPU_EARG;
    err = take_locality(t);
    if (err != 0)
        return err;
    id = port->read32(port->ctx, at(t, REG_DID_VID));
    if (id == 0 || id == UINT32_MAX) {
        tis_close(t);
        return KAPU_EIO;
    }
    return 0;
}

void tis_close(struct tis *t)
{
    if (t->active)
        t->port->write8(t->port->ctx, at(t, REG_ACCESS), ACCESS_ACTIVE);
    t->active = false;
}

/* A TPM that was left amid a command goes idle at first, and is ready when told again. */
static int make_ready(const struct tis *t)
{
    int err = KAPU_ETIMEOUT;

    for (unsigned tries = 0; tries < 2 && err == KAPU_ETIMEOUT; tries++) {
        set_sts(t, STS_READY);
        err = wait_sts(t, STS_READY, STS_READY, TIMEOUT_B);
    }
    return err;
}

static int send(const struct tis *t, struct bytes cmd)
{
    size_t done = 0, burst = 0;
    int err;

    while (done < cmd.n) {
        /* The last byte goes by itself: before it the TPM must want more, after it no more. */
        size_t part = done + 1 < cmd.n ? cmd.n - 1 - done : 1;

        if (done + 1 == cmd.n) {
            err = wait_sts(t, STS_VALID | STS_EXPECT, STS_VALID | STS_EXPECT, TIMEOUT_C);
            if (err != 0)
                return err;
        }
        err = wait_burst(t, &burst);
        if (err != 0)
            return err;
        if (part > burst)
            part = burst;
        while (part-- > 0)
            t->port->write8(t->port->ctx, at(t, REG_DATA_FIFO), cmd.p[done++]);
    }
    return wait_sts(t, STS_VALID | STS_EXPECT, STS_VALID, TIMEOUT_C);
}

/* Exactly n bytes of the answer; it must not end before. */
static int receive(const struct tis *t, uint8_t *to, size_t n)
{
    size_t done = 0, burst = 0;

    while (done < n) {
        int err = wait_sts(t, STS_VALID | STS_DATA, STS_VALID | STS_DATA, TIMEOUT_C);

        if (err == 0)
            err = wait_burst(t, &burst);
        if (err != 0)
            return err;
        for (size_t part = n - done < burst ? n - done : burst; part > 0; part--)
            to[done++] = t->port->read8(t->port->ctx, at(t, REG_DATA_FIFO));
    }
    return 0;
}

static int receive_answer(const struct tis *t, uint8_t *rsp, size_t capacity, size_t *n)
{
    struct rd r;
    uint32_t size;
    int err;

    if (capacity < HEADER_N)
        return KAPU_ESPACE;
    err = receive(t, rsp, HEADER_N);
    if (err != 0)
        return err;
    rd_init(&r, (struct bytes){rsp, HEADER_N});
    (void)rd_be16(&r);
    size = rd_be32(&r);
    if (size < HEADER_N)
        return KAPU_EIO;
    if (size > capacity)
        return KAPU_ESPACE;
    err = receive(t, rsp + HEADER_N, size - HEADER_N);
    if (err != 0)
        return err;
    *n = size;
    /* More data than the size said: not an answer to trust. */
    return wait_sts(t, STS_VALID | STS_DATA, STS_VALID, TIMEOUT_C) == 0 ? 0 : KAPU_EIO;
}

int tis_transceive(void *ctx, struct bytes cmd, uint8_t *rsp, size_t capacity, size_t *n)
{
    struct tis *t = ctx;
    int err;

    *n = 0;
    if (!t->active || cmd.n < HEADER_N)
        return KAPU_EARG;
    if ((t->port->read8(t->port->ctx, at(t, REG_ACCESS)) & ACCESS_ACTIVE) == 0)
        return KAPU_EIO;
    err = make_ready(t);
    if (err == 0)
        err = send(t, cmd);
    if (err == 0) {
        set_sts(t, STS_GO);
        err = wait_sts(t, STS_VALID | STS_DATA, STS_VALID | STS_DATA, t->command_ms);
    }
    if (err == 0)
        err = receive_answer(t, rsp, capacity, n);
    set_sts(t, STS_READY); /* idle again after success, abort otherwise */
    if (err != 0)
        *n = 0;
    return err;
}
