// SPDX-License-Identifier: Apache-2.0
/*
 * processes.*: the kernel keeps tasks in structures that serve different ends: the task list, the
 * table of process numbers, the tree of parents and children, the run queues; and all memory for
 * tasks is in slabs. A task that lives and is missing in one of them was taken out by somebody. Of
 * a structure that is not all there, in a dump that lacks memory, nothing is said to be missing.
 */
#include "internal.h"

#define PATIENCE 24 /* looks at one structure */
#define TASKS_MAX 32768u
#define ROUNDS 8

#define IN_LIST 1u
#define IN_PIDS 2u
#define IN_TREE 4u
#define IN_QUEUE 8u
#define IN_SLAB 16u
#define WALKED 32u
#define IS_IDLE 64u
#define SLEEPS 0x4fu /* __state: interruptible, uninterruptible, stopped, traced, parked */

static int mark_listed(struct introspect *in, uint64_t task, void *ctx)
{
    (void)ctx;
    return set_or(in, task, IN_LIST);
}

static int mark_pid(struct introspect *in, uint64_t pid, void *ctx)
{
    uint64_t node;
    int err = field_u64(in, pid, F_pid_tasks, &node); /* tasks[PIDTYPE_PID].first */

    (void)ctx;
    if (err != 0 || node == 0)
        return err;
    return set_or(in, node - item(in, F_task_struct_pid_links), IN_PIDS);
}

static int mark_child(struct introspect *in, uint64_t node, void *ctx)
{
    bool *more = ctx;
    uint64_t task = node - item(in, F_task_struct_sibling);

    if ((set_get(in, task) & IN_TREE) == 0)
        *more = true;
    return set_or(in, task, IN_TREE);
}

static void broken(struct introspect *in, const char *view, uint64_t at, int err)
{
    struct finding f;

    if (err == KAPU_EABSENT)
        return;
    finding_start(&f, "processes.broken", INTROSPECT_ALARM, at, view);
    say(&f, err == KAPU_EINVAL ? "is not linked as a list must be" : "leads out of kernel memory");
    finding_add(in, &f);
}

struct tree {
    bool more, absent; /* tasks that were not followed yet; some cannot be */
};

static int walk_children(struct introspect *in, uint64_t task, uint64_t views, void *ctx)
{
    struct tree *tree = ctx;
    char label[48];
    int err;

    if ((views & WALKED) != 0)
        return 0;
    err = set_or(in, task, WALKED);
    if (err == 0)
        err = list_walk(in, task + item(in, F_task_struct_children), TASKS_MAX, mark_child,
                        &tree->more);
    if (err == 0 || err == KAPU_ESPACE || err == KAPU_ETIMEOUT)
        return err;
    tree->absent = tree->absent || err == KAPU_EABSENT;
    task_label(in, task, label, sizeof(label));
    broken(in, label, task, err); /* the others' children still count */
    return 0;
}

static int walk_tree(struct introspect *in)
{
    struct tree tree = {.more = true};
    int err = set_or(in, symbol(in, S_init_task), IN_TREE);

    for (int i = 0; err == 0 && tree.more && i < ROUNDS; i++) {
        tree.more = false;
        err = set_each(in, walk_children, &tree);
    }
    return err == 0 && tree.absent ? KAPU_EABSENT : err;
}

static int mark_queued(struct introspect *in, uint64_t node, void *ctx)
{
    (void)ctx;
    return set_or(in, node - item(in, F_sched_entity_group_node) - item(in, F_task_struct_se),
                  IN_QUEUE);
}

static int walk_queue(struct introspect *in, uint64_t queue, void *ctx)
{
    uint64_t current, idle;
    int err = field_u64(in, queue, F_rq_curr, &current);

    if (err == 0)
        err = set_or(in, current, IN_QUEUE);
    if (err == 0)
        err = field_u64(in, queue, F_rq_idle, &idle);
    if (err == 0)
        err = set_or(in, idle, IS_IDLE);
    return err != 0 ? err
                    : list_walk(in, queue + item(in, F_rq_cfs_tasks), TASKS_MAX, mark_queued, ctx);
}

/* A task that says that it has ended, and has no memory any more. */
static int has_ended(struct introspect *in, uint64_t task, bool *ended)
{
    uint32_t state = 0;
    uint64_t mm = 0;
    int err = field_u32(in, task, F_task_struct_exit_state, &state);

    if (err == 0)
        err = field_u64(in, task, F_task_struct_mm, &mm);
    *ended = state != 0 && mm == 0;
    return err;
}

/*
 * Memory of a task that sleeps. One that runs is in a run queue; and one that is being made looks
 * like its parent, which runs.
 */
