// SPDX-License-Identifier: Apache-2.0
/* Evidence: encoded, held against vectors, decoded strictly, damaged in each bit. */
#include "tpm2_fixture.h"

#include <kapu/evidence.h>
#include <kapu/fusebox.h>

#include "soft_gateway.h"

static uint8_t work[EVIDENCE_MESSAGE_MAX];
static struct soft_gateway gateway;
static const uint8_t nonce[32] = "thirty-two bytes of a verifier.";

/* A message of a gateway that was made anew, and bent by `bend`. */
static struct bytes a_message(void (*bend)(struct soft_gateway *))
{
    static uint8_t buf[EVIDENCE_MESSAGE_MAX];
    struct wr w;

    soft_gateway_init(&gateway, "gateway", "release");
    if (bend != NULL)
        bend(&gateway);
    wr_init(&w, buf, sizeof(buf));
    soft_gateway_message(&gateway, nonce, &w);
    return wr_done(&w);
}

static int quote_holds(const struct evidence_message *m)
{
    struct tpm2_attest a;
    uint8_t digest[32];

    if (tpm2_attest_parse(m->attest, &a) != 0)
        return -1;
    SHA256->hash(NULL, &m->attest, 1, digest);
    if (openssl_p256_verify(gateway.ak.pub.x, gateway.ak.pub.y, digest, m->quote_signature) != 0)
        return -1;
    if (evidence_quote_nonce(SHA256, m->token, digest) != 0)
        return -1;
    return a.nonce.n == 32 && memcmp(a.nonce.p, digest, 32) == 0 ? 0 : -1;
}

/* All that lib/evidence can say of a message; 0: good, and *c says what it says. */
static int accept_message(struct bytes in, struct evidence_claims *c)
{
    struct evidence_message m;
    struct evidence_token t;
    uint8_t digest[32];
    int err = evidence_message_decode(in, &m, work, sizeof(work));

    if (err == 0)
        err = evidence_token_decode(m.token, &t, work, sizeof(work));
    if (err == 0)
        err = evidence_token_verify(SHA256, &evidence_openssl, &t, &gateway.tee.pub);
    if (err == 0)
        err = evidence_claims_decode(t.payload, c, work, sizeof(work));
    if (err == 0)
        err = quote_holds(&m);
    if (err == 0 && m.log.n > 0) {
        SHA256->hash(NULL, &m.log, 1, digest);
        err = c->boot.log_size == m.log.n && memcmp(digest, c->boot.log_digest, 32) == 0 ? 0 : -1;
    }
    return err;
}

static struct bytes file_of(const char *name)
{
    static uint8_t buf[EVIDENCE_MESSAGE_MAX];
    char path[1024];
    FILE *f;
    size_t n;

    snprintf(path, sizeof(path), "%s/%s", VECTORS, name);
    f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("%s is missing: run make_vectors", path);
    n = fread(buf, 1, sizeof(buf), f);
    fclose(f);
    return (struct bytes){buf, n};
}

static void vectors_are_made_byte_for_byte(void **state)
{
    static uint8_t buf[EVIDENCE_MESSAGE_MAX];
    const char *name;
    struct wr w;

    (void)state;
    wr_init(&w, buf, sizeof(buf));
    for (unsigned i = 0; soft_vector(i, &name, &w); i++) {
        struct bytes file = file_of(name);

        if (file.n != w.at || memcmp(file.p, buf, w.at) != 0)
            fail_msg("%s is not what is made", name);
        wr_init(&w, buf, sizeof(buf));
    }
}

static bool text_is(struct bytes b, const char *text)
{
    return b.n == strlen(text) && memcmp(b.p, text, b.n) == 0;
}

static void two_findings(struct soft_gateway *g)
{
    soft_gateway_finding(g, EVIDENCE_ALARM, "text.changed", "__arm64_sys_kill+0x10",
                         0xffff800008123450U, "4 bytes");
    soft_gateway_finding(g, EVIDENCE_WARNING, "sockets.unknown", "", 0, "");
    g->monitor.check[3].result = KAPU_EUNSUPPORTED;
    g->monitor.last_reset = EVIDENCE_RESET_ALARM;
    g->monitor.resets = 2;
    g->claims.software.slot = 1;
    g->claims.software.trial = true;
    g->claims.software.tries = 2;
    g->claims.software.storage_counter = 70000;
    g->claims.software.storage_starts = 3;
    g->claims.software.last_update = EVIDENCE_UPDATE_REFUSED;
    g->claims.software.last_update_reset = EVIDENCE_RESET_PANIC;
    g->claims.software.refused =
        (struct evidence_refusals){EVIDENCE_ATTACK_REVOKED_KEY, 70000, 1u << 10 | 1u << 4};
    g->claims.software.told =
        (struct evidence_refusals){EVIDENCE_ATTACK_ENDLESS_DATA, UINT32_MAX, 1u << 19 | 1u << 5};
}

