// SPDX-License-Identifier: Apache-2.0
/*
 * System call entry: sethostname() leads into this module. The table is read-only, so it is written
 * through a second mapping of its page, which stays.
 */
#include <asm/unistd.h>

#include "attack.h"

static unsigned long *entry;
static unsigned long original;

static long refused(const struct pt_regs *regs)
{
    return -EPERM;
}

static int __init mount(void)
{
    unsigned long table = lookup("sys_call_table");

    if (table == 0)
        return -ENOENT;
    entry = alias_map(table + sizeof(long) * __NR_sethostname);
    if (entry == NULL)
        return -ENOMEM;
    original = *entry;
    WRITE_ONCE(*entry, (unsigned long)(void *)refused);
    return 0;
}

static void __exit undo(void)
{
    WRITE_ONCE(*entry, original);
    alias_unmap(entry);
}

module_init(mount);
module_exit(undo);
MODULE_DESCRIPTION("system call table entry through a writable alias");
MODULE_LICENSE("GPL");
