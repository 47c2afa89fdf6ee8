// SPDX-License-Identifier: Apache-2.0
#include "tpm2_fixture.h"

static void make_srk(struct env *e)
{
    tpm2_template_srk(&e->srk_pub);
    ok(e, tpm2_create_primary(&e->tpm, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, NO_SENSITIVE, &e->srk_pub,
                              &e->srk));
    e->salt.handle = e->srk.handle;
}

int env_setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));

    *state = e;
    if (e == NULL || swtpm_begin(&e->swtpm) != 0)
        return -1;
    e->bus.below = swtpm_transport(&e->swtpm);
    e->tpm = (struct tpm2){
        .io = interposer_transport(&e->bus),
        .crypto = &crypto_openssl,
        .buf = e->buf,
        .buf_n = sizeof(e->buf),
    };
    ok(e, tpm2_startup(&e->tpm, TPM2_SU_CLEAR));
    make_srk(e);
    e->salt.key = &e->srk_pub;
    e->salt.pinned = &e->srk.name;
    return 0;
}

int env_teardown(void **state)
{
    struct env *e = *state;

    swtpm_end(&e->swtpm);
    free(e);
    return 0;
}

void env_reboot(struct env *e)
{
    struct tpm2_name before = e->srk.name;

    assert_int_equal(swtpm_reset(&e->swtpm), 0);
    ok(e, tpm2_startup(&e->tpm, TPM2_SU_CLEAR));
    make_srk(e);
    assert_true(tpm2_name_equal(&before, &e->srk.name));
}

void env_session(struct env *e, struct tpm2_session *s, enum tpm2_session_type type)
{
    ok(e, tpm2_session_start(&e->tpm, s, type, &e->salt, NULL));
}

struct tpm2_auth by(struct tpm2_session *s)
{
    return (struct tpm2_auth){.session = s};
}

struct tpm2_auth by_value(struct tpm2_session *s, struct bytes value)
{
    return (struct tpm2_auth){.session = s, .value = value};
}
