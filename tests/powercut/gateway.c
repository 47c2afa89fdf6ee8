// SPDX-License-Identifier: Apache-2.0
#include "gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kapu/install_code.h>

#include "crypto_openssl.h"

#define SHA (&crypto_openssl.sha256)
#define BEGIN_MS 1764000000000u
#define DAY_MS 86400000u
#define KEY_RELEASE 0u /* numbers of keys: three of each role */
#define KEY_ROLLOUT 3u
#define KEY_APPROVAL 6u
#define KEYS_EACH 3u
#define NO_RELEASE RELEASES

uint32_t gateway_random(struct gateway *g, uint32_t below)
{
    g->seed = g->seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(g->seed >> 4) * below) >> 28);
}

static void must(int err)
{
    if (err != 0)
        abort();
}

static void wrong(struct gateway *g, const char *what)
{
    if (g->wrong == NULL)
        g->wrong = what;
}

static struct bytes text(const char *s)
{
    return (struct bytes){(const uint8_t *)s, strlen(s)};
}

/* ---- what everybody knows ---- */

static const struct update_self *self(void)
{
    static struct update_content first[UPDATE_ROLES];
    static struct update_self me;
    static bool made;

    if (!made) {
        const struct release_keys sets[UPDATE_ROLES] = {
            update_files_set(RELEASE_ROLE_RELEASE, 1, KEY_RELEASE, KEYS_EACH, 2),
            update_files_set(RELEASE_ROLE_ROLLOUT, 1, KEY_ROLLOUT, KEYS_EACH, 1),
            update_files_set(RELEASE_ROLE_APPROVAL, 1, KEY_APPROVAL, KEYS_EACH, 1)};

        me.hardware = text("qemu-virt");
        me.product = text("gateway");
        memset(me.ueid, 0x42, sizeof(me.ueid));
        for (size_t i = 0; i < UPDATE_ROLES; i++) {
            update_files_keys(&sets[i], &first[i]);
            me.first[i] = update_content_bytes(&first[i]);
        }
        made = true;
    }
    return &me;
}

static void make_index(struct a_release *r)
{
    struct wr ends;

    wr_init(&ends, r->ends, sizeof(r->ends));
    for (uint32_t i = 0; i < BLOCKS; i++) {
        uint8_t digest[32];

        must(SHA->hash(SHA->ctx, &BYTES_OF(r->content[i]), 1, digest));
        memcpy(r->hashes + i * RELEASE_BLOCK_HASH, digest, RELEASE_BLOCK_HASH);
        wr_be32(&ends, (i + 1) * RELEASE_BLOCK);
    }
    r->x = (struct release_index){.blocks = BLOCKS,
                                  .frame_blocks = 1,
                                  .prefix = 0,
                                  .hashes = BYTES_OF(r->hashes),
                                  .ends = BYTES_OF(r->ends)};
}

static void make_manifest(struct a_release *r)
{
    static const unsigned int signers[] = {KEY_RELEASE, KEY_RELEASE + 2};
    const struct bytes firmware = {r->content[ROOT_BLOCKS], FIRMWARE_BLOCKS * RELEASE_BLOCK};
    struct release_manifest m = {.version = text("1"),
                                 .hardware = self()->hardware,
                                 .product = self()->product,
                                 .counter = r->counter,
                                 .made_ms = BEGIN_MS,
                                 .expires_ms = BEGIN_MS + 300ull * DAY_MS,
                                 .firmware = {.size = firmware.n},
                                 .root = {.size = ROOT_BLOCKS * RELEASE_BLOCK},
                                 .index = {.size = 1},
                                 .approval = true};
    struct update_content c;
    struct bytes content;

    memcpy(m.identity, r->identity, sizeof(m.identity));
    must(SHA->hash(SHA->ctx, &firmware, 1, m.firmware.sha256));
    update_files_manifest(&m, &c);
    update_files_sign(&release_manifest_kind, &c, signers, 2, &r->manifest);
    content = update_content_bytes(&c);
    must(release_digest(SHA, content, r->digest));
}

