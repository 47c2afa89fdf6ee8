// SPDX-License-Identifier: Apache-2.0
/*
 * The cores: what Linux has set their EL1 to, and stopping them. A secure interrupt reaches a core
 * whatever Linux has masked (SCR_EL3.FIQ), so a core that does not answer is off, or in the secure
 * world itself.
 */
#include <arm.h>
#include <atomic.h>
#include <initcall.h>
#include <keep.h>
#include <kernel/interrupt.h>
#include <kernel/misc.h>
#include <kernel/panic.h>
#include <kernel/spinlock.h>
#include <kernel/thread.h>
#include <string.h>
#include <util.h>

#include "el3_service.h"
#include "monitor.h"

#define HOLD_SGI 9U      /* a secure one: 8 to 15; OP-TEE's panic has 15 */
#define ALIVE_MS 1000U   /* a core that ticks is seen far more often */
#define ANSWER_MS 50U    /* an emulator's core may itself be waiting for a processor */
#define HELD_MS_MAX 100U /* whatever happens to the holder, the others go on */
#define TTBR_ASID SHIFT_U64(0xffff, 48)
/* SCTLR_EL1 (Arm ARM D19.2): what programs may do, some of it as each asks for: EnIA, EnIB, EnDA,
 * EnDB, UCT, DZE, nTWI, nTWE, UCI, TCF0. Nobody judges these bits. */
#define SCTLR_OF_PROGRAMS                                                                          \
    (BIT64(31) | BIT64(30) | BIT64(27) | BIT64(13) | BIT64(15) | BIT64(14) | BIT64(16) |           \
     BIT64(18) | BIT64(26) | SHIFT_U64(3, 38))
#define BUCKETS 256U /* of 50 microseconds, for the distribution of stops */
#define BUCKET_US 50U

static struct {
    uint64_t seen; /* 0: never */
    uint32_t answered;
    struct normal_regs regs;
} core[CFG_TEE_CORE_NB_CORE];

static unsigned int hold_lock = SPINLOCK_UNLOCK;
static uint32_t held; /* odd while cores are stopped; counts */
static uint64_t held_since;
static uint32_t stops[BUCKETS], stops_n, stop_longest;

static unsigned int memory_lock = SPINLOCK_UNLOCK;
static struct normal_regs memory[MONITOR_REGISTERS_KEPT];
static size_t memory_n;

/* While one core waits for another: whoever emulates both on one processor gives it the turn. */
static void let_others(void)
{
    asm volatile("yield" ::: "memory");
}

static struct normal_regs read_regs(void)
{
    struct thread_smc_args args = {.a0 = EL3_NORMAL_WORLD_REGISTERS};

    thread_smccc(&args);
    return (struct normal_regs){.vbar = args.a0,
                                .ttbr1 = args.a1 & ~TTBR_ASID,
                                .tcr = args.a2,
                                .sctlr = args.a3,
                                .mair = args.a4,
                                .pc = args.a5};
}

static bool same(const struct normal_regs *a, const struct normal_regs *b)
{
    return a->vbar == b->vbar && a->ttbr1 == b->ttbr1 && a->tcr == b->tcr &&
           ((a->sctlr ^ b->sctlr) & ~SCTLR_OF_PROGRAMS) == 0 && a->mair == b->mair;
}

/* Each set of values once. More than fit cannot be of an intact Linux: that they fill it tells. */
static void remember(const struct normal_regs *r)
{
    size_t i = 0;

    cpu_spin_lock(&memory_lock);
    while (i < memory_n && !same(&memory[i], r))
        i++;
    if (i == memory_n && memory_n < MONITOR_REGISTERS_KEPT)
        memory[memory_n++] = *r;
    cpu_spin_unlock(&memory_lock);
}

void cores_seen(void)
{
    size_t me = get_core_pos();

    core[me].regs = read_regs();
    core[me].seen = monitor_now();
    remember(&core[me].regs);
}

static bool alive(size_t n, uint64_t now)
{
    uint64_t seen = core[n].seen; /* by that core; it may be later than `now` by now */

    return seen != 0 && (seen >= now || now - seen < monitor_ms(ALIVE_MS));
}

