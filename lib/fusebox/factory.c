// SPDX-License-Identifier: Apache-2.0
/*
 * Provisioning. Everything before the last step can be cut: the next run begins by deleting what
 * this one left, which the open platform hierarchy allows whatever values were set meanwhile. The
 * board is provisioned when its record is written, which the caller does with what comes back.
 */
#include <string.h>

#include "internal.h"

struct work {
    struct fusebox_factory *y;
    struct fusebox_board *board;
    struct tpm2 *t;
    const struct kapu_sha256 *h;
    struct fusebox box; /* its session is salted by the endorsement key */
    struct tpm2_entity srk;
    uint8_t secret[FUSEBOX_SECRET_SIZE];
    struct bytes owner; /* value of the owner hierarchy: empty until it is set */
    uint8_t owner_value[32];
};

/* Authorised over the session: nothing secret travels in clear. */
static struct tpm2_auth with_value(struct work *k, struct bytes value)
{
    return (struct tpm2_auth){&k->box.session, value};
}

static struct tpm2_auth empty(struct work *k)
{
    return with_value(k, (struct bytes){NULL, 0});
}

static struct tpm2_auth owner(struct work *k)
{
    return with_value(k, k->owner);
}

static const struct tpm2_sensitive nothing = {{NULL, 0}, {NULL, 0}};

/* Deletes an index that the platform made, if it is there. */
static int forget_index(struct tpm2 *t, uint32_t index)
{
    struct tpm2_nv nv;
    int err = tpm2_nv_read_public(t, index, &nv);

    if (err == KAPU_ETPM && tpm2_rc_base(t->rc) == TPM2_RC_HANDLE)
        return 0;
    if (err == 0)
        err = tpm2_nv_undefine(t, TPM2_RH_PLATFORM, &TPM2_AUTH_CLEAR, &nv);
    return err;
}

static int step_forget(struct work *k)
{
    static const uint32_t ours[] = {FUSEBOX_NV_COUNTER, FUSEBOX_NV_BOOT_V1, FUSEBOX_NV_STORAGE,
                                    FUSEBOX_NV_STARTS,  FUSEBOX_NV_BOOT,    FUSEBOX_NV_RECORD,
                                    FUSEBOX_NV_WORDS};
    int err = 0;

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]) && err == 0; i++)
        err = forget_index(k->t, ours[i]);
    if (err == 0 && k->y->ek_certificate.n > 0)
        err = forget_index(k->t, FUSEBOX_NV_EK_CERTIFICATE);
    if (err == 0)
        err = tpm2_clear_control(k->t, TPM2_RH_PLATFORM, &TPM2_AUTH_CLEAR, false);
    return err == 0 ? tpm2_clear(k->t, TPM2_RH_PLATFORM, &TPM2_AUTH_CLEAR) : err;
}

static int step_ek(struct work *k)
{
    struct tpm2_public *pub = &k->box.ek_pub;
    struct tpm2_entity ek;
    int err;

    tpm2_template_ek(pub);
    err = tpm2_create_primary(k->t, TPM2_RH_ENDORSEMENT, &TPM2_AUTH_CLEAR, &nothing, pub, &ek);
    if (err == 0)
        err = tpm2_evict_control(k->t, TPM2_RH_OWNER, &TPM2_AUTH_CLEAR, &ek, FUSEBOX_EK);
    if (err == 0)
        err = tpm2_flush_context(k->t, ek.handle);
    k->board->ek = ek.name;
    return err;
}

/* Of a board that is provisioned: the endorsement key must be the pinned one. */
static int step_find_ek(struct work *k)
{
    return fusebox_init_salted(&k->box, k->t, k->board);
}

static int step_session(struct work *k)
{
    k->box.salted = true;
    return fusebox_session(&k->box);
}

static int step_secrets(struct work *k)
{
    const struct tpm2_crypto *c = k->t->crypto;

    if (c->random(c->ctx, k->board->pairing, sizeof(k->board->pairing)) != 0)
        return KAPU_ECRYPTO;
    return tpm2_get_random(k->t, &k->box.session, k->secret, sizeof(k->secret));
}