void gateway_releases(struct a_release r[RELEASES])
{
    struct gateway dice = {.seed = 1};

    memset(r, 0, RELEASES * sizeof(*r));
    for (uint32_t n = 0; n < RELEASES; n++) {
        r[n].counter = 1 + 2 * n;
        for (uint32_t i = 0; i < BLOCKS; i++) {
            for (size_t k = 0; k < RELEASE_BLOCK; k++)
                r[n].content[i][k] = (uint8_t)gateway_random(&dice, 256);
            if (n > 0 && i % 3 == 0) /* releases share blocks */
                memcpy(r[n].content[i], r[n - 1].content[i], RELEASE_BLOCK);
        }
        must(SHA->hash(SHA->ctx, &(struct bytes){r[n].content[0], sizeof(r[n].content)}, 1,
                       r[n].identity));
        make_index(&r[n]);
        make_manifest(&r[n]);
    }
}

void gateway_init(struct gateway *g, const struct a_release *releases, uint32_t seed)
{
    static const struct update_record first;
    struct bootstate delivered = {.slot = 0};

    memset(g, 0, sizeof(*g));
    g->seed = seed * 2654435761u + 1;
    g->releases = releases;
    g->cut_at = -1;
    g->time_ms = BEGIN_MS;
    g->counter = g->floor = g->ceiling = releases[0].counter;
    update_record_encode(&first, g->record);
    memcpy(g->slot[0], releases[0].content, sizeof(g->slot[0]));
    memcpy(delivered.confirmed, releases[0].identity, sizeof(delivered.confirmed));
    bootstate_encode(&delivered, g->state);
    g->confirmed = true;
    gateway_order(g, 0);
}

void gateway_unnamed(struct gateway *g)
{
    bootstate_encode(&(struct bootstate){.slot = 0}, g->state);
    g->confirmed = false;
}

static void sign_order(struct gateway *g, uint32_t release, enum release_action action)
{
    static const unsigned int signer = KEY_ROLLOUT + 1;
    struct release_rollout r = {.action = action, .number = ++g->rollout, .to.n = 1};
    struct update_content c;

    g->target = release;
    g->time_ms += DAY_MS;
    r.issued_ms = g->time_ms;
    r.until_ms = g->time_ms + 200ull * DAY_MS;
    memcpy(r.release, g->releases[release].digest, sizeof(r.release));
    memcpy(r.to.ueid[0], self()->ueid, sizeof(r.to.ueid[0]));
    update_files_rollout(&r, &c);
    update_files_sign(&release_rollout_kind, &c, &signer, 1, &g->order);
}

void gateway_order(struct gateway *g, uint32_t release)
{
    sign_order(g, release, RELEASE_INSTALL);
}

void gateway_order_halt(struct gateway *g, uint32_t release)
{
    sign_order(g, release, RELEASE_HALT);
}

/* ---- operations, and the power ---- */

enum fate { DONE, NOT_DONE, NOT_TOLD, TORN };

static enum fate fate(struct gateway *g, bool tears)
{
    if (g->operations++ != g->cut_at)
        return DONE;
    if (g->clean_cuts)
        return NOT_DONE;
    return (enum fate)(NOT_DONE + gateway_random(g, tears ? 3 : 2));
}

static void after(struct gateway *g, enum fate f)
{
    if (f != DONE)
        longjmp(g->off, GATEWAY_POWER_OFF);
}

/* What the disk did not flush is there or not, block by block; newest first. */
static void lose_cache(struct gateway *g)
{
    for (; g->cached > 0; g->cached--) {
        const size_t i = g->cached - 1;

        if (gateway_random(g, 2) == 0)
            memcpy(g->slot[g->cache[i].slot][g->cache[i].block], g->cache[i].was, RELEASE_BLOCK);
    }
}

static void write_block(struct gateway *g, uint8_t slot, uint32_t block, const uint8_t *from)
{
    uint8_t *to = g->slot[slot][block];
    enum fate f;

    if (block < ROOT_BLOCKS && g->cached < sizeof(g->cache) / sizeof(g->cache[0])) {
        g->cache[g->cached].slot = slot;
        g->cache[g->cached].block = (uint8_t)block;
        memcpy(g->cache[g->cached].was, to, RELEASE_BLOCK);
        g->cached++;
    }
    f = fate(g, true);
    if (f == DONE || f == NOT_TOLD)
        memcpy(to, from, RELEASE_BLOCK);
    else if (f == TORN)
        memcpy(to, from, 1 + gateway_random(g, RELEASE_BLOCK - 1));
    after(g, f);
}

static void flush(struct gateway *g)
{
    enum fate f = fate(g, false);

    if (f == DONE || f == NOT_TOLD)
        g->cached = 0;
    after(g, f);
}

