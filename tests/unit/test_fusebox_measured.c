// SPDX-License-Identifier: Apache-2.0
/* What an attacker on the TPM's bus does to a boot's measurements, at boot and later, and that the
 * secure world finds it. */
#include <kapu/eventlog.h>

#include "fusebox_fixture.h"

struct lab {
    struct shop s; /* first: shop_end frees it */
    uint8_t log[1024];
    struct eventlog l;
    struct fusebox_measured m;
};

static int lab_begin(void **state)
{
    struct lab *l = calloc(1, sizeof(*l));

    *state = l;
    return shop_open(&l->s);
}

/* What a boot measures, in its order. */
static const struct {
    uint32_t pcr;
    uint8_t what;
} events[] = {
    {FUSEBOX_PCR_FIRMWARE, 1}, {FUSEBOX_PCR_FIRMWARE, 2}, {FUSEBOX_PCR_AUTHORITY, 0},
    {FUSEBOX_PCR_FIRMWARE, 3}, {FUSEBOX_PCR_LINUX, 4},    {FUSEBOX_PCR_COMMAND, 5},
};
#define EVENTS (sizeof(events) / sizeof(events[0]))

static void digest_of(size_t event, uint8_t digest[32])
{
    memset(digest, events[event].what, 32);
    if (events[event].pcr == FUSEBOX_PCR_AUTHORITY)
        memcpy(digest, shop_key, 32);
}

static void log_event(struct lab *l, uint32_t pcr, const uint8_t digest[32])
{
    assert_int_equal(eventlog_add(&l->l, pcr, EVENTLOG_EV_EVENT_TAG, digest, BYTES_STR("an event")),
                     0);
}

/* Events as firmware extends them, in clear. */
static void extend_all(struct lab *l)
{
    struct shop *s = &l->s;
    uint8_t digest[32];

    for (size_t i = 0; i < EVENTS; i++) {
        digest_of(i, digest);
        ok(&s->e, tpm2_pcr_extend(&s->e.tpm, events[i].pcr, &TPM2_AUTH_CLEAR, digest));
    }
}

static struct bytes log_of(const struct lab *l)
{
    return (struct bytes){l->log, l->l.n};
}

/* A boot up to and with what the secure world does first; `hook` stands on the bus meanwhile. */
static void boot(struct lab *l, void (*hook)(struct interposer *i, uint8_t *cmd, size_t *n))
{
    struct shop *s = &l->s;
    uint8_t digest[32];

    assert_int_equal(swtpm_reset(&s->e.swtpm), 0);
    fusebox_init(&s->box, &s->e.tpm, &s->board);
    ok(&s->e, fusebox_start(&s->box));
    assert_int_equal(eventlog_init(&l->l, l->log, sizeof(l->log)), 0);
    for (size_t i = 0; i < EVENTS; i++) {
        digest_of(i, digest);
        log_event(l, events[i].pcr, digest);
    }
    s->e.bus.hits = 0;
    s->e.bus.on_command = hook;
    s->e.bus.only = TPM2_CC_PCR_EXTEND;
    extend_all(l);
    s->e.bus.on_command = NULL;
    s->e.bus.only = 0;
    assert_int_equal(s->e.bus.hits, hook != NULL ? EVENTS : 0);
    ok(&s->e, fusebox_close_platform(&s->box));
    shop_enter_secure_world(s);
    ok(&s->e, fusebox_take_root(&s->box, s->root));
    assert_int_equal(fusebox_cap_digest(SHA256, digest), 0);
    log_event(l, FUSEBOX_PCR_CAP, digest);
    ok(&s->e, fusebox_expect(&s->box, log_of(l), &l->m));
}

static struct fusebox_difference check(struct lab *l)
{
    struct fusebox_difference d;

    ok(&l->s.e, fusebox_check(&l->s.box, &l->m, &d));
    return d;
}

