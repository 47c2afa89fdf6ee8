// SPDX-License-Identifier: Apache-2.0
#include "fusebox_fixture.h"

const uint8_t shop_key[32] = {1, 2, 3};
const uint8_t shop_record[FUSEBOX_RECORD_SIZE] = {'K', 'U', 'R', 2};

static void note(void *ctx, const char *step)
{
    struct shop *s = ctx;

    strncat(s->steps, step, sizeof(s->steps) - strlen(s->steps) - 1);
}

int shop_provision(struct shop *s)
{
    struct fusebox_factory y = {.tpm = &s->e.tpm, .progress = note, .ctx = s};
    int err;

    memcpy(y.root_key_hash, shop_key, sizeof(shop_key));
    y.ek_certificate = BYTES_STR("a certificate");
    y.record = BYTES_OF(shop_record);
    err = fusebox_factory_provision(&y, &s->board);
    s->ak = y.ak;
    if (err != 0)
        print_message("%s: error %d, rc 0x%x\n", y.at, err, s->e.tpm.rc);
    return err;
}

int shop_open(struct shop *s)
{
    assert_int_equal(swtpm_begin(&s->e.swtpm), 0);
    s->e.bus.below = swtpm_transport(&s->e.swtpm);
    s->e.tpm = (struct tpm2){.io = interposer_transport(&s->e.bus),
                             .crypto = &crypto_openssl,
                             .buf = s->e.buf,
                             .buf_n = sizeof(s->e.buf)};
    memcpy(s->board.id, "a board's number", 16);
    return shop_provision(s);
}

int shop_begin(void **state)
{
    struct shop *s = calloc(1, sizeof(*s));

    *state = s;
    return shop_open(s);
}

int shop_end(void **state)
{
    struct shop *s = *state;

    swtpm_end(&s->e.swtpm);
    free(s);
    return 0;
}

void shop_boot(struct shop *s, const uint8_t key[32])
{
    assert_int_equal(swtpm_reset(&s->e.swtpm), 0);
    fusebox_init(&s->box, &s->e.tpm, &s->board);
    ok(&s->e, fusebox_start(&s->box));
    ok(&s->e, tpm2_pcr_extend(&s->e.tpm, FUSEBOX_PCR_AUTHORITY, &TPM2_AUTH_CLEAR, key));
    ok(&s->e, fusebox_close_platform(&s->box));
}

void shop_enter_secure_world(struct shop *s)
{
    ok(&s->e, fusebox_init_salted(&s->box, &s->e.tpm, &s->board));
}

void shop_start(struct shop *s)
{
    shop_boot(s, shop_key);
    shop_enter_secure_world(s);
    ok(&s->e, fusebox_take_root(&s->box, s->root));
}

struct tpm2_name shop_name_of(const struct tpm2_public *pub)
{
    struct tpm2_name name;

    assert_int_equal(tpm2_public_name(SHA256, pub, &name), 0);
    return name;
}