static void a_message_is_read_back_as_written(void **state)
{
    static struct evidence_monitor m;
    struct evidence_claims c = {.monitor = &m};
    const struct evidence_claims *is = &gateway.claims;

    (void)state;
    assert_int_equal(accept_message(a_message(two_findings), &c), 0);
    assert_memory_equal(c.nonce, nonce, 32);
    assert_memory_equal(c.ueid, is->ueid, sizeof(c.ueid));
    assert_memory_equal(&c.boot, &is->boot, sizeof(c.boot));
    assert_true(c.oemboot && !c.enrolment);
    assert_int_equal(c.dbgstat, EVIDENCE_DEBUG_DISABLED_SINCE_BOOT);
    assert_true(text_is(c.software.version, "0.5.0") && text_is(c.tee, "OP-TEE 4.10.0-2"));
    assert_true(c.software.slot == 1 && c.software.trial && c.software.tries == 2);
    assert_true(c.software.storage_counter == 70000 && c.software.storage_starts == 3);
    assert_true(c.software.last_update == EVIDENCE_UPDATE_REFUSED &&
                c.software.last_update_reset == EVIDENCE_RESET_PANIC);
    assert_memory_equal(&c.software.refused, &is->software.refused, sizeof(c.software.refused));
    assert_memory_equal(&c.software.told, &is->software.told, sizeof(c.software.told));
    assert_memory_not_equal(&c.software.refused, &c.software.told, sizeof(c.software.told));
    assert_memory_equal(c.software.identity, is->software.identity, sizeof(c.software.identity));
    assert_memory_equal(c.software.boot_name, is->software.boot_name, sizeof(c.software.boot_name));
    assert_memory_not_equal(c.software.identity, c.software.boot_name, 32);
    assert_int_equal(c.software.counter_release, 3);
    assert_true(m.verdict == EVIDENCE_ALARMS && m.alarms == 1 && m.warnings == 1);
    assert_true(m.kernel_base == 0xffff800008000000U);
    assert_true(m.number == 4 && m.began_ms == 95000 && m.ended_ms == 97310 && m.now_ms == 97340);
    assert_memory_equal(&m.watch, &gateway.monitor.watch, sizeof(m.watch));
    assert_true(m.last_reset == EVIDENCE_RESET_ALARM && m.resets == 2);
    assert_int_equal(m.checks, gateway.monitor.checks);
    assert_int_equal(m.check[3].result, KAPU_EUNSUPPORTED);
    assert_int_equal(m.findings, 2);
    assert_true(text_is(m.finding[0].object, "__arm64_sys_kill+0x10"));
    assert_true(m.finding[0].address == 0xffff800008123450U);
    assert_int_equal(m.finding[1].detail.n, 0);
}

static void without_log(struct soft_gateway *g)
{
    g->with_log = false;
}

static void a_message_without_log_is_read_too(void **state)
{
    static struct evidence_monitor m;
    struct evidence_claims c = {.monitor = &m};

    (void)state;
    assert_int_equal(accept_message(a_message(without_log), &c), 0);
    assert_true(c.boot.log_size > 0);
}

static void enrolling(struct soft_gateway *g)
{
    const uint8_t secret[32] = {1}, tls[32] = {2};

    soft_gateway_enrol(g, nonce, secret, tls);
}

static void enrolment_claims_name_both_keys_and_prove_the_activation(void **state)
{
    static struct evidence_monitor m;
    struct evidence_claims c = {.monitor = &m};
    const uint8_t secret[32] = {1}, tls[32] = {2};
    uint8_t mac[32];

    (void)state;
    assert_int_equal(accept_message(a_message(enrolling), &c), 0);
    assert_true(c.enrolment);
    assert_memory_equal(&c.key, &gateway.tee.pub, sizeof(c.key));
    assert_memory_equal(c.tls_key, tls, 32);
    assert_int_equal(evidence_activation(SHA256, secret, nonce, &c.key, tls, mac), 0);
    assert_memory_equal(mac, c.activation, 32);
}

static void the_activation_depends_on_each_of_its_parts(void **state)
{
    uint8_t secret[32] = {1}, n[32] = {2}, tls[32] = {3}, right[32], other[32];
    struct evidence_key key = {{4}, {5}};
    uint8_t *part[] = {secret, n, tls, key.x, key.y};

    (void)state;
    assert_int_equal(evidence_activation(SHA256, secret, n, &key, tls, right), 0);
    for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
        part[i][31] ^= 1;
        assert_int_equal(evidence_activation(SHA256, secret, n, &key, tls, other), 0);
        assert_memory_not_equal(right, other, 32);
        part[i][31] ^= 1;
    }
}

