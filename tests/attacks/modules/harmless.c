// SPDX-License-Identifier: Apache-2.0
/* A module that does nothing: loaded and unloaded as benign churn, and hidden from outside. */
#include "attack.h"

static int __init mount(void)
{
    return 0;
}

static void __exit undo(void)
{
}

module_init(mount);
module_exit(undo);
MODULE_DESCRIPTION("harmless module");
MODULE_LICENSE("GPL");
