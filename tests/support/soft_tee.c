// SPDX-License-Identifier: Apache-2.0
/* The port of tee.h: lib/update on files, in the folder that SOFT_ROOT names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto_openssl.h"
#include "soft_update.h"
#include "tee.h"

#define SHA (&crypto_openssl.sha256)

static struct update u;
static struct update_boot boot;
static struct update_self self;

static const char *root(void)
{
    return getenv("SOFT_ROOT");
}

static int of(bool good)
{
    return good ? 0 : KAPU_EIO;
}

/* ---- TPM ---- */

static int read_record(void *ctx, uint8_t record[UPDATE_RECORD_SIZE])
{
    (void)ctx;
    return of(soft_read(root(), "tee/record", record, UPDATE_RECORD_SIZE));
}

static int write_record(void *ctx, const uint8_t record[UPDATE_RECORD_SIZE])
{
    (void)ctx;
    return of(soft_write(root(), "tee/record", record, UPDATE_RECORD_SIZE));
}

static int read_state(void *ctx, struct bootstate *state, uint32_t *counter)
{
    uint8_t encoded[BOOTSTATE_SIZE];

    (void)ctx;
    return soft_read(root(), "tee/state", encoded, sizeof(encoded)) &&
                   soft_read(root(), "tee/counter", counter, sizeof(*counter))
               ? bootstate_decode(encoded, state)
               : KAPU_EIO;
}

static int write_state(void *ctx, const struct bootstate *state)
{
    uint8_t encoded[BOOTSTATE_SIZE];

    (void)ctx;
    bootstate_encode(state, encoded);
    return of(soft_write(root(), "tee/state", encoded, sizeof(encoded)));
}

/* Each release of these tests has the next counter. */
static int confirm_running(void *ctx)
{
    struct bootstate s = {.slot = boot.slot};
    const uint32_t counter = u.counter + 1;

    memcpy(s.confirmed, boot.identity, sizeof(s.confirmed));
    return write_state(ctx, &s) == 0 && soft_write(root(), "tee/counter", &counter, sizeof(counter))
               ? 0
               : KAPU_EIO;
}

static int hash_slot(void *ctx, uint8_t slot, uint64_t n, uint8_t digest[32])
{
    char path[512];
    uint8_t *all = malloc((size_t)n);
    FILE *f;
    bool good;

    (void)ctx;
    (void)snprintf(path, sizeof(path), "%s/slot/%u.firmware", root(), slot);
    f = fopen(path, "rbe");
    good = all != NULL && f != NULL && fread(all, 1, (size_t)n, f) == (size_t)n &&
           SHA->hash(SHA->ctx, &(struct bytes){all, (size_t)n}, 1, digest) == 0;
    if (f != NULL)
        fclose(f);
    free(all);
    return good ? 0 : KAPU_ERANGE;
}

/* ---- the TA ---- */

static bool read_keys(void)
{
    static uint8_t set[UPDATE_ROLES][RELEASE_CONTENT_MAX];

    for (unsigned int i = 0; i < UPDATE_ROLES; i++) {
        char path[512];
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s/tee/keys.%u", root(), i + 1);
        f = fopen(path, "rbe");
        if (f == NULL)
            return false;
        self.first[i] = (struct bytes){set[i], fread(set[i], 1, sizeof(set[i]), f)};
        fclose(f);
    }
    return true;
}

/* As the core keeps it for a boot; here, for as long as the folder is there. */
static int note(const char *file, enum update_answer answer)
{
    struct update_refusals r = {0};

    (void)soft_read(root(), file, &r, sizeof(r));
    update_refusals_add(&r, answer);
    return of(soft_write(root(), file, &r, sizeof(r)));
}

static int note_refusal(int err, const enum update_answer *answer)
{
    return err == 0 && update_is_attack(*answer) ? note("tee/refused", *answer) : err;
}

/* Each call opens it anew, as a session does. */
static int open_it(void)
{
    static const char hardware[] = "qemu-virt", product[] = "gateway";
    struct soft_boot b;

    if (!soft_read(root(), "tee/boot", &b, sizeof(b)) || !read_keys())
        return KAPU_EIO;
    boot = (struct update_boot){.slot = b.slot, .trial = b.trial != 0};
    memcpy(boot.identity, b.identity, sizeof(boot.identity));
    memcpy(boot.name, b.name, sizeof(boot.name));
    self.hardware = (struct bytes){(const uint8_t *)hardware, sizeof(hardware) - 1};
    self.product = (struct bytes){(const uint8_t *)product, sizeof(product) - 1};
    memset(self.ueid, SOFT_UEID, sizeof(self.ueid));
    self.ueid[0] = 1;
    u = (struct update){.sha = SHA,
                        .verify = &evidence_openssl,
                        .self = &self,
                        .boot = &boot,
                        .port = {.read_record = read_record,
                                 .write_record = write_record,
                                 .read_state = read_state,
                                 .write_state = write_state,
                                 .confirm = confirm_running,
                                 .hash_slot = hash_slot}};
    return update_open(&u);
}

static int state(void *ctx, struct tee_state *s)
{
    int err = open_it();

    (void)ctx;
    s->stage = u.stage;
    s->record = u.record;
    memcpy(s->boot, boot.name, sizeof(s->boot));
    memcpy(s->ueid, self.ueid, sizeof(s->ueid));
    return err;
}

static int request(void *ctx, bool only_check, const struct update_request *r,
                   enum update_answer *answer)
{
    int err = open_it();

    (void)ctx;
    if (err != 0)
        return err;
    return note_refusal(only_check ? update_check(&u, r, answer) : update_request(&u, r, answer),
                        answer);
}

static int confirm(void *ctx, struct bytes approval, struct bytes keys, enum update_answer *answer)
{
    char path[512];
    int err = open_it();

    (void)ctx;
    (void)snprintf(path, sizeof(path), "%s/tee/dirty", root());
    if (err == 0)
        err = update_confirm(&u, access(path, F_OK) != 0, approval, keys, answer);
    return note_refusal(err, answer);
}

static int next_keys(void *ctx, struct bytes now, struct bytes next, enum update_answer *answer)
{
    int err = open_it();

    (void)ctx;
    if (err == 0)
        err = update_keys(&u, now, next, answer);
    return note_refusal(err, answer);
}

static int tell(void *ctx, enum update_answer answer)
{
    (void)ctx;
    return update_is_told(answer) ? note("tee/told", answer) : KAPU_EIO;
}

static int join(void *ctx, struct bytes membership, struct bytes keys, enum update_answer *answer)
{
    int err = open_it();

    (void)ctx;
    if (err == 0)
        err = update_join(&u, membership, keys, answer);
    return note_refusal(err, answer);
}

static const char *said(void *ctx)
{
    (void)ctx;
    return "soft_tee: its files cannot be used";
}

const struct tee_port tee_device = {.state = state,
                                    .request = request,
                                    .confirm = confirm,
                                    .keys = next_keys,
                                    .join = join,
                                    .tell = tell,
                                    .said = said};
