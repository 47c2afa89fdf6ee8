// SPDX-License-Identifier: Apache-2.0
/*
 * What the secure world answers to requests: each attack by its name, each with the request that
 * works beside it; sets of keys; approvals. Power cuts are in tests/powercut.
 */
#include "tpm2_fixture.h"

#include <kapu/update.h>

#include "crypto_openssl.h"
#include "update_files.h"

#define SHA (&crypto_openssl.sha256)
#define NOW_MS 1764000000000u
#define DAY_MS 86400000ull
#define RELEASE_KEY 0u /* numbers of the built-in keys: three of each role */
#define ROLLOUT_KEY 3u
#define APPROVAL_KEY 6u
#define NEW_KEY 20u    /* of later sets */
#define FIRMWARE 5000u /* bytes */
#define COUNTER 7u

static struct update_content first[UPDATE_ROLES];

/* A gateway that runs release COUNTER from slot A; what the tests change before they ask. */
static struct board {
    uint8_t record[UPDATE_RECORD_SIZE];
    struct bootstate state;
    uint32_t counter;
    uint8_t flash[FIRMWARE];
    struct update_self self;
    struct update_boot boot;
    struct update u;
    unsigned int record_writes, state_writes, confirmations;
    int fail_record, fail_state, fail_confirm, fail_hash;
} b;

/* A request, as far as it is not signed yet. */
static struct ask {
    struct release_manifest m;
    struct release_rollout r;
    struct update_content manifest, rollout;
    struct update_file manifest_file, rollout_file;
    unsigned int manifest_by[4], rollout_by[4];
    size_t manifest_signers, rollout_signers;
    struct update_request request;
} q;

static struct bytes text(const char *s)
{
    return (struct bytes){(const uint8_t *)s, strlen(s)};
}

/* ---- ports ---- */

static int read_record(void *ctx, uint8_t record[UPDATE_RECORD_SIZE])
{
    (void)ctx;
    memcpy(record, b.record, sizeof(b.record));
    return 0;
}

static int write_record(void *ctx, const uint8_t record[UPDATE_RECORD_SIZE])
{
    (void)ctx;
    if (b.fail_record != 0)
        return b.fail_record;
    memcpy(b.record, record, sizeof(b.record));
    b.record_writes++;
    return 0;
}

static int read_state(void *ctx, struct bootstate *state, uint32_t *counter)
{
    (void)ctx;
    *state = b.state;
    *counter = b.counter;
    return 0;
}

static int write_state(void *ctx, const struct bootstate *state)
{
    (void)ctx;
    if (b.fail_state != 0)
        return b.fail_state;
    b.state = *state;
    b.state_writes++;
    return 0;
}

static int confirm(void *ctx)
{
    (void)ctx;
    if (b.fail_confirm != 0)
        return b.fail_confirm;
    b.state = (struct bootstate){.slot = b.boot.slot};
    memcpy(b.state.confirmed, b.boot.identity, sizeof(b.state.confirmed));
    b.counter = COUNTER + 1;
    b.confirmations++;
    return 0;
}

static int hash_slot(void *ctx, uint8_t slot, uint64_t n, uint8_t digest[32])
{
    (void)ctx;
    assert_int_equal(slot, 1 - b.boot.slot);
    if (b.fail_hash != 0)
        return b.fail_hash;
    if (n > sizeof(b.flash))
        return KAPU_ERANGE;
    return SHA->hash(SHA->ctx, &(struct bytes){b.flash, (size_t)n}, 1, digest);
}

/* ---- a gateway, and a request that it takes ---- */

static void open_it(void)
{
    b.u.sha = SHA;
    b.u.verify = &update_files_verify;
    b.u.port = (struct update_port){.read_record = read_record,
                                    .write_record = write_record,
                                    .read_state = read_state,
                                    .write_state = write_state,
                                    .confirm = confirm,
                                    .hash_slot = hash_slot};
    b.u.self = &b.self;
    b.u.boot = &b.boot;
    assert_int_equal(update_open(&b.u), 0);
}

static void make_gateway(void)
{
    static const struct {
        enum release_role role;
        unsigned int key;
        uint32_t threshold;
    } row[UPDATE_ROLES] = {{RELEASE_ROLE_RELEASE, RELEASE_KEY, 2},
                           {RELEASE_ROLE_ROLLOUT, ROLLOUT_KEY, 1},
                           {RELEASE_ROLE_APPROVAL, APPROVAL_KEY, 1}};
    static const struct update_record first_record;

    memset(&b, 0, sizeof(b));
    update_record_encode(&first_record, b.record);
    b.self.hardware = text("qemu-virt");
    b.self.product = text("gateway");
    b.self.group = text("north");
    memset(b.self.ueid, 0x42, sizeof(b.self.ueid));
    for (size_t i = 0; i < UPDATE_ROLES; i++) {
        const struct release_keys k =
            update_files_set(row[i].role, 1, row[i].key, 3, row[i].threshold);

        update_files_keys(&k, &first[i]);
        b.self.first[i] = update_content_bytes(&first[i]);
    }
    b.counter = COUNTER;
    memset(b.boot.identity, 0x11, sizeof(b.boot.identity));
    memset(b.boot.name, 0x77, sizeof(b.boot.name));
    memcpy(b.state.confirmed, b.boot.identity, sizeof(b.state.confirmed));
    for (size_t i = 0; i < sizeof(b.flash); i++)
        b.flash[i] = (uint8_t)(i * 7);
    open_it();
}