static void put_state(struct gateway *g, const struct bootstate *s)
{
    enum fate f = fate(g, false);

    if (f == DONE || f == NOT_TOLD)
        bootstate_encode(s, g->state);
    after(g, f);
}

static struct bootstate get_state(const struct gateway *g)
{
    struct bootstate s;

    must(bootstate_decode(g->state, &s));
    return s;
}

static void raise_counter(struct gateway *g)
{
    enum fate f = fate(g, false);

    if (f == DONE || f == NOT_TOLD)
        g->counter++;
    if (g->counter > g->ceiling)
        wrong(g, "the counter is above that of any confirmed release");
    after(g, f);
}

/* ---- boot stages ---- */

uint32_t gateway_holds(const struct gateway *g, uint8_t slot)
{
    for (uint32_t n = 0; n < RELEASES; n++) {
        if (memcmp(g->slot[slot], g->releases[n].content, sizeof(g->slot[slot])) == 0)
            return n;
    }
    return NO_RELEASE;
}

/* What BL1 and BL2 find in a slot's flash. */
static uint32_t firmware_of(const struct gateway *g, uint8_t slot)
{
    for (uint32_t n = 0; n < RELEASES; n++) {
        if (memcmp(g->slot[slot][ROOT_BLOCKS], g->releases[n].content[ROOT_BLOCKS],
                   FIRMWARE_BLOCKS * RELEASE_BLOCK) == 0)
            return n;
    }
    return NO_RELEASE;
}

static bool root_is(const struct gateway *g, uint8_t slot, uint32_t release)
{
    return memcmp(g->slot[slot], g->releases[release].content, ROOT_BLOCKS * RELEASE_BLOCK) == 0;
}

/* As BL1's slot_refuse. */
static void refuse(struct gateway *g)
{
    const struct bootstate s = get_state(g);

    longjmp(g->off, bootstate_refuse(&s, &g->marks) ? GATEWAY_RESET : GATEWAY_HALT);
}

uint32_t gateway_boot(struct gateway *g)
{
    struct bootstate s = get_state(g);
    uint8_t before[BOOTSTATE_SIZE], now[BOOTSTATE_SIZE];
    uint32_t release;

    g->boots++;
    memcpy(before, g->state, sizeof(before));
    if (bootstate_choose(&s, &g->marks) == BOOTSTATE_NONE)
        (void)bootstate_choose(&s, &g->marks); /* as BL1 */
    bootstate_encode(&s, now);
    if (memcmp(before, now, sizeof(now)) != 0)
        put_state(g, &s);
    release = firmware_of(g, g->marks.current);
    if (release == NO_RELEASE || g->releases[release].counter < g->counter ||
        !bootstate_allows(&s, g->marks.current, g->releases[release].identity))
        refuse(g);
    g->boot = (struct update_boot){.slot = g->marks.current, .trial = s.trial};
    memcpy(g->boot.identity, g->releases[release].identity, sizeof(g->boot.identity));
    for (size_t i = 0; i < sizeof(g->boot.name); i++)
        g->boot.name[i] = (uint8_t)gateway_random(g, 256);
    if (!root_is(g, g->marks.current, release) || g->quality[release] == REFUSED_BY_VERITY ||
        g->quality[release] == HANGS)
        longjmp(g->off, GATEWAY_RESET);
    bootstate_complete(&g->marks);
    g->running = true;
    g->approved = false;
    g->release = release;
    if (g->confirmed && !s.trial && g->releases[release].counter != g->floor &&
        g->releases[release].counter != g->ceiling)
        wrong(g, "a release came up as confirmed that nobody confirmed");
    if (g->releases[release].counter < g->floor)
        wrong(g, "a release older than a confirmed one came up");
    return release;
}

uint32_t gateway_runs(const struct gateway *g)
{
    return g->running ? g->release : NO_RELEASE;
}

/* ---- the secure world's ports ---- */

static int port_read_record(void *ctx, uint8_t record[UPDATE_RECORD_SIZE])
{
    const struct gateway *g = ctx;

    memcpy(record, g->record, sizeof(g->record));
    return 0;
}

static int port_write_record(void *ctx, const uint8_t record[UPDATE_RECORD_SIZE])
{
    struct gateway *g = ctx;
    enum fate f = fate(g, false);

    if (f == DONE || f == NOT_TOLD)
        memcpy(g->record, record, sizeof(g->record));
    after(g, f);
    return 0;
}

