// SPDX-License-Identifier: Apache-2.0
/* The claims-set: what a token says. */
#include "internal.h"

#include <string.h>

#define CLAIMS 6
#define CLAIMS_ENROLMENT 9
#define SUBMODULES 4
#define SOFTWARE_ITEMS 8
#define MAP_MONITOR 0xa9u /* a map of MONITOR_ITEMS */
#define CNF_COSE_KEY 1    /* RFC 8747, 3.2 */
#define TRIES_MAX 255u
#define ATTACK(name) (UINT32_C(1) << EVIDENCE_ATTACK_##name)
#define ATTACKS_REFUSED (2 * ATTACK(REPLAYED_APPROVAL) - ATTACK(ROLLBACK))
#define ATTACKS_TOLD (ATTACK(ARBITRARY_SOFTWARE) | ATTACK(ENDLESS_DATA) | ATTACK(SLOW_RETRIEVAL))

const uint8_t evidence_pcr[EVIDENCE_PCRS] = {0, 7, 8, 9, 14};

static void put_boot(struct enc *e, const struct evidence_boot *b)
{
    QCBOREncode_OpenMap(&e->q);
    QCBOREncode_OpenMapInMapN(&e->q, LABEL_PCRS);
    for (size_t i = 0; i < EVIDENCE_PCRS; i++)
        QCBOREncode_AddBytesToMapN(&e->q, evidence_pcr[i], ub(BYTES_OF(b->pcr[i])));
    QCBOREncode_CloseMap(&e->q);
    QCBOREncode_AddBytesToMapN(&e->q, LABEL_LOG_DIGEST, ub(BYTES_OF(b->log_digest)));
    QCBOREncode_AddUInt64ToMapN(&e->q, LABEL_LOG_SIZE, b->log_size);
    QCBOREncode_AddBytesToMapN(&e->q, LABEL_BOARD, ub(BYTES_OF(b->board)));
    QCBOREncode_CloseMap(&e->q);
}

static void get_boot(struct dec *d, struct evidence_boot *b)
{
    (void)dec_text_map(d, TEXT("boot"), 4);
    (void)dec_map(d, LABEL_PCRS, EVIDENCE_PCRS);
    for (size_t i = 0; i < EVIDENCE_PCRS; i++)
        dec_fixed(d, evidence_pcr[i], b->pcr[i], sizeof(b->pcr[i]));
    dec_fixed(d, LABEL_LOG_DIGEST, b->log_digest, sizeof(b->log_digest));
    b->log_size = (uint32_t)dec_uint(d, LABEL_LOG_SIZE, EVIDENCE_LOG_MAX);
    dec_fixed(d, LABEL_BOARD, b->board, sizeof(b->board));
}

/* swversion (RFC 9711, 4.2.7) is an array of which only the version is used. */
static void put_version(struct enc *e, struct bytes version)
{
    if (version.n == 0)
        enc_fail(e, KAPU_EARG);
    QCBOREncode_OpenArrayInMapN(&e->q, LABEL_SWVERSION);
    enc_text(e, version, EVIDENCE_VERSION_MAX);
    QCBOREncode_CloseArray(&e->q);
}

static struct bytes get_version(struct dec *d)
{
    struct bytes version;

    (void)dec_array(d, LABEL_SWVERSION, 1);
    version = dec_text(d, NO_LABEL, EVIDENCE_VERSION_MAX);
    if (version.n == 0)
        dec_fail(d, KAPU_EINVAL);
    return version;
}

static bool is_update(const struct evidence_software *s)
{
    return s->last_update <= EVIDENCE_UPDATE_NEVER_BEGAN &&
           s->last_update_reset <= EVIDENCE_RESET_PANIC &&
           (s->last_update != EVIDENCE_UPDATE_NONE || s->last_update_reset == EVIDENCE_RESET_NONE);
}

static uint32_t kinds_of(const struct evidence_refusals *r)
{
    uint32_t n = 0;

    for (uint32_t left = r->kinds; left != 0; left &= left - 1)
        n++;
    return n;
}

static bool are_refusals(const struct evidence_refusals *r, uint32_t attacks)
{
    if (r->last == EVIDENCE_ATTACK_NONE)
        return r->count == 0 && r->kinds == 0;
    return (uint32_t)r->last < EVIDENCE_ATTACKS && (r->kinds >> (uint32_t)r->last & 1u) != 0 &&
           (r->kinds & ~attacks) == 0 && r->count >= kinds_of(r);
}

static void put_refusals(struct enc *e, const struct evidence_software *s)
{
    const uint32_t all[6] = {s->refused.last, s->refused.count, s->refused.kinds,
                             s->told.last,    s->told.count,    s->told.kinds};

    if (!are_refusals(&s->refused, ATTACKS_REFUSED) || !are_refusals(&s->told, ATTACKS_TOLD))
        enc_fail(e, KAPU_EARG);
    enc_uints(e, LABEL_REFUSALS, all, 6);
}

