// SPDX-License-Identifier: Apache-2.0
/* lib/introspect over the model kernel: what the kernel will call, what policy says of what is
 * loaded and of connections, and how often memory is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "introspect_fixture.h"

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
    model_set(&model, tree, F_rb_root_cached_rb_leftmost, timer + model.item[F_hrtimer_node]);
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

#define GOING 2u /* enum module_state */

static void a_module_that_goes_may_be_missing_elsewhere(void **state)
{
    (void)state;
    a_module_that_is_in_one_view_only_is_found(state);
    model_put32(&model, MODEL_LINEAR + 0x100 + model.item[F_module_state], GOING);
    assert_false(finds("modules", "modules.hidden"));
}

static int (*true_read)(void *ctx, uint64_t pa, void *to, size_t n);
static unsigned switches; /* left: how often the module goes and comes */

/* Each time that the head of the list is read the module has gone, or has come back. */
static int read_list_that_moves(void *ctx, uint64_t pa, void *to, size_t n)
{
    uint64_t list = model_symbol(&model, S_modules), module = MODEL_LINEAR + 0x100;

    if (pa <= model_pa(list) && model_pa(list) - pa < n && switches > 0) {
        switches--;
        if (model_get(&model, list) == list)
            model_list_add(&model, list, module + model.item[F_module_list]);
        else
            model_unlink(&model, module + model.item[F_module_list]);
    }
    return true_read(ctx, pa, to, n);
}

static bool finds_moving_module(unsigned times)
{
    if (in.mem.read != read_list_that_moves)
        true_read = in.mem.read;
    in.mem.read = read_list_that_moves;
    in.cache_pages = 0; /* a look reads the head twice, whatever else is in its page */
    switches = times;
    return finds("modules", "modules.hidden");
}

static void a_module_that_comes_or_goes_meanwhile_is_no_finding(void **state)
{
    (void)state;
    assert_false(finds_moving_module(2));
    assert_int_equal(switches, 0);
    assert_false(finds_moving_module(10));
    assert_int_equal(switches, 0);
}

static void a_module_that_comes_and_goes_all_the_time_is_found(void **state)
{
    (void)state;
    assert_true(finds_moving_module(1000));
}

/* A page of data, executable and read-only, is the code of a module of that name, in the list. */
static uint64_t make_module_code(const char *name)
{
    uint64_t list = model_symbol(&model, S_modules), module = MODEL_LINEAR + 0x100;
    uint64_t pte = model_pte(&model, image(MODEL_DATA));
    uint64_t text = module + model.item[F_module_mem] +
                    (uint64_t)model.item[V_MOD_TEXT] * model.item[Z_module_memory];

    model_put(&model, pte, (model_get(&model, pte) | 1 << 7) & ~(1ull << 53));
    memcpy(model.ram + (model_pa(module + model.item[F_module_name]) - MODEL_RAM_BASE), name,
           strlen(name) + 1);
    model_put(&model, text + model.item[F_module_memory_base], image(MODEL_DATA));
    model_put32(&model, text + model.item[F_module_memory_size], 4096);
    model_list_add(&model, list, module + model.item[F_module_list]);
    return module + model.item[F_module_list];
}

/* The model's allow-list has one string that a state can point to: the program's path. */
static void let_policy_know_the_module(void)
{
    model_allow_state(&model, (enum allow_state)STATE_MODULE, model_allow_program_name(&model));
}

static void code_of_a_known_module_may_stay_a_while_after_it_went(void **state)
{
    uint64_t node = make_module_code(MODEL_PROGRAM);

    (void)state;
    let_policy_know_the_module();
    assert_false(finds("tables", "tables.exec"));
    model_unlink(&model, node);
    assert_false(finds("tables", "tables.exec"));
    assert_true(finds("tables", "tables.exec"));
}

static void code_of_an_unknown_module_may_not(void **state)
{
    uint64_t node = make_module_code("rootkit");

    (void)state;
    let_policy_know_the_module();
    assert_false(finds("tables", "tables.exec"));
    model_unlink(&model, node);
    assert_true(finds("tables", "tables.exec"));
}