#define assert_difference(d, mask, was_reset)                                                      \
    do {                                                                                           \
        const struct fusebox_difference d_ = (d);                                                  \
        assert_int_equal(d_.pcrs, (mask));                                                         \
        assert_int_equal(d_.reset, (was_reset));                                                   \
    } while (0)

/* ---- at boot ---- */

static void nothing(struct interposer *i, uint8_t *cmd, size_t *n)
{
    (void)i;
    (void)cmd;
    (void)n;
}

static void an_interposer_that_passes_everything_on_makes_no_difference(void **state)
{
    struct lab *l = *state;

    boot(l, NULL);
    assert_difference(check(l), 0, false);
    boot(l, nothing);
    assert_difference(check(l), 0, false);
    assert_difference(check(l), 0, false);
}

/* Of a PCR_Extend with the empty value (Part 3, 22.2) */
#define HANDLE_AT 10u
#define DIGEST_AT 33u

static size_t victim; /* the event that is attacked */

static void substitute(struct interposer *i, uint8_t *cmd, size_t *n)
{
    assert_int_equal(*n, DIGEST_AT + 32);
    if (i->hits == victim + 1)
        memset(cmd + DIGEST_AT, 0x77, 32);
}

/* The TPM says "done", of a PCR that anybody may reset. */
static void drop(struct interposer *i, uint8_t *cmd, size_t *n)
{
    (void)n;
    if (i->hits == victim + 1)
        cmd[HANDLE_AT + 3] = 16;
}

static void swap(struct interposer *i, uint8_t *cmd, size_t *n)
{
    (void)n;
    if (i->hits == 1)
        digest_of(1, cmd + DIGEST_AT);
    if (i->hits == 2)
        digest_of(0, cmd + DIGEST_AT);
}

static void twice(struct interposer *i, uint8_t *cmd, size_t *n)
{
    uint8_t answer[64];
    size_t answer_n;

    if (i->hits == victim + 1)
        assert_int_equal(i->below.transceive(i->below.ctx, (struct bytes){cmd, *n}, answer,
                                             sizeof(answer), &answer_n),
                         0);
}

static void each_measurement_that_is_falsified_on_the_bus_is_found_in_its_pcr(void **state)
{
    static void (*const hooks[])(struct interposer *, uint8_t *, size_t *) = {substitute, drop,
                                                                              twice};
    struct lab *l = *state;

    for (size_t hook = 0; hook < sizeof(hooks) / sizeof(hooks[0]); hook++) {
        for (victim = 0; victim < EVENTS; victim++) {
            if (events[victim].pcr == FUSEBOX_PCR_AUTHORITY)
                continue; /* the root secret does not open then: test_fusebox.c */
            boot(l, hooks[hook]);
            assert_difference(check(l), 1u << events[victim].pcr, false);
        }
    }
}

static void two_measurements_in_the_wrong_order_are_found(void **state)
{
    struct lab *l = *state;

    boot(l, swap);
    assert_difference(check(l), 1u << FUSEBOX_PCR_FIRMWARE, false);
}

static void a_log_with_a_pcr_that_nobody_compares_is_refused(void **state)
{
    const uint8_t digest[32] = {1};
    struct lab *l = *state;
    struct fusebox_measured m;

    boot(l, NULL);
    log_event(l, 5, digest);
    assert_int_equal(fusebox_expect(&l->s.box, log_of(l), &m), KAPU_EUNSUPPORTED);
    assert_int_equal(fusebox_expect(&l->s.box, (struct bytes){l->log, l->l.n - 1}, &m),
                     KAPU_ERANGE);
}

/* ---- later ---- */

