# SPDX-License-Identifier: Apache-2.0
"""Attacks on what the kernel calls back: notifiers, timers, work; done to memory from outside."""

from .kernel import task_of
from .technique import GATEWAY, outside


def scratch(g) -> int:
    """Kernel memory that nobody looks at: the low end of a sleeping thread's stack."""
    return g.field(task_of(g, "kthreadd"), "task_struct", "stack") + 0x400


def notifier_leads_out_of_text(g):
    """Who is told of network interfaces is memory that is no code"""
    block = g.u64(g.symbol("netdev_chain") + g.offset("raw_notifier_head", "head"))
    g.put_u64(block + g.offset("notifier_block", "notifier_call"), scratch(g))


def notifier_of_another_type_is_added(g):
    """A function of another type is told when the gateway resets"""
    head = g.symbol("reboot_notifier_list") + g.offset("blocking_notifier_head", "head")
    block = scratch(g)
    g.put_u64(block + g.offset("notifier_block", "notifier_call"), g.symbol("__arm64_sys_sync"))
    g.put_u64(block + g.offset("notifier_block", "next"), g.u64(head))
    g.put_u64(head, block)


def pending_timers(g) -> list[int]:
    """Timers in the wheels of all cores."""
    size, vectors = g.kernel.types.size("timer_base"), g.offset("timer_base", "vectors")
    count = g.kernel.types.elements("timer_base", "vectors")
    timers = []
    for bases in g.per_cpu("timer_bases"):
        for slot in range(3 * count):
            node = g.u64(bases + slot // count * size + vectors + 8 * (slot % count))
            while node:
                timers.append(node - g.offset("timer_list", "entry"))
                node = g.u64(node)
    return timers


def timer_leads_out_of_text(g):
    """A timer calls memory that is no code"""
    g.put_u64(pending_timers(g)[0] + g.offset("timer_list", "function"), scratch(g))


def timer_calls_a_function_of_another_type(g):
    """A timer calls a function of the kernel that is of another type"""
    g.put_u64(pending_timers(g)[-1] + g.offset("timer_list", "function"), g.symbol("vfs_read"))


def chains_of_timers_end_early(g):
    """Timers that call foreign code are in chains whose first pointer looks like an end"""
    timer_leads_out_of_text(g)
    for timer in pending_timers(g):
        head = g.u64(timer + g.offset("timer_list", "entry") + 8)
        g.put_u64(head, g.u64(head) | 1)


def delayed_work_leads_out_of_text(g):
    """Work that waits for its time is memory that is no code"""
    timer = next(t for t in pending_timers(g)
                 if g.field(t, "timer_list", "function") == g.symbol("delayed_work_timer_fn"))
    work = timer - g.offset("delayed_work", "timer") + g.offset("delayed_work", "work")
    g.put_u64(work + g.offset("work_struct", "func"), scratch(g))


def high_resolution_timer_leads_out_of_text(g):
    """A high-resolution timer calls memory that is no code"""
    size = g.kernel.types.size("hrtimer_clock_base")
    roots = (g.u64(base + g.offset("hrtimer_cpu_base", "clock_base") + i * size
                   + g.offset("hrtimer_clock_base", "active"))
             for base in g.per_cpu("hrtimer_bases") for i in range(8))
    timer = next(root for root in roots if root) - g.offset("hrtimer", "node")
    g.put_u64(timer + g.offset("hrtimer", "function"), scratch(g))


def worker_pool(g) -> int:
    """The first pool in the table of all of them."""
    entry = g.u64(g.symbol("worker_pool_idr") + g.offset("idr", "idr_rt")
                  + g.offset("xarray", "xa_head"))
    while entry & 3 == 2:
        entry = g.u64(entry - 2 + g.offset("xa_node", "slots"))
    return entry


def work_is_queued_that_leads_out_of_text(g):
    """Work in a queue is memory that is no code"""
    work = scratch(g)
    g.put_u64(work + g.offset("work_struct", "func"), work)
    g.link(worker_pool(g) + g.offset("worker_pool", "worklist"),
           work + g.offset("work_struct", "entry"))


def worker_runs_code_of_nobody(g):
    """What a worker of the kernel does now is memory that is no code"""
    node = g.u64(worker_pool(g) + g.offset("worker_pool", "workers"))
    worker = node - g.offset("worker", "node")
    g.put_u64(worker + g.offset("worker", "current_func"), scratch(g))


ROWS = outside("hooks", GATEWAY,
               (notifier_leads_out_of_text, "notifiers.call"),
               (notifier_of_another_type_is_added, "notifiers.call"),
               (timer_leads_out_of_text, "timers.function"),
               (timer_calls_a_function_of_another_type, "timers.function"),
               (chains_of_timers_end_early, "report.broken"),
               (delayed_work_leads_out_of_text, "timers.work"),
               (high_resolution_timer_leads_out_of_text, "timers.hrtimer"),
               (work_is_queued_that_leads_out_of_text, "works.pending"),
               (worker_runs_code_of_nobody, "works.running"))
