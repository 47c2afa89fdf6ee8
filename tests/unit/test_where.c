// SPDX-License-Identifier: Apache-2.0
/* At which brokers kapu-link is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "where.h"

#define NOW 1000000u
#define TEST(f) cmocka_unit_test(f)

static void without_a_certificate_it_waits_to_be_enrolled(void **state)
{
    const struct where w = {.enrolled = false, .down_s = NOW};

    (void)state;
    assert_false(where_at_main(&w));
    assert_true(where_at_enrolment(&w, NOW));
    assert_true(where_at_enrolment(&w, NOW + 100000));
}

static void while_the_operator_asks_it_is_at_the_main_broker_alone(void **state)
{
    struct where w = {.enrolled = true, .main_up = true, .asked_s = NOW};

    (void)state;
    for (uint64_t t = NOW; t < NOW + 10 * WHERE_SILENT_S; t++) {
        if (t - w.asked_s == WHERE_SILENT_S - 1)
            w.asked_s = t;
        assert_true(where_at_main(&w));
        assert_false(where_at_enrolment(&w, t));
    }
}

static void a_main_broker_that_does_not_serve_it_is_tried_on_while_it_waits(void **state)
{
    struct where w = {.enrolled = true, .main_up = false, .down_s = NOW};

    (void)state;
    assert_false(where_at_enrolment(&w, NOW + WHERE_REFUSED_S - 1)); /* it restarts, perhaps */
    for (uint64_t t = NOW + WHERE_REFUSED_S; t < NOW + 100000; t += 7) {
        assert_true(where_at_main(&w));
        assert_true(where_at_enrolment(&w, t));
    }
    w.main_up = true;
    w.asked_s = NOW + 100000;
    assert_false(where_at_enrolment(&w, NOW + 100000));
}

static void an_operator_that_says_nothing_finds_it_at_both_from_time_to_time(void **state)
{
    const struct where w = {.enrolled = true, .main_up = true, .asked_s = NOW};
    uint64_t there = 0, longest = 0, away = 0;

    (void)state;
    assert_false(where_at_enrolment(&w, NOW + WHERE_SILENT_S - 1));
    for (uint64_t t = NOW + WHERE_SILENT_S; t < NOW + WHERE_SILENT_S + 100 * WHERE_EVERY_S; t++) {
        assert_true(where_at_main(&w));
        away = where_at_enrolment(&w, t) ? 0 : away + 1;
        longest = away > longest ? away : longest;
        there += where_at_enrolment(&w, t);
    }
    assert_int_equal(there, 100 * WHERE_VISIT_S);
    assert_int_equal(longest, WHERE_EVERY_S - WHERE_VISIT_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_certificate_it_waits_to_be_enrolled),
        TEST(while_the_operator_asks_it_is_at_the_main_broker_alone),
        TEST(a_main_broker_that_does_not_serve_it_is_tried_on_while_it_waits),
        TEST(an_operator_that_says_nothing_finds_it_at_both_from_time_to_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