static void make_ask(void)
{
    memset(&q, 0, sizeof(q));
    q.m = (struct release_manifest){.version = text("2"),
                                    .hardware = text("qemu-virt"),
                                    .product = text("gateway"),
                                    .counter = COUNTER + 1,
                                    .made_ms = NOW_MS,
                                    .expires_ms = NOW_MS + 100 * DAY_MS,
                                    .firmware = {.size = FIRMWARE},
                                    .root = {.size = RELEASE_BLOCK},
                                    .index = {.size = 1},
                                    .approval = true};
    memset(q.m.identity, 0x22, sizeof(q.m.identity));
    assert_int_equal(SHA->hash(SHA->ctx, &BYTES_OF(b.flash), 1, q.m.firmware.sha256), 0);
    q.r = (struct release_rollout){.action = RELEASE_INSTALL,
                                   .number = 1,
                                   .issued_ms = NOW_MS + DAY_MS,
                                   .until_ms = NOW_MS + 8 * DAY_MS,
                                   .to.n = 1};
    memcpy(q.r.to.ueid[0], b.self.ueid, sizeof(q.r.to.ueid[0]));
    q.manifest_by[0] = RELEASE_KEY + 1;
    q.manifest_by[1] = RELEASE_KEY + 2;
    q.manifest_signers = 2;
    q.rollout_by[0] = ROLLOUT_KEY;
    q.rollout_signers = 1;
}

/* Signs what q says; the rollout is of the manifest unless `other`. */
static void sign(bool other)
{
    update_files_manifest(&q.m, &q.manifest);
    assert_int_equal(release_digest(SHA, update_content_bytes(&q.manifest), q.r.release), 0);
    q.r.release[0] ^= other;
    update_files_rollout(&q.r, &q.rollout);
    update_files_sign(&release_manifest_kind, &q.manifest, q.manifest_by, q.manifest_signers,
                      &q.manifest_file);
    update_files_sign(&release_rollout_kind, &q.rollout, q.rollout_by, q.rollout_signers,
                      &q.rollout_file);
    q.request.manifest = update_file_bytes(&q.manifest_file);
    q.request.rollout = update_file_bytes(&q.rollout_file);
}

/* What a check says before: the same, but of the slot; and nothing is another one after it. */
static enum update_answer check(void)
{
    const struct update_record record = b.u.record;
    const struct bootstate state = b.state, next = b.u.next;
    const enum update_stage stage = b.u.stage;
    const unsigned int writes = b.record_writes + b.state_writes;
    enum update_answer answer = UPDATE_ANSWERS;

    assert_int_equal(update_check(&b.u, &q.request, &answer), 0);
    assert_memory_equal(&b.u.record, &record, sizeof(record));
    assert_memory_equal(&b.state, &state, sizeof(state));
    assert_memory_equal(&b.u.next, &next, sizeof(next));
    assert_int_equal(b.u.stage, stage);
    assert_int_equal(b.record_writes + b.state_writes, writes);
    return answer;
}

/* Each request of these tests is checked first. */
static enum update_answer ask(void)
{
    const enum update_answer checked = check();
    enum update_answer answer = UPDATE_ANSWERS;

    assert_int_equal(update_request(&b.u, &q.request, &answer), 0);
    assert_int_equal(checked, answer == UPDATE_PARTIAL_BUNDLE ? UPDATE_DONE : answer);
    return answer;
}

static enum update_answer sign_and_ask(void)
{
    sign(false);
    return ask();
}

/* Refused, with nothing written; and the same gateway takes the good request after it. */
static void refused_as(enum update_answer expected)
{
    const struct bootstate state = b.state;
    const unsigned int writes = b.record_writes;

    assert_string_equal(update_answer_name(ask()), update_answer_name(expected));
    assert_int_equal(b.record_writes, writes);
    assert_memory_equal(&b.state, &state, sizeof(state));
    make_ask();
    q.r.number = 1000;
    q.r.until_ms += 30 * DAY_MS;
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
}

/* The trial that was set runs. */
static void start_trial(void)
{
    assert_true(b.state.trial);
    b.state.tries--;
    b.boot.slot = b.state.slot;
    b.boot.trial = true;
    memcpy(b.boot.identity, b.state.tried, sizeof(b.boot.identity));
    memset(b.boot.name, 0x78, sizeof(b.boot.name));
    open_it();
}

/* ---- requests ---- */

static void a_good_request_sets_a_trial_of_its_release(void **state)
{
    (void)state;
    make_gateway();
    assert_int_equal(b.u.stage, UPDATE_IDLE);
    make_ask();
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
    assert_int_equal(b.u.stage, UPDATE_WAITING);
    assert_true(b.state.trial && b.state.slot == 1 && b.state.tries == UPDATE_TRIES);
    assert_memory_equal(b.state.tried, q.m.identity, sizeof(b.state.tried));
    assert_memory_equal(b.state.confirmed, b.boot.identity, sizeof(b.state.confirmed));
    assert_int_equal(ask(), UPDATE_DONE); /* once more: nothing is written */
    assert_int_equal(b.record_writes, 1);
    assert_int_equal(b.state_writes, 1);
    start_trial();
    assert_int_equal(b.u.stage, UPDATE_ON_TRIAL);
}

static void a_group_is_rolled_out_to_as_one_gateway_is(void **state)
{
    (void)state;
    make_gateway();
    make_ask();
    q.r.to.n = 0;
    q.r.group = text("north");
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
}

static struct release_membership a_membership(const char *group, uint64_t number)
{
    struct release_membership m = {.number = number,
                                   .issued_ms = NOW_MS,
                                   .until_ms = NOW_MS + 8 * DAY_MS,
                                   .group = text(group),
                                   .of = {.n = 1}};

    memcpy(m.of.ueid[0], b.self.ueid, sizeof(m.of.ueid[0]));
    return m;
}

static enum update_answer join(const struct release_membership *m, unsigned int by)
{
    enum update_answer answer = UPDATE_ANSWERS;
    struct update_content c;
    struct update_file f;

    update_files_membership(m, &c);
    update_files_sign(&release_membership_kind, &c, &by, 1, &f);
    assert_int_equal(update_join(&b.u, update_file_bytes(&f), (struct bytes){NULL, 0}, &answer), 0);
    return answer;
}

/* The answer to a rollout for a group that is only checked, so that many can be asked. */
static enum update_answer check_group(const char *group)
{
    enum update_answer answer = UPDATE_ANSWERS;

