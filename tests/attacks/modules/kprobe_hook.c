// SPDX-License-Identifier: Apache-2.0
/* kprobe: a breakpoint in the kernel's text calls this module at each start of a program. */
#include "attack.h"

static unsigned long calls;
module_param(calls, ulong, 0444);

static int on_call(struct kprobe *probe, struct pt_regs *regs)
{
    calls++;
    return 0;
}

static struct kprobe hook = {.symbol_name = "begin_new_exec", .pre_handler = on_call};

static int __init mount(void)
{
    return register_kprobe(&hook);
}

static void __exit undo(void)
{
    unregister_kprobe(&hook);
}

module_init(mount);
module_exit(undo);
MODULE_DESCRIPTION("hook by kprobe");
MODULE_LICENSE("GPL");