/* As the ROM does it, so that the root secret opens. */
static int step_authority(struct work *k)
{
    return tpm2_pcr_extend(k->t, FUSEBOX_PCR_AUTHORITY, &TPM2_AUTH_CLEAR, k->y->root_key_hash);
}

static int step_open(struct work *k)
{
    int err = fusebox_open_root(&k->box, k->secret);

    if (err == 0)
        err = fusebox_close_boot_phase(&k->box);
    if (err == 0)
        err = fusebox_derive(k->h, k->secret, FUSEBOX_LABEL_OWNER, k->owner_value);
    k->owner = BYTES_OF(k->owner_value);
    return err;
}

static int step_srk(struct work *k)
{
    const struct tpm2_auth auth = owner(k);
    struct tpm2_public pub;
    struct tpm2_entity made;
    int err;

    tpm2_template_srk(&pub);
    err = tpm2_create_primary(k->t, TPM2_RH_OWNER, &auth, &nothing, &pub, &made);
    if (err == 0)
        err = tpm2_evict_control(k->t, TPM2_RH_OWNER, &auth, &made, FUSEBOX_SRK);
    if (err == 0)
        err = tpm2_flush_context(k->t, made.handle);
    k->srk = (struct tpm2_entity){FUSEBOX_SRK, made.name};
    return err;
}

static int step_find_srk(struct work *k)
{
    struct tpm2_public pub;

    return tpm2_read_public(k->t, FUSEBOX_SRK, &pub, &k->srk);
}

/* An object under the storage root key, persistent at `handle`. `pub`: its template, then its
 * public area; `made`: its name. */
static int make_object(struct work *k, const struct tpm2_sensitive *sensitive,
                       struct tpm2_public *pub, uint32_t handle, struct tpm2_name *made)
{
    const struct tpm2_auth by_parent = empty(k), by_owner = owner(k);
    struct tpm2_entity object;
    uint8_t buf[512];
    struct wr blob;
    int err;

    wr_init(&blob, buf, sizeof(buf));
    err = tpm2_create(k->t, &k->srk, &by_parent, sensitive, pub, &blob);
    if (err == 0)
        err = tpm2_load(k->t, &k->srk, &by_parent, wr_done(&blob), NULL, &object);
    if (err == 0)
        err = tpm2_evict_control(k->t, TPM2_RH_OWNER, &by_owner, &object, handle);
    if (err == 0)
        err = tpm2_flush_context(k->t, object.handle);
    if (err == 0)
        *made = object.name;
    return err;
}

static int step_seal(struct work *k)
{
    uint8_t policy[32], value[32];
    const struct tpm2_sensitive secret = {BYTES_OF(value), BYTES_OF(k->secret)};
    struct tpm2_public pub;
    struct tpm2_name name;
    int err = fusebox_root_policy(k->h, k->y->root_key_hash, policy);

    if (err == 0)
        err = fusebox_board_value(k->h, k->board, FUSEBOX_ROOT, value);
    tpm2_template_sealed(&pub, policy, true);
    if (err == 0)
        err = make_object(k, &secret, &pub, FUSEBOX_ROOT, &name);
    kapu_wipe(value, sizeof(value));
    return err;
}

/* What an upgrade that was cut may have left. */
static int step_forget_ak(struct work *k)
{
    const struct tpm2_auth auth = owner(k);
    struct tpm2_public pub;
    struct tpm2_entity ak;
    int err = tpm2_read_public(k->t, FUSEBOX_AK, &pub, &ak);

    if (err == KAPU_ETPM && tpm2_rc_base(k->t->rc) == TPM2_RC_HANDLE)
        return 0;
    return err == 0 ? tpm2_evict_control(k->t, TPM2_RH_OWNER, &auth, &ak, FUSEBOX_AK) : err;
}

