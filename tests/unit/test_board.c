// SPDX-License-Identifier: Apache-2.0
/* Board records: encoded, held against a vector, decoded strictly, damaged in each bit. */
#include "tpm2_fixture.h"

#include <kapu/board.h>

#include "soft_board_record.h"
#include "soft_key.h"

static uint8_t work[BOARD_RECORD_MAX], file[BOARD_RECORD_MAX + 1], content[BOARD_CONTENT_MAX + 1];
static size_t file_n, content_n;
static struct soft_key factory;

static int setup(void **state)
{
    const struct board_record r = soft_board_record();
    struct wr w;

    (void)state;
    soft_key_make(&factory, SOFT_FACTORY);
    wr_init(&w, file, sizeof(file));
    soft_board_record_sign(&factory, &r, &w);
    file_n = w.at;
    wr_init(&w, content, sizeof(content));
    assert_int_equal(board_record_encode(&r, &w), 0);
    content_n = w.at;
    return 0;
}

static int decode(size_t n, struct board_record *r)
{
    return board_record_decode((struct bytes){content, n}, r, work, sizeof(work));
}

static void the_vector_is_made_byte_for_byte(void **state)
{
    uint8_t is[BOARD_RECORD_MAX + 1];
    FILE *f = fopen(VECTORS "/soft.record", "rb");

    (void)state;
    assert_non_null(f);
    assert_int_equal(fread(is, 1, sizeof(is), f), file_n);
    fclose(f);
    assert_memory_equal(is, file, file_n);
}

static void a_record_is_read_back_as_written(void **state)
{
    const struct board_record r = soft_board_record();
    struct evidence_token t;
    struct board_record is;

    (void)state;
    assert_int_equal(evidence_signed_decode(&board_record_kind, (struct bytes){file, file_n}, &t,
                                            work, sizeof(work)),
                     0);
    assert_int_equal(
        evidence_signed_verify(SHA256, &evidence_openssl, &board_record_kind, &t, &factory.pub), 0);
    assert_int_equal(board_record_decode(t.payload, &is, work, sizeof(work)), 0);
    assert_memory_equal(&is, &r, sizeof(r));
    assert_int_equal(board_record_check(SHA256, &is), 0);
    is.ek[7] ^= 1;
    assert_int_equal(board_record_check(SHA256, &is), KAPU_EINVAL);
}

static void each_bit_flipped_does_not_verify(void **state)
{
    struct evidence_token t;

    (void)state;
    for (size_t bit = 0; bit < file_n * 8; bit++) {
        file[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (evidence_signed_decode(&board_record_kind, (struct bytes){file, file_n}, &t, work,
                                   sizeof(work)) == 0 &&
            evidence_signed_verify(SHA256, &evidence_openssl, &board_record_kind, &t,
                                   &factory.pub) == 0)
            fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
        file[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static void what_is_cut_or_longer_is_no_record(void **state)
{
    struct board_record r;

    (void)state;
    for (size_t n = 0; n < content_n; n++)
        assert_int_not_equal(decode(n, &r), 0);
    assert_int_not_equal(decode(content_n + 1, &r), 0);
    assert_int_equal(decode(content_n, &r), 0);
    assert_int_equal(board_record_decode((struct bytes){content, content_n}, &r, work, 8),
                     KAPU_ESPACE);
}

/* The same meaning in another encoding, by hand: bytes of it that a lax reader would take. */
static void another_encoding_of_the_same_is_refused(void **state)
{
    struct board_record r;

    (void)state;
    assert_int_equal(content[0], 0xa7); /* a map of 7 */
    content[0] = 0xa8;
    assert_int_not_equal(decode(content_n, &r), 0);
    content[0] = 0xbf; /* of indefinite length */
    content[content_n] = 0xff;
    assert_int_not_equal(decode(content_n + 1, &r), 0);
    content[0] = 0xa7;
    assert_int_equal(content[2], 1); /* the version */
    content[2] = 2;
    assert_int_equal(decode(content_n, &r), KAPU_EUNSUPPORTED);
}

static void what_the_format_has_no_place_for_is_not_encoded(void **state)
{
    uint8_t buf[BOARD_CONTENT_MAX];
    struct wr w;

    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        struct board_record r = soft_board_record();

        if (i == 0)
            r.ek[1] = 0x0c; /* a name by SHA-384 would be longer */
        if (i == 1)
            r.ak[0] = 1;
        if (i == 2)
            r.platform[0] = '\0';
        if (i == 3)
            r.platform[0] = '\n';
        if (i == 4)
            memset(r.platform, 'a', sizeof(r.platform)); /* without an end */
        if (i == 5)
            r.issued_ms = 0;
        if (i == 6)
            r.issued_ms = BOARD_ISSUED_MAX + 1;
        wr_init(&w, buf, sizeof(buf));
        assert_int_equal(board_record_encode(&r, &w), KAPU_EARG);
        assert_int_equal(w.at, 0);
    }
}

/* A signature of one kind never passes for another. */
static void a_record_is_no_token_and_a_token_no_record(void **state)
{
    struct evidence_token t;
    uint8_t big[EVIDENCE_TOKEN_MAX];

    (void)state;
    assert_int_equal(evidence_token_decode((struct bytes){file, file_n}, &t, big, sizeof(big)),
                     KAPU_EUNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_vector_is_made_byte_for_byte, setup),
        cmocka_unit_test_setup(a_record_is_read_back_as_written, setup),
        cmocka_unit_test_setup(each_bit_flipped_does_not_verify, setup),
        cmocka_unit_test_setup(what_is_cut_or_longer_is_no_record, setup),
        cmocka_unit_test_setup(another_encoding_of_the_same_is_refused, setup),
        cmocka_unit_test_setup(what_the_format_has_no_place_for_is_not_encoded, setup),
        cmocka_unit_test_setup(a_record_is_no_token_and_a_token_no_record, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
