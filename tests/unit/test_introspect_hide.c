// SPDX-License-Identifier: Apache-2.0
/* lib/introspect over the model kernel: who hides from a check by what he says of himself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "introspect_fixture.h"

#define KERNEL_THREAD 0x00200000u
#define EXITING 4u
#define PTE_PXN (1ull << 53)
#define PTE_UXN (1ull << 54)
#define PTE_READ_ONLY (1ull << 7)
#define PTE_USER (1ull << 6)

/* Memory in which a name is another one at each read. */
struct renamed {
    struct mem mem;
    uint64_t pa;
    uint8_t count;
};

static int read_renamed(void *ctx, uint64_t pa, void *to, size_t n)
{
    struct renamed *r = ctx;
    int err = r->mem.read(r->mem.ctx, pa, to, n);

    if (err == 0 && pa <= r->pa && r->pa - pa < n)
        ((uint8_t *)to)[r->pa - pa] = 'a' + r->count++ % 26;
    return err;
}

static void change_name_all_the_time(struct renamed *r)
{
    *r = (struct renamed){in.mem, model_pa(model.task[3]) + model.item[F_task_struct_comm], 0};
    in.mem = (struct mem){read_renamed, r};
    in.attempts = 3;
}

static void a_process_that_changes_its_name_is_still_the_same(void **state)
{
    struct renamed r;

    (void)state;
    change_name_all_the_time(&r);
    model_set(&model, model.cred[3], F_cred_cap_effective, 2);
    assert_true(finds("credentials", "credentials.capabilities"));
    model.ram[model.code_pa - MODEL_RAM_BASE + 8] ^= 1;
    assert_true(finds("code", "code.page"));
    model_unlink(&model, model.task[3] + model.item[F_task_struct_tasks]);
    assert_true(finds("processes", "processes.list"));
    assert_true(r.count > 6);
}

/* Memory in which a word of a page table leads nowhere in some of its reads. */
struct breaking {
    struct mem mem;
    uint64_t pa;
    uint32_t reads, broken; /* bit n: at read n, of 32 in a circle */
};

static int read_breaking(void *ctx, uint64_t pa, void *to, size_t n)
{
    struct breaking *b = ctx;
    int err = b->mem.read(b->mem.ctx, pa, to, n);

    if (err == 0 && pa == b->pa && n == PAGE_SIZE && (b->broken >> b->reads++ % 32 & 1) != 0)
        ((uint8_t *)to)[8 * 300] = 3, ((uint8_t *)to)[8 * 300 + 3] = 4;
    return err;
}

/* The kernel's page tables have a writable alias of text, and cannot be followed in some looks. */
static void who_has_looks_fail_is_found_all_the_same(void **state)
{
    const uint64_t text = model_pte(&model, image(MODEL_STEXT));
    struct breaking b = {in.mem, MODEL_TEXT_PA + model.item[S_swapper_pg_dir], 0, 0};

    (void)state;
    in.mem = (struct mem){read_breaking, &b};
    in.attempts = 3;
    b.broken = 0x5555;
    assert_int_equal(introspect_run(&in, check("tables")), 0);
    model_put(&model, text, model_get(&model, text) & ~PTE_READ_ONLY);
    for (b.broken = 1; b.broken < 0x100; b.broken += 22) {
        b.reads = 0;
        assert_true(finds("tables", "tables.alias"));
    }
    b.broken = UINT32_MAX;
    assert_true(finds("tables", "report.broken"));
    in.attempts = 1;
    assert_true(finds("tables", "report.broken"));
}

static void two_processes_with_foreign_code_at_one_address_are_two_findings(void **state)
{
    uint64_t mm = model_allocate(&model, 256);
    size_t pages = 0;

    (void)state;
    model.ram[model.code_pa - MODEL_RAM_BASE + 8] ^= 1;
    memcpy(model.ram + (model_pa(mm) - MODEL_RAM_BASE),
           model.ram + (model_pa(model.mm) - MODEL_RAM_BASE), 256);
    model_set(&model, model.task[2], F_task_struct_mm, mm);
    assert_true(finds("code", "code.page"));
    for (size_t i = 0; i < model.found_n; i++)
        pages += strcmp(model.found[i].id, "code.page") == 0 ? 1 : 0;
    assert_int_equal(pages, 2);
}

