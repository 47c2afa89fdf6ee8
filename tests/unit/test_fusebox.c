// SPDX-License-Identifier: Apache-2.0
/* The fuse box on a real swtpm: the factory, boots, and what an attacker on the bus or in Linux
 * tries. */
#include "fusebox_fixture.h"

static const uint8_t other_key[32] = {4, 5, 6};

static void the_boards_record_survives_its_encoding_and_damage_is_noticed(void **state)
{
    struct shop *s = *state;
    uint8_t b[FUSEBOX_BOARD_SIZE];
    struct fusebox_board again;

    assert_int_equal(fusebox_board_encode(SHA256, &s->board, b), 0);
    assert_int_equal(fusebox_board_decode(SHA256, b, &again), 0);
    assert_memory_equal(&again, &s->board, sizeof(again));
    for (size_t i = 0; i < sizeof(b); i++) {
        const bool version = i == 8 || i == 9;

        b[i] ^= 1;
        assert_int_equal(fusebox_board_decode(SHA256, b, &again),
                         version ? KAPU_EUNSUPPORTED : KAPU_EINVAL);
        b[i] ^= 1;
    }
    memset(b, 0, sizeof(b));
    assert_int_equal(fusebox_board_decode(SHA256, b, &again), KAPU_ENOENT);
    memset(b, 0xff, sizeof(b));
    assert_int_equal(fusebox_board_decode(SHA256, b, &again), KAPU_ENOENT);
}

static void a_verified_boot_gets_the_same_secret_each_time_and_once_only(void **state)
{
    struct shop *s = *state;
    uint8_t again[32];

    shop_boot(s, shop_key);
    shop_enter_secure_world(s);
    ok(&s->e, fusebox_take_root(&s->box, s->root));
    refused(&s->e, fusebox_take_root(&s->box, again), TPM2_RC_POLICY_FAIL);
    assert_memory_equal(again, ((uint8_t[32]){0}), 32);
    shop_boot(s, shop_key);
    shop_enter_secure_world(s);
    ok(&s->e, fusebox_take_root(&s->box, again));
    assert_memory_equal(again, s->root, 32);
    assert_memory_not_equal(again, ((uint8_t[32]){0}), 32);
}

static void firmware_of_another_root_key_gets_nothing(void **state)
{
    struct shop *s = *state;
    uint8_t got[32];

    shop_boot(s, other_key);
    shop_enter_secure_world(s);
    refused(&s->e, fusebox_take_root(&s->box, got), TPM2_RC_POLICY_FAIL);
    shop_boot(s, shop_key); /* right key, but the board is another: it has another pairing secret */
    s->board.pairing[7] ^= 1;
    shop_enter_secure_world(s);
    refused(&s->e, fusebox_take_root(&s->box, got), TPM2_RC_BAD_AUTH);
    s->board.pairing[7] ^= 1;
}

static void nothing_is_taken_while_the_platform_hierarchy_is_open(void **state)
{
    struct shop *s = *state;
    uint8_t got[32];

    assert_int_equal(swtpm_reset(&s->e.swtpm), 0);
    fusebox_init(&s->box, &s->e.tpm, &s->board);
    ok(&s->e, fusebox_start(&s->box));
    ok(&s->e, tpm2_pcr_extend(&s->e.tpm, FUSEBOX_PCR_AUTHORITY, &TPM2_AUTH_CLEAR, shop_key));
    shop_enter_secure_world(s);
    assert_int_equal(fusebox_take_root(&s->box, got), KAPU_EINVAL);
    assert_string_equal(s->box.at, "platform hierarchy");
}

static void another_tpm_is_not_taken_for_the_boards(void **state)
{
    struct shop *s = *state;

    shop_boot(s, shop_key);
    s->board.ek.b[9] ^= 1;
    assert_int_equal(fusebox_init_salted(&s->box, &s->e.tpm, &s->board), KAPU_EPIN);
    s->board.ek.b[9] ^= 1;
}

static void boot_stages_read_and_write_state_with_the_boards_value_only(void **state)
{
    struct shop *s = *state;
    struct bootstate b = {.slot = 1, .trial = true, .tries = 3}, got;
    uint32_t counter;

    shop_boot(s, shop_key);
    fusebox_init(&s->box, &s->e.tpm, &s->board);
    ok(&s->e, fusebox_read(&s->box, &counter, &got));
    assert_int_equal(counter, 0);
    assert_int_equal(got.slot, 0);
    ok(&s->e, fusebox_write_state(&s->box, &b));
    ok(&s->e, fusebox_read(&s->box, &counter, &got));
    assert_memory_equal(&b, &got, sizeof(b));
    s->board.pairing[0] ^= 1;
    refused(&s->e, fusebox_read(&s->box, &counter, &got), TPM2_RC_BAD_AUTH);
    refused(&s->e, fusebox_write_state(&s->box, &b), TPM2_RC_BAD_AUTH);
    s->board.pairing[0] ^= 1;
    b = (struct bootstate){.slot = 0};
    ok(&s->e, fusebox_write_state(&s->box, &b));
}

