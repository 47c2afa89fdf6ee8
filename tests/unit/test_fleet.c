// SPDX-License-Identifier: Apache-2.0
/* Store, nonces and trust: used once, shared by verifiers, killed in the middle, silent. */
#include "tpm2_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleet.h"
#include "soft_gateway.h"

#define TEXT(s) ((struct bytes){(const uint8_t *)(s), strlen(s)})

#define MINUTE 60000U

static struct soft_gateway gateway, other;
static struct verifier_result result;
static uint8_t buf[EVIDENCE_MESSAGE_MAX];
static char folder[64], path[96];
static uint64_t clock_ms;
static struct fleet fleet;

static uint64_t now(void *ctx)
{
    (void)ctx;
    return clock_ms;
}

static struct store *open_store(void)
{
    char why[256];
    struct store *s = store_sqlite_open(path, why, sizeof(why));

    if (s == NULL)
        fail_msg("%s", why);
    return s;
}

static struct verifier_gateway record_of(const struct soft_gateway *g, const char *name)
{
    struct verifier_gateway v = {.tee = g->tee.pub, .ak = g->ak.pub, .interval_s = 60};

    snprintf(v.name, sizeof(v.name), "%s", name);
    memcpy(v.ueid, g->claims.ueid, sizeof(v.ueid));
    memcpy(v.board, g->claims.boot.board, sizeof(v.board));
    memcpy(v.tls_key, g->ak.pub.y, sizeof(v.tls_key)); /* anything that is its own */
    memcpy(v.ak_name, g->ak_name.b, sizeof(v.ak_name));
    return v;
}

/* What the factory would sign of that gateway's board. */
static struct store_board board_of(const struct soft_gateway *g, uint64_t issued_ms)
{
    struct store_board b = {
        .record = {.platform = "soft", .issued_ms = issued_ms}, .kid = {1}, .added_ms = clock_ms};

    memcpy(b.record.ek, g->ek_name.b, sizeof(b.record.ek));
    memcpy(b.record.ueid, g->claims.ueid, sizeof(b.record.ueid));
    memcpy(b.record.board, g->claims.boot.board, sizeof(b.record.board));
    memcpy(b.record.ak, g->ak_name.b, sizeof(b.record.ak));
    return b;
}

static int add_board(const struct store_board *b, enum store_added *how)
{
    const struct store_audit audit = {clock_ms, "somebody", "board record added", "a board", ""};
    uint64_t older = 0;

    return fleet.store->ops->board_add(fleet.store, b, &audit, how, &older);
}

static void record_board(const struct soft_gateway *g)
{
    const struct store_board b = board_of(g, clock_ms);
    enum store_added how;

    assert_int_equal(add_board(&b, &how), 0);
}

static void add(const struct soft_gateway *g, const char *name)
{
    const struct verifier_gateway v = record_of(g, name);
    const char *taken = NULL;

    assert_int_equal(fleet.store->ops->gateway_add(fleet.store, &v, clock_ms, NULL, NULL, &taken),
                     0);
}

static void add_reference(const struct soft_gateway *g)
{
    struct verifier_reference ref = {.release = "0.5.0", .flavour = "gateway", .counter = 3};

    memcpy(ref.pcr, g->claims.boot.pcr, sizeof(ref.pcr));
    assert_int_equal(fleet.store->ops->references_add(fleet.store, &ref, 1), 0);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/kapu-fleet-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/state.db", folder);
    soft_gateway_init(&gateway, "gateway", "release");
    soft_gateway_init(&other, "another", "release");
    clock_ms = 1764000000000;
    fleet = (struct fleet){.store = open_store(), .nonce_ms = FLEET_NONCE_MS, .now_ms = now};
    memset(fleet.key.b, 7, sizeof(fleet.key.b));
    policy_default(&fleet.policy);
    add(&gateway, "one");
    record_board(&gateway);
    add_reference(&gateway);
    return 0;
}

static int teardown(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm"};

    (void)state;
    store_close(fleet.store);
    for (size_t i = 0; i < 3; i++) {
        char name[128];

        snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        unlink(name);
    }
    return rmdir(folder);
}

static struct bytes answer(struct soft_gateway *g, const uint8_t nonce[32])
{
    struct wr w;

    wr_init(&w, buf, sizeof(buf));
    soft_gateway_message(g, nonce, &w);
    return wr_done(&w);
}

static bool said(const char *part)
{
    for (uint32_t i = 0; i < result.reasons; i++) {
        if (strstr(result.reason[i].text, part) != NULL)
            return true;
    }
    return false;
}

static void judge(struct bytes message, enum verifier_tier status, const char *reason)
{
    assert_int_equal(fleet_answer(&fleet, "one", message, &result), 0);
    if (result.status != status || (reason != NULL && !said(reason)))
        fail_msg("%s: %s", verifier_tier_name(result.status), result.reason[0].text);
}

/* One round: nonce, answer, verdict. */
static void round_trip(enum verifier_tier status)
{
    uint8_t nonce[32];

    assert_int_equal(fleet_challenge(&fleet, "one", nonce), 0);
    judge(answer(&gateway, nonce), status, NULL);
}

static struct trust_now trust(void)
{
    struct store_state state;
    struct trust_now t;

    assert_int_equal(fleet.store->ops->gateway_named(fleet.store, "one", &state), 0);
    fleet_trust(&fleet.policy, &state, clock_ms, &t);
    return t;
}

/* ---- nonces ---- */

static void an_answer_is_accepted_once(void **state)
{
    uint8_t nonce[32];
    struct bytes message;

    (void)state;
    assert_int_equal(fleet_challenge(&fleet, "one", nonce), 0);
    message = answer(&gateway, nonce);
    judge(message, VERIFIER_AFFIRMING, NULL);
    judge(message, VERIFIER_CONTRAINDICATED, "accepted before");
    assert_false(result.authentic);
    assert_int_equal(trust().trust, TRUST_YES); /* a replay does not change what is known */
}

static void an_older_nonce_is_worth_nothing_after_a_newer_one(void **state)
{
    uint8_t first[32], second[32];

    (void)state;
    assert_int_equal(fleet_challenge(&fleet, "one", first), 0);
    clock_ms++;
    assert_int_equal(fleet_challenge(&fleet, "one", second), 0);
    judge(answer(&gateway, second), VERIFIER_AFFIRMING, NULL);
    judge(answer(&gateway, first), VERIFIER_CONTRAINDICATED, "accepted before");
}

