// SPDX-License-Identifier: Apache-2.0
/* A board that release 0.1.0 provisioned is brought up to this one: nothing is lost. */
#include "factory_v1.h"
#include "fusebox_fixture.h"

/* The shop's board as the former release would have made it, used for a while. */
static void make_old(struct shop *s, uint8_t record[FUSEBOX_BOARD_V1_SIZE])
{
    struct factory_v1 y = {
        .tpm = &s->e.tpm, .ek_certificate = BYTES_STR("a certificate"), .slot = 1};

    memcpy(y.root_key_hash, shop_key, sizeof(shop_key));
    assert_int_equal(swtpm_reset(&s->e.swtpm), 0);
    memset(&s->board, 0, sizeof(s->board));
    memcpy(s->board.id, "a board's number", 16);
    ok(&s->e, factory_v1_provision(&y, &s->board));
    assert_int_equal(factory_v1_encode(SHA256, &s->board, record), 0);
    shop_start(s);
    ok(&s->e, fusebox_raise(&s->box, s->root, FUSEBOX_SECURITY, 5));
    ok(&s->e, fusebox_raise(&s->box, s->root, FUSEBOX_STORAGE, 17));
}

static int upgrade(struct shop *s)
{
    struct fusebox_factory y = {.tpm = &s->e.tpm, .record = BYTES_OF(shop_record)};
    int err;

    memcpy(y.root_key_hash, shop_key, sizeof(shop_key));
    assert_int_equal(swtpm_reset(&s->e.swtpm), 0);
    err = fusebox_factory_upgrade(&y, &s->board);
    s->ak = y.ak;
    return err;
}

static int quote(struct shop *s)
{
    const uint8_t nonce[32] = {7};
    struct tpm2_signature sig;
    uint8_t buf[512];
    struct wr w;

    wr_init(&w, buf, sizeof(buf));
    return fusebox_quote(&s->box, s->root, nonce, &w, &sig);
}

/* All that the board had, and an attestation key on top. */
static void expect_upgraded(struct shop *s, const uint8_t root[32])
{
    const struct tpm2_name ak = shop_name_of(&s->ak);
    uint8_t record[FUSEBOX_BOARD_SIZE], certificate[FUSEBOX_CERTIFICATE_MAX];
    uint8_t kept[FUSEBOX_RECORD_SIZE];
    struct fusebox_board again;
    struct bootstate state;
    uint32_t counter;
    size_t n;

    assert_true(tpm2_name_equal(&ak, &s->board.ak));
    assert_int_equal(fusebox_board_encode(SHA256, &s->board, record), 0);
    assert_int_equal(fusebox_board_decode(SHA256, record, &again), 0);
    assert_memory_equal(&again, &s->board, sizeof(again));
    shop_start(s);
    assert_memory_equal(s->root, root, 32);
    ok(&s->e, fusebox_read(&s->box, &counter, &state));
    assert_int_equal(counter, 5);
    assert_memory_equal(&state, (&(struct bootstate){.slot = 1}), sizeof(state));
    ok(&s->e, fusebox_read_counter(&s->box, FUSEBOX_STORAGE, &counter));
    assert_int_equal(counter, 17);
    ok(&s->e, fusebox_raise(&s->box, s->root, FUSEBOX_STORAGE, 18));
    ok(&s->e, fusebox_ek_certificate(&s->box, certificate, &n));
    assert_memory_equal(certificate, "a certificate", n);
    ok(&s->e, fusebox_read_record(&s->box, kept));
    assert_memory_equal(kept, shop_record, sizeof(kept));
    ok(&s->e, quote(s));
}

static void the_record_of_the_former_release_is_for_the_factory_only(void **state)
{
    uint8_t old[FUSEBOX_BOARD_SIZE] = {0}, now[FUSEBOX_BOARD_SIZE];
    struct shop *s = *state;
    struct fusebox_board board;

    assert_int_equal(fusebox_board_encode(SHA256, &s->board, now), 0);
    assert_int_equal(fusebox_board_decode_v1(SHA256, now, &board), KAPU_EUNSUPPORTED);
    make_old(s, old);
    assert_int_equal(fusebox_board_decode(SHA256, old, &board), KAPU_EUNSUPPORTED);
    assert_int_equal(fusebox_board_decode_v1(SHA256, old, &board), 0);
    assert_memory_equal(&board, &s->board, sizeof(board));
    for (size_t i = 10; i < FUSEBOX_BOARD_V1_SIZE; i++) {
        old[i] ^= 1;
        assert_int_equal(fusebox_board_decode_v1(SHA256, old, &board), KAPU_EINVAL);
        old[i] ^= 1;
    }
}

