// SPDX-License-Identifier: Apache-2.0
/* lib/introspect over the model kernel: clean when it is, each damage named, no memory contents
 * hurt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl.h"
#include "kernel_model.h"

static struct kernel_model model;
static struct introspect in;

static int fresh(void **state)
{
    struct introspect_setup setup;

    (void)state;
    model_build(&model, crypto_openssl.sha256);
    setup = model_setup(&model, crypto_openssl.sha256);
    assert_int_equal(introspect_init(&in, &setup), 0);
    assert_int_equal(introspect_locate(&in, &model.regs, 1), 0);
    return 0;
}

static const struct introspect_check *check(const char *id)
{
    const struct introspect_check *table;
    size_t n = introspect_checks(&table);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].id, id) == 0)
            return &table[i];
    }
    fail_msg("no check %s", id);
    return NULL;
}

static bool finds(const char *id, const char *finding)
{
    model.found_n = 0;
    if (introspect_run(&in, check(id)) <= 0)
        return false;
    for (size_t i = 0; i < model.found_n; i++) {
        if (strcmp(model.found[i].id, finding) == 0)
            return true;
    }
    return false;
}

static void the_kernel_is_found_by_its_registers(void **state)
{
    (void)state;
    assert_true(in.text_pa == MODEL_TEXT_PA);
    assert_true(in.slide == MODEL_SLIDE);
}

static void the_kernel_is_found_while_user_code_runs(void **state)
{
    (void)state;
    model.regs.ttbr1 = (MODEL_TEXT_PA + model.item[S_tramp_pg_dir]) | 7ull << 48 | 1;
    assert_int_equal(introspect_locate(&in, &model.regs, 1), 0);
    assert_true(in.text_pa == MODEL_TEXT_PA);
}

static void the_kernel_is_found_without_registers(void **state)
{
    (void)state;
    in.text_pa = 0;
    assert_int_equal(introspect_locate(&in, NULL, 0), 0);
    assert_true(in.text_pa == MODEL_TEXT_PA && in.slide == MODEL_SLIDE);
}

static void the_kernel_is_found_though_its_header_is_gone(void **state)
{
    (void)state;
    memset(model.ram + (MODEL_TEXT_PA - MODEL_RAM_BASE), 0, 64);
    assert_int_equal(introspect_locate(&in, NULL, 0), 0);
    assert_true(in.text_pa == MODEL_TEXT_PA);
}

static void the_move_is_found_though_the_kernel_lies_about_it(void **state)
{
    (void)state;
    model_put(&model, model_symbol(&model, S_kimage_voffset), 0x1234);
    assert_int_equal(introspect_locate(&in, &model.regs, 1), 0);
    assert_true(in.slide == MODEL_SLIDE);
}

static void no_kernel_is_no_kernel(void **state)
{
    (void)state;
    memset(model.ram, 0, sizeof(model.ram));
    assert_int_equal(introspect_locate(&in, &model.regs, 1), KAPU_ENOENT);
}

static void an_untouched_kernel_has_no_finding(void **state)
{
    const struct introspect_check *table;
    size_t n = introspect_checks(&table);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        /* The model has neither sockets nor devices; their tables are empty. */
        int result = introspect_run(&in, &table[i]);

        if (result != 0)
            print_error("%s: %d %s\n", table[i].id, result,
                        model.found_n > 0 ? model.found[0].detail : "");
        assert_int_equal(result, 0);
    }
}

static void each_check_has_a_name_of_its_own(void **state)
{
    const struct introspect_check *table;
    size_t n = introspect_checks(&table);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(table[i].id, table[j].id);
        assert_true(strlen(table[i].name) > 0 && strlen(table[i].reads) > 0);
    }
}

static uint64_t image(uint32_t offset)
{
    return MODEL_LINKED + MODEL_SLIDE + offset;
}

static void a_changed_instruction_is_found(void **state)
{
    (void)state;
    model_put32(&model, image(0x2080), 0xd65f03c0);
    assert_true(finds("text", "text.page"));
}

static void a_patch_site_may_hold_each_of_its_variants(void **state)
{
    (void)state;
    model_put32(&model, image(MODEL_SITE), 0xd503201f);
    assert_int_equal(introspect_run(&in, check("text")), 0);
}

static void a_patch_site_may_hold_nothing_else(void **state)
{
    (void)state;
    model_put32(&model, image(MODEL_SITE), 0x11111112);
    assert_true(finds("text", "text.site"));
}