unsigned int cores_alive(void)
{
    uint64_t now = monitor_now();
    unsigned int n = 0;

    for (size_t i = 0; i < CFG_TEE_CORE_NB_CORE; i++)
        n += alive(i, now) ? 1 : 0;
    return n;
}

void cores_wake(void)
{
    interrupt_raise_sgi(interrupt_get_main_chip(), HOLD_SGI, ITR_CPU_MASK_TO_OTHER_CPUS);
}

/* On a core that is to stop, or that is only to be woken. */
static enum itr_return stop(struct itr_handler *h __unused)
{
    uint32_t now = atomic_load_u32(&held);
    uint64_t began = monitor_now();

    cores_seen();
    tick_arm();
    if ((now & 1) != 0)
        atomic_store_u32(&core[get_core_pos()].answered, now);
    while ((now & 1) != 0 && atomic_load_u32(&held) == now &&
           monitor_now() - began < monitor_ms(HELD_MS_MAX))
        let_others();
    return ITRR_HANDLED;
}
DECLARE_KEEP_PAGER(stop);

bool cores_hold(void)
{
    size_t me = get_core_pos();
    uint64_t now = monitor_now();
    uint32_t mine;

    if (!cpu_spin_trylock(&hold_lock))
        return false;
    held_since = now;
    mine = atomic_load_u32(&held) + 1;
    atomic_store_u32(&held, mine);
    cores_wake();
    for (size_t i = 0; i < CFG_TEE_CORE_NB_CORE; i++) {
        if (i == me || !alive(i, now))
            continue;
        while (atomic_load_u32(&core[i].answered) != mine &&
               monitor_now() - now < monitor_ms(ANSWER_MS))
            let_others();
    }
    return true;
}

void cores_release(void)
{
    uint64_t us = (monitor_now() - held_since) * 1000000 / read_cntfrq();

    atomic_store_u32(&held, atomic_load_u32(&held) + 1);
    stops[MIN(us / BUCKET_US, BUCKETS - 1)]++;
    stops_n++;
    stop_longest = MAX(stop_longest, (uint32_t)us);
    cpu_spin_unlock(&hold_lock);
}

void cores_held_us(uint32_t *longest, uint32_t *p99)
{
    uint32_t above = stops_n / 100, i = BUCKETS - 1;

    *longest = stop_longest;
    for (uint32_t seen = stops[i]; i > 0 && seen <= above; seen += stops[i])
        i--;
    *p99 = (i + 1) * BUCKET_US;
}

/* Exceptions are masked when it returns. Another holder may wait for this very core. */
static uint32_t hold_or_wait(void)
{
    for (;;) {
        uint32_t masked = thread_mask_exceptions(THREAD_EXCP_ALL);

        if (cores_hold())
            return masked;
        thread_unmask_exceptions(masked);
        let_others();
    }
}

size_t cores_registers(struct normal_regs *to, size_t most, size_t *now)
{
    uint32_t masked = hold_or_wait();
    uint64_t at = monitor_now();
    size_t n = 0;

    cores_seen();
    for (size_t i = 0; i < CFG_TEE_CORE_NB_CORE && n < most; i++) {
        if (alive(i, at))
            to[n++] = core[i].regs;
    }
    *now = n;
    cpu_spin_lock(&memory_lock);
    for (size_t i = 0; i < memory_n && n < most; i++)
        to[n++] = memory[i];
    memory_n = 0;
    cpu_spin_unlock(&memory_lock);
    cores_release();
    thread_unmask_exceptions(masked);
    return n;
}

static struct itr_handler stop_handler = {.it = HOLD_SGI, .handler = stop};

static TEE_Result cores_init(void)
{
    if (interrupt_add_handler_with_chip(interrupt_get_main_chip(), &stop_handler) != TEE_SUCCESS)
        panic("no interrupt to stop cores with");
    interrupt_enable(stop_handler.chip, stop_handler.it);
    return TEE_SUCCESS;
}
driver_init_late(cores_init);
