// SPDX-License-Identifier: Apache-2.0
/* The event log: written, read back, replayed, damaged, and read by tpm2_eventlog. */
#include "tpm2_fixture.h"

#include <kapu/eventlog.h>

static const struct bytes none = {NULL, 0};

static void digest_of(struct bytes b, uint8_t out[32])
{
    SHA256->hash(NULL, &b, 1, out);
}

static void add(struct eventlog *l, uint32_t pcr, uint32_t type, struct bytes data)
{
    uint8_t d[32];

    digest_of(data, d);
    assert_int_equal(eventlog_add(l, pcr, type, d, data), 0);
}

/* A boot as kapu logs it. */
static void write_boot(struct eventlog *l, uint8_t *buf, size_t capacity)
{
    assert_int_equal(eventlog_init(l, buf, capacity), 0);
    add(l, 0, EVENTLOG_EV_S_CRTM_VERSION, BYTES_STR("k\0a\0p\0u\0\0\0"));
    add(l, 0, EVENTLOG_EV_POST_CODE, BYTES_STR("BL2"));
    add(l, 0, EVENTLOG_EV_POST_CODE, BYTES_STR("BL31"));
    add(l, 4, EVENTLOG_EV_IPL, BYTES_STR("Linux"));
    add(l, 4, EVENTLOG_EV_SEPARATOR, BYTES_STR("\0\0\0\0"));
}

static void events_are_read_back_as_written(void **state)
{
    static const uint32_t types[] = {EVENTLOG_EV_S_CRTM_VERSION, EVENTLOG_EV_POST_CODE,
                                     EVENTLOG_EV_POST_CODE, EVENTLOG_EV_IPL, EVENTLOG_EV_SEPARATOR};
    struct eventlog_reader r;
    struct eventlog_event ev;
    struct eventlog l;
    uint8_t buf[1024], d[32];
    int n = 0, got;

    (void)state;
    write_boot(&l, buf, sizeof(buf));
    assert_int_equal(eventlog_open(&r, (struct bytes){buf, l.n}), 0);
    while ((got = eventlog_next(&r, &ev)) == 1) {
        assert_int_equal(ev.type, types[n]);
        assert_int_equal(ev.pcr, n < 3 ? 0 : 4);
        digest_of(ev.data, d);
        assert_memory_equal(ev.sha256.p, d, 32);
        n++;
    }
    assert_int_equal(got, 0);
    assert_int_equal(n, 5);
    assert_int_equal(eventlog_next(&r, &ev), 0);
}

static void a_later_stage_goes_on_with_the_log(void **state)
{
    struct eventlog one, two;
    uint8_t a[1024], b[1024];

    (void)state;
    write_boot(&one, a, sizeof(a));
    write_boot(&two, b, sizeof(b));
    add(&one, 5, EVENTLOG_EV_ACTION, BYTES_STR("next"));
    assert_int_equal(eventlog_resume(&two, b, two.n, sizeof(b)), 0);
    add(&two, 5, EVENTLOG_EV_ACTION, BYTES_STR("next"));
    assert_int_equal(one.n, two.n);
    assert_memory_equal(a, b, one.n);
    assert_int_equal(eventlog_resume(&two, b, one.n - 1, sizeof(b)), KAPU_ERANGE);
    assert_int_equal(eventlog_resume(&two, b, 2000, sizeof(b)), KAPU_EARG);
    assert_int_equal(eventlog_add(&two, 0, 1, a, none), KAPU_EARG);
}

static void a_full_log_refuses_the_event_and_stays_whole(void **state)
{
    struct eventlog l;
    uint8_t buf[1024], d[32] = {0};
    size_t whole;

    (void)state;
    write_boot(&l, buf, sizeof(buf));
    whole = l.n;
    for (size_t cap = whole; cap < whole + 50 + 4; cap++) {
        l.capacity = cap;
        assert_int_equal(eventlog_add(&l, 1, EVENTLOG_EV_ACTION, d, BYTES_STR("abcd")),
                         KAPU_ESPACE);
        assert_int_equal(l.n, whole);
    }
    l.capacity++;
    l.n = whole;
    assert_int_equal(eventlog_init(&l, buf, 60), KAPU_ESPACE);
    assert_int_equal(eventlog_add(&l, 1, EVENTLOG_EV_ACTION, d, none), KAPU_EARG);
}

