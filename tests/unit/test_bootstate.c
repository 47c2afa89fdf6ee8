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
    struct bootstate s = {.slot = 1,
                          .trial = true,
                          .tries = 3,
                          .confirmed = {1, 2},
                          .tried = {3, 4}},
                     t;

    (void)state;
    bootstate_encode(&s, b);
    assert_int_equal(bootstate_decode(b, &t), 0);
    assert_int_equal(t.slot, 1);
    assert_true(t.trial);
    assert_int_equal(t.tries, 3);
    assert_memory_equal(t.confirmed, s.confirmed, sizeof(t.confirmed));
    assert_memory_equal(t.tried, s.tried, sizeof(t.tried));
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
    bootstate_encode(&(struct bootstate){.trial = true, .gave_up = BOOTSTATE_GAVE_UP_TRIES}, b);
    assert_int_equal(bootstate_decode(b, &t), KAPU_EINVAL);
    bootstate_encode(&(struct bootstate){.gave_up = BOOTSTATE_GAVE_UP_REFUSED}, b);
    assert_int_equal(bootstate_decode(b, &t), 0);
    b[7]++;
    assert_int_equal(bootstate_decode(b, &t), KAPU_EINVAL);
    bootstate_encode(&(struct bootstate){.tried = {1}}, b); /* a release tried without a trial */
    assert_int_equal(bootstate_decode(b, &t), KAPU_EINVAL);
    memset(b, 0xff, sizeof(b));
    assert_int_equal(bootstate_decode(b, &t), KAPU_EINVAL);
}

static void a_state_of_the_former_release_is_read_as_what_it_said(void **state)
{
    const uint8_t old[BOOTSTATE_V1_SIZE] = {'K', 'B', 'S', 1, 1, 1, 5};
    uint8_t now[BOOTSTATE_SIZE], bad[BOOTSTATE_V1_SIZE];
    struct bootstate s;

    (void)state;
    assert_int_equal(bootstate_decode_v1(old, &s), 0);
    assert_true(s.slot == 1 && s.trial && s.tries == 5);
    assert_true(bootstate_allows(&s, 0, (const uint8_t[BOOTSTATE_IDENTITY_SIZE]){9}));
    bootstate_encode(&s, now);
    assert_int_equal(bootstate_decode_v1(now, &s), KAPU_EINVAL);
    for (size_t i = 0; i < sizeof(old); i++) {
        memcpy(bad, old, sizeof(bad));
        bad[i] ^= 0x80;
        assert_int_equal(bootstate_decode_v1(bad, &s), KAPU_EINVAL);
    }
}

static void a_slot_starts_the_release_that_the_state_names_for_it(void **state)
{
    const uint8_t confirmed[BOOTSTATE_IDENTITY_SIZE] = {1}, tried[BOOTSTATE_IDENTITY_SIZE] = {2},
                  third[BOOTSTATE_IDENTITY_SIZE] = {3};
    struct bootstate s = {.slot = 1, .trial = true, .tries = 1, .confirmed = {1}, .tried = {2}};
    struct bootmarks m = {0};

    (void)state;
    assert_true(bootstate_allows(&s, 1, tried) && !bootstate_allows(&s, 1, confirmed));
    assert_true(bootstate_allows(&s, 0, confirmed) && !bootstate_allows(&s, 0, tried));
    for (uint8_t slot = 0; slot < BOOTSTATE_SLOTS; slot++)
        assert_false(bootstate_allows(&s, slot, third));
    assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_BOOT);
    assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_FELL_BACK);
    for (uint8_t slot = 0; slot < BOOTSTATE_SLOTS; slot++) /* the trial failed: neither may */
        assert_true(bootstate_allows(&s, slot, confirmed) && !bootstate_allows(&s, slot, tried));
}

/* A confirmed release that did not come up, beside one that may not start: the first is tried
 * again. */
static void a_slot_that_was_started_in_vain_is_better_than_one_that_is_refused(void **state)
{
    struct bootstate s = {.slot = 0};
    struct bootmarks m = {0};

    (void)state;
    for (unsigned int i = 0; i < BOOTSTATE_STARTS; i++)
        assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_BOOT);
    assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_BOOT);
    assert_int_equal(m.current, 1);
    assert_true(bootstate_refuse(&s, &m));
    assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_BOOT);
    assert_int_equal(m.current, 0);
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

static void slots_that_do_not_come_up_are_tried_in_turn_without_end(void **state)
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
    assert_int_equal(bootstate_choose(&s, &m), BOOTSTATE_BOOT); /* all is tried again */
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
    assert_int_equal(s.gave_up, BOOTSTATE_GAVE_UP_TRIES);
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
    assert_int_equal(s.gave_up, BOOTSTATE_GAVE_UP_REFUSED);
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
            assert_true(++starts <= BOOTSTATE_TRIES_MAX + 4 * BOOTSTATE_STARTS);
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
        cmocka_unit_test(a_state_of_the_former_release_is_read_as_what_it_said),
        cmocka_unit_test(a_slot_starts_the_release_that_the_state_names_for_it),
        cmocka_unit_test(a_slot_that_was_started_in_vain_is_better_than_one_that_is_refused),
        cmocka_unit_test(marks_survive_their_encoding_and_other_words_are_no_marks),
        cmocka_unit_test(slots_that_do_not_come_up_are_tried_in_turn_without_end),
        cmocka_unit_test(a_system_that_came_up_forgets_what_was),
        cmocka_unit_test(a_refused_slot_gives_way_at_once),
        cmocka_unit_test(a_trial_ends_when_its_tries_are_used_up),
        cmocka_unit_test(a_trial_that_is_refused_is_not_tried_again),
        cmocka_unit_test(any_sequence_of_events_keeps_the_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
