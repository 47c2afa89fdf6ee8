// SPDX-License-Identifier: Apache-2.0
#include "enrol.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl.h"

#define SHA (&crypto_openssl.sha256)
#define SECRET_SIZE 32u

/* What the hello says, checked: keys of one genuine TPM, if it knows them. */
struct identity {
    struct tpm2_public ek, ak;
    struct tpm2_name ek_name, ak_name;
    uint8_t ueid[EVIDENCE_UEID_SIZE];
};

static int refuse(char why[ENROL_WHY], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int refuse(char why[ENROL_WHY], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started on the line before */
    vsnprintf(why, ENROL_WHY, format, args);
    va_end(args);
    return KAPU_EAUTH;
}

/* ---- hello ---- */

static int read_public(struct bytes in, struct tpm2_public *pub)
{
    struct rd r;
    int err;

    rd_init(&r, in);
    err = tpm2_rd_public(&r, pub);
    return err != 0 ? err : rd_end(&r);
}

static uint8_t without_zeros(const uint8_t number[32])
{
    uint8_t n = 32;

    while (n > 1 && number[32 - n] == 0)
        n--;
    return n;
}

static int area_of(const struct tpm2_public *ek, char called[PROTOCOL_NAME_SIZE], struct wr *area)
{
    uint8_t ueid[EVIDENCE_UEID_SIZE];
    struct tpm2_name name;

    area->at = 0;
    tpm2_wr_public(area, ek);
    if (area->err != 0)
        return area->err;
    if (tpm2_public_name(SHA, ek, &name) != 0 ||
        evidence_ueid(SHA, (struct bytes){name.b, name.n}, ueid) != 0)
        return KAPU_ECRYPTO;
    protocol_name(ueid, called);
    return 0;
}

int enrol_ek_public(const struct evidence_key *key, const char *name,
                    char called[PROTOCOL_NAME_SIZE], struct wr *area)
{
    struct tpm2_public ek;
    int err = 0;

    tpm2_template_ek(&ek);
    memcpy(ek.x, key->x, sizeof(key->x));
    memcpy(ek.y, key->y, sizeof(key->y));
    for (unsigned i = 4; err == 0 && i-- > 0;) { /* the last is that with all bytes */
        ek.x_n = (i & 1) != 0 ? without_zeros(ek.x) : 32;
        ek.y_n = (i & 2) != 0 ? without_zeros(ek.y) : 32;
        err = area_of(&ek, called, area);
        if (err == 0 && strcmp(called, name) == 0)
            return 0;
    }
    return err == 0 ? KAPU_EPIN : err;
}

/* The EK must be what its certificate says, with the template of the EK Credential Profile: else it
 * could be one that gives a secret to others than its TPM. */
static int check_ek(const struct identity *id, const struct evidence_key *certified,
                    char why[ENROL_WHY])
{
    struct tpm2_public template;

    tpm2_template_ek(&template);
    if (id->ek.type != template.type || id->ek.attributes != template.attributes ||
        !id->ek.storage || id->ek.policy_n != template.policy_n ||
        memcmp(id->ek.policy, template.policy, sizeof(template.policy)) != 0)
        return refuse(why, "the endorsement key is not of the profile's template");
    if (memcmp(id->ek.x, certified->x, 32) != 0 || memcmp(id->ek.y, certified->y, 32) != 0)
        return refuse(why, "the endorsement key is another than that of its certificate");
    return 0;
}

/* A restricted key signs nothing that looks like the TPM's own statement but is not (Part
 * 1, 25.1.5); a fixed one that was made inside cannot be anywhere else. */
static int check_ak(const struct identity *id, char why[ENROL_WHY])
{
    static const struct {
        uint32_t attribute;
        bool set;
        const char *what;
    } row[] = {
        {TPM2_OA_RESTRICTED, true, "is not restricted: it would sign anything"},
        {TPM2_OA_SIGN, true, "cannot sign"},
        {TPM2_OA_DECRYPT, false, "can decrypt"},
        {TPM2_OA_FIXED_TPM, true, "can leave its TPM"},
        {TPM2_OA_FIXED_PARENT, true, "can be moved"},
        {TPM2_OA_SENSITIVE_DATA_ORIGIN, true, "was not made by its TPM"},
    };

    if (id->ak.type != TPM2_ALG_ECC || !id->ak.ecdsa || id->ak.storage)
        return refuse(why, "the attestation key is no ECDSA key on P-256 with SHA-256");
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        if (((id->ak.attributes & row[i].attribute) != 0) != row[i].set)
            return refuse(why, "the attestation key %s", row[i].what);
    }
    return 0;
}

