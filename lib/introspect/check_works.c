// SPDX-License-Identifier: Apache-2.0
/*
 * works.pending, works.running: work that waits in the kernel's queues, and what its workers do
 * now, is known code, of the type that such a function has. Work that waits for a time: check
 * "timers".
 */
#include "internal.h"

#define POOLS_MAX 4096u
#define WORKS_MAX 65536u

static int check_work(struct introspect *in, uint64_t node, void *ctx)
{
    uint64_t work = node - item(in, F_work_struct_entry), function;
    int err = field_u64(in, work, F_work_struct_func, &function);

    if (err == 0)
        callback_check(in, "works.pending", ctx, work, function, symbol(in, S_wq_barrier_func));
    return err;
}

static int check_worker(struct introspect *in, uint64_t node, void *ctx)
{
    char queue[] = "work of a worker";
    uint64_t worker = node - item(in, F_worker_node), function;
    int err = field_u64(in, worker, F_worker_current_func, &function);

    (void)ctx;
    if (err == 0 && function != 0)
        callback_check(in, "works.running", "worker", worker, function,
                       symbol(in, S_wq_barrier_func));
    return err != 0
               ? err
               : list_walk(in, worker + item(in, F_worker_scheduled), WORKS_MAX, check_work, queue);
}

static int check_pool(struct introspect *in, uint64_t pool, void *ctx)
{
    int err = list_walk(in, pool + item(in, F_worker_pool_worklist), WORKS_MAX, check_work, ctx);

    return err != 0 ? err
                    : list_walk(in, pool + item(in, F_worker_pool_workers), POOLS_MAX, check_worker,
                                NULL);
}

/* Work that has to wait because its queue already has enough under way. */
static int check_inactive(struct introspect *in, uint64_t node, void *ctx)
{
    uint64_t pwq = node - item(in, F_pool_workqueue_pwqs_node);

    return list_walk(in, pwq + item(in, F_pool_workqueue_inactive_works), WORKS_MAX, check_work,
                     ctx);
}

static int check_queue(struct introspect *in, uint64_t node, void *ctx)
{
    uint64_t queue = node - item(in, F_workqueue_struct_list);
    char name[32] = "queue ";
    int err = read_text(in, queue + item(in, F_workqueue_struct_name), name + 6, sizeof(name) - 6);

    (void)ctx;
    return err != 0 ? err
                    : list_walk(in, queue + item(in, F_workqueue_struct_pwqs), POOLS_MAX,
                                check_inactive, name);
}

int check_works(struct introspect *in)
{
    char pool[] = "pool of workers";
    int err = xarray_walk(in, symbol(in, S_worker_pool_idr) + item(in, F_idr_idr_rt), POOLS_MAX,
                          check_pool, pool);

    return err != 0 ? err : list_walk(in, symbol(in, S_workqueues), POOLS_MAX, check_queue, NULL);
}
