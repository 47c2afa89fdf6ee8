// SPDX-License-Identifier: Apache-2.0
/*
 * Pages that a deep check has verified and that must stay so. Each tick copies some, in an order
 * that changes with every pass, while the other cores stand still: who restores a page when a check
 * begins does not know when that is. Then the cores go on, and the copies are hashed. A page that
 * has changed is kept as it was found, for the monitor TA to judge, and watched on as it is then:
 * one innocent change is no leave for others.
 */
#include <io.h>
#include <kernel/spinlock.h>
#include <kernel/thread.h>
#include <string.h>
#include <trace.h>
#include <util.h>

#include "monitor.h"
#include "sha256_blocks.h"
#include "vectors.h"

#define PAGE 4096U
#define PASS_MS 4200U  /* all pages within this time */
#define TICK_MS 150U   /* mean interval of a core's ticks */
#define SLICE_MAX 128U /* pages of one tick */

static unsigned int lock = SPINLOCK_UNLOCK;
static struct {
    uint64_t pa;
    uint8_t digest[32];
} watched[MONITOR_WATCH_MAX];
static uint32_t watched_n;

/* The pass: page number i of it is watched[(first + i * step) % watched_n]. */
static uint32_t at, first, step;
static uint64_t pass_began;
static struct watch_figures figures;

/* What one tick looks at: copies, and of which watched page each is. */
static uint8_t slice[SLICE_MAX][PAGE] __aligned(64);
static uint32_t slice_of[SLICE_MAX];
static struct vectors saved; /* of the core that looks */

static struct {
    uint64_t pa;
    uint8_t page[PAGE];
} capture[MONITOR_CAPTURES];
static uint32_t captures, missed;

static uint32_t divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static void pass_begin(void)
{
    uint64_t random = secret_random();

    at = 0;
    first = (uint32_t)random % watched_n;
    step = (uint32_t)(random >> 32) % watched_n;
    while (step == 0 || divisor(step, watched_n) != 1)
        step = (step + 1) % watched_n + (watched_n == 1 ? 1 : 0);
    pass_began = monitor_now();
}

static void set_size(uint32_t n)
{
    uint32_t masked = cpu_spin_lock_xsave(&lock);

    watched_n = n;
    figures.pages = n;
    figures.passes = 0;
    if (n > 0)
        pass_begin();
    cpu_spin_unlock_xrestore(&lock, masked);
}

void watch_begin(void)
{
    set_size(0);
}

TEE_Result watch_put(size_t i, const uint8_t record[MONITOR_WATCH_SIZE])
{
    uint64_t pa = get_le64(record);

    if (i >= MONITOR_WATCH_MAX || normal_memory(pa, PAGE) == NULL)
        return TEE_ERROR_BAD_PARAMETERS;
    watched[i].pa = pa;
    memcpy(watched[i].digest, record + 8, sizeof(watched[i].digest));
    return TEE_SUCCESS;
}

void watch_start(size_t n)
{
    set_size((uint32_t)MIN(n, MONITOR_WATCH_MAX));
}

static void changed(uint32_t n, const void *page, const uint8_t digest[32])
{
    figures.changed++;
    watchdog_hurry();
    if (captures < MONITOR_CAPTURES) {
        capture[captures].pa = watched[n].pa;
        memcpy(capture[captures].page, page, PAGE);
        captures++;
    } else {
        missed++;
    }
    EMSG("kapu: watch: page 0x%" PRIx64 " has changed, a deep check is due", watched[n].pa);
    memcpy(watched[n].digest, digest, sizeof(watched[n].digest));
}

/* The next pages of this pass, as they are now. */
static size_t take(uint32_t most)
{
    size_t n = 0;

    for (; n < most && at < watched_n; at++) {
        uint32_t which = (uint32_t)((first + (uint64_t)at * step) % watched_n);
        const void *page = normal_memory(watched[which].pa, PAGE);

        if (page == NULL)
            continue;
        vectors_copy(slice[n], page, PAGE);
        slice_of[n++] = which;
    }
    return n;
}

static void look(size_t n)
{
    uint8_t digest[32];

    for (size_t i = 0; i < n; i++) {
        sha256_blocks(slice[i], PAGE / SHA256_BLOCK, digest);
        if (memcmp(digest, watched[slice_of[i]].digest, sizeof(digest)) != 0)
            changed(slice_of[i], slice[i], digest);
    }
}

static void pass_end(void)
{
    figures.passes++;
    figures.pass_ms = (uint32_t)((monitor_now() - pass_began) / monitor_ms(1));
    pass_begin();
}

void watch_tick(void)
{
    uint32_t most;
    size_t n;

    if (watched_n == 0 || !cpu_spin_trylock(&lock))
        return;
    if (watched_n > 0 && cores_hold()) {
        vectors_begin(&saved);
        most = watched_n * TICK_MS / (PASS_MS * MAX(cores_alive(), 1U)) + 1;
        n = take(MIN(most, SLICE_MAX));
        cores_release();
        look(n);
        vectors_end(&saved);
        if (at == watched_n)
            pass_end();
    }
    cpu_spin_unlock(&lock);
}

bool watch_found(void)
{
    return captures > 0 || missed > 0;
}

bool watch_take(uint64_t *pa, uint8_t page[4096])
{
    uint32_t masked = cpu_spin_lock_xsave(&lock);
    bool any = captures > 0;

    if (any) {
        captures--;
        *pa = capture[captures].pa;
        memcpy(page, capture[captures].page, PAGE);
    }
    cpu_spin_unlock_xrestore(&lock, masked);
    return any;
}

uint32_t watch_missed(void)
{
    uint32_t masked = cpu_spin_lock_xsave(&lock);
    uint32_t n = missed;

    missed = 0;
    cpu_spin_unlock_xrestore(&lock, masked);
    return n;
}

void watch_figures(struct watch_figures *f)
{
    uint32_t masked = cpu_spin_lock_xsave(&lock);

    *f = figures;
    cpu_spin_unlock_xrestore(&lock, masked);
}