static void each_pcr_that_is_extended_at_run_time_is_found(void **state)
{
    static const uint32_t pcrs[] = {FUSEBOX_PCR_FIRMWARE, FUSEBOX_PCR_AUTHORITY, FUSEBOX_PCR_LINUX,
                                    FUSEBOX_PCR_COMMAND, FUSEBOX_PCR_CAP};
    const uint8_t digest[32] = {9};
    struct lab *l = *state;
    uint32_t mask = 0;

    boot(l, NULL);
    for (size_t i = 0; i < sizeof(pcrs) / sizeof(pcrs[0]); i++) {
        ok(&l->s.e, tpm2_pcr_extend(&l->s.e.tpm, pcrs[i], &TPM2_AUTH_CLEAR, digest));
        mask |= 1u << pcrs[i];
        assert_difference(check(l), mask, false);
    }
    boot(l, NULL);
    assert_difference(check(l), 0, false);
}

/* The TPM alone is reset, and all of its PCRs made again, as the attacker read them in the log. */
static void reset_and_rebuild(struct lab *l)
{
    struct shop *s = &l->s;
    uint8_t cap[32];

    assert_int_equal(swtpm_reset(&s->e.swtpm), 0);
    ok(&s->e, tpm2_startup(&s->e.tpm, TPM2_SU_CLEAR));
    extend_all(l);
    assert_int_equal(fusebox_cap_digest(SHA256, cap), 0);
    ok(&s->e, tpm2_pcr_extend(&s->e.tpm, FUSEBOX_PCR_CAP, &TPM2_AUTH_CLEAR, cap));
    ok(&s->e, tpm2_hierarchy_control(&s->e.tpm, TPM2_RH_PLATFORM, &TPM2_AUTH_CLEAR,
                                     TPM2_RH_PLATFORM, false));
}

static void a_reset_at_run_time_is_found_though_all_pcrs_are_rebuilt(void **state)
{
    struct lab *l = *state;

    boot(l, NULL);
    reset_and_rebuild(l);
    assert_difference(check(l), 0, true);
    assert_true(l->s.box.lost);
    assert_difference(check(l), 0, true); /* it does not pass with the new session */
}

/* Whichever operation meets the lost session first. */
static void a_quote_after_a_reset_does_not_hide_it(void **state)
{
    const uint8_t nonce[32] = {7};
    struct tpm2_signature sig;
    struct lab *l = *state;
    uint8_t buf[512];
    struct wr w;

    boot(l, NULL);
    reset_and_rebuild(l);
    for (unsigned i = 0; i < 2; i++) {
        int err;

        wr_init(&w, buf, sizeof(buf));
        err = fusebox_quote(&l->s.box, l->s.root, nonce, &w, &sig);
        assert_int_equal(err, i == 0 ? KAPU_ETPM : 0); /* a new session serves it: PCRs are right */
    }
    assert_difference(check(l), 0, true);
}

/* As after an error on the bus, which ends our session: then only the counts tell. */
static void a_reset_between_two_sessions_is_found_by_the_tpms_counts(void **state)
{
    struct lab *l = *state;

    boot(l, NULL);
    assert_int_equal(tpm2_session_end(&l->s.e.tpm, &l->s.box.session), 0);
    assert_difference(check(l), 0, false);
    assert_int_equal(tpm2_session_end(&l->s.e.tpm, &l->s.box.session), 0);
    reset_and_rebuild(l);
    assert_difference(check(l), 0, true);
    assert_false(l->s.box.lost);
}

/* With its state saved before, the TPM wakes with its PCRs, and the reset count does not rise. */
static void a_tpm_that_was_suspended_is_found(void **state)
{
    struct lab *l = *state;

    boot(l, NULL);
    assert_int_equal(tpm2_session_end(&l->s.e.tpm, &l->s.box.session), 0);
    ok(&l->s.e, tpm2_shutdown(&l->s.e.tpm, TPM2_SU_STATE));
    assert_int_equal(swtpm_reset(&l->s.e.swtpm), 0);
    ok(&l->s.e, tpm2_startup(&l->s.e.tpm, TPM2_SU_STATE));
    assert_difference(check(l), 0, true);
    assert_false(l->s.box.lost);
}