static int port_read_state(void *ctx, struct bootstate *state, uint32_t *counter)
{
    const struct gateway *g = ctx;

    *state = get_state(g);
    *counter = g->counter;
    return 0;
}

static int port_write_state(void *ctx, const struct bootstate *state)
{
    put_state(ctx, state);
    return 0;
}

/* As fusebox_confirm. */
static int port_confirm(void *ctx)
{
    struct gateway *g = ctx;
    const uint32_t release = gateway_runs(g);
    struct bootstate s = {.slot = g->boot.slot};

    const struct bootstate now = get_state(g);

    /* In this boot, or the state says so from one that was cut. */
    if (release == NO_RELEASE ||
        (!g->approved && memcmp(now.confirmed, g->boot.identity, sizeof(now.confirmed)) != 0))
        wrong(g, "a release was confirmed that nobody approved");
    else if (g->releases[release].counter > g->ceiling)
        g->ceiling = g->releases[release].counter;
    memcpy(s.confirmed, g->boot.identity, sizeof(s.confirmed));
    put_state(g, &s);
    while (release != NO_RELEASE && g->counter < g->releases[release].counter)
        raise_counter(g);
    g->floor = g->counter;
    g->confirmed = true;
    return 0;
}

static int port_hash_slot(void *ctx, uint8_t slot, uint64_t n, uint8_t digest[32])
{
    const struct gateway *g = ctx;

    if (n > FIRMWARE_BLOCKS * RELEASE_BLOCK)
        return KAPU_ERANGE;
    return SHA->hash(SHA->ctx, &(struct bytes){g->slot[slot][ROOT_BLOCKS], (size_t)n}, 1, digest);
}

void gateway_open(struct gateway *g, struct update *u)
{
    memset(u, 0, sizeof(*u));
    u->sha = SHA;
    u->verify = &update_files_verify;
    u->port = (struct update_port){.ctx = g,
                                   .read_record = port_read_record,
                                   .write_record = port_write_record,
                                   .read_state = port_read_state,
                                   .write_state = port_write_state,
                                   .confirm = port_confirm,
                                   .hash_slot = port_hash_slot};
    u->self = self();
    u->boot = &g->boot;
    if (update_open(u) != 0)
        wrong(g, "the secure world cannot read its own record");
}

/* ---- an honest Linux ---- */

/* Where an installation writes, and from which release its server gives. */
struct job {
    struct gateway *g;
    const struct a_release *from;
    uint8_t slot;
};

static int job_have(void *ctx, uint32_t number, uint8_t block[RELEASE_BLOCK])
{
    const struct job *j = ctx;

    memcpy(block, j->g->slot[1 - j->slot][number], RELEASE_BLOCK);
    return 0;
}

static int job_read(void *ctx, uint64_t at, uint8_t *to, size_t n)
{
    const struct job *j = ctx;

    memcpy(to, j->g->slot[j->slot][0] + at, n);
    return 0;
}

static int job_write(void *ctx, uint64_t at, const uint8_t *from, size_t n)
{
    const struct job *j = ctx;

    for (size_t i = 0; i < n; i += RELEASE_BLOCK)
        write_block(j->g, j->slot, (uint32_t)((at + i) / RELEASE_BLOCK), from + i);
    return 0;
}

static int job_fetch(void *ctx, uint32_t at, uint8_t *to, uint32_t n)
{
    const struct job *j = ctx;

    memcpy(to, j->from->content[0] + at, n);
    install_code_absolute(to, n, at); /* a frame is what it gives, and lies where it belongs */
    return 0;
}

static int job_unpack(void *ctx, struct bytes prefix, struct bytes frame, uint8_t *to, size_t n)
{
    (void)ctx;
    (void)prefix;
    if (frame.n != n)
        return KAPU_EINVAL;
    memcpy(to, frame.p, n);
    return 0;
}

static void write_slot(struct gateway *g, uint8_t slot, uint32_t release)
{
    static uint8_t frame[RELEASE_BLOCK], packed[2 * RELEASE_BLOCK], prefix[1];
    static struct install_block memory[BLOCKS];
    struct job j = {.g = g, .from = &g->releases[release], .slot = slot};
    const struct install_port port = {.ctx = &j,
                                      .have = job_have,
                                      .read = job_read,
                                      .write = job_write,
                                      .fetch = job_fetch,
                                      .unpack = job_unpack};
    struct install in;
    int left;

    must(install_begin(&in, SHA, &j.from->x, NULL, &port, memory, frame, packed, prefix));
    for (uint32_t i = 0; i < BLOCKS; i++)
        must(install_there(&in, i, g->slot[slot][i]));
    for (uint32_t i = 0; i < BLOCKS; i++)
        must(install_offer(&in, i, g->slot[1 - slot][i]));
    do
        left = install_step(&in);
    while (left == 1);
    must(left);
    flush(g);
}

