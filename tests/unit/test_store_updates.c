// SPDX-License-Identifier: Apache-2.0
/* What the store keeps of updates, and what it refuses while somebody else halts. */
#include "tpm2_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "store.h"

#define MEMBERS 4u

static char folder[64], path[96];
static struct store *store;
static const struct store_update_ops *ops;
static struct store_campaign campaign;
static struct store_member member[MEMBERS];

static struct store *open_store(void)
{
    char why[256];
    struct store *s = store_sqlite_open(path, why, sizeof(why));

    if (s == NULL)
        fail_msg("%s", why);
    return s;
}

static struct store_release release(uint8_t number)
{
    struct store_release r = {.counter = number, .approval = true, .manifest_n = 3};

    memset(r.digest, number, sizeof(r.digest));
    memset(r.identity, number + 1, sizeof(r.identity));
    snprintf(r.version, sizeof(r.version), "%u", number);
    snprintf(r.folder, sizeof(r.folder), "gateway-%u", number);
    memcpy(r.manifest, "abc", 3);
    return r;
}

static void begin(void)
{
    char taken[PROTOCOL_NAME_SIZE];
    uint64_t by;

    campaign = (struct store_campaign){.waves = 2,
                                       .percent = {50, 100},
                                       .limit = 1,
                                       .days = 30,
                                       .timeout_s = 60,
                                       .begun_ms = 1000};
    memset(campaign.release, 1, sizeof(campaign.release));
    for (unsigned i = 0; i < MEMBERS; i++) {
        member[i] =
            (struct store_member){.wave = i / 2, .state = STORE_WAITING, .changed_ms = 1000};
        memset(member[i].ueid, (int)i + 1, sizeof(member[i].ueid));
        snprintf(member[i].name, sizeof(member[i].name), "gateway %u", i);
    }
    assert_int_equal(ops->campaign_add(store, &campaign, member, MEMBERS, taken, &by), 0);
    for (unsigned i = 0; i < MEMBERS; i++)
        member[i].campaign = campaign.id;
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/kapu-updates-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/kapu.db", folder);
    store = open_store();
    ops = store->ops->updates;
    begin();
    return 0;
}

static int teardown(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm"};

    (void)state;
    store_close(store);
    for (size_t i = 0; i < 3; i++) {
        char name[128];

        snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        unlink(name);
    }
    rmdir(folder);
    return 0;
}

static int take_member(void *ctx, const struct store_member *m)
{
    struct store_member *to = ctx;

    for (unsigned i = 0; i < MEMBERS; i++) {
        if (memcmp(to[i].ueid, m->ueid, sizeof(m->ueid)) == 0)
            to[i] = *m;
    }
    return 0;
}

static const struct store_member *kept(unsigned i)
{
    static struct store_member all[MEMBERS];

    memcpy(all, member, sizeof(all));
    for (unsigned k = 0; k < MEMBERS; k++)
        all[k].state = STORE_MEMBER_STATES;
    assert_int_equal(ops->members(store, campaign.id, take_member, all), 0);
    return &all[i];
}

static int turn(enum store_campaign_state from, enum store_campaign_state to)
{
    return ops->campaign_turn(store, campaign.id, from, to, "a reason", 2000);
}

/* ---- releases ---- */

static int count_release(void *ctx, const struct store_release *r)
{
    struct store_release *first = ctx;

    if (first->manifest_n == 0)
        *first = *r;
    return 0;
}

static void a_folder_belongs_to_one_release(void **state)
{
    struct store_release one = release(1), two = release(2), got = {0};
    bool known;

    (void)state;
    assert_int_equal(ops->release_add(store, &one, &known), 0);
    assert_false(known);
    assert_int_equal(ops->release_add(store, &one, &known), 0);
    assert_true(known);
    memcpy(two.folder, one.folder, sizeof(two.folder));
    assert_int_equal(ops->release_add(store, &two, &known), KAPU_EPIN);
    assert_false(known);
    two = release(1); /* the same release in another folder */
    snprintf(two.folder, sizeof(two.folder), "elsewhere");
    assert_int_equal(ops->release_add(store, &two, &known), KAPU_EPIN);
    assert_true(known);
    assert_int_equal(ops->releases(store, count_release, &got), 0);
    assert_memory_equal(&got, &one, sizeof(one));
}

/* ---- numbers ---- */

static void a_number_is_given_once_also_after_a_crash(void **state)
{
    uint64_t first, before = 0;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(ops->numbers(store, 0, 3, &first), 0);
        assert_true(first > before);
        before = first + 2;
        store_close(store); /* no matter whether they were used */
        store = open_store();
    }
    assert_int_equal(before, 15);
}

static void numbers_can_begin_later_and_never_earlier(void **state)
{
    uint64_t first;

    (void)state;
    assert_int_equal(ops->numbers(store, 1000, 2, &first), 0);
    assert_int_equal(first, 1000);
    assert_int_equal(ops->numbers(store, 7, 1, &first), 0);
    assert_int_equal(first, 1002);
    assert_int_equal(ops->numbers(store, INT64_MAX, 1, &first), KAPU_ERANGE);
    assert_int_equal(ops->numbers(store, 0, 1, &first), 0);
    assert_int_equal(first, 1003);
}

