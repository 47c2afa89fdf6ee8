// SPDX-License-Identifier: Apache-2.0
/*
 * OP-TEE's own storage in files, with our patch, over a disk that is damaged or cut at each write:
 * what starts anew, what is refused, and that nothing is lost in between.
 */
#include "model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define DIRECTORY 0
#define HEAD 88 /* bytes: struct tee_fs_htree_image */
#define MANY 1000000u

/* Of the TPM, when storage is not there: 0 is a new board. */
static const uint32_t counters[] = {0, 1, 2, 9, 10, 255, 256, 9999, 10000, 0x7fffffff, 0xfffffff0};
#define COUNTERS (sizeof(counters) / sizeof(counters[0]))

static void begin(uint32_t counter)
{
    memset(&m, 0, sizeof(m));
    m.counter = counter;
    m.budget = MANY;
    m.writes_left = -1;
}

static void power_on(void)
{
    m.writes_left = -1;
    m.cut = false;
}

static void expect_text(const char *name, const char *text)
{
    char is[64];

    assert_int_equal(object_read(name, is, sizeof(is)), TEE_SUCCESS);
    assert_string_equal(is, text);
}

static void expect_error(const char *name, TEE_Result error)
{
    char is[64];

    assert_int_equal(object_read(name, is, sizeof(is)), error);
}

static void expect_refused(const char *name)
{
    char is[64];
    TEE_Result res = object_read(name, is, sizeof(is));

    if (res != TEE_ERROR_SECURITY && res != TEE_ERROR_CORRUPT_OBJECT)
        fail_msg("%#x", res);
    assert_int_equal(object_create("new", "x"), res);
    assert_int_equal(object_read(name, is, sizeof(is)), res); /* and it stays so */
}

static void use_it(uint32_t commits_before)
{
    assert_int_equal(object_create("a", "first"), TEE_SUCCESS);
    expect_text("a", "first");
    assert_int_equal(object_create("b", "second"), TEE_SUCCESS);
    assert_int_equal(object_write("a", "third"), TEE_SUCCESS);
    assert_int_equal(object_remove("b"), TEE_SUCCESS);
    expect_text("a", "third");
    expect_error("b", TEE_ERROR_ITEM_NOT_FOUND);
    assert_int_equal(m.counter, commits_before + 5); /* the start, and four commits */
}

static void storage_starts_anew_at_any_counter(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTERS; i++) {
        begin(counters[i]);
        use_it(counters[i]);
        assert_int_equal(m.starts, 1);
        memset(&m.disk, 0, sizeof(m.disk)); /* and again */
        use_it(counters[i] + 5);
        assert_int_equal(m.starts, 2);
    }
}

static void a_directory_without_its_objects_tells_that_they_are_gone(void **state)
{
    (void)state;
    begin(10);
    use_it(10);
    assert_true(m.disk.file[1].there || m.disk.file[2].there);
    m.disk.file[1].there = m.disk.file[2].there = false;
    expect_error("a", TEE_ERROR_CORRUPT_OBJECT);
    assert_int_equal(object_remove("a"), TEE_SUCCESS); /* as OP-TEE does then */
    assert_int_equal(object_create("a", "new"), TEE_SUCCESS);
    expect_text("a", "new");
    assert_int_equal(m.starts, 1);
}

static void objects_without_their_directory_are_not_used(void **state)
{
    (void)state;
    begin(10);
    use_it(10);
    m.disk.file[DIRECTORY].there = false;
    expect_error("a", TEE_ERROR_ITEM_NOT_FOUND);
    assert_int_equal(m.starts, 2);
    assert_int_equal(object_create("a", "new"), TEE_SUCCESS);
    expect_text("a", "new");
}

static void an_object_without_a_head_is_corrupt_not_new(void **state)
{
    (void)state;
    begin(10);
    use_it(10);
    for (size_t i = 1; i < FILES; i++)
        memset(m.disk.file[i].bytes, 0, 2 * HEAD);
    expect_error("a", TEE_ERROR_CORRUPT_OBJECT);
}

static void a_directory_that_was_never_finished_is_as_good_as_none(void **state)
{
    static const size_t sizes[] = {0, 1, HEAD, 2 * HEAD, 4096, 4096 + 200};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        begin(10);
        use_it(10);
        m.disk.file[DIRECTORY].n = sizes[i];
        memset(m.disk.file[DIRECTORY].bytes, 0, 2 * HEAD);
        expect_error("a", TEE_ERROR_ITEM_NOT_FOUND);
        assert_int_equal(m.starts, 2);
        use_it(15);
    }
}

static void a_garbled_or_truncated_directory_is_refused_until_it_is_deleted(void **state)
{
    static const size_t sizes[] = {1, HEAD - 1, HEAD, 2 * HEAD, 4096, 4096 + 65, 8192 - 1};
    static struct disk good;
    unsigned refused = 0;

    (void)state;
    begin(10);
    use_it(10);
    good = m.disk;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        m.disk.file[DIRECTORY].n = sizes[i];
        expect_refused("a");
        m.disk = good;
    }
    for (size_t at = 0; at < good.file[DIRECTORY].n; at += at < 2 * HEAD ? 1 : 61) {
        char is[64];
        TEE_Result res;

        m.disk.file[DIRECTORY].bytes[at] ^= 1;
        res = object_read("a", is, sizeof(is)); /* half of the places are not in use */
        if (res == TEE_SUCCESS)
            assert_string_equal(is, "third");
        else
            refused++;
        m.disk = good;
    }
    assert_true(refused > HEAD / 2);
    memset(m.disk.file[DIRECTORY].bytes, 0xff, m.disk.file[DIRECTORY].n);
    expect_refused("a");
    assert_int_equal(m.starts, 1);
    m.disk.file[DIRECTORY].there = false; /* the operator's repair */
    use_it(m.counter);
    assert_int_equal(m.starts, 2);
}

