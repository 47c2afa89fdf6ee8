// SPDX-License-Identifier: Apache-2.0
/* Requests, replies, names and topics: golden bytes, bounds, strictness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <kapu/protocol.h>

#define NAME "000102030405060708090a0b0c0d0e0f"

static uint8_t work[PROTOCOL_BODY_MAX + 1];
static uint8_t filler[PROTOCOL_BODY_MAX];

static struct bytes some(size_t n)
{
    return (struct bytes){filler, n};
}

static void a_name_is_half_of_the_ueid(void **state)
{
    uint8_t ueid[EVIDENCE_UEID_SIZE] = {1};
    char name[PROTOCOL_NAME_SIZE];

    (void)state;
    for (uint8_t i = 0; i < 32; i++)
        ueid[1 + i] = i;
    protocol_name(ueid, name);
    assert_string_equal(name, NAME);
    assert_true(protocol_name_is_valid(name));
    name[3] = 'A';
    assert_false(protocol_name_is_valid(name));
    assert_false(protocol_name_is_valid(NAME "0"));
    assert_false(protocol_name_is_valid("00"));
    assert_false(protocol_name_is_valid("+"));
}

static void each_topic_is_read_back_as_written(void **state)
{
    static const char *const text[2][2] = {
        {"kapu/1/" NAME "/request", "kapu/1/" NAME "/reply"},
        {"kapu/1/enrol/" NAME "/request", "kapu/1/enrol/" NAME "/reply"}};
    char topic[PROTOCOL_TOPIC_SIZE], name[PROTOCOL_NAME_SIZE];
    enum protocol_place place;
    enum protocol_direction direction;

    (void)state;
    for (int p = 0; p < 2; p++) {
        for (int d = 0; d < 2; d++) {
            protocol_topic((enum protocol_place)p, NAME, (enum protocol_direction)d, topic);
            assert_string_equal(topic, text[p][d]);
            assert_int_equal(protocol_topic_parse(topic, &place, name, &direction), 0);
            assert_true((int)place == p && (int)direction == d && strcmp(name, NAME) == 0);
        }
    }
    protocol_topic(PROTOCOL_ENROLMENT, "+", PROTOCOL_REPLY, topic);
    assert_string_equal(topic, "kapu/1/enrol/+/reply");
}

static void other_topics_are_refused(void **state)
{
    static const char *const topics[] = {
        "",
        "kapu/1/",
        "kapu/1/+/reply",
        "kapu/1/" NAME,
        "kapu/1/" NAME "/",
        "kapu/1/" NAME "/replyx",
        "kapu/1/" NAME "/reply/x",
        "kapu/2/" NAME "/reply",
        "kapu/1/enroll/" NAME "/reply",
        "kapu/1/" NAME NAME "/reply",
        "xkapu/1/" NAME "/reply",
        "kapu/1/" NAME "/reply                                                            ",
    };
    char name[PROTOCOL_NAME_SIZE];
    enum protocol_place place;
    enum protocol_direction direction;

    (void)state;
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
        assert_int_equal(protocol_topic_parse(topics[i], &place, name, &direction), KAPU_EINVAL);
}

/* ---- bodies ---- */

static struct bytes some_text(size_t n)
{
    static uint8_t text[PROTOCOL_WHY_MAX + 1];

    memset(text, 'x', sizeof(text));
    return (struct bytes){text, n};
}

static struct protocol_request request_of(enum protocol_kind kind)
{
    struct protocol_request r = {.kind = kind};

    if (kind == PROTOCOL_ENROL || kind == PROTOCOL_ATTEST)
        memset(r.nonce, 7, sizeof(r.nonce));
    r.wants_log = kind == PROTOCOL_ATTEST;
    if (kind == PROTOCOL_ENROL) {
        r.credential = some(3);
        r.secret = some(2);
    } else if (kind == PROTOCOL_CERTIFY) {
        r.certificate = some(300);
        r.issuer = some(30);
    } else if (kind == PROTOCOL_INSTALL) {
        r.folder = (struct bytes){(const uint8_t *)"kapu-0.2.0", 10};
        r.manifest = some(500);
        r.order = some(300);
        r.release_keys = some(200);
    } else if (kind >= PROTOCOL_HALT) {
        r.order = some(301);
        r.keys = some(kind == PROTOCOL_KEYS ? 0 : 77);
    }
    return r;
}