static void a_nonce_ends(void **state)
{
    uint8_t nonce[32];

    (void)state;
    assert_int_equal(fleet_challenge(&fleet, "one", nonce), 0);
    clock_ms += FLEET_NONCE_MS + 1;
    judge(answer(&gateway, nonce), VERIFIER_CONTRAINDICATED, "time is over");
    clock_ms -= 2 * FLEET_NONCE_MS; /* a clock set back does not make it good for longer */
    judge(answer(&gateway, nonce), VERIFIER_CONTRAINDICATED, "clock was set back");
}

static void a_nonce_is_good_for_a_verifier_whose_clock_is_a_little_behind(void **state)
{
    uint8_t nonce[32];

    (void)state;
    assert_int_equal(fleet_challenge(&fleet, "one", nonce), 0);
    clock_ms -= NONCE_SKEW_MS;
    judge(answer(&gateway, nonce), VERIFIER_AFFIRMING, NULL);
    clock_ms += NONCE_SKEW_MS;
    assert_int_equal(fleet_challenge(&fleet, "one", nonce), 0);
    clock_ms -= NONCE_SKEW_MS + 1;
    judge(answer(&gateway, nonce), VERIFIER_CONTRAINDICATED, "clock was set back");
}

static void a_nonce_is_for_one_gateway_of_one_fleet(void **state)
{
    uint8_t nonce[32], mine[32] = {1, 2, 3};

    (void)state;
    add(&other, "two");
    clock_ms++;
    assert_int_equal(fleet_challenge(&fleet, "two", nonce), 0);
    judge(answer(&gateway, nonce), VERIFIER_CONTRAINDICATED, "never made for this gateway");
    judge(answer(&gateway, mine), VERIFIER_CONTRAINDICATED, "never made for this gateway");
    assert_int_equal(fleet_challenge(&fleet, "one", nonce), 0);
    fleet.key.b[0] ^= 1;
    judge(answer(&gateway, nonce), VERIFIER_CONTRAINDICATED, "never made for this gateway");
}

