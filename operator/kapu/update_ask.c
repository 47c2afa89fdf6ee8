// SPDX-License-Identifier: Apache-2.0
#include "update_ask.h"

#include <stdlib.h>
#include <time.h>

#include <kapu/update.h>

#include "update.h"

#define TURN_MS 50
#define TOGETHER_MS 2500u /* then those that are hidden are asked one by one */
#define AGAIN_MS 500u
#define ALONE_MS 1000u

struct ask_all {
    const struct operator* o;
    struct update_asked *a;
    size_t n;
    struct exchange *x;
    uint64_t end_ms;
    struct transport_message reply;
    uint8_t work[PROTOCOL_BODY_MAX];
};

uint64_t update_ticks_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000U + (uint64_t)t.tv_nsec / 1000000U;
}

static bool is_done(const struct update_asked *a)
{
    const bool refused = a->reach == UPDATE_HEARD && a->said.answer != UPDATE_DONE &&
                         a->said.work != PROTOCOL_ASKING;

    return a->reach == UPDATE_HEARD && (a->until_number == 0 || refused || a->error[0] != '\0' ||
                                        a->said.rollout >= a->until_number);
}

static void take(struct ask_all *all, struct update_asked *a, struct bytes body)
{
    struct protocol_reply r;

    if (protocol_reply_decode(body, &r, all->work, sizeof(all->work)) != 0)
        return;
    if (r.kind == PROTOCOL_ERROR)
        snprintf(a->error, sizeof(a->error), "%.*s", (int)r.error.n, (const char *)r.error.p);
    else if (r.kind != PROTOCOL_UPDATE || r.update.answer >= UPDATE_ANSWERS ||
             r.update.stage >= UPDATE_STAGES)
        return;
    a->reach = UPDATE_HEARD;
    a->said = r.update;
    snprintf(a->why, sizeof(a->why), "%.*s", (int)r.update.why.n,
             r.update.why.n > 0 ? (const char *)r.update.why.p : "");
}

static void heard(void *ctx, size_t who, enum exchange_event what, struct bytes body)
{
    struct ask_all *all = ctx;
    struct update_asked *a = &all->a[who];

    if (what == EXCHANGE_REPLY)
        take(all, a, body);
    else if (a->reach != UPDATE_HEARD)
        a->reach = what == EXCHANGE_DELIVERED ? UPDATE_UNHEARD : UPDATE_NOT_HERE;
}

/* How many may still say something. */
static size_t left(const struct ask_all *all)
{
    size_t n = 0;

    for (size_t i = 0; i < all->n; i++)
        n += !is_done(&all->a[i]) && all->a[i].reach != UPDATE_NOT_HERE;
    return n;
}

static struct bytes state_request(uint8_t *to, size_t n)
{
    const struct protocol_request q = {.kind = PROTOCOL_UPDATE};
    struct wr w;

    wr_init(&w, to, n);
    return protocol_request_encode(&q, &w) == 0 ? wr_done(&w) : (struct bytes){NULL, 0};
}

static void send_all(struct ask_all *all)
{
    for (size_t i = 0; i < all->n; i++) {
        if (exchange_post(all->x, i, all->a[i].name, all->a[i].body, PROTOCOL_HELLO_S) != 0)
            all->a[i].reach = UPDATE_UNSENT;
    }
}

/* What takes the secure world's time is asked for again. */
static void poll_all(struct ask_all *all)
{
    uint8_t body[16];
    const struct bytes state = state_request(body, sizeof(body));

    for (size_t i = 0; i < all->n; i++) {
        const bool works = all->a[i].reach == UPDATE_HEARD && !is_done(&all->a[i]);

        if (works && exchange_post(all->x, i, all->a[i].name, state, PROTOCOL_HELLO_S) != 0)
            return; /* the broker is gone: later */
    }
}

static void together(struct ask_all *all)
{
    const uint64_t began = update_ticks_ms(), end = began + TOGETHER_MS;
    uint64_t again = began + AGAIN_MS;

    send_all(all);
    while (left(all) > 0 && update_ticks_ms() < end && update_ticks_ms() < all->end_ms) {
        exchange_turn(all->x, TURN_MS);
        if (update_ticks_ms() >= again) {
            poll_all(all);
            again = update_ticks_ms() + AGAIN_MS;
        }
    }
}

/* The request itself again for one that was not heard: it does nothing the second time. */
static void alone(struct ask_all *all, struct transport *t)
{
    uint8_t body[16];
    const struct bytes state = state_request(body, sizeof(body));

    while (left(all) > 0 && update_ticks_ms() < all->end_ms) {
        for (size_t i = 0; i < all->n && update_ticks_ms() < all->end_ms; i++) {
            struct update_asked *a = &all->a[i];

            if (is_done(a) || a->reach == UPDATE_NOT_HERE)
                continue;
            if (transport_request(t, a->name, a->reach == UPDATE_HEARD ? state : a->body, ALONE_MS,
                                  &all->reply) == 0)
                take(all, a, (struct bytes){all->reply.body, all->reply.n});
        }
        transport_idle(t, TURN_MS);
    }
}

int update_ask_all(const struct operator* o, struct update_asked *a, size_t n, uint32_t ms)
{
    struct ask_all *all = calloc(1, sizeof(*all));
    struct transport *t = NULL;
    int err = -1;

    if (all == NULL)
        return -1;
    *all = (struct ask_all){.o = o, .a = a, .n = n, .end_ms = update_ticks_ms() + ms};
    all->x = operator_exchange(o, n, heard, all);
    if (all->x != NULL) {
        err = 0;
        together(all);
        if (left(all) > 0)
            t = operator_connect(o, PROTOCOL_ENROLLED);
        if (t != NULL)
            alone(all, t);
    }
    transport_close(t);
    exchange_close(all->x);
    free(all);
    return err;
}
