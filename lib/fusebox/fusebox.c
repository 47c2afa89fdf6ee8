// SPDX-License-Identifier: Apache-2.0
/* Objects of the fuse box, and what every world does with them. */
#include <string.h>

#include "internal.h"

#define COUNTER_SIZE 8u

void fusebox_init(struct fusebox *f, struct tpm2 *tpm, const struct fusebox_board *board)
{
    memset(f, 0, sizeof(*f));
    f->tpm = tpm;
    f->board = board;
    f->at = "TPM";
}

int fusebox_init_salted(struct fusebox *f, struct tpm2 *tpm, const struct fusebox_board *board)
{
    struct tpm2_entity ek;
    int err;

    fusebox_init(f, tpm, board);
    f->at = "endorsement key";
    f->salted = true;
    err = tpm2_read_public(tpm, FUSEBOX_EK, &f->ek_pub, &ek);
    if (err == 0 && !tpm2_name_equal(&ek.name, &board->ek))
        err = KAPU_EPIN;
    return err;
}

int fusebox_session(struct fusebox *f)
{
    const struct tpm2_salt salt = {FUSEBOX_EK, &f->ek_pub, &f->board->ek};

    if (f->session.handle != 0)
        return 0;
    return tpm2_session_start(f->tpm, &f->session, TPM2_SESSION_HMAC, f->salted ? &salt : NULL,
                              NULL);
}

/* Only a reset of the TPM, or somebody else on its bus, ends a kept session. */
static bool is_lost(const struct fusebox *f, int err)
{
    return f->salted && err == KAPU_ETPM &&
           (f->tpm->rc == TPM2_RC_INITIALIZE ||
            (f->tpm->rc >= TPM2_RC_REFERENCE_S0 && f->tpm->rc <= TPM2_RC_REFERENCE_S6));
}

int fusebox_session_done(struct fusebox *f, int err)
{
    f->lost = f->lost || is_lost(f, err);
    return f->salted && err == 0 ? 0 : fusebox_session_end(f, &f->session, err);
}

int fusebox_session_end(struct fusebox *f, struct tpm2_session *s, int err)
{
    uint32_t rc = f->tpm->rc;
    int end = s->handle != 0 ? tpm2_session_end(f->tpm, s) : 0;

    if (err == 0)
        return end;
    f->tpm->rc = rc;
    return err;
}

struct tpm2_nv fusebox_nv_counter(uint32_t index)
{
    return (struct tpm2_nv){
        .index = index,
        .attributes = TPM2_NVA_OWNER_WRITE | TPM2_NVA_COUNTER | TPM2_NVA_AUTH_READ |
                      TPM2_NVA_NO_DA | TPM2_NVA_PLATFORM_CREATE | TPM2_NVA_WRITTEN,
        .size = COUNTER_SIZE,
    };
}

struct tpm2_nv fusebox_nv_board(uint32_t index, uint16_t size)
{
    return (struct tpm2_nv){
        .index = index,
        .attributes = TPM2_NVA_AUTH_WRITE | TPM2_NVA_AUTH_READ | TPM2_NVA_NO_DA |
                      TPM2_NVA_PLATFORM_CREATE | TPM2_NVA_WRITTEN,
        .size = size,
    };
}

int fusebox_board_value(const struct kapu_sha256 *h, const struct fusebox_board *board,
                        uint32_t handle, uint8_t value[32])
{
    uint8_t context[4];
    struct wr w;

    wr_init(&w, context, sizeof(context));
    wr_be32(&w, handle);
    return tpm2_kdfa(h, BYTES_OF(board->pairing), "kapu board", BYTES_OF(context),
                     (struct bytes){NULL, 0}, value, 32);
}

