// SPDX-License-Identifier: Apache-2.0
/*
 * The watchdog: only a deep check that came to its end in the secure world gives it more time. It
 * has no other input, so nothing that Linux does, or leaves, keeps the board from its reset.
 */
#include <initcall.h>
#include <kernel/spinlock.h>
#include <kernel/thread.h>
#include <string.h>
#include <trace.h>
#include <util.h>

#include "monitor.h"
#include "platform.h"

static unsigned int lock = SPINLOCK_UNLOCK;
static uint64_t deadline;
static bool will_reset; /* because of alarms: no check takes that back */
static char text[MONITOR_TEXT_MAX];
static size_t text_n;

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
    cpu_spin_unlock_xrestore(&lock, masked);
}

void watchdog_hurry(void)
{
    uint32_t masked = cpu_spin_lock_xsave(&lock);

    sooner(monitor_now() + monitor_ms(PLATFORM_HURRY_S * 1000));
    cpu_spin_unlock_xrestore(&lock, masked);
}

void watchdog_tick(void)
{
    static const char late[] = "no deep check was made in time";
    bool now;

    cpu_spin_lock(&lock);
    now = monitor_now() > deadline;
    cpu_spin_unlock(&lock);
    if (!now)
        return;
    if (will_reset) {
        EMSG("kapu: RESET because of the alarms above");
        last_words_write(MONITOR_RESET_ALARM, text, text_n);
    } else {
        EMSG("kapu: RESET: %s", late);
        last_words_write(MONITOR_RESET_WATCHDOG, late, sizeof(late) - 1);
    }
    platform_reset();
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
