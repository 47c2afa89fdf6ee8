// SPDX-License-Identifier: Apache-2.0
#include "sim_update.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kapu/update.h>

#include "crypto_openssl.h"

#define SHA (&crypto_openssl.sha256)
#define HARDWARE "simulated"
#define PRODUCT "gateway"
#define COUNTER 3u /* as soft_gateway says it */
#define BLOCKS 1000u
#define RESTART_MS 100u

struct slot {
    char version[RELEASE_VERSION_MAX + 1];
    char boots[RELEASE_VERSION_MAX + 1]; /* whose PCRs */
    uint8_t identity[32];
    uint32_t counter;
};

static struct {
    bool on;
    struct update u;
    struct update_self self;
    struct update_boot boot;
    struct update_refusals refused, told; /* in this boot */
    uint8_t first[UPDATE_ROLES][RELEASE_CONTENT_MAX];
    /* the TPM */
    uint8_t record[UPDATE_RECORD_SIZE];
    struct bootstate state;
    uint32_t counter;
    /* flash */
    struct slot slot[2];
    uint8_t written[32]; /* SHA-256 of the firmware in the slot that does not run */
    /* the writer */
    enum protocol_work work;
    enum update_answer answer;
    uint8_t release[32];
    uint64_t began_ms, takes_ms, restart_ms;
    uint8_t manifest[RELEASE_SIGNED_MAX], rollout[RELEASE_SIGNED_MAX];
    uint8_t release_set[RELEASE_CONTENT_MAX], rollout_set[RELEASE_CONTENT_MAX];
    size_t manifest_n, rollout_n, release_set_n, rollout_set_n;
    /* what a test wants */
    bool spoil;
    int answer_next, fail_next;
    char lie[16];
    struct evidence_software truth;
} s = {.takes_ms = 200, .answer_next = -1, .fail_next = -1};

static void need(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "sim_update: %s\n", what);
    abort();
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000U + (uint64_t)t.tv_nsec / 1000000U;
}

/* ---- the secure world's ports ---- */

static int read_record(void *ctx, uint8_t record[UPDATE_RECORD_SIZE])
{
    (void)ctx;
    memcpy(record, s.record, sizeof(s.record));
    return 0;
}

static int write_record(void *ctx, const uint8_t record[UPDATE_RECORD_SIZE])
{
    (void)ctx;
    memcpy(s.record, record, sizeof(s.record));
    return 0;
}

static int read_state(void *ctx, struct bootstate *state, uint32_t *counter)
{
    (void)ctx;
    *state = s.state;
    *counter = s.counter;
    return 0;
}

static int write_state(void *ctx, const struct bootstate *state)
{
    (void)ctx;
    s.state = *state;
    return 0;
}

static int confirm(void *ctx)
{
    (void)ctx;
    s.state = (struct bootstate){.slot = s.boot.slot};
    memcpy(s.state.confirmed, s.boot.identity, sizeof(s.state.confirmed));
    s.counter = s.slot[s.boot.slot].counter;
    return 0;
}

static int hash_slot(void *ctx, uint8_t slot, uint64_t n, uint8_t digest[32])
{
    (void)ctx;
    (void)n;
    need(slot != s.boot.slot, "the running slot is read");
    memcpy(digest, s.written, 32);
    return 0;
}

/* ---- boots ---- */

static struct evidence_refusals claim_of(const struct update_refusals *r)
{
    return (struct evidence_refusals){(enum evidence_attack)r->last, r->count, r->kinds};
}

static void tell_claims(struct soft_board *b)
{
    struct evidence_software *c = &b->g.claims.software;
    const struct slot *runs = &s.slot[s.boot.slot];

    c->slot = s.boot.slot;
    c->trial = s.u.stage == UPDATE_ON_TRIAL;
    c->tries = s.state.trial ? s.state.tries : 0;
    c->version = (struct bytes){(const uint8_t *)runs->version, strlen(runs->version)};
    c->counter_release = runs->counter;
    c->counter_tpm = s.counter;
    memcpy(c->identity, runs->identity, sizeof(c->identity));
    c->last_update = (enum evidence_update)s.u.record.last;
    c->last_update_reset = (enum evidence_reset)s.u.record.reset;
    c->refused = claim_of(&s.refused);
    c->told = claim_of(&s.told);
}

