// SPDX-License-Identifier: Apache-2.0
/* The fuse box on a real swtpm: the factory, boots, and what an attacker on the bus or in Linux
 * tries. */
#include <kapu/fusebox.h>

#include "tpm2_fixture.h"

static const uint8_t our_key[32] = {1, 2, 3}, other_key[32] = {4, 5, 6};

struct shop {
    struct env e; /* its SRK and salt are not used */
    struct fusebox_board board;
    struct fusebox box;
    uint8_t root[32];
    char steps[1024];
};

static void note(void *ctx, const char *step)
{
    struct shop *s = ctx;

    strncat(s->steps, step, sizeof(s->steps) - strlen(s->steps) - 1);
}

static int provision(struct shop *s)
{
    struct fusebox_factory y = {.tpm = &s->e.tpm, .progress = note, .ctx = s};
    int err;

    memcpy(y.root_key_hash, our_key, sizeof(our_key));
    y.ek_certificate = BYTES_STR("a certificate");
    err = fusebox_factory_provision(&y, &s->board);
    if (err != 0)
        print_message("%s: error %d, rc 0x%x\n", y.at, err, s->e.tpm.rc);
    return err;
}

static int setup(void **state)
{
    struct shop *s = calloc(1, sizeof(*s));

    assert_int_equal(swtpm_begin(&s->e.swtpm), 0);
    s->e.bus.below = swtpm_transport(&s->e.swtpm);
    s->e.tpm = (struct tpm2){.io = interposer_transport(&s->e.bus),
                             .crypto = &crypto_openssl,
                             .buf = s->e.buf,
                             .buf_n = sizeof(s->e.buf)};
    memcpy(s->board.id, "a board's number", 16);
    *state = s;
    return provision(s);
}

static int teardown(void **state)
{
    struct shop *s = *state;

    swtpm_end(&s->e.swtpm);
    free(s);
    return 0;
}

/* As the ROM and BL2 do it, up to OP-TEE. */
static void boot(struct shop *s, const uint8_t key[32])
{
    assert_int_equal(swtpm_reset(&s->e.swtpm), 0);
    fusebox_init(&s->box, &s->e.tpm, &s->board);
    ok(&s->e, fusebox_start(&s->box));
    ok(&s->e, tpm2_pcr_extend(&s->e.tpm, FUSEBOX_PCR_AUTHORITY, &TPM2_AUTH_CLEAR, key));
    ok(&s->e, fusebox_close_platform(&s->box));
}

static void enter_secure_world(struct shop *s)
{
    ok(&s->e, fusebox_init_salted(&s->box, &s->e.tpm, &s->board));
}