static struct protocol_reply reply_of(enum protocol_kind kind)
{
    struct protocol_reply r = {.kind = kind};

    if (kind == PROTOCOL_ERROR) {
        r.error = (struct bytes){(const uint8_t *)"no", 2};
    } else if (kind == PROTOCOL_IDENTIFY) {
        r.ek_certificate = some(700);
        r.ak = some(88);
        memset(r.tee_key, 9, sizeof(r.tee_key));
        r.tls_key = some(91);
    } else if (kind == PROTOCOL_UPDATE) {
        r.update = (struct protocol_update){1, 2,          3,  4,    5,     some_text(40), {6}, 7,
                                            8, 9000000000, 10, {11}, 12000, some_text(9)};
    } else if (kind != PROTOCOL_CERTIFY) {
        r.message = some(1000);
    }
    return r;
}

static struct bytes encode_request(const struct protocol_request *r)
{
    static uint8_t buf[PROTOCOL_REQUEST_MAX];
    struct wr w;

    wr_init(&w, buf, sizeof(buf));
    assert_int_equal(protocol_request_encode(r, &w), 0);
    return wr_done(&w);
}

static struct bytes encode_reply(const struct protocol_reply *r)
{
    static uint8_t buf[PROTOCOL_BODY_MAX];
    struct wr w;

    wr_init(&w, buf, sizeof(buf));
    assert_int_equal(protocol_reply_encode(r, &w), 0);
    return wr_done(&w);
}

static void bodies_are_these_bytes(void **state)
{
    struct protocol_request q = request_of(PROTOCOL_ATTEST);
    struct protocol_reply r = reply_of(PROTOCOL_ERROR);
    uint8_t attest[40] = {0xa3, 0x00, 0x04, 0x01, 0x58, 0x20};
    const uint8_t error[] = {0xa2, 0x00, 0x00, 0x01, 0x62, 'n', 'o'};
    struct bytes b = encode_request(&q);

    (void)state;
    memset(attest + 6, 7, 32);
    attest[38] = 0x02;
    attest[39] = 0xf5;
    assert_int_equal(b.n, sizeof(attest));
    assert_memory_equal(b.p, attest, sizeof(attest));
    b = encode_reply(&r);
    assert_int_equal(b.n, sizeof(error));
    assert_memory_equal(b.p, error, sizeof(error));
    q = request_of(PROTOCOL_IDENTIFY);
    b = encode_request(&q);
    assert_int_equal(b.n, 3);
    assert_memory_equal(b.p, "\xa1\x00\x01", 3);
}