    make_ask();
    q.r.to.n = 0;
    q.r.group = text(group);
    sign(false);
    assert_int_equal(update_check(&b.u, &q.request, &answer), 0);
    return answer;
}

static void the_last_membership_says_which_group_a_gateway_is_of(void **state)
{
    struct release_membership south, west, longest;
    char name[RELEASE_GROUP_MAX + 1];

    (void)state;
    make_gateway();
    south = a_membership("south", 4);
    west = a_membership("west", 5);
    assert_int_equal(check_group("south"), UPDATE_REPLAYED_ROLLOUT);
    assert_int_equal(join(&south, ROLLOUT_KEY), UPDATE_DONE);
    assert_int_equal(check_group("south"), UPDATE_DONE);
    assert_int_equal(check_group("north"), UPDATE_DONE); /* that each is of */
    assert_int_equal(check_group("sout"), UPDATE_REPLAYED_ROLLOUT);
    assert_int_equal(join(&south, ROLLOUT_KEY), UPDATE_DONE); /* it comes again */
    assert_int_equal(b.record_writes, 1);
    assert_int_equal(join(&west, ROLLOUT_KEY), UPDATE_DONE);
    assert_int_equal(check_group("south"), UPDATE_REPLAYED_ROLLOUT);
    assert_int_equal(join(&south, ROLLOUT_KEY), UPDATE_REPLAYED_ROLLOUT);
    open_it(); /* the TPM has it */
    assert_int_equal(check_group("west"), UPDATE_DONE);
    memset(name, 'n', RELEASE_GROUP_MAX);
    name[RELEASE_GROUP_MAX] = '\0';
    longest = a_membership(name, 6);
    assert_int_equal(join(&longest, ROLLOUT_KEY), UPDATE_DONE);
    assert_int_equal(check_group(name), UPDATE_DONE);
    assert_int_equal(b.u.record.rollout, 0); /* rollouts are counted by themselves */
}

static void each_bad_membership_is_refused_by_its_name(void **state)
{
    struct release_membership m = a_membership("south", 4), bad;

    (void)state;
    make_gateway();
    m = a_membership("south", 4);
    bad = m;
    bad.of.ueid[0][9] ^= 1;
    assert_int_equal(join(&bad, ROLLOUT_KEY), UPDATE_REPLAYED_ROLLOUT);
    bad = m;
    bad.number = UPDATE_NUMBER_JUMP + 1;
    assert_int_equal(join(&bad, ROLLOUT_KEY), UPDATE_FAST_FORWARD);
    assert_int_equal(join(&m, RELEASE_KEY), UPDATE_ARBITRARY_SOFTWARE);
    assert_int_equal(join(&m, APPROVAL_KEY), UPDATE_ARBITRARY_SOFTWARE);
    make_ask();
    assert_int_equal(sign_and_ask(), UPDATE_DONE); /* which tells a later time */
    assert_true(b.u.record.time_ms > m.issued_ms);
    bad = m;
    bad.until_ms = bad.issued_ms;
    assert_int_equal(join(&bad, ROLLOUT_KEY), UPDATE_FREEZE);
    assert_int_equal(b.u.record.membership, 0);
    assert_int_equal(join(&m, ROLLOUT_KEY), UPDATE_DONE);
    assert_int_equal(b.u.stage, UPDATE_WAITING); /* and the trial is as it was */
    bad = m;
    bad.group = text("west"); /* two memberships of one number */
    assert_int_equal(join(&bad, ROLLOUT_KEY), UPDATE_REPLAYED_ROLLOUT);
    bad.number = m.number + UPDATE_NUMBER_JUMP;
    assert_int_equal(join(&bad, ROLLOUT_KEY), UPDATE_DONE);
}

/* What is changed before the request is signed. */
static void lower_counter(void)
{
    q.m.counter = COUNTER;
}

static void expired_manifest(void)
{
    q.m.expires_ms = q.r.issued_ms - 1;
}

static void expired_rollout(void)
{
    struct update_record r = b.u.record;

    r.time_ms = q.r.until_ms + 1;
    update_record_encode(&r, b.record);
    open_it();
}

static void other_hardware(void)
{
    q.m.hardware = text("raspberry-pi-3");
}

static void other_product(void)
{
    q.m.product = text("lab");
}

static void one_signature(void)
{
    q.manifest_signers = 1;
}

static void foreign_signatures(void)
{
    q.manifest_by[0] = NEW_KEY;
}

static void unsigned_rollout(void)
{
    q.rollout_signers = 0;
}

static void rollout_by_a_release_key(void)
{
    q.rollout_by[0] = RELEASE_KEY;
}

static void far_counter(void)
{
    q.m.counter = COUNTER + UPDATE_COUNTER_JUMP + 1;
}

static void far_number(void)
{
    q.r.number = UPDATE_NUMBER_JUMP + 1;
}

static void far_time(void)
{
    q.r.issued_ms = q.r.until_ms = NOW_MS + UPDATE_TIME_JUMP + 1;
    q.m.expires_ms = q.r.until_ms;
}

static void other_firmware(void)
{
    q.m.firmware.sha256[5] ^= 1;
}

static void larger_firmware(void)
{
    q.m.firmware.size = FIRMWARE + 1;
}

static void other_gateway(void)
{
    q.r.to.ueid[0][7] ^= 1;
}

static void other_group(void)
{
    q.r.to.n = 0;
    q.r.group = text("south");
}

static void step_between(void)
{
    q.m.counter_from = COUNTER + 1;
}

static void runs_already(void)
{
    memcpy(q.m.identity, b.boot.identity, sizeof(q.m.identity));
}