static void counters_rise_by_the_root_secret_only_and_never_fall(void **state)
{
    struct shop *s = *state;
    uint8_t wrong[32] = {9};
    uint32_t counter;

    shop_boot(s, shop_key);
    shop_enter_secure_world(s);
    ok(&s->e, fusebox_take_root(&s->box, s->root));
    ok(&s->e, fusebox_raise(&s->box, s->root, FUSEBOX_SECURITY, 3));
    ok(&s->e, fusebox_raise(&s->box, s->root, FUSEBOX_SECURITY, 1));
    ok(&s->e, fusebox_read_counter(&s->box, FUSEBOX_SECURITY, &counter));
    assert_int_equal(counter, 3);
    ok(&s->e, fusebox_raise(&s->box, s->root, FUSEBOX_STARTS, 2));
    ok(&s->e, fusebox_read_counter(&s->box, FUSEBOX_STARTS, &counter));
    assert_int_equal(counter, 2);
    ok(&s->e, fusebox_read_counter(&s->box, FUSEBOX_STORAGE, &counter));
    assert_int_equal(counter, 0); /* each by itself */
    refused(&s->e, fusebox_raise(&s->box, wrong, FUSEBOX_SECURITY, 4), TPM2_RC_BAD_AUTH);
    shop_boot(s, shop_key);
    ok(&s->e, fusebox_read_counter(&s->box, FUSEBOX_SECURITY, &counter));
    assert_int_equal(counter, 3);
}

static const uint8_t release[BOOTSTATE_IDENTITY_SIZE] = {0x5e, 1};

/* Of a slot that holds the confirmed release. */
static struct bootstate a_state(uint8_t slot)
{
    struct bootstate s = {.slot = slot};

    memcpy(s.confirmed, release, sizeof(release));
    return s;
}

static unsigned int writes; /* NV_Write commands on the bus */

static void count_writes(struct interposer *i, uint8_t *cmd, size_t *n)
{
    (void)cmd;
    (void)n;
    writes += i->code == TPM2_CC_NV_WRITE || i->code == TPM2_CC_NV_INCREMENT;
}

static void a_state_is_written_only_when_it_is_another(void **state)
{
    const struct bootstate first = {.slot = 0}, trial = {.slot = 1, .trial = true, .tries = 3},
                           fewer = {.slot = 1, .trial = true, .tries = 2}, good = a_state(0);
    struct shop *s = *state;
    struct bootstate got;
    uint32_t counter, left;

    shop_start(s);
    ok(&s->e, fusebox_write_state(&s->box, &first));
    s->e.bus.on_command = count_writes;
    for (unsigned i = 0; i < 10; i++)
        ok(&s->e, fusebox_write_state(&s->box, &first));
    assert_int_equal(writes, 0);
    for (unsigned i = 0; i < 10; i++)
        ok(&s->e, fusebox_write_state(&s->box, &trial));
    assert_int_equal(writes, 1);
    ok(&s->e, fusebox_write_state(&s->box, &fewer));
    assert_int_equal(writes, 2);
    ok(&s->e, fusebox_read(&s->box, &counter, &got));
    assert_memory_equal(&got, &fewer, sizeof(got));
    for (unsigned i = 0; i < 10; i++)
        ok(&s->e, fusebox_confirm(&s->box, s->root, 0, release, counter, &left));
    assert_int_equal(writes, 3);
    ok(&s->e, fusebox_read(&s->box, &counter, &got));
    assert_memory_equal(&got, &good, sizeof(got));
    s->e.bus.on_command = NULL;
}

static void last_words_are_none_at_first_and_then_what_was_written(void **state)
{
    uint8_t got[FUSEBOX_WORDS_SIZE], words[FUSEBOX_WORDS_SIZE] = {0};
    struct shop *s = *state;

    shop_start(s);
    ok(&s->e, fusebox_read_words(&s->box, got));
    assert_memory_equal(got, words, sizeof(got));
    memset(words, 0xa5, sizeof(words));
    writes = 0;
    s->e.bus.on_command = count_writes;
    for (unsigned i = 0; i < 3; i++)
        ok(&s->e, fusebox_write_words(&s->box, words));
    s->e.bus.on_command = NULL;
    assert_int_equal(writes, 1);
    shop_start(s);
    ok(&s->e, fusebox_read_words(&s->box, got));
    assert_memory_equal(got, words, sizeof(got));
}