/* As the update TA has it done with what it answered, and with what Linux tells. */
static void note(struct soft_board *b, bool told)
{
    if (told ? update_is_told(s.answer) : update_is_attack(s.answer))
        update_refusals_add(told ? &s.told : &s.refused, s.answer);
    tell_claims(b);
}

static void open_it(struct soft_board *b)
{
    memcpy(s.boot.identity, s.slot[s.boot.slot].identity, sizeof(s.boot.identity));
    memcpy(s.boot.name, b->g.claims.software.boot_name, sizeof(s.boot.name));
    s.refused = s.told = (struct update_refusals){0};
    need(update_open(&s.u) == 0, "update_open");
    tell_claims(b);
}

/* As BL1 does it: a trial has its tries, and goes back when it fails. */
static void choose_slot(void)
{
    struct bootstate *t = &s.state;

    if (t->trial && (s.fail_next >= 0 || t->tries == 0)) {
        *t = (struct bootstate){.slot = (uint8_t)(1 - t->slot),
                                .gave_up = s.fail_next == UPDATE_REFUSED ? BOOTSTATE_GAVE_UP_REFUSED
                                                                         : BOOTSTATE_GAVE_UP_TRIES};
        memcpy(t->confirmed, s.slot[t->slot].identity, sizeof(t->confirmed));
        s.fail_next = -1;
    }
    s.boot.slot = t->slot;
    s.boot.trial = t->trial;
    if (t->trial)
        t->tries--;
}

static void restart(struct soft_board *b)
{
    choose_slot();
    soft_gateway_boot(&b->g, s.slot[s.boot.slot].boots);
    soft_board_reset(b);
    open_it(b);
    printf("boots %s%s\n", s.slot[s.boot.slot].version, s.boot.trial ? " on trial" : "");
    fflush(stdout);
}

static void read_set(const char *folder, const char *role, size_t i)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, role);
    f = fopen(path, "rb");
    need(f != NULL, path);
    s.self.first[i] = (struct bytes){s.first[i], fread(s.first[i], 1, sizeof(s.first[i]), f)};
    fclose(f);
}

static void begin(struct soft_board *b, const char *folder)
{
    static const struct update_record none;

    read_set(folder, "release", 0);
    read_set(folder, "rollout", 1);
    read_set(folder, "approval", 2);
    s.self.hardware = (struct bytes){(const uint8_t *)HARDWARE, strlen(HARDWARE)};
    s.self.product = (struct bytes){(const uint8_t *)PRODUCT, strlen(PRODUCT)};
    memcpy(s.self.ueid, b->g.claims.ueid, sizeof(s.self.ueid));
    update_record_encode(&none, s.record);
    s.counter = COUNTER;
    s.slot[0].counter = COUNTER;
    snprintf(s.slot[0].version, sizeof(s.slot[0].version), "%.*s",
             (int)b->g.claims.software.version.n, (const char *)b->g.claims.software.version.p);
    memcpy(s.slot[0].identity, b->g.claims.software.identity, sizeof(s.slot[0].identity));
    snprintf(s.slot[0].boots, sizeof(s.slot[0].boots), "a release");
    memcpy(s.state.confirmed, s.slot[0].identity, sizeof(s.state.confirmed));
    s.u = (struct update){.sha = SHA,
                          .verify = &evidence_openssl,
                          .port = {.read_record = read_record,
                                   .write_record = write_record,
                                   .read_state = read_state,
                                   .write_state = write_state,
                                   .confirm = confirm,
                                   .hash_slot = hash_slot},
                          .self = &s.self,
                          .boot = &s.boot};
    open_it(b);
    s.on = true;
}

/* ---- the writer ---- */

static void keep(struct bytes from, uint8_t *to, size_t *n)
{
    memcpy(to, from.p, from.n);
    *n = from.n;
}

