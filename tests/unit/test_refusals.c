// SPDX-License-Identifier: Apache-2.0
/*
 * The name of each refused update arrives in evidence: the secure world's decisions and the writer,
 * both real, in a simulated gateway (update_world.h), and the claims of a software gateway. What is
 * told is what is decoded.
 *
 * KAPU_REFUSALS names a folder: each message is written there, for `kapu evidence show`.
 */
#include "tpm2_fixture.h"

#include "soft_gateway.h"
#include "update_world.h"
#include "verifier.h"

#define DAY_MS 86400000ull
#define NEW_KEY 20u /* of a later set */

static const uint8_t nonce[32] = {7};

/* ---- what Linux brings ---- */

/* A manifest and a rollout of release 1, as the tests change them before they are signed. */
static struct {
    struct release_manifest m;
    struct release_rollout r;
    unsigned int by[2]; /* who signs the manifest */
    bool other;         /* the rollout is of another release */
    struct bytes keys;  /* set of release keys */
} q;

static void make_order(void)
{
    memset(&q, 0, sizeof(q));
    q.m = world_releases[1].m;
    q.r = (struct release_rollout){.action = RELEASE_INSTALL,
                                   .number = 1,
                                   .issued_ms = WORLD_BEGIN_MS + DAY_MS,
                                   .until_ms = WORLD_BEGIN_MS + 200 * DAY_MS,
                                   .to.n = 1};
    memcpy(q.r.to.ueid[0], world_self()->ueid, sizeof(q.r.to.ueid[0]));
    q.by[0] = WORLD_KEY_RELEASE;
    q.by[1] = WORLD_KEY_RELEASE + 2;
}

static enum update_answer request(void)
{
    static const unsigned int rollout_by = WORLD_KEY_ROLLOUT;
    static struct update_file manifest, rollout;
    struct update_content c;
    enum update_answer answer = UPDATE_ANSWERS;
    struct update_request r = {.keys = {q.keys}};

    update_files_manifest(&q.m, &c);
    update_files_sign(&release_manifest_kind, &c, q.by, 2, &manifest);
    assert_int_equal(release_digest(&crypto_openssl.sha256, update_content_bytes(&c), q.r.release),
                     0);
    q.r.release[3] ^= q.other;
    update_files_rollout(&q.r, &c);
    update_files_sign(&release_rollout_kind, &c, &rollout_by, 1, &rollout);
    r.manifest = update_file_bytes(&manifest);
    r.rollout = update_file_bytes(&rollout);
    assert_int_equal(world_tee.request(NULL, false, &r, &answer), 0);
    return answer;
}

/* What the writer does before it asks, done at once. */
static void fill_slot(void)
{
    memcpy(world.flash[1], world_releases[1].content[WORLD_ROOT], WORLD_FIRMWARE_SIZE);
}

/* The trial that was set starts, and what runs then says that it is `release`. */
static void start_trial(uint32_t release)
{
    fill_slot();
    assert_int_equal(request(), UPDATE_DONE);
    world.state.tries--;
    world.boot.slot = 1;
    world.boot.trial = true;
    memcpy(world.boot.identity, world_releases[release].m.identity, sizeof(world.boot.identity));
    assert_int_equal(update_open(&world.u), 0);
}

/* ---- each attack ---- */

static void nothing(void)
{
    fill_slot();
    assert_int_equal(request(), UPDATE_DONE);
}

static void rollback(void)
{
    q.m.counter = WORLD_COUNTER;
    (void)request();
}

static void freeze(void)
{
    q.m.expires_ms = q.r.issued_ms - 1;
    (void)request();
}

static void mix_and_match(void)
{
    q.other = true;
    (void)request();
}

static void wrong_hardware(void)
{
    q.m.hardware = BYTES_STR("raspberry-pi-3");
    (void)request();
}

static void arbitrary_software(void)
{
    q.by[1] = NEW_KEY;
    (void)request();
}

