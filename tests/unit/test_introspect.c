// SPDX-License-Identifier: Apache-2.0
/* lib/introspect over the model kernel: clean when it is, each damage named, no memory contents
 * hurt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "introspect_fixture.h"

static void the_kernel_is_found_by_its_registers(void **state)
{
    (void)state;
    assert_true(in.text_pa == MODEL_TEXT_PA);
    assert_true(in.slide == MODEL_SLIDE);
    assert_true(introspect_image_base(&in) == in.profile.base + MODEL_SLIDE);
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

static void a_changed_instruction_is_found(void **state)
{
    (void)state;
    model_put32(&model, image(0x2080), 0xd65f03c0);
    assert_true(finds("text", "text.page"));
}

static void a_changed_byte_is_found_at_its_32_bytes(void **state)
{
    static const uint32_t at[] = {0x2000, 0x2080, 0x20bf, 0x2ffe, 0x8fff};

    (void)state;
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        uint8_t *byte = model.ram + (MODEL_TEXT_PA - MODEL_RAM_BASE) + at[i];

        *byte ^= 0x40;
        assert_true(finds("text", "text.page"));
        assert_true(model.found[0].address == image(at[i] & ~31u));
        assert_true(model.found[0].whole == image(at[i] & ~PAGE_MASK));
        assert_non_null(strstr(model.found[0].detail, ": 32 bytes differ, offset 0x"));
        *byte ^= 0x40;
    }
}

static void what_differs_is_counted_beside_patches_and_relocations(void **state)
{
    (void)state;
    model_put32(&model, image(0x20c0), 0xd65f03c0);
    model_put32(&model, image(MODEL_SITE + 4),
                0xd65f03c0); /* in the same granule as a patch site */
    model_put32(&model, image(0x2800), 0xd65f03c0);
    assert_true(finds("text", "text.page"));
    assert_int_equal(model.found_n, 1);
    assert_true(model.found[0].address == image(0x20c0));
    assert_non_null(strstr(model.found[0].detail, ": 3 pieces of 32 bytes differ"));
}

/* Another content with the same check byte: found as ever, only not told where. */
static void a_page_whose_check_bytes_agree_is_still_judged_by_its_hash(void **state)
{
    uint32_t granules = kapu_le32(model.profile + PROFILE_HEADER + 8 * SECTION_GRANULES);
    uint8_t *byte = model.profile + granules + (0x2080 - MODEL_STEXT) / GRANULE, was = *byte;

    (void)state;
    model_put32(&model, image(0x2080), 0xd65f03c0);
    for (uint32_t guess = 0; guess < 256; guess++) {
        *byte = (uint8_t)guess;
        assert_true(finds("text", "text.page"));
        if (model.found[0].address == image(0x2000))
            break;
        assert_true(guess < 255);
    }
    assert_true(*byte != was);
    assert_null(strstr(model.found[0].detail, "differ"));
}

/* Somebody who changes another place of the page between two looks is found all the same. */
static unsigned page_reads;
static int (*read_before)(void *ctx, uint64_t pa, void *to, size_t n);

static int read_page_that_changes(void *ctx, uint64_t pa, void *to, size_t n)
{
    int err = read_before(ctx, pa, to, n);

    if (pa == MODEL_TEXT_PA + 0x2000 && n == PAGE_SIZE)
        ((uint8_t *)to)[0x800 + GRANULE * page_reads++] ^= 0x40;
    return err;
}

static void a_page_that_differs_elsewhere_each_time_is_one_finding(void **state)
{
    (void)state;
    read_before = in.mem.read;
    in.mem.read = read_page_that_changes;
    in.attempts = 3;
    page_reads = 0;
    model.found_n = 0;
    assert_int_equal(introspect_run(&in, check("text")), 1);
    assert_true(page_reads >= 3);
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

/* Tables that are empty when linked: of software interrupts, of protocols above IP. */
static void a_foreign_handler_is_found(void **state)
{
    const uint64_t protocol = model_allocate(&model, 256),
                   handler = protocol + model.item[F_net_protocol_handler],
                   places[] = {model_symbol(&model, S_softirq_vec) + model.item[Z_softirq_action] +
                                   model.item[F_softirq_action_action],
                               handler, handler};
    static const uint32_t right[] = {MODEL_SOFTIRQ, MODEL_RECEIVE, MODEL_RECEIVE};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        if (i > 0)
            model_put(&model,
                      model_symbol(&model, i == 1 ? S_inet_protos : S_inet6_protos) + 8 * 255,
                      protocol);
        model_put(&model, places[i], image(right[i]));
        assert_int_equal(introspect_run(&in, check("pointers")), 0);
        model_put(&model, places[i], image(0x1200));
        assert_true(finds("pointers", "pointers.handler"));
        model_put(&model, places[i], MODEL_LINEAR + 64);
        assert_true(finds("pointers", "pointers.handler"));
        model_put(&model, places[i], image(right[i]));
    }
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
    model_set(&model, model.task[3], F_task_struct_mm, 0);
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
    assert_true(finds("credentials", "credentials.seccomp")); /* Linux looks at a flag */
    model_set(&model, model.task[3], F_thread_info_flags, 1u << 11);
    assert_int_equal(introspect_run(&in, check("credentials")), 0);
}