static void a_jump_label_that_its_key_does_not_explain_is_found(void **state)
{
    (void)state;
    model_put32(&model, image(MODEL_JUMP), 0x14000010);
    assert_true(finds("text", "text.jump"));
    model_set(&model, model_symbol(&model, S_verity_target), F_static_key_enabled, 1);
    assert_int_equal(introspect_run(&in, check("text")), 0);
}

static void a_boot_time_pointer_is_that_of_its_variable(void **state)
{
    (void)state;
    model_put(&model, model_symbol(&model, S_memstart_addr), MODEL_RAM_BASE + 1);
    assert_true(finds("text", "text.site"));
}

static void a_boot_time_shift_is_that_of_its_variable(void **state)
{
    (void)state;
    model_put32(&model, image(MODEL_SHIFT), 0x53027c00);
    assert_true(finds("text", "text.site"));
}

static void a_changed_constant_is_found(void **state)
{
    (void)state;
    model_put32(&model, image(0x9100), 1);
    assert_true(finds("text", "rodata.page"));
}

static void a_replaced_system_call_is_found(void **state)
{
    (void)state;
    model_put(&model, image(MODEL_TABLE) + 8, image(0x1800));
    assert_true(finds("syscalls", "syscalls.entry"));
    assert_true(finds("text", "rodata.page"));
}

