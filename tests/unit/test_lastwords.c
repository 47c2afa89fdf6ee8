// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <kapu/lastwords.h>

static const char long_line[] =
    "alarm text.page: kernel text, 0xffff800010000000: a page is not the release's, and this line "
    "goes on for longer than there is room in the TPM for, so that it has to be cut somewhere; "
    "what "
    "is cut is its end, as a person reads the beginning first, and nothing of it is a secret at "
    "all";

static void words_come_back_as_they_were(void **state)
{
    const char text[] = "alarm text.page: kernel text\nalarm modules.hidden: evil\n";
    struct lastwords w, again;
    uint8_t b[LASTWORDS_SIZE];

    (void)state;
    for (uint8_t why = 1; why < 5; why++) {
        lastwords_make(&w, why, text, sizeof(text) - 1);
        w.over = why % 2 == 0;
        lastwords_encode(&w, b);
        assert_int_equal(lastwords_decode(b, &again), 0);
        assert_memory_equal(&again, &w, sizeof(w));
        assert_int_equal(again.n, sizeof(text) - 1);
    }
}

static void zeros_say_nothing_and_nothing_is_zeros(void **state)
{
    uint8_t b[LASTWORDS_SIZE] = {0};
    struct lastwords w;

    (void)state;
    assert_int_equal(lastwords_decode(b, &w), 0);
    assert_int_equal(w.why, 0);
    memset(b, 0xff, sizeof(b));
    lastwords_encode(&w, b);
    for (size_t i = 0; i < sizeof(b); i++)
        assert_int_equal(b[i], 0);
}

static void a_long_text_keeps_its_first_whole_lines(void **state)
{
    char text[2 * LASTWORDS_TEXT_MAX];
    struct lastwords w;
    size_t n = 0;

    (void)state;
    while (n + 10 <= sizeof(text)) {
        memcpy(text + n, "123456789\n", 10);
        n += 10;
    }
    for (size_t some = 0; some <= n; some++) {
        lastwords_make(&w, 1, text, some);
        assert_memory_equal(w.text, text, w.n);
        if (some <= LASTWORDS_TEXT_MAX)
            assert_int_equal(w.n, some);
        else
            assert_int_equal(w.n, LASTWORDS_TEXT_MAX / 10 * 10);
    }
    assert_true(sizeof(long_line) > LASTWORDS_TEXT_MAX);
    lastwords_make(&w, 1, long_line, sizeof(long_line) - 1);
    assert_int_equal(w.n, LASTWORDS_TEXT_MAX);
    assert_memory_equal(w.text, long_line, w.n);
}

static void no_other_bytes_are_words(void **state)
{
    uint8_t b[LASTWORDS_SIZE], bad[LASTWORDS_SIZE];
    struct lastwords w;

    (void)state;
    lastwords_make(&w, 2, "seen", 4);
    lastwords_encode(&w, b);
    for (size_t i = 0; i < sizeof(b); i++) {
        for (unsigned int bit = 0; bit < 8; bit++) {
            memcpy(bad, b, sizeof(bad));
            bad[i] ^= (uint8_t)(1u << bit);
            if (lastwords_decode(bad, &w) == 0) /* another reason or text, or over by now */
                assert_true(i == 1 || (i == 2 && bit == 0) || i == 5 || (i >= 6 && i < 10));
        }
    }
    memcpy(bad, b, sizeof(bad));
    bad[1] = 0; /* said, for no reason */
    assert_int_equal(lastwords_decode(bad, &w), KAPU_EINVAL);
    bad[1] = 2;
    bad[4] = 0xff;
    bad[5] = 0xff;
    assert_int_equal(lastwords_decode(bad, &w), KAPU_EINVAL);
    bad[4] = 0;
    bad[5] = 5; /* a zero more */
    assert_int_equal(lastwords_decode(bad, &w), 0);
    bad[4] = (uint8_t)((LASTWORDS_TEXT_MAX + 1) >> 8);
    bad[5] = (uint8_t)(LASTWORDS_TEXT_MAX + 1);
    assert_int_equal(lastwords_decode(bad, &w), KAPU_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_come_back_as_they_were),
        cmocka_unit_test(zeros_say_nothing_and_nothing_is_zeros),
        cmocka_unit_test(a_long_text_keeps_its_first_whole_lines),
        cmocka_unit_test(no_other_bytes_are_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
