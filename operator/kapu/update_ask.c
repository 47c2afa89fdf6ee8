// SPDX-License-Identifier: Apache-2.0
#include "update_ask.h"

#include <stdlib.h>
#include <time.h>

#include <kapu/update.h>

#include "update.h"

#define TURN_MS 50
/* The broker keeps few messages for a client and drops more (docs/transport.md), so replies that
 * were dropped are asked for by a few at a time. */
#define WINDOW 12u
#define AGAIN_MS 1000u
#define QUIET_MS 2500u /* nothing is heard: then those that are hidden are asked one by one */
#define ALONE_MS 3000u
#define ALONE_LEAST_MS 500u
#define STILL_MS 2000u /* not given up when somebody was heard so shortly before */

struct ask_all {
    const struct operator* o;
    struct update_asked *a;
    size_t n;
    struct exchange *x;
    uint64_t end_ms, heard_ms; /* heard_ms: when somebody was, last */
    uint64_t *posted_ms;       /* to each */
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

static void take_text(struct bytes text, char *to, size_t n)
{
    snprintf(to, n, "%.*s", (int)text.n, text.n > 0 ? (const char *)text.p : "");
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
    all->heard_ms = update_ticks_ms();
    a->said = r.update;
    take_text(r.update.why, a->why, sizeof(a->why));
    take_text(r.update.group, a->group, sizeof(a->group));
    a->said.why = a->said.group = (struct bytes){NULL, 0};
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

/* Again for one of whom nothing was heard: the first reply counts, to whichever it is. */
static void post_again(struct ask_all *all, size_t i, struct bytes state)
{
    struct update_asked *a = &all->a[i];
    int err;

    all->posted_ms[i] = update_ticks_ms();
    if (a->reach == UPDATE_HEARD)
        err = exchange_post(all->x, i, a->name, state, PROTOCOL_HELLO_S);
    else if (a->reach == UPDATE_UNSENT)
        err = exchange_post(all->x, i, a->name, a->body, PROTOCOL_HELLO_S);
    else
        err = exchange_post_again(all->x, i, a->body, PROTOCOL_HELLO_S);
    if (err != 0 && a->reach != UPDATE_HEARD)
        a->reach = UPDATE_UNSENT;
}

/* Those of whom nothing was heard, and those whose secure world takes its time. */
static void ask_again(struct ask_all *all, struct bytes state)
{
    const uint64_t now = update_ticks_ms();
    size_t young = 0;

    for (size_t i = 0; i < all->n; i++)
        young += !is_done(&all->a[i]) && now < all->posted_ms[i] + AGAIN_MS;
    for (size_t i = 0; i < all->n && young < WINDOW; i++) {
        const struct update_asked *a = &all->a[i];

        if (is_done(a) || a->reach == UPDATE_NOT_HERE || now < all->posted_ms[i] + AGAIN_MS)
            continue;
        post_again(all, i, state);
        young++;
    }
}

static void send_all(struct ask_all *all)
{
    all->heard_ms = update_ticks_ms();
    for (size_t i = 0; i < all->n; i++) {
        all->posted_ms[i] = all->heard_ms;
        if (exchange_post(all->x, i, all->a[i].name, all->a[i].body, PROTOCOL_HELLO_S) != 0)
            all->a[i].reach = UPDATE_UNSENT;
    }
}

static void together(struct ask_all *all)
{
    uint8_t body[16];
    const struct bytes state = state_request(body, sizeof(body));

    send_all(all);
    while (left(all) > 0 && update_ticks_ms() < all->heard_ms + QUIET_MS) {
        exchange_turn(all->x, TURN_MS);
        ask_again(all, state);
    }
}

static bool goes_on(const struct ask_all *all)
{
    const uint64_t now = update_ticks_ms();

    return left(all) > 0 && (now < all->end_ms || now < all->heard_ms + STILL_MS);
}

static uint32_t patience(const struct ask_all *all)
{
    const uint64_t now = update_ticks_ms();

    if (now + ALONE_LEAST_MS >= all->end_ms)
        return ALONE_LEAST_MS;
    return all->end_ms - now < ALONE_MS ? (uint32_t)(all->end_ms - now) : ALONE_MS;
}

/* The request itself again for one that was not heard: it does nothing the second time. */
static void alone(struct ask_all *all, struct transport *t)
{
    uint8_t body[16];
    const struct bytes state = state_request(body, sizeof(body));

    while (goes_on(all)) {
        for (size_t i = 0; i < all->n && goes_on(all); i++) {
            struct update_asked *a = &all->a[i];

            if (is_done(a) || a->reach == UPDATE_NOT_HERE)
                continue;
            if (transport_request(t, a->name, a->reach == UPDATE_HEARD ? state : a->body,
                                  patience(all), &all->reply) == 0)
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
    all->o = o;
    all->a = a;
    all->n = n;
    all->end_ms = update_ticks_ms() + ms;
    all->posted_ms = calloc(n + 1, sizeof(*all->posted_ms));
    all->x = all->posted_ms != NULL ? operator_exchange(o, n, heard, all) : NULL;
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
    free(all->posted_ms);
    free(all);
    return err;
}