static void each_register_is_looked_at(void **state)
{
    static const struct {
        size_t offset;
        uint64_t flip;
        const char *id;
    } wrong[] = {
        {offsetof(struct introspect_regs, vbar), 0x1000, "registers.vbar"},
        {offsetof(struct introspect_regs, ttbr1), 0x1000, "registers.ttbr1"},
        {offsetof(struct introspect_regs, tcr), 1 << 16, "registers.tcr"},
        {offsetof(struct introspect_regs, sctlr), 1, "registers.sctlr"},
        {offsetof(struct introspect_regs, mair), 0xff, "registers.mair"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint64_t *r = (uint64_t *)(void *)((uint8_t *)&in.regs[0] + wrong[i].offset);

        *r ^= wrong[i].flip;
        assert_true(finds("registers", wrong[i].id));
        *r ^= wrong[i].flip;
    }
    assert_int_equal(introspect_run(&in, check("registers")), 0);
}

static void without_registers_their_check_says_so(void **state)
{
    (void)state;
    in.cpus = 0;
    assert_int_equal(introspect_run(&in, check("registers")), KAPU_EARG);
}

static void change_pte(uint64_t va, uint64_t set, uint64_t clear)
{
    uint64_t at = model_pte(&model, va);

    model_put(&model, at, (model_get(&model, at) | set) & ~clear);
}

static void executable_data_is_found(void **state)
{
    (void)state;
    change_pte(image(MODEL_DATA), 0, 1ull << 53);
    assert_true(finds("tables", "tables.wx"));
    assert_true(finds("tables", "tables.exec"));
}

static void writable_text_is_found_at_any_address(void **state)
{
    (void)state;
    change_pte(MODEL_LINEAR + (MODEL_TEXT_PA - MODEL_RAM_BASE) + 0x2000, 0, 1 << 7);
    assert_true(finds("tables", "tables.alias"));
}

static void a_kernel_page_for_users_is_found(void **state)
{
    (void)state;
    change_pte(MODEL_LINEAR, 1 << 6, 0);
    assert_true(finds("tables", "tables.user"));
}

static void a_redirected_page_is_found(void **state)
{
    (void)state;
    change_pte(image(0xa000), 0x40000000000ull >> 22 << 13, 0xfffffff000ull);
    assert_true(finds("tables", "tables.redirect"));
}

static void tables_that_lead_to_themselves_end(void **state)
{
    uint64_t root = MODEL_LINEAR + (in.root_pa - MODEL_RAM_BASE);

    (void)state;
    for (uint32_t i = 0; i < 512; i++)
        model_put(&model, root + 8 * (uint64_t)i, in.root_pa | 3);
    model.found_n = 0;
    assert_true(introspect_run(&in, check("tables")) != 0);
}

static void a_foreign_function_pointer_is_found(void **state)
{
    (void)state;
    model_put(&model, image(MODEL_HOOK), MODEL_LINEAR + 64);
    assert_true(finds("pointers", "pointers.foreign"));
    model_put(&model, image(MODEL_HOOK), image(0x1200));
    assert_true(finds("pointers", "pointers.type"));
    model_put(&model, image(MODEL_HOOK), 0);
    assert_int_equal(introspect_run(&in, check("pointers")), 0);
}

static void a_task_is_missed_in_each_view(void **state)
{
    uint64_t pid = model_get(&model, model.task[3] + model.item[F_task_struct_thread_pid]);

    (void)state;
    model_unlink(&model, model.task[3] + model.item[F_task_struct_tasks]);
    assert_true(finds("processes", "processes.list"));
    fresh(NULL);
    model_unlink(&model, model.task[3] + model.item[F_task_struct_sibling]);
    assert_true(finds("processes", "processes.tree"));
    fresh(NULL);
    model_set(&model, pid, F_pid_tasks, 0);
    assert_true(finds("processes", "processes.pid"));
    fresh(NULL);
    model_unlink(&model, model.task[2] + model.item[F_task_struct_tasks]);
    model_unlink(&model, model.task[2] + model.item[F_task_struct_sibling]);
    assert_true(finds("processes", "processes.list")); /* the run queue has it */
}

static void a_task_that_is_in_no_structure_at_all_is_found_by_its_memory(void **state)
{
    uint64_t pid = model_get(&model, model.task[3] + model.item[F_task_struct_thread_pid]);

    (void)state;
    model_unlink(&model, model.task[3] + model.item[F_task_struct_tasks]);
    model_unlink(&model, model.task[3] + model.item[F_task_struct_sibling]);
    model_set(&model, pid, F_pid_tasks, 0);
    assert_true(finds("processes", "processes.list"));
}

static void a_task_that_ends_is_missed_nowhere(void **state)
{
    (void)state;
    model_set(&model, model.task[3], F_task_struct_exit_state, 16);
    model_unlink(&model, model.task[3] + model.item[F_task_struct_tasks]);
    assert_int_equal(introspect_run(&in, check("processes")), 0);
}

static void a_cyclic_task_list_is_found(void **state)
{
    uint64_t node = model.task[2] + model.item[F_task_struct_tasks];

    (void)state;
    model_put(&model, node, node);
    model_put(&model, node + 8, node);
    assert_true(finds("processes", "processes.broken"));
}

static void a_wild_task_list_is_found(void **state)
{
    (void)state;
    model_put(&model, model.task[2] + model.item[F_task_struct_tasks], 0x1234567);
    assert_true(finds("processes", "processes.broken"));
}

static void credentials_are_compared_with_policy(void **state)
{
    uint64_t cred = model.cred[3];

    (void)state;
    model_put32(&model, cred + model.item[F_cred_euid], 0);
    assert_true(finds("credentials", "credentials.user"));
    fresh(NULL);
    model_set(&model, cred, F_cred_cap_effective, 2);
    assert_true(finds("credentials", "credentials.capabilities"));
    fresh(NULL);
    model_set(&model, model.task[3], F_task_struct_cred, model.cred[1]);
    assert_true(finds("credentials", "credentials.split"));
    model_set(&model, model.task[3], F_task_struct_real_cred, model.cred[1]);
    assert_true(finds("credentials", "credentials.shared"));
    fresh(NULL);
    model_set(&model, model.task[3], F_task_struct_cred, 0x99);
    assert_true(finds("credentials", "credentials.wild"));
}

static void restrictions_are_compared_with_policy(void **state)
{
    uint32_t at = kapu_le32(model.allow + ALLOW_HEADER + 8 * ALLOW_PROGRAMS);

    (void)state;
    model.allow[at + 4] = ALLOW_NO_NEW_PRIVS | ALLOW_SECCOMP;
    assert_true(finds("credentials", "credentials.no_new_privs"));
    assert_true(finds("credentials", "credentials.seccomp"));
    model_set(&model, model.task[3], F_task_struct_atomic_flags, 1);
    model_set(&model, model.task[3], F_task_struct_seccomp, 2);
    assert_int_equal(introspect_run(&in, check("credentials")), 0);
}

static void foreign_code_in_a_program_is_found(void **state)
{
    (void)state;
    model.ram[model.code_pa - MODEL_RAM_BASE + 8] ^= 1;
    assert_true(finds("code", "code.page"));
}

static void a_writable_executable_mapping_is_found(void **state)
{
    uint64_t node = model_get(&model, model.mm + model.item[F_mm_struct_mm_mt]) & ~0xffull;
    uint64_t vma = model_get(&model, node + model.item[F_maple_range_64_slot] + 8);

    (void)state;
    model_set(&model, vma, F_vm_area_struct_vm_flags, VM_READ | VM_WRITE | VM_EXEC);
    assert_true(finds("code", "code.writable"));
    fresh(NULL);
    model_set(&model, vma, F_vm_area_struct_vm_file, 0);
    assert_true(finds("code", "code.anonymous"));
}

static void a_changed_setting_is_found(void **state)
{
    (void)state;
    model_put32(&model, model_symbol(&model, S_ptrace_scope), 0);
    assert_true(finds("state", "state.ptrace"));
}

static void a_security_hook_that_is_not_called_is_found(void **state)
{
    uint64_t slot = model_symbol(&model, S_static_calls_table);
    uint64_t key = model_get(&model, slot + model.item[F_lsm_static_call_key]);

    (void)state;
    model_set(&model, key, F_static_call_key_func, image(0x1300));
    assert_true(finds("lsm", "lsm.hook"));
    fresh(NULL);
    model_set(&model, slot, F_lsm_static_call_hl, 0);
    assert_true(finds("lsm", "lsm.missing"));
    fresh(NULL);
    model_set(&model, model_get(&model, slot + model.item[F_lsm_static_call_active]),
              F_static_key_enabled, 0);
    assert_true(finds("lsm", "lsm.missing"));
}

static void a_module_that_is_in_one_view_only_is_found(void **state)
{
    uint64_t list = model_symbol(&model, S_modules), module = MODEL_LINEAR + 0x100;

    (void)state;
    model_put(&model, module + model.item[F_module_list], list);
    model_put(&model, module + model.item[F_module_list] + 8, list);
    model_put(&model, list, module + model.item[F_module_list]);
    model_put(&model, list + 8, module + model.item[F_module_list]);
    assert_true(finds("modules", "modules.hidden"));
}

/* Puts a callback that leads to `function` where `put` says, and looks for the finding. */
static bool finds_callback(const char *check_id, const char *finding, uint64_t at, uint64_t good)
{
    bool clean, foreign, type;

    model_put(&model, at, good);
    clean = introspect_run(&in, check(check_id)) == 0;
    model_put(&model, at, MODEL_LINEAR + 64);
    foreign = finds(check_id, finding);
    model_put(&model, at, image(0x1200)); /* kernel text, of no such type */
    type = finds(check_id, finding);
    return clean && foreign && type;
}

static void a_foreign_notifier_is_found(void **state)
{
    uint64_t block = model_allocate(&model, 64);
    static const enum item heads[][2] = {
        {S_netdev_chain, F_raw_notifier_head_head},
        {S_panic_notifier_list, F_atomic_notifier_head_head},
        {S_module_notify_list, F_blocking_notifier_head_head},
        {S_lease_notifier_chain, F_srcu_notifier_head_head},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        uint64_t head = model_symbol(&model, heads[i][0]) + model.item[heads[i][1]];

        model_put(&model, head, block);
        assert_true(finds_callback("notifiers", "notifiers.call",
                                   block + model.item[F_notifier_block_notifier_call],
                                   image(MODEL_NOTIFIER)));
        model_put(&model, head, 0);
    }
}

static void a_chain_of_notifiers_without_end_is_found(void **state)
{
    uint64_t block = model_allocate(&model, 64);

    (void)state;
    model_put(&model, model_symbol(&model, S_die_chain) + model.item[F_atomic_notifier_head_head],
              block);
    model_set(&model, block, F_notifier_block_notifier_call, image(MODEL_NOTIFIER));
    model_set(&model, block, F_notifier_block_next, block);
    assert_true(finds("notifiers", "report.broken"));
}

static void a_foreign_timer_is_found(void **state)
{
    uint64_t work = model_allocate(&model, 256), timer = work + model.item[F_delayed_work_timer];
    uint64_t slot = model_symbol(&model, S_timer_bases) + 2 * model.item[Z_timer_base] +
                    model.item[F_timer_base_vectors] + 8 * 3; /* the last of the last base */

    (void)state;
    model_put(&model, slot, timer + model.item[F_timer_list_entry]);
    model_set(&model, work + model.item[F_delayed_work_work], F_work_struct_func,
              image(MODEL_WORK));
    assert_true(finds_callback("timers", "timers.function",
                               timer + model.item[F_timer_list_function], image(MODEL_TIMER)));
}

static void foreign_work_that_waits_for_its_time_is_found(void **state)
{
    uint64_t work = model_allocate(&model, 256), timer = work + model.item[F_delayed_work_timer];
    uint64_t slot = model_symbol(&model, S_timer_bases) + model.item[F_timer_base_vectors];

    (void)state;
    model_put(&model, slot, timer + model.item[F_timer_list_entry]);
    model_set(&model, timer, F_timer_list_function, image(MODEL_TIMER));
    assert_true(
        finds_callback("timers", "timers.work",
                       work + model.item[F_delayed_work_work] + model.item[F_work_struct_func],
                       image(MODEL_WORK)));
}

static void a_foreign_high_resolution_timer_is_found(void **state)
{
    uint64_t timer = model_allocate(&model, 256);
    uint64_t tree = model_symbol(&model, S_hrtimer_bases) + model.item[Z_hrtimer_clock_base];

    (void)state;
    model_put(&model, tree, timer + model.item[F_hrtimer_node]);
    assert_true(finds_callback("timers", "timers.hrtimer", timer + model.item[F_hrtimer_function],
                               image(MODEL_HRTIMER)));
}

static void foreign_work_is_found_in_each_queue(void **state)
{
    uint64_t pool = model_allocate(&model, 256), worker = model_allocate(&model, 256),
             work = model_allocate(&model, 256), queue = model_allocate(&model, 256),
             pwq = model_allocate(&model, 256), node = model_allocate(&model, 1024),
             lists[3] = {pool + model.item[F_worker_pool_worklist],
                         worker + model.item[F_worker_scheduled],
                         pwq + model.item[F_pool_workqueue_inactive_works]};

    (void)state;
    model_set(&model, model_symbol(&model, S_worker_pool_idr) + model.item[F_idr_idr_rt],
              F_xarray_xa_head, node | 2);
    model_set(&model, node, F_xa_node_slots, pool);
    for (size_t i = 0; i < 3; i++)
        model_list_init(&model, lists[i]);
    model_list_init(&model, pool + model.item[F_worker_pool_workers]);
    model_list_add(&model, pool + model.item[F_worker_pool_workers],
                   worker + model.item[F_worker_node]);
    model_list_add(&model, model_symbol(&model, S_workqueues),
                   queue + model.item[F_workqueue_struct_list]);
    model_list_init(&model, queue + model.item[F_workqueue_struct_pwqs]);
    model_list_add(&model, queue + model.item[F_workqueue_struct_pwqs],
                   pwq + model.item[F_pool_workqueue_pwqs_node]);
    for (size_t i = 0; i < 3; i++) {
        model_list_add(&model, lists[i], work + model.item[F_work_struct_entry]);
        assert_true(finds_callback("works", "works.pending", work + model.item[F_work_struct_func],
                                   image(MODEL_WORK)));
        model_unlink(&model, work + model.item[F_work_struct_entry]);
    }
    assert_true(finds_callback("works", "works.running", worker + model.item[F_worker_current_func],
                               image(MODEL_WORK)));
}

static void a_foreign_probe_of_a_tracepoint_is_found(void **state)
{
    uint64_t tracepoint = model_allocate(&model, 256), probes = model_allocate(&model, 256);
    uint64_t entry = model_symbol(&model, S___start___tracepoints_ptrs) + 8;

    (void)state;
    tracepoint = model_symbol(&model, S_verity_target); /* within 2 GiB of its entry */
    model_put32(&model, entry, (uint32_t)(tracepoint - entry));
    model_set(&model, tracepoint, F_tracepoint_name, MODEL_LINEAR);
    model_put(&model, tracepoint + model.item[F_tracepoint_funcs], probes);
    model_put(&model, model_symbol(&model, S_verity_target) + model.item[F_tracepoint_probestub],
              image(0x1500));
    assert_true(finds_callback("tracepoints", "tracepoints.probe",
                               probes + model.item[F_tracepoint_func_func], image(0x1500)));
}

static void an_ebpf_program_is_found_unless_policy_allows_it(void **state)
{
    uint64_t program = model_allocate(&model, 256), aux = model_allocate(&model, 256),
             node = model_allocate(&model, 1024);

    (void)state;
    model_set(&model, program, F_bpf_prog_aux, aux);
    model_set(&model, model_symbol(&model, S_prog_idr) + model.item[F_idr_idr_rt], F_xarray_xa_head,
              node | 2);
    model_set(&model, node, F_xa_node_slots, program);
    assert_true(finds("code", "code.bpf"));
    model_allow_state(&model, STATE_BPF, 1);
    assert_int_equal(introspect_run(&in, check("code")), 0);
}

static void a_kprobe_is_found_unless_policy_allows_it(void **state)
{
    uint64_t probe = model_allocate(&model, 256);

    (void)state;
    model_put(&model, model_symbol(&model, S_kprobe_table) + 8 * 63,
              probe + model.item[F_kprobe_hlist]);
    assert_true(finds("code", "code.kprobe"));
    model_allow_state(&model, STATE_KPROBES, 1);
    assert_int_equal(introspect_run(&in, check("code")), 0);
}

static void namespaces_are_those_of_policy(void **state)
{
    uint64_t proxy = model_allocate(&model, 512);
    uint64_t pid = model_get(&model, model.task[3] + model.item[F_task_struct_thread_pid]);

    (void)state;
    model_set(&model, model.task[3], F_task_struct_nsproxy, proxy);
    model_set(&model, proxy, F_nsproxy_net_ns, MODEL_LINEAR);
    assert_true(finds("credentials", "credentials.namespace"));
    model_allow_flags(&model,
                      ALLOW_MAY_NAMESPACE(NAMESPACE_NET) | ALLOW_HAS_NAMESPACE(NAMESPACE_NET));
    assert_int_equal(introspect_run(&in, check("credentials")), 0);
    /* It left its sandbox. */
    model_set(&model, model.task[3], F_task_struct_nsproxy, model_symbol(&model, S_init_nsproxy));
    assert_true(finds("credentials", "credentials.namespace"));
    model_allow_flags(&model, 0);
    model_set(&model, pid, F_pid_level, 1);
    assert_true(finds("credentials", "credentials.namespace"));
    model_set(&model, pid, F_pid_level, 0);
    model_set(&model, model.cred[3], F_cred_user_ns, MODEL_LINEAR);
    assert_true(finds("credentials", "credentials.namespace"));
}

/* A connected socket in the program's table of files, and in the kernel's table if `listed`. */
static uint64_t make_socket(bool listed)
{
    uint64_t files = model_allocate(&model, 256), table = model_allocate(&model, 256),
             slots = model_allocate(&model, 256), file = model_allocate(&model, 256),
             sock = model_allocate(&model, 256), sk = model_allocate(&model, 1024),
             common = sk + model.item[F_sock___sk_common], buckets = model_allocate(&model, 64);

    model_set(&model, model.task[3], F_task_struct_files, files);
    model_set(&model, files, F_files_struct_fdt, table);
    model_set(&model, table, F_fdtable_max_fds, 1);
    model_set(&model, table, F_fdtable_fd, slots);
    model_put(&model, slots, file);
    model_set(&model, file, F_file_f_op, model_symbol(&model, S_socket_file_ops));
    model_set(&model, file, F_file_private_data, sock);
    model_set(&model, sock, F_socket_sk, sk);
    model_set(&model, sk, F_sock_sk_socket, sock);
    model_put(&model, common + model.item[F_sock_common_skc_family], 2);
    model_put(&model, common + model.item[F_sock_common_skc_state], 1);
    model_put(&model, common + model.item[F_sock_common_skc_dport], 0xb322); /* 8883 */
    model_put(&model, common + model.item[F_sock_common_skc_daddr], 0x0202000a);
    model_put(&model, sk + model.item[F_sock_sk_type], 1);
    if (listed) {
        model_set(&model, model_symbol(&model, S_tcp_hashinfo), F_inet_hashinfo_ehash, buckets);
        model_put(&model, buckets + model.item[F_inet_ehash_bucket_chain],
                  common + model.item[F_sock_common_skc_nulls_node]);
        model_put(&model, common + model.item[F_sock_common_skc_nulls_node], 1);
    }
    return slots;
}

static void a_connection_is_compared_with_policy(void **state)
{
    static const struct {
        uint8_t address[4];
        uint32_t bits, port;
        bool good;
    } peers[] = {
        {{10, 0, 2, 2}, 32, 8883, true},
        {{10, 0, 2, 0}, 24, 0, true},
        {{0}, 0, 8883, true},
        {{10, 0, 2, 3}, 32, 8883, false},
        {{10, 0, 2, 2}, 32, 8884, false},
        {{10, 0, 3, 0}, 24, 0, false},
    };

    (void)state;
    (void)make_socket(true);
    assert_true(finds("sockets", "sockets.peer"));
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
        model_allow_peer(&model, peers[i].address, peers[i].bits, peers[i].port);
        assert_true(finds("sockets", "sockets.peer") == !peers[i].good);
    }
    model_allow_flags(&model, ALLOW_ANY_PEER);
    assert_int_equal(introspect_run(&in, check("sockets")), 0);
}