static void get_refusals(struct dec *d, struct evidence_software *s)
{
    uint32_t all[6];

    dec_uints(d, LABEL_REFUSALS, all, 6);
    s->refused = (struct evidence_refusals){(enum evidence_attack)all[0], all[1], all[2]};
    s->told = (struct evidence_refusals){(enum evidence_attack)all[3], all[4], all[5]};
}

static void put_software(struct enc *e, const struct evidence_software *s)
{
    const uint32_t counters[2] = {s->counter_release, s->counter_tpm};
    const uint32_t storage[2] = {s->storage_counter, s->storage_starts};
    const uint32_t update[2] = {s->last_update, s->last_update_reset};

    if (s->slot > 1 || !is_update(s))
        enc_fail(e, KAPU_EARG);
    QCBOREncode_OpenMap(&e->q);
    QCBOREncode_AddBytesToMapN(&e->q, LABEL_BOOTSEED, ub(BYTES_OF(s->boot_name)));
    put_version(e, s->version);
    enc_uints(e, LABEL_COUNTERS, counters, 2);
    QCBOREncode_OpenArrayInMapN(&e->q, LABEL_SLOT);
    QCBOREncode_AddUInt64(&e->q, s->slot);
    QCBOREncode_AddBool(&e->q, s->trial);
    QCBOREncode_AddUInt64(&e->q, s->tries);
    QCBOREncode_CloseArray(&e->q);
    enc_uints(e, LABEL_STORAGE, storage, 2);
    QCBOREncode_AddBytesToMapN(&e->q, LABEL_IDENTITY, ub(BYTES_OF(s->identity)));
    enc_uints(e, LABEL_UPDATE, update, 2);
    put_refusals(e, s);
    QCBOREncode_CloseMap(&e->q);
}

static void get_software(struct dec *d, struct evidence_software *s)
{
    uint32_t counters[2], storage[2], update[2];

    (void)dec_text_map(d, TEXT("software"), SOFTWARE_ITEMS);
    dec_fixed(d, LABEL_BOOTSEED, s->boot_name, sizeof(s->boot_name));
    s->version = get_version(d);
    dec_uints(d, LABEL_COUNTERS, counters, 2);
    s->counter_release = counters[0];
    s->counter_tpm = counters[1];
    (void)dec_array(d, LABEL_SLOT, 3);
    s->slot = (uint8_t)dec_uint(d, NO_LABEL, 1);
    s->trial = dec_bool(d, NO_LABEL);
    s->tries = (uint8_t)dec_uint(d, NO_LABEL, TRIES_MAX);
    dec_uints(d, LABEL_STORAGE, storage, 2);
    s->storage_counter = storage[0];
    s->storage_starts = storage[1];
    dec_fixed(d, LABEL_IDENTITY, s->identity, sizeof(s->identity));
    dec_uints(d, LABEL_UPDATE, update, 2);
    s->last_update = (enum evidence_update)update[0];
    s->last_update_reset = (enum evidence_reset)update[1];
    get_refusals(d, s);
}

static void put_label(struct enc *e, struct bytes name)
{
    QCBOREncode_AddText(&e->q, ub(name));
}

/* In the order of their encoded names: shorter ones first (RFC 8949, 4.2.1). */
static void put_submodules(struct enc *e, const struct evidence_claims *c)
{
    QCBOREncode_OpenMapInMapN(&e->q, LABEL_SUBMODS);
    put_label(e, TEXT("tee"));
    QCBOREncode_OpenMap(&e->q);
    put_version(e, c->tee);
    QCBOREncode_CloseMap(&e->q);
    put_label(e, TEXT("boot"));
    put_boot(e, &c->boot);
    put_label(e, TEXT("monitor"));
    if (c->monitor_encoded.n == 0 && c->monitor != NULL)
        put_monitor(e, c->monitor);
    else if (c->monitor_encoded.n == 0 || c->monitor_encoded.n > EVIDENCE_MONITOR_MAX ||
             c->monitor_encoded.p[0] != MAP_MONITOR)
        enc_fail(e, KAPU_EARG);
    else
        QCBOREncode_AddEncoded(&e->q, ub(c->monitor_encoded));
    put_label(e, TEXT("software"));
    put_software(e, &c->software);
    QCBOREncode_CloseMap(&e->q);
}