/* What a process that is wrong may say of itself: that it is a kernel thread, that it has ended. */
static void who_has_memory_is_looked_at_whatever_it_says_of_itself(void **state)
{
    static const struct {
        enum item field;
        uint32_t value;
    } says[] = {{F_task_struct_flags, KERNEL_THREAD}, {F_task_struct_exit_state, 16}};

    for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
        fresh(state);
        model_put32(&model, model.task[3] + model.item[says[i].field], says[i].value);
        assert_int_equal(introspect_run(&in, check("code")), 0);
        assert_int_equal(introspect_run(&in, check("credentials")), 0);
        model.ram[model.code_pa - MODEL_RAM_BASE + 8] ^= 1;
        model_set(&model, model.cred[3], F_cred_cap_effective, 2);
        model_unlink(&model, model.task[3] + model.item[F_task_struct_tasks]);
        assert_true(finds("processes", "processes.list"));
        model_list_add(&model, model.task[0] + model.item[F_task_struct_tasks],
                       model.task[3] + model.item[F_task_struct_tasks]);
        assert_true(finds("code", "code.page"));
        assert_true(finds("credentials", "credentials.capabilities"));
    }
}

static void who_shows_no_memory_is_a_kernel_thread_or_ends(void **state)
{
    const uint64_t flags = model.task[3] + model.item[F_task_struct_flags];

    (void)state;
    model_set(&model, model.task[3], F_task_struct_mm, 0);
    assert_true(finds("code", "code.hidden"));
    model_put32(&model, flags, EXITING);
    assert_int_equal(introspect_run(&in, check("code")), 0);
    model_put32(&model, flags, KERNEL_THREAD);
    assert_int_equal(introspect_run(&in, check("code")), 0);
}

static void a_process_that_runs_no_file_is_found(void **state)
{
    (void)state;
    model_set(&model, model.mm, F_mm_struct_exe_file, 0);
    assert_true(finds("credentials", "credentials.program"));
}

static void only_idle_tasks_have_no_number(void **state)
{
    uint64_t pid = model_get(&model, model.task[3] + model.item[F_task_struct_thread_pid]);

    (void)state;
    model_put32(&model, model.task[3] + model.item[F_task_struct_pid], 0);
    assert_true(finds("processes", "processes.number"));
    model_unlink(&model, model.task[3] + model.item[F_task_struct_tasks]);
    model_unlink(&model, model.task[3] + model.item[F_task_struct_sibling]);
    model_set(&model, pid, F_pid_tasks, 0);
    assert_true(finds("processes", "processes.number"));
    assert_true(finds("processes", "processes.list"));
}

/* Between two programs: the new one's memory, the old one's rights. */
static void a_process_between_two_programs_may_have_the_rights_of_the_old_one(void **state)
{
    const uint64_t signal = model_get(&model, model.task[3] + model.item[F_task_struct_signal]),
                   lock = signal + model.item[F_signal_struct_exec_update_lock] +
                          model.item[F_rw_semaphore_count];
    struct finding f;

    (void)state;
    model_set(&model, model.cred[3], F_cred_cap_effective, 2);
    assert_true(finds("credentials", "credentials.capabilities"));
    assert_false(introspect_may_pass(&in, &model.found[0]));
    model_put(&model, lock, 1);
    assert_true(finds("credentials", "credentials.capabilities"));
    f = model.found[0];
    assert_true(introspect_may_pass(&in, &f));
    assert_true(introspect_persists(&in, &f));
    model_put(&model, lock, 0);
    assert_true(introspect_persists(&in, &f)); /* it has them still */
    model_set(&model, model.cred[3], F_cred_cap_effective, 0);
    assert_false(introspect_persists(&in, &f));
}

/* ---- mappings ---- */

/* The last descriptor of the program's page. */
static uint64_t user_pte(void)
{
    uint64_t table = model_get(&model, model.mm + model.item[F_mm_struct_pgd]);

    for (unsigned shift = 39; shift > 12; shift -= 9)
        table = MODEL_LINEAR - MODEL_RAM_BASE +
                (model_get(&model, table + 8 * (MODEL_CODE_VA >> shift & 511)) & 0xfffffffff000ull);
    return table + 8 * (MODEL_CODE_VA >> 12 & 511);
}