static struct update_request kept(void)
{
    return (struct update_request){
        .keys = {{s.release_set, s.release_set_n}, {s.rollout_set, s.rollout_set_n}},
        .manifest = {s.manifest, s.manifest_n},
        .rollout = {s.rollout, s.rollout_n}};
}

/* What the manifest says, which the secure world will verify. */
static bool look_at_manifest(struct release_manifest *m, struct release_signed *file)
{
    static uint8_t work[RELEASE_SIGNED_MAX];

    return release_signed_decode(&release_manifest_kind, (struct bytes){s.manifest, s.manifest_n},
                                 file, work, sizeof(work)) == 0 &&
           release_manifest_decode(file->content, m, work, sizeof(work)) == 0 &&
           release_digest(SHA, file->content, s.release) == 0;
}

static void tell_key(struct bytes key)
{
    if (key.n == 0)
        return;
    printf("key ");
    for (size_t i = 0; i < key.n; i++)
        printf("%02x", key.p[i]);
    printf("\n");
    fflush(stdout);
}

static void install(struct soft_board *b, const struct protocol_request *q)
{
    struct release_manifest m;
    struct release_signed file;

    if (s.work == PROTOCOL_FETCHING || s.work == PROTOCOL_RESTARTING)
        return;
    keep(q->manifest, s.manifest, &s.manifest_n);
    keep(q->order, s.rollout, &s.rollout_n);
    keep(q->release_keys, s.release_set, &s.release_set_n);
    keep(q->keys, s.rollout_set, &s.rollout_set_n);
    tell_key(q->release_key);
    s.answer = UPDATE_DONE;
    if (!look_at_manifest(&m, &file) || s.answer_next >= 0) {
        s.answer =
            s.answer_next >= 0 ? (enum update_answer)s.answer_next : UPDATE_ARBITRARY_SOFTWARE;
        s.answer_next = -1;
        s.work = PROTOCOL_STOPPED;
        note(b, update_is_told(s.answer));
        return;
    }
    s.work = PROTOCOL_FETCHING;
    s.began_ms = now_ms();
}

/* All is fetched: it lies in the other slot, and the secure world is asked. */
static void ask(struct soft_board *b)
{
    struct release_manifest m;
    struct release_signed file;
    struct slot *to = &s.slot[1 - s.boot.slot];
    const struct update_request r = kept();

    need(look_at_manifest(&m, &file), "the manifest");
    memcpy(s.written, m.firmware.sha256, sizeof(s.written));
    s.written[0] ^= s.spoil;
    need(update_request(&s.u, &r, &s.answer) == 0, "update_request");
    note(b, false);
    s.work = s.answer == UPDATE_DONE ? PROTOCOL_RESTARTING : PROTOCOL_STOPPED;
    s.restart_ms = now_ms() + RESTART_MS;
    if (s.answer != UPDATE_DONE)
        return;
    *to = (struct slot){.counter = m.counter};
    snprintf(to->version, sizeof(to->version), "%.*s", (int)m.version.n, (const char *)m.version.p);
    memcpy(to->boots, to->version, sizeof(to->boots));
    memcpy(to->identity, m.identity, sizeof(to->identity));
    printf("rollout %llu\n", (unsigned long long)s.u.record.rollout);
    fflush(stdout);
}

static void halt(struct soft_board *b, const struct protocol_request *q)
{
    const struct update_request r = {.keys = {{NULL, 0}, q->keys}, .rollout = q->order};

    need(update_request(&s.u, &r, &s.answer) == 0, "a halt");
    note(b, false);
    printf("halt %s\n", update_answer_name(s.answer));
    fflush(stdout);
    if (s.answer != UPDATE_DONE)
        return;
    s.work = s.u.stage == UPDATE_OVER ? PROTOCOL_RESTARTING : PROTOCOL_RESTING;
    s.restart_ms = now_ms() + RESTART_MS;
}

static void approve(struct soft_board *b, const struct protocol_request *q)
{
    need(update_confirm(&s.u, b->g.monitor.alarms == 0, q->order, q->keys, &s.answer) == 0,
         "update_confirm");
    printf("approval ");
    for (size_t i = 0; i < 8; i++)
        printf("%02x", s.boot.name[i]);
    printf(" %s\n", update_answer_name(s.answer));
    fflush(stdout);
    note(b, false);
}

