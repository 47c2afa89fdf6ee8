// SPDX-License-Identifier: Apache-2.0
#include "watch_list.h"

#include <string.h>

static uint32_t divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

void watch_list_begin(struct watch_list *l)
{
    l->made = 0;
    l->same = true;
}

int watch_list_put(struct watch_list *l, uint64_t pa, const uint8_t digest[32])
{
    struct watch_page *p;

    if (l->made >= MONITOR_WATCH_MAX)
        return KAPU_ERANGE;
    p = &l->page[1 - l->in_use][l->made];
    p->pa = pa;
    memcpy(p->digest, digest, sizeof(p->digest));
    l->same = l->same && l->made < l->n && l->page[l->in_use][l->made].pa == pa;
    l->made++;
    return 0;
}

int watch_list_use(struct watch_list *l, uint64_t random, bool *begins)
{
    if (l->made == 0)
        return KAPU_EARG;
    *begins = !l->same || l->made != l->n;
    l->in_use = 1 - l->in_use;
    l->n = l->made;
    watch_list_begin(l);
    if (*begins)
        watch_list_pass(l, random);
    return 0;
}

struct watch_page *watch_list_next(struct watch_list *l)
{
    uint32_t which;

    if (l->at >= l->n)
        return NULL;
    which = (uint32_t)((l->first + (uint64_t)l->at * l->step) % l->n);
    l->at++;
    return &l->page[l->in_use][which];
}

void watch_list_pass(struct watch_list *l, uint64_t random)
{
    l->at = 0;
    l->first = (uint32_t)random % l->n;
    l->step = (uint32_t)(random >> 32) % l->n;
    while (l->step == 0 || divisor(l->step, l->n) != 1)
        l->step = (l->step + 1) % l->n + (l->n == 1 ? 1 : 0);
}