static void older_storage_is_refused_and_the_present_one_taken(void **state)
{
    static struct disk older, present;

    (void)state;
    for (size_t i = 0; i < COUNTERS; i++) {
        begin(counters[i]);
        assert_int_equal(object_create("a", "old"), TEE_SUCCESS);
        older = m.disk;
        expect_text("a", "old"); /* the very same: it is taken */
        assert_int_equal(object_write("a", "now"), TEE_SUCCESS);
        present = m.disk;
        m.disk = older;
        expect_refused("a");
        m.disk = present;
        expect_text("a", "now");
    }
}

static void what_was_there_before_a_new_start_is_refused_at_once(void **state)
{
    static struct disk before;

    (void)state;
    begin(10);
    assert_int_equal(object_create("a", "old"), TEE_SUCCESS);
    before = m.disk;
    m.disk.file[DIRECTORY].there = false;
    expect_error("a", TEE_ERROR_ITEM_NOT_FOUND); /* a look is enough to start anew */
    assert_int_equal(m.starts, 2);
    m.disk = before;
    expect_refused("a");
}

/* After a cut at any write of what `step` does, all is as before it or as after it. */
static void cut_everywhere(uint32_t counter, void (*prepare)(void), void (*step)(void),
                           void (*check)(void))
{
    for (long n = 0;; n++) {
        bool done;

        begin(counter);
        prepare();
        m.writes_left = n;
        step();
        done = !m.cut;
        power_on();
        check();
        if (done)
            return;
    }
}

static void nothing(void)
{
}

static void step_create(void)
{
    (void)object_create("a", "first");
}

static void check_created(void)
{
    char is[64];
    TEE_Result res = object_read("a", is, sizeof(is));

    assert_true(res == TEE_ERROR_ITEM_NOT_FOUND ||
                (res == TEE_SUCCESS && strcmp(is, "first") == 0));
    assert_in_range(m.starts, 1, 3); /* a start that was cut off counts too */
    assert_int_equal(object_create("a", "again"), TEE_SUCCESS);
    expect_text("a", "again");
}

static void prepare_object(void)
{
    assert_int_equal(object_create("a", "old"), TEE_SUCCESS);
}

static void step_write(void)
{
    (void)object_write("a", "new");
}

static void check_written(void)
{
    char is[64];

    assert_int_equal(object_read("a", is, sizeof(is)), TEE_SUCCESS);
    assert_true(strcmp(is, "old") == 0 || strcmp(is, "new") == 0);
    assert_int_equal(m.starts, 1);
    assert_int_equal(object_write("a", "yet"), TEE_SUCCESS);
    expect_text("a", "yet");
}

static void a_power_cut_at_any_write_loses_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTERS; i++) {
        cut_everywhere(counters[i], nothing, step_create, check_created);
        cut_everywhere(counters[i], prepare_object, step_write, check_written);
    }
}

static void without_budget_nothing_is_written_and_nothing_is_lost(void **state)
{
    static struct model before;

    (void)state;
    begin(10);
    use_it(10);
    m.budget = 0;
    before = m;
    for (int i = 0; i < 3; i++) { /* also not at the second and third attempt */
        assert_int_equal(object_write("a", "lost"), TEE_ERROR_STORAGE_NOT_AVAILABLE);
        assert_int_equal(object_create("c", "lost"), TEE_ERROR_STORAGE_NOT_AVAILABLE);
        assert_int_equal(object_remove("a"), TEE_ERROR_STORAGE_NOT_AVAILABLE);
    }
    assert_int_equal(m.writes, before.writes);
    expect_text("a", "third");
    m.disk.file[DIRECTORY].there = false;
    expect_error("a", TEE_ERROR_STORAGE_NOT_AVAILABLE); /* no start either */
    assert_int_equal(m.starts, 1);
    m.disk = before.disk;
    m.budget = 1;
    assert_int_equal(object_write("a", "fifth"), TEE_SUCCESS);
    expect_text("a", "fifth");
}

static void each_write_to_the_tpm_is_paid_for(void **state)
{
    uint32_t written;

    (void)state;
    for (long n = 0; n < 40; n++) { /* cut at each write too */
        begin(100);
        m.writes_left = n;
        for (int i = 0; i < 4; i++) {
            (void)object_create("a", "first");
            (void)object_write("a", "other");
            (void)object_remove("a");
            power_on();
        }
        written = m.counter - 100 + m.starts;
        assert_in_range(written, 8, MANY - m.budget);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_starts_anew_at_any_counter),
        cmocka_unit_test(a_directory_without_its_objects_tells_that_they_are_gone),
        cmocka_unit_test(objects_without_their_directory_are_not_used),
        cmocka_unit_test(an_object_without_a_head_is_corrupt_not_new),
        cmocka_unit_test(a_directory_that_was_never_finished_is_as_good_as_none),
        cmocka_unit_test(a_garbled_or_truncated_directory_is_refused_until_it_is_deleted),
        cmocka_unit_test(older_storage_is_refused_and_the_present_one_taken),
        cmocka_unit_test(what_was_there_before_a_new_start_is_refused_at_once),
        cmocka_unit_test(a_power_cut_at_any_write_loses_nothing),
        cmocka_unit_test(without_budget_nothing_is_written_and_nothing_is_lost),
        cmocka_unit_test(each_write_to_the_tpm_is_paid_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