static void replay_of_the_log_gives_the_pcrs_of_a_tpm_that_was_extended(void **state)
{
    struct env *e = *state;
    uint8_t buf[1024], pcr[EVENTLOG_PCRS][32], is[32];
    struct eventlog_reader r;
    struct eventlog_event ev;
    struct eventlog l;
    uint32_t used;

    write_boot(&l, buf, sizeof(buf));
    assert_int_equal(eventlog_open(&r, (struct bytes){buf, l.n}), 0);
    while (eventlog_next(&r, &ev) == 1)
        ok(e, tpm2_pcr_extend(&e->tpm, ev.pcr, &TPM2_AUTH_CLEAR, ev.sha256.p));
    assert_int_equal(eventlog_replay(SHA256, (struct bytes){buf, l.n}, pcr, &used), 0);
    assert_int_equal(used, 1u << 0 | 1u << 4);
    for (uint32_t i = 0; i < EVENTLOG_PCRS; i++) {
        ok(e, tpm2_pcr_read(&e->tpm, TPM2_UNPROTECTED, i, is));
        assert_memory_equal(pcr[i], is, 32);
    }
}

static void a_startup_locality_event_sets_what_pcr_0_starts_from(void **state)
{
    uint8_t buf[1024], pcr[EVENTLOG_PCRS][32], want[32] = {0}, d[32] = {0};
    struct eventlog l;
    uint32_t used;

    (void)state;
    assert_int_equal(eventlog_init(&l, buf, sizeof(buf)), 0);
    add(&l, 0, EVENTLOG_EV_NO_ACTION, BYTES_STR("StartupLocality\0\3"));
    want[31] = 3;
    assert_int_equal(eventlog_replay(SHA256, (struct bytes){buf, l.n}, pcr, &used), 0);
    assert_memory_equal(pcr[0], want, 32);
    assert_int_equal(used, 0);
    assert_int_equal(eventlog_add(&l, 0, EVENTLOG_EV_ACTION, d, none), 0);
    add(&l, 0, EVENTLOG_EV_NO_ACTION, BYTES_STR("StartupLocality\0\0"));
    assert_int_equal(eventlog_replay(SHA256, (struct bytes){buf, l.n}, pcr, &used), KAPU_EINVAL);
}

static void a_log_cut_short_anywhere_is_refused_unless_between_events(void **state)
{
    struct eventlog_reader r;
    struct eventlog_event ev;
    struct eventlog l;
    uint8_t buf[1024];
    unsigned whole = 0;

    (void)state;
    write_boot(&l, buf, sizeof(buf));
    for (size_t n = 0; n < l.n; n++) {
        int err = eventlog_open(&r, (struct bytes){buf, n});

        while (err == 0 && (err = eventlog_next(&r, &ev)) == 1)
            err = 0;
        whole += r.r.err == 0 && r.r.at == n && r.algs == 1 && n > 0;
    }
    assert_int_equal(whole, 5); /* behind the header, and behind each event but the last */
}

static void headers_with_other_contents_are_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        int error;
    } damage[] = {
        {0, 1, KAPU_EINVAL},                                  /* PCR */
        {4, 1, KAPU_EINVAL},                                  /* type */
        {8, 1, KAPU_EINVAL},                                  /* digest of the first event */
        {28, 0xff, KAPU_ERANGE},                              /* size */
        {31, 0xff, KAPU_ERANGE},                              /* size */
        {32, 's', KAPU_EINVAL},                               /* signature */
        {56, 0, KAPU_EUNSUPPORTED},                           /* no banks */
        {56, 9, KAPU_EUNSUPPORTED},                           /* too many */
        {56, 2, KAPU_ERANGE},                                 /* more than there are */
        {60, 4, KAPU_EINVAL},                                 /* SHA-1 of 32 bytes */
        {60, 0x99, KAPU_EUNSUPPORTED}, {62, 33, KAPU_EINVAL}, /* SHA-256 of 33 bytes */
        {64, 1, KAPU_ERANGE}, /* vendor information that is not there */
    };
    struct eventlog_reader r;
    struct eventlog l;
    uint8_t buf[1024];

    (void)state;
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        write_boot(&l, buf, sizeof(buf));
        buf[damage[i].at] = damage[i].value;
        assert_int_equal(eventlog_open(&r, (struct bytes){buf, 65}), damage[i].error);
    }
}

static void events_with_other_contents_are_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        int error;
    } damage[] = {
        {65, 24, KAPU_EINVAL}, /* no such PCR */
        {73, 0, KAPU_EINVAL},  /* no digest */
        {73, 2, KAPU_EINVAL},  /* two digests */
        {77, 4, KAPU_EINVAL},  /* of a bank that is not there */
        {112, 1, KAPU_ERANGE}, /* larger than the log */
    };
    uint8_t buf[1024], pcr[EVENTLOG_PCRS][32];
    struct eventlog l;
    uint32_t used;

    (void)state;
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        write_boot(&l, buf, sizeof(buf));
        buf[damage[i].at] = damage[i].value;
        assert_int_equal(eventlog_replay(SHA256, (struct bytes){buf, l.n}, pcr, &used),
                         damage[i].error);
    }
}