static int step_ak(struct work *k)
{
    uint8_t value[32];
    const struct tpm2_sensitive sensitive = {.auth = BYTES_OF(value)};
    int err = fusebox_derive(k->h, k->secret, FUSEBOX_LABEL_AK, value);

    tpm2_template_ak(&k->y->ak);
    if (err == 0)
        err = make_object(k, &sensitive, &k->y->ak, FUSEBOX_AK, &k->board->ak);
    kapu_wipe(value, sizeof(value));
    return err;
}

static int define(struct work *k, struct tpm2_nv *nv)
{
    const struct tpm2_auth auth = empty(k);
    uint8_t value[32];
    int err = fusebox_board_value(k->h, k->board, nv->index, value);

    nv->attributes &= ~TPM2_NVA_WRITTEN;
    if (err == 0)
        err = tpm2_nv_define(k->t, TPM2_RH_PLATFORM, &auth, nv, BYTES_OF(value));
    kapu_wipe(value, sizeof(value));
    return err;
}

/* A new counter starts wherever the TPM wants (Part 3, 31.7): its first value stands for 0. */
static int make_counter(struct work *k, uint32_t index, uint64_t *base)
{
    struct tpm2_nv nv = fusebox_nv_counter(index);
    const struct tpm2_auth by_owner = owner(k);
    struct tpm2_auth reader = empty(k);
    uint8_t value[32];
    int err = define(k, &nv);

    if (err == 0)
        err = tpm2_nv_increment(k->t, TPM2_RH_OWNER, &by_owner, &nv);
    if (err == 0)
        err = fusebox_board_value(k->h, k->board, index, value);
    reader.value = BYTES_OF(value);
    if (err == 0)
        err = tpm2_nv_read_counter(k->t, index, &reader, &nv, base);
    kapu_wipe(value, sizeof(value));
    return err;
}

static int step_counters(struct work *k)
{
    int err = make_counter(k, FUSEBOX_NV_COUNTER, &k->board->counter_base);

    return err == 0 ? make_counter(k, FUSEBOX_NV_STORAGE, &k->board->storage_base) : err;
}

static int step_starts(struct work *k)
{
    return make_counter(k, FUSEBOX_NV_STARTS, &k->board->starts_base);
}

/* What an upgrade that was cut may have left. */
static int step_forget_starts(struct work *k)
{
    return forget_index(k->t, FUSEBOX_NV_STARTS);
}

/* A board that was in use has begun its storage once. */
static int step_starts_so_far(struct work *k)
{
    int err = step_starts(k);

    if (err == 0)
        k->board->starts_base--;
    return err;
}

/* An index of the board, with what it holds first. */
static int make_index(struct work *k, uint32_t index, struct bytes b)
{
    struct tpm2_nv nv = fusebox_nv_board(index, (uint16_t)b.n);
    struct tpm2_auth writer = empty(k);
    uint8_t value[32];
    int err = define(k, &nv);

    if (err == 0)
        err = fusebox_board_value(k->h, k->board, nv.index, value);
    writer.value = BYTES_OF(value);
    if (err == 0)
        err = tpm2_nv_write(k->t, nv.index, &writer, &nv, 0, b);
    kapu_wipe(value, sizeof(value));
    return err;
}

static int make_state(struct work *k, const struct bootstate *s)
{
    uint8_t b[BOOTSTATE_SIZE];

    bootstate_encode(s, b);
    return make_index(k, FUSEBOX_NV_BOOT, BYTES_OF(b));
}

static int step_record(struct work *k)
{
    if (k->y->record.n != FUSEBOX_RECORD_SIZE)
        return KAPU_EARG;
    return make_index(k, FUSEBOX_NV_RECORD, k->y->record);
}

static int step_words(struct work *k)
{
    static const uint8_t none[FUSEBOX_WORDS_SIZE];

    return make_index(k, FUSEBOX_NV_WORDS, BYTES_OF(none));
}