static void each_bit_of_a_message_flipped_is_rejected(void **state)
{
    static struct evidence_monitor m;
    static uint8_t copy[EVIDENCE_MESSAGE_MAX];
    struct evidence_claims c = {.monitor = &m};
    struct bytes in = a_message(two_findings);

    (void)state;
    memcpy(copy, in.p, in.n);
    for (size_t bit = 0; bit < in.n * 8; bit++) {
        copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (accept_message((struct bytes){copy, in.n}, &c) == 0)
            fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
        copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_int_equal(accept_message((struct bytes){copy, in.n}, &c), 0);
}

static void each_shorter_message_is_rejected(void **state)
{
    static struct evidence_monitor m;
    struct evidence_claims c = {.monitor = &m};
    struct bytes in = a_message(NULL);

    (void)state;
    for (size_t n = 0; n < in.n; n++)
        assert_int_not_equal(accept_message((struct bytes){in.p, n}, &c), 0);
}

static void a_token_of_another_key_is_not_taken(void **state)
{
    struct evidence_message m;
    struct evidence_token t;
    struct soft_key other;
    struct bytes in = a_message(NULL);

    (void)state;
    soft_key_make(&other, "somebody");
    assert_int_equal(evidence_message_decode(in, &m, work, sizeof(work)), 0);
    assert_int_equal(evidence_token_decode(m.token, &t, work, sizeof(work)), 0);
    assert_int_equal(evidence_token_verify(SHA256, &evidence_openssl, &t, &other.pub), KAPU_EPIN);
    assert_int_equal(evidence_key_thumbprint(SHA256, &other.pub, t.kid), 0);
    assert_int_equal(evidence_token_verify(SHA256, &evidence_openssl, &t, &other.pub), KAPU_EAUTH);
}

static void coordinates_off_the_curve_are_no_key(void **state)
{
    const struct evidence_key zero = {{0}, {0}};
    struct evidence_key key;
    EVP_PKEY *k;

    (void)state;
    (void)a_message(NULL);
    key = gateway.tee.pub;
    k = openssl_p256_public(key.x, key.y);
    assert_non_null(k);
    EVP_PKEY_free(k);
    for (unsigned bit = 0; bit < 256; bit += 15) {
        key.y[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_null(openssl_p256_public(key.x, key.y));
        key.y[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_null(openssl_p256_public(zero.x, zero.y));
    memset(&key, 0xff, sizeof(key)); /* beyond the field's size */
    assert_null(openssl_p256_public(key.x, key.y));
}

/* ---- encodings that mean the same, or nothing ---- */

static struct bytes monitor_bytes(void)
{
    static uint8_t buf[EVIDENCE_MONITOR_MAX];
    struct wr w;

    soft_gateway_init(&gateway, "gateway", "release");
    two_findings(&gateway);
    wr_init(&w, buf, sizeof(buf));
    assert_int_equal(evidence_monitor_encode(&gateway.monitor, &w), 0);
    return wr_done(&w);
}

/* The monitor's claims with `cut` bytes at `at` replaced. */
static int decode_edited(size_t at, size_t cut, struct bytes by)
{
    static uint8_t buf[EVIDENCE_MONITOR_MAX];
    static struct evidence_monitor m;
    struct bytes in = monitor_bytes();
    struct wr w;

    wr_init(&w, buf, sizeof(buf));
    wr_bytes(&w, (struct bytes){in.p, at});
    wr_bytes(&w, by);
    wr_bytes(&w, (struct bytes){in.p + at + cut, in.n - at - cut});
    return evidence_monitor_decode(wr_done(&w), &m, work, sizeof(work));
}

static void other_encodings_of_the_same_are_rejected(void **state)
{
    static const struct {
        size_t at, cut;
        const char *by;
        size_t n;
        const char *what;
    } edit[] = {
        {0, 1, "\xb8\x09", 2, "longer count of a map"},
        {0, 1, "\xbf", 1, "indefinite length, no end"},
        {0, 1, "\xaa", 1, "a claim too few for the count"},
        {0, 1, "\xa8", 1, "a claim too many for the count"},
        {0, 0, "\xd9\xd9\xf7", 3, "a tag"},
        {1, 5, "\x3b\x00\x00\x00\x00\x00\x01\x11\x83", 9, "longer label"},
        {6, 1, "\x18\x02", 2, "longer integer"},
        {6, 1, "\x22", 1, "negative verdict"},
        {6, 1, "\xf6", 1, "null"},
        {6, 1, "\xf9\x40\x00", 3, "2.0"},
        {6, 1, "\x00", 1, "clean, with alarms"},
        {1, 6, "\x3a\x00\x01\x11\x84\x04", 6, "a label twice"},
        {1, 0, "\x00\x00", 2, "an unknown label, count as before"},
    };

    (void)state;
    assert_int_equal(decode_edited(0, 0, (struct bytes){NULL, 0}), 0);
    for (size_t i = 0; i < sizeof(edit) / sizeof(edit[0]); i++) {
        int err = decode_edited(edit[i].at, edit[i].cut,
                                (struct bytes){(const uint8_t *)edit[i].by, edit[i].n});

        if (err != KAPU_EINVAL)
            fail_msg("%s: %d", edit[i].what, err);
    }
}

static void an_unknown_claim_duplicate_or_trailing_byte_is_rejected(void **state)
{
    struct bytes in = monitor_bytes();
    static uint8_t buf[EVIDENCE_MONITOR_MAX];
    static struct evidence_monitor m;
    struct wr w;

    (void)state;
    for (int label = 0x83; label <= 0x8d; label += 10) { /* one that is there, one that is not */
        wr_init(&w, buf, sizeof(buf));
        wr_u8(&w, 0xaa);
        wr_bytes(&w, (struct bytes){in.p + 1, in.n - 1});
        wr_bytes(&w, BYTES_STR("\x3a\x00\x01\x11"));
        wr_u8(&w, (uint8_t)label);
        wr_u8(&w, 0);
        assert_int_equal(evidence_monitor_decode(wr_done(&w), &m, work, sizeof(work)), KAPU_EINVAL);
    }
    assert_int_equal(decode_edited(in.n, 0, BYTES_STR("\0")), KAPU_EINVAL);
}

static void two_claims_in_the_other_order_are_rejected(void **state)
{
    static struct evidence_monitor m;
    uint8_t buf[4096], first[6], second[6];
    struct bytes in = monitor_bytes();

    (void)state;
    memcpy(buf, in.p, in.n); /* verdict and number: 5 bytes of label, 1 of value */
    memcpy(first, buf + 1, 6);
    memcpy(second, buf + 7, 6);
    memcpy(buf + 1, second, 6);
    memcpy(buf + 7, first, 6);
    assert_int_equal(evidence_monitor_decode((struct bytes){buf, in.n}, &m, work, sizeof(work)),
                     KAPU_EINVAL);
}

/* Claims of a software submodule in which the item after `label`, which begins with `is` and has
 * `size` bytes, is another: `head`, and n bytes more. */
static int decode_with(struct bytes label, struct bytes is, size_t size, struct bytes head,
                       size_t n)
{
    static uint8_t claims[EVIDENCE_CLAIMS_MAX], buf[EVIDENCE_CLAIMS_MAX];
    static struct evidence_monitor m;
    struct evidence_claims c = {.monitor = &m};
    const uint8_t *behind;
    struct wr w;

    soft_gateway_init(&gateway, "gateway", "release");
    wr_init(&w, claims, sizeof(claims));
    assert_int_equal(evidence_claims_encode(&gateway.claims, &w), 0);
    behind = memmem(claims, w.at, label.p, label.n);
    assert_non_null(behind);
    behind += label.n;
    assert_memory_equal(behind, is.p, is.n);
    {
        const size_t at = (size_t)(behind - claims), end = w.at;

        wr_init(&w, buf, sizeof(buf));
        wr_bytes(&w, (struct bytes){claims, at});
        wr_bytes(&w, head);
        for (size_t i = 0; i < n; i++)
            wr_u8(&w, 'x');
        wr_bytes(&w, (struct bytes){behind + size, end - at - size});
    }
    return evidence_claims_decode(wr_done(&w), &c, work, sizeof(work));
}

static void identity_and_boot_name_of_another_length_or_type_are_rejected(void **state)
{
    const struct bytes label[] = {BYTES_STR("\x19\x01\x0c"), BYTES_STR("\x3a\x00\x01\x11\x90")};
    const struct {
        struct bytes head;
        size_t n;
        int err;
    } row[] = {
        {BYTES_STR("\x58\x20"), 32, 0},
        {BYTES_STR("\x58\x1f"), 31, KAPU_EINVAL},
        {BYTES_STR("\x58\x21"), 33, KAPU_ERANGE},
        {BYTES_STR("\x40"), 0, KAPU_EINVAL},
        {BYTES_STR("\x78\x20"), 32, KAPU_EINVAL},     /* text */
        {BYTES_STR("\x59\x00\x20"), 32, KAPU_EINVAL}, /* longer length */
        {BYTES_STR("\xf6"), 0, KAPU_EINVAL},          /* null */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(label) / sizeof(label[0]); i++) {
        for (size_t k = 0; k < sizeof(row) / sizeof(row[0]); k++) {
            int err = decode_with(label[i], BYTES_STR("\x58\x20"), 34, row[k].head, row[k].n);

            if (err != row[k].err)
                fail_msg("label %zu, row %zu: %d", i, k, err);
        }
    }
}

/* Another array as the last update. */
static int decode_last_update(struct bytes array)
{
    return decode_with(BYTES_STR("\x3a\x00\x01\x11\x91"), BYTES_STR("\x82\x00\x00"), 3, array, 0);
}

static void each_outcome_of_an_update_is_read_with_each_reset_and_nothing_else(void **state)
{
    (void)state;
    for (uint8_t outcome = 0; outcome < 24; outcome++) {
        for (uint8_t reset = 0; reset < 24; reset++) {
            const uint8_t array[] = {0x82, outcome, reset};
            const bool good =
                outcome == EVIDENCE_UPDATE_NONE
                    ? reset == EVIDENCE_RESET_NONE
                    : outcome <= EVIDENCE_UPDATE_NEVER_BEGAN && reset <= EVIDENCE_RESET_PANIC;

            if (decode_last_update(BYTES_OF(array)) != (good ? 0 : KAPU_EINVAL))
                fail_msg("outcome %u, reset %u", outcome, reset);
        }
    }
}

static void a_last_update_of_another_length_type_or_encoding_is_rejected(void **state)
{
    const struct bytes row[] = {
        BYTES_STR("\x80"),
        BYTES_STR("\x81\x03"),
        BYTES_STR("\x83\x03\x01\x00"),
        BYTES_STR("\x9f\x03\x01\xff"), /* indefinite length */
        BYTES_STR("\x98\x02\x03\x01"), /* longer length */
        BYTES_STR("\x82\x18\x03\x01"), /* longer integers */
        BYTES_STR("\x82\x03\x18\x01"),
        BYTES_STR("\x82\x20\x01"), /* -1 */
        BYTES_STR("\x82\x03\xf5"), /* true */
        BYTES_STR("\x82\x1a\xff\xff\xff\xff\x01"),
        BYTES_STR("\x82\x1b\x00\x00\x00\x01\x00\x00\x00\x03\x01"), /* 3 in its low word */
        BYTES_STR("\x03"),
        BYTES_STR("\xf6"), /* null */
    };

    (void)state;
    assert_int_equal(decode_last_update(BYTES_STR("\x82\x03\x01")), 0);
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        if (decode_last_update(row[i]) == 0)
            fail_msg("row %zu", i);
    }
}

/* Another array as the refusals. */
static int decode_refusals(struct bytes array)
{
    return decode_with(BYTES_STR("\x3a\x00\x01\x11\x92"), BYTES_STR("\x86\x00\x00\x00"), 7, array,
                       0);
}

static int decode_refusal(bool told, uint32_t last, uint32_t count, uint32_t kinds)
{
    const uint32_t three[3] = {last, count, kinds};
    uint8_t array[32];
    struct wr w;

    wr_init(&w, array, sizeof(array));
    wr_u8(&w, 0x86);
    for (size_t i = 0; i < 6; i++) {
        const uint32_t v = (i >= 3) == told ? three[i % 3] : 0;

        if (v >= 65536)
            wr_u8(&w, 0x1a);
        else if (v >= 256)
            wr_u8(&w, 0x19);
        else if (v >= 24)
            wr_u8(&w, 0x18);
        if (v >= 65536)
            wr_be16(&w, (uint16_t)(v >> 16));
        if (v >= 256)
            wr_u8(&w, (uint8_t)(v >> 8));
        wr_u8(&w, (uint8_t)v);
    }
    return decode_refusals(wr_done(&w));
}

/* The update TA answers what the secure world refuses, Linux tells what servers did. */
static void each_attack_is_read_from_who_may_tell_it_and_nothing_else(void **state)
{
    const uint32_t refused = 0xffe, told = 1u << 5 | 1u << 19 | 1u << 20;

    (void)state;
    for (uint32_t linux_says = 0; linux_says < 2; linux_says++) {
        const uint32_t allowed = linux_says ? told : refused;

        for (uint32_t a = 0; a < 40; a++) {
            const bool good = a < 32 && (allowed >> a & 1) != 0;
            const uint32_t kinds = a < 32 ? 1u << a : 1u;

            if (decode_refusal(linux_says, a, 1, kinds) != (good ? 0 : KAPU_EINVAL))
                fail_msg("attack %u, Linux %u", a, linux_says);
        }
        assert_int_equal(decode_refusal(linux_says, 5, UINT32_MAX, allowed), 0);
        for (uint32_t a = 0; a < 32; a++) { /* among others */
            const bool good = (allowed >> a & 1) != 0;

            assert_int_equal(decode_refusal(linux_says, 5, 9, 1u << 5 | 1u << a),
                             good ? 0 : KAPU_EINVAL);
        }
    }
}

static void refusals_that_contradict_each_other_are_rejected(void **state)
{
    static const uint32_t bad[][3] = {
        {0, 1, 0}, {0, 0, 2},   {0, 1, 2},  {1, 0, 2},      {1, 1, 0},          {1, 1, 4},
        {1, 1, 6}, {2, 2, 0xe}, {33, 1, 2}, {1, 10, 0xffe}, {UINT32_MAX, 1, 2},
    };

    (void)state;
    assert_int_equal(decode_refusal(false, 0, 0, 0), 0);
    assert_int_equal(decode_refusal(false, 1, 1, 2), 0);
    assert_int_equal(decode_refusal(false, 1, 11, 0xffe), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (decode_refusal(false, bad[i][0], bad[i][1], bad[i][2]) != KAPU_EINVAL)
            fail_msg("row %zu", i);
    }
}

static void refusals_of_another_length_type_or_encoding_are_rejected(void **state)
{
    const struct bytes row[] = {
        BYTES_STR("\x80"),
        BYTES_STR("\x83\x01\x01\x02"),
        BYTES_STR("\x85\x01\x01\x02\x00\x00"),
        BYTES_STR("\x87\x01\x01\x02\x00\x00\x00\x00"),
        BYTES_STR("\x9f\x01\x01\x02\x00\x00\x00\xff"), /* indefinite length */
        BYTES_STR("\x98\x06\x01\x01\x02\x00\x00\x00"), /* longer length */
        BYTES_STR("\x86\x01\x18\x01\x02\x00\x00\x00"), /* longer integers */
        BYTES_STR("\x86\x01\x01\x19\x00\x02\x00\x00\x00"),
        BYTES_STR("\x86\x20\x01\x02\x00\x00\x00"), /* -1 */
        BYTES_STR("\x86\xf5\x01\x02\x00\x00\x00"), /* true */
        BYTES_STR("\x86\x01\x1b\x00\x00\x00\x01\x00\x00\x00\x01\x02\x00\x00\x00"),
        BYTES_STR("\x82\x83\x01\x01\x02\x83\x00\x00\x00"), /* two arrays */
        BYTES_STR("\x01"),
        BYTES_STR("\xf6"), /* null */
    };

    (void)state;
    assert_int_equal(decode_refusals(BYTES_STR("\x86\x01\x01\x02\x00\x00\x00")), 0);
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        if (decode_refusals(row[i]) == 0)
            fail_msg("row %zu", i);
    }
}

static void depth_and_size_are_bounded(void **state)
{
    static uint8_t deep[EVIDENCE_MESSAGE_MAX + 1];
    static struct evidence_monitor m;
    struct evidence_claims c = {.monitor = &m};
    struct evidence_message msg;
    struct evidence_token t;
    const struct bytes all = BYTES_OF(deep);

    (void)state;
    memset(deep, 0x81, sizeof(deep));
    for (size_t n = 1; n < 100; n++) {
        const struct bytes in = {deep, n};

        assert_int_not_equal(evidence_message_decode(in, &msg, work, sizeof(work)), 0);
        assert_int_not_equal(evidence_token_decode(in, &t, work, sizeof(work)), 0);
        assert_int_not_equal(evidence_claims_decode(in, &c, work, sizeof(work)), 0);
    }
    assert_int_equal(evidence_message_decode(all, &msg, work, sizeof(work)), KAPU_ERANGE);
    assert_int_equal(evidence_token_decode(all, &t, work, sizeof(work)), KAPU_ERANGE);
    assert_int_equal(evidence_claims_decode(all, &c, work, sizeof(work)), KAPU_ERANGE);
    assert_int_equal(evidence_monitor_decode(all, &m, work, sizeof(work)), KAPU_ERANGE);
    assert_int_equal(evidence_monitor_decode((struct bytes){deep, 100}, &m, work, 99), KAPU_ESPACE);
}

static void another_algorithm_type_or_profile_is_unsupported(void **state)
{
    static const struct {
        const char *is, *other;
        size_t n;
    } edit[] = {
        {"\x01\x26\x04", "\x01\x27\x04", 3}, /* EdDSA */
        {"\x01\x26\x04", "\x01\x24\x04", 3}, /* -5: HMAC 256/256 */
        {"application/eat+cwt", "application/eat+jwt", 19},
    };
    static uint8_t buf[EVIDENCE_TOKEN_MAX];
    static struct evidence_monitor m;
    struct evidence_claims c = {.monitor = &m};
    struct evidence_token t;
    uint8_t *at;

    (void)state;
    (void)a_message(NULL);
    for (size_t i = 0; i < sizeof(edit) / sizeof(edit[0]); i++) {
        memcpy(buf, gateway.token, gateway.token_n);
        at = memmem(buf, gateway.token_n, edit[i].is, edit[i].n);
        assert_non_null(at);
        memcpy(at, edit[i].other, edit[i].n);
        assert_int_equal(
            evidence_token_decode((struct bytes){buf, gateway.token_n}, &t, work, sizeof(work)),
            KAPU_EUNSUPPORTED);
    }
    memcpy(buf, gateway.token, gateway.token_n);
    assert_int_equal(
        evidence_token_decode((struct bytes){buf, gateway.token_n}, &t, work, sizeof(work)), 0);
    at = memmem(buf, gateway.token_n, "evidence-5", 10);
    assert_non_null(at);
    at[9] = '3';
    assert_int_equal(evidence_claims_decode(t.payload, &c, work, sizeof(work)), KAPU_EUNSUPPORTED);
}

/* ---- the encoder ---- */

static void claims_of_the_monitor_are_taken_over_as_bytes(void **state)
{
    static uint8_t one[EVIDENCE_CLAIMS_MAX], two[EVIDENCE_CLAIMS_MAX];
    struct bytes monitor = monitor_bytes();
    struct wr a, b;

    (void)state;
    wr_init(&a, one, sizeof(one));
    wr_init(&b, two, sizeof(two));
    assert_int_equal(evidence_claims_encode(&gateway.claims, &a), 0);
    gateway.claims.monitor = NULL;
    gateway.claims.monitor_encoded = monitor;
    assert_int_equal(evidence_claims_encode(&gateway.claims, &b), 0);
    assert_int_equal(a.at, b.at);
    assert_memory_equal(one, two, a.at);
    gateway.claims.monitor_encoded = (struct bytes){monitor.p + 1, monitor.n - 1};
    wr_init(&b, two, sizeof(two));
    assert_int_equal(evidence_claims_encode(&gateway.claims, &b), KAPU_EARG);
    gateway.claims.monitor_encoded = (struct bytes){NULL, 0};
    wr_init(&b, two, sizeof(two));
    assert_int_equal(evidence_claims_encode(&gateway.claims, &b), KAPU_EARG);
}

static void a_buffer_of_each_smaller_size_is_too_small(void **state)
{
    uint8_t small[4096];
    struct bytes in = a_message(NULL);
    struct evidence_message m;
    struct wr w;

    (void)state;
    assert_int_equal(evidence_message_decode(in, &m, work, sizeof(work)), 0);
    for (size_t n = 0; n < in.n; n++) {
        wr_init(&w, small, n);
        assert_int_equal(evidence_message_encode(&m, &w), KAPU_ESPACE);
        assert_int_equal(w.at, 0);
    }
    for (size_t n = 0; n < 200; n++) {
        wr_init(&w, small, n);
        assert_int_equal(evidence_claims_encode(&gateway.claims, &w), KAPU_ESPACE);
        wr_init(&w, small, n);
        assert_int_equal(evidence_monitor_encode(&gateway.monitor, &w), KAPU_ESPACE);
    }
    wr_init(&w, small, in.n);
    assert_int_equal(evidence_message_encode(&m, &w), 0);
}

static void the_largest_monitor_fits(void **state)
{
    static char id[EVIDENCE_ID_MAX + 2], object[EVIDENCE_OBJECT_MAX + 1],
        detail[EVIDENCE_DETAIL_MAX + 1];
    static uint8_t one[EVIDENCE_MONITOR_MAX], two[EVIDENCE_CLAIMS_MAX];
    struct evidence_monitor *m = &gateway.monitor;
    struct wr w;

    (void)state;
    soft_gateway_init(&gateway, "gateway", "release");
    memset(id, 'i', sizeof(id) - 2);
    memset(object, 'o', sizeof(object) - 1);
    memset(detail, 'd', sizeof(detail) - 1);
    for (size_t i = 0; i < EVIDENCE_FINDINGS + 3; i++)
        soft_gateway_finding(&gateway, EVIDENCE_ALARM, id, object, UINT64_MAX, detail);
    assert_int_equal(m->not_kept, 3);
    for (m->checks = 0; m->checks < EVIDENCE_CHECKS; m->checks++) {
        m->check[m->checks].id = (struct bytes){(uint8_t *)id, EVIDENCE_ID_MAX};
        m->check[m->checks].result = INT32_MIN;
    }
    m->began_ms = m->ended_ms = m->now_ms = m->kernel_base = UINT64_MAX;
    wr_init(&w, one, sizeof(one));
    assert_int_equal(evidence_monitor_encode(m, &w), 0);
    wr_init(&w, two, sizeof(two));
    assert_int_equal(evidence_claims_encode(&gateway.claims, &w), 0);
    id[EVIDENCE_ID_MAX] = 'i';
    m->finding[7].id.n = EVIDENCE_ID_MAX + 1;
    wr_init(&w, one, sizeof(one));
    assert_int_equal(evidence_monitor_encode(m, &w), KAPU_EARG);
}

/* Each of these makes claims that contradict themselves or that the format has no place for. */
static void no_alarm_counted(struct soft_gateway *g)
{
    g->monitor.alarms = 0;
    g->monitor.verdict = EVIDENCE_WARNINGS;
}
static void verdict_clean(struct soft_gateway *g)
{
    g->monitor.verdict = EVIDENCE_CLEAN;
}
static void finding_hidden(struct soft_gateway *g)
{
    g->monitor.findings--;
}
static void severity_zero(struct soft_gateway *g)
{
    g->monitor.finding[0].severity = 0;
}
static void ended_before_it_began(struct soft_gateway *g)
{
    g->monitor.ended_ms = g->monitor.began_ms - 1;
}
static void made_before_its_end(struct soft_gateway *g)
{
    g->monitor.now_ms = g->monitor.ended_ms - 1;
}
static void too_many_checks(struct soft_gateway *g)
{
    g->monitor.checks = EVIDENCE_CHECKS + 1;
}
static void check_without_name(struct soft_gateway *g)
{
    g->monitor.check[2].id.n = 0;
}
static void no_printable_text(struct soft_gateway *g)
{
    g->monitor.finding[0].object = BYTES_STR("a\nb");
}
static void third_slot(struct soft_gateway *g)
{
    g->claims.software.slot = 2;
}
static void no_version(struct soft_gateway *g)
{
    g->claims.software.version.n = 0;
}
static void debug_unknown(struct soft_gateway *g)
{
    g->claims.dbgstat = 5;
}
static void reset_unknown(struct soft_gateway *g)
{
    g->monitor.last_reset = EVIDENCE_RESET_PANIC + 1;
}
static void outcome_unknown(struct soft_gateway *g)
{
    g->claims.software.last_update = EVIDENCE_UPDATE_NEVER_BEGAN + 1;
}
static void reset_of_an_update_unknown(struct soft_gateway *g)
{
    g->claims.software.last_update_reset = EVIDENCE_RESET_PANIC + 1;
}
static void reset_of_no_update(struct soft_gateway *g)
{
    g->claims.software.last_update = EVIDENCE_UPDATE_NONE;
}

static void refusals_not_counted(struct soft_gateway *g)
{
    g->claims.software.refused.count = 1;
}
static void refusal_of_linux(struct soft_gateway *g)
{
    g->claims.software.told.last = EVIDENCE_ATTACK_ROLLBACK;
    g->claims.software.told.kinds |= 1u << EVIDENCE_ATTACK_ROLLBACK;
}
static void attack_unknown(struct soft_gateway *g)
{
    g->claims.software.refused.last = EVIDENCE_ATTACKS;
}

static void contradictions_are_refused_by_the_encoder(void **state)
{
    static void (*const bend[])(struct soft_gateway *) = {
        no_alarm_counted,   verdict_clean,        finding_hidden,
        severity_zero,      no_version,           made_before_its_end,
        too_many_checks,    check_without_name,   ended_before_it_began,
        no_printable_text,  third_slot,           debug_unknown,
        reset_unknown,      outcome_unknown,      reset_of_an_update_unknown,
        reset_of_no_update, refusals_not_counted, refusal_of_linux,
        attack_unknown,
    };
    static uint8_t buf[EVIDENCE_CLAIMS_MAX];
    struct wr w;

    (void)state;
    for (size_t i = 0; i < sizeof(bend) / sizeof(bend[0]); i++) {
        soft_gateway_init(&gateway, "gateway", "release");
        two_findings(&gateway);
        bend[i](&gateway);
        wr_init(&w, buf, sizeof(buf));
        if (evidence_claims_encode(&gateway.claims, &w) != KAPU_EARG)
            fail_msg("contradiction %zu was encoded", i);
        assert_int_equal(w.at, 0);
    }
}

static void evidence_and_fuse_box_mean_the_same_pcrs(void **state)
{
    uint32_t mask = 0;

    (void)state;
    for (size_t i = 0; i < EVIDENCE_PCRS; i++)
        mask |= 1U << evidence_pcr[i];
    assert_int_equal(mask, EVIDENCE_PCR_MASK);
    assert_int_equal(mask, FUSEBOX_PCRS);
    assert_int_equal(evidence_pcr[EVIDENCE_PCR_CAP], FUSEBOX_PCR_CAP);
    assert_int_equal(evidence_pcr[EVIDENCE_PCR_AUTHORITY], FUSEBOX_PCR_AUTHORITY);
}

static void clean_evidence_without_log_is_at_most_4_kib(void **state)
{
    (void)state;
    assert_true(a_message(without_log).n <= 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_made_byte_for_byte),
        cmocka_unit_test(a_message_is_read_back_as_written),
        cmocka_unit_test(a_message_without_log_is_read_too),
        cmocka_unit_test(enrolment_claims_name_both_keys_and_prove_the_activation),
        cmocka_unit_test(the_activation_depends_on_each_of_its_parts),
        cmocka_unit_test(each_bit_of_a_message_flipped_is_rejected),
        cmocka_unit_test(each_shorter_message_is_rejected),
        cmocka_unit_test(a_token_of_another_key_is_not_taken),
        cmocka_unit_test(coordinates_off_the_curve_are_no_key),
        cmocka_unit_test(other_encodings_of_the_same_are_rejected),
        cmocka_unit_test(an_unknown_claim_duplicate_or_trailing_byte_is_rejected),
        cmocka_unit_test(two_claims_in_the_other_order_are_rejected),
        cmocka_unit_test(identity_and_boot_name_of_another_length_or_type_are_rejected),
        cmocka_unit_test(each_outcome_of_an_update_is_read_with_each_reset_and_nothing_else),
        cmocka_unit_test(a_last_update_of_another_length_type_or_encoding_is_rejected),
        cmocka_unit_test(each_attack_is_read_from_who_may_tell_it_and_nothing_else),
        cmocka_unit_test(refusals_that_contradict_each_other_are_rejected),
        cmocka_unit_test(refusals_of_another_length_type_or_encoding_are_rejected),
        cmocka_unit_test(depth_and_size_are_bounded),
        cmocka_unit_test(another_algorithm_type_or_profile_is_unsupported),
        cmocka_unit_test(claims_of_the_monitor_are_taken_over_as_bytes),
        cmocka_unit_test(a_buffer_of_each_smaller_size_is_too_small),
        cmocka_unit_test(the_largest_monitor_fits),
        cmocka_unit_test(contradictions_are_refused_by_the_encoder),
        cmocka_unit_test(evidence_and_fuse_box_mean_the_same_pcrs),
        cmocka_unit_test(clean_evidence_without_log_is_at_most_4_kib),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