static void the_update_record_is_whole_and_written_only_when_it_is_another(void **state)
{
    uint8_t got[FUSEBOX_RECORD_SIZE], next[FUSEBOX_RECORD_SIZE];
    struct shop *s = *state;

    shop_start(s);
    ok(&s->e, fusebox_read_record(&s->box, got));
    assert_memory_equal(got, shop_record, sizeof(got));
    for (size_t i = 0; i < sizeof(next); i++)
        next[i] = (uint8_t)(i + 1);
    writes = 0;
    s->e.bus.on_command = count_writes;
    for (unsigned i = 0; i < 5; i++)
        ok(&s->e, fusebox_write_record(&s->box, next));
    s->e.bus.on_command = NULL;
    assert_int_equal(writes, 1); /* one command: the power cannot go in the middle */
    shop_start(s);
    ok(&s->e, fusebox_read_record(&s->box, got));
    assert_memory_equal(got, next, sizeof(got));
    s->board.pairing[0] ^= 1;
    refused(&s->e, fusebox_read_record(&s->box, got), TPM2_RC_BAD_AUTH);
    refused(&s->e, fusebox_write_record(&s->box, shop_record), TPM2_RC_BAD_AUTH);
    s->board.pairing[0] ^= 1;
}

/* ---- confirming a release ---- */

static void expect_fuses(struct shop *s, const struct bootstate *state, uint32_t counter)
{
    struct bootstate got;
    uint32_t is;

    ok(&s->e, fusebox_read(&s->box, &is, &got));
    assert_int_equal(is, counter);
    assert_memory_equal(&got, state, sizeof(got));
}

static void confirm(struct shop *s, uint8_t slot, uint32_t counter)
{
    uint32_t left = 0, before;

    do {
        before = left;
        ok(&s->e, fusebox_confirm(&s->box, s->root, slot, release, counter, &left));
        assert_true(before == 0 || left < before);
    } while (left > 0);
}

/* The TPM's counter stands for `counter` from now on: as if the board had begun there. */
static void pretend_counter(struct shop *s, uint32_t counter)
{
    uint32_t is;

    ok(&s->e, fusebox_read_counter(&s->box, FUSEBOX_SECURITY, &is));
    s->board.counter_base = s->board.counter_base + is - counter;
}

static void a_confirmed_release_has_its_counter_however_far_it_is(void **state)
{
    static const uint32_t counters[] = {1, 256, 257, 300, FUSEBOX_RAISE_MAX};
    const struct bootstate trial = {.slot = 1, .trial = true, .tries = 2}, good = a_state(1);
    struct shop *s = *state;

    shop_start(s);
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        pretend_counter(s, 0);
        ok(&s->e, fusebox_write_state(&s->box, &trial));
        confirm(s, 1, counters[i]);
        expect_fuses(s, &good, counters[i]);
    }
    pretend_counter(s, 10); /* below the TPM's: nothing to raise */
    confirm(s, 1, 3);
    expect_fuses(s, &good, 10);
}

static void a_release_whose_counter_is_too_far_away_is_not_confirmed(void **state)
{
    static const uint32_t counters[] = {FUSEBOX_RAISE_MAX + 1, 5000, UINT32_MAX};
    const struct bootstate trial = {.slot = 1, .trial = true, .tries = 2};
    struct shop *s = *state;
    struct bootstate good;
    uint32_t left;

    shop_start(s);
    pretend_counter(s, 0);
    ok(&s->e, fusebox_write_state(&s->box, &trial));
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        assert_int_equal(fusebox_confirm(&s->box, s->root, 1, release, counters[i], &left),
                         KAPU_EARG);
        assert_int_equal(left, 0);
        expect_fuses(s, &trial, 0);
    }
    assert_int_equal(fusebox_raise(&s->box, s->root, FUSEBOX_SECURITY, FUSEBOX_RAISE_MAX + 1),
                     KAPU_EARG);
    pretend_counter(s, 1); /* one step nearer, and it is */
    ok(&s->e, fusebox_confirm(&s->box, s->root, 1, release, FUSEBOX_RAISE_MAX + 1, &left));
    assert_int_equal(left, FUSEBOX_RAISE_MAX - FUSEBOX_RAISE_PART);
    good = a_state(1);
    expect_fuses(s, &good, 1 + FUSEBOX_RAISE_PART);
}