static void the_boards_record_survives_its_encoding_and_damage_is_noticed(void **state)
{
    struct shop *s = *state;
    uint8_t b[FUSEBOX_BOARD_SIZE];
    struct fusebox_board again;

    assert_int_equal(fusebox_board_encode(SHA256, &s->board, b), 0);
    assert_int_equal(fusebox_board_decode(SHA256, b, &again), 0);
    assert_memory_equal(&again, &s->board, sizeof(again));
    for (size_t i = 0; i < sizeof(b); i++) {
        b[i] ^= 1;
        assert_int_equal(fusebox_board_decode(SHA256, b, &again), KAPU_EINVAL);
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

    boot(s, our_key);
    enter_secure_world(s);
    ok(&s->e, fusebox_take_root(&s->box, s->root));
    refused(&s->e, fusebox_take_root(&s->box, again), TPM2_RC_POLICY_FAIL);
    assert_memory_equal(again, ((uint8_t[32]){0}), 32);
    boot(s, our_key);
    enter_secure_world(s);
    ok(&s->e, fusebox_take_root(&s->box, again));
    assert_memory_equal(again, s->root, 32);
    assert_memory_not_equal(again, ((uint8_t[32]){0}), 32);
}

static void firmware_of_another_root_key_gets_nothing(void **state)
{
    struct shop *s = *state;
    uint8_t got[32];

    boot(s, other_key);
    enter_secure_world(s);
    refused(&s->e, fusebox_take_root(&s->box, got), TPM2_RC_POLICY_FAIL);
    boot(s, our_key); /* right key, but the board is another: it has another pairing secret */
    s->board.pairing[7] ^= 1;
    enter_secure_world(s);
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
    ok(&s->e, tpm2_pcr_extend(&s->e.tpm, FUSEBOX_PCR_AUTHORITY, &TPM2_AUTH_CLEAR, our_key));
    enter_secure_world(s);
    assert_int_equal(fusebox_take_root(&s->box, got), KAPU_EINVAL);
    assert_string_equal(s->box.at, "platform hierarchy");
}

static void another_tpm_is_not_taken_for_the_boards(void **state)
{
    struct shop *s = *state;

    boot(s, our_key);
    s->board.ek.b[9] ^= 1;
    assert_int_equal(fusebox_init_salted(&s->box, &s->e.tpm, &s->board), KAPU_EPIN);
    s->board.ek.b[9] ^= 1;
}

static void boot_stages_read_and_write_state_with_the_boards_value_only(void **state)
{
    struct shop *s = *state;
    struct bootstate b = {.slot = 1, .trial = true, .tries = 3}, got;
    uint32_t counter;

    boot(s, our_key);
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

    boot(s, our_key);
    enter_secure_world(s);
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
    assert_int_equal(fusebox_raise(&s->box, s->root, FUSEBOX_SECURITY, 4 + FUSEBOX_RAISE_MAX),
                     KAPU_EARG);
    boot(s, our_key);
    ok(&s->e, fusebox_read_counter(&s->box, FUSEBOX_SECURITY, &counter));
    assert_int_equal(counter, 3);
}

/* What Linux could do with the TPM's registers: everything but knowing a value. */
static void nobody_deletes_or_makes_again_a_counter_after_boot(void **state)
{
    struct shop *s = *state;
    char text[2048];

    boot(s, our_key);
    enter_secure_world(s);
    ok(&s->e, fusebox_take_root(&s->box, s->root));
    swtpm_release(&s->e.swtpm);
    for (const char *const *c =
             (const char *const[]){
                 "tpm2_nvundefine -C p 0x01406b01", "tpm2_nvundefine -C o 0x01406b01",
                 "tpm2_clear -c p", "tpm2_clear -c l", "tpm2_clear -c o",
                 "tpm2_nvincrement -C o 0x01406b01", "tpm2_nvincrement 0x01406b01",
                 "tpm2_nvread 0x01406b02", "tpm2_nvwrite -i /dev/null 0x01406b02",
                 "tpm2_unseal -c 0x81006b01", "tpm2_evictcontrol -C o -c 0x81006b01",
                 "tpm2_changeauth -c p x", "tpm2_changeauth -c o x",
                 "tpm2_hierarchycontrol -C p phEnable set", NULL};
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
    boot(s, our_key);
    enter_secure_world(s);
    ok(&s->e, fusebox_take_root(&s->box, s->root));
    ok(&s->e, fusebox_raise(&s->box, s->root, FUSEBOX_STORAGE, 1));
    assert_true(s->e.bus.seen_n > 1000 && s->e.bus.seen_n < sizeof(s->e.bus.seen));
    assert_true(
        interposer_saw(&s->e.bus, (struct bytes){our_key, 32})); /* the search finds things */
    for (size_t i = 0; i + 8 <= 32; i += 8) {
        assert_false(interposer_saw(&s->e.bus, (struct bytes){s->root + i, 8}));
        assert_false(interposer_saw(&s->e.bus, (struct bytes){s->board.pairing + i, 8}));
    }
    for (const char *const *l =
             (const char *const[]){FUSEBOX_LABEL_OPTEE, FUSEBOX_LABEL_OWNER,
                                   FUSEBOX_LABEL_ENDORSEMENT, FUSEBOX_LABEL_LOCKOUT, NULL};
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

    boot(s, our_key);
    enter_secure_world(s);
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

static void start(struct shop *s)
{
    boot(s, our_key);
    enter_secure_world(s);
    ok(&s->e, fusebox_take_root(&s->box, s->root));
}

static void the_attestation_key_is_the_same_after_a_reset(void **state)
{
    struct shop *s = *state;
    struct tpm2_public ak, again;
    struct tpm2_name name, name_again;

    start(s);
    ok(&s->e, fusebox_ak(&s->box, s->root, &ak));
    start(s);
    ok(&s->e, fusebox_ak(&s->box, s->root, &again));
    assert_int_equal(tpm2_public_name(SHA256, &ak, &name), 0);
    assert_int_equal(tpm2_public_name(SHA256, &again, &name_again), 0);
    assert_true(tpm2_name_equal(&name, &name_again));
    assert_int_equal(ak.attributes & (TPM2_OA_RESTRICTED | TPM2_OA_SIGN | TPM2_OA_DECRYPT),
                     TPM2_OA_RESTRICTED | TPM2_OA_SIGN);
}

static void a_quote_covers_nonce_and_pcrs(void **state)
{
    struct shop *s = *state;
    uint8_t nonce[32] = {7}, buf[512], value[5][32], digest[32];
    static const uint32_t pcrs[] = {0, 7, 8, 9, 14};
    struct tpm2_signature sig;
    struct tpm2_attest a;
    struct wr w;

    start(s);
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

static void only_the_root_secret_uses_the_attestation_key(void **state)
{
    struct shop *s = *state;
    uint8_t wrong[32] = {1};
    struct tpm2_public ak;

    start(s);
    refused(&s->e, fusebox_ak(&s->box, wrong, &ak), TPM2_RC_BAD_AUTH);
    ok(&s->e, fusebox_ak(&s->box, s->root, &ak));
    fusebox_init(&s->box, &s->e.tpm, &s->board); /* a session without a salt */
    assert_int_equal(fusebox_ak(&s->box, s->root, &ak), KAPU_EPLAIN);
}

static void a_credential_opens_for_this_tpm_and_its_attestation_key_only(void **state)
{
    struct shop *s = *state;
    const uint8_t secret[32] = {42, 43};
    uint8_t blob_b[256], seed_b[256], got[32];
    struct tpm2_public ak;
    struct tpm2_name name;
    struct wr blob, seed;

    start(s);
    ok(&s->e, fusebox_ak(&s->box, s->root, &ak));
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

    start(s);
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
        struct fusebox_factory y = {.tpm = &s->e.tpm};
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
        assert_int_equal(provision(s), 0);
        boot(s, our_key);
        enter_secure_world(s);
        ok(&s->e, fusebox_take_root(&s->box, got));
    }
    assert_int_equal(swtpm_reset(&s->e.swtpm), 0);
    assert_int_equal(provision(s), 0);
    assert_true(tpm2_name_equal(&before.ek, &s->board.ek)); /* the certificate stays good */
    assert_memory_not_equal(before.pairing, s->board.pairing, 32);
    assert_memory_not_equal(got, s->root, 32);
}

static void provisioning_a_running_board_is_refused(void **state)
{
    struct shop *s = *state;
    struct fusebox_board b = s->board;
    struct fusebox_factory y = {.tpm = &s->e.tpm};

    boot(s, our_key);
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
        cmocka_unit_test(nobody_deletes_or_makes_again_a_counter_after_boot),
        cmocka_unit_test(no_byte_of_a_secret_is_seen_on_the_bus),
        cmocka_unit_test(a_cap_that_the_bus_drops_is_noticed),
        cmocka_unit_test(the_attestation_key_is_the_same_after_a_reset),
        cmocka_unit_test(a_quote_covers_nonce_and_pcrs),
        cmocka_unit_test(only_the_root_secret_uses_the_attestation_key),
        cmocka_unit_test(a_credential_opens_for_this_tpm_and_its_attestation_key_only),
        cmocka_unit_test(the_endorsement_certificate_is_what_the_factory_stored),
        cmocka_unit_test(provisioning_again_after_a_cut_at_any_step_works),
        cmocka_unit_test(provisioning_a_running_board_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
