// SPDX-License-Identifier: Apache-2.0
/*
 * operations.function: what Linux calls for a file. The tables of operations that entries of /proc,
 * inodes and open files lead to are constants of the image, or a known module's, with known code in
 * them. Somebody who wants to change what a file says replaces the table, or one function of it.
 */
#include "internal.h"

#define NAMESPACES_MAX 4096u
#define FILE_SYSTEMS_MAX 1024u
#define INODES_MAX 65536u
#define ENTRIES_MAX 65536u
#define DEPTH 16u    /* folders of /proc below each other */
#define PATIENCE 24u /* looks at the inodes of a file system */
#define WALKED 1u
#define FOUND 2u

/* A pointer to a table, and the table's size. */
struct table {
    enum item pointer, size;
    const char *name;
};

static void wrong(struct introspect *in, const char *object, uint64_t at, const char *name,
                  uint64_t table, uint64_t foreign)
{
    struct finding f;

    finding_start(&f, "operations.function", INTROSPECT_ALARM, at, object);
    say(&f, name);
    say(&f, foreign == table ? " are no constants of the image: " : " lead out of known code: ");
    say_hex(&f, foreign);
    finding_add(in, &f);
}

/* Constants of the image, which the check "text" compares; and what Linux has set once, while it
 * booted, which lies among them and is not compared. */
static bool is_constant(const struct introspect *in, uint64_t va, bool *set_once)
{
    if (va < symbol(in, S___start_rodata) || va >= symbol(in, S___inittext_begin))
        return false;
    *set_once = image_is_hole(in, (uint32_t)(va - image_va(in, 0)));
    return true;
}

/* The first address in a table that is neither code nor in memory of a module; 0: none. Whose
 * memory that is, its member `owner` says. */
static int foreign_function(struct introspect *in, uint64_t table, enum item size,
                            uint64_t *foreign)
{
    uint64_t word;
    int err = 0;

    *foreign = 0;
    for (uint32_t i = 0; err == 0 && i < item(in, size) / 8; i++) {
        err = read_u64(in, table + 8 * (uint64_t)i, &word);
        if (err != 0 || !is_kernel_va(word) || is_text(in, word) || code_is_known(in, word, 4) ||
            module_holds(in, word))
            continue;
        *foreign = word;
        break;
    }
    return err;
}

/* The same of a pointer to a table; and the table itself must belong to somebody. */
static int foreign_table(struct introspect *in, uint64_t table, enum item size, uint64_t *foreign)
{
    bool set_once = false;

    *foreign = 0;
    if (table == 0 || (is_constant(in, table, &set_once) && !set_once))
        return 0;
    if (set_once || module_holds(in, table))
        return foreign_function(in, table, size, foreign);
    *foreign = table;
    return 0;
}

static int check_pointers_of(struct introspect *in, uint64_t at, const struct table *t, size_t n,
                             const char *object)
{
    uint64_t table, foreign = 0;
    int err = 0;

    for (size_t i = 0; err == 0 && i < n; i++) {
        err = field_u64(in, at, t[i].pointer, &table);
        if (err == 0)
            err = foreign_table(in, table, t[i].size, &foreign);
        if (err == 0 && foreign != 0)
            wrong(in, object, at, t[i].name, table, foreign);
    }
    return err;
}

/* ---- /proc: folders are trees of their entries ---- */

/* One word (seq_ops, single_show) is a table or, for a file of one record, the function that shows
 * it. */
static int check_show(struct introspect *in, uint64_t entry, const char *name)
{
    static const struct table of_records[] = {
        {F_proc_dir_entry_single_show, Z_seq_operations, "operations of records"},
    };
    uint64_t show;
    int err = field_u64(in, entry, F_proc_dir_entry_single_show, &show);

    if (err != 0 || show == 0)
        return err;
    if (!is_text(in, show) && !code_is_known(in, show, 4))
        return check_pointers_of(in, entry, of_records, 1, name);
    callback_check(in, "operations.function", name, entry, show, symbol(in, S_version_proc_show));
    return 0;
}

static int check_entry(struct introspect *in, uint64_t node, void *ctx)
{
    static const struct table tables[] = {
        {F_proc_dir_entry_proc_ops, Z_proc_ops, "file operations"},
        {F_proc_dir_entry_proc_iops, Z_inode_operations, "inode operations"},
        {F_proc_dir_entry_proc_dops, Z_dentry_operations, "name operations"},
    };
    uint64_t entry = node - item(in, F_proc_dir_entry_subdir_node), text, children, write;
    char name[48] = "/proc: ";
    bool *more = ctx;
    int err = field_u64(in, entry, F_proc_dir_entry_name, &text);

    if (err == 0)
        err = read_text(in, text, name + 7, sizeof(name) - 7);
    if (err == 0)
        err = check_pointers_of(in, entry, tables, sizeof(tables) / sizeof(tables[0]), name);
    if (err == 0)
        err = check_show(in, entry, name);
    if (err == 0)
        err = field_u64(in, entry, F_proc_dir_entry_write, &write);
    if (err == 0 && write != 0) /* hardly any has one, so there is no other of its type */
        callback_check(in, "operations.function", name, entry, write, write);
    if (err == 0)
        err = field_u64(in, entry, F_proc_dir_entry_subdir, &children);
    if (err != 0 || children == 0)
        return err;
    *more = true;
    return set_or(in, entry, FOUND);
}

