// SPDX-License-Identifier: Apache-2.0
/* lib/introspect over the model kernel: who leads a check past what it would find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "introspect_fixture.h"

#define FOREIGN (MODEL_LINEAR + 64)
#define RIGHT 8u /* of struct rb_node */
#define LEFT 16u

static bool is_clean(const char *id)
{
    return introspect_run(&in, check(id)) == 0;
}

/* ---- cores ---- */

static void there_are_as_many_cores_as_linux_made_room_for(void **state)
{
    static const struct {
        uint32_t cpus;
        uint64_t possible;
        bool good;
    } cases[] = {{1, 1, true},  {2, 3, true},  {3, 5, true},    {8, 0x80, true},
                 {1, 3, false}, {2, 1, false}, {7, 0xc0, false}};

    (void)state;
    in.cpus = 0; /* a dump: no registers are known */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        model_put32(&model, model_symbol(&model, S_nr_cpu_ids), cases[i].cpus);
        model_put(&model, model_symbol(&model, S___cpu_possible_mask), cases[i].possible);
        assert_true(finds("timers", "report.broken") == !cases[i].good);
    }
}

/* ---- trees ---- */

static uint64_t first_clock(void)
{
    return model_symbol(&model, S_hrtimer_bases);
}

/* A high-resolution timer that calls that; its node. */
static uint64_t timer_node(uint64_t function)
{
    const uint64_t timer = model_allocate(&model, 256);

    model_set(&model, timer, F_hrtimer_function, function);
    return timer + model.item[F_hrtimer_node];
}

static void set_first(uint64_t node)
{
    model_set(&model, first_clock(), F_rb_root_cached_rb_leftmost, node);
}

/* A tree of two below its root: the first, and to the right of that one another. */
static void a_node_whose_parent_is_not_its_own_is_broken(void **state)
{
    const uint64_t root = timer_node(image(MODEL_HRTIMER)), left = timer_node(image(MODEL_HRTIMER)),
                   first = timer_node(image(MODEL_HRTIMER));

    (void)state;
    model_put(&model, first_clock(), root);
    model_put(&model, root + LEFT, left);
    model_put(&model, left, root | 1);
    model_put(&model, left + LEFT, first);
    model_put(&model, left + RIGHT, timer_node(FOREIGN));
    model_put(&model, model_get(&model, left + RIGHT), left);
    model_put(&model, first, left);
    set_first(first);
    assert_true(finds("timers", "timers.hrtimer"));
    assert_false(finds("timers", "report.broken"));
    model_put(&model, first, root); /* past `left` and what is to the right of it */
    assert_true(finds("timers", "report.broken"));
}

static void the_timer_that_runs_next_is_the_first_of_its_tree(void **state)
{
    const uint64_t root = timer_node(image(MODEL_HRTIMER)), left = timer_node(image(MODEL_HRTIMER)),
                   other = timer_node(image(MODEL_HRTIMER));
    const uint64_t wrong[] = {0, root, other};

    (void)state;
    model_put(&model, first_clock(), root);
    model_put(&model, root + LEFT, left);
    model_put(&model, left, root);
    set_first(left);
    assert_true(is_clean("timers"));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        set_first(wrong[i]);
        assert_true(finds("timers", "timers.hrtimer"));
        assert_false(finds("timers", "report.broken"));
    }
    model_put(&model, first_clock(), 0); /* an empty tree, and one that would run */
    assert_true(finds("timers", "timers.hrtimer"));
    set_first(0);
    assert_true(is_clean("timers"));
}

/* ---- sockets ---- */

#define STREAM 1u
#define DATAGRAM 2u
#define RAW 3u

static void set_kind(uint64_t sk, enum item served_by, uint32_t family, uint32_t type)
{
    const uint64_t common = sk + model.item[F_sock___sk_common];

    model_set(&model, common, F_sock_common_skc_prot, model_symbol(&model, served_by));
    model_set(&model, common, F_sock_common_skc_family, family);
    model_set(&model, sk, F_sock_sk_type, type);
}

/* The file that the program has open is a socket. */
static uint64_t open_socket(void)
{
    const uint64_t files = model_get(&model, model.task[3] + model.item[F_task_struct_files]),
                   file = model_get(&model, files + 192), sock = model_allocate(&model, 256),
                   sk = model_allocate(&model, 1024);

    model_set(&model, file, F_file_f_op, model_symbol(&model, S_socket_file_ops));
    model_set(&model, file, F_file_private_data, sock);
    model_set(&model, sock, F_socket_sk, sk);
    model_set(&model, sk, F_sock_sk_socket, sock);
    model_allow_flags(&model, ALLOW_RAW | ALLOW_ANY_PEER);
    return sk;
}

static void a_socket_is_what_serves_it(void **state)
{
    static const struct {
        enum item served_by;
        uint32_t family, type;
    } kinds[] = {{S_tcp_prot, 2, STREAM},       {S_udp_prot, 2, DATAGRAM},
                 {S_raw_prot, 2, RAW},          {S_tcpv6_prot, 10, STREAM},
                 {S_udpv6_prot, 10, DATAGRAM},  {S_rawv6_prot, 10, RAW},
                 {S_packet_proto, 17, DATAGRAM}};
    const uint64_t sk = open_socket();

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        set_kind(sk, kinds[i].served_by, kinds[i].family, kinds[i].type);
        assert_true(is_clean("sockets"));
        set_kind(sk, kinds[i].served_by, 0, kinds[i].type);
        assert_true(finds("sockets", "sockets.disguised"));
        set_kind(sk, kinds[i].served_by, kinds[i].family, 5);
        assert_true(finds("sockets", "sockets.disguised") == (kinds[i].family != 17));
    }
    set_kind(sk, S_super_blocks, 1, STREAM); /* a socket of no network */
    assert_true(is_clean("sockets"));
}