static void a_board_of_the_former_release_keeps_all_that_it_had(void **state)
{
    uint8_t record[FUSEBOX_BOARD_V1_SIZE], root[32];
    struct shop *s = *state;

    make_old(s, record);
    memcpy(root, s->root, sizeof(root));
    refused(&s->e, quote(s), TPM2_RC_HANDLE); /* what it lacks */
    ok(&s->e, upgrade(s));
    expect_upgraded(s, root);
}

static void an_upgrade_that_was_cut_is_repeated(void **state)
{
    uint8_t record[FUSEBOX_BOARD_V1_SIZE], root[32];
    struct shop *s = *state;

    for (unsigned int cut = 2;; cut++) {
        int err;

        make_old(s, record);
        memcpy(root, s->root, sizeof(root));
        assert_int_equal(fusebox_board_decode_v1(SHA256, record, &s->board), 0);
        s->e.bus.cut_after = cut;
        err = upgrade(s);
        s->e.bus.cut_after = 0;
        if (err == 0) {
            assert_true(cut > 20);
            break;
        }
        assert_int_equal(err, KAPU_EIO);
        assert_int_equal(fusebox_board_decode_v1(SHA256, record, &s->board), 0);
        ok(&s->e, upgrade(s));
        expect_upgraded(s, root);
    }
    expect_upgraded(s, root);
}

static void an_upgrade_needs_the_boards_own_record_tpm_and_root_key(void **state)
{
    uint8_t record[FUSEBOX_BOARD_V1_SIZE];
    struct shop *s = *state;
    struct fusebox_factory y = {.tpm = &s->e.tpm};

    make_old(s, record);
    assert_int_equal(swtpm_reset(&s->e.swtpm), 0); /* another root key */
    refused(&s->e, fusebox_factory_upgrade(&y, &s->board), TPM2_RC_POLICY_FAIL);
    assert_string_equal(y.at, "root secret");
    s->board.pairing[3] ^= 1;
    refused(&s->e, upgrade(s), TPM2_RC_BAD_AUTH);
    s->board.pairing[3] ^= 1;
    s->board.ek.b[7] ^= 1;
    assert_int_equal(upgrade(s), KAPU_EPIN);
    s->board.ek.b[7] ^= 1;
    shop_boot(s, shop_key); /* firmware has run */
    assert_int_equal(fusebox_factory_upgrade(&y, &s->board), KAPU_EINVAL);
    assert_string_equal(y.at, "platform hierarchy");
    ok(&s->e, upgrade(s));
}

static void no_byte_of_a_secret_is_seen_on_the_bus_of_an_upgrade(void **state)
{
    uint8_t record[FUSEBOX_BOARD_V1_SIZE], derived[32];
    struct shop *s = *state;

    make_old(s, record);
    s->e.bus.seen_n = 0;
    ok(&s->e, upgrade(s));
    assert_true(s->e.bus.seen_n > 1000 && s->e.bus.seen_n < sizeof(s->e.bus.seen));
    assert_true(interposer_saw(&s->e.bus, (struct bytes){shop_key, 32}));
    for (const char *const *l = (const char *const[]){FUSEBOX_LABEL_OWNER, FUSEBOX_LABEL_AK, NULL};
         *l != NULL; l++) {
        assert_int_equal(fusebox_derive(SHA256, s->root, *l, derived), 0);
        assert_false(interposer_saw(&s->e.bus, (struct bytes){derived, 8}));
    }
    assert_false(interposer_saw(&s->e.bus, (struct bytes){s->root, 8}));
    assert_false(interposer_saw(&s->e.bus, (struct bytes){s->board.pairing, 8}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_record_of_the_former_release_is_for_the_factory_only),
        cmocka_unit_test(a_board_of_the_former_release_keeps_all_that_it_had),
        cmocka_unit_test(an_upgrade_that_was_cut_is_repeated),
        cmocka_unit_test(an_upgrade_needs_the_boards_own_record_tpm_and_root_key),
        cmocka_unit_test(no_byte_of_a_secret_is_seen_on_the_bus_of_an_upgrade),
    };

    return cmocka_run_group_tests(tests, shop_begin, shop_end);
}