static void many_findings_of_one_kind_do_not_hide_another_kind(void **state)
{
    struct finding f[4] = {{.id = "a"}, {.id = "b"}, {.id = "b"}, {.id = "a"}};

    (void)state;
    assert_int_equal(introspect_spare(f, 4, "c"), 3);
    assert_int_equal(introspect_spare(f, 3, "c"), 2);
    assert_int_equal(introspect_spare(f, 2, "c"), 2);
    assert_int_equal(introspect_spare(f, 4, "b"), 4);
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

/* Where the kernel runs on, a copy serves for some lookups only. */
static void a_page_of_the_cache_gets_old(void **state)
{
    struct introspect_setup setup = model_setup(&model, crypto_openssl.sha256);
    static const uint32_t ages[] = {1, 16, 0};
    uint64_t reads = UINT64_MAX;

    (void)state;
    for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
        struct introspect other;

        setup.cache_age = ages[i];
        assert_int_equal(introspect_init(&other, &setup), 0);
        assert_int_equal(introspect_locate(&other, &model.regs, 1), 0);
        assert_int_equal(introspect_run(&other, check("processes")), 0);
        assert_true(other.stats.reads < reads);
        reads = other.stats.reads;
    }
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

struct account {
    uint32_t pages;
    uint8_t kind[MODEL_RAM_SIZE / PAGE_SIZE];
};

static int note_pages(void *ctx, uint64_t pa, uint32_t pages, enum introspect_page kind)
{
    struct account *a = ctx;

    assert_true(pa == MODEL_RAM_BASE + (uint64_t)a->pages * PAGE_SIZE && pages > 0);
    assert_true(pages <= sizeof(a->kind) - a->pages);
    memset(a->kind + a->pages, (int)kind, pages);
    a->pages += pages;
    return 0;
}

static void what_each_page_is_used_for_is_told(void **state)
{
    const uint64_t free = MODEL_RAM_BASE + MODEL_RAM_SIZE - 4 * PAGE_SIZE,
                   cached = free - PAGE_SIZE, anonymous = cached - PAGE_SIZE,
                   reserved = anonymous - PAGE_SIZE;
    const struct {
        uint64_t pa;
        enum introspect_page kind;
    } wanted[] = {
        {MODEL_TEXT_PA + 0x2000, INTROSPECT_PAGE_TEXT},
        {MODEL_TEXT_PA + 0xa000, INTROSPECT_PAGE_RODATA},
        {MODEL_TEXT_PA + MODEL_DATA, INTROSPECT_PAGE_DATA},
        {in.root_pa, INTROSPECT_PAGE_TABLE},
        {model_pa(model.slab), INTROSPECT_PAGE_SLAB},
        {model.code_pa, INTROSPECT_PAGE_CODE},
        {reserved, INTROSPECT_PAGE_RESERVED},
        {anonymous, INTROSPECT_PAGE_ANONYMOUS},
        {cached, INTROSPECT_PAGE_CACHE},
        {free + 3 * PAGE_SIZE, INTROSPECT_PAGE_FREE},
    };
    struct account a = {0};

    (void)state;
    model_set(&model, model_page(&model, reserved), F_page_flags,
              1ull << model.item[V_PG_reserved]);
    model_set(&model, model_page(&model, anonymous), F_folio_mapping, MODEL_LINEAR + 1);
    model_set(&model, model_page(&model, cached), F_folio_mapping, MODEL_LINEAR);
    for (uint64_t pa = anonymous; pa <= cached; pa += PAGE_SIZE)
        model_put32(&model, model_page(&model, pa) + model.item[F_page__refcount], 1);
    model_set(&model, model_page(&model, free), F_page_private, 2); /* 4 pages */
    model_put32(&model, model_page(&model, free) + model.item[F_page_page_type], 0xf0000000u);
    for (uint64_t pa = free + PAGE_SIZE; pa < free + 4 * PAGE_SIZE; pa += PAGE_SIZE)
        model_put32(&model, model_page(&model, pa) + model.item[F_page__refcount], 7);
    assert_int_equal(introspect_run(&in, check("code")), 0);
    assert_int_equal(introspect_pages(&in, note_pages, &a), 0);
    assert_int_equal(a.pages, MODEL_RAM_SIZE / PAGE_SIZE);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        assert_int_equal(a.kind[(wanted[i].pa - MODEL_RAM_BASE) / PAGE_SIZE], wanted[i].kind);
}

static void a_finding_says_which_page_it_is_about(void **state)
{
    (void)state;
    model_put32(&model, image(0x2080), 0xd65f03c0);
    assert_true(finds("text", "text.page") && model.found[0].pa == MODEL_TEXT_PA + 0x2000);
    model_put(&model, image(MODEL_HOOK), MODEL_LINEAR + 64); /* by its virtual address */
    assert_true(finds("pointers", "pointers.foreign") &&
                model.found[0].pa == MODEL_TEXT_PA + MODEL_HOOK);
    model.ram[model.code_pa - MODEL_RAM_BASE + 8] ^= 1;
    assert_true(finds("code", "code.page") && model.found[0].pa == model.code_pa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, fresh)
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
        TEST(a_module_that_is_in_one_view_only_is_found),
        TEST(a_module_that_goes_may_be_missing_elsewhere),
        TEST(a_module_that_comes_or_goes_meanwhile_is_no_finding),
        TEST(a_module_that_comes_and_goes_all_the_time_is_found),
        TEST(code_of_a_known_module_may_stay_a_while_after_it_went),
        TEST(code_of_an_unknown_module_may_not),
        TEST(many_findings_of_one_kind_do_not_hide_another_kind),
        TEST(an_unknown_module_is_found_though_it_does_not_hide),
        TEST(a_page_is_hashed_once_in_a_deep_check),
        TEST(a_page_cache_saves_reads_and_changes_nothing),
        TEST(a_page_of_the_cache_gets_old),
        TEST(what_a_check_read_is_forgotten_before_the_next),
        TEST(work_memory_that_is_too_small_is_refused),
        TEST(what_each_page_is_used_for_is_told),
        TEST(a_finding_says_which_page_it_is_about),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
