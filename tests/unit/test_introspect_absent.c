// SPDX-License-Identifier: Apache-2.0
/*
 * "Could not look" is never "found something": memory that a dump lacks, anywhere, is no finding,
 * and what is wrong elsewhere is still found. Profile and allow-list that are damaged, or of
 * another build, are refused before anything is looked at.
 */
#include "introspect_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGES (MODEL_RAM_SIZE / PAGE_SIZE)
#define SEED 0x6b617075u

static bool absent[PAGES];

/* The model's memory without the pages of `absent`. */
static int read_rest(void *ctx, uint64_t pa, void *to, size_t n)
{
    struct introspect_setup whole = model_setup(ctx, crypto_openssl.sha256);
    uint64_t first = (pa - MODEL_RAM_BASE) / PAGE_SIZE,
             last = (pa - MODEL_RAM_BASE + n - 1) / PAGE_SIZE;

    for (uint64_t i = first; n > 0 && i <= last && i < PAGES; i++) {
        if (absent[i])
            return KAPU_EABSENT;
    }
    return whole.mem.read(ctx, pa, to, n);
}

static int open_rest(struct introspect *rest, uint32_t attempts)
{
    struct introspect_setup setup = model_setup(&model, crypto_openssl.sha256);

    setup.mem = (struct mem){read_rest, &model};
    setup.attempts = attempts;
    assert_int_equal(introspect_init(rest, &setup), 0);
    model.found_n = 0;
    return introspect_locate(rest, &model.regs, 1);
}

static int without_pages(void **state)
{
    memset(absent, 0, sizeof(absent));
    return fresh(state);
}

/* Runs all checks; how many could not be made as a whole. */
static uint32_t run_all(struct introspect *rest)
{
    const struct introspect_check *table;
    size_t n = introspect_checks(&table);
    uint32_t lacking = 0;

    for (size_t i = 0; i < n; i++) {
        int result = introspect_run(rest, &table[i]);

        if (result == KAPU_EABSENT)
            lacking++;
        else if (result != 0 && result != KAPU_EUNSUPPORTED)
            fail_msg("%s: %d", table[i].id, result);
    }
    if (model.found_n > 0)
        fail_msg("%s %s: %s", model.found[0].id, model.found[0].object, model.found[0].detail);
    return lacking;
}

/* A clean system of which pages lack: whatever they are, nothing is found. */
static uint32_t nothing_is_found(uint32_t attempts)
{
    static struct introspect rest;
    int err = open_rest(&rest, attempts);

    assert_true(err == 0 || err == KAPU_EABSENT);
    return err == 0 ? run_all(&rest) : 1;
}

static bool any_absent(uint32_t first, uint32_t n)
{
    uint32_t lacking;

    for (uint32_t i = first; i < first + n && i < PAGES; i++)
        absent[i] = true;
    lacking = nothing_is_found(1);
    memset(absent, 0, sizeof(absent));
    return lacking > 0;
}

static void no_page_that_is_absent_is_a_finding(void **state)
{
    uint32_t noticed = 0;

    (void)state;
    assert_int_equal(nothing_is_found(1), 0); /* control: all is there */
    for (uint32_t page = 0; page < PAGES; page++)
        noticed += any_absent(page, 1) ? 1 : 0;
    assert_true(noticed > 30 && noticed <= PAGES);
}

static void no_hole_and_no_cut_is_a_finding(void **state)
{
    (void)state;
    for (uint32_t n = 2; n < PAGES; n *= 2) {
        for (uint32_t first = 0; first < PAGES; first += n / 2)
            (void)any_absent(first, n);
    }
    for (uint32_t first = 1; first < PAGES; first += 3)
        (void)any_absent(first, PAGES - first);
    assert_true(any_absent(0, PAGES));
}

static void no_holes_in_many_places_are_a_finding(void **state)
{
    uint32_t seed = SEED;

    (void)state;
    for (uint32_t round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < PAGES; i++) {
            seed = seed * 1664525u + 1013904223u;
            absent[i] = seed >> 16 < 0x10000u / (4 + round % 60);
        }
        (void)nothing_is_found(1 + round % 3);
    }
}

static bool found(const char *id)
{
    for (size_t i = 0; i < model.found_n; i++) {
        if (strcmp(model.found[i].id, id) == 0)
            return true;
    }
    return false;
}

