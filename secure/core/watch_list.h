/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pages the watch looks at, and in which order: passes over a list in an order of its own
 * each. A new list is made while the old one is in use, and takes its place at once. Portable, so
 * that it is tested on the host; the caller locks.
 */
#ifndef KAPU_WATCH_LIST_H
#define KAPU_WATCH_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include <kapu/bytes.h>

#include "monitor_pta.h"

struct watch_page {
    uint64_t pa;
    uint8_t digest[32];
};

/* All zeros: an empty list. */
struct watch_list {
    struct watch_page page[2][MONITOR_WATCH_MAX];
    uint32_t in_use, n;       /* the list that passes go over: which, and its pages */
    uint32_t made;            /* pages of the other one so far */
    bool same;                /* they are those of the list in use, in the same order */
    uint32_t at, first, step; /* the pass: page number i of it is (first + i * step) % n */
};

/* Starts a new list. It is not in use before watch_list_use(), so only that needs the lock. */
void watch_list_begin(struct watch_list *l);
/* 0, or KAPU_ERANGE: it is full. */
int watch_list_put(struct watch_list *l, uint64_t pa, const uint8_t digest[32]);
/*
 * From now on the new list counts. When its pages are those of the old one, the pass goes on where
 * it is: lists that are replaced all the time do not keep a pass from its end. Otherwise a pass
 * begins. 0, or KAPU_EARG: it is empty, and the old one stays.
 */
int watch_list_use(struct watch_list *l, uint64_t random, bool *begins);
/* The next page of this pass, whose digest the caller may change; NULL: the pass is at its end. */
struct watch_page *watch_list_next(struct watch_list *l);
/* Begins a pass. The list must not be empty. */
void watch_list_pass(struct watch_list *l, uint64_t random);

#endif
