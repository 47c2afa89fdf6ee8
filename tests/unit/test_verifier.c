// SPDX-License-Identifier: Apache-2.0
/* The appraisal: a good gateway is affirmed, and each attack on evidence is refused with its
 * reason. */
#include "tpm2_fixture.h"

#include "soft_gateway.h"
#include "symbols.h"

#define TEXT(s) ((struct bytes){(const uint8_t *)(s), strlen(s)})

static const uint8_t nonce[32] = "thirty-two bytes of a verifier.";
static struct soft_gateway gateway, other;
static struct verifier_policy policy;
static struct verifier_result result;
static uint8_t buf[EVIDENCE_MESSAGE_MAX];

/* ---- reference values: one release, that of the gateways ---- */

static struct verifier_reference known;

static int find(void *ctx, const uint8_t key[32], struct verifier_reference *out)
{
    uint8_t mine[32];

    (void)ctx;
    assert_int_equal(verifier_reference_key(known.pcr, mine), 0);
    *out = known;
    return memcmp(mine, key, 32) == 0 ? 0 : KAPU_ENOENT;
}

static int of_release(void *ctx, const char *release, struct verifier_reference *out)
{
    (void)ctx;
    *out = known;
    return strcmp(release, known.release) == 0 ? 0 : KAPU_ENOENT;
}

static bool knows_kernel; /* of the gateways: two symbols, at 0x123440 and 0x123500 */
static unsigned asked_for_kernel;

static int kernel(void *ctx, const uint8_t pcr[32], verifier_kernel_fn use, void *use_ctx)
{
    static const char table[] = "\xc0\xe8\x48\xc0\x01__arm64_sys_kill\0__arm64_sys_tkill";

    (void)ctx;
    (void)use;
    asked_for_kernel++;
    if (!knows_kernel || memcmp(pcr, known.pcr[EVIDENCE_PCR_LINUX], 32) != 0)
        return KAPU_ENOENT;
    return symbols_read(use_ctx, 0x800000, 2,
                        (struct bytes){(const uint8_t *)table, sizeof(table)});
}

static const struct verifier_references references = {find, of_release, kernel, NULL};

/* ---- one appraisal ---- */

static struct verifier_gateway enrolled(const struct soft_gateway *g)
{
    struct verifier_gateway v = {.name = "one",
                                 .tee = g->tee.pub,
                                 .ak = g->ak.pub,
                                 .interval_s = 60,
                                 .storage_starts = 1,
                                 .record = VERIFIER_RECORD_GOOD};

    memcpy(v.ueid, g->claims.ueid, sizeof(v.ueid));
    memcpy(v.board, g->claims.boot.board, sizeof(v.board));
    return v;
}

static int setup(void **state)
{
    (void)state;
    soft_gateway_init(&gateway, "gateway", "release");
    soft_gateway_init(&other, "another", "release");
    known = (struct verifier_reference){.release = "0.5.0", .flavour = "gateway", .counter = 3};
    memcpy(known.pcr, gateway.claims.boot.pcr, sizeof(known.pcr));
    policy_default(&policy);
    knows_kernel = true;
    asked_for_kernel = 0;
    return 0;
}

static struct bytes message_of(struct soft_gateway *g)
{
    struct wr w;

    wr_init(&w, buf, sizeof(buf));
    soft_gateway_message(g, nonce, &w);
    return wr_done(&w);
}

static void appraise(struct bytes message)
{
    const struct verifier_gateway g = enrolled(&gateway);
    const struct verifier_request q = {.message = message,
                                       .nonce = nonce,
                                       .gateway = &g,
                                       .references = &references,
                                       .policy = &policy};

    assert_int_equal(verifier_appraise(&q, &result), 0);
}

static bool said(const char *part)
{
    for (uint32_t i = 0; i < result.reasons; i++) {
        if (strstr(result.reason[i].text, part) != NULL)
            return true;
    }
    return false;
}

static void show(void)
{
    for (uint32_t i = 0; i < result.reasons; i++)
        print_message("  %s, %s: %s\n", verifier_aspect_name(result.reason[i].aspect),
                      verifier_tier_name(result.reason[i].tier), result.reason[i].text);
}

static void expect(enum verifier_tier status, const char *reason)
{
    if (result.status != status || (reason != NULL && !said(reason))) {
        show();
        fail_msg("status %s, wanted %s and '%s'", verifier_tier_name(result.status),
                 verifier_tier_name(status), reason != NULL ? reason : "");
    }
}

/* ---- what is good ---- */

static void a_good_gateway_is_affirmed_in_all_aspects(void **state)
{
    (void)state;
    appraise(message_of(&gateway));
    expect(VERIFIER_AFFIRMING, NULL);
    assert_true(result.authentic && result.reasons == 0);
    for (unsigned i = 0; i < VERIFIER_ASPECTS; i++)
        assert_int_equal(result.vector[i], VERIFIER_AFFIRMING);
    assert_string_equal(result.release, "0.5.0");
    assert_int_equal(result.counter, 3);
    assert_int_equal(result.age_ms, 30);
}