static void a_tpm_that_was_reset_and_not_started_is_found(void **state)
{
    struct fusebox_difference d;
    struct lab *l = *state;

    boot(l, NULL);
    assert_int_equal(swtpm_reset(&l->s.e.swtpm), 0);
    assert_int_equal(fusebox_check(&l->s.box, &l->m, &d), KAPU_ETPM);
    assert_difference(d, 0, true);
}

/* Nobody but the secure world uses the TPM: a session that goes is somebody else's doing. */
static void a_session_that_somebody_flushes_is_found(void **state)
{
    struct lab *l = *state;

    boot(l, NULL);
    ok(&l->s.e, tpm2_flush_context(&l->s.e.tpm, l->s.box.session.handle));
    assert_difference(check(l), 0, true);
    boot(l, NULL);
    assert_difference(check(l), 0, false);
}

/* ---- a TPM that does not answer ---- */

static void flip_last(struct interposer *i, uint8_t *rsp, size_t *n, size_t capacity)
{
    (void)capacity;
    if (i->hits == 1)
        rsp[*n - 1] ^= 1;
}

static void a_silent_tpm_is_an_error_and_no_difference(void **state)
{
    struct fusebox_difference d;
    struct lab *l = *state;

    boot(l, NULL);
    l->s.e.bus.cut_after = 1;
    assert_int_equal(fusebox_check(&l->s.box, &l->m, &d), KAPU_EIO);
    assert_difference(d, 0, false);
    assert_string_equal(l->s.box.at, "measurements");
    l->s.e.bus.cut_after = 0;
    assert_difference(check(l), 0, false);
    l->s.e.bus.hits = 0; /* one answer that was disturbed: the next look counts */
    l->s.e.bus.only = TPM2_CC_PCR_READ;
    l->s.e.bus.on_answer = flip_last;
    assert_difference(check(l), 0, false);
    assert_true(l->s.e.bus.hits == 2);
    l->s.e.bus.on_answer = NULL;
    l->s.e.bus.only = 0;
}

static void a_check_takes_two_commands(void **state)
{
    struct lab *l = *state;

    boot(l, NULL);
    assert_difference(check(l), 0, false);
    l->s.e.bus.hits = 0;
    l->s.e.bus.on_command = nothing;
    assert_difference(check(l), 0, false);
    l->s.e.bus.on_command = NULL;
    assert_int_equal(l->s.e.bus.hits, 2);
}

static void only_a_salted_session_looks(void **state)
{
    struct fusebox_difference d;
    struct lab *l = *state;

    boot(l, NULL);
    fusebox_init(&l->s.box, &l->s.e.tpm, &l->s.board);
    assert_int_equal(fusebox_check(&l->s.box, &l->m, &d), KAPU_EPLAIN);
    assert_int_equal(fusebox_expect(&l->s.box, log_of(l), &l->m), KAPU_EPLAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interposer_that_passes_everything_on_makes_no_difference),
        cmocka_unit_test(each_measurement_that_is_falsified_on_the_bus_is_found_in_its_pcr),
        cmocka_unit_test(two_measurements_in_the_wrong_order_are_found),
        cmocka_unit_test(a_log_with_a_pcr_that_nobody_compares_is_refused),
        cmocka_unit_test(each_pcr_that_is_extended_at_run_time_is_found),
        cmocka_unit_test(a_reset_at_run_time_is_found_though_all_pcrs_are_rebuilt),
        cmocka_unit_test(a_quote_after_a_reset_does_not_hide_it),
        cmocka_unit_test(a_reset_between_two_sessions_is_found_by_the_tpms_counts),
        cmocka_unit_test(a_tpm_that_was_suspended_is_found),
        cmocka_unit_test(a_tpm_that_was_reset_and_not_started_is_found),
        cmocka_unit_test(a_session_that_somebody_flushes_is_found),
        cmocka_unit_test(a_silent_tpm_is_an_error_and_no_difference),
        cmocka_unit_test(a_check_takes_two_commands),
        cmocka_unit_test(only_a_salted_session_looks),
    };

    return cmocka_run_group_tests(tests, lab_begin, shop_end);
}
