// SPDX-License-Identifier: Apache-2.0
#include "fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TRIES 32u /* of judging, while other verifiers take evidence of the same gateway */

#define REFUSE(r, ...)                                                                             \
    verifier_reason((r), VERIFIER_IDENTITY, VERIFIER_CONTRAINDICATED, __VA_ARGS__)

uint64_t fleet_now_ms(const struct fleet *f)
{
    struct timespec t;

    if (f->now_ms != NULL)
        return f->now_ms(f->clock_ctx);
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int fleet_clock(const struct fleet *f, const struct store_state *state, struct store_clock *out)
{
    const bool judged = state != NULL && state->appraised;
    const uint64_t now = fleet_now_ms(f), asked = judged ? nonce_made_ms(state->sequence) : 0;
    int err = f->store->ops->clock(f->store, now, 0, out);

    /* The store keeps the time in steps; the last evidence of this gateway may be of later. */
    if (err == 0 && judged && nonce_epoch(state->sequence) == out->epoch && asked > now)
        err = f->store->ops->clock(f->store, now, asked, out);
    if (err == 0 && out->from_ms != 0 && f->set_back != NULL)
        f->set_back(out->from_ms, now);
    return err;
}

const char *fleet_span(uint64_t ms, char to[FLEET_SPAN])
{
    static const struct {
        uint64_t ms;
        const char *name;
    } unit[] = {{VERIFIER_DAY_MS, "days"}, {3600000, "hours"}, {60000, "minutes"}, {0, "seconds"}};
    uint64_t one;
    size_t i = 0;

    while (ms < 2 * unit[i].ms)
        i++;
    one = unit[i].ms > 0 ? unit[i].ms : 1000;
    snprintf(to, FLEET_SPAN, "%" PRIu64 " %s", (ms + one / 2) / one, unit[i].name);
    return to;
}

int fleet_nonce(const struct fleet *f, const struct store_state *state,
                const uint8_t ueid[EVIDENCE_UEID_SIZE], uint8_t nonce[EVIDENCE_NONCE_SIZE])
{
    struct store_clock clock;
    int err = fleet_clock(f, state, &clock);
    uint64_t made = fleet_now_ms(f);

    if (err != 0)
        return err;
    /* A clock that was set back by less than what clocks may differ: later all the same. */
    if (state != NULL && state->appraised && nonce_epoch(state->sequence) == clock.epoch &&
        nonce_made_ms(state->sequence) >= made)
        made = nonce_made_ms(state->sequence) + 1;
    return nonce_make(&f->key, ueid, clock.epoch, made, nonce);
}

int fleet_challenge(const struct fleet *f, const char *name, uint8_t nonce[EVIDENCE_NONCE_SIZE])
{
    struct store_state state;
    int err = f->store->ops->gateway_named(f->store, name, &state);

    if (err != 0)
        return err;
    return fleet_nonce(f, &state, state.gateway.ueid, nonce);
}

/* The nonce that the message must have is the one that it has, if it is one of ours: *good. */
static int judge_nonce(const struct fleet *f, const struct store_state *state, struct bytes message,
                       uint8_t nonce[EVIDENCE_NONCE_SIZE], struct verifier_result *r)
{
    struct store_clock clock;
    int err = verifier_nonce_of(message, nonce);

    if (err != 0)
        return err == KAPU_ESPACE ? err : 0; /* the appraisal says what is wrong with it */
    err = fleet_clock(f, state, &clock);
    if (err != 0)
        return err;
    err =
        nonce_check(&f->key, state->gateway.ueid, clock.epoch, fleet_now_ms(f), f->nonce_ms, nonce);
    if (err == KAPU_EAUTH)
        REFUSE(r, "it answers a nonce that was never made for this gateway");
    else if (err == KAPU_ESTALE)
        REFUSE(r, "it answers a nonce from before this verifier's clock was set back");
    else if (err == KAPU_ETIMEOUT)
        REFUSE(r, "it answers a nonce whose time is over");
    else if (err != 0)
        return err;
    else if (state->appraised && memcmp(nonce, state->sequence, NONCE_SEQUENCE) <= 0)
        REFUSE(r, "this evidence, or later one, was accepted before");
    return 0;
}

int fleet_starts(const struct fleet *f, const struct store_state *state, uint32_t *day)
{
    const uint64_t now = fleet_now_ms(f);

    return f->store->ops->starts(f->store, state->gateway.ueid,
                                 now > VERIFIER_DAY_MS ? now - VERIFIER_DAY_MS : 0, day);
}

static int judge(const struct fleet *f, const struct store_state *state, struct bytes message,
                 uint8_t nonce[EVIDENCE_NONCE_SIZE], struct verifier_result *r)
{
    const struct verifier_references refs = store_references(f->store);
    struct verifier_starts before = state->starts;
    struct verifier_request q = {
        .message = message,
        .nonce = nonce,
        .gateway = &state->gateway,
        .references = &refs,
        .policy = &f->policy,
        .before = &before,
        .now_ms = fleet_now_ms(f),
    };
    int err;

    memset(r, 0, sizeof(*r));
    memset(nonce, 0, EVIDENCE_NONCE_SIZE);
    err = judge_nonce(f, state, message, nonce, r);
    if (err == 0 && r->reasons == 0)
        err = fleet_starts(f, state, &before.day);
    if (err != 0 || r->reasons > 0)
        return err;
    q.asked_ms = nonce_made_ms(nonce);
    return verifier_appraise(&q, r);
}

int fleet_record(const struct fleet *f, const struct verifier_gateway *g,
                 const struct store_state *state, const uint8_t nonce[EVIDENCE_NONCE_SIZE],
                 const struct verifier_result *r, struct store_record *record, char **ear)
{
    size_t n = 0;
    FILE *to = open_memstream(ear, &n);

    if (to == NULL)
        return KAPU_ESPACE;
    *record = (struct store_record){.result = r, .at_ms = fleet_now_ms(f)};
    record->after = state != NULL && state->appraised ? state->sequence : NULL;
    memcpy(record->ueid, g->ueid, sizeof(record->ueid));
    memcpy(record->sequence, nonce, sizeof(record->sequence));
    verifier_print_ear(to, r, g->name, f->policy.name, record->at_ms / 1000);
    if (fclose(to) != 0 || *ear == NULL)
        return KAPU_ESPACE;
    record->ear = *ear;
    return 0;
}

static int keep(const struct fleet *f, const struct store_state *state,
                const uint8_t nonce[EVIDENCE_NONCE_SIZE], const struct verifier_result *r)
{
    struct store_record record;
    char *ear = NULL;
    int err = fleet_record(f, &state->gateway, state, nonce, r, &record, &ear);

    if (err == 0)
        err = f->store->ops->record(f->store, &record);
    free(ear);
    return err;
}

/* KAPU_ESTALE: another verifier took other evidence of this gateway meanwhile. */
static int answer(const struct fleet *f, const char *name, struct bytes message,
                  struct verifier_result *r)
{
    uint8_t nonce[EVIDENCE_NONCE_SIZE];
    struct store_state state;
    int err = f->store->ops->gateway_named(f->store, name, &state);

    if (err == 0)
        err = judge(f, &state, message, nonce, r);
    if (err == 0)
        err = keep(f, &state, nonce, r);
    if (err == KAPU_EREPLAY) { /* another verifier was faster with it */
        memset(r, 0, sizeof(*r));
        REFUSE(r, "this evidence, or later one, was accepted before");
        err = keep(f, &state, nonce, r);
    }
    return err;
}

int fleet_answer(const struct fleet *f, const char *name, struct bytes message,
                 struct verifier_result *r)
{
    int err = KAPU_ESTALE;

    for (unsigned i = 0; i < TRIES && err == KAPU_ESTALE; i++)
        err = answer(f, name, message, r);
    return err;
}

/* ---- the key ---- */

static int make_key(const char *path, struct nonce_key *key)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0 && RAND_bytes(key->b, sizeof(key->b)) == 1 &&
                write(fd, key->b, sizeof(key->b)) == (ssize_t)sizeof(key->b) && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return good ? 0 : -1;
}