static void each_bad_request_is_refused_by_its_name_and_the_good_one_taken(void **state)
{
    static const struct {
        void (*change)(void);
        enum update_answer answer;
    } row[] = {
        {lower_counter, UPDATE_ROLLBACK},
        {expired_manifest, UPDATE_FREEZE},
        {expired_rollout, UPDATE_FREEZE},
        {other_hardware, UPDATE_WRONG_HARDWARE},
        {other_product, UPDATE_WRONG_HARDWARE},
        {one_signature, UPDATE_ARBITRARY_SOFTWARE},
        {foreign_signatures, UPDATE_ARBITRARY_SOFTWARE},
        {unsigned_rollout, UPDATE_ARBITRARY_SOFTWARE},
        {rollout_by_a_release_key, UPDATE_ARBITRARY_SOFTWARE},
        {far_counter, UPDATE_FAST_FORWARD},
        {far_number, UPDATE_FAST_FORWARD},
        {far_time, UPDATE_FAST_FORWARD},
        {other_firmware, UPDATE_PARTIAL_BUNDLE},
        {larger_firmware, UPDATE_PARTIAL_BUNDLE},
        {other_gateway, UPDATE_REPLAYED_ROLLOUT},
        {other_group, UPDATE_REPLAYED_ROLLOUT},
        {step_between, UPDATE_BETWEEN},
        {runs_already, UPDATE_RUNS_ALREADY},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        make_gateway();
        make_ask();
        row[i].change();
        sign(false);
        refused_as(row[i].answer);
    }
}

static void a_rollout_of_another_release_is_mix_and_match(void **state)
{
    (void)state;
    make_gateway();
    make_ask();
    sign(true);
    refused_as(UPDATE_MIX_AND_MATCH);
}

static void no_damaged_file_is_taken(void **state)
{
    (void)state;
    make_gateway();
    make_ask();
    sign(false);
    for (size_t i = 0; i < q.manifest_file.n; i++) {
        q.manifest_file.b[i] ^= 1;
        assert_int_not_equal(ask(), UPDATE_DONE);
        q.manifest_file.b[i] ^= 1;
    }
    for (size_t i = 0; i < q.rollout_file.n; i++) {
        q.rollout_file.b[i] ^= 1;
        assert_int_not_equal(ask(), UPDATE_DONE);
        q.rollout_file.b[i] ^= 1;
    }
    q.request.manifest.n--;
    assert_int_equal(ask(), UPDATE_ARBITRARY_SOFTWARE);
    q.request.manifest.n++;
    assert_int_equal(b.record_writes + b.state_writes, 0);
    assert_int_equal(ask(), UPDATE_DONE);
}

static void an_older_rollout_is_a_replay_and_time_never_runs_back(void **state)
{
    (void)state;
    make_gateway();
    make_ask();
    q.r.number = 5;
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
    q.r.number = 4;
    assert_int_equal(sign_and_ask(), UPDATE_REPLAYED_ROLLOUT);
    q.r.number = 5;
    q.m.identity[0] ^= 1; /* another release under the same number */
    assert_int_equal(sign_and_ask(), UPDATE_REPLAYED_ROLLOUT);
    q.r.number = 6;
    q.m.expires_ms = q.r.issued_ms; /* an earlier time does not make it younger */
    q.r.issued_ms = NOW_MS;
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
    assert_int_equal(b.u.record.time_ms, NOW_MS + DAY_MS);
    q.r.number = 7;
    q.m.expires_ms--;
    assert_int_equal(sign_and_ask(), UPDATE_FREEZE);
}

static void a_waiting_trial_gives_way_to_a_later_rollout(void **state)
{
    (void)state;
    make_gateway();
    make_ask();
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
    q.r.number = 2;
    q.m.identity[0] ^= 1;
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
    assert_memory_equal(b.state.tried, q.m.identity, sizeof(b.state.tried));
    start_trial();
    assert_int_equal(b.u.stage, UPDATE_ON_TRIAL);
}

static void while_a_trial_runs_its_tries_cannot_be_had_again(void **state)
{
    (void)state;
    make_gateway();
    make_ask();
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
    start_trial();
    assert_int_equal(ask(), UPDATE_BUSY);
    q.r.number++;
    assert_int_equal(sign_and_ask(), UPDATE_BUSY);
    assert_int_equal(b.state.tries, UPDATE_TRIES - 1);
}

/* As BL1 does it. */
static void fall_back(enum bootstate_gave_up why)
{
    b.state.trial = false;
    b.state.tries = 0;
    b.state.slot = (uint8_t)(1 - b.state.slot);
    b.state.gave_up = why;
    memset(b.state.tried, 0, sizeof(b.state.tried));
    b.boot.slot = b.state.slot;
    b.boot.trial = false;
    memcpy(b.boot.identity, b.state.confirmed, sizeof(b.boot.identity));
    open_it();
}

static void a_trial_that_failed_is_recorded_and_not_tried_for_ever(void **state)
{
    (void)state;
    make_gateway();
    make_ask();
    for (unsigned int i = 0; i < UPDATE_TRIALS_MAX; i++) {
        assert_int_equal(sign_and_ask(), UPDATE_DONE);
        start_trial();
        b.boot.reset = 2; /* the monitor's watchdog */
        fall_back(BOOTSTATE_GAVE_UP_TRIES);
        assert_int_equal(b.u.stage, UPDATE_IDLE);
        assert_int_equal(b.u.record.last, UPDATE_TRIES_GONE);
        assert_int_equal(b.u.record.reset, 2);
        assert_int_equal(b.state.gave_up, BOOTSTATE_NOT_GIVEN_UP);
    }
    assert_int_equal(sign_and_ask(), UPDATE_TRIED);
    q.r.number++;
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
    fall_back(BOOTSTATE_GAVE_UP_REFUSED);
    assert_int_equal(b.u.record.last, UPDATE_REFUSED);
    assert_int_equal(b.u.record.reset, 0);
}