static void fast_forward(void)
{
    q.r.number = UPDATE_NUMBER_JUMP + 1;
    (void)request();
}

static void partial_bundle(void)
{
    fill_slot();
    world.flash[1][WORLD_FIRMWARE_SIZE / 2] ^= 1;
    (void)request();
}

static void replayed_rollout(void)
{
    q.r.to.ueid[0][5] ^= 1;
    (void)request();
}

static void toctou(void)
{
    const struct bytes none = {NULL, 0};
    enum update_answer answer;

    start_trial(2);
    assert_int_equal(world_tee.confirm(NULL, none, none, &answer), 0);
}

static void revoked_key(void)
{
    static const unsigned int by[] = {WORLD_KEY_RELEASE, WORLD_KEY_RELEASE + 1, NEW_KEY,
                                      NEW_KEY + 1};
    const struct release_keys next = update_files_set(RELEASE_ROLE_RELEASE, 2, NEW_KEY, 3, 2);
    static struct update_content c;
    static struct update_file f;
    enum update_answer answer;

    update_files_keys(&next, &c);
    update_files_sign(&release_keys_kind, &c, by, 4, &f);
    assert_int_equal(world_tee.keys(NULL, (struct bytes){NULL, 0}, update_file_bytes(&f), &answer),
                     0);
    assert_int_equal(answer, UPDATE_DONE);
    q.keys = update_content_bytes(&c);
    (void)request();
}

static void replayed_approval(void)
{
    static const unsigned int by = WORLD_KEY_APPROVAL;
    struct release_approval a = {.issued_ms = WORLD_BEGIN_MS + DAY_MS};
    enum update_answer answer;
    struct update_content c;
    static struct update_file f;

    start_trial(1);
    memcpy(a.release, q.r.release, sizeof(a.release));
    memcpy(a.gateway, world_self()->ueid, sizeof(a.gateway));
    memcpy(a.boot, world.boot.name, sizeof(a.boot));
    a.boot[9] ^= 1;
    update_files_approval(&a, &c);
    update_files_sign(&release_approval_kind, &c, &by, 1, &f);
    assert_int_equal(
        world_tee.confirm(NULL, update_file_bytes(&f), (struct bytes){NULL, 0}, &answer), 0);
}

/* ---- evidence ---- */

static struct evidence_refusals claim_of(const struct update_refusals *r)
{
    return (struct evidence_refusals){(enum evidence_attack)r->last, r->count, r->kinds};
}

static void write_file(const char *name, struct bytes message)
{
    const char *folder = getenv("KAPU_REFUSALS");
    char path[512];
    FILE *f;

    if (folder == NULL)
        return;
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "wbe");
    assert_non_null(f);
    assert_int_equal(fwrite(message.p, 1, message.n, f), message.n);
    assert_int_equal(fclose(f), 0);
}

/* Evidence of the gateway as it is now, made and decoded; and shown by kapu. */
static struct evidence_software attest(const char *name)
{
    static uint8_t buf[EVIDENCE_MESSAGE_MAX], work[3][EVIDENCE_MESSAGE_MAX];
    static struct soft_gateway g;
    static struct evidence_monitor monitor;
    struct evidence_claims c = {.monitor = &monitor};
    struct evidence_message m;
    struct evidence_token t;
    struct wr w;

    soft_gateway_init(&g, "gateway", "release");
    g.claims.software.refused = claim_of(&world.refused);
    g.claims.software.told = claim_of(&world.told);
    wr_init(&w, buf, sizeof(buf));
    soft_gateway_message(&g, nonce, &w);
    write_file(name, wr_done(&w));
    assert_int_equal(evidence_message_decode(wr_done(&w), &m, work[0], sizeof(work[0])), 0);
    assert_int_equal(evidence_token_decode(m.token, &t, work[1], sizeof(work[1])), 0);
    assert_int_equal(
        evidence_token_verify(&crypto_openssl.sha256, &evidence_openssl, &t, &g.tee.pub), 0);
    assert_int_equal(evidence_claims_decode(t.payload, &c, work[2], sizeof(work[2])), 0);
    return c.software;
}