/* The operator's verifier appraised the evidence of this boot. */
static void approve(struct gateway *g, uint32_t release)
{
    static const unsigned int signer = KEY_APPROVAL;
    struct release_approval a = {.issued_ms = g->time_ms};
    struct update_content c;

    memcpy(a.release, g->releases[release].digest, sizeof(a.release));
    memcpy(a.gateway, self()->ueid, sizeof(a.gateway));
    memcpy(a.boot, g->boot.name, sizeof(a.boot));
    update_files_approval(&a, &c);
    update_files_sign(&release_approval_kind, &c, &signer, 1, &g->approval);
    g->approved = true;
}

static struct update_request request_of(const struct gateway *g)
{
    return (struct update_request){.manifest = update_file_bytes(&g->releases[g->target].manifest),
                                   .rollout = update_file_bytes(&g->order)};
}

/* Which release an order is for; the manifest of none is right for another. */
int gateway_ask(struct gateway *g, struct update *u, enum update_answer *answer)
{
    int err = 0;

    for (uint32_t n = 0; n < RELEASES; n++) {
        const struct update_request r = {.manifest = update_file_bytes(&g->releases[n].manifest),
                                         .rollout = update_file_bytes(&g->order)};

        err = update_request(u, &r, answer);
        if (err != 0 || *answer != UPDATE_MIX_AND_MATCH)
            break;
    }
    return err;
}

enum update_answer gateway_confirm(struct gateway *g, struct update *u, bool approves)
{
    static const struct bytes none;
    enum update_answer answer;

    if (approves)
        approve(g, gateway_runs(g));
    must(update_confirm(u, true, approves ? update_file_bytes(&g->approval) : none, none, &answer));
    return answer;
}

static void confirm(struct gateway *g, struct update *u, uint32_t release)
{
    static const struct bytes built_in;
    enum update_answer answer;

    g->trials++;
    if (g->quality[release] == UNCLEAN) { /* the monitor's alarm */
        must(update_confirm(u, false, update_file_bytes(&g->approval), built_in, &answer));
        if (answer != UPDATE_NOT_CLEAN)
            wrong(g, "a trial was confirmed without a clean deep check");
        longjmp(g->off, GATEWAY_RESET);
    }
    if (gateway_confirm(g, u, true) != UPDATE_DONE)
        wrong(g, "a good trial was not confirmed");
}

/* True: nothing is left to do. */
static bool linux_works(struct gateway *g, uint32_t release)
{
    const struct update_request request = request_of(g);
    enum update_answer answer;
    struct update u;

    gateway_open(g, &u);
    if (u.stage == UPDATE_WAITING || u.stage == UPDATE_OVER)
        longjmp(g->off, GATEWAY_RESET);
    if (u.stage == UPDATE_ON_TRIAL)
        confirm(g, &u, release);
    if (release != g->target && u.record.last >= UPDATE_TRIES_GONE &&
        u.record.trials >= UPDATE_TRIALS_MAX && u.record.rollout == g->rollout) {
        g->reverts++;
        return true; /* it failed; the operator is told */
    }
    if (release == g->target) {
        if (gateway_holds(g, (uint8_t)(1 - g->boot.slot)) != release)
            write_slot(g, (uint8_t)(1 - g->boot.slot), release);
        return true;
    }
    must(update_check(&u, &request, &answer));
    if (answer != UPDATE_DONE)
        wrong(g, "a good request was refused before the slot was written");
    write_slot(g, (uint8_t)(1 - g->boot.slot), g->target);
    must(update_request(&u, &request, &answer));
    if (answer == UPDATE_DONE)
        longjmp(g->off, GATEWAY_RESET);
    wrong(g, "a good request was refused");
    return true;
}

/* ---- power on ---- */

/* RAM after power-on: anything, or what was there. */
static void power_on(struct gateway *g)
{
    if (gateway_random(g, 2) == 0)
        memset(&g->marks, 0, sizeof(g->marks));
    g->running = false;
    g->attacked = false;
}