static void what_runs_on_trial_must_be_what_was_verified(void **state)
{
    const struct bytes none = {NULL, 0};
    enum update_answer answer;

    (void)state;
    make_gateway();
    make_ask();
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
    b.state.tried[0] ^= 1;
    start_trial();
    assert_int_equal(b.u.stage, UPDATE_OVER);
    assert_int_equal(b.u.record.last, UPDATE_OTHER_RAN);
    assert_true(!b.state.trial && b.state.slot == 0);
    assert_int_equal(update_confirm(&b.u, true, none, none, &answer), 0);
    assert_int_equal(answer, UPDATE_CHANGED);
    assert_int_equal(b.confirmations, 0);
}

/* Before the state names a release any may start. What is recorded and was never set is no trial,
 * and nothing that was confirmed. */
static void a_trial_that_was_recorded_only_is_never_taken_for_confirmed(void **state)
{
    (void)state;
    for (unsigned int named = 0; named < 2; named++) {
        make_gateway();
        b.boot.slot = 1; /* the other slot runs than the state has in use: that was refused */
        if (named == 0)
            memset(b.state.confirmed, 0, sizeof(b.state.confirmed));
        open_it();
        make_ask();
        sign(false);
        b.fail_state = KAPU_EIO; /* the power goes between the two writes */
        assert_int_equal(update_request(&b.u, &q.request, &(enum update_answer){0}), KAPU_EIO);
        b.fail_state = 0;
        assert_true(b.u.record.trial && b.u.record.slot == 0 && !b.state.trial);
        if (named == 0) { /* the release starts at once, not on trial */
            b.boot.slot = 0;
            memcpy(b.boot.identity, q.m.identity, sizeof(b.boot.identity));
        }
        open_it();
        assert_int_equal(b.confirmations, 0);
        assert_int_equal(b.u.stage, named == 0 ? UPDATE_IDLE : UPDATE_WAITING);
        assert_int_equal(b.u.record.last, named == 0 ? UPDATE_NEVER_BEGAN : UPDATE_NOTHING_YET);
    }
}

/* ---- halting ---- */

static enum update_answer halt(uint64_t number)
{
    q.r.action = RELEASE_HALT;
    q.r.number = number;
    sign(false);
    q.request.manifest = (struct bytes){NULL, 0};
    return ask();
}

static void a_halt_ends_a_trial_that_waits_or_runs(void **state)
{
    (void)state;
    for (unsigned int runs = 0; runs < 2; runs++) {
        make_gateway();
        make_ask();
        assert_int_equal(sign_and_ask(), UPDATE_DONE);
        if (runs == 1)
            start_trial();
        assert_int_equal(halt(2), UPDATE_DONE);
        assert_int_equal(b.u.stage, runs == 1 ? UPDATE_OVER : UPDATE_IDLE);
        assert_int_equal(b.u.record.last, UPDATE_HALTED);
        assert_true(!b.state.trial && b.state.slot == 0);
        make_ask();
        assert_int_equal(sign_and_ask(), UPDATE_REPLAYED_ROLLOUT); /* the one that was halted */
        q.r.number = 2;
        assert_int_equal(sign_and_ask(), runs == 1 ? UPDATE_BUSY : UPDATE_TRIED);
        q.r.number = 3;
        assert_int_equal(sign_and_ask(), runs == 1 ? UPDATE_BUSY : UPDATE_DONE);
    }
}

static void a_halt_that_comes_first_is_remembered(void **state)
{
    (void)state;
    make_gateway();
    make_ask();
    assert_int_equal(halt(2), UPDATE_DONE);
    assert_int_equal(b.state_writes, 0);
    make_ask();
    assert_int_equal(sign_and_ask(), UPDATE_REPLAYED_ROLLOUT);
    assert_int_equal(halt(1), UPDATE_REPLAYED_ROLLOUT);
}

static void a_halt_of_another_release_leaves_the_trial(void **state)
{
    (void)state;
    make_gateway();
    make_ask();
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
    q.m.identity[0] ^= 1;
    assert_int_equal(halt(2), UPDATE_DONE);
    assert_int_equal(b.u.stage, UPDATE_WAITING);
    assert_true(b.state.trial);
}

/* ---- confirmation ---- */

static struct release_approval approval_of_this_trial(void)
{
    struct release_approval a = {.issued_ms = NOW_MS + 2 * DAY_MS};

    memcpy(a.release, q.r.release, sizeof(a.release));
    memcpy(a.gateway, b.self.ueid, sizeof(a.gateway));
    memcpy(a.boot, b.boot.name, sizeof(a.boot));
    return a;
}

static int confirm_with_error(const struct release_approval *a, unsigned int key)
{
    struct update_content c;
    struct update_file f;
    enum update_answer answer;

    update_files_approval(a, &c);
    update_files_sign(&release_approval_kind, &c, &key, 1, &f);
    return update_confirm(&b.u, true, update_file_bytes(&f), (struct bytes){NULL, 0}, &answer);
}

static enum update_answer confirm_with(const struct release_approval *a, unsigned int key,
                                       bool clean)
{
    struct update_content c;
    struct update_file f;
    enum update_answer answer = UPDATE_ANSWERS;

    update_files_approval(a, &c);
    update_files_sign(&release_approval_kind, &c, &key, 1, &f);
    assert_int_equal(
        update_confirm(&b.u, clean, update_file_bytes(&f), (struct bytes){NULL, 0}, &answer), 0);
    return answer;
}

static void begin_trial(bool approval)
{
    make_gateway();
    make_ask();
    q.m.approval = approval;
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
    start_trial();
}

