// SPDX-License-Identifier: Apache-2.0
/*
 * The secure timer of each core, at moments that Linux cannot foresee: intervals are random.
 * Linux has no say in it: the timer's registers are the secure world's, and so is its interrupt.
 */
#include <arm.h>
#include <atomic.h>
#include <initcall.h>
#include <keep.h>
#include <kernel/interrupt.h>
#include <kernel/panic.h>
#include <kernel/thread.h>

#include "monitor.h"
#include "platform.h"

#define TIMER_ON 1U     /* CNTPS_CTL_EL1: enabled, not masked */
#define INTERVAL_MS 75U /* to that and this */
#define INTERVAL_RANDOM_MS 150U

static uint32_t ticks;

static void next_tick(void)
{
    uint32_t ms = INTERVAL_MS + (uint32_t)(secret_random() % INTERVAL_RANDOM_MS);

    write_cntps_cval(monitor_now() + monitor_ms(ms));
    write_cntps_ctl(TIMER_ON);
}

void tick_arm(void)
{
    if ((read_cntps_ctl() & TIMER_ON) == 0)
        next_tick();
}

uint32_t tick_count(void)
{
    return atomic_load_u32(&ticks);
}

static enum itr_return tick(struct itr_handler *h __unused)
{
    next_tick();
    atomic_inc32(&ticks);
    cores_seen();
    watchdog_tick();
    if (cores_alive() < CFG_TEE_CORE_NB_CORE)
        cores_wake();
    watch_tick();
    return ITRR_HANDLED;
}
DECLARE_KEEP_PAGER(tick);

static struct itr_handler handler = {
    .it = PLATFORM_SECURE_TIMER, .flags = ITRF_TRIGGER_LEVEL, .handler = tick};

static TEE_Result tick_init(void)
{
    if (interrupt_add_handler_with_chip(interrupt_get_main_chip(), &handler) != TEE_SUCCESS)
        panic("no interrupt of the secure timer");
    interrupt_enable(handler.chip, handler.it);
    tick_arm();
    return TEE_SUCCESS;
}
driver_init_late(tick_init);
