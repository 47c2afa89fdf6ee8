// SPDX-License-Identifier: Apache-2.0
/*
 * modules.*: the list of modules, their folder in sysfs (module_kset) and the tree that maps code
 * to modules name the same modules, and policy knows each. Code of a module that is in none of them
 * is found by "tables".
 *
 * They are not read at once, and a module that comes or goes is not in all of them at once. So the
 * list is read before and after the others: a module that was in it only once is looked at again,
 * and is believed to come or go only so often. One that the kernel has in its list as not live yet,
 * or no longer, may be missing elsewhere.
 */
#include "internal.h"

#define MODULES_MAX 1024u
#define STATE_LIVE 0u /* enum module_state */
#define LOOKS 8u      /* until all stood still */

#define IN_LIST 1u
#define IN_SYSFS 2u
#define IN_TREE 4u
#define IN_LIST_AFTER 8u
#define NOT_LIVE 16u

static int mark_listed(struct introspect *in, uint64_t module, void *ctx)
{
    const uint64_t *when = ctx;
    struct introspect_module m;
    bool live = module_read(in, module, &m) == 0 && m.state == STATE_LIVE;

    return set_or(in, module, *when | (live ? 0 : NOT_LIVE));
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

static bool moves(uint64_t views)
{
    return ((views & IN_LIST) != 0) != ((views & IN_LIST_AFTER) != 0);
}

static int note_moving(struct introspect *in, uint64_t module, uint64_t views, void *ctx)
{
    bool *moving = ctx;

    (void)in;
    (void)module;
    *moving = *moving || moves(views);
    return 0;
}

static int compare(struct introspect *in, uint64_t module, uint64_t views, void *ctx)
{
    struct introspect_module m;
    struct finding f;
    bool readable = module_read(in, module, &m) == 0;
    bool listed = (views & (IN_LIST | IN_LIST_AFTER)) != 0;

    (void)ctx;
    if (readable && in->has_allow && !allow_module(&in->allow, m.name)) {
        finding_start(&f, "modules.unknown", INTROSPECT_ALARM, module, m.name);
        say(&f, "is loaded, policy does not know it");
        finding_add(in, &f);
    }
    if ((listed && !moves(views) && (views & NOT_LIVE) != 0) ||
        views == (IN_LIST | IN_SYSFS | IN_TREE | IN_LIST_AFTER))
        return 0;
    finding_start(&f, "modules.hidden", INTROSPECT_ALARM, module, readable ? m.name : "?");
    say(&f, moves(views) ? "comes and goes all the time" : "is missing in:");
    say(&f, listed ? "" : " module list");
    say(&f, moves(views) || (views & IN_SYSFS) != 0 ? "" : " sysfs");
    say(&f, moves(views) || (views & IN_TREE) != 0 ? "" : " code tree");
    finding_add(in, &f);
    return 0;
}

static int broken(struct introspect *in, const char *view, int err)
{
    struct finding f;

    if (err == 0 || err == KAPU_ESPACE || err == KAPU_ETIMEOUT || err == KAPU_EABSENT)
        return err;
    finding_start(&f, "modules.broken", INTROSPECT_ALARM, 0, view);
    say(&f, "is not linked as it must be");
    finding_add(in, &f);
    return 0;
}

static int walk_all(struct introspect *in, uint64_t kset)
{
    uint64_t before = IN_LIST, after = IN_LIST_AFTER;
    int err;

    caches_drop(in);
    set_clear(in);
    err = broken(in, "module list", module_walk(in, mark_listed, &before));
    if (err == 0)
        err = broken(in, "sysfs",
                     list_walk(in, kset + item(in, F_kset_list), MODULES_MAX, mark_kobject, NULL));
    if (err == 0)
        err = broken(in, "code tree",
                     rbtree_walk(in,
                                 symbol(in, S_mod_tree) + item(in, F_mod_tree_root_root) +
                                     item(in, F_latch_tree_root_tree),
                                 8 * MODULES_MAX, mark_tree, NULL));
    caches_drop(in);
    return err != 0 ? err : broken(in, "module list", module_walk(in, mark_listed, &after));
}

int check_modules(struct introspect *in)
{
    bool moving = true;
    uint64_t kset;
    int err;

    if (!has(in, S_modules))
        return KAPU_EUNSUPPORTED;
    modules_remember(in);
    err = read_u64(in, symbol(in, S_module_kset), &kset);
    for (unsigned look = 0; err == 0 && moving && look < LOOKS; look++) {
        err = walk_all(in, kset);
        moving = false;
        if (err == 0)
            err = set_each(in, note_moving, &moving);
    }
    return err != 0 ? err : set_each(in, compare, NULL);
}
