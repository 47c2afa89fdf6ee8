// SPDX-License-Identifier: Apache-2.0
#include "soft_board.h"

#include <kapu/eventlog.h>
#include <kapu/fusebox.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl.h"

static void need(const struct soft_board *b, int err, const char *what)
{
    if (err == 0)
        return;
    fprintf(stderr, "soft_board: %s: error %d, rc 0x%x\n", what, err, b->tpm.rc);
    abort();
}

static void primary(struct soft_board *b, uint32_t hierarchy, const struct tpm2_auth *auth,
                    struct tpm2_public *pub, struct tpm2_entity *object)
{
    const struct tpm2_sensitive nothing = {{NULL, 0}, {NULL, 0}};

    need(b, tpm2_create_primary(&b->tpm, hierarchy, auth, &nothing, pub, object), "a primary key");
}

static void make_keys(struct soft_board *b)
{
    const struct tpm2_auth auth = {.session = &b->session};

    tpm2_template_srk(&b->srk_public);
    primary(b, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, &b->srk_public, &b->srk);
    b->salt = (struct tpm2_salt){b->srk.handle, &b->srk_public, &b->srk.name};
    need(b, tpm2_session_start(&b->tpm, &b->session, TPM2_SESSION_HMAC, &b->salt, NULL),
         "a session");
    tpm2_template_ek(&b->ek_public);
    primary(b, TPM2_RH_ENDORSEMENT, &auth, &b->ek_public, &b->ek);
}

static void make_ak(struct soft_board *b)
{
    const struct tpm2_sensitive nothing = {{NULL, 0}, {NULL, 0}};
    const struct tpm2_auth auth = {.session = &b->session};
    struct tpm2_entity made;
    uint8_t buf[512];
    struct wr blob;

    tpm2_template_ak(&b->ak_public);
    wr_init(&blob, buf, sizeof(buf));
    need(b, tpm2_create(&b->tpm, &b->srk, &auth, &nothing, &b->ak_public, &blob), "an AK");
    need(b, tpm2_load(&b->tpm, &b->srk, &auth, wr_done(&blob), NULL, &made), "an AK, loaded");
    need(b, tpm2_evict_control(&b->tpm, TPM2_RH_OWNER, &auth, &made, FUSEBOX_AK), "an AK, kept");
    need(b, tpm2_flush_context(&b->tpm, made.handle), "an AK, unloaded");
    b->ak = (struct tpm2_entity){FUSEBOX_AK, made.name};
}

/* The TPM is brought to where the event log says that it is. */
static void boot(struct soft_board *b)
{
    const struct tpm2_auth auth = {.session = &b->session};
    struct eventlog_reader r;
    struct eventlog_event ev;

    need(b, eventlog_open(&r, (struct bytes){b->g.log, b->g.log_n}), "the event log");
    while (eventlog_next(&r, &ev) == 1)
        need(b, tpm2_pcr_extend(&b->tpm, ev.pcr, &auth, ev.sha256.p), "a PCR");
}

static void quote(void *ctx, const uint8_t nonce[32], struct wr *attest, uint8_t signature[64])
{
    struct soft_board *b = ctx;
    const struct tpm2_auth auth = {.session = &b->session};
    struct tpm2_signature s;

    need(b,
         tpm2_quote(&b->tpm, &b->ak, &auth, (struct bytes){nonce, 32}, EVIDENCE_PCR_MASK, attest,
                    &s),
         "a quote");
    memcpy(signature, s.r, 32);
    memcpy(signature + 32, s.s, 32);
}

void soft_board_begin(struct soft_board *b, const char *name, const char *release)
{
    memset(b, 0, sizeof(*b));
    need(b, swtpm_begin(&b->swtpm), "swtpm");
    b->tpm = (struct tpm2){.io = swtpm_transport(&b->swtpm),
                           .crypto = &crypto_openssl,
                           .buf = b->buf,
                           .buf_n = sizeof(b->buf)};
    need(b, tpm2_startup(&b->tpm, TPM2_SU_CLEAR), "its start");
    make_keys(b);
    make_ak(b);
    soft_gateway_init(&b->g, name, release);
    b->g.quote = quote;
    b->g.quote_ctx = b;
    need(b,
         evidence_ueid(&crypto_openssl.sha256, (struct bytes){b->ek.name.b, b->ek.name.n},
                       b->g.claims.ueid),
         "the UEID");
    boot(b);
}

void soft_board_reset(struct soft_board *b)
{
    need(b, swtpm_reset(&b->swtpm) == 0 ? 0 : KAPU_EIO, "a reset");
    need(b, tpm2_startup(&b->tpm, TPM2_SU_CLEAR), "its start");
    make_keys(b);
    b->g.claims.software.boot_name[0]++; /* another boot */
    boot(b);
}

void soft_board_new_ak(struct soft_board *b)
{
    const struct tpm2_auth auth = {.session = &b->session};

    need(b, tpm2_evict_control(&b->tpm, TPM2_RH_OWNER, &auth, &b->ak, FUSEBOX_AK), "the old AK");
    make_ak(b);
}

void soft_board_end(struct soft_board *b)
{
    swtpm_end(&b->swtpm);
}

bool soft_board_activate(struct soft_board *b, struct bytes credential, struct bytes secret,
                         uint8_t out[32])
{
    const struct tpm2_entity endorsement = tpm2_entity_of(TPM2_RH_ENDORSEMENT);
    struct tpm2_session policy;
    const struct tpm2_auth auth = {.session = &b->session}, by_policy = {.session = &policy};
    struct wr w;
    int err;

    need(b, tpm2_session_start(&b->tpm, &policy, TPM2_SESSION_POLICY, &b->salt, NULL), "a policy");
    need(b, tpm2_policy_secret(&b->tpm, &policy, &endorsement, &auth, (struct bytes){NULL, 0}),
         "the EK's policy");
    wr_init(&w, out, 32);
    err = tpm2_activate_credential(&b->tpm, &b->ak, &auth, &b->ek, &by_policy, credential, secret,
                                   &w);
    need(b, tpm2_session_end(&b->tpm, &policy), "the end of a policy");
    return err == 0 && w.at == 32;
}