static bool same(struct bytes a, struct bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static void each_request_is_read_back_as_written(void **state)
{
    (void)state;
    for (int k = PROTOCOL_IDENTIFY; k <= PROTOCOL_JOIN; k++) {
        struct protocol_request r = request_of((enum protocol_kind)k), is;

        assert_int_equal(protocol_request_decode(encode_request(&r), &is, work, sizeof(work)), 0);
        assert_int_equal(is.kind, k);
        assert_memory_equal(is.nonce, r.nonce, sizeof(r.nonce));
        assert_true(same(is.credential, r.credential) && same(is.secret, r.secret));
        assert_true(same(is.certificate, r.certificate) && same(is.issuer, r.issuer));
        assert_int_equal(is.wants_log, r.wants_log);
        assert_true(same(is.folder, r.folder) && same(is.manifest, r.manifest));
        assert_true(same(is.order, r.order) && same(is.keys, r.keys));
        assert_true(same(is.release_keys, r.release_keys));
    }
}

static void each_reply_is_read_back_as_written(void **state)
{
    (void)state;
    for (int k = PROTOCOL_ERROR; k <= PROTOCOL_UPDATE; k++) {
        struct protocol_reply r = reply_of((enum protocol_kind)k), is;

        assert_int_equal(protocol_reply_decode(encode_reply(&r), &is, work, sizeof(work)), 0);
        assert_int_equal(is.kind, k);
        assert_memory_equal(is.tee_key, r.tee_key, sizeof(r.tee_key));
        assert_true(same(is.error, r.error) && same(is.ek_certificate, r.ek_certificate));
        assert_true(same(is.ak, r.ak) && same(is.tls_key, r.tls_key));
        assert_true(same(is.message, r.message));
        assert_true(same(is.update.why, r.update.why));
        assert_true(same(is.update.group, r.update.group));
        is.update.why = r.update.why;
        is.update.group = r.update.group;
        assert_memory_equal(&is.update, &r.update, sizeof(r.update));
    }
}

static void shorter_and_longer_bodies_are_refused(void **state)
{
    static uint8_t copy[PROTOCOL_BODY_MAX + 1];
    struct protocol_request q;
    struct protocol_reply r;

    (void)state;
    for (int k = PROTOCOL_ERROR; k <= PROTOCOL_UPDATE; k++) {
        struct protocol_reply of = reply_of((enum protocol_kind)k);
        struct bytes b = encode_reply(&of);

        memcpy(copy, b.p, b.n);
        copy[b.n] = 0;
        for (size_t n = 0; n <= b.n + 1; n++) {
            int err = protocol_reply_decode((struct bytes){copy, n}, &r, work, sizeof(work));
            assert_int_equal(err == 0, n == b.n);
        }
    }
    for (int k = PROTOCOL_IDENTIFY; k <= PROTOCOL_JOIN; k++) {
        struct protocol_request of = request_of((enum protocol_kind)k);
        struct bytes b = encode_request(&of);

        memcpy(copy, b.p, b.n);
        copy[b.n] = 0;
        for (size_t n = 0; n <= b.n + 1; n++) {
            int err = protocol_request_decode((struct bytes){copy, n}, &q, work, sizeof(work));
            assert_int_equal(err == 0, n == b.n);
        }
    }
}

static void what_is_not_the_one_encoding_is_refused(void **state)
{
    static const struct {
        const char *p;
        size_t n;
    } bad[] = {
        {"", 0},
        {"\xa1\x00\x18\x01", 4},                 /* 1 in two bytes */
        {"\xbf\x00\x01\xff", 4},                 /* indefinite length */
        {"\xa1\x00\x0a", 3},                     /* no such kind */
        {"\xa1\x00\x09", 3},                     /* nothing but its kind */
        {"\xa1\x00\x20", 3},                     /* negative */
        {"\xa1\x01\x01", 3},                     /* another key */
        {"\xa2\x00\x01\x00\x01", 5},             /* twice the same */
        {"\xa2\x00\x01\x05\x01", 5},             /* unknown key */
        {"\xa2\x01\x62no\x00\x00", 7},           /* not in order */
        {"\xa2\x00\x00\x01\x60", 5},             /* error without a text */
        {"\xa2\x00\x00\x01\x62\x0a\x0a", 7},     /* not printable */
        {"\xa2\x00\x00\x01\x42no", 7},           /* bytes, not text */
        {"\xa2\x00\x02\x01\x40", 5},             /* message of no bytes */
        {"\xc0\xa1\x00\x01", 4},                 /* a tag */
        {"\x81\x01", 2},                         /* an array */
        {"\xa1\x00\xfb\x3f\xf0\0\0\0\0\0\0", 11} /* 1.0 */
    };
    struct protocol_request q;
    struct protocol_reply r;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bytes in = {(const uint8_t *)bad[i].p, bad[i].n};

        assert_int_not_equal(protocol_request_decode(in, &q, work, sizeof(work)), 0);
        assert_int_not_equal(protocol_reply_decode(in, &r, work, sizeof(work)), 0);
    }
    /* an error is no request */
    assert_int_not_equal(
        protocol_request_decode((struct bytes){(const uint8_t *)"\xa1\x00\x00", 3}, &q, work, 3),
        0);
}