/* Functions of its own serve it, copies of the kernel's; but the kernel finds it in its tables. */
static void a_socket_in_the_tables_is_one_of_the_network(void **state)
{
    const uint64_t sk = open_socket(), common = sk + model.item[F_sock___sk_common],
                   buckets = model_allocate(&model, 64);

    (void)state;
    model_set(&model, common, F_sock_common_skc_state, 1);
    model_set(&model, model_symbol(&model, S_tcp_hashinfo), F_inet_hashinfo_ehash, buckets);
    model_set(&model, buckets, F_inet_ehash_bucket_chain,
              common + model.item[F_sock_common_skc_nulls_node]);
    model_set(&model, common, F_sock_common_skc_nulls_node, 1);
    set_kind(sk, S_super_blocks, 2, STREAM);
    assert_true(is_clean("sockets"));
    set_kind(sk, S_super_blocks, 0, STREAM);
    assert_true(finds("sockets", "sockets.disguised"));
    set_kind(sk, S_super_blocks, 2, RAW);
    assert_true(finds("sockets", "sockets.disguised"));
}

/* ---- security hooks ---- */

static void a_static_call_that_is_switched_on_belongs_to_a_hook(void **state)
{
    (void)state;
    for (uint32_t i = 1; i < MODEL_SLOTS; i++) { /* of a hook with a module, and of one without */
        fresh(state);
        model_set(&model, model_slot_key(i), F_static_call_key_func, FOREIGN);
        assert_true(is_clean("lsm"));
        model_put32(&model, model_slot_active(i), 1);
        assert_true(finds("lsm", "lsm.hook"));
        model_set(&model, model_slot_key(i), F_static_call_key_func, image(0x1200));
        assert_true(finds("lsm", "lsm.hook")); /* whatever it leads to */
        model_set(&model, model_slot_key(i), F_static_call_key_func, FOREIGN);
        /* It says that it belongs to the hook that there is. */
        model_set(&model, model_slot(&model, i), F_lsm_static_call_hl,
                  model_symbol(&model, S_super_blocks));
        assert_true(finds("lsm", "lsm.hook"));
    }
}

/* The table leads to copies that are as they should be; the code knows better. */
static void what_the_table_says_of_its_static_calls_is_not_believed(void **state)
{
    const uint64_t copy = model_allocate(&model, 256), slot = model_slot(&model, 0);

    (void)state;
    model_set(&model, slot, F_lsm_static_call_key, copy);
    model_set(&model, slot, F_lsm_static_call_active, copy + 64);
    model_set(&model, copy, F_static_call_key_func, image(0x1200));
    model_put32(&model, copy + 64, 1);
    assert_true(finds("lsm", "lsm.hook"));
    model_put32(&model, model_slot_active(0), 0);
    assert_true(finds("lsm", "lsm.missing"));
}

/* ---- what is not there, or too much ---- */

static void operations_in_what_may_change_are_judged_by_their_functions(void **state)
{
    const uint64_t entry = model_get(&model, model_symbol(&model, S_proc_root) +
                                                 model.item[F_proc_dir_entry_subdir]) -
                           model.item[F_proc_dir_entry_subdir_node],
                   table = model_symbol(&model, S_reserved_pg_dir) + 2048;

    (void)state;
    model_set(&model, entry, F_proc_dir_entry_proc_ops, table);
    model_put(&model, table, image(0x1200));
    assert_true(is_clean("operations"));
    model_put(&model, table + 8, FOREIGN);
    assert_true(finds("operations", "operations.function"));
}

static void a_kernel_without_the_roots_file_system_is_found(void **state)
{
    const uint64_t sb =
        model_get(&model, model_symbol(&model, S_super_blocks)) - model.item[F_super_block_s_list];
    const uint64_t nodes = sb + model.item[F_super_block_s_inodes];

    (void)state;
    assert_true(is_clean("cache")); /* of a release without a root image */
    in.allow.section[ALLOW_ROOT].count = 32;
    assert_true(finds("cache", "cache.missing"));
    model_list_init(&model, nodes);
    model_set(&model, sb, F_super_block_s_magic, 0xe0f5e1e2);
    assert_true(is_clean("cache"));
}

static void more_packet_filters_than_anyone_has_are_no_reason_to_stop(void **state)
{
    const uint64_t entries = model_allocate(&model, 256), hooks = model_symbol(&model, S_init_net) +
                                                                  model.item[F_net_nf] +
                                                                  model.item[F_netns_nf_hooks_ipv4];

    (void)state;
    model_put(&model, hooks, entries);
    assert_true(is_clean("netfilter"));
    model_set(&model, entries, F_nf_hook_entries_num_hook_entries, 1025);
    assert_true(finds("netfilter", "report.broken"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, fresh)
        TEST(there_are_as_many_cores_as_linux_made_room_for),
        TEST(a_node_whose_parent_is_not_its_own_is_broken),
        TEST(the_timer_that_runs_next_is_the_first_of_its_tree),
        TEST(a_socket_is_what_serves_it),
        TEST(a_socket_in_the_tables_is_one_of_the_network),
        TEST(a_static_call_that_is_switched_on_belongs_to_a_hook),
        TEST(what_the_table_says_of_its_static_calls_is_not_believed),
        TEST(operations_in_what_may_change_are_judged_by_their_functions),
        TEST(a_kernel_without_the_roots_file_system_is_found),
        TEST(more_packet_filters_than_anyone_has_are_no_reason_to_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