/* What an operator approves is copied from here: nothing of a message that was not authentic. */
static void release_and_boot_are_told_of_authentic_evidence_only(void **state)
{
    const uint8_t none[32] = {0};
    const struct evidence_software *s = &gateway.claims.software;

    (void)state;
    appraise(message_of(&gateway));
    assert_memory_equal(result.release_identity, s->identity, 32);
    assert_memory_equal(result.boot_name, s->boot_name, 32);
    gateway.quote_other_nonce = true;
    appraise(message_of(&gateway));
    assert_false(result.authentic);
    assert_memory_equal(result.release_identity, none, 32);
    assert_memory_equal(result.boot_name, none, 32);
}

static bool explained(const char *text)
{
    char said[256];

    return verifier_explain_update(&result, said, sizeof(said)) && strcmp(said, text) == 0;
}

/* The release that runs is judged; what failed is told. */
static void each_outcome_of_the_last_update_is_handed_on_and_changes_no_verdict(void **state)
{
    struct evidence_software *s = &gateway.claims.software;
    const uint32_t failed = 1u << EVIDENCE_UPDATE_TRIES_GONE | 1u << EVIDENCE_UPDATE_REFUSED |
                            1u << EVIDENCE_UPDATE_OTHER_RAN;
    char why[256];

    (void)state;
    for (unsigned o = EVIDENCE_UPDATE_NONE; o <= EVIDENCE_UPDATE_NEVER_BEGAN; o++) {
        for (unsigned w = 0; w <= (o == 0 ? 0 : EVIDENCE_RESET_PANIC); w++) {
            s->last_update = (enum evidence_update)o;
            s->last_update_reset = (enum evidence_reset)w;
            appraise(message_of(&gateway));
            expect(VERIFIER_AFFIRMING, NULL);
            assert_int_equal(result.reasons, 0);
            assert_true(result.last_update == o && result.last_update_reset == w);
            assert_true(verifier_explain_update(&result, why, sizeof(why)) == (failed >> o & 1));
        }
    }
    gateway.quote_other_nonce = true;
    appraise(message_of(&gateway));
    assert_true(result.last_update == EVIDENCE_UPDATE_NONE && result.last_update_reset == 0);
}

static void a_person_is_told_why_an_update_was_given_up(void **state)
{
    struct evidence_software *s = &gateway.claims.software;

    (void)state;
    s->last_update = EVIDENCE_UPDATE_TRIES_GONE;
    s->last_update_reset = EVIDENCE_RESET_WATCHDOG;
    appraise(message_of(&gateway));
    assert_true(explained("its last update was given up: none of its starts was confirmed; the "
                          "watchdog had reset the gateway (no deep check in time)"));
    s->last_update = EVIDENCE_UPDATE_REFUSED;
    s->last_update_reset = EVIDENCE_RESET_NONE;
    appraise(message_of(&gateway));
    assert_true(explained("its last update was given up: the boot chain refused it"));
}

/* What the update TA refused is a warning, or what policy says; what Linux says is told. */
static void refused_updates_are_named_and_judged_as_policy_says(void **state)
{
    struct evidence_software *s = &gateway.claims.software;
    static const char text[] = "updates were refused that look like an attack: rollback, freeze "
                               "(3 in this boot, the last one: freeze)";

    (void)state;
    appraise(message_of(&gateway));
    expect(VERIFIER_AFFIRMING, NULL);
    assert_int_equal(result.refused.count, 0);
    s->refused = (struct evidence_refusals){EVIDENCE_ATTACK_FREEZE, 3, 0x6};
    appraise(message_of(&gateway));
    expect(VERIFIER_WARNING, text);
    assert_true(result.reasons == 1 && result.reason[0].aspect == VERIFIER_CONFIGURATION);
    assert_memory_equal(&result.refused, &s->refused, sizeof(s->refused));
    policy.refused_updates = POLICY_FATAL;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, text);
    policy.refused_updates = POLICY_IGNORE;
    appraise(message_of(&gateway));
    expect(VERIFIER_AFFIRMING, NULL);
    assert_true(result.reasons == 0 && result.refused.count == 3);
    gateway.quote_other_nonce = true;
    appraise(message_of(&gateway));
    assert_true(!result.authentic && result.refused.count == 0);
}

static void what_linux_says_of_servers_is_told_and_changes_no_verdict(void **state)
{
    struct evidence_software *s = &gateway.claims.software;
    char why[256];

    (void)state;
    policy.refused_updates = POLICY_FATAL;
    s->told = (struct evidence_refusals){EVIDENCE_ATTACK_ENDLESS_DATA, 1, 1u << 19};
    appraise(message_of(&gateway));
    expect(VERIFIER_AFFIRMING, NULL);
    assert_memory_equal(&result.told, &s->told, sizeof(s->told));
    assert_true(verifier_explain_told(&result.told, why, sizeof(why)));
    assert_string_equal(why, "its Linux says, without proof, that a server of releases did: "
                             "endless data (1 in this boot)");
    assert_false(verifier_explain_refused(&result.refused, why, sizeof(why)));
}

/* Whatever fits into evidence fits into a reason, or a line of `kapu attest`. */
static void the_longest_sentences_of_refusals_are_not_cut(void **state)
{
    const struct evidence_refusals refused = {EVIDENCE_ATTACK_ARBITRARY_SOFTWARE, UINT32_MAX,
                                              0xffe};
    const struct evidence_refusals told = {EVIDENCE_ATTACK_ARBITRARY_SOFTWARE, UINT32_MAX,
                                           0x180020};
    char reason[VERIFIER_REASON_TEXT], why[256];

    (void)state;
    assert_true(verifier_explain_refused(&refused, reason, sizeof(reason)));
    assert_int_equal(reason[strlen(reason) - 1], ')');
    assert_true(verifier_explain_told(&told, why, sizeof(why)));
    assert_int_equal(why[strlen(why) - 1], ')');
    assert_non_null(strstr(why, "arbitrary software, endless data, slow retrieval"));
}