static void a_folder_is_a_plain_name(void **state)
{
    static const char *const good[] = {"a", "kapu-0.2.0", "0..", "-"};
    static const char *const bad[] = {"",  ".",     "..",  ".a",  "a/b",
                                      "A", "a%2fb", "a b", "a\n", "\xc3\xa1"};
    static uint8_t buf[PROTOCOL_REQUEST_MAX], copy[PROTOCOL_REQUEST_MAX];
    struct protocol_request q = request_of(PROTOCOL_INSTALL), is;
    struct bytes b;
    struct wr w;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        q.folder = (struct bytes){(const uint8_t *)good[i], strlen(good[i])};
        assert_int_equal(protocol_request_decode(encode_request(&q), &is, work, sizeof(work)), 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        q.folder = (struct bytes){(const uint8_t *)bad[i], strlen(bad[i])};
        wr_init(&w, buf, sizeof(buf));
        assert_int_equal(protocol_request_encode(&q, &w), KAPU_EARG);
    }
    q.folder = some_text(PROTOCOL_FOLDER_MAX + 1);
    wr_init(&w, buf, sizeof(buf));
    assert_int_equal(protocol_request_encode(&q, &w), KAPU_EARG);
    /* and so reads the other side: each letter of a good name changed */
    q.folder = (struct bytes){(const uint8_t *)"kapu-0.2.0", 10};
    b = encode_request(&q);
    for (int c = 0; c < 256; c++) {
        const bool lower = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';

        for (size_t i = 0; i < q.folder.n; i++) {
            memcpy(copy, b.p, b.n);
            assert_memory_equal(copy + 5 + i, q.folder.p + i, 1);
            copy[5 + i] = (uint8_t)c;
            assert_int_equal(
                protocol_request_decode((struct bytes){copy, b.n}, &is, work, sizeof(work)) == 0,
                lower || (c == '.' && i > 0));
        }
    }
}

static void work_that_nobody_knows_is_refused(void **state)
{
    static uint8_t buf[PROTOCOL_BODY_MAX];
    struct protocol_reply r = reply_of(PROTOCOL_UPDATE);
    struct bytes b;
    struct wr w;

    (void)state;
    r.update.work = PROTOCOL_WORKS - 1;
    b = encode_reply(&r);
    memcpy(buf, b.p, b.n);
    assert_int_equal(protocol_reply_decode((struct bytes){buf, b.n}, &r, work, sizeof(work)), 0);
    for (size_t i = 0; i < b.n; i++) { /* its key and value */
        if (buf[i] == 4 && buf[i + 1] == PROTOCOL_WORKS - 1) {
            buf[i + 1]++;
            break;
        }
    }
    assert_int_not_equal(protocol_reply_decode((struct bytes){buf, b.n}, &r, work, sizeof(work)),
                         0);
    r.update.work = PROTOCOL_WORKS;
    wr_init(&w, buf, sizeof(buf));
    assert_int_equal(protocol_reply_encode(&r, &w), KAPU_EARG);
}

static void bounds_hold_on_both_sides(void **state)
{
    static uint8_t buf[PROTOCOL_BODY_MAX];
    struct protocol_request q = request_of(PROTOCOL_CERTIFY);
    struct protocol_reply r = reply_of(PROTOCOL_ATTEST);
    struct wr w;

    (void)state;
    q.certificate = q.issuer = some(PROTOCOL_CERTIFICATE_MAX);
    assert_int_equal(protocol_request_decode(encode_request(&q), &q, work, sizeof(work)), 0);
    q.issuer = some(PROTOCOL_CERTIFICATE_MAX + 1);
    wr_init(&w, buf, sizeof(buf));
    assert_int_equal(protocol_request_encode(&q, &w), KAPU_EARG);
    assert_int_equal(w.at, 0);
    r.message = some(EVIDENCE_MESSAGE_MAX);
    assert_int_equal(protocol_reply_decode(encode_reply(&r), &r, work, sizeof(work)), 0);
    r.message = some(0);
    wr_init(&w, buf, sizeof(buf));
    assert_int_equal(protocol_reply_encode(&r, &w), KAPU_EARG);
    r = reply_of(PROTOCOL_ERROR);
    memset(filler, 'x', PROTOCOL_ERROR_MAX + 1);
    r.error = some(PROTOCOL_ERROR_MAX);
    assert_int_equal(protocol_reply_decode(encode_reply(&r), &r, work, sizeof(work)), 0);
    r.error = some(PROTOCOL_ERROR_MAX + 1);
    wr_init(&w, buf, sizeof(buf));
    assert_int_equal(protocol_reply_encode(&r, &w), KAPU_EARG);
    wr_init(&w, buf, 4);
    r.error = some(20);
    assert_int_equal(protocol_reply_encode(&r, &w), KAPU_ESPACE);
    assert_int_equal(protocol_reply_decode((struct bytes){filler, PROTOCOL_BODY_MAX + 1}, &r, work,
                                           sizeof(work)),
                     KAPU_ERANGE);
    assert_int_equal(protocol_reply_decode((struct bytes){filler, 20}, &r, work, 19), KAPU_ESPACE);
}

static int decodes(struct bytes b)
{
    struct protocol_request r;

    return protocol_request_decode(b, &r, work, sizeof(work));
}