bool gateway_run(struct gateway *g)
{
    volatile int resets = 0, halts = 0;
    volatile bool settled = false;
    int why;

    power_on(g);
    why = setjmp(g->off);
    g->running = false;
    if (why == GATEWAY_POWER_OFF) {
        lose_cache(g);
        g->cut_at = -1;
        return false;
    }
    if (why == GATEWAY_HALT) { /* a person cuts the power */
        g->halts++;
        halts++;
        memset(&g->marks, 0, sizeof(g->marks));
    }
    if (++resets > RESETS_MAX || halts > 2)
        wrong(g, "it does not come up, or to no end");
    if (g->wrong == NULL)
        settled = linux_works(g, gateway_boot(g));
    return settled && g->wrong == NULL;
}

const char *gateway_check(struct gateway *g)
{
    const struct bootstate s = get_state(g);
    const uint32_t runs = gateway_runs(g);
    const bool good = g->quality[g->target] == GOOD;

    if (g->wrong != NULL)
        return g->wrong;
    if (s.trial || s.gave_up != BOOTSTATE_NOT_GIVEN_UP)
        return "a trial is left over";
    if (good && runs != g->target)
        return "a good release was not installed";
    if (!good && runs == g->target)
        return "a bad release was confirmed";
    if (g->counter != g->releases[runs].counter)
        return "the counter is not that of the confirmed release";
    if (good && (gateway_holds(g, 0) != runs || gateway_holds(g, 1) != runs))
        return "not both slots hold the confirmed release";
    return NULL;
}

/* ---- an attacker's Linux ---- */

static void attacker_writes(struct gateway *g)
{
    const uint8_t slot = (uint8_t)gateway_random(g, 2);
    const uint32_t release = gateway_random(g, RELEASES);

    if (gateway_random(g, 3) == 0) { /* a release as a whole */
        for (uint32_t i = 0; i < BLOCKS; i++)
            write_block(g, slot, i, g->releases[release].content[i]);
    } else {
        const uint32_t block = gateway_random(g, BLOCKS);

        write_block(g, slot, block,
                    g->releases[release].content[gateway_random(g, 8) == 0 ? 0 : block]);
    }
}

static void attacker_asks(struct gateway *g, struct update *u)
{
    const uint32_t release = gateway_random(g, RELEASES);
    const struct update_request r = {
        .manifest = update_file_bytes(&g->releases[release].manifest),
        .rollout = update_file_bytes(gateway_random(g, 4) == 0 ? &g->approval : &g->order)};
    enum update_answer answer;

    must(update_request(u, &r, &answer));
    if (answer == UPDATE_DONE && release != g->target)
        wrong(g, "a release was accepted that nobody rolled out");
}

static void attacker_confirms(struct gateway *g, struct update *u)
{
    static const struct bytes built_in;
    enum update_answer answer;

    /* Half of the time the monitor has seen nothing yet. */
    must(update_confirm(u, gateway_random(g, 2) == 0, update_file_bytes(&g->approval), built_in,
                        &answer));
    if (answer == UPDATE_DONE)
        wrong(g, "an attacker confirmed a trial");
}

void gateway_attack(struct gateway *g)
{
    volatile int steps = 1 + (int)gateway_random(g, 12);
    volatile bool up = false;
    struct update u;
    int why;

    power_on(g);
    why = setjmp(g->off);
    g->running = false;
    if (why == GATEWAY_POWER_OFF) {
        lose_cache(g);
        g->cut_at = -1;
        return;
    }
    if (why == GATEWAY_HALT)
        return;
    if (why == GATEWAY_RESET && !up && --steps < 0)
        return;
    (void)gateway_boot(g);
    up = true;
    gateway_open(g, &u);
    for (; steps > 0 && g->wrong == NULL; steps--) {
        switch (gateway_random(g, 4)) {
        case 0:
            attacker_asks(g, &u);
            break;
        case 1:
            attacker_confirms(g, &u);
            break;
        default:
            attacker_writes(g);
            break;
        }
    }
}

void gateway_repair(struct gateway *g)
{
    for (uint32_t n = 0; n < RELEASES; n++) {
        if (g->releases[n].counter != g->ceiling)
            continue;
        for (uint8_t slot = 0; slot < BOOTSTATE_SLOTS; slot++)
            memcpy(g->slot[slot], g->releases[n].content, sizeof(g->slot[slot]));
    }
    g->cached = 0;
    g->cut_at = -1;
}