static void the_event_log_may_be_left_out_unless_policy_asks_for_it(void **state)
{
    (void)state;
    gateway.with_log = false;
    appraise(message_of(&gateway));
    expect(VERIFIER_AFFIRMING, NULL);
    policy.log_required = true;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "event log is missing");
}

/* ---- evidence that is not this gateway's, or not of now ---- */

static void each_bit_of_a_message_flipped_is_refused(void **state)
{
    struct bytes in = message_of(&gateway);

    (void)state;
    for (size_t bit = 0; bit < in.n * 8; bit += 3) { /* test_evidence flips each */
        buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
        appraise(in);
        if (result.status != VERIFIER_CONTRAINDICATED)
            fail_msg("bit %zu of byte %zu: %s", bit % 8, bit / 8,
                     verifier_tier_name(result.status));
        buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    appraise(in);
    expect(VERIFIER_AFFIRMING, NULL);
}

static void old_evidence_is_refused(void **state)
{
    uint8_t before[32] = {1};
    struct wr w;

    (void)state;
    wr_init(&w, buf, sizeof(buf));
    soft_gateway_message(&gateway, before, &w);
    appraise(wr_done(&w));
    expect(VERIFIER_CONTRAINDICATED, "another nonce");
    assert_false(result.authentic);
}

static void evidence_of_another_gateway_is_refused(void **state)
{
    (void)state;
    appraise(message_of(&other));
    expect(VERIFIER_CONTRAINDICATED, "another key than the one enrolled");
    other.tee = gateway.tee; /* as if its owner had got hold of this gateway's keys, one by one */
    appraise(message_of(&other));
    expect(VERIFIER_CONTRAINDICATED, "names another gateway");
    expect(VERIFIER_CONTRAINDICATED, "not signed by the enrolled attestation key");
    other.ak = gateway.ak;
    memcpy(other.claims.ueid, gateway.claims.ueid, sizeof(other.claims.ueid));
    appraise(message_of(&other));
    expect(VERIFIER_CONTRAINDICATED, "another board");
}

static void a_quote_of_another_tpm_is_refused(void **state)
{
    const struct verifier_gateway g = enrolled(&gateway);
    struct verifier_request q = {
        .nonce = nonce, .gateway = &g, .references = &references, .policy = &policy};

    (void)state;
    gateway.ak = other.ak; /* what signs the quote, not what is enrolled */
    q.message = message_of(&gateway);
    assert_int_equal(verifier_appraise(&q, &result), 0);
    expect(VERIFIER_CONTRAINDICATED, "not signed by the enrolled attestation key");
    assert_false(result.authentic);
}

static void a_quote_over_another_token_is_refused(void **state)
{
    (void)state;
    gateway.quote_other_nonce = true;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "made for another token");
}

static void something_else_that_the_ak_signed_is_no_quote(void **state)
{
    (void)state;
    gateway.quote_magic ^= 1;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "is not a quote");
    gateway.quote_magic ^= 1;
    gateway.quote_type = TPM2_ST_ATTEST_CERTIFY;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "is not a quote");
}

static void a_quote_of_other_pcrs_is_refused(void **state)
{
    (void)state;
    gateway.quote_mask &= ~1U;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "covers other PCRs");
    gateway.quote_mask = EVIDENCE_PCR_MASK;
    gateway.quote_other_pcrs = true;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "not those that the TPM quoted");
}

/* ---- what was booted ---- */

static void an_edited_event_log_is_refused(void **state)
{
    (void)state;
    gateway.log[gateway.log_n - 20] ^= 1; /* and the secure world vouches for it */
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "does not account for PCR 14");
    gateway.log_n -= 5;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "event log is malformed");
}

static void an_event_log_that_the_secure_world_does_not_have_is_refused(void **state)
{
    struct evidence_message m;
    static uint8_t work[EVIDENCE_MESSAGE_MAX], again[EVIDENCE_MESSAGE_MAX], log[2048];
    struct wr w;

    (void)state;
    assert_int_equal(evidence_message_decode(message_of(&gateway), &m, work, sizeof(work)), 0);
    memcpy(log, m.log.p, m.log.n);
    log[100] ^= 1;
    m.log.p = log;
    wr_init(&w, again, sizeof(again));
    assert_int_equal(evidence_message_encode(&m, &w), 0);
    appraise(wr_done(&w));
    expect(VERIFIER_CONTRAINDICATED, "not the one that the secure world has");
}

static void another_kernel_is_named(void **state)
{
    (void)state;
    gateway.with_log = false;
    gateway.claims.boot.pcr[EVIDENCE_PCR_LINUX][5] ^= 1;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "the Linux kernel is not that of release 0.5.0 (PCR 8)");
    assert_int_equal(result.reasons, 1);
    assert_int_equal(result.vector[VERIFIER_FILES], VERIFIER_AFFIRMING);
    assert_true(result.authentic);
}

static void another_root_image_is_named(void **state)
{
    (void)state;
    gateway.with_log = false;
    gateway.claims.boot.pcr[EVIDENCE_PCR_COMMAND][5] ^= 1;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "the root image may be another");
    assert_int_equal(result.vector[VERIFIER_FILES], VERIFIER_CONTRAINDICATED);
}