static void a_confirmation_that_was_cut_goes_on_with_the_next(void **state)
{
    const struct bootstate trial = {.slot = 1, .trial = true, .tries = 2}, good = a_state(1);
    struct shop *s = *state;
    uint32_t counter, left;

    shop_start(s);
    pretend_counter(s, 0);
    ok(&s->e, fusebox_write_state(&s->box, &trial));
    for (unsigned cut = 2; cut < 40; cut += 6) { /* before, while and after the state is written */
        int err = 0;

        s->e.bus.cut_after = cut;
        for (left = 1; left > 0 && err == 0;)
            err = fusebox_confirm(&s->box, s->root, 1, release, 300, &left);
        s->e.bus.cut_after = 0;
        assert_int_equal(err, KAPU_EIO);
        shop_start(s);
    }
    ok(&s->e, fusebox_read_counter(&s->box, FUSEBOX_SECURITY, &counter));
    assert_in_range(counter, 1, 299); /* it was cut on the way */
    confirm(s, 1, 300);
    expect_fuses(s, &good, 300);
}

/* What Linux could do with the TPM's registers: everything but knowing a value. */
static void nobody_deletes_or_makes_again_a_counter_after_boot(void **state)
{
    struct shop *s = *state;
    char text[2048];

    shop_boot(s, shop_key);
    shop_enter_secure_world(s);
    ok(&s->e, fusebox_take_root(&s->box, s->root));
    swtpm_release(&s->e.swtpm);
    assert_int_equal(FUSEBOX_NV_COUNTER, 0x01406b01);
    assert_int_equal(FUSEBOX_NV_BOOT, 0x01406b05);
    assert_int_equal(FUSEBOX_NV_RECORD, 0x01406b06);
    assert_int_equal(FUSEBOX_NV_WORDS, 0x01406b07);
    assert_int_equal(swtpm_tool(&s->e.swtpm, text, sizeof(text),
                                "tpm2_nvreadpublic 0x01406b01 && tpm2_nvreadpublic 0x01406b05 && "
                                "tpm2_nvreadpublic 0x01406b06 && tpm2_nvreadpublic 0x01406b07"),
                     0); /* they are there to be attacked */
    for (const char *const *c =
             (const char *const[]){"tpm2_nvundefine -C p 0x01406b01",
                                   "tpm2_nvundefine -C o 0x01406b01",
                                   "tpm2_clear -c p",
                                   "tpm2_clear -c l",
                                   "tpm2_clear -c o",
                                   "tpm2_nvincrement -C o 0x01406b01",
                                   "tpm2_nvincrement 0x01406b01",
                                   "tpm2_nvundefine -C p 0x01406b05",
                                   "tpm2_nvundefine -C o 0x01406b05",
                                   "tpm2_nvread 0x01406b05",
                                   "head -c 72 /dev/zero | tpm2_nvwrite -i - 0x01406b05",
                                   "tpm2_nvundefine -C p 0x01406b06",
                                   "tpm2_nvundefine -C o 0x01406b06",
                                   "tpm2_nvundefine -C p 0x01406b07",
                                   "tpm2_nvread 0x01406b07",
                                   "head -c 256 /dev/zero | tpm2_nvwrite -i - 0x01406b07",
                                   "tpm2_nvread 0x01406b06",
                                   "head -c 238 /dev/zero | tpm2_nvwrite -i - 0x01406b06",
                                   "tpm2_unseal -c 0x81006b01",
                                   "tpm2_evictcontrol -C o -c 0x81006b01",
                                   "tpm2_changeauth -c p x",
                                   "tpm2_changeauth -c o x",
                                   "tpm2_hierarchycontrol -C p phEnable set",
                                   NULL};
         *c != NULL; c++) {
        if (swtpm_tool(&s->e.swtpm, text, sizeof(text), "%s", *c) == 0)
            fail_msg("'%s' was allowed: %s", *c, text);
    }
    /* with the policy that the key has, as far as it can be met now */
    assert_int_not_equal(
        swtpm_tool(
            &s->e.swtpm, text, sizeof(text),
            "tpm2_startauthsession -S s --policy-session && tpm2_policypcr -S s -l sha256:7,14 "
            "&& tpm2_policyauthvalue -S s && tpm2_policycommandcode -S s TPM2_CC_Unseal && "
            "tpm2_unseal -c 0x81006b01 -p session:s"),
        0);
    tool(&s->e, "tpm2_flushcontext -l || true");
}