static void is_one(const struct evidence_refusals *r, const char *name)
{
    assert_string_equal(verifier_attack_name(r->last), name);
    assert_int_equal(r->count, 1);
    assert_int_equal(r->kinds, 1u << r->last);
}

static void is_none(const struct evidence_refusals *r)
{
    assert_true(r->last == EVIDENCE_ATTACK_NONE && r->count == 0 && r->kinds == 0);
}

/* ---- what the secure world refuses ---- */

static const struct {
    const char *name; /* as operators read it */
    void (*provoke)(void);
} refused_row[] = {
    {"rollback", rollback},
    {"freeze", freeze},
    {"mix-and-match", mix_and_match},
    {"wrong hardware", wrong_hardware},
    {"arbitrary software", arbitrary_software},
    {"fast-forward", fast_forward},
    {"partial bundle", partial_bundle},
    {"replayed rollout", replayed_rollout},
    {"TOCTOU", toctou},
    {"revoked key", revoked_key},
    {"replayed approval", replayed_approval},
    {"none", nothing},
};
#define REFUSED (sizeof(refused_row) / sizeof(refused_row[0]))
static size_t row;

static bool provoke(struct world *w, uint32_t ms)
{
    const struct update_boot before = w->boot;

    if (ms == 0)
        return true;
    make_order();
    refused_row[row].provoke();
    w->boot = before; /* the slot that ran is looked at in the end */
    return false;
}

static void each_refusal_is_named_in_evidence_and_what_is_taken_is_not(void **state)
{
    (void)state;
    for (row = 0; row < REFUSED; row++) {
        struct evidence_software s;

        world_make(50, true);
        world.operates = provoke;
        assert_true(world_run());
        s = attest(refused_row[row].name);
        if (strcmp(refused_row[row].name, "none") == 0)
            is_none(&s.refused);
        else
            is_one(&s.refused, refused_row[row].name);
        is_none(&s.told);
        world_end();
    }
}

/* An attacker who was refused cannot hide it by another refusal; nor can what is asked often. */
static bool provoke_all(struct world *w, uint32_t ms)
{
    (void)w;
    for (size_t i = 0; ms > 0 && i < 8; i++) {
        make_order();
        refused_row[i].provoke();
    }
    for (size_t i = 0; ms > 0 && i < 100; i++)
        (void)request(); /* the replayed rollout */
    return ms == 0;
}

static void no_refusal_hides_an_earlier_one_of_another_kind(void **state)
{
    struct evidence_software s;

    (void)state;
    world_make(51, true);
    world.operates = provoke_all;
    assert_true(world_run());
    s = attest("all");
    assert_int_equal(s.refused.last, EVIDENCE_ATTACK_REPLAYED_ROLLOUT);
    assert_int_equal(s.refused.count, 108);
    assert_int_equal(s.refused.kinds, 0x1fe); /* from rollback to replayed rollout */
    world_end();
}

static void a_count_stays_at_its_greatest_value(void **state)
{
    struct update_refusals r = {.last = 1, .count = UINT32_MAX - 1, .kinds = 2};

    (void)state;
    update_refusals_add(&r, UPDATE_FREEZE);
    assert_true(r.count == UINT32_MAX && r.last == UPDATE_FREEZE && r.kinds == 6);
    update_refusals_add(&r, UPDATE_ROLLBACK);
    assert_true(r.count == UINT32_MAX && r.last == UPDATE_ROLLBACK && r.kinds == 6);
    update_refusals_add(&r, UPDATE_REFUSALS_KINDS);
    assert_true(r.count == UINT32_MAX && r.last == UPDATE_ROLLBACK && r.kinds == 6);
}

