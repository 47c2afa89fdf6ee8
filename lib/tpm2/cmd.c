// SPDX-License-Identifier: Apache-2.0
/* The command engine: header, handles, sessions, exchange, checks of the answer (Part 1, 18). */
#include <string.h>

#include "internal.h"

#define ST_NO_SESSIONS 0x8001u
#define ST_SESSIONS 0x8002u

/* A TPM that is busy says so at once; about ten seconds of patience in all. */
#define REPEATS_MAX 500u
#define REPEAT_PAUSE_MS 20u

void tpm2_cmd_begin(struct tpm2_cmd *c, struct tpm2 *t, const struct tpm2_spec *spec)
{
    memset(c, 0, sizeof(*c));
    c->t = t;
    c->spec = spec;
    c->secret = (spec->flags & CMD_SECRET) != 0;
    wr_init(&c->w, t->buf, t->buf_n);
    wr_be16(&c->w, 0); /* tag and size follow when they are known */
    wr_be32(&c->w, 0);
    wr_be32(&c->w, spec->code);
}

void tpm2_cmd_handle(struct tpm2_cmd *c, const struct tpm2_entity *e)
{
    if (c->names == TPM2_HANDLES_MAX || (e->name.n != 4 && e->name.n != 34)) {
        wr_fail(&c->w, KAPU_EARG);
        return;
    }
    c->name[c->names++] = e->name;
    wr_be32(&c->w, e->handle);
}

static void add_auth(struct tpm2_cmd *c, const struct tpm2_auth *auth)
{
    const struct tpm2_session *s = auth->session;

    if (c->auths == TPM2_AUTHS_MAX || auth->value.n > TPM2_VALUE_MAX)
        wr_fail(&c->w, KAPU_EARG);
    else if (s == NULL && auth->value.n > 0)
        wr_fail(&c->w, KAPU_EPLAIN);
    else if (s != NULL && (s->handle == 0 || s->broken || s->last || c->t->crypto == NULL))
        wr_fail(&c->w, KAPU_ESESSION);
    else
        c->auth[c->auths++] = *auth;
    if (c->w.err == 0)
        c->auth[c->auths - 1u].value = tpm2_strip(auth->value);
}

void tpm2_cmd_auth(struct tpm2_cmd *c, const struct tpm2_auth *auth)
{
    if (auth == NULL) {
        wr_fail(&c->w, KAPU_EARG);
        return;
    }
    add_auth(c, auth);
    c->authorising = c->auths;
}

void tpm2_cmd_params(struct tpm2_cmd *c, struct tpm2_session *protect)
{
    if (protect != NULL)
        add_auth(c, &(struct tpm2_auth){.session = protect});
    c->auth_at = c->w.at;
    if (c->auths > 0) {
        size_t n = tpm2_auth_area_size(c);

        wr_be32(&c->w, (uint32_t)n);
        while (n-- > 0)
            wr_u8(&c->w, 0);
    }
    c->param_at = c->w.at;
}

static void put_header(struct tpm2_cmd *c, size_t size)
{
    struct wr w;

    wr_init(&w, c->t->buf, TPM2_HEADER_N);
    wr_be16(&w, c->auths > 0 ? ST_SESSIONS : ST_NO_SESSIONS);
    wr_be32(&w, (uint32_t)size);
    wr_be32(&w, c->spec->code);
}

static bool is_busy(uint32_t rc)
{
    return rc == TPM2_RC_RETRY || rc == TPM2_RC_YIELDED || rc == TPM2_RC_TESTING ||
           rc == TPM2_RC_NV_RATE || rc == TPM2_RC_NV_UNAVAILABLE;
}