static void foreign_code_in_a_program_is_found(void **state)
{
    (void)state;
    model.ram[model.code_pa - MODEL_RAM_BASE + 8] ^= 1;
    assert_true(finds("code", "code.page"));
}

/* A block of 1 GiB that is in no RAM, in a process: a quarter of a million wrong pages without a
 * read. The check ends, and says so, however often it looks. */
static void very_many_wrong_pages_keep_nobody_busy(void **state)
{
    uint64_t root = model_get(&model, model.mm + item(&in, F_mm_struct_pgd));
    uint64_t slot = 8 * (MODEL_CODE_VA >> 39 & 0x1ff);
    uint64_t second =
        MODEL_LINEAR + (model_get(&model, root + slot) & 0xfffffffff000u) - MODEL_RAM_BASE;
    uint64_t block = 0x4000000000u | 1u << 10 | 1u << 7 | 1u << 6 | 1u | 1ull << 53;

    (void)state;
    for (uint64_t i = 0; i < 512; i++) {
        if (i != (MODEL_CODE_VA >> 30 & 0x1ff))
            model_put(&model, second + 8 * i, block);
    }
    for (in.attempts = 1; in.attempts <= 3; in.attempts++) {
        assert_true(finds("code", "code.page"));
        assert_true(finds("code", "report.endless"));
    }
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
    uint32_t wrong; /* of the looks, the first ones */
};

static int read_flicker(void *ctx, uint64_t pa, void *to, size_t n)
{
    struct flicker *f = ctx;
    int err = f->below.read(f->below.ctx, pa, to, n);

    if (pa <= f->pa && f->pa - pa < n && f->looks++ < f->wrong)
        ((uint8_t *)to)[f->pa - pa] ^= 0x40;
    return err;
}

static void what_one_of_three_looks_saw_is_no_finding(void **state)
{
    struct flicker f = {in.mem, MODEL_TEXT_PA + 0x2080, 0, 1};

    (void)state;
    in.mem = (struct mem){read_flicker, &f};
    in.attempts = 3;
    assert_int_equal(introspect_run(&in, check("text")), 0);
    f.looks = 0;
    in.attempts = 1;
    assert_int_equal(introspect_run(&in, check("text")), 1);
}

static void one_page_is_judged_as_it_was(void **state)
{
    const uint64_t page = MODEL_TEXT_PA + 0x2000;

    (void)state;
    in.attempts = 3;
    model_put32(&model, image(MODEL_JUMP), 0x14000010); /* its key is not asked */
    assert_int_equal(introspect_run_page(&in, page), 0);
    model_put32(&model, image(0x2080), 0xd65f03c0);
    assert_int_equal(introspect_run_page(&in, page), 1);
    assert_int_equal(introspect_run_page(&in, page + PAGE_SIZE), 0);
    assert_int_equal(introspect_run_page(&in, page + 8), KAPU_EARG);
    assert_int_equal(introspect_run_page(&in, MODEL_RAM_BASE), KAPU_EARG);
}

static void a_kernel_with_jump_labels_is_told(void **state)
{
    (void)state;
    assert_true(introspect_has_jump_labels(&in));
}

/* The task list is caught in each attempt while it changes; one that stays broken is a finding. */
static void what_cannot_be_followed_is_begun_anew_while_the_system_runs(void **state)
{
    uint64_t next = model_symbol(&model, S_init_task) + item(&in, F_task_struct_tasks);
    struct flicker f = {in.mem, MODEL_TEXT_PA + (next - image(0)), 0, 3};

    (void)state;
    in.mem = (struct mem){read_flicker, &f};
    in.attempts = 3;
    assert_int_equal(introspect_run(&in, check("credentials")), 0);
    assert_true(f.looks > f.wrong);
    f.wrong = UINT32_MAX;
    assert_true(finds("credentials", "report.broken"));
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
    model_seal(&model, crypto_openssl.sha256);
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
        TEST(a_changed_byte_is_found_at_its_32_bytes),
        TEST(what_differs_is_counted_beside_patches_and_relocations),
        TEST(a_page_whose_check_bytes_agree_is_still_judged_by_its_hash),
        TEST(a_page_that_differs_elsewhere_each_time_is_one_finding),
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
        TEST(a_foreign_handler_is_found),
        TEST(a_task_is_missed_in_each_view),
        TEST(a_task_that_is_in_no_structure_at_all_is_found_by_its_memory),
        TEST(a_task_that_ends_is_missed_nowhere),
        TEST(a_cyclic_task_list_is_found),
        TEST(a_wild_task_list_is_found),
        TEST(credentials_are_compared_with_policy),
        TEST(restrictions_are_compared_with_policy),
        TEST(foreign_code_in_a_program_is_found),
        TEST(very_many_wrong_pages_keep_nobody_busy),
        TEST(a_writable_executable_mapping_is_found),
        TEST(a_changed_setting_is_found),
        TEST(a_security_hook_that_is_not_called_is_found),
        TEST(tasks_are_listed_with_their_programs),
        TEST(executable_memory_is_listed),
        TEST(what_one_of_three_looks_saw_is_no_finding),
        TEST(one_page_is_judged_as_it_was),
        TEST(a_kernel_with_jump_labels_is_told),
        TEST(what_cannot_be_followed_is_begun_anew_while_the_system_runs),
        TEST(a_damaged_profile_is_refused),
        TEST(a_damaged_allow_list_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
