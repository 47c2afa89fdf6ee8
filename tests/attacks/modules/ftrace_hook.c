// SPDX-License-Identifier: Apache-2.0
/* ftrace hook: the kernel's own tracer calls this module at each start of a program. */
#include <linux/ftrace.h>

#include "attack.h"

static unsigned long calls;
module_param(calls, ulong, 0444);

static void notrace on_call(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
                            struct ftrace_regs *regs)
{
    calls++;
}

static struct ftrace_ops hook = {.func = on_call};

static int __init mount(void)
{
    static unsigned char function[] = "begin_new_exec";
    int err = ftrace_set_filter(&hook, function, sizeof(function) - 1, 0);

    return err != 0 ? err : register_ftrace_function(&hook);
}

static void __exit undo(void)
{
    unregister_ftrace_function(&hook);
}

module_init(mount);
module_exit(undo);
MODULE_DESCRIPTION("hook by ftrace");
MODULE_LICENSE("GPL");
