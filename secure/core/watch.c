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
#include "watch_list.h"

#define PAGE 4096U
#define PASS_MS 4200U  /* all pages within this time */
#define TICK_MS 150U   /* mean interval of a core's ticks */
#define SLICE_MAX 128U /* pages of one tick */

static unsigned int lock = SPINLOCK_UNLOCK;
static struct watch_list list;
static uint64_t pass_began;
static struct watch_figures figures;

/* What one tick looks at: copies, and of which watched page each is. The lock is held meanwhile. */
static uint8_t slice[SLICE_MAX][PAGE] __aligned(64);
static struct watch_page *slice_of[SLICE_MAX];
static struct vectors saved; /* of the core that looks */

static struct {
    uint64_t pa;
    uint8_t page[PAGE];
} capture[MONITOR_CAPTURES];
static uint32_t captures, missed;

void watch_begin(void)
{
    watch_list_begin(&list);
}

TEE_Result watch_put(const uint8_t record[MONITOR_WATCH_SIZE])
{
    uint64_t pa = get_le64(record);

    if (normal_memory(pa, PAGE) == NULL || watch_list_put(&list, pa, record + 8) != 0)
        return TEE_ERROR_BAD_PARAMETERS;
    return TEE_SUCCESS;
}

TEE_Result watch_start(void)
{
    uint64_t random = secret_random();
    uint32_t masked = cpu_spin_lock_xsave(&lock);
    bool begins = false;
    int err = watch_list_use(&list, random, &begins);

    if (begins) {
        figures.pages = list.n;
        figures.passes = 0;
        pass_began = monitor_now();
    }
    cpu_spin_unlock_xrestore(&lock, masked);
    return err == 0 ? TEE_SUCCESS : TEE_ERROR_BAD_PARAMETERS;
}

static void changed(struct watch_page *p, const void *page, const uint8_t digest[32])
{
    figures.changed++;
    watchdog_hurry();
    if (captures < MONITOR_CAPTURES) {
        capture[captures].pa = p->pa;
        memcpy(capture[captures].page, page, PAGE);
        captures++;
    } else {
        missed++;
    }
    EMSG("kapu: watch: page 0x%" PRIx64 " has changed, a deep check is due", p->pa);
    memcpy(p->digest, digest, sizeof(p->digest));
}

/* The next pages of this pass, as they are now. */
static size_t take(uint32_t most)
{
    struct watch_page *p;
    size_t n = 0;

    while (n < most && (p = watch_list_next(&list)) != NULL) {
        const void *page = normal_memory(p->pa, PAGE);

        if (page == NULL)
            continue;
        vectors_copy(slice[n], page, PAGE);
        slice_of[n++] = p;
    }
    return n;
}

static void look(size_t n)
{
    uint8_t digest[32];

    for (size_t i = 0; i < n; i++) {
        sha256_blocks(slice[i], PAGE / SHA256_BLOCK, digest);
        if (memcmp(digest, slice_of[i]->digest, sizeof(digest)) != 0)
            changed(slice_of[i], slice[i], digest);
    }
}

static void pass_end(void)
{
    figures.passes++;
    figures.pass_ms = (uint32_t)((monitor_now() - pass_began) / monitor_ms(1));
    watch_list_pass(&list, secret_random());
    pass_began = monitor_now();
}

void watch_tick(void)
{
    uint32_t most;
    size_t n;

    if (list.n == 0 || !cpu_spin_trylock(&lock))
        return;
    if (cores_hold()) {
        vectors_begin(&saved);
        most = list.n * TICK_MS / (PASS_MS * MAX(cores_alive(), 1U)) + 1;
        n = take(MIN(most, SLICE_MAX));
        cores_release();
        look(n);
        vectors_end(&saved);
        if (list.at == list.n)
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