static void no_byte_of_a_secret_is_seen_on_the_bus(void **state)
{
    struct shop *s = *state;
    uint8_t derived[32];

    s->e.bus.seen_n = 0;
    shop_boot(s, shop_key);
    shop_enter_secure_world(s);
    ok(&s->e, fusebox_take_root(&s->box, s->root));
    ok(&s->e, fusebox_raise(&s->box, s->root, FUSEBOX_STORAGE, 1));
    assert_true(s->e.bus.seen_n > 1000 && s->e.bus.seen_n < sizeof(s->e.bus.seen));
    assert_true(
        interposer_saw(&s->e.bus, (struct bytes){shop_key, 32})); /* the search finds things */
    for (size_t i = 0; i + 8 <= 32; i += 8) {
        assert_false(interposer_saw(&s->e.bus, (struct bytes){s->root + i, 8}));
        assert_false(interposer_saw(&s->e.bus, (struct bytes){s->board.pairing + i, 8}));
    }
    for (const char *const *l =
             (const char *const[]){FUSEBOX_LABEL_OPTEE, FUSEBOX_LABEL_OWNER,
                                   FUSEBOX_LABEL_ENDORSEMENT, FUSEBOX_LABEL_LOCKOUT,
                                   FUSEBOX_LABEL_AK, NULL};
         *l != NULL; l++) {
        assert_int_equal(fusebox_derive(SHA256, s->root, *l, derived), 0);
        assert_false(interposer_saw(&s->e.bus, (struct bytes){derived, 8}));
        assert_false(interposer_saw(&s->e.bus, (struct bytes){derived + 16, 8}));
    }
}

/* The bus answers "done" to the extension of the cap, and the TPM never saw it. */
static void drop(struct interposer *i, uint8_t *cmd, size_t *n)
{
    (void)i;
    /* ReadClock in its place: what comes back is a good answer of this TPM to something else */
    static const uint8_t clock[] = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x81};

    memcpy(cmd, clock, sizeof(clock));
    *n = sizeof(clock);
}

static void a_cap_that_the_bus_drops_is_noticed(void **state)
{
    struct shop *s = *state;
    uint8_t got[32];
    int err;

    shop_boot(s, shop_key);
    shop_enter_secure_world(s);
    s->e.bus.only = TPM2_CC_PCR_EXTEND;
    s->e.bus.on_command = drop;
    err = fusebox_take_root(&s->box, got);
    s->e.bus.on_command = NULL;
    s->e.bus.only = 0;
    assert_int_equal(err, KAPU_ESTRIPPED);
    assert_string_equal(s->box.at, "end of the boot phase");
    assert_memory_equal(got, ((uint8_t[32]){0}), 32);
}

/* ---- the attestation key ---- */

static void the_attestation_key_is_the_factorys_after_each_reset(void **state)
{
    struct shop *s = *state;
    const struct tpm2_name made = shop_name_of(&s->ak);
    struct tpm2_public ak;
    struct tpm2_name name;

    for (unsigned i = 0; i < 2; i++) {
        shop_start(s);
        ok(&s->e, fusebox_ak(&s->box, &ak));
        name = shop_name_of(&ak);
        assert_true(tpm2_name_equal(&name, &made));
    }
    assert_true(tpm2_name_equal(&name, &s->board.ak));
    assert_int_equal(ak.attributes & (TPM2_OA_RESTRICTED | TPM2_OA_SIGN | TPM2_OA_DECRYPT),
                     TPM2_OA_RESTRICTED | TPM2_OA_SIGN);
    assert_int_equal(ak.attributes & (TPM2_OA_FIXED_TPM | TPM2_OA_FIXED_PARENT |
                                      TPM2_OA_SENSITIVE_DATA_ORIGIN | TPM2_OA_NO_DA),
                     TPM2_OA_FIXED_TPM | TPM2_OA_FIXED_PARENT | TPM2_OA_SENSITIVE_DATA_ORIGIN |
                         TPM2_OA_NO_DA);
}

static void a_quote_covers_nonce_and_pcrs(void **state)
{
    struct shop *s = *state;
    uint8_t nonce[32] = {7}, buf[512], value[5][32], digest[32];
    static const uint32_t pcrs[] = {0, 7, 8, 9, 14};
    struct tpm2_signature sig;
    struct tpm2_attest a;
    struct wr w;

    shop_start(s);
    wr_init(&w, buf, sizeof(buf));
    for (unsigned i = 0; i < 5; i++)
        ok(&s->e, fusebox_read_pcr(&s->box, pcrs[i], value[i]));
    ok(&s->e, fusebox_quote(&s->box, s->root, nonce, &w, &sig));
    assert_int_equal(tpm2_attest_parse(wr_done(&w), &a), 0);
    assert_int_equal(a.type, TPM2_ST_ATTEST_QUOTE);
    assert_int_equal(a.pcr_mask, FUSEBOX_PCRS);
    assert_memory_equal(a.nonce.p, nonce, sizeof(nonce));
    assert_int_equal(tpm2_pcr_digest(SHA256, (const uint8_t(*)[32])value, 5, digest), 0);
    assert_memory_equal(a.pcr_digest.p, digest, sizeof(digest));
}