/* What an upgrade that was cut may have left: nothing was written there yet. */
static int step_forget_notes(struct work *k)
{
    int err = forget_index(k->t, FUSEBOX_NV_RECORD);

    return err == 0 ? forget_index(k->t, FUSEBOX_NV_WORDS) : err;
}

static int step_state(struct work *k)
{
    struct bootstate first = {.slot = 0};

    memcpy(first.confirmed, k->y->release, sizeof(first.confirmed));
    return make_state(k, &first);
}

/* The old index goes when the new one has been written, so that a run that is cut finds one of
 * them. */
static int step_state_so_far(struct work *k)
{
    struct tpm2_nv old = fusebox_nv_board(FUSEBOX_NV_BOOT_V1, BOOTSTATE_V1_SIZE);
    struct tpm2_auth reader = empty(k);
    uint8_t value[32], b[BOOTSTATE_V1_SIZE];
    struct bootstate s;
    struct tpm2_nv is;
    int err = tpm2_nv_read_public(k->t, old.index, &is);

    if (err == KAPU_ETPM && tpm2_rc_base(k->t->rc) == TPM2_RC_HANDLE)
        return 0; /* an upgrade that was cut after this step */
    if (err == 0)
        err = fusebox_board_value(k->h, k->board, old.index, value);
    reader.value = BYTES_OF(value);
    if (err == 0)
        err = tpm2_nv_read(k->t, old.index, &reader, &old, 0, b, sizeof(b));
    kapu_wipe(value, sizeof(value));
    if (err == 0)
        err = bootstate_decode_v1(b, &s);
    if (err == 0)
        err = forget_index(k->t, FUSEBOX_NV_BOOT);
    if (err == 0)
        err = make_state(k, &s);
    return err == 0 ? forget_index(k->t, old.index) : err;
}

/* EK Credential Profile 2.5, 2.2.1.4: readable by anybody with the empty value. */
static int step_certificate(struct work *k)
{
    const struct tpm2_auth auth = empty(k);
    struct tpm2_nv nv = {
        .index = FUSEBOX_NV_EK_CERTIFICATE,
        .attributes = TPM2_NVA_PP_WRITE | TPM2_NVA_PP_READ | TPM2_NVA_OWNER_READ |
                      TPM2_NVA_AUTH_READ | TPM2_NVA_NO_DA | TPM2_NVA_PLATFORM_CREATE,
        .size = (uint16_t)k->y->ek_certificate.n,
    };
    int err;

    if (k->y->ek_certificate.n == 0)
        return 0;
    if (k->y->ek_certificate.n > FUSEBOX_CERTIFICATE_MAX)
        return KAPU_EARG;
    err = tpm2_nv_define(k->t, TPM2_RH_PLATFORM, &auth, &nv, (struct bytes){NULL, 0});
    if (err == 0)
        err = tpm2_nv_write(k->t, TPM2_RH_PLATFORM, &auth, &nv, 0, k->y->ek_certificate);
    return err;
}

static int step_hierarchies(struct work *k)
{
    static const struct {
        uint32_t hierarchy;
        const char *label;
    } row[] = {
        {TPM2_RH_ENDORSEMENT, FUSEBOX_LABEL_ENDORSEMENT},
        {TPM2_RH_LOCKOUT, FUSEBOX_LABEL_LOCKOUT},
        {TPM2_RH_OWNER, FUSEBOX_LABEL_OWNER},
    };
    struct tpm2_auth auth = empty(k);
    uint8_t value[32];
    /* Clearing by the lockout value is switched off: nothing but a new factory run may do it. */
    int err = tpm2_clear_control(k->t, TPM2_RH_LOCKOUT, &auth, true);

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]) && err == 0; i++) {
        err = fusebox_derive(k->h, k->secret, row[i].label, value);
        if (err == 0)
            err = tpm2_hierarchy_change_auth(k->t, row[i].hierarchy, &auth, BYTES_OF(value));
    }
    kapu_wipe(value, sizeof(value));
    return err;
}

static int step_end(struct work *k)
{
    int err = fusebox_session_end(&k->box, &k->box.session, 0);

    return err == 0 ? tpm2_shutdown(k->t, TPM2_SU_CLEAR) : err;
}

