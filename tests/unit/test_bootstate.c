// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <kapu/bootstate.h>

static void a_state_survives_its_encoding_and_nothing_else_is_one(void **state)
{
    uint8_t b[BOOTSTATE_SIZE];
    struct bootstate s = {.slot = 1, .trial = true, .tries = 3}, t;

    (void)state;
    bootstate_encode(&s, b);
    assert_int_equal(bootstate_decode(b, &t), 0);
    assert_int_equal(t.slot, 1);
    assert_true(t.trial);
    assert_int_equal(t.tries, 3);
    for (size_t i = 0; i < 4; i++) {
        b[i] ^= 0x20;
        assert_int_equal(bootstate_decode(b, &t), KAPU_EINVAL);
        b[i] ^= 0x20;
    }
    b[4] = BOOTSTATE_SLOTS;
    assert_int_equal(bootstate_decode(b, &t), KAPU_EINVAL);
    bootstate_encode(&(struct bootstate){.slot = 0, .tries = 1}, b); /* tries without a trial */
    assert_int_equal(bootstate_decode(b, &t), KAPU_EINVAL);
    bootstate_encode(&(struct bootstate){.trial = true, .tries = BOOTSTATE_TRIES_MAX + 1}, b);
    assert_int_equal(bootstate_decode(b, &t), KAPU_EINVAL);
    memset(b, 0xff, sizeof(b));
    assert_int_equal(bootstate_decode(b, &t), KAPU_EINVAL);
}

static void marks_survive_their_encoding_and_other_words_are_no_marks(void **state)
{
    struct bootmarks m = {.current = 1, .refused = {false, true}, .starts = {2, 3}}, n;

    (void)state;
    bootmarks_decode(bootmarks_encode(&m), &n);
    assert_memory_equal(&m, &n, sizeof(m));
    bootmarks_decode(0xdeadbeef, &n);
    memset(&m, 0, sizeof(m));
    assert_memory_equal(&m, &n, sizeof(m));
}

static void a_slot_started_in_vain_gives_way_and_then_none_is_left(void **state)
{
    struct bootstate s = {.slot = 0};
    struct bootmarks m = {0};

    (void)state;
    for (unsigned int slot = 0; slot < 2; slot++) {
        for (unsigned int i = 0; i < BOOTSTATE_STARTS; i++) {
            assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_BOOT);
            assert_int_equal(m.current, slot);
        }
    }
    assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_NONE);
    assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_BOOT); /* a person reset the board */
    assert_int_equal(m.current, 0);
}

static void a_system_that_came_up_forgets_what_was(void **state)
{
    struct bootstate s = {.slot = 1};
    struct bootmarks m = {0};

    (void)state;
    for (unsigned int i = 0; i < 10 * BOOTSTATE_STARTS; i++) {
        assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_BOOT);
        assert_int_equal(m.current, 1);
        bootstate_complete(&m);
    }
}

static void a_refused_slot_gives_way_at_once(void **state)
{
    struct bootstate s = {.slot = 0};
    struct bootmarks m = {0};

    (void)state;
    assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_BOOT);
    assert_true(bootstate_refuse(&s, &m));
    assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_BOOT);
    assert_int_equal(m.current, 1);
    assert_false(bootstate_refuse(&s, &m));
    assert_int_equal(m.refused[0], false); /* the next reset tries again */
}

static void a_trial_ends_when_its_tries_are_used_up(void **state)
{
    struct bootstate s = {.slot = 1, .trial = true, .tries = 2};
    struct bootmarks m = {0};

    (void)state;
    assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_BOOT);
    assert_int_equal(m.current, 1);
    assert_int_equal(s.tries, 1);
    bootstate_complete(&m); /* coming up does not confirm */
    assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_BOOT);
    assert_int_equal(m.current, 1);
    assert_int_equal(s.tries, 0);
    assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_FELL_BACK);
    assert_int_equal(m.current, 0);
    assert_int_equal(s.slot, 0);
    assert_false(s.trial);
}

static void a_trial_that_is_refused_is_not_tried_again(void **state)
{
    struct bootstate s = {.slot = 1, .trial = true, .tries = 5};
    struct bootmarks m = {.starts = {BOOTSTATE_STARTS, 0}};

    (void)state;
    assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_BOOT);
    assert_true(bootstate_refuse(&s, &m));
    memset(m.starts, 0, sizeof(m.starts));
    assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_FELL_BACK);
    assert_int_equal(m.current, 0);
}

/* Whatever happens, in whatever order: a slot is never out of range, and every sequence of starts
 * without success ends in a verdict. */
static void any_sequence_of_events_keeps_the_rules(void **state)
{
    uint32_t random = 1;

    (void)state;
    for (unsigned int round = 0; round < 20000; round++) {
        struct bootstate s = {.slot = (uint8_t)(round & 1), .trial = (round & 2) != 0};
        struct bootmarks m;
        unsigned int starts = 0;
        enum bootstate_verdict v;

        s.tries = s.trial ? (uint8_t)(round >> 2 & 7) : 0;
        bootmarks_decode(0x6b610000u | (round & 0xffff), &m);
        while ((v = bootstate_choose(&s, &m)) != BOOTSTATE_NONE) {
            struct bootmarks again;

            assert_true(s.slot < BOOTSTATE_SLOTS && m.current < BOOTSTATE_SLOTS);
            assert_true(s.trial || s.tries == 0);
            assert_false(m.refused[m.current]);
            bootmarks_decode(bootmarks_encode(&m), &again);
            assert_memory_equal(&m, &again, sizeof(m));
            assert_true(++starts <= BOOTSTATE_TRIES_MAX + 2 * BOOTSTATE_STARTS);
            random = random * 1664525u + 1013904223u;
            if (random >> 30 == 0 && !bootstate_refuse(&s, &m))
                break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_survives_its_encoding_and_nothing_else_is_one),
        cmocka_unit_test(marks_survive_their_encoding_and_other_words_are_no_marks),
        cmocka_unit_test(a_slot_started_in_vain_gives_way_and_then_none_is_left),
        cmocka_unit_test(a_system_that_came_up_forgets_what_was),
        cmocka_unit_test(a_refused_slot_gives_way_at_once),
        cmocka_unit_test(a_trial_ends_when_its_tries_are_used_up),
        cmocka_unit_test(a_trial_that_is_refused_is_not_tried_again),
        cmocka_unit_test(any_sequence_of_events_keeps_the_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