/* Evidence has a place for each, so no answer can keep a gateway from attesting. */
static void only_what_evidence_can_say_is_noted(void **state)
{
    static uint8_t buf[EVIDENCE_CLAIMS_MAX];
    static struct soft_gateway g;
    struct wr w;

    (void)state;
    for (unsigned int a = 0; a < UPDATE_ANSWERS; a++) {
        const bool attack = update_is_attack((enum update_answer)a);
        const bool told = update_is_told((enum update_answer)a);

        for (int linux_says = 0; linux_says < 2; linux_says++) {
            struct update_refusals r = {0};

            soft_gateway_init(&g, "gateway", "release");
            update_refusals_add(&r, a);
            *(linux_says ? &g.claims.software.told : &g.claims.software.refused) = claim_of(&r);
            wr_init(&w, buf, sizeof(buf));
            assert_int_equal(evidence_claims_encode(&g.claims, &w) == 0,
                             linux_says ? told : attack);
        }
        if (attack || told)
            assert_string_equal(verifier_attack_name((enum evidence_attack)a),
                                update_answer_name((enum update_answer)a));
    }
}

/* ---- what the writer tells ---- */

static void lie(struct world *w, const char *file, uint64_t at, uint8_t *p, uint32_t n)
{
    (void)w;
    (void)at;
    if (strcmp(file, "payload") == 0)
        p[n / 2] ^= 0x10;
}

static const struct {
    const char *name, *file;
    enum fetch_fault fault;
    bool lies;
} told_row[] = {
    {"endless data", "endless data", FETCH_ENDLESS, false},
    {"slow retrieval", "slow retrieval", FETCH_SLOW, false},
    {"arbitrary software", "told arbitrary software", FETCH_FINE, true},
    {"none", "told none", FETCH_REFUSED, false}, /* a fault, and no attack */
};
#define TOLD (sizeof(told_row) / sizeof(told_row[0]))

/* The writer rests after the first fault. */
static bool until_fault(struct world *w, uint32_t ms)
{
    if (ms > 0 && ms <= 2000 && w->fetches > 0)
        return false;
    return world_operator(w, ms);
}

static void what_the_writer_sees_is_in_evidence_as_the_word_of_linux(void **state)
{
    (void)state;
    for (size_t i = 0; i < TOLD; i++) {
        struct evidence_software s;

        world_make(52, true);
        if (told_row[i].lies)
            world.lies = lie;
        world.fault = told_row[i].fault;
        world.fail_at = told_row[i].lies ? UINT32_MAX : 1;
        world.fail_for = 1;
        world.operates = until_fault;
        assert_true(world_run());
        s = attest(told_row[i].file);
        if (strcmp(told_row[i].name, "none") == 0)
            is_none(&s.told);
        else
            is_one(&s.told, told_row[i].name);
        is_none(&s.refused);
        world_end();
    }
}

static void a_reset_begins_anew_and_an_update_without_faults_tells_nothing(void **state)
{
    struct evidence_software s;

    (void)state;
    world_make(53, true);
    assert_true(world_run() && world_settled() && world.boots > 1);
    s = attest("settled");
    is_none(&s.refused);
    is_none(&s.told);
    world_again();
    world.fault = FETCH_ENDLESS; /* before the reset that starts the trial */
    world.fail_at = 0;
    world.fail_for = 1;
    assert_true(world_run() && world_settled());
    s = attest("settled after a fault");
    is_none(&s.told);
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_refusal_is_named_in_evidence_and_what_is_taken_is_not),
        cmocka_unit_test(no_refusal_hides_an_earlier_one_of_another_kind),
        cmocka_unit_test(a_count_stays_at_its_greatest_value),
        cmocka_unit_test(only_what_evidence_can_say_is_noted),
        cmocka_unit_test(what_the_writer_sees_is_in_evidence_as_the_word_of_linux),
        cmocka_unit_test(a_reset_begins_anew_and_an_update_without_faults_tells_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
