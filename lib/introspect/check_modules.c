// SPDX-License-Identifier: Apache-2.0
/*
 * modules.*: the list of modules, their folder in sysfs (module_kset) and the tree that maps code
 * to modules name the same modules, and policy knows each. Code of a module that is in none of them
 * is found by "tables".
 */
#include "internal.h"

#define MODULES_MAX 1024u
#define STATE_UNFORMED 3u /* enum module_state: being set up, not in all structures yet */
#define STATE_GOING 2u

#define IN_LIST 1u
#define IN_SYSFS 2u
#define IN_TREE 4u

static int mark_listed(struct introspect *in, uint64_t module, void *ctx)
{
    (void)ctx;
    return set_or(in, module, IN_LIST);
}

/* A module's kobject stands inside of struct module_kobject; built-in ones have no module. */
static int mark_kobject(struct introspect *in, uint64_t node, void *ctx)
{
    uint64_t mkobj = node - item(in, F_kobject_entry) - item(in, F_module_kobject_kobj), module;
    int err = field_u64(in, mkobj, F_module_kobject_mod, &module);

    (void)ctx;
    if (err != 0 || module == 0)
        return err;
    return set_or(in, module, IN_SYSFS);
}

static int mark_tree(struct introspect *in, uint64_t node, void *ctx)
{
    uint64_t tree_node = node - item(in, F_latch_tree_node_node) - item(in, F_mod_tree_node_node);
    uint64_t module;
    int err = field_u64(in, tree_node, F_mod_tree_node_mod, &module);

    (void)ctx;
    return err != 0 ? err : set_or(in, module, IN_TREE);
}

static int compare(struct introspect *in, uint64_t module, uint64_t views, void *ctx)
{
    struct introspect_module m;
    struct finding f;
    bool readable = module_read(in, module, &m) == 0;

    (void)ctx;
    if (readable && in->has_allow && !allow_module(&in->allow, m.name)) {
        finding_start(&f, "modules.unknown", INTROSPECT_ALARM, module, m.name);
        say(&f, "is loaded, policy does not know it");
        finding_add(in, &f);
    }
    if (readable && (m.state == STATE_UNFORMED || m.state == STATE_GOING) && (views & IN_LIST) != 0)
        return 0;
    if (views == (IN_LIST | IN_SYSFS | IN_TREE))
        return 0;
    finding_start(&f, "modules.hidden", INTROSPECT_ALARM, module, readable ? m.name : "?");
    say(&f, "is missing in:");
    say(&f, (views & IN_LIST) == 0 ? " module list" : "");
    say(&f, (views & IN_SYSFS) == 0 ? " sysfs" : "");
    say(&f, (views & IN_TREE) == 0 ? " code tree" : "");
    finding_add(in, &f);
    return 0;
}

static int broken(struct introspect *in, const char *view, int err)
{
    struct finding f;

    if (err == 0 || err == KAPU_ESPACE || err == KAPU_ETIMEOUT)
        return err;
    finding_start(&f, "modules.broken", INTROSPECT_ALARM, 0, view);
    say(&f, "is not linked as it must be");
    finding_add(in, &f);
    return 0;
}

int check_modules(struct introspect *in)
{
    uint64_t kset;
    int err;

    if (!has(in, S_modules))
        return KAPU_EUNSUPPORTED;
    set_clear(in);
    err = broken(in, "module list", module_walk(in, mark_listed, NULL));
    if (err == 0)
        err = read_u64(in, symbol(in, S_module_kset), &kset);
    if (err == 0)
        err = broken(in, "sysfs",
                     list_walk(in, kset + item(in, F_kset_list), MODULES_MAX, mark_kobject, NULL));
    if (err == 0)
        err = broken(in, "code tree",
                     rbtree_walk(in,
                                 symbol(in, S_mod_tree) + item(in, F_mod_tree_root_root) +
                                     item(in, F_latch_tree_root_tree),
                                 8 * MODULES_MAX, mark_tree, NULL));
    return err != 0 ? err : set_each(in, compare, NULL);
}