static void an_order_is_kept_under_its_number(void **state)
{
    uint8_t file[RELEASE_SIGNED_MAX];
    const struct bytes one = {(const uint8_t *)"one", 3}, two = {(const uint8_t *)"two", 3};
    size_t n;

    (void)state;
    assert_int_equal(ops->order_put(store, 5, campaign.id, one), 0);
    assert_int_equal(ops->order_put(store, 5, campaign.id, two), KAPU_EIO); /* never another */
    assert_int_equal(ops->order_get(store, 5, file, &n), 0);
    assert_int_equal(n, 3);
    assert_memory_equal(file, "one", 3);
    assert_int_equal(ops->order_get(store, 6, file, &n), KAPU_ENOENT);
}

/* ---- campaigns ---- */

static void nothing_is_kept_of_a_driver_once_it_is_halted(void **state)
{
    struct store_member m = member[0];

    (void)state;
    m.state = STORE_ON_TRIAL;
    assert_int_equal(ops->member_set(store, &m, "on trial"), 0);
    assert_int_equal(turn(STORE_RUNNING, STORE_HALTED), 0);
    m.state = STORE_APPROVED;
    assert_int_equal(ops->member_set(store, &m, "approved"), KAPU_ESTALE);
    assert_int_equal(kept(0)->state, STORE_ON_TRIAL);
    assert_int_equal(ops->campaign_wave(store, campaign.id, 1, 3000), KAPU_ESTALE);
    assert_int_equal(turn(STORE_RUNNING, STORE_FINISHED), KAPU_ESTALE);
    m.halt_number = 9; /* but who halts can */
    m.halt_taken = true;
    assert_int_equal(ops->member_halt(store, &m, "halt taken", 3000), 0);
    assert_true(kept(0)->halt_taken && kept(0)->state == STORE_ON_TRIAL);
    m.halt_number = 8; /* of an earlier halt, told late */
    m.halt_taken = false;
    assert_int_equal(ops->member_halt(store, &m, NULL, 3000), 0);
    assert_true(kept(0)->halt_taken && kept(0)->halt_number == 9);
}

static void one_that_runs_again_tries_all_that_are_not_confirmed(void **state)
{
    static const enum store_member_state states[MEMBERS] = {STORE_CONFIRMED, STORE_SKIPPED,
                                                            STORE_REFUSED, STORE_WAITING};
    struct store_campaign c;

    (void)state;
    for (unsigned i = 0; i < MEMBERS; i++) {
        member[i].state = states[i];
        member[i].number = 4;
        assert_int_equal(ops->member_set(store, &member[i], NULL), 0);
    }
    assert_int_equal(turn(STORE_RUNNING, STORE_HALTED), 0);
    assert_int_equal(turn(STORE_HALTED, STORE_RUNNING), 0);
    assert_int_equal(ops->campaign(store, campaign.id, &c), 0);
    assert_int_equal(c.state, STORE_RUNNING);
    assert_int_equal(c.wave, 1); /* the first wave has nobody left */
    assert_int_equal(kept(0)->state, STORE_CONFIRMED);
    assert_int_equal(kept(0)->number, 4);
    assert_int_equal(kept(1)->state, STORE_SKIPPED);
    assert_int_equal(kept(2)->state, STORE_WAITING);
    assert_int_equal(kept(2)->number, 0);
    assert_int_equal(kept(3)->state, STORE_WAITING);
}

static void a_gateway_is_in_one_campaign_that_runs(void **state)
{
    struct store_campaign other = campaign;
    char taken[PROTOCOL_NAME_SIZE] = "";
    uint64_t by = 0;

    (void)state;
    assert_int_equal(ops->campaign_add(store, &other, &member[2], 1, taken, &by), KAPU_EPIN);
    assert_string_equal(taken, "gateway 2");
    assert_int_equal(by, campaign.id);
    assert_int_equal(turn(STORE_RUNNING, STORE_HALTED), 0);
    assert_int_equal(ops->campaign_add(store, &other, &member[2], 1, taken, &by), 0);
    assert_true(other.id > campaign.id);
}

static int count_event(void *ctx, const struct store_event *e)
{
    static const char *const what[] = {"begun", "on trial", "halted: a reason"};
    unsigned *n = ctx;

    assert_true(*n < 3);
    assert_string_equal(e->what, what[*n]);
    assert_string_equal(e->gateway, *n == 1 ? "gateway 0" : "");
    (*n)++;
    return 0;
}

static void what_happens_is_kept_in_its_order(void **state)
{
    unsigned n = 0;

    (void)state;
    member[0].state = STORE_ON_TRIAL;
    assert_int_equal(ops->member_set(store, &member[0], "on trial"), 0);
    assert_int_equal(ops->member_set(store, &member[0], NULL), 0);
    assert_int_equal(turn(STORE_RUNNING, STORE_HALTED), 0);
    store_close(store);
    store = open_store();
    assert_int_equal(ops->events(store, campaign.id, count_event, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(ops->events(store, campaign.id + 1, count_event, &n), 0);
    assert_int_equal(n, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_folder_belongs_to_one_release),
        TEST(a_number_is_given_once_also_after_a_crash),
        TEST(numbers_can_begin_later_and_never_earlier),
        TEST(an_order_is_kept_under_its_number),
        TEST(nothing_is_kept_of_a_driver_once_it_is_halted),
        TEST(one_that_runs_again_tries_all_that_are_not_confirmed),
        TEST(a_gateway_is_in_one_campaign_that_runs),
        TEST(what_happens_is_kept_in_its_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
