// SPDX-License-Identifier: Apache-2.0
/*
 * timers.function, timers.work, timers.hrtimer: what the kernel will run when a time has come is
 * known code, of the type that such a function has. Timers of all cores, work that waits for its
 * time, and high-resolution timers.
 */
#include "internal.h"

#define BASES 3u /* NR_BASES of kernel/time/timer.c with CONFIG_NO_HZ_COMMON */
#define TIMERS_MAX 65536u
#define PATIENCE 24u /* looks at a tree whose first timer changes meanwhile */

static int check_timer(struct introspect *in, uint64_t node, void *ctx)
{
    uint64_t timer = node - item(in, F_timer_list_entry), function, work;
    int err = field_u64(in, timer, F_timer_list_function, &function);

    (void)ctx;
    if (err != 0)
        return err;
    callback_check(in, "timers.function", "timer", timer, function,
                   symbol(in, S_delayed_work_timer_fn));
    if (function != symbol(in, S_delayed_work_timer_fn))
        return 0;
    work = timer - item(in, F_delayed_work_timer) + item(in, F_delayed_work_work);
    err = field_u64(in, work, F_work_struct_func, &function);
    if (err == 0)
        callback_check(in, "timers.work", "delayed work", work, function,
                       symbol(in, S_wq_barrier_func));
    return err;
}

static int check_wheels(struct introspect *in, uint64_t bases, void *ctx)
{
    uint32_t slots = item(in, N_timer_base_vectors);
    int err = 0;

    for (uint32_t i = 0; err == 0 && i < BASES * slots; i++)
        err = hlist_walk(in,
                         bases + (uint64_t)(i / slots) * item(in, Z_timer_base) +
                             item(in, F_timer_base_vectors) + 8 * (uint64_t)(i % slots),
                         TIMERS_MAX, check_timer, ctx);
    return err;
}

static uint64_t timer_of(const struct introspect *in, uint64_t node)
{
    return node - item(in, F_timerqueue_node_node) - item(in, F_hrtimer_node);
}

static int check_hrtimer(struct introspect *in, uint64_t node, void *ctx)
{
    uint64_t timer = timer_of(in, node), function, *first = ctx;
    int err = field_u64(in, timer, F_hrtimer_function, &function);

    if (*first == 0)
        *first = node;
    if (err == 0)
        callback_check(in, "timers.hrtimer", "high-resolution timer", timer, function,
                       symbol(in, S_hrtimer_wakeup));
    return err;
}

/* Linux takes the first from a pointer of its own, and from there on it goes by the nodes: who is
 * not in the tree may lead to others that are not. */
static int check_clock(struct introspect *in, uint64_t tree)
{
    uint64_t leads_to = 0, first = 0;
    struct finding f;

    for (uint32_t i = 0; i < PATIENCE; i++) {
        int err = field_u64(in, tree, F_rb_root_cached_rb_leftmost, &leads_to);

        first = 0;
        if (err == 0)
            err = rbtree_walk(in, tree + item(in, F_rb_root_cached_rb_root), TIMERS_MAX,
                              check_hrtimer, &first);
        if (err != 0 || first == leads_to)
            return err;
        caches_drop(in);
    }
    finding_start(&f, "timers.hrtimer", INTROSPECT_ALARM,
                  leads_to != 0 ? timer_of(in, leads_to) : tree, "high-resolution timer");
    say(&f, "would run next and is not the first of its tree, which is at ");
    say_hex(&f, first);
    finding_add(in, &f);
    return 0;
}

static int check_clocks(struct introspect *in, uint64_t base, void *ctx)
{
    int err = 0;

    (void)ctx;
    for (uint32_t i = 0; err == 0 && i < item(in, N_hrtimer_cpu_base_clock_base); i++)
        err = check_clock(in, base + item(in, F_hrtimer_cpu_base_clock_base) +
                                  (uint64_t)i * item(in, Z_hrtimer_clock_base) +
                                  item(in, F_hrtimer_clock_base_active) +
                                  item(in, F_timerqueue_head_rb_root));
    return err;
}

int check_timers(struct introspect *in)
{
    int err = cpu_walk(in, S_timer_bases, check_wheels, NULL);

    return err != 0 ? err : cpu_walk(in, S_hrtimer_bases, check_clocks, NULL);
}