int evidence_claims_encode(const struct evidence_claims *c, struct wr *out)
{
    struct enc e;

    enc_begin(&e, out);
    if (c->dbgstat > EVIDENCE_DEBUG_DISABLED_FULLY || c->boot.log_size > EVIDENCE_LOG_MAX)
        enc_fail(&e, KAPU_EARG);
    QCBOREncode_OpenMap(&e.q);
    if (c->enrolment) {
        QCBOREncode_OpenMapInMapN(&e.q, LABEL_CNF);
        QCBOREncode_OpenMapInMapN(&e.q, CNF_COSE_KEY);
        put_key(&e, &c->key);
        QCBOREncode_CloseMap(&e.q);
        QCBOREncode_CloseMap(&e.q);
    }
    QCBOREncode_AddBytesToMapN(&e.q, LABEL_NONCE, ub(BYTES_OF(c->nonce)));
    QCBOREncode_AddBytesToMapN(&e.q, LABEL_UEID, ub(BYTES_OF(c->ueid)));
    QCBOREncode_AddBoolToMapN(&e.q, LABEL_OEMBOOT, c->oemboot);
    QCBOREncode_AddUInt64ToMapN(&e.q, LABEL_DBGSTAT, c->dbgstat);
    QCBOREncode_AddTextToMapN(&e.q, LABEL_PROFILE, ub(TEXT(EVIDENCE_PROFILE)));
    put_submodules(&e, c);
    if (c->enrolment) {
        QCBOREncode_AddBytesToMapN(&e.q, LABEL_TLS_KEY, ub(BYTES_OF(c->tls_key)));
        QCBOREncode_AddBytesToMapN(&e.q, LABEL_ACTIVATION, ub(BYTES_OF(c->activation)));
    }
    QCBOREncode_CloseMap(&e.q);
    return enc_end(&e);
}

static void get_submodules(struct dec *d, struct evidence_claims *c)
{
    (void)dec_map(d, LABEL_SUBMODS, SUBMODULES);
    (void)dec_text_map(d, TEXT("tee"), 1);
    c->tee = get_version(d);
    get_boot(d, &c->boot);
    (void)dec_text_map(d, TEXT("monitor"), MONITOR_ITEMS);
    get_monitor(d, c->monitor);
    get_software(d, &c->software);
}

/* The first claims, up to the nonce. */
static void get_head(struct dec *d, struct evidence_claims *c)
{
    c->enrolment = dec_map(d, NO_LABEL, -CLAIMS_ENROLMENT) == CLAIMS_ENROLMENT;
    if (c->enrolment) {
        (void)dec_map(d, LABEL_CNF, 1);
        (void)dec_map(d, CNF_COSE_KEY, KEY_ITEMS);
        get_key(d, &c->key);
    }
    dec_fixed(d, LABEL_NONCE, c->nonce, sizeof(c->nonce));
}

static void get_claims(struct dec *d, struct evidence_claims *c)
{
    get_head(d, c);
    dec_fixed(d, LABEL_UEID, c->ueid, sizeof(c->ueid));
    c->oemboot = dec_bool(d, LABEL_OEMBOOT);
    c->dbgstat = (enum evidence_debug)dec_uint(d, LABEL_DBGSTAT, EVIDENCE_DEBUG_DISABLED_FULLY);
    dec_this(d, LABEL_PROFILE, TEXT(EVIDENCE_PROFILE), KAPU_EUNSUPPORTED);
    get_submodules(d, c);
    if (c->enrolment) {
        dec_fixed(d, LABEL_TLS_KEY, c->tls_key, sizeof(c->tls_key));
        dec_fixed(d, LABEL_ACTIVATION, c->activation, sizeof(c->activation));
    }
}

int evidence_claims_decode(struct bytes in, struct evidence_claims *c, uint8_t *work, size_t work_n)
{
    struct evidence_monitor *monitor = c->monitor;
    struct dec d;
    struct wr w;
    int err = strict_begin(in, EVIDENCE_CLAIMS_MAX, &w, work, work_n);

    if (err != 0)
        return err;
    if (monitor == NULL)
        return KAPU_EARG;
    *c = (struct evidence_claims){.monitor = monitor};
    dec_begin(&d, in);
    get_claims(&d, c);
    err = dec_end(&d);
    if (err == 0 && evidence_claims_encode(c, &w) != 0)
        err = KAPU_EINVAL;
    return strict_end(in, err, &w);
}

int evidence_claims_nonce(struct bytes in, uint8_t nonce[EVIDENCE_NONCE_SIZE])
{
    struct evidence_claims c = {0};
    struct dec d;

    if (in.n > EVIDENCE_CLAIMS_MAX)
        return KAPU_ERANGE;
    dec_begin(&d, in);
    get_head(&d, &c);
    if (d.err == 0)
        memcpy(nonce, c.nonce, sizeof(c.nonce));
    return d.err;
}