static int check_hello(const struct fleet *f, const struct x509_roots *roots,
                       const struct enrol_hello *hello, struct identity *id, char why[ENROL_WHY])
{
    struct evidence_key certified;
    int err = x509_check_ek(roots, hello->ek_certificate, hello->intermediate, hello->intermediates,
                            fleet_now_ms(f) / 1000, &certified, why, ENROL_WHY);

    if (err != 0)
        return err;
    if (read_public(hello->ek_public, &id->ek) != 0)
        return refuse(why, "the endorsement key's public area is malformed, or of another kind");
    if (read_public(hello->ak_public, &id->ak) != 0)
        return refuse(why, "the attestation key's public area is malformed, or of another kind");
    err = check_ek(id, &certified, why);
    if (err == 0)
        err = check_ak(id, why);
    if (err == 0)
        err = tpm2_public_name(SHA, &id->ek, &id->ek_name);
    if (err == 0)
        err = tpm2_public_name(SHA, &id->ak, &id->ak_name);
    if (err == 0)
        err = evidence_ueid(SHA, (struct bytes){id->ek_name.b, id->ek_name.n}, id->ueid);
    return err;
}

/* ---- the board's record ---- */

static const char *uuid_text(const uint8_t id[EVIDENCE_BOARD_SIZE], char text[40])
{
    size_t at = 0;

    for (size_t i = 0; i < EVIDENCE_BOARD_SIZE; i++)
        at += (size_t)snprintf(text + at, 40 - at, "%s%02x",
                               i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
    return text;
}

/* `board`: what the evidence says which board it is; NULL: it has not come yet. *standing: whether
 * there is a record, which then fits. */
static int check_record(const struct fleet *f, const struct enrol_terms *terms,
                        const struct identity *id, const uint8_t *board,
                        enum verifier_record *standing, char why[ENROL_WHY])
{
    char says[40], is[40];
    struct store_board b;
    int err = f->store->ops->board_of_ueid(f->store, id->ueid, &b);

    *standing = VERIFIER_RECORD_NONE;
    if (err == KAPU_ENOENT && terms->without_record != NULL)
        return 0;
    if (err == KAPU_ENOENT)
        return refuse(why, "there is no record of this board: a genuine TPM is not a kapu board: "
                           "kapu board add FILE");
    if (err != 0)
        return err;
    if (id->ek_name.n != sizeof(b.record.ek) ||
        memcmp(id->ek_name.b, b.record.ek, sizeof(b.record.ek)) != 0)
        return refuse(why, "its endorsement key is another than that of its board record");
    if (id->ak_name.n != sizeof(b.record.ak) ||
        memcmp(id->ak_name.b, b.record.ak, sizeof(b.record.ak)) != 0)
        return refuse(why, "its attestation key is another than that of its board record: if the "
                           "board was at the factory, kapu board add its new record");
    if (board != NULL && memcmp(board, b.record.board, EVIDENCE_BOARD_SIZE) != 0)
        return refuse(why, "it says that it is board %s, but its TPM is on record with board %s",
                      uuid_text(board, says), uuid_text(b.record.board, is));
    *standing = VERIFIER_RECORD_GOOD;
    return 0;
}

/* ---- challenge ---- */

static int secret_of(const struct fleet *f, const struct identity *id,
                     const uint8_t nonce[EVIDENCE_NONCE_SIZE], uint8_t secret[SECRET_SIZE])
{
    const struct bytes part[] = {{nonce, EVIDENCE_NONCE_SIZE},
                                 {id->ek_name.b, id->ek_name.n},
                                 {id->ak_name.b, id->ak_name.n}};

    return nonce_derive(&f->key, "kapu enrolment secret", part, 3, secret);
}

/* Early, so that nobody works in vain; what counts is the store's answer at the end. */
static int check_known(const struct fleet *f, const struct enrol_terms *terms,
                       const struct identity *id, struct store_state *state, char why[ENROL_WHY])
{
    int err = f->store->ops->gateway_of_ueid(f->store, id->ueid, state);

    if (err == 0 && !terms->renew)
        return refuse(why, "this TPM is enrolled already, as '%s'", state->gateway.name);
    if (err == KAPU_ENOENT && terms->renew)
        return refuse(why, "this TPM is not enrolled: there is nothing to renew");
    return err == KAPU_ENOENT ? 0 : err;
}

int enrol_challenge(const struct fleet *f, const struct x509_roots *roots,
                    const struct enrol_terms *terms, const struct enrol_hello *hello,
                    struct enrol_challenge *c, char why[ENROL_WHY])
{
    enum verifier_record standing;
    struct store_state state;
    uint8_t secret[SECRET_SIZE];
    struct identity id = {0};
    struct wr blob, encrypted;
    int err = check_hello(f, roots, hello, &id, why);

    if (err == 0)
        err = check_known(f, terms, &id, &state, why);
    if (err == 0)
        err = check_record(f, terms, &id, NULL, &standing, why);
    if (err == 0)
        err = fleet_nonce(f, terms->renew ? &state : NULL, id.ueid, c->nonce);
    if (err == 0)
        err = secret_of(f, &id, c->nonce, secret);
    wr_init(&blob, c->blob, sizeof(c->blob));
    wr_init(&encrypted, c->secret, sizeof(c->secret));
    if (err == 0)
        err = tpm2_make_credential(&crypto_openssl, &id.ek, &id.ak_name, BYTES_OF(secret), &blob,
                                   &encrypted);
    c->blob_n = blob.at;
    c->secret_n = encrypted.at;
    kapu_wipe(secret, sizeof(secret));
    return err;
}

/* ---- answer ---- */

static bool name_is_good(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "._-";
    size_t n = strlen(name);

    return n > 0 && n < VERIFIER_NAME_MAX && strspn(name, allowed) == n &&
           strchr("._-", name[0]) == NULL;
}

/* The claims of a message of which nothing is known yet. */
static int read_claims(struct bytes message, struct evidence_claims *c, char why[ENROL_WHY])
{
    uint8_t *work = malloc(EVIDENCE_MESSAGE_MAX);
    struct evidence_message m;
    struct evidence_token t;
    int err = KAPU_ESPACE;

    if (work != NULL) {
        err = evidence_message_decode(message, &m, work, EVIDENCE_MESSAGE_MAX);
        if (err == 0)
            err = evidence_token_decode(m.token, &t, work, EVIDENCE_MESSAGE_MAX);
        if (err == 0)
            err = evidence_claims_decode(t.payload, c, work, EVIDENCE_MESSAGE_MAX);
        if (err != 0)
            err = refuse(why, "the answer is malformed");
        else if (!c->enrolment)
            err = refuse(why, "the answer is evidence, but not for an enrolment");
    }
    free(work);
    return err;
}

static int check_nonce(const struct fleet *f, const struct identity *id,
                       const struct evidence_claims *c, char why[ENROL_WHY])
{
    struct store_clock clock;
    int err = fleet_clock(f, NULL, &clock);

    if (err == 0)
        err = nonce_check(&f->key, id->ueid, clock.epoch, fleet_now_ms(f), f->nonce_ms, c->nonce);
    if (err == KAPU_EAUTH)
        return refuse(why, "it answers a challenge that was never made for this TPM");
    if (err == KAPU_ETIMEOUT)
        return refuse(why, "it answers a challenge whose time is over");
    if (err == KAPU_ESTALE)
        return refuse(why, "it answers a challenge from before this verifier's clock was set back: "
                           "do this again");
    return err;
}

/* The secret came out of the TPM, into the hands of the TEE key's holder, for this TLS key. */
static int check_activation(const struct fleet *f, const struct identity *id,
                            const struct evidence_claims *c, struct bytes tls_spki,
                            char why[ENROL_WHY])
{
    uint8_t secret[SECRET_SIZE], mac[32], tls[32];
    int err;

    if (!x509_is_p256(tls_spki))
        return refuse(why, "the TLS key is not on P-256");
    if (SHA->hash(SHA->ctx, &tls_spki, 1, tls) != 0)
        return KAPU_ECRYPTO;
    if (!kapu_equal(tls, c->tls_key, sizeof(tls)))
        return refuse(why, "the TLS key is another than the one that the evidence names");
    err = secret_of(f, id, c->nonce, secret);
    if (err == 0)
        err = evidence_activation(SHA, secret, c->nonce, &c->key, tls, mac);
    if (err == 0 && !kapu_equal(mac, c->activation, sizeof(mac)))
        err = refuse(why, "the TPM has not opened the challenge for this attestation key, TEE key "
                          "and TLS key");
    kapu_wipe(secret, sizeof(secret));
    kapu_wipe(mac, sizeof(mac));
    return err;
}

static int appraise(const struct fleet *f, const struct verifier_gateway *g,
                    const struct evidence_claims *c, struct bytes message,
                    struct verifier_result *r, char why[ENROL_WHY])
{
    const struct verifier_references refs = store_references(f->store);
    const struct verifier_request q = {.message = message,
                                       .nonce = c->nonce,
                                       .gateway = g,
                                       .references = &refs,
                                       .policy = &f->policy,
                                       .now_ms = fleet_now_ms(f)};
    int err = verifier_appraise(&q, r);

    if (err != 0)
        return err;
    if (r->status != VERIFIER_AFFIRMING && r->status != VERIFIER_WARNING)
        return refuse(why, "its evidence is %s: %s", verifier_tier_name(r->status),
                      r->reasons > 0 ? r->reason[0].text : "nothing is known");
    return 0;
}

static const char *what_is_audited(const struct enrol_terms *terms,
                                   const struct verifier_gateway *g)
{
    if (g->record != VERIFIER_RECORD_GOOD)
        return terms->renew ? "renewed without a board record" : "enrolled without a board record";
    return terms->renew ? "renewed" : NULL;
}

/* The gateway, with the verdict as its first one, or the first with its new keys. */
static int add(const struct fleet *f, const struct enrol_terms *terms,
               const struct store_state *state, const struct verifier_gateway *g,
               const struct verifier_result *r, char why[ENROL_WHY])
{
    struct store *store = f->store;
    const struct store_audit audit = {.at_ms = fleet_now_ms(f),
                                      .user = terms->user != NULL ? terms->user : "",
                                      .what = what_is_audited(terms, g),
                                      .subject = g->name,
                                      .why = g->without_record};
    const struct store_audit *audited = audit.what != NULL ? &audit : NULL;
    const char *taken = "identity";
    struct store_record first;
    char *ear = NULL;
    int err = fleet_record(f, g, terms->renew ? state : NULL, r->nonce, r, &first, &ear);

    if (err == 0 && terms->renew)
        err = store->ops->gateway_renew(store, g, &first, audited, &taken);
    else if (err == 0)
        err = store->ops->gateway_add(store, g, first.at_ms, &first, audited, &taken);
    if (err == KAPU_EPIN)
        err = refuse(why, "its %s belongs to another gateway that is enrolled", taken);
    else if (err == KAPU_EREPLAY || err == KAPU_ESTALE)
        err = refuse(why, "other evidence of it was judged meanwhile: do this again");
    free(ear);
    return err;
}

static void fill_in(const struct identity *id, const struct enrol_terms *terms,
                    const struct enrol_answer *a, const struct evidence_claims *c,
                    enum verifier_record standing, struct verifier_gateway *g)
{
    *g = (struct verifier_gateway){.tee = c->key,
                                   .interval_s = a->interval_s,
                                   .storage_starts = c->software.storage_starts,
                                   .record = standing};
    snprintf(g->name, sizeof(g->name), "%s", a->name);
    memcpy(g->ueid, id->ueid, sizeof(g->ueid));
    memcpy(g->board, c->boot.board, sizeof(g->board));
    memcpy(g->ak.x, id->ak.x, 32);
    memcpy(g->ak.y, id->ak.y, 32);
    memcpy(g->ak_name, id->ak_name.b, sizeof(g->ak_name));
    memcpy(g->tls_key, c->tls_key, sizeof(g->tls_key));
    if (standing == VERIFIER_RECORD_NONE && terms->without_record != NULL)
        snprintf(g->without_record, sizeof(g->without_record), "%s", terms->without_record);
}

static int check_answer(const struct fleet *f, const struct enrol_terms *terms,
                        const struct identity *id, const struct enrol_answer *a,
                        struct verifier_gateway *g, struct verifier_result *r, char why[ENROL_WHY])
{
    struct evidence_monitor *monitor = malloc(sizeof(*monitor));
    struct evidence_claims c = {.monitor = monitor};
    enum verifier_record standing = VERIFIER_RECORD_NONE;
    int err = monitor == NULL ? KAPU_ESPACE : read_claims(a->message, &c, why);

    if (err == 0)
        err = check_nonce(f, id, &c, why);
    if (err == 0)
        err = check_activation(f, id, &c, a->tls_spki, why);
    if (err == 0)
        err = check_record(f, terms, id, c.boot.board, &standing, why);
    if (err == 0)
        fill_in(id, terms, a, &c, standing, g);
    if (err == 0)
        err = appraise(f, g, &c, a->message, r, why);
    free(monitor);
    return err;
}

int enrol_finish(const struct fleet *f, const struct x509_roots *roots, const struct x509_ca *ca,
                 uint32_t days, const struct enrol_terms *terms, const struct enrol_hello *hello,
                 const struct enrol_answer *a, struct verifier_result *r, struct wr *certificate,
                 char why[ENROL_WHY])
{
    struct store_state state = {.appraised = false};
    struct verifier_gateway g;
    struct identity id = {0};
    int err;

    memset(r, 0, sizeof(*r));
    if (!name_is_good(a->name) || a->interval_s == 0)
        return refuse(why, "'%s' cannot be a gateway's name, or the interval is none", a->name);
    err = check_hello(f, roots, hello, &id, why);
    if (err == 0)
        err = check_known(f, terms, &id, &state, why);
    if (err == 0)
        err = check_answer(f, terms, &id, a, &g, r, why);
    if (err == 0)
        err = x509_issue(ca, a->name, a->tls_spki, fleet_now_ms(f) / 1000, days, certificate);
    if (err == 0)
        err = add(f, terms, &state, &g, r, why);
    if (err != 0)
        certificate->at = 0;
    return err;
}