static void an_unknown_release_is_refused(void **state)
{
    struct soft_gateway g;

    (void)state;
    soft_gateway_init(&g, "gateway", "a release of somebody");
    g.claims.software.version = BYTES_STR("6.6.6");
    appraise(message_of(&g));
    expect(VERIFIER_CONTRAINDICATED, "there is no release '6.6.6'");
    assert_int_equal(result.vector[VERIFIER_FILES], VERIFIER_CONTRAINDICATED);
}

static void a_release_or_flavour_that_policy_does_not_allow_is_refused(void **state)
{
    char why[128];

    (void)state;
    assert_int_equal(policy_parse(&policy, TEXT("releases 0.4.0 0.6.0\n"), why, sizeof(why)), 0);
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "policy does not allow");
    policy_default(&policy);
    snprintf(known.flavour, sizeof(known.flavour), "lab");
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "flavour 'lab'");
}

static void an_open_boot_phase_is_refused(void **state)
{
    (void)state;
    gateway.with_log = false;
    memset(gateway.claims.boot.pcr[EVIDENCE_PCR_CAP], 0, 32);
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "boot phase is not closed");
}

/* ---- configuration ---- */

static void a_release_that_is_too_old_is_refused(void **state)
{
    (void)state;
    policy.counter_min = 4;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "its security counter is 3, policy asks for at least 4");
    policy.counter_min = 3;
    gateway.claims.software.counter_tpm = 4;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "its TPM is at 4 already");
}

static void a_gateway_cannot_say_another_version_or_counter_than_it_booted(void **state)
{
    (void)state;
    gateway.claims.software.counter_release = gateway.claims.software.counter_tpm = 9;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "is 9, but it is 3");
    gateway.claims.software.version = BYTES_STR("0.9.0");
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "booted release 0.5.0");
}

/* Storage lost its keys, so the token is signed by one that nobody knows. */
static void storage_started_anew_is_told_when_the_tpm_vouches_for_the_token(void **state)
{
    static const char told[] = "was started anew since enrolment (starts: 1 then, 2 now)";
    struct soft_gateway before = gateway;

    (void)state;
    gateway.tee = other.tee;
    gateway.claims.software.storage_starts = 2;
    {
        const struct verifier_gateway g = enrolled(&before);
        const struct verifier_request q = {.message = message_of(&gateway),
                                           .nonce = nonce,
                                           .gateway = &g,
                                           .references = &references,
                                           .policy = &policy};

        assert_int_equal(verifier_appraise(&q, &result), 0);
        expect(VERIFIER_CONTRAINDICATED, told);
        expect(VERIFIER_CONTRAINDICATED, "another key than the one enrolled");
        assert_false(result.authentic);
        gateway.ak = other.ak; /* anybody can make up such a token */
        assert_int_equal(
            verifier_appraise(&(struct verifier_request){.message = message_of(&gateway),
                                                         .nonce = nonce,
                                                         .gateway = &g,
                                                         .references = &references,
                                                         .policy = &policy},
                              &result),
            0);
        expect(VERIFIER_CONTRAINDICATED, "another key than the one enrolled");
        assert_false(said(told));
    }
}

static void storage_starts_are_compared_with_those_at_enrolment(void **state)
{
    (void)state;
    gateway.claims.software.storage_starts = 2; /* and its keys are there: cut off between both */
    appraise(message_of(&gateway));
    expect(VERIFIER_WARNING, "was started anew since enrolment (starts: 1 then, 2 now)");
    gateway.claims.software.storage_starts = 0;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "went back: 1 at enrolment, 0 now");
}

static void debugging_and_a_foreign_chain_are_refused(void **state)
{
    (void)state;
    gateway.claims.dbgstat = EVIDENCE_DEBUG_ENABLED;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "debugging is enabled");
    gateway.claims.dbgstat = EVIDENCE_DEBUG_DISABLED;
    gateway.claims.oemboot = false;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "not the manufacturer's");
}

static void a_trial_is_warned_of_unless_policy_allows_it(void **state)
{
    (void)state;
    gateway.claims.software.trial = true;
    gateway.claims.software.slot = 1;
    appraise(message_of(&gateway));
    expect(VERIFIER_WARNING, "slot b on trial");
    policy.trial_allowed = true;
    appraise(message_of(&gateway));
    expect(VERIFIER_AFFIRMING, NULL);
}

/* ---- what runs ---- */

static void a_finding_is_said_in_words_that_a_person_understands(void **state)
{
    (void)state;
    soft_gateway_finding(&gateway, EVIDENCE_ALARM, "text.page", "__arm64_sys_kill+0x10", 0x1000,
                         "4 bytes");
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED,
           "kernel text differs at __arm64_sys_kill+0x10: 4 bytes [text.page]");
    assert_int_equal(result.vector[VERIFIER_EXECUTABLES], VERIFIER_CONTRAINDICATED);
    assert_int_equal(result.vector[VERIFIER_IDENTITY], VERIFIER_AFFIRMING);
}