static int read_key(int fd, const char *path, struct nonce_key *key, char *why, size_t why_n)
{
    struct stat s;
    uint8_t more;

    if (fstat(fd, &s) != 0 || (s.st_mode & 077) != 0) {
        snprintf(why, why_n, "%s: others than its owner can read it", path);
        return -1;
    }
    if (read(fd, key->b, sizeof(key->b)) != (ssize_t)sizeof(key->b) || read(fd, &more, 1) != 0) {
        snprintf(why, why_n, "%s: is not a fleet's key, which has %zu bytes", path, sizeof(key->b));
        return -1;
    }
    if (kapu_equal(key->b, (uint8_t[sizeof(key->b)]){0}, sizeof(key->b))) {
        snprintf(why, why_n, "%s: is all zeros: the key is lost, and anybody could guess this one",
                 path);
        return -1;
    }
    return 0;
}

int fleet_key_load(const char *path, bool make, struct nonce_key *key, char *why, size_t why_n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), err;

    if (fd < 0 && errno == ENOENT && make && make_key(path, key) == 0)
        return 0;
    if (fd < 0) {
        snprintf(why, why_n, "%s: %s", path, strerror(errno));
        return -1;
    }
    err = read_key(fd, path, key, why, why_n);
    close(fd);
    return err;
}