static void a_page_of_a_process_that_the_kernel_could_run_is_found(void **state)
{
    const uint64_t at = user_pte(), was = model_get(&model, at);

    (void)state;
    model_put(&model, at, (was | PTE_UXN) & ~PTE_PXN); /* not by the process itself */
    assert_true(finds("code", "code.privileged"));
}

static void a_process_that_can_write_the_kernel_is_found(void **state)
{
    static const uint32_t places[] = {MODEL_STEXT, MODEL_TABLE, MODEL_DATA};
    const uint64_t at = user_pte();

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const uint64_t leads =
            (MODEL_TEXT_PA + places[i]) | 1u << 10 | 3u | PTE_USER | PTE_UXN | PTE_PXN;

        model_put(&model, at, leads | PTE_READ_ONLY);
        assert_int_equal(introspect_run(&in, check("code")), 0);
        model_put(&model, at, leads);
        assert_true(finds("code", "code.kernel"));
    }
}

/* What a table in no RAM maps, nobody knows: flash memory, say, which anyone may write. */
static void tables_outside_of_ram_are_found(void **state)
{
    uint64_t root = model_symbol(&model, S_swapper_pg_dir);

    (void)state;
    model_put(&model, model_get(&model, model.mm + model.item[F_mm_struct_pgd]) + 8 * 100,
              0x04000003);
    assert_true(finds("code", "code.wild"));
    model_put(&model, root + 8 * 300, 0x04000003);
    assert_true(finds("tables", "report.broken"));
}

static void tables_that_must_be_empty_are_looked_at(void **state)
{
    (void)state;
    model_put(&model, model_symbol(&model, S_reserved_pg_dir) + 8 * 511,
              model_pa(model_allocate(&model, PAGE_SIZE)) | 3);
    assert_true(finds("tables", "tables.reserved"));
}

/* ---- walks ---- */

static uint64_t foreign_timer(void)
{
    const uint64_t timer = model_allocate(&model, 256);

    model_set(&model, timer, F_timer_list_function, MODEL_LINEAR);
    model_set(&model, timer, F_hrtimer_function, MODEL_LINEAR);
    return timer;
}

static void a_chain_that_ends_with_a_mark_that_it_does_not_have_is_broken(void **state)
{
    const uint64_t slot = model_symbol(&model, S_timer_bases) + model.item[F_timer_base_vectors],
                   node = foreign_timer() + model.item[F_timer_list_entry];

    (void)state;
    model_put(&model, slot, node | 1);
    assert_true(finds("timers", "report.broken"));
    model_put(&model, slot, node);
    model_put(&model, node, 1);
    assert_true(finds("timers", "timers.function"));
    assert_true(finds("timers", "report.broken"));
}

static void a_tree_ends_at_its_root_only(void **state)
{
    const uint64_t tree = model_symbol(&model, S_hrtimer_bases),
                   root = foreign_timer() + model.item[F_hrtimer_node],
                   left = foreign_timer() + model.item[F_hrtimer_node];

    (void)state;
    model_put(&model, tree, root);
    model_put(&model, root + 16, left);
    model_put(&model, left, root);
    assert_true(finds("timers", "timers.hrtimer"));
    assert_false(finds("timers", "report.broken"));
    model_put(&model, left, 0);
    assert_true(finds("timers", "report.broken"));
    model_put(&model, left + 16, left); /* its own child */
    assert_true(finds("timers", "report.broken"));
}

static void the_first_timer_is_that_of_the_pointer_to_it(void **state)
{
    const uint64_t tree = model_symbol(&model, S_hrtimer_bases);

    (void)state;
    model_put(&model, tree + model.item[F_rb_root_cached_rb_leftmost],
              foreign_timer() + model.item[F_hrtimer_node]);
    assert_true(finds("timers", "timers.hrtimer"));
}

