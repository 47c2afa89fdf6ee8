// SPDX-License-Identifier: Apache-2.0
/* lib/introspect over the model kernel: what is called for files, and what needs no system call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "introspect_fixture.h"

#define CONSTANT MODEL_OPERATIONS
#define FOREIGN (MODEL_LINEAR + 64)

static bool finds_operations(void)
{
    return finds("operations", "operations.function");
}

static bool operations_are_clean(void)
{
    return introspect_run(&in, check("operations")) == 0;
}

/* A pointer to a table may lead to constants, not to data, memory or code. */
static bool judges_table(uint64_t at)
{
    static const uint64_t good[] = {0, MODEL_LINKED + MODEL_SLIDE + CONSTANT};
    const uint64_t bad[] = {image(MODEL_DATA + 64), FOREIGN, image(0x1200), 8};
    bool right = true;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        model_put(&model, at, bad[i]);
        right = right && finds_operations();
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        model_put(&model, at, good[i]);
        right = right && operations_are_clean();
    }
    return right;
}

/* An entry of /proc that is the only one of a folder. */
static uint64_t add_entry(uint64_t folder, const char *name)
{
    uint64_t entry = model_allocate(&model, 512), text = model_allocate(&model, 64);

    memcpy(model.ram + (model_pa(text) - MODEL_RAM_BASE), name, strlen(name) + 1);
    model_set(&model, entry, F_proc_dir_entry_name, text);
    model_set(&model, folder, F_proc_dir_entry_subdir,
              entry + model.item[F_proc_dir_entry_subdir_node]);
    return entry;
}

static uint64_t proc_root(void)
{
    return model_symbol(&model, S_proc_root);
}

static void a_foreign_table_of_an_entry_of_proc_is_found(void **state)
{
    static const enum item tables[] = {F_proc_dir_entry_proc_ops, F_proc_dir_entry_proc_iops,
                                       F_proc_dir_entry_proc_dops};
    uint64_t entry = add_entry(add_entry(proc_root(), "folder"), "secret");

    (void)state;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        assert_true(judges_table(entry + model.item[tables[i]]));
    model_set(&model, entry, F_proc_dir_entry_proc_ops, FOREIGN);
    assert_true(finds_operations());
    assert_string_equal(model.found[0].object, "/proc: secret");
    assert_true(model.found[0].address == entry);
}

/* One word of an entry is a table of functions, or a function. */
static void what_shows_an_entry_is_a_constant_table_or_a_function_of_the_right_type(void **state)
{
    uint64_t at = add_entry(proc_root(), "version") + model.item[F_proc_dir_entry_single_show];

    (void)state;
    model_put(&model, at, image(CONSTANT));
    assert_true(operations_are_clean());
    model_put(&model, at, FOREIGN);
    assert_true(finds_operations());
    model_put(&model, at, image(MODEL_SHOW));
    assert_true(operations_are_clean());
    model_put(&model, at, image(0x1200)); /* kernel text, of no such type */
    assert_true(finds_operations());
}

static void a_function_that_writes_an_entry_is_known_code(void **state)
{
    uint64_t at = add_entry(proc_root(), "rw") + model.item[F_proc_dir_entry_write];

    (void)state;
    model_put(&model, at, image(0x1200));
    assert_true(operations_are_clean());
    model_put(&model, at, FOREIGN);
    assert_true(finds_operations());
}

static void entries_of_each_network_namespace_are_looked_at(void **state)
{
    uint64_t net = model_allocate(&model, 512), folder = model_allocate(&model, 512);

    (void)state;
    model_list_add(&model, model_symbol(&model, S_net_namespace_list),
                   net + model.item[F_net_list]);
    model_set(&model, net, F_net_proc_net, folder);
    assert_true(judges_table(add_entry(folder, "tcp") + model.item[F_proc_dir_entry_proc_ops]));
}

static void folders_that_contain_each_other_come_to_an_end(void **state)
{
    uint64_t one = add_entry(proc_root(), "one"), two = add_entry(one, "two");

    (void)state;
    model_set(&model, two, F_proc_dir_entry_subdir, one + model.item[F_proc_dir_entry_subdir_node]);
    assert_true(operations_are_clean());
}

static void folders_without_end_are_broken(void **state)
{
    uint64_t folder = proc_root();

    (void)state;
    for (unsigned i = 0; i < 200; i++) /* in no order of the set that a few rounds would follow */
        folder = add_entry(folder, "deeper");
    assert_true(finds("operations", "report.broken"));
}

/* A module in the list that has a page of data as memory, with a table in it. */
static uint64_t module_with_a_table(void)
{
    uint64_t list = model_symbol(&model, S_modules), module = MODEL_LINEAR + 0x100,
             memory = module + model.item[F_module_mem] + model.item[Z_module_memory],
             table = model_allocate(&model, PAGE_SIZE);

    model_put(&model, memory + model.item[F_module_memory_base], table);
    model_put32(&model, memory + model.item[F_module_memory_size], PAGE_SIZE);
    model_list_add(&model, list, module + model.item[F_module_list]);
    return table;
}

static void a_table_of_a_module_leads_to_known_code(void **state)
{
    uint64_t entry = add_entry(proc_root(), "module"), table = module_with_a_table();

    (void)state;
    model_set(&model, entry, F_proc_dir_entry_proc_ops, table);
    model_put(&model, table, 0x1234);             /* a flag */
    model_put(&model, table + 8, table + 256);    /* whose it is */
    model_put(&model, table + 16, image(0x1200)); /* what it calls */
    assert_true(operations_are_clean());
    model_put(&model, table + 24, FOREIGN);
    assert_true(finds_operations());
    model_put(&model, table + 24, 0);
    model_unlink(&model, MODEL_LINEAR + 0x100 + model.item[F_module_list]);
    assert_true(finds_operations());
}

