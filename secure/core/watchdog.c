// SPDX-License-Identifier: Apache-2.0
/*
 * The watchdog: only a deep check that came to its end in the secure world gives it more time. It
 * has no other input, so nothing that Linux does, or leaves, keeps the board from its reset.
 */
#include <initcall.h>
#include <kernel/spinlock.h>
#include <kernel/thread.h>
#include <stdio.h>
#include <string.h>
#include <trace.h>
#include <util.h>

#include "monitor.h"
#include "platform.h"

static unsigned int lock = SPINLOCK_UNLOCK;
static uint64_t deadline;
static bool will_reset;             /* because of alarms: no check takes that back */
static char text[MONITOR_TEXT_MAX]; /* of the alarms because of which it will reset */
static size_t text_n;
static char found[MONITOR_TEXT_MAX]; /* by a deep check that is not complete */
static size_t found_n;

static void sooner(uint64_t when)
{
    deadline = MIN(deadline, when);
}

void watchdog_done(uint32_t alarms, uint32_t reset_s, const char *what, size_t n)
{
    uint32_t masked = cpu_spin_lock_xsave(&lock);
    uint64_t now = monitor_now();

    if (alarms > 0 && reset_s > 0) {
        if (!will_reset) {
            text_n = MIN(n, sizeof(text));
            memcpy(text, what, text_n);
        }
        will_reset = true;
        sooner(now + monitor_ms(MIN(reset_s, PLATFORM_WATCHDOG_S) * 1000));
    } else if (!will_reset) {
        deadline = now + monitor_ms(PLATFORM_WATCHDOG_S * 1000);
        if (watch_found()) /* since that check began */
            sooner(now + monitor_ms(PLATFORM_HURRY_S * 1000));
    }
    found_n = 0;
    cpu_spin_unlock_xrestore(&lock, masked);
}

void watchdog_found(const char *what, size_t n)
{
    uint32_t masked = cpu_spin_lock_xsave(&lock);

    found_n = MIN(n, sizeof(found));
    memcpy(found, what, found_n);
    cpu_spin_unlock_xrestore(&lock, masked);
}

/* Of the alarms if there were any, else because of `reason` and with what is known so far. */
static void __noreturn reset(const char *reason)
{
    static char words[MONITOR_TEXT_MAX];
    int n;

    if (will_reset) {
        EMSG("kapu: RESET because of the alarms above");
        last_words_write(MONITOR_RESET_ALARM, text, text_n);
        platform_reset();
    }
    EMSG("kapu: RESET: %s", reason);
    n = snprintf(words, sizeof(words), "%s%s%.*s", reason,
                 found_n > 0 ? "\nthe deep check that did not end had found\n" : "", (int)found_n,
                 found);
    last_words_write(MONITOR_RESET_WATCHDOG, words, n < 0 ? 0 : MIN((size_t)n, sizeof(words) - 1));
    platform_reset();
}

void watchdog_bereft(void)
{
    thread_mask_exceptions(THREAD_EXCP_ALL);
    reset("the monitor's trusted application has crashed");
}

void watchdog_hurry(void)
{
    uint32_t masked = cpu_spin_lock_xsave(&lock);

    sooner(monitor_now() + monitor_ms(PLATFORM_HURRY_S * 1000));
    cpu_spin_unlock_xrestore(&lock, masked);
}

void watchdog_tick(void)
{
    bool now;

    cpu_spin_lock(&lock);
    now = monitor_now() > deadline;
    cpu_spin_unlock(&lock);
    if (now)
        reset("no deep check was made in time");
}

uint32_t watchdog_left_ms(bool *reset)
{
    uint32_t masked = cpu_spin_lock_xsave(&lock);
    uint64_t now = monitor_now();
    uint64_t left = deadline > now ? deadline - now : 0;

    *reset = will_reset;
    cpu_spin_unlock_xrestore(&lock, masked);
    return (uint32_t)(left / monitor_ms(1));
}

static TEE_Result watchdog_init(void)
{
    deadline = monitor_now() + monitor_ms(PLATFORM_WATCHDOG_BOOT_S * 1000);
    return TEE_SUCCESS;
}
driver_init(watchdog_init);