static void a_log_with_several_banks_is_read_for_its_sha_256(void **state)
{
    uint8_t buf[512], sha1[20] = {1}, sha256[32] = {2}, pcr[EVENTLOG_PCRS][32], want[32];
    struct eventlog l;
    struct wr w;
    uint32_t used;

    (void)state;
    wr_init(&w, buf, sizeof(buf));
    wr_le32(&w, 0);
    wr_le32(&w, EVENTLOG_EV_NO_ACTION);
    for (int i = 0; i < 20; i++)
        wr_u8(&w, 0);
    wr_le32(&w, 37 + 3);
    wr_bytes(&w, (struct bytes){(const uint8_t *)"Spec ID Event03", 16});
    wr_bytes(&w, BYTES_STR("\0\0\0\0\0\2\0\2"));
    wr_le32(&w, 2);
    wr_le16(&w, 4);
    wr_le16(&w, 20);
    wr_le16(&w, 11);
    wr_le16(&w, 32);
    wr_u8(&w, 0);
    buf[28] = (uint8_t)(w.at - 32);
    wr_le32(&w, 9);
    wr_le32(&w, EVENTLOG_EV_EVENT_TAG);
    wr_le32(&w, 2);
    wr_le16(&w, 4);
    wr_bytes(&w, BYTES_OF(sha1));
    wr_le16(&w, 11);
    wr_bytes(&w, BYTES_OF(sha256));
    wr_le32(&w, 0);
    assert_int_equal(w.err, 0);
    assert_int_equal(eventlog_replay(SHA256, wr_done(&w), pcr, &used), 0);
    SHA256->hash(NULL, (struct bytes[]){{(uint8_t[32]){0}, 32}, BYTES_OF(sha256)}, 2, want);
    assert_memory_equal(pcr[9], want, 32);
    assert_int_equal(eventlog_resume(&l, buf, w.at, sizeof(buf)), KAPU_EUNSUPPORTED);
    buf[w.at - 4 - 34] = 4; /* two digests of the same bank */
    assert_int_not_equal(eventlog_replay(SHA256, wr_done(&w), pcr, &used), 0);
}

static void tpm2_eventlog_reads_the_log_and_replays_it_to_the_same_pcrs(void **state)
{
    struct env *e = *state;
    uint8_t buf[1024], pcr[EVENTLOG_PCRS][32];
    char text[8192], line[100];
    struct eventlog l;
    uint32_t used;

    write_boot(&l, buf, sizeof(buf));
    assert_int_equal(eventlog_replay(SHA256, (struct bytes){buf, l.n}, pcr, &used), 0);
    assert_true(swtpm_put(&e->swtpm, "log", (struct bytes){buf, l.n}) > 0);
    assert_int_equal(swtpm_tool(&e->swtpm, text, sizeof(text), "tpm2_eventlog log"), 0);
    for (uint32_t i = 0; i < EVENTLOG_PCRS; i++) {
        size_t at;

        if ((used >> i & 1) == 0)
            continue;
        at = (size_t)snprintf(line, sizeof(line), "%-2u : 0x", (unsigned)i);
        for (size_t k = 0; k < 32; k++)
            at += (size_t)snprintf(line + at, sizeof(line) - at, "%02x", pcr[i][k]);
        if (strstr(text, line) == NULL)
            fail_msg("no \"%s\" in:\n%s", line, text);
    }
    assert_non_null(strstr(text, "EV_S_CRTM_VERSION"));
    assert_null(strstr(text, "ERROR"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replay_of_the_log_gives_the_pcrs_of_a_tpm_that_was_extended),
        cmocka_unit_test(events_are_read_back_as_written),
        cmocka_unit_test(a_later_stage_goes_on_with_the_log),
        cmocka_unit_test(a_full_log_refuses_the_event_and_stays_whole),
        cmocka_unit_test(a_startup_locality_event_sets_what_pcr_0_starts_from),
        cmocka_unit_test(a_log_cut_short_anywhere_is_refused_unless_between_events),
        cmocka_unit_test(headers_with_other_contents_are_refused),
        cmocka_unit_test(events_with_other_contents_are_refused),
        cmocka_unit_test(a_log_with_several_banks_is_read_for_its_sha_256),
        cmocka_unit_test(tpm2_eventlog_reads_the_log_and_replays_it_to_the_same_pcrs),
    };

    return cmocka_run_group_tests(tests, env_setup, env_teardown);
}