static void a_connection_of_no_process_is_found(void **state)
{
    uint64_t slots = make_socket(true);

    (void)state;
    model_put(&model, slots, 0);
    assert_true(finds("sockets", "sockets.hidden"));
}

static void an_unknown_module_is_found_though_it_does_not_hide(void **state)
{
    (void)state;
    a_module_that_is_in_one_view_only_is_found(state);
    assert_true(finds("modules", "modules.unknown"));
}

static void a_page_is_hashed_once_in_a_deep_check(void **state)
{
    uint64_t hashed;

    (void)state;
    assert_int_equal(introspect_run(&in, check("code")), 0);
    hashed = in.stats.bytes_hashed;
    assert_int_equal(introspect_run(&in, check("cache")), 0);
    assert_true(in.stats.bytes_hashed == hashed);
    /* A check that runs again begins a new one, which sees what changed since. */
    model.ram[model.code_pa - MODEL_RAM_BASE + 8] ^= 1;
    assert_true(finds("code", "code.page"));
}

static void a_page_cache_saves_reads_and_changes_nothing(void **state)
{
    struct introspect_setup setup = model_setup(&model, crypto_openssl.sha256);
    struct introspect other;
    const struct introspect_check *table;
    size_t n = introspect_checks(&table);

    (void)state;
    setup.cache_pages = 0;
    assert_int_equal(introspect_init(&other, &setup), 0);
    assert_int_equal(introspect_locate(&other, &model.regs, 1), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(introspect_run(&in, &table[i]), 0);
        assert_int_equal(introspect_run(&other, &table[i]), 0);
    }
    assert_true(other.stats.reads == other.stats.lookups);
    assert_true(in.stats.lookups == other.stats.lookups);
    assert_true(in.stats.reads < other.stats.reads / 2);
}