static struct tpm2_clock quoted_clock(struct shop *s)
{
    const uint8_t nonce[32] = {7};
    struct tpm2_signature sig;
    struct tpm2_attest a;
    uint8_t buf[512];
    struct wr w;

    wr_init(&w, buf, sizeof(buf));
    ok(&s->e, fusebox_quote(&s->box, s->root, nonce, &w, &sig));
    assert_int_equal(tpm2_attest_parse(wr_done(&w), &a), 0);
    return a.clock;
}

/* The TPM hides the counts themselves behind a constant of the key (Part 2, 10.12). */
static void of_two_quotes_the_difference_of_reset_counts_is_true(void **state)
{
    struct shop *s = *state;
    struct tpm2_clock before, after;

    shop_start(s);
    before = quoted_clock(s);
    after = quoted_clock(s);
    assert_int_equal(after.resets, before.resets);
    assert_int_equal(after.restarts, before.restarts);
    for (unsigned i = 0; i < 3; i++)
        shop_start(s);
    after = quoted_clock(s);
    assert_int_equal((uint32_t)(after.resets - before.resets), 3);
    assert_int_equal(after.restarts, before.restarts);
}

static int quote(struct shop *s, const uint8_t root[32])
{
    const uint8_t nonce[32] = {7};
    struct tpm2_signature sig;
    uint8_t buf[512];
    struct wr w;

    wr_init(&w, buf, sizeof(buf));
    return fusebox_quote(&s->box, root, nonce, &w, &sig);
}

static void only_the_root_secret_uses_the_attestation_key(void **state)
{
    struct shop *s = *state;
    uint8_t wrong[32] = {1};

    shop_start(s);
    refused(&s->e, quote(s, wrong), TPM2_RC_BAD_AUTH);
    ok(&s->e, quote(s, s->root));
    fusebox_init(&s->box, &s->e.tpm, &s->board); /* a session without a salt */
    assert_int_equal(quote(s, s->root), KAPU_EPLAIN);
}

/* Linux reaches the TPM's registers: it knows the key's handle and the storage root key. */
static void linux_neither_uses_nor_moves_the_attestation_key(void **state)
{
    struct shop *s = *state;
    char text[2048];

    shop_start(s);
    swtpm_release(&s->e.swtpm);
    tool(&s->e, "tpm2_readpublic -c 0x81006b02"); /* positive control: the tool reaches it */
    tool(&s->e, "tpm2_createprimary -C n -c other.ctx");
    for (const char *const *c =
             (const char *const[]){
                 "tpm2_quote -c 0x81006b02 -l sha256:0,7,8,9,14 -q 00 -m m -s s",
                 "echo x >data && tpm2_sign -c 0x81006b02 -g sha256 -o sig data",
                 "tpm2_certify -C 0x81006b02 -c 0x81000001 -o a -s s",
                 "tpm2_evictcontrol -C o -c 0x81006b02", "tpm2_evictcontrol -C p -c 0x81006b02",
                 "tpm2_changeauth -C 0x81000001 -c 0x81006b02 -r new.priv x",
                 "tpm2_startauthsession -S d --policy-session && "
                 "tpm2_policycommandcode -S d TPM2_CC_Duplicate && tpm2_duplicate -C other.ctx -c "
                 "0x81006b02 -G null -p session:d -r dup.priv -s dup.seed",
                 NULL};
         *c != NULL; c++) {
        if (swtpm_tool(&s->e.swtpm, text, sizeof(text), "%s", *c) == 0)
            fail_msg("'%s' was allowed: %s", *c, text);
    }
    tool(&s->e, "tpm2_flushcontext -l; tpm2_flushcontext -t; true");
    shop_enter_secure_world(s); /* its session went with the others */
    ok(&s->e, quote(s, s->root));
}

/* The TPM alone was reset: its platform hierarchy is open, with the empty value. */
static void clear_by_the_platform(struct shop *s)
{
    assert_int_equal(swtpm_reset(&s->e.swtpm), 0);
    ok(&s->e, tpm2_startup(&s->e.tpm, TPM2_SU_CLEAR));
    ok(&s->e, tpm2_clear_control(&s->e.tpm, TPM2_RH_PLATFORM, &TPM2_AUTH_CLEAR, false));
    ok(&s->e, tpm2_clear(&s->e.tpm, TPM2_RH_PLATFORM, &TPM2_AUTH_CLEAR));
}

/* A key that an attacker makes with the template: as a primary key of that hierarchy, or (0) under
 * a new storage root key; made persistent in the place of the factory's. */