static void each_bit_of_a_nonce_counts(void **state)
{
    uint8_t nonce[32];

    (void)state;
    assert_int_equal(nonce_make(&fleet.key, gateway.claims.ueid, 1, clock_ms, nonce), 0);
    for (unsigned bit = 0; bit < 256; bit++) {
        nonce[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(
            nonce_check(&fleet.key, gateway.claims.ueid, 1, clock_ms, FLEET_NONCE_MS, nonce),
            KAPU_EAUTH);
        nonce[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static void another_verifier_with_the_key_can_take_the_answer(void **state)
{
    struct fleet second = fleet;
    uint8_t nonce[32];

    (void)state;
    second.store = open_store();
    assert_int_equal(fleet_challenge(&fleet, "one", nonce), 0);
    assert_int_equal(fleet_answer(&second, "one", answer(&gateway, nonce), &result), 0);
    assert_int_equal(result.status, VERIFIER_AFFIRMING);
    judge(answer(&gateway, nonce), VERIFIER_CONTRAINDICATED, "accepted before");
    store_close(second.store);
}

/* ---- messages that nobody could have sent ---- */

static void rubbish_is_recorded_and_changes_nothing(void **state)
{
    static uint8_t much[EVIDENCE_MESSAGE_MAX + 1000];

    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    judge((struct bytes){NULL, 0}, VERIFIER_CONTRAINDICATED, "malformed");
    judge(BYTES_STR("hello"), VERIFIER_CONTRAINDICATED, "malformed");
    judge(BYTES_OF(much), VERIFIER_CONTRAINDICATED, "larger than is allowed");
    assert_int_equal(trust().trust, TRUST_YES);
    assert_int_equal(fleet_answer(&fleet, "nobody", BYTES_STR("hello"), &result), KAPU_ENOENT);
}

/* ---- trust ---- */

static void trust_follows_the_last_authentic_verdict(void **state)
{
    (void)state;
    assert_int_equal(trust().trust, TRUST_NO);
    assert_non_null(strstr(trust().text, "never judged"));
    round_trip(VERIFIER_AFFIRMING);
    assert_int_equal(trust().trust, TRUST_YES);
    clock_ms += 1000;
    soft_gateway_finding(&gateway, EVIDENCE_WARNING, "credentials.split", "sh[7]", 0, "");
    round_trip(VERIFIER_WARNING);
    assert_int_equal(trust().trust, TRUST_WARNED);
    clock_ms += 1000;
    soft_gateway_finding(&gateway, EVIDENCE_ALARM, "text.page", "x", 0, "4 bytes");
    round_trip(VERIFIER_CONTRAINDICATED);
    assert_int_equal(trust().trust, TRUST_NO);
    assert_non_null(strstr(trust().text, "kernel text differs: x: 4 bytes"));
}

static void silence_is_failure_also_when_nobody_looked(void **state)
{
    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms += 90 * 1000;
    assert_int_equal(trust().trust, TRUST_YES);
    store_close(fleet.store); /* no verifier for a day */
    clock_ms += 24 * 60 * MINUTE;
    fleet.store = open_store();
    assert_int_equal(trust().trust, TRUST_NO);
    assert_non_null(strstr(trust().text, "silent since 2025-11-24T16:00:00Z"));
}

static void a_clock_that_was_set_back_is_no_trust(void **state)
{
    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms -= NONCE_SKEW_MS; /* another verifier's clock may be that much behind */
    assert_int_equal(trust().trust, TRUST_YES);
    clock_ms -= 1;
    assert_int_equal(trust().trust, TRUST_NO);
    assert_non_null(strstr(trust().text, "ahead of now"));
}

#define DAY (24ULL * 60 * MINUTE)

static void a_gateway_is_judged_after_each_jump_of_the_clock(void **state)
{
    static const uint64_t jump[] = {1,     1000,     NONCE_SKEW_MS, NONCE_SKEW_MS + 1,
                                    10000, 11000,    65000,         60 * 60000,
                                    DAY,   30 * DAY, 7000 * DAY};

    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    for (size_t i = 0; i < sizeof(jump) / sizeof(jump[0]); i++) {
        for (int back = 0; back < 2;
             back++) { /* forward, and back to where it was; then the other */
            for (int turn = 0; turn < 2; turn++) {
                clock_ms = (back + turn) % 2 == 0 ? clock_ms + jump[i] : clock_ms - jump[i];
                round_trip(VERIFIER_AFFIRMING);
                assert_int_equal(trust().trust, TRUST_YES);
                round_trip(VERIFIER_AFFIRMING); /* at the same time once more */
            }
        }
    }
}

static int last_audit(void *ctx, const struct store_audit *a)
{
    snprintf(ctx, 128, "%s: %s", a->what, a->why);
    return 0;
}

static void what_was_judged_under_a_clock_that_was_ahead_names_it_and_counts_no_more(void **state)
{
    char audit[128] = "";

    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms += 30 * DAY;
    round_trip(VERIFIER_AFFIRMING);
    assert_int_equal(trust().trust, TRUST_YES);
    clock_ms -= 30 * DAY;
    assert_int_equal(trust().trust, TRUST_NO);
    assert_non_null(strstr(trust().text, "clock said 2025-12-24T16:00:00Z, 30 days ahead of now"));
    {
        struct store_clock clock; /* by any command, for any gateway */

        assert_int_equal(fleet_clock(&fleet, NULL, &clock), 0);
        assert_true(clock.epoch == 2 && clock.from_ms == clock_ms + 30 * DAY);
        assert_int_equal(fleet_clock(&fleet, NULL, &clock), 0);
        assert_true(clock.epoch == 2 && clock.from_ms == 0); /* told once */
    }
    assert_int_equal(fleet.store->ops->audits(fleet.store, last_audit, audit), 0);
    assert_string_equal(audit, "clock set back: from 2025-12-24T16:00:00Z to 2025-11-24T16:00:00Z");
    clock_ms += 30 * DAY + 1; /* when that time comes, it is no verdict of now either */
    assert_int_equal(trust().trust, TRUST_NO);
    assert_non_null(strstr(trust().text, "set back by 30 days, to 2025-11-24T16:00:00Z"));
    round_trip(VERIFIER_AFFIRMING);
    assert_int_equal(trust().trust, TRUST_YES);
}

static void a_clock_that_was_behind_takes_nothing_that_does_not_come_back(void **state)
{
    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms -= 20000 * DAY; /* a machine that has lost its clock: 1971 */
    round_trip(VERIFIER_AFFIRMING);
    clock_ms += 20000 * DAY + 1000;
    assert_non_null(strstr(trust().text, "silent since 1971"));
    round_trip(VERIFIER_AFFIRMING);
    assert_int_equal(trust().trust, TRUST_YES);
}

/* An attacker keeps evidence for a question of the wrong clock, until its time comes. */
static void evidence_that_was_withheld_under_a_wrong_clock_never_counts(void **state)
{
    uint8_t nonce[32], now_nonce[32];
    struct bytes message;

    (void)state;
    clock_ms += 30 * DAY;
    assert_int_equal(fleet_challenge(&fleet, "one", nonce), 0);
    message = answer(&gateway, nonce);
    clock_ms -= 30 * DAY;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms += 30 * DAY;
    message = answer(&gateway, nonce);
    judge(message, VERIFIER_CONTRAINDICATED, "before this verifier's clock was set back");
    assert_false(result.authentic);
    assert_int_equal(fleet_challenge(&fleet, "one", now_nonce), 0);
    judge(answer(&gateway, now_nonce), VERIFIER_AFFIRMING, NULL); /* only the nonce was wrong */
}

/* Nor does what a gateway says of itself begin an epoch. */
static void only_this_machines_clock_begins_an_epoch(void **state)
{
    struct nonce_key theirs = {{9}};
    struct store_clock clock;
    uint8_t nonce[32];

    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    for (uint32_t epoch = 0; epoch < 4; epoch++) {
        for (uint64_t ahead = 0; ahead < 60 * DAY; ahead += 30 * DAY) {
            assert_int_equal(
                nonce_make(&theirs, gateway.claims.ueid, epoch, clock_ms + ahead, nonce), 0);
            judge(answer(&gateway, nonce), VERIFIER_CONTRAINDICATED, "never made for this gateway");
        }
    }
    assert_int_equal(fleet_clock(&fleet, NULL, &clock), 0);
    assert_int_equal(clock.epoch, 1);
    clock_ms -= DAY;
    assert_int_equal(fleet_clock(&fleet, NULL, &clock), 0);
    assert_int_equal(clock.epoch, 2);
}

static void starts_that_a_wrong_clock_counted_are_over_in_a_day(void **state)
{
    struct store_state one;
    uint32_t day = 0;

    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms += 30 * DAY;
    round_trip(VERIFIER_AFFIRMING);
    gateway.quote_resets += 3;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms -= 30 * DAY;
    round_trip(VERIFIER_AFFIRMING);
    assert_int_equal(fleet.store->ops->gateway_named(fleet.store, "one", &one), 0);
    assert_int_equal(fleet_starts(&fleet, &one, &day), 0);
    assert_int_equal(day, 3); /* not lost either: somebody resets it now */
    clock_ms += DAY + 1;
    assert_int_equal(fleet_starts(&fleet, &one, &day), 0);
    assert_int_equal(day, 0);
    clock_ms += 29 * DAY;
    assert_int_equal(fleet_starts(&fleet, &one, &day), 0);
    assert_int_equal(day, 0);
}

/* ---- the store ---- */

static void nothing_of_a_gateway_can_belong_to_two(void **state)
{
    struct verifier_gateway v[6];
    const char *taken, *what[6] = {"TPM", "name", "board", "TEE", "attestation key", "TLS"};

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        v[i] = record_of(&other, "two");
    memcpy(v[0].ueid, gateway.claims.ueid, sizeof(v[0].ueid));
    snprintf(v[1].name, sizeof(v[1].name), "one");
    memcpy(v[2].board, gateway.claims.boot.board, sizeof(v[2].board));
    v[3].tee = gateway.tee.pub;
    v[4].ak = gateway.ak.pub;
    memcpy(v[5].tls_key, gateway.ak.pub.y, 32);
    for (unsigned i = 0; i < 6; i++) {
        taken = "";
        assert_int_equal(
            fleet.store->ops->gateway_add(fleet.store, &v[i], clock_ms, NULL, NULL, &taken),
            KAPU_EPIN);
        if (strstr(taken, what[i]) == NULL)
            fail_msg("%s instead of %s", taken, what[i]);
    }
}

static int count(void *ctx, const struct store_result *r)
{
    unsigned *n = ctx;

    assert_non_null(strstr(r->ear, "ear_status"));
    ++*n;
    return 0;
}

static unsigned results(void)
{
    unsigned n = 0;

    assert_int_equal(
        fleet.store->ops->history(fleet.store, gateway.claims.ueid, UINT32_MAX, count, &n), 0);
    return n;
}

static void history_is_kept_and_can_be_forgotten(void **state)
{
    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms += MINUTE;
    round_trip(VERIFIER_AFFIRMING);
    judge(BYTES_STR("hello"), VERIFIER_CONTRAINDICATED, NULL);
    assert_int_equal(results(), 3);
    assert_int_equal(fleet.store->ops->forget(fleet.store, clock_ms), 0);
    assert_int_equal(results(), 2);
    assert_int_equal(trust().trust, TRUST_YES);
}

static int count_states(void *ctx, const struct store_state *s)
{
    unsigned *n = ctx;

    assert_true(s->gateway.name[0] != '\0');
    ++*n;
    return *n == 2 ? -1 : 0;
}

static void gateways_are_listed_found_and_removed(void **state)
{
    struct store_state s;
    unsigned n = 0;

    (void)state;
    assert_int_equal(fleet.store->ops->gateways(fleet.store, count_states, &n), 0);
    assert_int_equal(n, 1);
    add(&other, "two");
    n = 0;
    assert_int_equal(fleet.store->ops->gateways(fleet.store, count_states, &n), -1);
    assert_int_equal(fleet.store->ops->gateway_of_ueid(fleet.store, other.claims.ueid, &s), 0);
    assert_string_equal(s.gateway.name, "two");
    assert_memory_equal(&s.gateway.tee, &other.tee.pub, sizeof(s.gateway.tee));
    assert_int_equal(fleet.store->ops->gateway_remove(fleet.store, "two"), 0);
    assert_int_equal(fleet.store->ops->gateway_remove(fleet.store, "two"), KAPU_ENOENT);
    assert_int_equal(fleet.store->ops->gateway_named(fleet.store, "two", &s), KAPU_ENOENT);
}

static void references_are_found_by_value_and_by_release(void **state)
{
    struct verifier_reference ref, out;
    uint8_t key[32];

    (void)state;
    assert_int_equal(verifier_reference_key(gateway.claims.boot.pcr, key), 0);
    assert_int_equal(fleet.store->ops->reference_find(fleet.store, key, &out), 0);
    assert_string_equal(out.release, "0.5.0");
    assert_int_equal(out.counter, 3);
    ref = out;
    snprintf(ref.release, sizeof(ref.release), "0.5.0 again");
    assert_int_equal(fleet.store->ops->references_add(fleet.store, &ref, 1),
                     0); /* the first stays */
    assert_int_equal(fleet.store->ops->reference_of_release(fleet.store, "0.5.0 again", &out),
                     KAPU_ENOENT);
    assert_int_equal(fleet.store->ops->references_remove(fleet.store, "0.5.0", "gateway"), 0);
    assert_int_equal(fleet.store->ops->references_remove(fleet.store, "0.5.0", "gateway"),
                     KAPU_ENOENT);
    assert_int_equal(fleet.store->ops->reference_find(fleet.store, key, &out), KAPU_ENOENT);
    round_trip(VERIFIER_CONTRAINDICATED);
}

static int keep_size(void *ctx, const struct verifier_kernel *k)
{
    assert_int_equal(k->symbols, 2);
    assert_int_equal(k->unpacked, 20);
    assert_memory_equal(k->packed.p, "packed", k->packed.n);
    *(uint32_t *)ctx = k->size;
    return (int)k->packed.n;
}

static int kernel_size(const uint8_t pcr[32], uint32_t *size)
{
    *size = 0;
    return fleet.store->ops->kernel_find(fleet.store, pcr, keep_size, size);
}

static struct verifier_reference with_kernel(const char *release, uint8_t firmware, uint32_t size)
{
    struct verifier_reference ref = {.flavour = "gateway",
                                     .pcr = {{firmware}, {0}, {8}},
                                     .kernel = {size, 2, 20, BYTES_STR("packed")}};

    snprintf(ref.release, sizeof(ref.release), "%s", release);
    return ref;
}

static void a_kernel_is_kept_with_its_release_and_goes_with_it(void **state)
{
    const struct store_ops *ops = fleet.store->ops;
    const struct verifier_reference first = with_kernel("1", 1, 0x1000), none = {.release = "0"},
                                    same = with_kernel("2", 2, 0x1000),
                                    renamed = with_kernel("1 again", 1, 0x1000);
    uint32_t size;

    (void)state;
    assert_int_equal(kernel_size(first.pcr[EVIDENCE_PCR_LINUX], &size), KAPU_ENOENT);
    assert_int_equal(ops->references_add(fleet.store, &first, 1), 0);
    assert_int_equal(ops->references_add(fleet.store, &first, 1), 0);
    assert_int_equal(kernel_size(first.pcr[EVIDENCE_PCR_LINUX], &size), 6); /* what `use` gave */
    assert_int_equal(size, 0x1000);
    assert_int_equal(ops->references_add(fleet.store, &none, 1), 0);
    assert_int_equal(kernel_size(none.pcr[EVIDENCE_PCR_LINUX], &size), KAPU_ENOENT);
    /* values that are known by another name are not taken, and then their kernel is not */
    assert_int_equal(ops->references_add(fleet.store, &renamed, 1), 0);
    assert_int_equal(ops->references_remove(fleet.store, "1 again", "gateway"), KAPU_ENOENT);
    /* another release with the same kernel */
    assert_int_equal(ops->references_add(fleet.store, &same, 1), 0);
    assert_int_equal(ops->references_remove(fleet.store, "1", "gateway"), 0);
    assert_int_equal(kernel_size(same.pcr[EVIDENCE_PCR_LINUX], &size), 6);
    assert_int_equal(ops->references_remove(fleet.store, "2", "gateway"), 0);
    assert_int_equal(kernel_size(same.pcr[EVIDENCE_PCR_LINUX], &size), KAPU_ENOENT);
}

static int exec(const char *text)
{
    sqlite3 *db;
    int err;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    err = sqlite3_exec(db, text, NULL, NULL, NULL);
    sqlite3_close(db);
    return err;
}

static void store_of_version(const char *name)
{
    static char text[65536];
    FILE *f = fopen(name, "r");
    size_t n;

    store_close(fleet.store);
    unlink(path);
    assert_non_null(f);
    n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    assert_int_equal(exec(text), SQLITE_OK);
    fleet.store = open_store();
}

/* Made by those versions of kapu, with the gateway of these tests in it (tests/vectors/store). */
static void a_store_of_an_older_kapu_is_taken_over(void **state)
{
    static const char *const versions[] = {STORES "/version-1.sql", STORES "/version-2.sql",
                                           STORES "/version-3.sql", STORES "/version-4.sql",
                                           STORES "/version-5.sql"};
    const struct verifier_reference ref = with_kernel("1", 1, 0x1000);

    (void)state;
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        struct store_state s;
        uint32_t size, day;
        uint64_t number;

        store_of_version(versions[i]);
        assert_int_equal(fleet.store->ops->gateway_named(fleet.store, "one", &s), 0);
        assert_memory_equal(&s.gateway.ak, &gateway.ak.pub, sizeof(s.gateway.ak));
        assert_true(s.appraised && s.status == VERIFIER_AFFIRMING);
        assert_true(!s.starts.known && s.gateway.record == VERIFIER_RECORD_NONE);
        assert_int_equal(s.gateway.storage_starts, 0); /* not known */
        assert_int_equal(results(), 1);
        assert_int_equal(fleet_starts(&fleet, &s, &day), 0);
        assert_int_equal(day, 0);
        assert_int_equal(fleet.store->ops->references_add(fleet.store, &ref, 1), 0);
        assert_int_equal(kernel_size(ref.pcr[EVIDENCE_PCR_LINUX], &size), 6);
        assert_int_equal(fleet.store->ops->updates->numbers(fleet.store, 0, 1, &number), 0);
        assert_int_equal(number, 1);
        clock_ms =
            1; /* its last evidence was ordered by a time alone; nothing is shut out by that */
        round_trip(VERIFIER_CONTRAINDICATED);
        assert_true(result.authentic);
    }
    store_close(fleet.store);
    assert_int_equal(exec("PRAGMA user_version = 7"), SQLITE_OK);
    assert_null(store_sqlite_open(path, (char[256]){0}, 256)); /* of one that is to come */
    assert_int_equal(exec("PRAGMA user_version = 6"), SQLITE_OK);
    fleet.store = open_store();
}

/* ---- board records ---- */

static void trust_is(enum trust wanted, const char *part)
{
    const struct trust_now t = trust();

    if (t.trust != wanted || strstr(t.text, part) == NULL)
        fail_msg("%d '%s' instead of %d '%s'", t.trust, t.text, wanted, part);
}

/* Enrolled before there were board records: its verdict was affirming, and it is in its interval.
 */
static void a_gateway_of_an_older_kapu_is_not_trusted_silently(void **state)
{
    struct store_board b = board_of(&gateway, clock_ms);
    enum store_added how;

    (void)state;
    store_of_version(STORES "/version-2.sql");
    clock_ms = 1764000001000;
    trust_is(TRUST_NO, "there is no board record of it");
    round_trip(VERIFIER_CONTRAINDICATED);
    assert_true(said("kapu board add FILE"));
    fleet.policy.records_required = false; /* as while a fleet goes through the factory */
    trust_is(TRUST_NO, "there is no board record of it"); /* of the verdict */
    clock_ms++;
    round_trip(VERIFIER_WARNING);
    trust_is(TRUST_WARNED, "there is no board record of it");
    fleet.policy.records_required = true;
    assert_int_equal(add_board(&b, &how), 0); /* its key's name is not known: it is proved again */
    trust_is(TRUST_NO, "kapu enroll --renew one");
}

static void a_record_that_goes_takes_the_trust_with_it_at_once(void **state)
{
    const struct store_audit audit = {clock_ms, "somebody", "board record removed", "a board", ""};
    const struct store_ops *ops = fleet.store->ops;

    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    trust_is(TRUST_YES, "trusted");
    assert_int_equal(ops->board_remove(fleet.store, gateway.claims.boot.board, &audit), 0);
    assert_int_equal(ops->board_remove(fleet.store, gateway.claims.boot.board, &audit),
                     KAPU_ENOENT);
    trust_is(TRUST_NO, "there is no board record of it");
    clock_ms++;
    round_trip(VERIFIER_CONTRAINDICATED);
    record_board(&gateway);
    trust_is(TRUST_NO, "no board record"); /* what was judged stays until it is judged again */
    clock_ms++;
    round_trip(VERIFIER_AFFIRMING);
    trust_is(TRUST_YES, "trusted");
}

static void a_record_with_another_key_asks_for_a_renewal_at_once(void **state)
{
    struct store_board b = board_of(&gateway, clock_ms + 1);
    enum store_added how;

    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    b.record.ak[9] ^= 1;
    assert_int_equal(add_board(&b, &how), 0);
    assert_int_equal(how, STORE_REPLACED);
    trust_is(TRUST_NO, "kapu enroll --renew one");
    clock_ms++;
    round_trip(VERIFIER_CONTRAINDICATED);
    assert_true(said("names another attestation key than the one enrolled"));
}

static int count_boards(void *ctx, const struct store_board *b)
{
    unsigned *n = ctx;

    assert_string_equal(b->record.platform, "soft");
    ++*n;
    return 0;
}

static unsigned boards(void)
{
    unsigned n = 0;

    assert_int_equal(fleet.store->ops->boards(fleet.store, count_boards, &n), 0);
    return n;
}

static void an_older_record_does_not_come_back(void **state)
{
    const struct store_board first = board_of(&gateway, clock_ms);
    struct store_board b = first, is;
    enum store_added how;

    (void)state;
    assert_int_equal(add_board(&b, &how), 0);
    assert_int_equal(how, STORE_KNOWN);
    b.record.ak[9] ^= 1;
    assert_int_equal(add_board(&b, &how), KAPU_EREPLAY); /* as old, and another one */
    b.record.issued_ms += 2;
    assert_int_equal(add_board(&b, &how), 0);
    assert_int_equal(how, STORE_REPLACED);
    assert_int_equal(add_board(&first, &how), KAPU_EREPLAY);
    b.record.issued_ms -= 1;
    assert_int_equal(add_board(&b, &how), KAPU_EREPLAY);
    assert_int_equal(fleet.store->ops->board_of_ueid(fleet.store, gateway.claims.ueid, &is), 0);
    assert_int_equal(is.record.issued_ms, first.record.issued_ms + 2);
    assert_int_equal(boards(), 1);
}

/* A board that got another TPM, and a TPM that got another board: one record each. */
static void of_a_board_and_of_a_tpm_there_is_one_record(void **state)
{
    struct store_board b = board_of(&other, clock_ms + 1);
    struct store_state s;
    enum store_added how;

    (void)state;
    memcpy(b.record.board, gateway.claims.boot.board, sizeof(b.record.board));
    assert_int_equal(add_board(&b, &how), 0);
    assert_int_equal(how, STORE_REPLACED);
    assert_int_equal(boards(), 1);
    assert_int_equal(fleet.store->ops->gateway_named(fleet.store, "one", &s), 0);
    assert_int_equal(s.gateway.record, VERIFIER_RECORD_NONE);
    b = board_of(&gateway, clock_ms + 2); /* its TPM again, on another board */
    memcpy(b.record.board, other.claims.boot.board, sizeof(b.record.board));
    assert_int_equal(add_board(&b, &how), 0);
    assert_int_equal(how, STORE_ADDED);
    assert_int_equal(fleet.store->ops->gateway_named(fleet.store, "one", &s), 0);
    assert_int_equal(s.gateway.record, VERIFIER_RECORD_OTHER_BOARD);
    round_trip(VERIFIER_CONTRAINDICATED);
    assert_true(said("on record with another board"));
}

static int count_audits(void *ctx, const struct store_audit *a)
{
    unsigned *n = ctx;

    assert_string_equal(a->user, "somebody");
    ++*n;
    return 0;
}

static void what_was_audited_stays(void **state)
{
    unsigned n = 0;

    (void)state;
    assert_int_equal(fleet.store->ops->audits(fleet.store, count_audits, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(fleet.store->ops->gateway_remove(fleet.store, "one"), 0);
    assert_int_equal(fleet.store->ops->forget(fleet.store, UINT64_MAX >> 1), 0);
    assert_int_equal(fleet.store->ops->audits(fleet.store, count_audits, &n), 0);
    assert_int_equal(n, 2);
}

/* ---- starts of the TPM ---- */

static struct store_state state_of_one(void)
{
    struct store_state s;

    assert_int_equal(fleet.store->ops->gateway_named(fleet.store, "one", &s), 0);
    return s;
}

static uint32_t in_a_day(void)
{
    const struct store_state s = state_of_one();
    uint32_t day;

    assert_int_equal(fleet_starts(&fleet, &s, &day), 0);
    return day;
}

static void a_gateway_that_is_reset_again_and_again_does_not_stay_affirming(void **state)
{
    (void)state;
    round_trip(VERIFIER_AFFIRMING); /* the first evidence counts nothing */
    for (unsigned i = 0; i < fleet.policy.tpm_starts_a_day; i++) {
        clock_ms += MINUTE;
        gateway.quote_resets++;
        round_trip(VERIFIER_AFFIRMING);
    }
    for (unsigned i = 0; i < 3; i++) {
        clock_ms += MINUTE;
        gateway.quote_resets++;
        round_trip(VERIFIER_WARNING);
        assert_true(said("its TPM was reset 2") && said("in a day, policy allows 24"));
        trust_is(TRUST_WARNED, "its TPM was reset");
    }
    clock_ms += MINUTE;
    round_trip(VERIFIER_WARNING); /* it does not help to stop for a minute */
    assert_int_equal(in_a_day(), 27);
    clock_ms += 24 * 60 * MINUTE;
    round_trip(VERIFIER_AFFIRMING);
    assert_int_equal(in_a_day(), 0);
}

static void all_resets_between_two_questions_count(void **state)
{
    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms += MINUTE;
    gateway.quote_resets += 25;
    round_trip(VERIFIER_WARNING);
    assert_int_equal(result.started, 25);
    assert_int_equal(
        policy_parse(&fleet.policy, TEXT("tpm-resets-a-day 24 fatal\n"), (char[64]){0}, 64), 0);
    clock_ms += MINUTE;
    round_trip(VERIFIER_CONTRAINDICATED);
    assert_int_equal(
        policy_parse(&fleet.policy, TEXT("tpm-resets-a-day 25 fatal\n"), (char[64]){0}, 64), 0);
    clock_ms += MINUTE;
    round_trip(VERIFIER_AFFIRMING);
}

/* Nobody asked for ten days: 30 resets are 3 a day. */
static void resets_are_spread_over_the_time_in_which_they_were(void **state)
{
    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms += 10 * 24 * 60 * MINUTE;
    gateway.quote_resets += 30;
    round_trip(VERIFIER_AFFIRMING);
    assert_int_equal(result.started, 30);
    assert_int_equal(in_a_day(), 3);
}

/* TPM2_Shutdown(STATE) and a reset is a TPM Restart, which zeroes PCRs as a TPM Reset does. */
static void restarts_count_as_resets(void **state)
{
    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms++;
    gateway.quote_restarts += 25;
    round_trip(VERIFIER_WARNING);
    assert_true(said("its TPM was reset 25 times in a day"));
    clock_ms++;
    gateway.quote_resets++; /* which sets the other count to what it was at first */
    gateway.quote_restarts = 0;
    round_trip(VERIFIER_WARNING);
    assert_int_equal(in_a_day(), 27);
}

/* The TPM adds a number that nobody knows to what it quotes. */
static void counts_go_on_past_their_end(void **state)
{
    (void)state;
    gateway.quote_resets = UINT32_MAX;
    gateway.quote_restarts = UINT32_MAX - 1;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms++;
    gateway.quote_resets = 1;
    round_trip(VERIFIER_AFFIRMING);
    assert_int_equal(result.started, 2);
}

static void a_reset_count_that_fell_is_refused_for_good(void **state)
{
    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms += MINUTE;
    gateway.quote_resets--;
    round_trip(VERIFIER_CONTRAINDICATED);
    assert_true(said("the TPM's reset count went back"));
    assert_true(result.authentic);
    trust_is(TRUST_NO, "reset count went back");
    clock_ms += MINUTE;
    gateway.quote_resets += 5; /* up again, by as many resets as it takes */
    round_trip(VERIFIER_CONTRAINDICATED);
    assert_true(said("the TPM's reset count went back"));
}

static void a_restart_count_that_fell_is_refused_too(void **state)
{
    (void)state;
    gateway.quote_restarts = 4;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms += MINUTE;
    gateway.quote_restarts = 3;
    round_trip(VERIFIER_CONTRAINDICATED);
    assert_true(said("the TPM's reset count went back"));
}

/* Two questions are under way when the gateway is reset: the answer from before it comes last. */
static void an_answer_from_before_the_last_one_is_no_fall(void **state)
{
    static uint8_t late[EVIDENCE_MESSAGE_MAX];
    uint8_t first[32], second[32];
    struct bytes m;
    size_t n;

    (void)state;
    clock_ms += MINUTE;
    assert_int_equal(fleet_challenge(&fleet, "one", first), 0);
    clock_ms += 1;
    assert_int_equal(fleet_challenge(&fleet, "one", second), 0);
    m = answer(&gateway, second);
    n = m.n;
    memcpy(late, m.p, n);
    gateway.quote_resets++;
    clock_ms += 10 * 1000;
    judge(answer(&gateway, first), VERIFIER_AFFIRMING, NULL);
    clock_ms += 10 * 1000;
    judge((struct bytes){late, n}, VERIFIER_AFFIRMING, NULL);
    assert_int_equal(state_of_one().starts.resets,
                     gateway.quote_resets); /* the later state stays */
    clock_ms += 10 * 1000;
    round_trip(VERIFIER_AFFIRMING);
    gateway.quote_resets--; /* a question from after it: that is one */
    clock_ms += 10 * 1000;
    round_trip(VERIFIER_CONTRAINDICATED);
}

/* Two verifiers judge by the same state; the second counts from what the first one recorded. */
static void starts_are_counted_once_by_verifiers_that_share_a_store(void **state)
{
    const struct store_ops *ops = fleet.store->ops;
    struct verifier_result r = {.status = VERIFIER_AFFIRMING,
                                .authentic = true,
                                .starts = {.known = true, .resets = 9},
                                .started = 2,
                                .share = 2};
    struct store_record record = {.sequence = {0xff}, .result = &r, .at_ms = clock_ms, .ear = "{}"};
    struct store_state before;

    (void)state;
    round_trip(VERIFIER_AFFIRMING);
    before = state_of_one();
    clock_ms++;
    gateway.quote_resets++;
    round_trip(VERIFIER_AFFIRMING);
    memcpy(record.ueid, gateway.claims.ueid, sizeof(record.ueid));
    record.after = before.sequence;
    assert_int_equal(ops->record(fleet.store, &record), KAPU_ESTALE);
    record.after = NULL;
    assert_int_equal(ops->record(fleet.store, &record), KAPU_ESTALE);
    assert_int_equal(in_a_day(), 1);
    before = state_of_one();
    record.after = before.sequence;
    assert_int_equal(ops->record(fleet.store, &record), 0);
    assert_int_equal(in_a_day(), 3);
}

static void resets_by_the_monitor_have_a_limit(void **state)
{
    char why[64];

    (void)state;
    gateway.monitor.resets = 3;
    gateway.monitor.last_reset = EVIDENCE_RESET_ALARM;
    round_trip(VERIFIER_AFFIRMING);
    clock_ms++;
    gateway.monitor.resets = 4;
    round_trip(VERIFIER_CONTRAINDICATED);
    assert_true(said("the monitor reset it 4 times since power-on, policy allows 3"));
    assert_int_equal(state_of_one().monitor_resets, 4);
    assert_int_equal(
        policy_parse(&fleet.policy, TEXT("monitor-resets-max 3 warn\n"), why, sizeof(why)), 0);
    clock_ms++;
    round_trip(VERIFIER_WARNING);
}

static void a_file_that_is_no_store_is_not_opened(void **state)
{
    char why[256], name[128];
    FILE *f;

    (void)state;
    snprintf(name, sizeof(name), "%s/other", folder);
    f = fopen(name, "w");
    fprintf(f, "This is no database, and it is longer than a header of one would be: %0100d", 0);
    fclose(f);
    assert_null(store_sqlite_open(name, why, sizeof(why)));
    assert_non_null(strstr(why, "not a database"));
    unlink(name);
    assert_null(store_sqlite_open("/nonexistent/state.db", why, sizeof(why)));
}

/* A verifier of its own process judges without end, and tells after each that it is done. */
static void judge_until_killed(int done)
{
    struct fleet mine = fleet;
    uint8_t nonce[32];

    mine.store = open_store();
    mine.now_ms = NULL;
    for (uint32_t n = 1;; n++) {
        if (fleet_challenge(&mine, "one", nonce) != 0 ||
            fleet_answer(&mine, "one", answer(&gateway, nonce), &result) != 0 ||
            write(done, &n, sizeof(n)) != sizeof(n))
            _exit(1);
    }
}

static void a_verifier_killed_at_any_moment_loses_and_invents_nothing(void **state)
{
    unsigned before = 0;

    (void)state;
    for (unsigned turn = 0; turn < 12; turn++) {
        uint32_t told = 0, n;
        int line[2], status;
        unsigned kept;
        pid_t pid;

        assert_int_equal(pipe(line), 0);
        pid = fork();
        if (pid == 0) {
            close(line[0]);
            judge_until_killed(line[1]);
        }
        close(line[1]);
        if (turn % 2) /* in its work, however slow it is; else at times in its start */
            assert_int_equal(read(line[0], &told, sizeof(told)), sizeof(told));
        usleep(7919 * turn);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        while (read(line[0], &n, sizeof(n)) == sizeof(n))
            told = n;
        close(line[0]);
        kept =
            results() - before; /* what it told is there; at most the last one it could not tell */
        if (kept < told || kept > told + 1)
            fail_msg("turn %u: %u told, %u kept", turn, told, kept);
        before += kept;
    }
    assert_true(before > 0);
}

/* Two verifiers get the same answers at the same time: each is accepted by one of them. */
static void of_two_verifiers_one_accepts_an_answer(void **state)
{
    enum { ROUNDS = 40 };
    static uint8_t message[ROUNDS][4096];
    size_t n[ROUNDS];
    uint32_t accepted[2] = {0, 0};
    int line[2];
    pid_t pid;

    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint8_t nonce[32];
        struct bytes m;

        clock_ms++;
        assert_int_equal(fleet_challenge(&fleet, "one", nonce), 0);
        m = answer(&gateway, nonce);
        assert_true(m.n <= sizeof(message[i]));
        memcpy(message[i], m.p, m.n);
        n[i] = m.n;
    }
    assert_int_equal(pipe(line), 0);
    pid = fork();
    if (pid == 0)
        fleet.store = open_store();
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (fleet_answer(&fleet, "one", (struct bytes){message[i], n[i]}, &result) != 0)
            accepted[0] = 1000;
        accepted[0] += result.status == VERIFIER_AFFIRMING;
    }
    if (pid == 0)
        _exit(write(line[1], accepted, sizeof(accepted[0])) == sizeof(accepted[0]) ? 0 : 1);
    assert_int_equal(read(line[0], &accepted[1], sizeof(accepted[1])), sizeof(accepted[1]));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(line[0]);
    close(line[1]);
    assert_true(accepted[0] + accepted[1] <= ROUNDS); /* the older of two is passed over */
    assert_true(accepted[0] + accepted[1] > 0);
    assert_int_equal(results(), 2 * ROUNDS);
}

static void the_key_of_a_fleet_is_its_owners_alone(void **state)
{
    struct nonce_key one, two;
    char why[256], name[128];

    (void)state;
    snprintf(name, sizeof(name), "%s/key", folder);
    assert_int_equal(fleet_key_load(name, false, &one, why, sizeof(why)), -1);
    assert_int_equal(fleet_key_load(name, true, &one, why, sizeof(why)), 0);
    assert_int_equal(fleet_key_load(name, true, &two, why, sizeof(why)), 0);
    assert_memory_equal(&one, &two, sizeof(one));
    assert_int_equal(chmod(name, 0640), 0);
    assert_int_equal(fleet_key_load(name, true, &two, why, sizeof(why)), -1);
    assert_non_null(strstr(why, "others than its owner"));
    assert_int_equal(chmod(name, 0600), 0);
    assert_int_equal(truncate(name, 31), 0);
    assert_int_equal(fleet_key_load(name, true, &two, why, sizeof(why)), -1);
    assert_int_equal(truncate(name, 33), 0);
    assert_int_equal(fleet_key_load(name, true, &two, why, sizeof(why)), -1);
    unlink(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(an_answer_is_accepted_once),
        TEST(an_older_nonce_is_worth_nothing_after_a_newer_one),
        TEST(a_nonce_ends),
        TEST(a_nonce_is_good_for_a_verifier_whose_clock_is_a_little_behind),
        TEST(a_nonce_is_for_one_gateway_of_one_fleet),
        TEST(each_bit_of_a_nonce_counts),
        TEST(another_verifier_with_the_key_can_take_the_answer),
        TEST(rubbish_is_recorded_and_changes_nothing),
        TEST(trust_follows_the_last_authentic_verdict),
        TEST(silence_is_failure_also_when_nobody_looked),
        TEST(a_clock_that_was_set_back_is_no_trust),
        TEST(a_gateway_is_judged_after_each_jump_of_the_clock),
        TEST(what_was_judged_under_a_clock_that_was_ahead_names_it_and_counts_no_more),
        TEST(a_clock_that_was_behind_takes_nothing_that_does_not_come_back),
        TEST(evidence_that_was_withheld_under_a_wrong_clock_never_counts),
        TEST(only_this_machines_clock_begins_an_epoch),
        TEST(starts_that_a_wrong_clock_counted_are_over_in_a_day),
        TEST(nothing_of_a_gateway_can_belong_to_two),
        TEST(history_is_kept_and_can_be_forgotten),
        TEST(gateways_are_listed_found_and_removed),
        TEST(references_are_found_by_value_and_by_release),
        TEST(a_kernel_is_kept_with_its_release_and_goes_with_it),
        TEST(a_store_of_an_older_kapu_is_taken_over),
        TEST(a_gateway_of_an_older_kapu_is_not_trusted_silently),
        TEST(a_record_that_goes_takes_the_trust_with_it_at_once),
        TEST(a_record_with_another_key_asks_for_a_renewal_at_once),
        TEST(an_older_record_does_not_come_back),
        TEST(of_a_board_and_of_a_tpm_there_is_one_record),
        TEST(what_was_audited_stays),
        TEST(a_gateway_that_is_reset_again_and_again_does_not_stay_affirming),
        TEST(all_resets_between_two_questions_count),
        TEST(resets_are_spread_over_the_time_in_which_they_were),
        TEST(restarts_count_as_resets),
        TEST(counts_go_on_past_their_end),
        TEST(a_reset_count_that_fell_is_refused_for_good),
        TEST(a_restart_count_that_fell_is_refused_too),
        TEST(an_answer_from_before_the_last_one_is_no_fall),
        TEST(starts_are_counted_once_by_verifiers_that_share_a_store),
        TEST(resets_by_the_monitor_have_a_limit),
        TEST(a_file_that_is_no_store_is_not_opened),
        TEST(of_two_verifiers_one_accepts_an_answer),
        TEST(the_key_of_a_fleet_is_its_owners_alone),
        TEST(a_verifier_killed_at_any_moment_loses_and_invents_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
