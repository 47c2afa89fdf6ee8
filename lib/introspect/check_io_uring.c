// SPDX-License-Identifier: Apache-2.0
/*
 * io_uring.context: work that a program gives to io_uring is done without a system call that a
 * filter or a log would see, some of it by workers of the kernel's. So only a program has any of
 * which policy says that it may. The gateway's kernel has no io_uring.
 */
#include "internal.h"

#define PF_IO_WORKER 0x10u

static int check_task(struct introspect *in, uint64_t task, void *ctx)
{
    uint64_t rings = 0, leader = 0, mm = 0;
    uint32_t state, flags = 0;
    struct introspect_task t;
    struct program p;
    char label[48];
    struct finding f;
    int err = field_u32(in, task, F_task_struct_exit_state, &state);

    (void)ctx;
    if (err == 0)
        err = field_u64(in, task, F_task_struct_io_uring, &rings);
    if (err == 0)
        err = field_u64(in, task, F_task_struct_mm, &mm);
    if (err == 0)
        err = field_u32(in, task, F_task_struct_flags, &flags);
    if (err == 0)
        err = field_u64(in, task, F_task_struct_group_leader, &leader);
    if (err != 0 || (state != 0 && mm == 0) || (rings == 0 && (flags & PF_IO_WORKER) == 0) ||
        set_get(in, leader) != 0)
        return err; /* of a process one finding is enough */
    err = task_read(in, task, &t);
    if (err != 0 || (allow_program(&in->allow, t.exe, &p) == 0 && (p.flags & ALLOW_IO_URING) != 0))
        return err;
    task_label(in, task, label, sizeof(label));
    finding_start(&f, "io_uring.context", INTROSPECT_ALARM, task, label);
    say(&f, rings != 0 ? "uses io_uring" : "is a worker of io_uring");
    say(&f, ", policy does not allow it");
    finding_add(in, &f);
    return set_or(in, leader, 1);
}

int check_io_uring(struct introspect *in)
{
    if (!has(in, F_task_struct_io_uring) || !in->has_allow)
        return KAPU_EUNSUPPORTED;
    set_clear(in);
    return task_walk(in, check_task, NULL);
}