/* A new board, and one of an earlier release. */
enum when { NEW = 1, OLD = 2 };

static const struct {
    const char *name;
    int (*run)(struct work *k);
    unsigned int when;
} steps[] = {
    {"deleting what was there", step_forget, NEW},
    {"endorsement key", step_ek, NEW},
    {"endorsement key", step_find_ek, OLD},
    {"encrypted session", step_session, NEW | OLD},
    {"secrets", step_secrets, NEW},
    {"root key's measurement", step_authority, OLD},
    {"root secret", step_open, OLD},
    {"storage root key", step_srk, NEW},
    {"storage root key", step_find_srk, OLD},
    {"sealing the root secret", step_seal, NEW},
    {"attestation key of an upgrade before", step_forget_ak, OLD},
    {"attestation key", step_ak, NEW | OLD},
    {"counters", step_counters, NEW},
    {"storage starts of an upgrade before", step_forget_starts, OLD},
    {"storage starts", step_starts, NEW},
    {"storage starts", step_starts_so_far, OLD},
    {"boot state", step_state, NEW},
    {"boot state", step_state_so_far, OLD},
    {"notes of an upgrade before", step_forget_notes, OLD},
    {"update record", step_record, NEW | OLD},
    {"last words", step_words, NEW | OLD},
    {"endorsement certificate", step_certificate, NEW},
    {"hierarchies", step_hierarchies, NEW},
    {"end", step_end, NEW | OLD},
};

/* Starts a TPM that was just switched on; one that is running already is as good. */
static int begin(struct fusebox_factory *y)
{
    struct fusebox_health health;
    struct fusebox f;
    int err;

    y->at = "TPM";
    fusebox_init(&f, y->tpm, NULL);
    err = fusebox_start(&f);
    if (err == KAPU_ETPM && tpm2_rc_base(y->tpm->rc) == TPM2_RC_INITIALIZE)
        err = 0;
    if (err == 0)
        err = fusebox_health(&f, &health);
    if (err == 0 && !health.platform_on) {
        y->at = "platform hierarchy";
        err = KAPU_EINVAL;
    }
    return err;
}

int fusebox_factory_ek(struct fusebox_factory *y, struct tpm2_public *ek)
{
    struct tpm2_entity object;
    int err = begin(y);

    if (err != 0)
        return err;
    y->at = "endorsement key";
    err = tpm2_read_public(y->tpm, FUSEBOX_EK, ek, &object); /* of a run before, maybe cut */
    if (err != KAPU_ETPM || tpm2_rc_base(y->tpm->rc) != TPM2_RC_HANDLE)
        return err;
    tpm2_template_ek(ek);
    err = tpm2_create_primary(y->tpm, TPM2_RH_ENDORSEMENT, &TPM2_AUTH_CLEAR, &nothing, ek, &object);
    return err == 0 ? tpm2_flush_context(y->tpm, object.handle) : err;
}

static int run(struct fusebox_factory *y, struct fusebox_board *board, enum when when)
{
    struct work k = {.y = y, .board = board, .t = y->tpm, .h = &y->tpm->crypto->sha256};
    int err = begin(y);

    fusebox_init(&k.box, y->tpm, board);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && err == 0; i++) {
        if ((steps[i].when & when) == 0)
            continue;
        y->at = steps[i].name;
        if (y->progress != NULL)
            y->progress(y->ctx, steps[i].name);
        err = steps[i].run(&k);
    }
    kapu_wipe(&k, sizeof(k));
    return err;
}

int fusebox_factory_provision(struct fusebox_factory *y, struct fusebox_board *board)
{
    int err = run(y, board, NEW);

    if (err != 0)
        kapu_wipe(board->pairing, sizeof(board->pairing));
    return err;
}

int fusebox_factory_upgrade(struct fusebox_factory *y, struct fusebox_board *board)
{
    return run(y, board, OLD);
}