static void a_finding_is_said_with_its_place(void **state)
{
    static const struct {
        const char *object, *detail, *want;
        uint64_t address;
    } row[] = {
        {"kernel text", "page differs",
         "kernel text differs: kernel text at 0xff00: page differs [", 0xff00},
        {"kernel text", "", "kernel text differs: kernel text [", 0},
        {"", "page differs", "kernel text differs at 0xff00: page differs [", 0xff00},
        {"", "", "kernel text differs [", 0},
        {"sys_kill+0x10", "4 bytes", "kernel text differs at sys_kill+0x10: 4 bytes [", 0xff00},
    };
    char text[VERIFIER_REASON_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        const struct evidence_finding f = {
            .severity = EVIDENCE_ALARM,
            .id = BYTES_STR("text.page"),
            .object = {(const uint8_t *)row[i].object, strlen(row[i].object)},
            .detail = {(const uint8_t *)row[i].detail, strlen(row[i].detail)},
            .address = row[i].address,
        };

        verifier_explain_finding(&f, NULL, text, sizeof(text));
        assert_memory_equal(text, row[i].want, strlen(row[i].want));
    }
}

static void find_at(uint64_t address)
{
    soft_gateway_finding(&gateway, EVIDENCE_ALARM, "text.page", "kernel text", address,
                         "page is not that of the signed image");
    appraise(message_of(&gateway));
}

#define BASE 0xffff800008000000U /* of the soft gateway */

static void an_address_in_the_image_is_told_by_its_symbol(void **state)
{
    (void)state;
    find_at(BASE + 0x123450);
    expect(VERIFIER_CONTRAINDICATED, "kernel text differs at __arm64_sys_kill+0x10: page is not "
                                     "that of the signed image [text.page]");
    find_at(BASE + 0x1234ff);
    expect(VERIFIER_CONTRAINDICATED, "at __arm64_sys_kill+0xbf:");
    find_at(BASE + 0x123500);
    expect(VERIFIER_CONTRAINDICATED, "at __arm64_sys_tkill+0x0:");
    find_at(BASE + 0x7fffff);
    expect(VERIFIER_CONTRAINDICATED, "at __arm64_sys_tkill+0x6dcaff:");
}

/* Of 32 bytes with the end of one function and the begin of another, both are told. */
static void a_piece_with_two_functions_is_told_by_both(void **state)
{
    (void)state;
    soft_gateway_finding(&gateway, EVIDENCE_ALARM, "text.page", "kernel text", BASE + 0x1234f0,
                         "32 bytes differ");
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED,
           "at __arm64_sys_kill+0xb0 to __arm64_sys_tkill+0xf: 32 bytes differ [text.page]");
    soft_gateway_finding(&gateway, EVIDENCE_ALARM, "text.page", "kernel text", BASE + 0x1234e0,
                         "32 bytes differ");
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "at __arm64_sys_kill+0xa0: 32 bytes differ");
}

static void what_a_finding_is_about_stays_beside_the_symbol(void **state)
{
    (void)state;
    soft_gateway_finding(&gateway, EVIDENCE_ALARM, "netfilter.foreign", "ipv4 hook 0",
                         BASE + 0x123504, "");
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED,
           "leads elsewhere: ipv4 hook 0 at __arm64_sys_tkill+0x4 [netfilter.foreign]");
}

static void an_address_outside_of_the_image_is_told_as_it_is(void **state)
{
    static const uint64_t outside[] = {BASE - 1,        BASE,       BASE + 0x12343f,
                                       BASE + 0x800000, UINT64_MAX, 0x1000};

    (void)state;
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        char text[64];

        snprintf(text, sizeof(text), "kernel text at 0x%llx:", (unsigned long long)outside[i]);
        find_at(outside[i]);
        expect(VERIFIER_CONTRAINDICATED, text);
        assert_false(said("__arm64"));
    }
}

static void without_a_base_or_symbols_the_address_is_told(void **state)
{
    (void)state;
    knows_kernel = false;
    find_at(BASE + 0x123450);
    expect(VERIFIER_CONTRAINDICATED, "kernel text differs: kernel text at 0xffff800008123450:");
    knows_kernel = true;
    gateway.monitor.kernel_base = 0;
    find_at(BASE + 0x123450);
    expect(VERIFIER_CONTRAINDICATED, "kernel text at 0xffff800008123450:");
}

/* Their names would be somebody else's. */
static void another_kernels_symbols_are_not_used(void **state)
{
    (void)state;
    known.pcr[EVIDENCE_PCR_LINUX][0] ^= 1;
    find_at(BASE + 0x123450);
    expect(VERIFIER_CONTRAINDICATED, "Linux kernel is not that of release 0.5.0");
    assert_true(said("kernel text at 0xffff800008123450:"));
}

static void symbols_are_not_used_for_pcrs_that_the_tpm_does_not_vouch_for(void **state)
{
    (void)state;
    gateway.quote_other_pcrs = true;
    find_at(BASE + 0x123450);
    expect(VERIFIER_CONTRAINDICATED, "not those that the TPM quoted");
    assert_true(said("kernel text at 0xffff800008123450:"));
    assert_int_equal(asked_for_kernel, 0);
}

static void symbols_are_looked_up_once_and_only_for_a_finding(void **state)
{
    (void)state;
    appraise(message_of(&gateway));
    assert_int_equal(asked_for_kernel, 0);
    find_at(BASE + 0x123450);
    assert_int_equal(asked_for_kernel, 1);
    knows_kernel = false;
    find_at(BASE + 0x123460); /* the first one is in it too */
    assert_int_equal(asked_for_kernel, 2);
}

