// SPDX-License-Identifier: Apache-2.0
/*
 * Page cache of a read-only file: page= of path= gets other content in memory, as the exploits of
 * faults in the page cache do it. The disk, and dm-verity below, never see it.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/namei.h>
#include <linux/pagemap.h>

#include "attack.h"

static char *path = "/usr/bin/sleep";
module_param(path, charp, 0444);
static ulong page;
module_param(page, ulong, 0444);

static struct page *cached;

static void flip(void)
{
    u8 *data = kmap_local_page(cached);

    data[8] ^= 0xff;
    flush_dcache_page(cached);
    kunmap_local(data);
}

static int __init mount(void)
{
    struct path found;
    int err = kern_path(path, LOOKUP_FOLLOW, &found);

    if (err != 0)
        return err;
    cached = read_mapping_page(d_inode(found.dentry)->i_mapping, page, NULL);
    path_put(&found);
    if (IS_ERR(cached))
        return PTR_ERR(cached);
    flip();
    return 0;
}

static void __exit undo(void)
{
    flip();
    put_page(cached);
}

module_init(mount);
module_exit(undo);
MODULE_DESCRIPTION("page cache of a file changed");
MODULE_LICENSE("GPL");