/* ---- trust ---- */

static const char *time_text(uint64_t ms, char *to, size_t n)
{
    const time_t s = (time_t)(ms / 1000);
    struct tm t;

    if (gmtime_r(&s, &t) == NULL || strftime(to, n, "%Y-%m-%dT%H:%M:%SZ", &t) == 0)
        snprintf(to, n, "an impossible time");
    return to;
}

void fleet_trust(const struct verifier_policy *p, const struct store_state *state, uint64_t now_ms,
                 struct trust_now *out)
{
    const uint64_t patience =
        (uint64_t)state->gateway.interval_s * 1000 * TRUST_PATIENCE_PERCENT / 100;
    char when[48], span[FLEET_SPAN], record[VERIFIER_REASON_TEXT];
    enum verifier_tier tier;
    const bool lacks = verifier_explain_record(p, &state->gateway, &tier, record, sizeof(record));

    out->trust = TRUST_NO;
    if (state->damaged != NULL)
        snprintf(out->text, sizeof(out->text),
                 "not trusted: its record in the store is damaged (%s): kapu forget, then kapu "
                 "enroll",
                 state->damaged);
    else if (!state->appraised)
        snprintf(out->text, sizeof(out->text), "not trusted: never judged, enrolled %s",
                 time_text(state->enrolled_ms, when, sizeof(when)));
    else if (state->appraised_ms > now_ms + NONCE_SKEW_MS)
        snprintf(out->text, sizeof(out->text),
                 "not trusted: judged when this machine's clock said %s, %s ahead of now: ask it "
                 "again (kapu attest)",
                 time_text(state->appraised_ms, when, sizeof(when)),
                 fleet_span(state->appraised_ms - now_ms, span));
    else if (state->set_back.from_ms != 0)
        snprintf(out->text, sizeof(out->text),
                 "not trusted: judged before this machine's clock was set back by %s, to %s: ask "
                 "it again (kapu attest)",
                 fleet_span(state->set_back.from_ms - state->set_back.to_ms, span),
                 time_text(state->set_back.to_ms, when, sizeof(when)));
    else if (now_ms > state->appraised_ms && now_ms - state->appraised_ms > patience)
        snprintf(out->text, sizeof(out->text), "not trusted: silent since %s (interval %u s)",
                 time_text(state->appraised_ms, when, sizeof(when)), state->gateway.interval_s);
    else if (lacks && tier == VERIFIER_CONTRAINDICATED)
        snprintf(out->text, sizeof(out->text), "not trusted: %s", record);
    else if (lacks && state->status == VERIFIER_AFFIRMING) {
        out->trust = TRUST_WARNED;
        snprintf(out->text, sizeof(out->text), "trusted with a warning: %s", record);
    } else if (state->status == VERIFIER_AFFIRMING) {
        out->trust = TRUST_YES;
        snprintf(out->text, sizeof(out->text), "trusted");
    } else if (state->status == VERIFIER_WARNING) {
        out->trust = TRUST_WARNED;
        snprintf(out->text, sizeof(out->text), "trusted with a warning: %s", state->reason);
    } else {
        snprintf(out->text, sizeof(out->text), "not trusted: %s", state->reason);
    }
}