static int check_folder(struct introspect *in, uint64_t folder, uint64_t seen, void *ctx)
{
    int err = (seen & WALKED) != 0 ? 0 : set_or(in, folder, WALKED);

    if (err != 0 || (seen & WALKED) != 0)
        return err;
    return rbtree_walk(in, folder + item(in, F_proc_dir_entry_subdir), ENTRIES_MAX, check_entry,
                       ctx);
}

/* /proc/net is a tree of each network namespace. */
static int add_network(struct introspect *in, uint64_t node, void *ctx)
{
    uint64_t folder;
    int err = field_u64(in, node - item(in, F_net_list), F_net_proc_net, &folder);

    (void)ctx;
    return err != 0 || folder == 0 ? err : set_or(in, folder, FOUND);
}

static int check_proc(struct introspect *in)
{
    bool more = true;
    int err;

    set_clear(in);
    err = set_or(in, symbol(in, S_proc_root), FOUND);
    if (err == 0)
        err = list_walk(in, symbol(in, S_net_namespace_list), NAMESPACES_MAX, add_network, NULL);
    for (uint32_t i = 0; err == 0 && more; i++) {
        if (i == DEPTH)
            return KAPU_EINVAL;
        more = false;
        err = set_each(in, check_folder, &more);
    }
    return err;
}

/* ---- Inodes in memory, of all file systems ---- */

static int check_inode(struct introspect *in, uint64_t node, void *ctx)
{
    static const struct table tables[] = {
        {F_inode_i_fop, Z_file_operations, "file operations"},
        {F_inode_i_op, Z_inode_operations, "inode operations"},
    };

    return check_pointers_of(in, node - item(in, F_inode_i_sb_list), tables,
                             sizeof(tables) / sizeof(tables[0]), ctx);
}

/* Inodes come and go faster than a list of them is read; one that is broken stays so. */
static int check_file_system(struct introspect *in, uint64_t node, void *ctx)
{
    uint64_t sb = node - item(in, F_super_block_s_list), type, text;
    char name[48] = "inode of ";
    int err = field_u64(in, sb, F_super_block_s_type, &type);

    (void)ctx;
    if (err == 0)
        err = field_u64(in, type, F_file_system_type_name, &text);
    if (err == 0)
        err = read_text(in, text, name + 9, sizeof(name) - 9);
    if (err != 0)
        return err;
    for (uint32_t i = 0; i < PATIENCE; i++) {
        err = list_walk(in, sb + item(in, F_super_block_s_inodes), INODES_MAX, check_inode, name);
        if (err == 0 || err == KAPU_ETIMEOUT || err == KAPU_EABSENT)
            break;
        caches_drop(in);
    }
    return err;
}

/* ---- Open files ---- */

static int check_file(struct introspect *in, uint64_t file, void *ctx)
{
    uint64_t table, inode, linked, foreign = 0;
    int err = field_u64(in, file, F_file_f_op, &table);

    if (err == 0)
        err = foreign_table(in, table, Z_file_operations, &foreign);
    if (err != 0 || foreign == 0)
        return err;
    err = field_u64(in, file, F_file_f_inode, &inode);
    if (err == 0)
        err = field_u64(in, inode, F_inode_i_fop, &linked);
    /* debugfs makes a table for each file that is opened there. */
    if (err == 0 && has(in, S_debugfs_full_proxy_file_operations) &&
        linked == symbol(in, S_debugfs_full_proxy_file_operations))
        err = foreign_function(in, table, Z_file_operations, &foreign);
    if (err == 0 && foreign != 0) {
        char label[48];

        task_label(in, *(const uint64_t *)ctx, label, sizeof(label));
        wrong(in, label, file, "operations of an open file", table, foreign);
    }
    return err;
}

static int check_process(struct introspect *in, uint64_t task, void *ctx)
{
    (void)ctx;
    return process_files(in, task, check_file, &task);
}

int check_operations(struct introspect *in)
{
    int err = check_proc(in);

    if (err == 0)
        err = list_walk(in, symbol(in, S_super_blocks), FILE_SYSTEMS_MAX, check_file_system, NULL);
    return err != 0 ? err : task_walk(in, check_process, NULL);
}