static void a_trial_is_confirmed_by_a_clean_check_and_an_approval_of_this_boot(void **state)
{
    struct release_approval good, bad;

    (void)state;
    begin_trial(true);
    good = bad = approval_of_this_trial();
    assert_int_equal(confirm_with(&good, APPROVAL_KEY, false), UPDATE_NOT_CLEAN);
    bad.boot[0] ^= 1;
    assert_int_equal(confirm_with(&bad, APPROVAL_KEY, true), UPDATE_REPLAYED_APPROVAL);
    bad = good;
    bad.gateway[5] ^= 1;
    assert_int_equal(confirm_with(&bad, APPROVAL_KEY, true), UPDATE_REPLAYED_APPROVAL);
    bad = good;
    bad.release[5] ^= 1;
    assert_int_equal(confirm_with(&bad, APPROVAL_KEY, true), UPDATE_REPLAYED_APPROVAL);
    assert_int_equal(confirm_with(&good, ROLLOUT_KEY, true), UPDATE_ARBITRARY_SOFTWARE);
    assert_int_equal(b.confirmations, 0);
    assert_int_equal(confirm_with(&good, APPROVAL_KEY + 2, true), UPDATE_DONE);
    assert_int_equal(b.confirmations, 1);
    assert_int_equal(b.u.stage, UPDATE_IDLE);
    assert_int_equal(b.u.record.last, UPDATE_CONFIRMED);
    assert_int_equal(b.u.record.time_ms, NOW_MS + DAY_MS); /* an approval tells no time */
    assert_int_equal(confirm_with(&good, APPROVAL_KEY, true), UPDATE_NO_TRIAL);
    assert_int_equal(sign_and_ask(), UPDATE_RUNS_ALREADY);
}

static void an_approval_is_needed_when_the_manifest_says_so(void **state)
{
    const struct bytes none = {NULL, 0};
    enum update_answer answer;

    (void)state;
    begin_trial(true);
    assert_int_equal(update_confirm(&b.u, true, none, none, &answer), 0);
    assert_int_equal(answer, UPDATE_NOT_APPROVED);
    begin_trial(false);
    assert_int_equal(update_confirm(&b.u, true, none, none, &answer), 0);
    assert_int_equal(answer, UPDATE_DONE);
}

static void without_a_trial_nothing_is_confirmed(void **state)
{
    struct release_approval a;

    (void)state;
    make_gateway();
    make_ask();
    sign(false);
    a = approval_of_this_trial();
    assert_int_equal(confirm_with(&a, APPROVAL_KEY, true), UPDATE_NO_TRIAL);
    assert_int_equal(ask(), UPDATE_DONE);
    assert_int_equal(confirm_with(&a, APPROVAL_KEY, true), UPDATE_NO_TRIAL); /* it only waits */
    assert_int_equal(b.confirmations, 0);
}

/* ---- sets of keys ---- */

static struct update_content next_content;

/* The next set of a role from NEW_KEY on, signed by these; its answer. */
static enum update_answer rotate(enum release_role role, uint32_t version, const unsigned int *by,
                                 size_t n, struct bytes now)
{
    const struct release_keys next = update_files_set(role, version, NEW_KEY, 3, 2);
    enum update_answer answer = UPDATE_ANSWERS;
    struct update_file f;

    update_files_keys(&next, &next_content);
    update_files_sign(&release_keys_kind, &next_content, by, n, &f);
    assert_int_equal(update_keys(&b.u, now, update_file_bytes(&f), &answer), 0);
    return answer;
}

static const unsigned int both[] = {RELEASE_KEY, RELEASE_KEY + 1, NEW_KEY, NEW_KEY + 1};

static void a_new_set_takes_the_thresholds_of_old_and_new(void **state)
{
    const struct bytes none = {NULL, 0};

    (void)state;
    make_gateway();
    for (size_t i = 0; i < 4; i++) { /* one signature is missing */
        unsigned int by[3];

        for (size_t k = 0, n = 0; k < 4; k++) {
            if (k != i)
                by[n++] = both[k];
        }
        assert_int_equal(rotate(RELEASE_ROLE_RELEASE, 2, by, 3, none), UPDATE_ARBITRARY_SOFTWARE);
    }
    assert_int_equal(rotate(RELEASE_ROLE_RELEASE, 3, both, 4, none), UPDATE_BETWEEN);
    assert_int_equal(rotate(RELEASE_ROLE_RELEASE, 1, both, 4, none), UPDATE_REVOKED_KEY);
    assert_int_equal(b.record_writes, 0);
    assert_int_equal(rotate(RELEASE_ROLE_RELEASE, 2, both, 4, none), UPDATE_DONE);
    assert_int_equal(b.record_writes, 1);
}

static void keys_that_were_replaced_sign_nothing_any_more(void **state)
{
    const struct bytes none = {NULL, 0};

    (void)state;
    make_gateway();
    assert_int_equal(rotate(RELEASE_ROLE_RELEASE, 2, both, 4, none), UPDATE_DONE);
    open_it(); /* after a reset, too */
    make_ask();
    assert_int_equal(sign_and_ask(), UPDATE_ARBITRARY_SOFTWARE); /* no set is given */
    q.request.keys[0] = b.self.first[0];
    assert_int_equal(ask(), UPDATE_REVOKED_KEY); /* the set that was replaced */
    q.request.keys[0] = update_content_bytes(&next_content);
    assert_int_equal(ask(), UPDATE_REVOKED_KEY); /* its keys */
    q.manifest_by[0] = NEW_KEY + 1;
    q.manifest_by[1] = NEW_KEY + 2;
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
}

static void a_set_that_nobody_took_is_not_taken_by_being_given(void **state)
{
    const struct release_keys mine = update_files_set(RELEASE_ROLE_RELEASE, 2, NEW_KEY + 5, 3, 2);
    const struct bytes none = {NULL, 0};
    struct update_content c;

    (void)state;
    make_gateway();
    assert_int_equal(rotate(RELEASE_ROLE_RELEASE, 2, both, 4, none), UPDATE_DONE);
    make_ask();
    update_files_keys(&mine, &c);
    q.request.keys[0] = update_content_bytes(&c);
    q.manifest_by[0] = NEW_KEY + 5;
    q.manifest_by[1] = NEW_KEY + 6;
    assert_int_equal(sign_and_ask(), UPDATE_ARBITRARY_SOFTWARE);
}