/* An inode of a file system; its lists are what the library walks to it. */
static uint64_t add_inode(void)
{
    uint64_t sb = model_allocate(&model, 512), inode = model_allocate(&model, 512),
             type = model_allocate(&model, 64), name = model_allocate(&model, 64);

    memcpy(model.ram + (model_pa(name) - MODEL_RAM_BASE), "procfs", 7);
    model_set(&model, type, F_file_system_type_name, name);
    model_set(&model, sb, F_super_block_s_type, type);
    model_list_add(&model, model_symbol(&model, S_super_blocks),
                   sb + model.item[F_super_block_s_list]);
    model_list_init(&model, sb + model.item[F_super_block_s_inodes]);
    model_list_add(&model, sb + model.item[F_super_block_s_inodes],
                   inode + model.item[F_inode_i_sb_list]);
    return inode;
}

static void a_foreign_table_of_an_inode_is_found(void **state)
{
    uint64_t inode = add_inode();

    (void)state;
    assert_true(judges_table(inode + model.item[F_inode_i_fop]));
    assert_true(judges_table(inode + model.item[F_inode_i_op]));
    model_set(&model, inode, F_inode_i_fop, FOREIGN);
    assert_true(finds_operations());
    assert_string_equal(model.found[0].object, "inode of procfs");
}

static void a_list_of_inodes_that_is_broken_stays_so(void **state)
{
    uint64_t inode = add_inode();

    (void)state;
    model_put(&model, inode + model.item[F_inode_i_sb_list] + 8, FOREIGN);
    assert_true(finds("operations", "report.broken"));
}

/* A file that the program has open. */
static uint64_t open_file(uint64_t inode)
{
    uint64_t files = model_allocate(&model, 256), table = model_allocate(&model, 256),
             slots = model_allocate(&model, 256), file = model_allocate(&model, 256);

    model_set(&model, model.task[3], F_task_struct_files, files);
    model_set(&model, files, F_files_struct_fdt, table);
    model_set(&model, table, F_fdtable_max_fds, 2);
    model_set(&model, table, F_fdtable_fd, slots);
    model_put(&model, slots + 8, file | 1);
    model_set(&model, file, F_file_f_inode, inode);
    return file;
}

static void a_foreign_table_of_an_open_file_is_found(void **state)
{
    uint64_t file = open_file(add_inode());

    (void)state;
    assert_true(judges_table(file + model.item[F_file_f_op]));
    model_set(&model, file, F_file_f_op, FOREIGN);
    assert_true(finds_operations());
    assert_string_equal(model.found[0].object, "a[3]");
}

/* debugfs makes one for each file that is opened. */
static void a_table_that_was_made_for_a_file_of_debugfs_leads_to_known_code(void **state)
{
    uint64_t inode = add_inode(), file = open_file(inode), table = model_allocate(&model, 256);

    (void)state;
    model.item[S_debugfs_full_proxy_file_operations] = CONSTANT;
    for (unsigned i = 0; i < 4; i++)
        model.profile[PROFILE_HEADER + 8 * PROFILE_SECTIONS +
                      4 * S_debugfs_full_proxy_file_operations + i] = (uint8_t)(CONSTANT >> 8 * i);
    model_set(&model, inode, F_inode_i_fop, image(CONSTANT));
    model_set(&model, file, F_file_f_op, table);
    model_put(&model, table, image(0x1200));
    assert_true(operations_are_clean());
    model_put(&model, table + 8, FOREIGN);
    assert_true(finds_operations());
    model_put(&model, table + 8, 0);
    model_set(&model, inode, F_inode_i_fop, 0);
    assert_true(finds_operations());
}

/* ---- io_uring ---- */

static bool finds_io_uring(void)
{
    return finds("io_uring", "io_uring.context");
}

static void a_program_uses_io_uring_only_if_policy_says_so(void **state)
{
    (void)state;
    assert_false(finds_io_uring());
    model_set(&model, model.task[3], F_task_struct_io_uring, MODEL_LINEAR);
    assert_true(finds_io_uring());
    assert_string_equal(model.found[0].object, "a[3]");
    model_allow_flags(&model, ALLOW_IO_URING);
    assert_false(finds_io_uring());
    model_set(&model, model.mm, F_mm_struct_exe_file, 0); /* a program that policy does not know */
    assert_true(finds_io_uring());
}

static void a_worker_of_io_uring_is_found(void **state)
{
    uint64_t flags = model.task[3] + model.item[F_task_struct_flags];

    (void)state;
    model_put32(&model, flags, 0x10);
    assert_true(finds_io_uring());
    model_set(&model, model.task[3], F_task_struct_exit_state, 16);
    assert_true(finds_io_uring()); /* it says so, and has memory */
    model_set(&model, model.task[3], F_task_struct_mm, 0);
    assert_false(finds_io_uring());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, fresh)
        TEST(a_foreign_table_of_an_entry_of_proc_is_found),
        TEST(what_shows_an_entry_is_a_constant_table_or_a_function_of_the_right_type),
        TEST(a_function_that_writes_an_entry_is_known_code),
        TEST(entries_of_each_network_namespace_are_looked_at),
        TEST(folders_that_contain_each_other_come_to_an_end),
        TEST(folders_without_end_are_broken),
        TEST(a_table_of_a_module_leads_to_known_code),
        TEST(a_foreign_table_of_an_inode_is_found),
        TEST(a_list_of_inodes_that_is_broken_stays_so),
        TEST(a_foreign_table_of_an_open_file_is_found),
        TEST(a_table_that_was_made_for_a_file_of_debugfs_leads_to_known_code),
        TEST(a_program_uses_io_uring_only_if_policy_says_so),
        TEST(a_worker_of_io_uring_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
