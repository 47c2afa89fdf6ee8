// SPDX-License-Identifier: Apache-2.0
/* Readers and writers: bounded, sticky, exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <kapu/bytes.h>

static void what_is_written_is_read_back(void **state)
{
    uint8_t buf[64];
    struct wr w;
    struct rd r;

    (void)state;
    wr_init(&w, buf, sizeof(buf));
    wr_u8(&w, 0x12);
    wr_be16(&w, 0x3456);
    wr_be32(&w, 0x789abcde);
    wr_be64(&w, 0x0123456789abcdef);
    wr_le16(&w, 0x3456);
    wr_le32(&w, 0x789abcde);
    wr_2b(&w, (struct bytes){(const uint8_t *)"abc", 3});
    assert_int_equal(w.err, 0);
    assert_memory_equal(buf, "\x12\x34\x56\x78\x9a\xbc\xde\x01\x23", 9);
    rd_init(&r, wr_done(&w));
    assert_int_equal(rd_u8(&r), 0x12);
    assert_int_equal(rd_be16(&r), 0x3456);
    assert_int_equal(rd_be32(&r), 0x789abcde);
    assert_true(rd_be64(&r) == 0x0123456789abcdef);
    assert_int_equal(rd_le16(&r), 0x3456);
    assert_int_equal(rd_le32(&r), 0x789abcde);
    assert_int_equal(rd_end(&r), KAPU_EINVAL);
    assert_memory_equal(rd_2b(&r).p, "abc", 3);
    assert_int_equal(rd_end(&r), 0);
}

static void reading_past_the_end_gives_zeros_and_sticks(void **state)
{
    const uint8_t three[3] = {0xff, 0xff, 0xff};
    struct bytes b;
    struct rd r;

    (void)state;
    rd_init(&r, BYTES_OF(three));
    assert_int_equal(rd_be32(&r), 0);
    assert_int_equal(r.err, KAPU_ERANGE);
    assert_int_equal(rd_u8(&r), 0);
    b = rd_bytes(&r, 1);
    assert_null(b.p);
    assert_int_equal(b.n, 0);
    rd_fail(&r, KAPU_EINVAL);
    assert_int_equal(rd_end(&r), KAPU_ERANGE);
    rd_init(&r, BYTES_OF(three));
    assert_int_equal(rd_2b(&r).n, 0);
    assert_int_equal(r.err, KAPU_ERANGE);
    rd_init(&r, BYTES_OF(three));
    assert_int_equal(rd_bytes(&r, SIZE_MAX).n, 0);
    assert_int_equal(r.err, KAPU_ERANGE);
}

static void writing_past_the_end_writes_nothing_and_sticks(void **state)
{
    uint8_t buf[4] = {9, 9, 9, 9};
    struct wr w;

    (void)state;
    wr_init(&w, buf, 3);
    wr_be32(&w, 0);
    assert_int_equal(w.err, KAPU_ESPACE);
    wr_u8(&w, 1);
    assert_int_equal(w.at, 0);
    assert_memory_equal(buf, "\x09\x09\x09\x09", 4);
    wr_init(&w, buf, 4);
    wr_2b(&w, (struct bytes){buf, 65536});
    assert_int_equal(w.err, KAPU_EARG);
}

static void a_length_left_open_is_filled_in(void **state)
{
    static uint8_t buf[70000];
    struct wr w;
    size_t place;

    (void)state;
    wr_init(&w, buf, sizeof(buf));
    place = wr_2b_open(&w);
    wr_be32(&w, 7);
    wr_2b_close(&w, place);
    assert_memory_equal(buf, "\0\4\0\0\0\7", 6);
    place = wr_2b_open(&w);
    for (int i = 0; i < 65536; i++)
        wr_u8(&w, 0);
    wr_2b_close(&w, place);
    assert_int_equal(w.err, KAPU_EARG);
}

static void nothing_is_read_and_written_without_memory(void **state)
{
    struct rd r;
    struct wr w;

    (void)state;
    rd_init(&r, (struct bytes){NULL, 0});
    assert_int_equal(rd_bytes(&r, 0).n, 0);
    assert_int_equal(rd_end(&r), 0);
    wr_init(&w, NULL, 0);
    wr_bytes(&w, (struct bytes){NULL, 0});
    assert_int_equal(w.err, 0);
    wr_u8(&w, 1);
    assert_int_equal(w.err, KAPU_ESPACE);
}

static void equality_and_wiping_cover_every_byte(void **state)
{
    uint8_t a[33] = {0}, b[33] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(a); i++) {
        a[i] = 0x80;
        assert_false(kapu_equal(a, b, sizeof(a)));
        assert_true(kapu_equal(a, b, i));
        kapu_wipe(a, i + 1);
        assert_true(kapu_equal(a, b, sizeof(a)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(reading_past_the_end_gives_zeros_and_sticks),
        cmocka_unit_test(writing_past_the_end_writes_nothing_and_sticks),
        cmocka_unit_test(a_length_left_open_is_filled_in),
        cmocka_unit_test(nothing_is_read_and_written_without_memory),
        cmocka_unit_test(equality_and_wiping_cover_every_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