static void a_new_rollout_set_ends_a_fast_forward(void **state)
{
    static const unsigned int by[] = {ROLLOUT_KEY, NEW_KEY, NEW_KEY + 1};
    const struct bytes none = {NULL, 0};

    (void)state;
    make_gateway();
    make_ask();
    q.r.number = UPDATE_NUMBER_JUMP; /* by a stolen key, as far as it goes */
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
    assert_int_equal(rotate(RELEASE_ROLE_ROLLOUT, 2, by, 3, none), UPDATE_DONE);
    make_ask();
    q.m.identity[0] ^= 1;
    q.request.keys[1] = update_content_bytes(&next_content);
    q.rollout_by[1] = NEW_KEY + 1;
    q.rollout_by[0] = NEW_KEY;
    q.rollout_signers = 2;
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
}

/* Two of three keys stay: what they signed would count again. */
static void a_new_rollout_set_with_the_old_keys_brings_nothing_back(void **state)
{
    static const unsigned int by[] = {ROLLOUT_KEY, ROLLOUT_KEY + 1};
    const struct bytes none = {NULL, 0};
    struct release_keys next = update_files_set(RELEASE_ROLE_ROLLOUT, 2, ROLLOUT_KEY, 2, 1);
    enum update_answer answer;
    struct update_content c;
    struct update_file f;

    (void)state;
    make_gateway();
    make_ask();
    q.r.number = 5;
    sign(false);
    assert_int_equal(ask(), UPDATE_DONE);
    assert_int_equal(halt(6), UPDATE_DONE);
    update_files_keys(&next, &c);
    update_files_sign(&release_keys_kind, &c, by, 2, &f);
    assert_int_equal(update_keys(&b.u, none, update_file_bytes(&f), &answer), 0);
    assert_int_equal(answer, UPDATE_DONE);
    make_ask();
    q.r.number = 5;
    q.request.keys[1] = update_content_bytes(&c);
    assert_int_equal(sign_and_ask(), UPDATE_REPLAYED_ROLLOUT);
    q.r.number = 7;
    assert_int_equal(sign_and_ask(), UPDATE_DONE);
}

/* ---- the record, and errors ---- */

/* By the function that the attest TA has, which holds nothing else of lib/update. */
static void what_came_of_the_last_trial_is_read_from_the_beginning_of_a_record(void **state)
{
    struct update_record r = {.trial = true, .slot = 1, .approval = true, .trials = 2};
    uint8_t encoded[UPDATE_RECORD_SIZE], last, reset;

    (void)state;
    for (r.last = 0; r.last < UPDATE_OUTCOMES; r.last++) {
        for (r.reset = 0; r.reset < 4; r.reset++) {
            update_record_encode(&r, encoded);
            assert_int_equal(update_outcome_decode(encoded, &last, &reset), 0);
            assert_true(last == r.last && reset == r.reset);
        }
    }
    update_record_encode(&r, encoded);
    assert_int_equal(update_outcome_decode(encoded, &last, &reset), KAPU_EINVAL);
    r.last = UPDATE_REFUSED;
    update_record_encode(&r, encoded);
    for (size_t i = 0; i < 4; i++) {
        encoded[i] ^= 1;
        assert_int_equal(update_outcome_decode(encoded, &last, &reset), KAPU_EINVAL);
        encoded[i] ^= 1;
    }
}

static void a_record_survives_its_encoding_and_nothing_else_is_one(void **state)
{
    struct update_record r = {.trial = true,
                              .slot = 1,
                              .approval = true,
                              .trials = 2,
                              .last = UPDATE_HALTED,
                              .reset = 3,
                              .time_ms = NOW_MS,
                              .rollout = 0x0102030405060708,
                              .membership = 9,
                              .group = "south",
                              .release = {1},
                              .identity = {2},
                              .keys = {{1, {3}}, {2, {4}}, {3, {5}}}};
    uint8_t encoded[UPDATE_RECORD_SIZE];
    struct update_record is;

    (void)state;
    update_record_encode(&r, encoded);
    assert_int_equal(update_record_decode(encoded, &is), 0);
    assert_memory_equal(&is.release, &r.release, sizeof(is.release));
    assert_true(is.trial && is.approval && is.slot == 1 && is.trials == 2 && is.reset == 3);
    assert_true(is.membership == 9);
    assert_string_equal(is.group, "south");
    assert_true(is.rollout == r.rollout && is.time_ms == r.time_ms && is.keys[2].version == 3);
    for (size_t i = 0; i < 4; i++) { /* header */
        encoded[i] ^= 1;
        assert_int_equal(update_record_decode(encoded, &is), KAPU_EINVAL);
        encoded[i] ^= 1;
    }
    encoded[4] |= 4;
    assert_int_equal(update_record_decode(encoded, &is), KAPU_EINVAL);
    for (size_t i = 0; i < 3; i++) {
        struct update_record bad = r;

        if (i == 0)
            bad.membership = 0; /* a group of no membership */
        else
            bad.group[i == 1 ? 2 : 6] = i == 1 ? '\n' : 'x'; /* unprintable; after its end */
        update_record_encode(&bad, encoded);
        assert_int_equal(update_record_decode(encoded, &is), KAPU_EINVAL);
    }
    r.slot = 2;
    update_record_encode(&r, encoded);
    assert_int_equal(update_record_decode(encoded, &is), KAPU_EINVAL);
    r.slot = 0;
    r.last = UPDATE_OUTCOMES;
    update_record_encode(&r, encoded);
    assert_int_equal(update_record_decode(encoded, &is), KAPU_EINVAL);
}