int fusebox_derive(const struct kapu_sha256 *h, const uint8_t root[FUSEBOX_SECRET_SIZE],
                   const char *label, uint8_t out[FUSEBOX_SECRET_SIZE])
{
    const struct bytes none = {NULL, 0};

    return tpm2_kdfa(h, (struct bytes){root, FUSEBOX_SECRET_SIZE}, label, none, none, out,
                     FUSEBOX_SECRET_SIZE);
}

int fusebox_cap_digest(const struct kapu_sha256 *h, uint8_t digest[32])
{
    static const uint8_t separator[4] = {0};
    const struct bytes part = BYTES_OF(separator);

    return h->hash(h->ctx, &part, 1, digest) == 0 ? 0 : KAPU_ECRYPTO;
}

int fusebox_health(struct fusebox *f, struct fusebox_health *h)
{
    uint32_t permanent, startup;
    int err;

    f->at = "TPM";
    err = tpm2_get_property(f->tpm, TPM2_UNPROTECTED, TPM2_PT_PERMANENT, &permanent);
    if (err == 0)
        err = tpm2_get_property(f->tpm, TPM2_UNPROTECTED, TPM2_PT_STARTUP_CLEAR, &startup);
    if (err != 0)
        return err;
    h->locked_out = (permanent & TPM2_PERMANENT_IN_LOCKOUT) != 0;
    h->owner_set = (permanent & TPM2_PERMANENT_OWNER_SET) != 0;
    h->platform_on = (startup & TPM2_STARTUP_PH_ENABLE) != 0;
    return 0;
}

int fusebox_start(struct fusebox *f)
{
    f->at = "TPM";
    return tpm2_startup(f->tpm, TPM2_SU_CLEAR);
}

/* An index with the board's value, through one session. `nv` is what it must be. */
struct index {
    struct tpm2_nv nv;
    uint8_t value[32];
    struct tpm2_auth auth;
};

/*
 * What the TPM says of the index only serves to tell a person more than "wrong MAC": the name that
 * goes into the MACs is computed from what the index must be.
 */
static int index_open(struct fusebox *f, struct index *x, struct tpm2_nv nv, const char *what)
{
    struct tpm2_nv is;
    int err;

    f->at = what;
    memset(x, 0, sizeof(*x));
    x->nv = nv;
    err = tpm2_nv_read_public(f->tpm, nv.index, &is);
    if (err == 0)
        err = tpm2_nv_check(&is, &nv);
    if (err == 0 && (is.attributes & TPM2_NVA_WRITTEN) == 0)
        err = KAPU_ENOENT;
    if (err == 0)
        err = fusebox_board_value(&f->tpm->crypto->sha256, f->board, nv.index, x->value);
    if (err == 0)
        err = fusebox_session(f);
    x->auth = (struct tpm2_auth){&f->session, BYTES_OF(x->value)};
    return err;
}

static int index_close(struct fusebox *f, struct index *x, int err)
{
    kapu_wipe(x->value, sizeof(x->value));
    return fusebox_session_done(f, err);
}

static const struct {
    uint32_t index;
    const char *name;
} counters[] = {
    [FUSEBOX_SECURITY] = {FUSEBOX_NV_COUNTER, "security counter"},
    [FUSEBOX_STORAGE] = {FUSEBOX_NV_STORAGE, "storage counter"},
    [FUSEBOX_STARTS] = {FUSEBOX_NV_STARTS, "storage starts"},
};

uint32_t fusebox_counter_index(enum fusebox_counter which)
{
    return counters[which].index;
}

static uint64_t counter_base(const struct fusebox_board *board, enum fusebox_counter which)
{
    const uint64_t base[] = {[FUSEBOX_SECURITY] = board->counter_base,
                             [FUSEBOX_STORAGE] = board->storage_base,
                             [FUSEBOX_STARTS] = board->starts_base};

    return base[which];
}