static void join(struct soft_board *b, const struct protocol_request *q)
{
    need(update_join(&s.u, q->order, q->keys, &s.answer) == 0, "update_join");
    note(b, false);
}

static uint32_t fetched(void)
{
    const uint64_t took = now_ms() - s.began_ms;

    if (s.work != PROTOCOL_FETCHING)
        return s.work == PROTOCOL_RESTARTING ? BLOCKS : 0;
    return took < s.takes_ms ? (uint32_t)(BLOCKS * took / s.takes_ms) : BLOCKS;
}

static void tell_state(struct protocol_update *u)
{
    *u = (struct protocol_update){.stage = (uint8_t)s.u.stage,
                                  .last = s.u.record.last,
                                  .reset = s.u.record.reset,
                                  .work = (uint8_t)s.work,
                                  .answer = (uint8_t)s.answer,
                                  .done = fetched(),
                                  .all = s.work == PROTOCOL_RESTING ? 0 : BLOCKS,
                                  .fetched = fetched() * 4096ull,
                                  .rollout = s.u.record.rollout,
                                  .memory_kib = 4096,
                                  .group = update_record_group(&s.u.record)};
    memcpy(u->release, s.release, sizeof(u->release));
    memcpy(u->boot, s.boot.name, sizeof(u->boot));
    if (s.answer != UPDATE_DONE)
        u->why = (struct bytes){(const uint8_t *)update_answer_says(s.answer),
                                strlen(update_answer_says(s.answer))};
}

bool sim_update_answer(struct soft_board *b, const struct protocol_request *q,
                       struct protocol_reply *r)
{
    if (!s.on || q->kind < PROTOCOL_UPDATE)
        return false;
    if (q->kind == PROTOCOL_INSTALL)
        install(b, q);
    else if (q->kind == PROTOCOL_HALT)
        halt(b, q);
    else if (q->kind == PROTOCOL_APPROVE)
        approve(b, q);
    else if (q->kind == PROTOCOL_JOIN)
        join(b, q);
    r->kind = PROTOCOL_UPDATE;
    tell_state(&r->update);
    return true;
}

void sim_update_turn(struct soft_board *b)
{
    if (!s.on)
        return;
    if (s.work == PROTOCOL_FETCHING && now_ms() >= s.began_ms + s.takes_ms)
        ask(b);
    if (s.work == PROTOCOL_RESTARTING && now_ms() >= s.restart_ms) {
        s.work = PROTOCOL_RESTING;
        restart(b);
    }
}

/* ---- what a test tells ---- */

void sim_update_lie(struct soft_board *b)
{
    struct evidence_software *c = &b->g.claims.software;

    s.truth = *c;
    if (strcmp(s.lie, "identity") == 0)
        c->identity[0] ^= 1;
    else if (strcmp(s.lie, "trial") == 0)
        c->trial = false;
    else if (strcmp(s.lie, "boot") == 0)
        c->boot_name[0] ^= 0x80;
}

void sim_update_be_true(struct soft_board *b)
{
    b->g.claims.software = s.truth;
}

bool sim_update_tell(struct soft_board *b, const char *words)
{
    char word[16], value[400] = "";

    if (sscanf(words, "update %15s %399s", word, value) < 1)
        return false;
    if (strcmp(word, "begin") == 0)
        begin(b, value);
    else if (strcmp(word, "takes") == 0)
        s.takes_ms = (uint64_t)atoi(value);
    else if (strcmp(word, "spoil") == 0)
        s.spoil = strcmp(value, "no") != 0;
    else if (strcmp(word, "answer") == 0)
        s.answer_next = atoi(value);
    else if (strcmp(word, "fail") == 0)
        s.fail_next = atoi(value);
    else if (strcmp(word, "lie") == 0)
        snprintf(s.lie, sizeof(s.lie), "%.15s", value);
    else if (strcmp(word, "power") == 0)
        restart(b);
    else
        return false;
    return true;
}