static void what_a_check_read_is_forgotten_before_the_next(void **state)
{
    (void)state;
    assert_int_equal(introspect_run(&in, check("state")), 0);
    model_put32(&model, model_symbol(&model, S_ptrace_scope), 0);
    assert_true(finds("state", "state.ptrace"));
}

static void work_memory_that_is_too_small_is_refused(void **state)
{
    struct introspect_setup setup = model_setup(&model, crypto_openssl.sha256);
    struct introspect other;

    (void)state;
    setup.cache_pages++;
    assert_int_equal(introspect_init(&other, &setup), KAPU_EARG);
    setup.cache_pages = 0;
    setup.work_n = INTROSPECT_WORK_MIN - 1;
    assert_int_equal(introspect_init(&other, &setup), KAPU_EARG);
}

static int count_task(void *ctx, const struct introspect_task *t)
{
    uint32_t *n = ctx;

    if (*n == 3) {
        assert_string_equal(t->exe, MODEL_PROGRAM);
        assert_string_equal(t->comm, "a");
        assert_int_equal(t->uid, MODEL_USER);
    }
    ++*n;
    return 0;
}

static void tasks_are_listed_with_their_programs(void **state)
{
    uint32_t n = 0;

    (void)state;
    assert_int_equal(introspect_tasks(&in, count_task, &n), 0);
    assert_int_equal(n, MODEL_TASKS);
}

