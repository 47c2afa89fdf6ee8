// SPDX-License-Identifier: Apache-2.0
/* The list of the watch: replaced while ticks go on, it is never off, and each pass has an end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "watch_list.h"

#define PAGES 3000u
#define SLICE 40u /* pages of a tick */
#define PA(i) (0x40000000u + 4096u * (uint64_t)(i))

static struct watch_list list;

static uint64_t random_of(uint32_t n)
{
    return n * 0x9e3779b97f4a7c15u;
}

static void put(uint32_t i, uint8_t value)
{
    uint8_t digest[32];

    memset(digest, value, sizeof(digest));
    assert_int_equal(watch_list_put(&list, PA(i), digest), 0);
}

static void make(uint32_t first, uint32_t n, uint8_t value)
{
    watch_list_begin(&list);
    for (uint32_t i = 0; i < n; i++)
        put(first + i, value);
}

static bool use(void)
{
    bool begins = false;

    assert_int_equal(watch_list_use(&list, random_of(1), &begins), 0);
    return begins;
}

static void start(uint32_t n)
{
    memset(&list, 0, sizeof(list));
    make(0, n, 1);
    assert_true(use());
}

static void each_page_is_seen_once_in_a_pass(void **state)
{
    static const uint32_t sizes[] = {1, 2, 3, 12, 255, PAGES, MONITOR_WATCH_MAX};

    (void)state;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        static uint8_t seen[MONITOR_WATCH_MAX];
        struct watch_page *p;

        start(sizes[s]);
        for (uint32_t pass = 0; pass < 3; pass++) {
            memset(seen, 0, sizeof(seen));
            for (uint32_t i = 0; i < sizes[s]; i++) {
                p = watch_list_next(&list);
                assert_non_null(p);
                assert_int_equal(seen[(p->pa - PA(0)) / 4096]++, 0);
            }
            assert_null(watch_list_next(&list));
            watch_list_pass(&list, random_of(pass + 2));
        }
    }
}

static void the_old_list_is_watched_until_the_new_one_is_complete(void **state)
{
    (void)state;
    start(PAGES);
    watch_list_begin(&list);
    for (uint32_t i = 0; i < PAGES; i++) {
        struct watch_page *p = watch_list_next(&list);

        if (p == NULL) {
            watch_list_pass(&list, random_of(i));
            p = watch_list_next(&list);
        }
        assert_non_null(p); /* a tick between any two records has something to look at */
        assert_int_equal(p->digest[0], 1);
        put(i, 2);
    }
    assert_false(use());
    watch_list_pass(&list, random_of(7));
    for (uint32_t i = 0; i < PAGES; i++)
        assert_int_equal(watch_list_next(&list)->digest[0], 2);
}

static void a_list_that_is_not_completed_leaves_the_old_one(void **state)
{
    bool begins = false;

    (void)state;
    start(PAGES);
    make(PAGES, PAGES / 2, 3); /* then a bad record: it is never used */
    for (uint32_t i = 0; i < PAGES; i++)
        assert_int_equal(watch_list_next(&list)->digest[0], 1);
    watch_list_begin(&list); /* nothing at all */
    assert_int_equal(watch_list_use(&list, 0, &begins), KAPU_EARG);
    assert_false(begins);
    watch_list_pass(&list, random_of(3));
    for (uint32_t i = 0; i < PAGES; i++)
        assert_int_equal(watch_list_next(&list)->digest[0], 1);
    assert_null(watch_list_next(&list));
}

static void a_list_has_no_more_pages_than_there_is_room_for(void **state)
{
    static const uint8_t digest[32];

    (void)state;
    start(1);
    make(0, MONITOR_WATCH_MAX, 1);
    assert_int_equal(watch_list_put(&list, PA(0), digest), KAPU_ERANGE);
    assert_true(use());
    assert_int_equal(list.n, MONITOR_WATCH_MAX);
}

/* Somebody who has the list replaced at each tick: every page is seen in the same number of ticks.
 */
static void a_list_that_is_replaced_all_the_time_comes_to_the_end_of_its_pass(void **state)
{
    static uint8_t seen[PAGES];
    uint32_t ticks = 0, pages = 0;
    struct watch_page *p = NULL;

    (void)state;
    start(PAGES);
    memset(seen, 0, sizeof(seen));
    do {
        for (uint32_t i = 0; i < SLICE && (p = watch_list_next(&list)) != NULL; i++) {
            pages += seen[(p->pa - PA(0)) / 4096] == 0 ? 1 : 0;
            seen[(p->pa - PA(0)) / 4096] = 1;
        }
        make(0, PAGES, 1);
        assert_false(use());
        ticks++;
    } while (p != NULL && ticks <= PAGES);
    assert_int_equal(pages, PAGES);
    assert_int_equal(ticks, PAGES / SLICE + 1);
}

static void another_list_begins_a_pass(void **state)
{
    (void)state;
    start(PAGES);
    (void)watch_list_next(&list);
    make(1, PAGES, 1); /* as many, others */
    assert_true(use());
    assert_int_equal(list.at, 0);
    make(1, PAGES - 1, 1); /* a part */
    assert_true(use());
    make(1, PAGES, 1); /* more */
    assert_true(use());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_page_is_seen_once_in_a_pass),
        cmocka_unit_test(the_old_list_is_watched_until_the_new_one_is_complete),
        cmocka_unit_test(a_list_that_is_not_completed_leaves_the_old_one),
        cmocka_unit_test(a_list_has_no_more_pages_than_there_is_room_for),
        cmocka_unit_test(a_list_that_is_replaced_all_the_time_comes_to_the_end_of_its_pass),
        cmocka_unit_test(another_list_begins_a_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
