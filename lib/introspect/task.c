// SPDX-License-Identifier: Apache-2.0
/* Tasks: the walk over the task list, and what a listing shows of each. */
#include "internal.h"

#define TASKS_MAX 32768u
#define NO_NEW_PRIVS 1u /* PFA_NO_NEW_PRIVS is bit 0 of atomic_flags */
#define PF_KTHREAD 0x00200000u
#define TIF_SECCOMP (1u << 11) /* of arm64 */

struct task_walk {
    node_fn fn;
    void *ctx;
    bool threads;
};

static int thread_node(struct introspect *in, uint64_t node, void *ctx)
{
    const struct task_walk *w = ctx;

    return w->fn(in, node - item(in, F_task_struct_thread_node), w->ctx);
}

static int leader_node(struct introspect *in, uint64_t node, void *ctx)
{
    const struct task_walk *w = ctx;
    uint64_t task = node - item(in, F_task_struct_tasks), signal;
    int err;

    if (!w->threads)
        return w->fn(in, task, w->ctx);
    err = field_u64(in, task, F_task_struct_signal, &signal);
    if (err != 0)
        return err;
    if (signal == 0)
        return w->fn(in, task, w->ctx);
    return list_walk(in, signal + item(in, F_signal_struct_thread_head), TASKS_MAX, thread_node,
                     ctx);
}

static int walk(struct introspect *in, struct task_walk *w)
{
    uint64_t first = symbol(in, S_init_task);
    int err = w->fn(in, first, w->ctx);

    return err != 0
               ? err
               : list_walk(in, first + item(in, F_task_struct_tasks), TASKS_MAX, leader_node, w);
}

int task_walk(struct introspect *in, node_fn fn, void *ctx)
{
    struct task_walk w = {fn, ctx, true};

    return walk(in, &w);
}

int process_walk(struct introspect *in, node_fn fn, void *ctx)
{
    struct task_walk w = {fn, ctx, false};

    return walk(in, &w);
}

static int read_cred(struct introspect *in, struct introspect_task *t)
{
    uint64_t cred;
    int err = field_u64(in, t->va, F_task_struct_cred, &cred);

    if (err == 0)
        err = field_u32(in, cred, F_cred_uid, &t->uid);
    if (err == 0)
        err = field_u32(in, cred, F_cred_euid, &t->euid);
    if (err == 0)
        err = field_u32(in, cred, F_cred_suid, &t->suid);
    if (err == 0)
        err = field_u32(in, cred, F_cred_fsuid, &t->fsuid);
    if (err == 0)
        err = field_u64(in, cred, F_cred_cap_permitted, &t->permitted);
    return err != 0 ? err : field_u64(in, cred, F_cred_cap_effective, &t->caps);
}

/* The filter's mode, and the flag by which Linux knows on each system call that there is one. */
static int read_seccomp(struct introspect *in, struct introspect_task *t)
{
    uint64_t flags = 0;
    uint32_t mode = 0;
    int err =
        read_u32(in, t->va + item(in, F_task_struct_seccomp) + item(in, F_seccomp_mode), &mode);

    if (err == 0)
        err = field_u64(in, t->va, F_thread_info_flags, &flags); /* a task begins with it */
    t->seccomp = (flags & TIF_SECCOMP) != 0 ? (uint8_t)mode : 0;
    return err;
}

/* What it runs. Who has memory is no kernel thread, whatever its flags say. */
static int read_memory(struct introspect *in, struct introspect_task *t)
{
    uint64_t mm, file;
    int err = field_u64(in, t->va, F_task_struct_mm, &mm);

    if (err != 0 || mm == 0)
        return err;
    t->memory = true;
    t->kernel = false;
    err = field_u64(in, mm, F_mm_struct_exe_file, &file);
    if (err != 0 || file == 0)
        return err;
    return file_path(in, file, t->exe, sizeof(t->exe));
}

int task_read(struct introspect *in, uint64_t va, struct introspect_task *t)
{
    uint64_t parent = 0, flags = 0;
    uint32_t kind = 0;
    int err;

    *t = (struct introspect_task){.va = va};
    err = field_u32(in, va, F_task_struct_pid, &t->pid);
    if (err == 0)
        err = field_u32(in, va, F_task_struct_tgid, &t->tgid);
    if (err == 0)
        err = read_text(in, va + item(in, F_task_struct_comm), t->comm, sizeof(t->comm));
    if (err == 0)
        err = field_u64(in, va, F_task_struct_real_parent, &parent);
    if (err == 0 && parent != 0)
        err = field_u32(in, parent, F_task_struct_tgid, &t->parent);
    if (err == 0)
        err = field_u32(in, va, F_task_struct_flags, &kind);
    if (err == 0)
        err = field_u64(in, va, F_task_struct_atomic_flags, &flags);
    if (err == 0)
        err = read_seccomp(in, t);
    t->kernel = (kind & PF_KTHREAD) != 0;
    t->no_new_privs = (flags & NO_NEW_PRIVS) != 0;
    if (err == 0)
        err = read_cred(in, t);
    return err != 0 ? err : read_memory(in, t);
}

void task_label(struct introspect *in, uint64_t va, char *to, size_t n)
{
    char comm[16];
    uint32_t pid = 0;

    if (read_text(in, va + item(in, F_task_struct_comm), comm, sizeof(comm)) != 0)
        comm[0] = '\0';
    if (field_u32(in, va, F_task_struct_pid, &pid) != 0)
        pid = 0;
    to[0] = '\0';
    text_append(to, n, comm[0] != '\0' ? comm : "?");
    text_append(to, n, "[");
    text_append_dec(to, n, pid);
    text_append(to, n, "]");
}

struct listing {
    introspect_task_fn fn;
    void *ctx;
};

static int list_task(struct introspect *in, uint64_t va, void *ctx)
{
    const struct listing *l = ctx;
    struct introspect_task t;
    int err = task_read(in, va, &t);

    return err != 0 ? err : l->fn(l->ctx, &t);
}

int introspect_tasks(struct introspect *in, introspect_task_fn fn, void *ctx)
{
    struct listing l = {fn, ctx};

    budget_start(in);
    return process_walk(in, list_task, &l);
}