static void policy_says_which_findings_are_fatal(void **state)
{
    char why[128];

    (void)state;
    soft_gateway_finding(&gateway, EVIDENCE_WARNING, "credentials.split", "sh[7]", 0, "");
    appraise(message_of(&gateway));
    expect(VERIFIER_WARNING, "other rights");
    assert_int_equal(policy_parse(&policy, TEXT("finding credentials.* fatal\n"), why, sizeof(why)),
                     0);
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, NULL);
    assert_int_equal(policy_parse(&policy,
                                  TEXT("finding credentials.split ignore\nfinding * fatal\n"), why,
                                  sizeof(why)),
                     0);
    appraise(message_of(&gateway));
    expect(VERIFIER_AFFIRMING, NULL);
}

static void findings_beyond_the_list_count_as_fatal(void **state)
{
    char why[128];

    (void)state;
    for (unsigned i = 0; i < EVIDENCE_FINDINGS + 5; i++)
        soft_gateway_finding(&gateway, EVIDENCE_ALARM, "code.page", "x", i, "");
    assert_int_equal(policy_parse(&policy, TEXT("finding code.* ignore\n"), why, sizeof(why)), 0);
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "5 findings more");
}

static void a_check_that_was_not_made_is_a_gap(void **state)
{
    (void)state;
    gateway.monitor.check[0].result = KAPU_EIO;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "the check 'text', which policy asks for, was not made");
    gateway.monitor.check[0].result = 0;
    gateway.monitor.checks = 3;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "3 checks were made, policy asks for at least 10");
}

static void what_a_kernel_does_not_have_is_no_gap(void **state)
{
    (void)state;
    gateway.monitor.check[11].result = KAPU_EUNSUPPORTED; /* tracepoints */
    appraise(message_of(&gateway));
    expect(VERIFIER_AFFIRMING, NULL);
    gateway.monitor.check[11].result = KAPU_ECRYPTO;
    appraise(message_of(&gateway));
    expect(VERIFIER_WARNING, "the check 'tracepoints' could not be made");
}

static void an_old_or_slow_verdict_is_refused(void **state)
{
    (void)state;
    gateway.monitor.now_ms = gateway.monitor.ended_ms + 60001;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "ended 60001 ms before");
    gateway.monitor.now_ms = gateway.monitor.ended_ms;
    policy.check_took_max_ms = 2309;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "took 2310 ms");
}

/* 2^32 ms are 49 days: a clock of 32 bits would say that the check ended 1 ms before. */
static void a_verdict_does_not_get_fresh_again_with_time(void **state)
{
    const uint64_t turn = (uint64_t)UINT32_MAX + 1;

    (void)state;
    gateway.monitor.began_ms += turn;
    gateway.monitor.ended_ms += turn;
    gateway.monitor.now_ms += turn;
    appraise(message_of(&gateway));
    expect(VERIFIER_AFFIRMING, NULL);
    assert_int_equal(result.age_ms, 30);
    gateway.monitor.now_ms = gateway.monitor.ended_ms + turn + 1;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "ended 4294967297 ms before");
}

static void a_monitor_that_never_looked_is_refused(void **state)
{
    (void)state;
    gateway.monitor.number = 0;
    appraise(message_of(&gateway));
    expect(VERIFIER_CONTRAINDICATED, "has not made a deep check");
}

static void a_monitor_that_does_not_watch_is_warned_of(void **state)
{
    (void)state;
    gateway.monitor.watch.pages = 0;
    appraise(message_of(&gateway));
    expect(VERIFIER_WARNING, "nothing watches");
}

/* ---- the result ---- */

static void the_result_is_ear_in_json(void **state)
{
    char text[16384];
    FILE *f = fmemopen(text, sizeof(text), "w");

    (void)state;
    memset(gateway.claims.software.identity, 0xa5, 32);
    memset(gateway.claims.software.boot_name, 0x0f, 32);
    gateway.claims.software.last_update = EVIDENCE_UPDATE_OTHER_RAN;
    gateway.claims.software.last_update_reset = EVIDENCE_RESET_PANIC;
    gateway.claims.software.refused =
        (struct evidence_refusals){EVIDENCE_ATTACK_TOCTOU, 4, 1u << 9 | 1u << 1};
    soft_gateway_finding(&gateway, EVIDENCE_ALARM, "text.page", "a\"b\\c", 0, "");
    appraise(message_of(&gateway));
    verifier_print_ear(f, &result, "one", "default", 1764000000);
    fclose(f);
    assert_non_null(strstr(text, "\"eat_profile\": \"tag:ietf.org,2026:rats/ear#04\""));
    assert_non_null(strstr(text, "\"submods\": {\"one\": {\"ear_status\": \"contraindicated\""));
    assert_non_null(strstr(text, "\"instance-identity\": 2"));
    assert_non_null(strstr(text, "\"executables\": 96"));
    assert_non_null(strstr(text, ": a\\\"b\\\\c"));
    assert_non_null(strstr(text, "\"kapu_release_identity\": \"a5a5a5"));
    assert_non_null(strstr(text, "\"kapu_boot_name\": \"0f0f0f"));
    assert_non_null(strstr(text, "\"kapu_last_update\": \"other ran\", "
                                 "\"kapu_last_update_reset\": \"panic\""));
    assert_non_null(strstr(text, "\"kapu_refused_updates\": {\"last\": \"TOCTOU\", \"count\": 4, "
                                 "\"kinds\": [\"rollback\", \"TOCTOU\"]}, "
                                 "\"kapu_told_by_linux\": {\"last\": \"none\", \"count\": 0, "
                                 "\"kinds\": []}, "));
}