static int one_mapping(void *ctx, const struct introspect_code *c)
{
    ++*(uint32_t *)ctx;
    assert_true(c->start == MODEL_CODE_VA && c->resident == 1);
    assert_string_equal(c->file, MODEL_PROGRAM);
    return 0;
}

static void executable_memory_is_listed(void **state)
{
    uint32_t n = 0;

    (void)state;
    assert_int_equal(introspect_code(&in, one_mapping, &n), 0);
    assert_int_equal(n, 1);
}

/* A memory that changes a little at each look, as a running kernel's does. */
struct flicker {
    struct mem below;
    uint64_t pa;
    uint32_t looks;
};

static int read_flicker(void *ctx, uint64_t pa, void *to, size_t n)
{
    struct flicker *f = ctx;
    int err = f->below.read(f->below.ctx, pa, to, n);

    if (pa <= f->pa && f->pa - pa < n && f->looks++ == 0)
        ((uint8_t *)to)[f->pa - pa] ^= 0x40;
    return err;
}

static void what_one_of_three_looks_saw_is_no_finding(void **state)
{
    struct flicker f = {in.mem, MODEL_TEXT_PA + 0x2080, 0};

    (void)state;
    in.mem = (struct mem){read_flicker, &f};
    in.attempts = 3;
    assert_int_equal(introspect_run(&in, check("text")), 0);
    f.looks = 0;
    in.attempts = 1;
    assert_int_equal(introspect_run(&in, check("text")), 1);
}