static void only_an_order_to_install_may_have_the_key_of_a_release(void **state)
{
    static uint8_t buf[PROTOCOL_REQUEST_MAX], key[PROTOCOL_RELEASE_KEY_SIZE + 1];
    struct protocol_request q = request_of(PROTOCOL_INSTALL), is;
    struct bytes b;
    size_t plain;
    struct wr w;

    (void)state;
    memset(key, 0x77, sizeof(key));
    b = encode_request(&q);
    plain = b.n;
    assert_int_equal(protocol_request_decode(b, &is, work, sizeof(work)), 0);
    assert_int_equal(is.release_key.n, 0);
    q.release_key = (struct bytes){key, PROTOCOL_RELEASE_KEY_SIZE};
    b = encode_request(&q);
    assert_int_equal(b.n, plain + 3 + PROTOCOL_RELEASE_KEY_SIZE);
    assert_int_equal(protocol_request_decode(b, &is, work, sizeof(work)), 0);
    assert_true(same(is.release_key, q.release_key) && same(is.order, q.order));
    /* its head says 31, 33, or another label; and bytes that are cut */
    memcpy(buf, b.p, b.n);
    assert_memory_equal(buf + plain, "\x06\x58\x20", 3);
    assert_int_equal(decodes((struct bytes){buf, b.n}), 0);
    buf[plain + 2] = 31;
    assert_int_not_equal(decodes((struct bytes){buf, b.n - 1}), 0);
    buf[plain + 2] = 32;
    buf[plain] = 7;
    assert_int_not_equal(decodes((struct bytes){buf, b.n}), 0);
    buf[plain] = 6;
    for (size_t n = 0; n < b.n; n++)
        assert_int_not_equal(decodes((struct bytes){buf, n}), 0);
    /* the encoder says no other size, and no other kind has one */
    for (size_t n = 1; n <= sizeof(key); n++) {
        q.release_key.n = n;
        wr_init(&w, buf, sizeof(buf));
        assert_int_equal(protocol_request_encode(&q, &w),
                         n == PROTOCOL_RELEASE_KEY_SIZE ? 0 : KAPU_EARG);
    }
    for (int k = PROTOCOL_HALT; k <= PROTOCOL_KEYS; k++) {
        struct protocol_request other = request_of((enum protocol_kind)k);

        b = encode_request(&other);
        memcpy(buf, b.p, b.n);
        assert_int_equal(decodes((struct bytes){buf, b.n}), 0);
        memcpy(buf + b.n, "\x06\x58\x20", 3);
        memcpy(buf + b.n + 3, key, PROTOCOL_RELEASE_KEY_SIZE);
        buf[0]++; /* one item more */
        assert_int_not_equal(decodes((struct bytes){buf, b.n + 3 + PROTOCOL_RELEASE_KEY_SIZE}), 0);
    }
}

static void the_longest_order_fits_into_a_request(void **state)
{
    static uint8_t key[PROTOCOL_RELEASE_KEY_SIZE], folder[PROTOCOL_FOLDER_MAX];
    struct protocol_request q = request_of(PROTOCOL_INSTALL);

    (void)state;
    memset(folder, 'a', sizeof(folder));
    q.folder = BYTES_OF(folder);
    q.manifest = q.order = some(PROTOCOL_SIGNED_MAX);
    q.release_keys = q.keys = some(PROTOCOL_KEYS_MAX);
    q.release_key = BYTES_OF(key);
    assert_int_equal(decodes(encode_request(&q)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_half_of_the_ueid),
        cmocka_unit_test(each_topic_is_read_back_as_written),
        cmocka_unit_test(other_topics_are_refused),
        cmocka_unit_test(bodies_are_these_bytes),
        cmocka_unit_test(each_request_is_read_back_as_written),
        cmocka_unit_test(each_reply_is_read_back_as_written),
        cmocka_unit_test(shorter_and_longer_bodies_are_refused),
        cmocka_unit_test(what_is_not_the_one_encoding_is_refused),
        cmocka_unit_test(a_folder_is_a_plain_name),
        cmocka_unit_test(work_that_nobody_knows_is_refused),
        cmocka_unit_test(bounds_hold_on_both_sides),
        cmocka_unit_test(only_an_order_to_install_may_have_the_key_of_a_release),
        cmocka_unit_test(the_longest_order_fits_into_a_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