static void no_core_is_left_out(void **state)
{
    static const uint32_t wrong[] = {0, 65};
    const uint64_t cpus = model_symbol(&model, S_nr_cpu_ids);

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        model_put32(&model, cpus, wrong[i]);
        assert_true(finds("timers", "report.broken"));
    }
    model_put32(&model, cpus, 1);
    assert_int_equal(introspect_run(&in, check("timers")), 0);
    in.cpus = 2; /* two are seen at work */
    assert_true(finds("timers", "report.broken"));
}

/* A thread that has left its process's table of open files. */
static void files_of_a_thread_are_seen(void **state)
{
    const uint64_t files = model_allocate(&model, 512), thread = model.task[2],
                   signal = model_get(&model, model.task[3] + model.item[F_task_struct_signal]);

    (void)state;
    model_unlink(&model, thread + model.item[F_task_struct_tasks]);
    model_list_add(&model, signal + model.item[F_signal_struct_thread_head],
                   thread + model.item[F_task_struct_thread_node]);
    model_set(&model, thread, F_task_struct_group_leader, model.task[3]);
    model_set(&model, thread, F_task_struct_files, files);
    model_set(&model, files, F_files_struct_fdt, files + 64);
    model_set(&model, files + 64, F_fdtable_max_fds, 1);
    model_set(&model, files + 64, F_fdtable_fd, files + 192);
    model_put(&model, files + 192, files + 256);
    model_set(&model, files + 256, F_file_f_inode, model_allocate(&model, 512));
    assert_int_equal(introspect_run(&in, check("operations")), 0);
    model_set(&model, files + 256, F_file_f_op, MODEL_LINEAR + 64);
    assert_true(finds("operations", "operations.function"));
    model_set(&model, files + 64, F_fdtable_max_fds, (1u << 20) + 1);
    assert_true(finds("operations", "report.broken"));
}

static void each_identity_and_set_of_capabilities_counts(void **state)
{
    static const enum item ids[] = {F_cred_uid, F_cred_euid, F_cred_suid, F_cred_fsuid};

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        fresh(state);
        model_put32(&model, model.cred[3] + model.item[ids[i]], 0);
        assert_true(finds("credentials", "credentials.user"));
    }
    fresh(state);
    model_set(&model, model.cred[3], F_cred_cap_permitted, 2);
    assert_true(finds("credentials", "credentials.capabilities"));
}

/* ---- registers ---- */

static void bits_that_change_what_tables_mean_are_looked_at(void **state)
{
    static const uint64_t flips[] = {1,          1ull << 5,  1ull << 7,  1ull << 14, 1ull << 15,
                                     1ull << 21, 1ull << 23, 1ull << 30, 1ull << 41, 1ull << 42};

    (void)state;
    for (size_t i = 0; i < sizeof(flips) / sizeof(flips[0]); i++) {
        in.regs[0].tcr ^= flips[i];
        assert_true(finds("registers", "registers.tcr"));
        in.regs[0].tcr ^= flips[i];
    }
    in.regs[0].sctlr ^= 1u << 24;
    assert_true(finds("registers", "registers.sctlr"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, fresh)
        TEST(a_process_that_changes_its_name_is_still_the_same),
        TEST(who_has_looks_fail_is_found_all_the_same),
        TEST(two_processes_with_foreign_code_at_one_address_are_two_findings),
        TEST(who_has_memory_is_looked_at_whatever_it_says_of_itself),
        TEST(who_shows_no_memory_is_a_kernel_thread_or_ends),
        TEST(a_process_that_runs_no_file_is_found),
        TEST(only_idle_tasks_have_no_number),
        TEST(a_process_between_two_programs_may_have_the_rights_of_the_old_one),
        TEST(a_page_of_a_process_that_the_kernel_could_run_is_found),
        TEST(a_process_that_can_write_the_kernel_is_found),
        TEST(tables_outside_of_ram_are_found),
        TEST(tables_that_must_be_empty_are_looked_at),
        TEST(a_chain_that_ends_with_a_mark_that_it_does_not_have_is_broken),
        TEST(a_tree_ends_at_its_root_only),
        TEST(the_first_timer_is_that_of_the_pointer_to_it),
        TEST(no_core_is_left_out),
        TEST(files_of_a_thread_are_seen),
        TEST(each_identity_and_set_of_capabilities_counts),
        TEST(bits_that_change_what_tables_mean_are_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