/* Runs a check on the model without a page. */
static int run_without(const char *id, uint64_t pa)
{
    static struct introspect rest;

    memset(absent, 0, sizeof(absent));
    absent[(pa - MODEL_RAM_BASE) / PAGE_SIZE] = true;
    assert_int_equal(open_rest(&rest, 1), 0);
    return introspect_run(&rest, check(id));
}

static void what_is_wrong_is_found_next_to_absent_memory(void **state)
{
    const uint64_t text = MODEL_TEXT_PA + 0x3000, other = MODEL_TEXT_PA + 0x5000;

    (void)state;
    model.ram[text - MODEL_RAM_BASE] ^= 1; /* before the absent page, and after one */
    assert_int_equal(run_without("text", other), KAPU_EABSENT);
    assert_true(found("text.page"));
    assert_int_equal(run_without("text", MODEL_TEXT_PA + 0x2000), KAPU_EABSENT);
    assert_true(found("text.page"));
    assert_int_equal(run_without("text", text), KAPU_EABSENT);
    assert_false(found("text.page"));
    model.ram[text - MODEL_RAM_BASE] ^= 1;
    assert_int_equal(run_without("text", other), KAPU_EABSENT);
    assert_false(found("text.page"));
}

static void a_hidden_task_is_found_though_a_view_is_absent(void **state)
{
    uint64_t table = model_symbol(&model, S_init_pid_ns) + model.item[F_pid_namespace_idr] +
                     model.item[F_idr_idr_rt] + model.item[F_xarray_xa_head];
    uint64_t old = model_get(&model, table) & ~3ull, page = model_allocate(&model, PAGE_SIZE);

    (void)state;
    for (uint64_t i = 0; i < 1024; i += 8) /* the table's node, in a page of its own */
        model_put(&model, page + i, model_get(&model, old + i));
    model_put(&model, table, page | 2);
    assert_int_equal(run_without("processes", model_pa(page)), KAPU_EABSENT);
    assert_int_equal(model.found_n, 0);
    model_unlink(&model, model.task[3] + model.item[F_task_struct_tasks]);
    assert_int_equal(run_without("processes", model_pa(page)), KAPU_EABSENT);
    assert_true(found("processes.list") && !found("processes.pid"));
}

static void what_does_not_need_it_is_clean(void **state)
{
    (void)state;
    assert_int_equal(run_without("state", MODEL_TEXT_PA + 0x3000), 0);
    assert_int_equal(run_without("text", MODEL_TEXT_PA + 0x3000), KAPU_EABSENT);
}

/* ---- profile and allow-list ---- */

static int opens(void)
{
    struct introspect_setup setup = model_setup(&model, crypto_openssl.sha256);
    static struct introspect other;

    return introspect_init(&other, &setup);
}

