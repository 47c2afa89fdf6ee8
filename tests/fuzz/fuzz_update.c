// SPDX-License-Identifier: Apache-2.0
/*
 * Update decisions on any record, boot state and request. All signatures are accepted, so that
 * the code after the check is reached. Whatever is asked: the slot that runs is never put on trial,
 * and the record stays one that can be read.
 *
 * Input: a byte for this boot (bit 0: slot, bit 1: on trial, bit 2: the slot has the firmware),
 * record, boot state, 2 bytes of size and a manifest, the rest a rollout.
 */
#include <kapu/update.h>

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define COUNTER 5u
#define DIGEST 0x5a /* each byte of whatever is hashed: so a rollout can name its release */

static uint8_t record[UPDATE_RECORD_SIZE];
static struct bootstate state;
static bool has_firmware;

static int cheap_hash(void *ctx, const struct bytes *part, size_t n, uint8_t digest[32])
{
    (void)ctx;
    (void)part;
    (void)n;
    memset(digest, DIGEST, 32);
    return 0;
}

static int accept(void *ctx, const struct evidence_key *key, const uint8_t digest[32],
                  const uint8_t signature[EVIDENCE_SIGNATURE_SIZE])
{
    (void)ctx;
    (void)key;
    (void)digest;
    (void)signature;
    return 0;
}

static int read_record(void *ctx, uint8_t to[UPDATE_RECORD_SIZE])
{
    (void)ctx;
    memcpy(to, record, sizeof(record));
    return 0;
}

static int write_record(void *ctx, const uint8_t from[UPDATE_RECORD_SIZE])
{
    struct update_record r;

    (void)ctx;
    memcpy(record, from, sizeof(record));
    if (update_record_decode(record, &r) != 0)
        abort();
    return 0;
}

static int read_state(void *ctx, struct bootstate *s, uint32_t *counter)
{
    (void)ctx;
    *s = state;
    *counter = COUNTER;
    return 0;
}

static int write_state(void *ctx, const struct bootstate *s)
{
    uint8_t encoded[BOOTSTATE_SIZE];

    (void)ctx;
    state = *s;
    bootstate_encode(&state, encoded);
    if (bootstate_decode(encoded, &state) != 0)
        abort();
    return 0;
}

static int confirm(void *ctx)
{
    const struct update_boot *boot = ctx;

    state = (struct bootstate){.slot = boot->slot};
    return 0;
}

static int hash_slot(void *ctx, uint8_t slot, uint64_t n, uint8_t digest[32])
{
    (void)ctx;
    (void)slot;
    (void)n;
    memset(digest, has_firmware ? DIGEST : 0, 32);
    return 0;
}

/* Sets of one key each, as they are built in. */
static void first_sets(struct update_self *self)
{
    static uint8_t encoded[UPDATE_ROLES][256];

    for (unsigned int i = 0; i < UPDATE_ROLES; i++) {
        const struct release_keys k = {
            .role = (enum release_role)(i + 1), .version = 1, .threshold = 1, .keys = 1};
        struct wr w;

        wr_init(&w, encoded[i], sizeof(encoded[i]));
        if (release_keys_encode(&k, &w) != 0)
            abort();
        self->first[i] = wr_done(&w);
    }
}

static struct bytes text(const char *s)
{
    return (struct bytes){(const uint8_t *)s, strlen(s)};
}

static void ask(struct update *u, struct rd *in)
{
    const uint8_t running = u->boot->slot;
    struct update_request r = {.manifest = rd_2b(in)};
    enum update_answer checked, answer;

    r.rollout = rd_bytes(in, in->n - in->at);
    if (in->err != 0)
        return;
    if (update_check(u, &r, &checked) != 0)
        abort();
    if (update_request(u, &r, &answer) != 0 || answer >= UPDATE_ANSWERS)
        abort();
    if (checked != (answer == UPDATE_PARTIAL_BUNDLE ? UPDATE_DONE : answer))
        abort();
    if (answer == UPDATE_DONE && state.trial && u->stage == UPDATE_WAITING && state.slot == running)
        abort();
    if (update_join(u, r.rollout, r.manifest, &answer) != 0 ||
        (answer == UPDATE_DONE && u->record.membership == 0))
        abort();
    if (update_keys(u, r.rollout, r.manifest, &answer) != 0 ||
        update_confirm(u, true, r.rollout, r.manifest, &answer) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct update u;
    const struct kapu_sha256 sha = {.hash = cheap_hash};
    const struct evidence_verify verify = {.ecdsa_p256 = accept};
    struct update_self self = {
        .hardware = text("qemu-virt"), .product = text("gateway"), .group = text("north")};
    struct update_boot boot = {0};
    struct bytes r, s;
    struct rd in;
    uint8_t facts;

    rd_init(&in, (struct bytes){data, size});
    facts = rd_u8(&in);
    r = rd_bytes(&in, UPDATE_RECORD_SIZE);
    s = rd_bytes(&in, BOOTSTATE_SIZE);
    if (in.err != 0 || bootstate_decode(s.p, &state) != 0)
        return 0;
    memcpy(record, r.p, sizeof(record));
    boot.slot = facts & 1;
    boot.trial = (facts & 2) != 0;
    has_firmware = (facts & 4) != 0;
    first_sets(&self);
    u = (struct update){.sha = &sha,
                        .verify = &verify,
                        .self = &self,
                        .boot = &boot,
                        .port = {.ctx = &boot,
                                 .read_record = read_record,
                                 .write_record = write_record,
                                 .read_state = read_state,
                                 .write_state = write_state,
                                 .confirm = confirm,
                                 .hash_slot = hash_slot}};
    if (update_open(&u) == 0)
        ask(&u, &in);
    return 0;
}
