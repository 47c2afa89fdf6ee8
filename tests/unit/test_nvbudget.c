// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <kapu/nvbudget.h>

#define HOUR_MS (3600u * 1000)
#define RESET_EACH_MS (50u * 60 * 1000)

/* As many single writes as there are tokens for. */
static uint32_t drain(struct nvbudget *b, uint64_t now_ms)
{
    uint32_t n = 0;

    while (nvbudget_take(b, now_ms, 1))
        n++;
    return n;
}

static void after_power_on_there_are_some_and_then_one_each_quarter_of_an_hour(void **state)
{
    struct nvbudget b;

    (void)state;
    nvbudget_start(&b, 5000);
    assert_int_equal(drain(&b, 5000), NVBUDGET_AT_POWER_ON);
    assert_int_equal(nvbudget_wait_ms(&b, 5000, 1), NVBUDGET_TOKEN_MS);
    assert_false(nvbudget_take(&b, 5000 + NVBUDGET_TOKEN_MS - 1, 1));
    assert_int_equal(nvbudget_wait_ms(&b, 5000 + NVBUDGET_TOKEN_MS - 1, 1), 1);
    assert_true(nvbudget_take(&b, 5000 + NVBUDGET_TOKEN_MS, 1));
    assert_false(nvbudget_take(&b, 5000 + NVBUDGET_TOKEN_MS, 1));
    assert_int_equal(drain(&b, 5000 + 5 * NVBUDGET_TOKEN_MS + 7), 4);
}

static void several_are_taken_together_or_not_at_all(void **state)
{
    struct nvbudget b = {.tokens = 3};

    (void)state;
    assert_false(nvbudget_take(&b, 0, 4));
    assert_int_equal(b.tokens, 3);
    assert_int_equal(nvbudget_wait_ms(&b, 0, 4), NVBUDGET_TOKEN_MS);
    assert_int_equal(nvbudget_wait_ms(&b, 0, NVBUDGET_BURST + 1), UINT64_MAX);
    assert_true(nvbudget_take(&b, 0, 3));
    assert_int_equal(b.tokens, 0);
    assert_false(nvbudget_take(&b, UINT64_MAX, UINT32_MAX));
}

static void a_bucket_never_holds_more_than_a_burst(void **state)
{
    struct nvbudget b;

    (void)state;
    nvbudget_start(&b, 0);
    assert_int_equal(drain(&b, UINT64_MAX), NVBUDGET_BURST);
    assert_int_equal(drain(&b, UINT64_MAX), 0);
}

/* The attacker writes as soon as there is a token, and resets every 50 minutes; at every second
 * reset the clock starts again. */
static void no_day_has_more_writes_than_the_header_says(void **state)
{
    struct nvbudget b = {.tokens = NVBUDGET_BURST};
    uint8_t kept[NVBUDGET_SIZE];
    uint64_t clock = 0;
    uint32_t writes = 0;

    (void)state;
    for (uint64_t ms = 0; ms < NVBUDGET_DAY_MS; ms += 1000, clock += 1000) {
        writes += drain(&b, clock);
        if (ms % RESET_EACH_MS == 0) {
            nvbudget_encode(&b, kept);
            assert_int_equal(nvbudget_decode(kept, &b), 0);
            if (ms / RESET_EACH_MS % 2 == 0)
                clock = 0;
        }
    }
    assert_true(writes <= NVBUDGET_WRITES_A_DAY_MAX);
    assert_true(writes > NVBUDGET_WRITES_A_DAY_MAX * 3 / 4); /* and they are there to be used */
}

static void without_resets_a_day_has_exactly_that_many(void **state)
{
    struct nvbudget b = {.tokens = NVBUDGET_BURST};
    uint32_t writes = 0;

    (void)state;
    for (uint64_t ms = 0; ms <= NVBUDGET_DAY_MS; ms += 1000)
        writes += drain(&b, ms);
    assert_int_equal(writes, NVBUDGET_WRITES_A_DAY_MAX);
    assert_int_equal(NVBUDGET_WRITES_A_DAY_MAX, 160);
    assert_int_equal(NVBUDGET_ALL_A_DAY_MAX, 200); /* and last words */
}

static void a_clock_that_goes_back_gives_nothing(void **state)
{
    struct nvbudget b;

    (void)state;
    nvbudget_start(&b, 1000 * HOUR_MS);
    assert_int_equal(drain(&b, 1000 * HOUR_MS), NVBUDGET_AT_POWER_ON);
    assert_int_equal(drain(&b, 10), 0); /* a reset; the counter starts again */
    assert_int_equal(drain(&b, 10 + NVBUDGET_TOKEN_MS - 1), 0);
    assert_int_equal(drain(&b, 10 + NVBUDGET_TOKEN_MS), 1);
}

static void it_survives_its_encoding_and_nothing_else_is_one(void **state)
{
    struct nvbudget b = {.tokens = 7, .since_ms = 0x123456789abcdef0}, c;
    uint8_t kept[NVBUDGET_SIZE], other[NVBUDGET_SIZE];

    (void)state;
    nvbudget_encode(&b, kept);
    assert_int_equal(nvbudget_decode(kept, &c), 0);
    assert_int_equal(c.tokens, b.tokens);
    assert_int_equal(c.since_ms, b.since_ms);
    for (size_t bit = 0; bit < 8 * sizeof(kept); bit++) {
        memcpy(other, kept, sizeof(other));
        other[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(nvbudget_decode(other, &c), KAPU_EINVAL);
    }
    memset(other, 0, sizeof(other));
    assert_int_equal(nvbudget_decode(other, &c), KAPU_EINVAL);
    memset(other, 0xff, sizeof(other));
    assert_int_equal(nvbudget_decode(other, &c), KAPU_EINVAL);
    b.tokens = NVBUDGET_BURST + 1; /* well formed, and more than there can be */
    nvbudget_encode(&b, other);
    assert_int_equal(nvbudget_decode(other, &c), KAPU_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_power_on_there_are_some_and_then_one_each_quarter_of_an_hour),
        cmocka_unit_test(several_are_taken_together_or_not_at_all),
        cmocka_unit_test(a_bucket_never_holds_more_than_a_burst),
        cmocka_unit_test(no_day_has_more_writes_than_the_header_says),
        cmocka_unit_test(without_resets_a_day_has_exactly_that_many),
        cmocka_unit_test(a_clock_that_goes_back_gives_nothing),
        cmocka_unit_test(it_survives_its_encoding_and_nothing_else_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