static void each_flipped_bit_is_refused(uint8_t *file, size_t n, size_t step)
{
    assert_int_equal(opens(), 0);
    for (size_t bit = 0; bit < 8 * n; bit += step) {
        int err;

        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
        err = opens();
        if (err >= 0 || (bit / 8 >= SECTIONED_HEADER && err != KAPU_EAUTH))
            fail_msg("bit %zu: %d", bit, err);
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(opens(), 0);
}

static void each_flipped_bit_of_the_allow_list_is_refused(void **state)
{
    (void)state;
    each_flipped_bit_is_refused(model.allow, model.allow_n, 1);
}

static void each_flipped_bit_of_the_profile_is_refused(void **state)
{
    (void)state;
    each_flipped_bit_is_refused(model.profile, model.profile_n, 5); /* each place in a byte comes */
}

static void seal(uint8_t *file, size_t n)
{
    struct bytes content = {file, n - SECTIONED_DIGEST};

    assert_int_equal(
        crypto_openssl.sha256.hash(crypto_openssl.sha256.ctx, &content, 1, file + content.n), 0);
}

static void an_allow_list_of_another_profile_is_refused(void **state)
{
    (void)state;
    assert_int_equal(opens(), 0);
    model.profile[model.profile_n - SECTIONED_DIGEST - 1] ^=
        1; /* between the sections: good by itself */
    assert_int_equal(opens(), KAPU_EAUTH);
    seal(model.profile, model.profile_n);
    assert_int_equal(opens(), KAPU_EPIN);
    model_seal(&model, crypto_openssl.sha256);
    assert_int_equal(opens(), 0);
    model.allow[ALLOW_PROFILE] ^= 1;
    assert_int_equal(opens(), KAPU_EAUTH);
    seal(model.allow, model.allow_n);
    assert_int_equal(opens(), KAPU_EPIN);
}

/* ---- whether it can be compared ---- */

static enum introspect_fit fits(void)
{
    char root[INTROSPECT_ROOT];

    return introspect_fits(&in, root);
}

static void a_kernel_that_starts_is_told_from_one_that_says_so(void **state)
{
    uint64_t mm = model_get(&model, model.task[3] + model.item[F_task_struct_mm]);

    (void)state;
    assert_int_equal(fits(), INTROSPECT_FITS); /* a program runs, whatever the kernel says */
    model_set(&model, model.task[3], F_task_struct_mm, 0);
    assert_int_equal(fits(), INTROSPECT_STARTING);
    model_put32(&model, model_symbol(&model, S_system_state), model.item[V_SYSTEM_RUNNING]);
    assert_int_equal(fits(), INTROSPECT_FITS);
    model_set(&model, model.task[3], F_task_struct_mm, mm);
}

static void put_line(const char *text)
{
    uint64_t line = model_allocate(&model, PAGE_SIZE);

    memcpy(model.ram + (model_pa(line) - MODEL_RAM_BASE), text, strlen(text));
    model_put(&model, model_symbol(&model, S_saved_command_line), line);
}

/* A device of dm-verity whose root hash is 32 times that byte. */
static void put_device(uint8_t byte)
{
    uint64_t cell = model_allocate(&model, 512), md = model_allocate(&model, 512),
             map = model_allocate(&model, 512), target = model_allocate(&model, 512),
             private = model_allocate(&model, 512), digest = model_allocate(&model, 64);

    model_put(&model, model_symbol(&model, S_name_rb_tree),
              cell + model.item[F_hash_cell_name_node]);
    model_set(&model, cell, F_hash_cell_name, cell + 256);
    model_set(&model, cell, F_hash_cell_md, md);
    model_set(&model, md, F_mapped_device_map, map);
    model_set(&model, map, F_dm_table_num_targets, 1);
    model_set(&model, map, F_dm_table_targets, target);
    model_set(&model, target, F_dm_target_type, model_symbol(&model, S_verity_target));
    model_set(&model, target, F_dm_target_private, private);
    model_set(&model, private, F_dm_verity_root_digest, digest);
    model_put32(&model, private + model.item[F_dm_verity_digest_size], 32);
    memset(model.ram + (model_pa(digest) - MODEL_RAM_BASE), byte, 32);
}

/* dm-mod.create of a command line; the salt, which is as long, comes after the root hash. */
static void put_root(char digit)
{
    char line[256] =
        "console=ttyAMA0 dm-mod.create=\"root,,,ro,0 8 verity 1 a a 4096 4096 1 1 sha256 ";
    size_t n = strlen(line);

    memset(line + n, digit, 64);
    memcpy(line + n + 64, " ", 1);
    memset(line + n + 65, '7', 64);
    put_line(line);
}

static void another_root_image_is_named(void **state)
{
    char root[INTROSPECT_ROOT];
    uint8_t *ours = model.allow + in.allow.section[ALLOW_ROOT].offset;

    (void)state;
    in.allow.section[ALLOW_ROOT].count = 32;
    memset(ours, 0x55, 32);
    put_root('5');
    put_device(0x55);
    assert_int_equal(fits(), INTROSPECT_FITS);
    put_device(0x22); /* only the device: check "state" tells */
    assert_int_equal(fits(), INTROSPECT_FITS);
    assert_true(finds("state", "state.verity"));
    put_root('2');
    assert_int_equal(introspect_fits(&in, root), INTROSPECT_OTHER_ROOT);
    assert_true(strspn(root, "2") == 64 && root[64] == '\0');
    put_device(0x55); /* only the command line */
    assert_int_equal(fits(), INTROSPECT_FITS);
    put_line("no root hash");
    assert_int_equal(fits(), INTROSPECT_FITS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, without_pages)
        TEST(no_page_that_is_absent_is_a_finding),
        TEST(no_hole_and_no_cut_is_a_finding),
        TEST(no_holes_in_many_places_are_a_finding),
        TEST(what_is_wrong_is_found_next_to_absent_memory),
        TEST(a_hidden_task_is_found_though_a_view_is_absent),
        TEST(what_does_not_need_it_is_clean),
        TEST(each_flipped_bit_of_the_allow_list_is_refused),
        TEST(each_flipped_bit_of_the_profile_is_refused),
        TEST(an_allow_list_of_another_profile_is_refused),
        TEST(a_kernel_that_starts_is_told_from_one_that_says_so),
        TEST(another_root_image_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