static void more_reasons_than_there_is_room_for_are_counted(void **state)
{
    struct verifier_result *r = calloc(1, sizeof(*r));

    (void)state;
    for (unsigned i = 0; i < VERIFIER_REASONS + 2; i++)
        verifier_reason(r, VERIFIER_FILES, VERIFIER_WARNING, "%u", i);
    assert_true(r->reasons == VERIFIER_REASONS && r->not_kept == 2);
    verifier_reason(r, VERIFIER_FILES, VERIFIER_CONTRAINDICATED, "the worst");
    assert_int_equal(r->status, VERIFIER_CONTRAINDICATED);
    free(r);
}

static void a_policy_that_says_nothing_sensible_is_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } row[] = {
        {"counter-min -1\n", "line 1"},
        {"counter-min 99999999999\n", "line 1"},
        {"counter-min 3 4\n", "line 1"},
        {"\n# nothing\ntrial perhaps\n", "line 3"},
        {"finding text.* deadly\n", "line 1"},
        {"forbid all\n", "unknown setting 'forbid'"},
        {"records maybe\n", "line 1"},
        {"records\n", "line 1"},
        {"tpm-resets-a-day\n", "line 1"},
        {"tpm-resets-a-day many\n", "line 1"},
        {"refused-updates\n", "line 1"},
        {"refused-updates warn 3\n", "line 1"},
        {"tpm-resets-a-day 3 3\n", "line 1"},
        {"monitor-resets-max 3 loud\n", "line 1"},
        {"flavours\n", "'flavours' has no value"},
        {"flavours # gateway\n", "'flavours' has no value"},
        {"checks-required\n", "'checks-required' has no value"},
        {"trial no\ndebug no\ntrial yes\n", "line 3: 'trial' is there twice, first in line 1"},
        {"finding text.* ignore\nfinding text.* fatal\n", "line 2"},
        {"flavours gateway", "line 1: does not end"},
        {"", "there was no setting"},
        {"# all is said\n", "there was no setting"},
        {"\xef\xbb\xbf"
         "trial no\n",
         "byte order mark"},
        {"trial\x01no\n", "control character"},
        {"name str\xc3\xa9ng\n", "not ASCII"},
    };
    char why[128];

    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        assert_int_equal(policy_parse(&policy, TEXT(row[i].text), why, sizeof(why)), KAPU_EINVAL);
        assert_non_null(strstr(why, row[i].why));
    }
    assert_int_equal(
        policy_parse(&policy,
                     TEXT("name strict # ours, f\xc3\xbcr uns\ncounter-min 7\ntrial yes\n"), why,
                     sizeof(why)),
        0);
    assert_true(policy.counter_min == 7 && policy.trial_allowed);
    assert_string_equal(policy.name, "strict");
    assert_true(policy.records_required && policy.tpm_starts == POLICY_WARN);
    assert_int_equal(policy_parse(&policy,
                                  TEXT("records warn\ntpm-resets-a-day 3 fatal\n"
                                       "monitor-resets-max 0 ignore\n"),
                                  why, sizeof(why)),
                     0);
    assert_true(!policy.records_required && policy.tpm_starts_a_day == 3 &&
                policy.tpm_starts == POLICY_FATAL && policy.monitor_resets_max == 0 &&
                policy.monitor_resets == POLICY_IGNORE);
}

/* ---- whose board it is, and how often its TPM was started ---- */

static void appraise_with(struct verifier_gateway *g, const struct verifier_starts *before,
                          uint64_t asked_ms, uint64_t now_ms)
{
    const struct verifier_request q = {.message = message_of(&gateway),
                                       .nonce = nonce,
                                       .gateway = g,
                                       .references = &references,
                                       .policy = &policy,
                                       .before = before,
                                       .asked_ms = asked_ms,
                                       .now_ms = now_ms};

    assert_int_equal(verifier_appraise(&q, &result), 0);
}