/* Sends once; the answer's header checked, c->r behind it. */
static int exchange_once(struct tpm2_cmd *c, size_t size)
{
    struct tpm2 *t = c->t;
    size_t n = 0;
    uint16_t tag;
    uint32_t said;
    int err;

    put_header(c, size);
    err = t->io.transceive(t->io.ctx, (struct bytes){t->buf, size}, t->buf, t->buf_n, &n);
    if (err != 0)
        return err;
    if (n < TPM2_HEADER_N || n > t->buf_n)
        return KAPU_EINVAL;
    rd_init(&c->r, (struct bytes){t->buf, n});
    tag = rd_be16(&c->r);
    said = rd_be32(&c->r);
    t->rc = rd_be32(&c->r);
    if (said != n)
        return KAPU_EINVAL;
    if (t->rc != TPM2_RC_SUCCESS)
        return n == TPM2_HEADER_N ? KAPU_ETPM : KAPU_EINVAL;
    if (tag == ST_NO_SESSIONS && c->auths > 0)
        return KAPU_ESTRIPPED;
    return tag == (c->auths > 0 ? ST_SESSIONS : ST_NO_SESSIONS) ? 0 : KAPU_EINVAL;
}

static int exchange(struct tpm2_cmd *c)
{
    const struct tpm2_transport *io = &c->t->io;
    size_t size = c->w.at;

    for (unsigned i = 0;; i++) {
        int err = exchange_once(c, size);

        /* A refusal is a header long: the rest of the command still stands in the buffer. */
        if (err != KAPU_ETPM || !is_busy(c->t->rc) || i == REPEATS_MAX)
            return err;
        if (io->pause_ms != NULL)
            io->pause_ms(io->ctx, REPEAT_PAUSE_MS);
    }
}

/* Splits the answer into handle, parameters and sessions; verifies and decrypts. */
static int open_answer(struct tpm2_cmd *c)
{
    struct bytes params;
    struct rd area;
    int err;

    if ((c->spec->flags & CMD_GIVES_HANDLE) != 0)
        c->gave_handle = rd_be32(&c->r);
    if (c->auths == 0)
        return c->r.err;
    params.n = rd_be32(&c->r);
    params = rd_bytes(&c->r, params.n);
    area = c->r;
    if (area.err != 0)
        return area.err;
    err = tpm2_sessions_open(c, params, &area);
    rd_init(&c->r, params);
    return err;
}

static bool is_keyed(const struct tpm2_cmd *c)
{
    for (unsigned i = 0; i < c->auths; i++) {
        if (c->auth[i].session != NULL && c->auth[i].session->keyed)
            return true;
    }
    return false;
}

int tpm2_cmd_run(struct tpm2_cmd *c)
{
    int err = c->w.err;

    c->t->rc = TPM2_RC_SUCCESS;
    if (err != 0)
        return err;
    if (c->secret && !is_keyed(c))
        return KAPU_EPLAIN;
    err = tpm2_sessions_seal(c);
    if (err != 0)
        return err;
    err = exchange(c);
    if (err == 0)
        err = open_answer(c);
    if (err != 0 && err != KAPU_ETPM)
        tpm2_sessions_break(c);
    return err;
}

int tpm2_cmd_end(struct tpm2_cmd *c, int err)
{
    if (err == 0)
        err = rd_end(&c->r);
    /* What was encrypted on the bus does not stay in the work buffer in clear. */
    if (err != 0 || is_keyed(c))
        kapu_wipe(c->t->buf, c->t->buf_n);
    return err;
}

int tpm2_cmd_finish(struct tpm2_cmd *c)
{
    return tpm2_cmd_end(c, tpm2_cmd_run(c));
}

uint32_t tpm2_rc_base(uint32_t rc)
{
    const uint32_t format_one = 1u << 7, format_one_mask = 0xbf;

    return (rc & format_one) != 0 ? rc & format_one_mask : rc;
}

struct tpm2_entity tpm2_entity_of(uint32_t handle)
{
    struct tpm2_entity e = {.handle = handle, .name = {.n = 4}};
    struct wr w;

    wr_init(&w, e.name.b, 4);
    wr_be32(&w, handle);
    return e;
}