static void a_damaged_profile_is_refused(void **state)
{
    struct introspect_setup setup = model_setup(&model, crypto_openssl.sha256);
    struct introspect other;

    (void)state;
    for (size_t n = 0; n < model.profile_n; n += 7) {
        setup.profile.n = n;
        assert_true(introspect_init(&other, &setup) < 0);
    }
    setup.profile.n = model.profile_n;
    model.profile[28] ^= 1; /* made for another list of items */
    assert_int_equal(introspect_init(&other, &setup), KAPU_EUNSUPPORTED);
    model.profile[28] ^= 1;
    model.profile[8] ^= 2;
    assert_int_equal(introspect_init(&other, &setup), KAPU_EUNSUPPORTED);
}

static void a_damaged_allow_list_is_refused(void **state)
{
    struct introspect_setup setup = model_setup(&model, crypto_openssl.sha256);
    struct introspect other;

    (void)state;
    for (size_t n = 1; n < model.allow_n; n++) {
        setup.allow.n = n;
        assert_true(introspect_init(&other, &setup) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, fresh)
        TEST(the_kernel_is_found_by_its_registers),
        TEST(the_kernel_is_found_while_user_code_runs),
        TEST(the_kernel_is_found_without_registers),
        TEST(the_kernel_is_found_though_its_header_is_gone),
        TEST(the_move_is_found_though_the_kernel_lies_about_it),
        TEST(no_kernel_is_no_kernel),
        TEST(an_untouched_kernel_has_no_finding),
        TEST(each_check_has_a_name_of_its_own),
        TEST(a_changed_instruction_is_found),
        TEST(a_patch_site_may_hold_each_of_its_variants),
        TEST(a_patch_site_may_hold_nothing_else),
        TEST(a_jump_label_that_its_key_does_not_explain_is_found),
        TEST(a_boot_time_pointer_is_that_of_its_variable),
        TEST(a_boot_time_shift_is_that_of_its_variable),
        TEST(a_changed_constant_is_found),
        TEST(a_replaced_system_call_is_found),
        TEST(each_register_is_looked_at),
        TEST(without_registers_their_check_says_so),
        TEST(executable_data_is_found),
        TEST(writable_text_is_found_at_any_address),
        TEST(a_kernel_page_for_users_is_found),
        TEST(a_redirected_page_is_found),
        TEST(tables_that_lead_to_themselves_end),
        TEST(a_foreign_function_pointer_is_found),
        TEST(a_task_is_missed_in_each_view),
        TEST(a_task_that_is_in_no_structure_at_all_is_found_by_its_memory),
        TEST(a_task_that_ends_is_missed_nowhere),
        TEST(a_cyclic_task_list_is_found),
        TEST(a_wild_task_list_is_found),
        TEST(credentials_are_compared_with_policy),
        TEST(restrictions_are_compared_with_policy),
        TEST(foreign_code_in_a_program_is_found),
        TEST(a_writable_executable_mapping_is_found),
        TEST(a_changed_setting_is_found),
        TEST(a_security_hook_that_is_not_called_is_found),
        TEST(a_module_that_is_in_one_view_only_is_found),
        TEST(a_foreign_notifier_is_found),
        TEST(a_chain_of_notifiers_without_end_is_found),
        TEST(a_foreign_timer_is_found),
        TEST(foreign_work_that_waits_for_its_time_is_found),
        TEST(a_foreign_high_resolution_timer_is_found),
        TEST(foreign_work_is_found_in_each_queue),
        TEST(a_foreign_probe_of_a_tracepoint_is_found),
        TEST(an_ebpf_program_is_found_unless_policy_allows_it),
        TEST(a_kprobe_is_found_unless_policy_allows_it),
        TEST(namespaces_are_those_of_policy),
        TEST(a_connection_is_compared_with_policy),
        TEST(a_connection_of_no_process_is_found),
        TEST(an_unknown_module_is_found_though_it_does_not_hide),
        TEST(a_page_is_hashed_once_in_a_deep_check),
        TEST(a_page_cache_saves_reads_and_changes_nothing),
        TEST(what_a_check_read_is_forgotten_before_the_next),
        TEST(work_memory_that_is_too_small_is_refused),
        TEST(tasks_are_listed_with_their_programs),
        TEST(executable_memory_is_listed),
        TEST(what_one_of_three_looks_saw_is_no_finding),
        TEST(a_damaged_profile_is_refused),
        TEST(a_damaged_allow_list_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