/* What nobody filled in is no record. */
static void without_a_record_a_gateway_is_not_affirmed(void **state)
{
    static const struct {
        enum verifier_record record;
        const char *override, *told;
        bool required;
        enum verifier_tier tier;
    } row[] = {
        {VERIFIER_RECORD_GOOD, "", NULL, true, VERIFIER_AFFIRMING},
        {VERIFIER_RECORD_NONE, "", "kapu board add FILE", true, VERIFIER_CONTRAINDICATED},
        {VERIFIER_RECORD_NONE, "", "kapu board add FILE", false, VERIFIER_WARNING},
        {VERIFIER_RECORD_NONE, "a lab", "without a board record (a lab)", true, VERIFIER_WARNING},
        {VERIFIER_RECORD_NONE, "a lab", "without a board record (a lab)", false, VERIFIER_WARNING},
        {VERIFIER_RECORD_OTHER_AK, "", "kapu enroll --renew one", false, VERIFIER_CONTRAINDICATED},
        {VERIFIER_RECORD_OTHER_AK, "a lab", "kapu enroll --renew one", false,
         VERIFIER_CONTRAINDICATED},
        {VERIFIER_RECORD_OTHER_BOARD, "a lab", "on record with another board", false,
         VERIFIER_CONTRAINDICATED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct verifier_gateway g = enrolled(&gateway);

        g.record = row[i].record;
        snprintf(g.without_record, sizeof(g.without_record), "%s", row[i].override);
        policy.records_required = row[i].required;
        appraise_with(&g, NULL, 0, 0);
        expect(row[i].tier, row[i].told);
        assert_int_equal(result.vector[VERIFIER_HARDWARE], row[i].tier);
    }
}

static void starts_of_the_tpm_are_compared_with_those_before(void **state)
{
    struct verifier_gateway g = enrolled(&gateway);
    struct verifier_starts before = {.known = true, .resets = 7, .at_ms = 100000};

    (void)state;
    appraise_with(&g, NULL, 0, 200000); /* the first */
    assert_true(result.starts.known && result.starts.resets == 7 && result.started == 0);
    gateway.quote_resets = 12;
    appraise_with(&g, &before, 150000, 200000);
    expect(VERIFIER_AFFIRMING, NULL);
    assert_true(result.started == 5 && result.starts.day == 5);
    assert_true(result.starts.resets == 12 && result.starts.at_ms == 200000);
    before.day = 20;
    appraise_with(&g, &before, 150000, 200000);
    expect(VERIFIER_WARNING, "its TPM was reset 25 times in a day, policy allows 24");
    gateway.quote_resets = 6;
    appraise_with(&g, &before, before.at_ms + VERIFIER_SKEW_MS, 200000);
    expect(VERIFIER_AFFIRMING, NULL); /* it may be from before */
    assert_true(result.starts.resets == 7 && result.starts.at_ms == 100000);
    appraise_with(&g, &before, before.at_ms + VERIFIER_SKEW_MS + 1, 200000);
    expect(VERIFIER_CONTRAINDICATED, "reset count went back");
    assert_true(result.starts.fell && result.starts.resets == 7);
    policy.tpm_starts = POLICY_IGNORE; /* which is about how often, not about this */
    appraise_with(&g, &before, 150000, 200000);
    expect(VERIFIER_CONTRAINDICATED, "reset count went back");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, setup)
        TEST(a_good_gateway_is_affirmed_in_all_aspects),
        TEST(release_and_boot_are_told_of_authentic_evidence_only),
        TEST(each_outcome_of_the_last_update_is_handed_on_and_changes_no_verdict),
        TEST(refused_updates_are_named_and_judged_as_policy_says),
        TEST(what_linux_says_of_servers_is_told_and_changes_no_verdict),
        TEST(the_longest_sentences_of_refusals_are_not_cut),
        TEST(a_person_is_told_why_an_update_was_given_up),
        TEST(the_event_log_may_be_left_out_unless_policy_asks_for_it),
        TEST(each_bit_of_a_message_flipped_is_refused),
        TEST(old_evidence_is_refused),
        TEST(evidence_of_another_gateway_is_refused),
        TEST(a_quote_of_another_tpm_is_refused),
        TEST(a_quote_over_another_token_is_refused),
        TEST(something_else_that_the_ak_signed_is_no_quote),
        TEST(a_quote_of_other_pcrs_is_refused),
        TEST(an_edited_event_log_is_refused),
        TEST(an_event_log_that_the_secure_world_does_not_have_is_refused),
        TEST(another_kernel_is_named),
        TEST(another_root_image_is_named),
        TEST(an_unknown_release_is_refused),
        TEST(a_release_or_flavour_that_policy_does_not_allow_is_refused),
        TEST(an_open_boot_phase_is_refused),
        TEST(a_release_that_is_too_old_is_refused),
        TEST(a_gateway_cannot_say_another_version_or_counter_than_it_booted),
        TEST(debugging_and_a_foreign_chain_are_refused),
        TEST(storage_started_anew_is_told_when_the_tpm_vouches_for_the_token),
        TEST(storage_starts_are_compared_with_those_at_enrolment),
        TEST(a_trial_is_warned_of_unless_policy_allows_it),
        TEST(a_finding_is_said_in_words_that_a_person_understands),
        TEST(a_finding_is_said_with_its_place),
        TEST(an_address_in_the_image_is_told_by_its_symbol),
        TEST(a_piece_with_two_functions_is_told_by_both),
        TEST(what_a_finding_is_about_stays_beside_the_symbol),
        TEST(an_address_outside_of_the_image_is_told_as_it_is),
        TEST(without_a_base_or_symbols_the_address_is_told),
        TEST(another_kernels_symbols_are_not_used),
        TEST(symbols_are_not_used_for_pcrs_that_the_tpm_does_not_vouch_for),
        TEST(symbols_are_looked_up_once_and_only_for_a_finding),
        TEST(policy_says_which_findings_are_fatal),
        TEST(findings_beyond_the_list_count_as_fatal),
        TEST(a_check_that_was_not_made_is_a_gap),
        TEST(what_a_kernel_does_not_have_is_no_gap),
        TEST(an_old_or_slow_verdict_is_refused),
        TEST(a_verdict_does_not_get_fresh_again_with_time),
        TEST(a_monitor_that_never_looked_is_refused),
        TEST(a_monitor_that_does_not_watch_is_warned_of),
        TEST(the_result_is_ear_in_json),
        TEST(more_reasons_than_there_is_room_for_are_counted),
        TEST(a_policy_that_says_nothing_sensible_is_refused),
        TEST(without_a_record_a_gateway_is_not_affirmed),
        TEST(starts_of_the_tpm_are_compared_with_those_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