static void make_another_key(struct shop *s, uint32_t hierarchy, struct tpm2_public *pub)
{
    struct tpm2_public srk_pub;
    struct tpm2_entity srk, ak;
    uint8_t buf[512];
    struct wr blob;

    tpm2_template_ak(pub);
    if (hierarchy != 0) {
        ok(&s->e,
           tpm2_create_primary(&s->e.tpm, hierarchy, &TPM2_AUTH_CLEAR, NO_SENSITIVE, pub, &ak));
        ok(&s->e, tpm2_flush_context(&s->e.tpm, ak.handle));
        return;
    }
    tpm2_template_srk(&srk_pub);
    ok(&s->e, tpm2_create_primary(&s->e.tpm, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, NO_SENSITIVE,
                                  &srk_pub, &srk));
    wr_init(&blob, buf, sizeof(buf));
    ok(&s->e, tpm2_create(&s->e.tpm, &srk, &TPM2_AUTH_CLEAR, NO_SENSITIVE, pub, &blob));
    ok(&s->e, tpm2_load(&s->e.tpm, &srk, &TPM2_AUTH_CLEAR, wr_done(&blob), NULL, &ak));
    ok(&s->e, tpm2_evict_control(&s->e.tpm, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, &ak, FUSEBOX_AK));
    ok(&s->e, tpm2_flush_context(&s->e.tpm, ak.handle));
    ok(&s->e, tpm2_flush_context(&s->e.tpm, srk.handle));
}

static void clearing_the_tpm_destroys_the_attestation_key_for_good(void **state)
{
    static const uint32_t ways[] = {TPM2_RH_ENDORSEMENT, TPM2_RH_OWNER, TPM2_RH_PLATFORM, 0};
    struct shop *s = *state;
    struct tpm2_public pub;
    struct tpm2_name other, ek_name;
    struct tpm2_entity ek;

    shop_start(s);
    ok(&s->e, quote(s, s->root));
    clear_by_the_platform(s);
    refused(&s->e, fusebox_ak(&s->box, &pub), TPM2_RC_HANDLE);
    assert_string_equal(s->box.at, "attestation key");
    assert_string_equal(fusebox_explain(KAPU_ETPM, &s->e.tpm),
                        "is not there: the TPM is not provisioned, or was cleared");
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        make_another_key(s, ways[i], &pub);
        other = shop_name_of(&pub);
        assert_false(tpm2_name_equal(&other, &s->board.ak));
    }
    /* The last one lies where the factory's was: the secure world does not take it. */
    assert_int_equal(fusebox_ak(&s->box, &pub), KAPU_EPIN);
    assert_int_equal(quote(s, s->root), KAPU_EPIN);
    /* What the old attack lived on, as a control: a primary key comes back after a clear. */
    tpm2_template_ek(&pub);
    ok(&s->e, tpm2_create_primary(&s->e.tpm, TPM2_RH_ENDORSEMENT, &TPM2_AUTH_CLEAR, NO_SENSITIVE,
                                  &pub, &ek));
    ek_name = ek.name;
    assert_true(tpm2_name_equal(&ek_name, &s->board.ek));
    ok(&s->e, tpm2_flush_context(&s->e.tpm, ek.handle));
    assert_int_equal(swtpm_reset(&s->e.swtpm), 0);
    assert_int_equal(shop_provision(s), 0);
}

static void a_credential_opens_for_this_tpm_and_its_attestation_key_only(void **state)
{
    struct shop *s = *state;
    const uint8_t secret[32] = {42, 43};
    uint8_t blob_b[256], seed_b[256], got[32];
    struct tpm2_public ak;
    struct tpm2_name name;
    struct wr blob, seed;

    shop_start(s);
    ok(&s->e, fusebox_ak(&s->box, &ak));
    for (unsigned other = 0; other < 2; other++) {
        ak.x[31] ^= (uint8_t)other;
        assert_int_equal(tpm2_public_name(SHA256, &ak, &name), 0);
        wr_init(&blob, blob_b, sizeof(blob_b));
        wr_init(&seed, seed_b, sizeof(seed_b));
        assert_int_equal(tpm2_make_credential(&crypto_openssl, &s->box.ek_pub, &name,
                                              BYTES_OF(secret), &blob, &seed),
                         0);
        if (other) {
            refused(&s->e, fusebox_activate(&s->box, s->root, wr_done(&blob), wr_done(&seed), got),
                    TPM2_RC_INTEGRITY);
            assert_memory_equal(got, ((uint8_t[32]){0}), 32);
        } else {
            ok(&s->e, fusebox_activate(&s->box, s->root, wr_done(&blob), wr_done(&seed), got));
            assert_memory_equal(got, secret, sizeof(secret));
            assert_false(interposer_saw(&s->e.bus, BYTES_OF(secret)));
        }
    }
}