static int mark_memory(struct introspect *in, uint64_t task, void *ctx)
{
    bool ended;
    uint32_t state;
    int err = field_u32(in, task, F_task_struct___state, &state);

    (void)ctx;
    if (err == 0)
        err = has_ended(in, task, &ended);
    if (err != 0 || (state & SLEEPS) == 0 || ended)
        return err;
    return set_or(in, task, IN_SLAB);
}

static void missing(struct introspect *in, const char *id, uint64_t task, uint64_t views,
                    const char *where)
{
    char label[48];
    struct finding f;

    task_label(in, task, label, sizeof(label));
    finding_start(&f, id, INTROSPECT_ALARM, task, label);
    say(&f, "is not in the ");
    say(&f, where);
    say(&f, " but in:");
    say(&f, (views & IN_LIST) != 0 ? " task list" : "");
    say(&f, (views & IN_PIDS) != 0 ? " pid table" : "");
    say(&f, (views & IN_TREE) != 0 ? " tree" : "");
    say(&f, (views & IN_QUEUE) != 0 ? " run queue" : "");
    say(&f, (views & IN_SLAB) != 0 ? " memory" : "");
    finding_add(in, &f);
}

static int compare(struct introspect *in, uint64_t task, uint64_t views, void *ctx)
{
    const uint64_t seen = views | *(const uint64_t *)ctx; /* or it could not be seen there */
    bool ended = false;
    uint32_t pid;
    uint64_t leader = 0;
    int err = field_u32(in, task, F_task_struct_pid, &pid);

    if (err == 0)
        err = has_ended(in, task, &ended);
    if (err == 0)
        err = field_u64(in, task, F_task_struct_group_leader, &leader);
    if (err == KAPU_EABSENT)
        return 0;
    if (err != 0) {
        missing(in, "processes.wild", task, views, "kernel's memory");
        return 0;
    }
    if (ended || task == symbol(in, S_init_task) || (views & IS_IDLE) != 0 ||
        (pid == 0 && (seen & IS_IDLE) != 0))
        return 0; /* idle tasks are in no list, and what has ended leaves them one by one */
    if (pid == 0)
        missing(in, "processes.number", task, views, "numbered tasks");
    if ((seen & IN_LIST) == 0)
        missing(in, "processes.list", task, views, "task list");
    if ((seen & IN_PIDS) == 0)
        missing(in, "processes.pid", task, views, "table of process numbers");
    if (leader == task && (seen & IN_TREE) == 0)
        missing(in, "processes.tree", task, views, "tree of parents and children");
    return 0;
}

static int walk_list(struct introspect *in)
{
    return task_walk(in, mark_listed, NULL);
}

static int walk_pids(struct introspect *in)
{
    return xarray_walk(
        in, symbol(in, S_init_pid_ns) + item(in, F_pid_namespace_idr) + item(in, F_idr_idr_rt),
        TASKS_MAX, mark_pid, NULL);
}

static int walk_queues(struct introspect *in)
{
    return cpu_walk(in, S_runqueues, walk_queue, NULL);
}

/* Where Linux runs meanwhile, a structure may be caught while it changes; one that is broken stays
 * so. Run queues change with each switch of tasks. */
static int walk_patiently(struct introspect *in, int (*walk)(struct introspect *in))
{
    int err = walk(in);

    for (int i = 1; i < PATIENCE && err != 0 && err != KAPU_ESPACE && err != KAPU_ETIMEOUT &&
                    err != KAPU_EABSENT;
         i++) {
        caches_drop(in);
        err = walk(in);
    }
    return err;
}

/* `view` when it is not all there, else 0. */
static uint64_t judge_view(struct introspect *in, const char *name, uint64_t view, int err)
{
    if (err != 0)
        broken(in, name, 0, err);
    return err == KAPU_EABSENT ? view : 0;
}

int check_processes(struct introspect *in)
{
    uint64_t absent = 0; /* views that cannot be seen as a whole */
    int err;

    set_clear(in);
    err = walk_patiently(in, walk_list);
    if (err == KAPU_ESPACE || err == KAPU_ETIMEOUT)
        return err;
    absent |= judge_view(in, "task list", IN_LIST, err);
    absent |= judge_view(in, "table of process numbers", IN_PIDS, walk_patiently(in, walk_pids));
    absent |= judge_view(in, "run queues", IS_IDLE, walk_patiently(in, walk_queues));
    (void)judge_view(in, "memory of tasks", IN_SLAB,
                     slab_walk(in, symbol(in, S_task_struct_cachep), mark_memory, NULL));
    absent |= judge_view(in, "tree of parents and children", IN_TREE, walk_tree(in));
    return set_each(in, compare, &absent);
}
