// SPDX-License-Identifier: Apache-2.0
#include "interposer.h"

#include <string.h>

static void record(struct interposer *i, const uint8_t *p, size_t n)
{
    if (n > sizeof(i->seen) - i->seen_n)
        i->seen_n = 0;
    memcpy(i->seen + i->seen_n, p, n);
    i->seen_n += n;
}

static int transceive(void *ctx, struct bytes cmd, uint8_t *rsp, size_t capacity, size_t *n)
{
    struct interposer *i = ctx;
    uint8_t own[4096], answer[4096];
    size_t own_n = cmd.n;
    struct rd r;
    bool mine;
    int err;

    if (i->cut_after == 1)
        return KAPU_EIO;
    if (i->cut_after > 1)
        i->cut_after--;
    memcpy(own, cmd.p, cmd.n);
    rd_init(&r, cmd);
    (void)rd_bytes(&r, 6);
    i->code = rd_be32(&r);
    mine = i->only == 0 || i->only == i->code;
    if (mine && i->on_command != NULL) {
        i->hits++;
        i->on_command(i, own, &own_n);
    }
    record(i, own, own_n);
    if (capacity > sizeof(answer))
        capacity = sizeof(answer);
    err = i->below.transceive(i->below.ctx, (struct bytes){own, own_n}, answer, capacity, n);
    if (err != 0)
        return err;
    record(i, answer, *n);
    if (mine && i->on_answer != NULL) {
        i->hits++;
        i->on_answer(i, answer, n, capacity);
    } else if (mine) {
        memcpy(i->last, answer, *n);
        i->last_n = *n;
    }
    memcpy(rsp, answer, *n);
    return 0;
}

static void pause_ms(void *ctx, uint32_t ms)
{
    struct interposer *i = ctx;

    i->below.pause_ms(i->below.ctx, ms);
}

struct tpm2_transport interposer_transport(struct interposer *i)
{
    return (struct tpm2_transport){transceive, pause_ms, i};
}

bool interposer_saw(const struct interposer *i, struct bytes what)
{
    return memmem(i->seen, i->seen_n, what.p, what.n) != NULL;
}