static void a_port_that_fails_is_an_error_and_can_be_asked_again(void **state)
{
    int *const fails[] = {&b.fail_record, &b.fail_state, &b.fail_hash};

    (void)state;
    for (size_t i = 0; i < sizeof(fails) / sizeof(fails[0]); i++) {
        enum update_answer answer;

        make_gateway();
        make_ask();
        sign(false);
        *fails[i] = KAPU_EIO;
        assert_int_equal(update_request(&b.u, &q.request, &answer), KAPU_EIO);
        assert_false(b.state.trial);
        *fails[i] = 0;
        assert_int_equal(b.u.stage, UPDATE_CLOSED); /* what the TPM holds is to be read again */
        assert_int_equal(update_request(&b.u, &q.request, &answer), KAPU_ESESSION);
        assert_int_equal(update_keys(&b.u, q.request.keys[0], q.request.manifest, &answer),
                         KAPU_ESESSION);
        assert_int_equal(update_check(&b.u, &q.request, &answer), KAPU_ESESSION);
        assert_int_equal(update_join(&b.u, q.request.rollout, q.request.keys[0], &answer),
                         KAPU_ESESSION);
        open_it();
        assert_int_equal(ask(), UPDATE_DONE);
        assert_true(b.state.trial);
    }
}

/* The slot may fail to be read, and hold anything: a check does not look. */
static void a_check_needs_no_slot(void **state)
{
    enum update_answer answer;

    (void)state;
    make_gateway();
    make_ask();
    sign(false);
    b.fail_hash = KAPU_EIO;
    assert_int_equal(check(), UPDATE_DONE);
    assert_int_equal(update_request(&b.u, &q.request, &answer), KAPU_EIO);
    b.fail_hash = 0;
    open_it();
    q.r.action = RELEASE_HALT;
    sign(false);
    assert_int_equal(check(), UPDATE_DONE); /* of a halt too */
    q.r.to.ueid[0][0] ^= 1;
    sign(false);
    assert_int_equal(check(), UPDATE_REPLAYED_ROLLOUT);
}

/* The state may be written and the counter raised by then: nothing is done by what was known
 * before. */
static void a_confirmation_that_failed_half_way_is_finished_and_not_undone_by_a_halt(void **state)
{
    const struct bytes none = {NULL, 0};
    struct release_approval a;
    enum update_answer answer;

    (void)state;
    begin_trial(true);
    a = approval_of_this_trial();
    b.fail_confirm = KAPU_EIO;
    assert_int_equal(confirm_with_error(&a, APPROVAL_KEY), KAPU_EIO);
    b.state = (struct bootstate){.slot = 1}; /* as far as it came */
    memcpy(b.state.confirmed, b.boot.identity, sizeof(b.state.confirmed));
    q.r.action = RELEASE_HALT;
    q.r.number = 2;
    sign(false);
    assert_int_equal(update_request(&b.u, &q.request, &answer), KAPU_ESESSION);
    assert_int_equal(update_confirm(&b.u, true, none, none, &answer), KAPU_ESESSION);
    b.fail_confirm = 0;
    open_it();
    assert_int_equal(b.confirmations, 1);
    assert_int_equal(b.u.record.last, UPDATE_CONFIRMED);
    assert_int_equal(ask(), UPDATE_DONE); /* the halt comes too late */
    assert_memory_equal(b.state.confirmed, b.boot.identity, sizeof(b.state.confirmed));
    assert_int_equal(b.state.slot, 1);
}

static void every_answer_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < UPDATE_ANSWERS; i++) {
        assert_non_null(update_answer_name((enum update_answer)i));
        assert_true(strlen(update_answer_says((enum update_answer)i)) > 0);
        for (unsigned int k = 0; k < i; k++)
            assert_string_not_equal(update_answer_name((enum update_answer)i),
                                    update_answer_name((enum update_answer)k));
    }
    assert_string_equal(update_answer_name(UPDATE_ANSWERS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_request_sets_a_trial_of_its_release),
        cmocka_unit_test(a_group_is_rolled_out_to_as_one_gateway_is),
        cmocka_unit_test(the_last_membership_says_which_group_a_gateway_is_of),
        cmocka_unit_test(each_bad_membership_is_refused_by_its_name),
        cmocka_unit_test(each_bad_request_is_refused_by_its_name_and_the_good_one_taken),
        cmocka_unit_test(a_rollout_of_another_release_is_mix_and_match),
        cmocka_unit_test(no_damaged_file_is_taken),
        cmocka_unit_test(an_older_rollout_is_a_replay_and_time_never_runs_back),
        cmocka_unit_test(a_waiting_trial_gives_way_to_a_later_rollout),
        cmocka_unit_test(while_a_trial_runs_its_tries_cannot_be_had_again),
        cmocka_unit_test(a_trial_that_failed_is_recorded_and_not_tried_for_ever),
        cmocka_unit_test(what_runs_on_trial_must_be_what_was_verified),
        cmocka_unit_test(a_trial_that_was_recorded_only_is_never_taken_for_confirmed),
        cmocka_unit_test(a_halt_ends_a_trial_that_waits_or_runs),
        cmocka_unit_test(a_halt_that_comes_first_is_remembered),
        cmocka_unit_test(a_halt_of_another_release_leaves_the_trial),
        cmocka_unit_test(a_trial_is_confirmed_by_a_clean_check_and_an_approval_of_this_boot),
        cmocka_unit_test(an_approval_is_needed_when_the_manifest_says_so),
        cmocka_unit_test(without_a_trial_nothing_is_confirmed),
        cmocka_unit_test(a_new_set_takes_the_thresholds_of_old_and_new),
        cmocka_unit_test(keys_that_were_replaced_sign_nothing_any_more),
        cmocka_unit_test(a_set_that_nobody_took_is_not_taken_by_being_given),
        cmocka_unit_test(a_new_rollout_set_ends_a_fast_forward),
        cmocka_unit_test(a_new_rollout_set_with_the_old_keys_brings_nothing_back),
        cmocka_unit_test(what_came_of_the_last_trial_is_read_from_the_beginning_of_a_record),
        cmocka_unit_test(a_record_survives_its_encoding_and_nothing_else_is_one),
        cmocka_unit_test(a_port_that_fails_is_an_error_and_can_be_asked_again),
        cmocka_unit_test(a_check_needs_no_slot),
        cmocka_unit_test(a_confirmation_that_failed_half_way_is_finished_and_not_undone_by_a_halt),
        cmocka_unit_test(every_answer_has_a_name_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