int fusebox_read_counter(struct fusebox *f, enum fusebox_counter which, uint32_t *value)
{
    uint64_t base = counter_base(f->board, which), raw = 0;
    struct index x;
    int err = index_open(f, &x, fusebox_nv_counter(counters[which].index), counters[which].name);

    if (err == 0)
        err = tpm2_nv_read_counter(f->tpm, x.nv.index, &x.auth, &x.nv, &raw);
    err = index_close(f, &x, err);
    if (err == 0 && (raw < base || raw - base > UINT32_MAX))
        err = KAPU_ERANGE;
    if (err == 0)
        *value = (uint32_t)(raw - base);
    return err;
}

static int read_index(struct fusebox *f, struct tpm2_nv nv, const char *what, uint8_t *to)
{
    struct index x;
    int err = index_open(f, &x, nv, what);

    if (err == 0)
        err = tpm2_nv_read(f->tpm, x.nv.index, &x.auth, &x.nv, 0, to, nv.size);
    return index_close(f, &x, err);
}

/* Only another value is written. `is`: work memory of nv.size bytes. */
static int write_index(struct fusebox *f, struct tpm2_nv nv, const char *what, const uint8_t *from,
                       uint8_t *is)
{
    struct index x;
    int err = index_open(f, &x, nv, what);

    if (err == 0)
        err = tpm2_nv_read(f->tpm, x.nv.index, &x.auth, &x.nv, 0, is, nv.size);
    if (err == 0 && memcmp(from, is, nv.size) != 0)
        err = tpm2_nv_write(f->tpm, x.nv.index, &x.auth, &x.nv, 0, (struct bytes){from, nv.size});
    return index_close(f, &x, err);
}

static struct tpm2_nv boot_index(void)
{
    return fusebox_nv_board(FUSEBOX_NV_BOOT, BOOTSTATE_SIZE);
}

int fusebox_read(struct fusebox *f, uint32_t *counter, struct bootstate *state)
{
    uint8_t b[BOOTSTATE_SIZE];
    int err = fusebox_read_counter(f, FUSEBOX_SECURITY, counter);

    if (err == 0)
        err = read_index(f, boot_index(), "boot state", b);
    return err == 0 ? bootstate_decode(b, state) : err;
}

int fusebox_write_state(struct fusebox *f, const struct bootstate *state)
{
    uint8_t b[BOOTSTATE_SIZE], is[BOOTSTATE_SIZE];

    bootstate_encode(state, b);
    return write_index(f, boot_index(), "boot state", b, is);
}

int fusebox_read_record(struct fusebox *f, uint8_t record[FUSEBOX_RECORD_SIZE])
{
    return read_index(f, fusebox_nv_board(FUSEBOX_NV_RECORD, FUSEBOX_RECORD_SIZE), "update record",
                      record);
}

int fusebox_write_record(struct fusebox *f, const uint8_t record[FUSEBOX_RECORD_SIZE])
{
    uint8_t is[FUSEBOX_RECORD_SIZE];

    return write_index(f, fusebox_nv_board(FUSEBOX_NV_RECORD, FUSEBOX_RECORD_SIZE), "update record",
                       record, is);
}

int fusebox_read_words(struct fusebox *f, uint8_t words[FUSEBOX_WORDS_SIZE])
{
    return read_index(f, fusebox_nv_board(FUSEBOX_NV_WORDS, FUSEBOX_WORDS_SIZE), "last words",
                      words);
}

int fusebox_write_words(struct fusebox *f, const uint8_t words[FUSEBOX_WORDS_SIZE])
{
    uint8_t is[FUSEBOX_WORDS_SIZE];

    return write_index(f, fusebox_nv_board(FUSEBOX_NV_WORDS, FUSEBOX_WORDS_SIZE), "last words",
                       words, is);
}

int fusebox_close_platform(struct fusebox *f)
{
    f->at = "platform hierarchy";
    return tpm2_hierarchy_control(f->tpm, TPM2_RH_PLATFORM, &TPM2_AUTH_CLEAR, TPM2_RH_PLATFORM,
                                  false);
}
