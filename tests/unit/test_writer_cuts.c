// SPDX-License-Identifier: Apache-2.0
/*
 * Power cuts of the writer of updates: at each write of media, state folder and TPM of an update,
 * from the order to the copy, in each way; then in the recovery too. Always a gateway comes up that
 * has one of both releases whole, the update ends as it would have without a cut, and no more than
 * a sector of flash is fetched again for each cut.
 */
#include "tpm2_fixture.h"

#include "update_world.h"

static uint32_t fetched_again(void)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < WORLD_FRAMES; i++)
        n += world.of_frame[i] > 1 ? world.of_frame[i] - 1 : 0;
    return n;
}

/* Runs until the operator is content, through `cuts` cuts. */
static void run_with_cuts(const long *at, const enum world_how *how, size_t cuts)
{
    for (size_t i = 0; i < cuts; i++) {
        world.cut_at = world.operations + at[i];
        world.how = how[i];
        if (world_run())
            break; /* the cut would have been after the end */
        if (world.wrong != NULL)
            break;
    }
    world.cut_at = -1;
    if (world.wrong == NULL && !world_settled())
        (void)world_run();
    if (world.wrong != NULL)
        fail_msg("%s: cut at %ld of kind %d, then %ld", world.wrong, at[0], (int)how[0],
                 cuts > 1 ? at[1] : -1);
    assert_true(world_settled());
    if (fetched_again() > cuts * WORLD_FRAMES_A_CUT)
        fail_msg("%u frames were fetched again after %zu cuts", fetched_again(), cuts);
}

static long operations_of_an_update(void)
{
    const long none = 0;

    run_with_cuts(&none, NULL, 0);
    return world.operations;
}

/* With sanitizers, which look for other things and are slow, a part of it is enough. */
#ifdef __SANITIZE_ADDRESS__
#define SEEDS 1u
#define FIRST_STEP 9
#else
#define SEEDS 4u
#define FIRST_STEP 1
#endif

static void a_cut_at_any_write_loses_nothing(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        long all, at;
        unsigned int again = 0;

        world_make(seed, true);
        all = operations_of_an_update();
        assert_true(all > 50);
        for (at = 0; at < all; at++) {
            for (int how = 0; how < WORLD_HOWS; how++) {
                world_again();
                run_with_cuts(&at, &(enum world_how){(enum world_how)how}, 1);
                again += fetched_again() > 0;
            }
        }
        assert_true(again > 0); /* some cuts did cost something */
        world_end();
    }
}

static void a_second_cut_in_the_recovery_loses_nothing_either(void **state)
{
    long all;

    (void)state;
    world_make(5, true);
    all = operations_of_an_update();
    for (long first = 0; first < all; first += FIRST_STEP) {
        for (long second = 0; second < all; second++) {
            const long at[] = {first, second};
            const enum world_how how[] = {(enum world_how)((first + second) % WORLD_HOWS),
                                          (enum world_how)((first + second / 3) % WORLD_HOWS)};

            world_again();
            run_with_cuts(at, how, 2);
        }
    }
    world_end();
}

/* Nor is a key left of an order that is done. */
static void a_cut_of_an_encrypted_update_leaves_no_key_in_the_end(void **state)
{
    static const char *const names[] = {"order",         "running",   "copying",   "index",
                                        "running.index", "restarted", "unfinished"};
    static uint8_t content[1 << 20];
    long all;

    (void)state;
    world_make_encrypted(8, true);
    all = operations_of_an_update();
    for (long at = 0; at < all; at++) {
        for (int how = 0; how < WORLD_HOWS; how++) {
            world_again();
            run_with_cuts(&at, &(enum world_how){(enum world_how)how}, 1);
            for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                char path[128];
                FILE *f;
                size_t n;

                (void)snprintf(path, sizeof(path), "%s/%s", world.folder, names[i]);
                f = fopen(path, "rb");
                n = f != NULL ? fread(content, 1, sizeof(content), f) : 0;
                assert_true(f == NULL || fclose(f) == 0);
                assert_null(memmem(content, n, world_releases[1].key, 32));
            }
        }
    }
    world_end();
}

/* Slot B holds what was there before the last update: flash that has to be erased. */
static void an_update_back_into_the_first_slot_is_the_same(void **state)
{
    long before, all;

    (void)state;
    world_make(6, true);
    before = operations_of_an_update();
    memset(world.of_frame, 0, sizeof(world.of_frame));
    world.target = 2;
    all = operations_of_an_update() - before;
    for (long at = 0; at < all; at++) {
        for (int how = 0; how < WORLD_HOWS; how++) {
            world_again();
            (void)operations_of_an_update();
            memset(world.of_frame, 0, sizeof(world.of_frame));
            world.target = 2;
            world.boots = 0;
            run_with_cuts(&at, &(enum world_how){(enum world_how)how}, 1);
        }
    }
    world_end();
}

/* Cuts do something: or these tests would show nothing. */
static void a_torn_write_is_seen_in_the_slot_and_mended(void **state)
{
    static const long at = 8;

    (void)state;
    world_make(7, true);
    world.cut_at = at;
    world.how = WORLD_TORN;
    assert_false(world_run());
    assert_null(world.wrong);
    assert_false(world_slot_is(1, 1)); /* half of it is there */
    assert_true(world_slot_is(0, 0));
    assert_true(world_run());
    assert_true(world_settled());
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_at_any_write_loses_nothing),
        cmocka_unit_test(a_second_cut_in_the_recovery_loses_nothing_either),
        cmocka_unit_test(a_cut_of_an_encrypted_update_leaves_no_key_in_the_end),
        cmocka_unit_test(an_update_back_into_the_first_slot_is_the_same),
        cmocka_unit_test(a_torn_write_is_seen_in_the_slot_and_mended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