static void the_endorsement_certificate_is_what_the_factory_stored(void **state)
{
    struct shop *s = *state;
    uint8_t buf[FUSEBOX_CERTIFICATE_MAX];
    size_t n;

    shop_start(s);
    ok(&s->e, fusebox_ek_certificate(&s->box, buf, &n));
    assert_int_equal(n, strlen("a certificate"));
    assert_memory_equal(buf, "a certificate", n);
}

static void provisioning_again_after_a_cut_at_any_step_works(void **state)
{
    struct shop *s = *state;
    const struct fusebox_board before = s->board;
    struct fusebox_board lost = s->board;
    uint8_t got[32];

    /* As if the power went at the n-th command of a run: the bus answers nothing from then on. */
    for (unsigned int cut = 2;; cut += 5) {
        struct fusebox_factory y = {.tpm = &s->e.tpm, .record = BYTES_OF(shop_record)};
        int err;

        assert_int_equal(swtpm_reset(&s->e.swtpm), 0);
        s->e.bus.cut_after = cut;
        err = fusebox_factory_provision(&y, &lost);
        s->e.bus.cut_after = 0;
        if (err == 0) { /* came to its end before the cut */
            assert_true(cut > 30);
            break;
        }
        assert_int_equal(err, KAPU_EIO);
        assert_memory_equal(lost.pairing, ((uint8_t[32]){0}), 32);
        assert_int_equal(swtpm_reset(&s->e.swtpm), 0);
        assert_int_equal(shop_provision(s), 0);
        shop_boot(s, shop_key);
        shop_enter_secure_world(s);
        ok(&s->e, fusebox_take_root(&s->box, got));
    }
    assert_int_equal(swtpm_reset(&s->e.swtpm), 0);
    assert_int_equal(shop_provision(s), 0);
    assert_true(tpm2_name_equal(&before.ek, &s->board.ek)); /* the certificate stays good */
    assert_memory_not_equal(before.pairing, s->board.pairing, 32);
    assert_memory_not_equal(got, s->root, 32);
}

static void provisioning_a_running_board_is_refused(void **state)
{
    struct shop *s = *state;
    struct fusebox_board b = s->board;
    struct fusebox_factory y = {.tpm = &s->e.tpm};

    shop_boot(s, shop_key);
    assert_int_equal(fusebox_factory_provision(&y, &b), KAPU_EINVAL);
    assert_string_equal(y.at, "platform hierarchy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_boards_record_survives_its_encoding_and_damage_is_noticed),
        cmocka_unit_test(a_verified_boot_gets_the_same_secret_each_time_and_once_only),
        cmocka_unit_test(firmware_of_another_root_key_gets_nothing),
        cmocka_unit_test(nothing_is_taken_while_the_platform_hierarchy_is_open),
        cmocka_unit_test(another_tpm_is_not_taken_for_the_boards),
        cmocka_unit_test(boot_stages_read_and_write_state_with_the_boards_value_only),
        cmocka_unit_test(counters_rise_by_the_root_secret_only_and_never_fall),
        cmocka_unit_test(a_state_is_written_only_when_it_is_another),
        cmocka_unit_test(the_update_record_is_whole_and_written_only_when_it_is_another),
        cmocka_unit_test(last_words_are_none_at_first_and_then_what_was_written),
        cmocka_unit_test(a_confirmed_release_has_its_counter_however_far_it_is),
        cmocka_unit_test(a_release_whose_counter_is_too_far_away_is_not_confirmed),
        cmocka_unit_test(a_confirmation_that_was_cut_goes_on_with_the_next),
        cmocka_unit_test(nobody_deletes_or_makes_again_a_counter_after_boot),
        cmocka_unit_test(no_byte_of_a_secret_is_seen_on_the_bus),
        cmocka_unit_test(a_cap_that_the_bus_drops_is_noticed),
        cmocka_unit_test(the_attestation_key_is_the_factorys_after_each_reset),
        cmocka_unit_test(a_quote_covers_nonce_and_pcrs),
        cmocka_unit_test(of_two_quotes_the_difference_of_reset_counts_is_true),
        cmocka_unit_test(only_the_root_secret_uses_the_attestation_key),
        cmocka_unit_test(linux_neither_uses_nor_moves_the_attestation_key),
        cmocka_unit_test(clearing_the_tpm_destroys_the_attestation_key_for_good),
        cmocka_unit_test(a_credential_opens_for_this_tpm_and_its_attestation_key_only),
        cmocka_unit_test(the_endorsement_certificate_is_what_the_factory_stored),
        cmocka_unit_test(provisioning_again_after_a_cut_at_any_step_works),
        cmocka_unit_test(provisioning_a_running_board_is_refused),
    };

    return cmocka_run_group_tests(tests, shop_begin, shop_end);
}
