// SPDX-License-Identifier: Apache-2.0
#include "update_world.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <kapu/cipher.h>
#include <kapu/install_code.h>

#include "aes.h"
#include "digest.h"

#define SHA (&digest_sha256)
#define DAY_MS 86400000ull
#define PREFIX 2u /* blocks */
#define WINDOW 3u
#define POLLS_MAX 20000u
#define BOOTS_MAX 30u
#define NONE WORLD_RELEASES
enum { OFF = 1, RESET = 2 };

struct world world;
struct writer world_writer;
struct world_release world_releases[WORLD_RELEASES];

static struct world *const w = &world;
static struct world fresh;

static void must(int err)
{
    if (err != 0)
        abort();
}

static void wrong(const char *what)
{
    if (w->wrong == NULL)
        w->wrong = what;
}

uint32_t world_random(uint32_t below)
{
    w->seed = w->seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(w->seed >> 4) * below) >> 28);
}

static struct bytes text(const char *s)
{
    return (struct bytes){(const uint8_t *)s, strlen(s)};
}

/* ---- releases ---- */

const struct update_self *world_self(void)
{
    static struct update_content first[UPDATE_ROLES];
    static struct update_self me;
    const struct release_keys sets[UPDATE_ROLES] = {
        update_files_set(RELEASE_ROLE_RELEASE, 1, WORLD_KEY_RELEASE, 3, 2),
        update_files_set(RELEASE_ROLE_ROLLOUT, 1, WORLD_KEY_ROLLOUT, 3, 1),
        update_files_set(RELEASE_ROLE_APPROVAL, 1, WORLD_KEY_APPROVAL, 3, 1)};

    if (me.hardware.n > 0)
        return &me;
    me.hardware = text("qemu-virt");
    me.product = text("gateway");
    memset(me.ueid, 0x42, sizeof(me.ueid));
    for (size_t i = 0; i < UPDATE_ROLES; i++) {
        update_files_keys(&sets[i], &first[i]);
        me.first[i] = update_content_bytes(&first[i]);
    }
    return &me;
}

static size_t pack(struct bytes prefix, struct bytes in, uint8_t *to, size_t room)
{
    static ZSTD_CCtx *c;
    size_t n;

    if (c == NULL)
        c = ZSTD_createCCtx();
    if (ZSTD_isError(ZSTD_CCtx_refPrefix(c, prefix.p, prefix.n)))
        abort();
    n = ZSTD_compress2(c, to, room, in.p, in.n);
    if (ZSTD_isError(n))
        abort();
    return n;
}

/* Half of the blocks are those of the release before, at the same place or at another. */
static void make_content(struct world_release *r, const struct world_release *before)
{
    for (uint32_t i = 0; i < WORLD_BLOCKS; i++) {
        for (size_t k = 0; k < RELEASE_BLOCK; k++)
            r->content[i][k] = (uint8_t)(world_random(256) & (i % 2 == 0 ? 255u : 15u));
        if (before != NULL && world_random(2) == 0)
            memcpy(r->content[i], before->content[world_random(3) == 0 ? i ^ 1u : i],
                   RELEASE_BLOCK);
    }
    memset(r->content[WORLD_BLOCKS - 1] + RELEASE_BLOCK - 100, 0, 100);
    memcpy(r->code, r->content, sizeof(r->code));
    install_code_absolute(r->code[0], sizeof(r->code), 0);
}

static struct bytes frame_of(const struct world_release *r, uint32_t i)
{
    const uint32_t left = WORLD_BLOCKS - i * WORLD_FRAME;

    return (struct bytes){r->code[i * WORLD_FRAME],
                          (left < WORLD_FRAME ? left : WORLD_FRAME) * (size_t)RELEASE_BLOCK};
}

static struct bytes before(const struct world_release *r, uint32_t i)
{
    const size_t n = i == 0 ? 0 : (size_t)PREFIX * RELEASE_BLOCK;

    return (struct bytes){r->code[i * WORLD_FRAME] - n, n};
}

static void make_index(struct world_release *r)
{
    uint8_t hashes[WORLD_BLOCKS * RELEASE_BLOCK_HASH], ends[4 * WORLD_FRAMES], digest[32];
    struct release_index x = {.blocks = WORLD_BLOCKS,
                              .frame_blocks = WORLD_FRAME,
                              .prefix = PREFIX * RELEASE_BLOCK,
                              .hashes = BYTES_OF(hashes),
                              .ends = BYTES_OF(ends)};
    struct wr w_ends, out;

    for (uint32_t i = 0; i < WORLD_BLOCKS; i++) {
        must(SHA->hash(SHA->ctx, &BYTES_OF(r->content[i]), 1, digest));
        memcpy(hashes + (size_t)i * RELEASE_BLOCK_HASH, digest, RELEASE_BLOCK_HASH);
    }
    wr_init(&w_ends, ends, sizeof(ends));
    for (uint32_t i = 0; i < WORLD_FRAMES; i++) {
        r->payload_n += pack(before(r, i), frame_of(r, i), r->payload + r->payload_n,
                             sizeof(r->payload) - r->payload_n);
        r->ends[i] = (uint32_t)r->payload_n;
        wr_be32(&w_ends, r->ends[i]);
    }
    wr_init(&out, r->index, sizeof(r->index));
    must(release_index_encode(&x, &out));
    r->index_n = out.at;
}

/* Each frame by a window of it and what is before. */
static void make_patch(struct world_release *r, const struct world_release *from)
{
    static uint8_t prefix[(WINDOW + PREFIX) * RELEASE_BLOCK];
    uint8_t table[12 * WORLD_FRAMES];
    struct release_patch p = {.window = WINDOW,
                              .prefix = PREFIX * RELEASE_BLOCK,
                              .frames = WORLD_FRAMES,
                              .table = BYTES_OF(table)};
    struct wr rows, out;

    memcpy(p.from, from->m.identity, sizeof(p.from));
    memcpy(r->patch_from, p.from, sizeof(p.from));
    wr_init(&rows, table, sizeof(table));
    for (uint32_t i = 0; i < WORLD_FRAMES; i++) {
        const uint32_t first =
            i * WORLD_FRAME < WORLD_BLOCKS - WINDOW ? i * WORLD_FRAME : WORLD_BLOCKS - WINDOW;
        const struct bytes b = before(r, i);

        memcpy(prefix, from->code[first], (size_t)WINDOW * RELEASE_BLOCK);
        memcpy(prefix + (size_t)WINDOW * RELEASE_BLOCK, b.p, b.n);
        r->patch_n += pack((struct bytes){prefix, (size_t)WINDOW * RELEASE_BLOCK + b.n},
                           frame_of(r, i), r->patch + r->patch_n, sizeof(r->patch) - r->patch_n);
        wr_be32(&rows, i);
        wr_be32(&rows, first);
        wr_be32(&rows, (uint32_t)r->patch_n);
    }
    wr_init(&out, r->patch_index, sizeof(r->patch_index));
    must(release_patch_encode(&p, &out));
    r->patch_index_n = out.at;
}

static int put_tree(void *ctx, uint64_t number, const uint8_t block[VERITY_BLOCK])
{
    struct world_release *r = ctx;

    memcpy(r->tree[number - WORLD_ROOT], block, VERITY_BLOCK);
    return 0;
}

static void make_manifest(struct world_release *r, uint32_t number, bool approval, bool encrypted)
{
    static const unsigned int by[] = {WORLD_KEY_RELEASE, WORLD_KEY_RELEASE + 1};
    static struct verity v;
    struct release_manifest *m = &r->m;
    struct update_content c;

    *m = (struct release_manifest){.version = text("1"),
                                   .hardware = world_self()->hardware,
                                   .product = world_self()->product,
                                   .counter = WORLD_COUNTER + number,
                                   .made_ms = WORLD_BEGIN_MS,
                                   .expires_ms = WORLD_BEGIN_MS + 300 * DAY_MS,
                                   .firmware = {.size = WORLD_FIRMWARE_SIZE},
                                   .root = {.size = WORLD_ROOT * RELEASE_BLOCK},
                                   .index = {.size = r->index_n},
                                   .approval = approval,
                                   .encrypted = encrypted};
    memset(m->identity, (int)(0x10 + number), sizeof(m->identity));
    memset(m->root.salt, 0x5a, sizeof(m->root.salt));
    if (encrypted) {
        memset(r->key, (int)(0xc0 + number), sizeof(r->key));
        must(cipher_check(SHA, r->key, m->key_check));
    }
    must(SHA->hash(SHA->ctx, &(struct bytes){r->content[WORLD_ROOT], WORLD_FIRMWARE_SIZE}, 1,
                   m->firmware.sha256));
    must(SHA->hash(SHA->ctx, &(struct bytes){r->index, r->index_n}, 1, m->index.sha256));
    must(verity_begin(&v, SHA, m->root.salt, WORLD_ROOT, put_tree, r));
    for (uint32_t i = 0; i < WORLD_ROOT; i++)
        must(verity_add(&v, r->content[i]));
    must(verity_end(&v, m->root.hash));
    update_files_manifest(m, &c);
    must(release_digest(SHA, update_content_bytes(&c), r->digest));
    update_files_sign(&release_manifest_kind, &c, by, 2, &r->manifest);
}

static void sign_again(struct world_release *r)
{
    static const unsigned int by[] = {WORLD_KEY_RELEASE, WORLD_KEY_RELEASE + 1};
    struct update_content c;

    update_files_manifest(&r->m, &c);
    must(release_digest(SHA, update_content_bytes(&c), r->digest));
    update_files_sign(&release_manifest_kind, &c, by, 2, &r->manifest);
}

void world_large_firmware(uint32_t release)
{
    world_releases[release].m.firmware.size = WORLD_FLASH + 1;
    sign_again(&world_releases[release]);
}

void world_decrypt(uint32_t release)
{
    world_releases[release].m.encrypted = false;
    sign_again(&world_releases[release]);
}

static void put_in_slot(uint8_t slot, const struct world_release *r)
{
    memcpy(w->disk[slot], r->content, WORLD_ROOT * RELEASE_BLOCK);
    memcpy(w->disk[slot] + WORLD_ROOT * RELEASE_BLOCK, r->tree, sizeof(r->tree));
    memcpy(w->synced[slot], w->disk[slot], WORLD_DISK);
    memcpy(w->flash[slot], r->content[WORLD_ROOT], WORLD_FIRMWARE_SIZE);
}

void world_replace(uint32_t release)
{
    struct update_record r;

    must(update_record_decode(w->record, &r));
    memcpy(r.identity, world_releases[release].m.identity, sizeof(r.identity));
    memcpy(w->state.confirmed, r.identity, sizeof(r.identity));
    update_record_encode(&r, w->record);
    put_in_slot(w->boot.slot, &world_releases[release]);
}

static void make(uint32_t seed, bool approval, bool encrypted)
{
    static const struct update_record first;

    memset(w, 0, sizeof(*w));
    memset(world_releases, 0, sizeof(world_releases));
    w->seed = seed * 2654435761u + 1;
    w->cut_at = w->fail_write_at = w->lose_write_at = -1;
    w->fail_at = UINT32_MAX;
    w->counter = WORLD_COUNTER;
    w->target = 1;
    w->operates = world_operator;
    for (uint32_t i = 0; i < WORLD_RELEASES; i++) {
        make_content(&world_releases[i], i > 0 ? &world_releases[i - 1] : NULL);
        make_index(&world_releases[i]);
        make_manifest(&world_releases[i], i, approval, encrypted);
        make_patch(&world_releases[i], &world_releases[i > 0 ? i - 1 : 0]);
    }
    update_record_encode(&first, w->record);
    memset(w->flash, 0xff, sizeof(w->flash));
    put_in_slot(0, &world_releases[0]);
    memcpy(w->state.confirmed, world_releases[0].m.identity, sizeof(w->state.confirmed));
    (void)snprintf(w->folder, sizeof(w->folder), "/tmp/kapu-update-XXXXXX");
    if (mkdtemp(w->folder) == NULL)
        abort();
    fresh = *w;
}

void world_make(uint32_t seed, bool approval)
{
    make(seed, approval, false);
}

void world_make_encrypted(uint32_t seed, bool approval)
{
    make(seed, approval, true);
}

static void empty_folder(void)
{
    DIR *d = opendir(w->folder);
    const struct dirent *e;
    char path[400];

    while (d != NULL && (e = readdir(d)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/%s", w->folder, e->d_name);
        if (e->d_name[0] != '.' && unlink(path) != 0)
            abort();
    }
    if (d != NULL)
        closedir(d);
}

void world_again(void)
{
    empty_folder();
    *w = fresh;
}

void world_end(void)
{
    empty_folder();
    (void)rmdir(w->folder);
}

/* ---- operations, and the power ---- */

enum fate { DONE, NOT_DONE, TORN, NOT_TOLD };

static enum fate fate(void)
{
    return w->operations++ == w->cut_at ? (enum fate)(NOT_DONE + (int)w->how) : DONE;
}

static void after(enum fate f)
{
    if (f != DONE)
        longjmp(w->off, OFF);
}

/* What was not synced is there or not. */
static void lose_cache(void)
{
    for (unsigned int slot = 0; slot < 2; slot++) {
        for (size_t at = 0; at < WORLD_DISK; at += RELEASE_BLOCK) {
            if (world_random(2) == 0)
                memcpy(w->disk[slot] + at, w->synced[slot] + at, RELEASE_BLOCK);
        }
        memcpy(w->synced[slot], w->disk[slot], WORLD_DISK);
    }
}

/* Calls of the state folder that change it (linked with --wrap). */
int __real_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to)
{
    enum fate f = fate();
    int err = f == DONE || f == NOT_TOLD ? __real_renameat(a, from, b, to) : 0;

    after(f);
    return err;
}

int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags)
{
    enum fate f = fate();
    int err = f == DONE || f == NOT_TOLD ? __real_unlinkat(fd, name, flags) : 0;

    after(f);
    return err;
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

/* ---- media ---- */

static uint8_t other(void)
{
    return (uint8_t)(1 - w->boot.slot);
}

static bool write_fails(void)
{
    return w->writes++ == w->fail_write_at;
}

static int read_disk(void *ctx, uint64_t at, uint8_t *to, size_t n)
{
    const uint8_t *disk = ctx;

    if (at > WORLD_DISK || n > WORLD_DISK - at)
        return KAPU_EIO;
    memcpy(to, disk + at, n);
    return 0;
}

static int write_disk(void *ctx, uint64_t at, const uint8_t *from, size_t n)
{
    uint8_t *disk = ctx;
    enum fate f;

    if (write_fails() || at > WORLD_DISK || n > WORLD_DISK - at)
        return KAPU_EIO;
    if (w->disk_writes++ == w->lose_write_at)
        return 0;
    f = fate();
    if (f == DONE || f == NOT_TOLD)
        memcpy(disk + at, from, n);
    else if (f == TORN)
        memcpy(disk + at, from, 1 + world_random((uint32_t)n - 1));
    after(f);
    return 0;
}

static int sync_disk(void *ctx, bool forget)
{
    enum fate f = fate();

    (void)ctx;
    if (w->rots && forget)
        w->flash[other()][WORLD_SECTOR + 7] ^= 0x20;
    if (f == DONE || f == NOT_TOLD)
        memcpy(w->synced[other()], w->disk[other()], WORLD_DISK);
    after(f);
    return 0;
}

static int read_only(void *ctx, uint64_t at, const uint8_t *from, size_t n)
{
    (void)ctx;
    (void)at;
    (void)from;
    (void)n;
    wrong("the slot that runs was written");
    return KAPU_EIO;
}

static int read_flash(void *ctx, uint64_t at, uint8_t *to, size_t n)
{
    const uint8_t *flash = ctx;

    if (at > WORLD_FLASH || n > WORLD_FLASH - at)
        return KAPU_EIO;
    memcpy(to, flash + at, n);
    return 0;
}

static int erase_flash(void *ctx, uint64_t at)
{
    uint8_t *flash = ctx;
    enum fate f;

    if (write_fails() || at % WORLD_SECTOR != 0 || at >= WORLD_FLASH)
        return KAPU_EIO;
    f = fate();
    if (f == DONE || f == NOT_TOLD)
        memset(flash + at, 0xff, WORLD_SECTOR);
    for (size_t i = 0; f == TORN && i < WORLD_SECTOR; i++)
        flash[at + i] |= (uint8_t)world_random(256);
    after(f);
    return 0;
}

static int write_flash(void *ctx, uint64_t at, const uint8_t *from, size_t n)
{
    uint8_t *flash = ctx;
    enum fate f;
    size_t some;

    if (write_fails() || at > WORLD_FLASH || n > WORLD_FLASH - at)
        return KAPU_EIO;
    f = fate();
    some = f == NOT_DONE ? 0 : f == TORN ? world_random((uint32_t)n) : n;
    for (size_t i = 0; i < some; i++)
        flash[at + i] &= from[i];
    if (w->stuck && n > 100)
        memset(flash + at + 100, 0, 8);
    after(f);
    return 0;
}

static int erase_nothing(void *ctx, uint64_t at)
{
    (void)at;
    return read_only(ctx, 0, NULL, 0);
}

/* ---- server ---- */

static struct bytes file_of(const struct world_release *r, const char *file)
{
    char patch[80] = "patch-", index[96];

    for (size_t i = 0; i < RELEASE_PATCH_NAME; i++)
        (void)snprintf(patch + 6 + 2 * i, 3, "%02x", r->patch_from[i]);
    (void)snprintf(index, sizeof(index), "%s.index", patch);
    if (strcmp(file, "index") == 0)
        return (struct bytes){r->index, r->index_n};
    if (strcmp(file, "payload") == 0)
        return (struct bytes){r->payload, r->payload_n};
    if (w->has_patch && strcmp(file, index) == 0)
        return (struct bytes){r->patch_index, r->patch_index_n};
    if (w->has_patch && strcmp(file, patch) == 0)
        return (struct bytes){r->patch, r->patch_n};
    return (struct bytes){NULL, 0};
}

/* As it is on the server: a salt, which follows from the name here, and the ciphertext. */
static struct bytes encrypted(const struct world_release *r, const char *file, struct bytes plain)
{
    static uint8_t to[CIPHER_SALT_SIZE + WORLD_PAYLOAD];
    const struct bytes name = text(file);
    uint8_t key[CIPHER_KEY_SIZE], digest[32];

    if (plain.p == NULL || !r->m.encrypted)
        return plain;
    must(SHA->hash(SHA->ctx, &name, 1, digest));
    memcpy(to, digest, CIPHER_SALT_SIZE);
    memcpy(to + CIPHER_SALT_SIZE, plain.p, plain.n);
    must(cipher_file_key(SHA, r->key, name, to, key));
    must(cipher_range(&aes_ctr, key, 0, to + CIPHER_SALT_SIZE, plain.n));
    return (struct bytes){to, CIPHER_SALT_SIZE + plain.n};
}

static void count_fetch(const struct world_release *r, const char *file, uint64_t at)
{
    if (r->m.encrypted && at < CIPHER_SALT_SIZE)
        return; /* the salt */
    at -= r->m.encrypted ? CIPHER_SALT_SIZE : 0;
    w->of_patch += strncmp(file, "patch", 5) == 0 && strstr(file, ".index") == NULL;
    for (uint32_t i = 0; strcmp(file, "payload") == 0 && i < WORLD_FRAMES; i++) {
        if (at == (i == 0 ? 0 : r->ends[i - 1]))
            w->of_frame[i]++;
    }
}

static int range(void *ctx, const char *folder, const char *file, uint64_t at, uint8_t *to,
                 uint32_t n)
{
    const struct world_release *r = &world_releases[folder[8] - '0'];
    const struct bytes f = encrypted(r, file, file_of(r, file));
    const uint32_t number = w->fetches++;

    (void)ctx;
    w->url = file;
    w->fault_now = FETCH_FINE;
    if (number >= w->fail_at && number - w->fail_at < w->fail_for)
        w->fault_now = w->fault;
    else if (f.p == NULL)
        w->fault_now = FETCH_REFUSED;
    else if (at > f.n || n > f.n - at)
        w->fault_now = FETCH_SHORT;
    if (w->fault_now != FETCH_FINE)
        return w->fault_now == FETCH_SLOW ? KAPU_ETIMEOUT : KAPU_EIO;
    memcpy(to, f.p + at, n);
    if (w->lies != NULL)
        w->lies(w, file, at, to, n);
    count_fetch(r, file, at);
    return 0;
}

static enum fetch_fault fault(void *ctx)
{
    (void)ctx;
    return w->fault_now;
}

static const char *said(void *ctx)
{
    (void)ctx;
    return "the server's\nfault";
}

/* ---- secure world ---- */

static int read_record(void *ctx, uint8_t record[UPDATE_RECORD_SIZE])
{
    (void)ctx;
    memcpy(record, w->record, sizeof(w->record));
    return 0;
}

static int write_record(void *ctx, const uint8_t record[UPDATE_RECORD_SIZE])
{
    enum fate f = fate();

    (void)ctx;
    if (f == DONE || f == NOT_TOLD)
        memcpy(w->record, record, sizeof(w->record));
    after(f);
    return 0;
}

static int read_state(void *ctx, struct bootstate *state, uint32_t *counter)
{
    (void)ctx;
    *state = w->state;
    *counter = w->counter;
    return 0;
}

static int put_state(const struct bootstate *s)
{
    enum fate f = fate();

    if (f == DONE || f == NOT_TOLD)
        w->state = *s;
    after(f);
    return 0;
}

static int write_state(void *ctx, const struct bootstate *state)
{
    (void)ctx;
    return put_state(state);
}

static int confirm_running(void *ctx)
{
    struct bootstate s = {.slot = w->boot.slot};

    (void)ctx;
    memcpy(s.confirmed, w->boot.identity, sizeof(s.confirmed));
    (void)put_state(&s);
    w->counter = world_releases[w->release].m.counter;
    w->confirmations++;
    return 0;
}

static int hash_slot(void *ctx, uint8_t slot, uint64_t n, uint8_t digest[32])
{
    (void)ctx;
    if (n > WORLD_FLASH)
        return KAPU_ERANGE;
    return SHA->hash(SHA->ctx, &(struct bytes){w->flash[slot], (size_t)n}, 1, digest);
}

static void open_secure_world(void)
{
    w->u = (struct update){.sha = SHA,
                           .verify = &update_files_verify,
                           .self = world_self(),
                           .boot = &w->boot,
                           .port = {.read_record = read_record,
                                    .write_record = write_record,
                                    .read_state = read_state,
                                    .write_state = write_state,
                                    .confirm = confirm_running,
                                    .hash_slot = hash_slot}};
    w->refused = w->told = (struct update_refusals){0};
    must(update_open(&w->u));
}

/* As the update TA has it done. */
static int note(int err, const enum update_answer *answer)
{
    if (err == 0 && update_is_attack(*answer))
        update_refusals_add(&w->refused, *answer);
    return err;
}

static int tee_state(void *ctx, struct tee_state *s)
{
    (void)ctx;
    if (w->fail_tee > 0 && w->fail_tee-- > 0)
        return KAPU_EIO;
    s->stage = w->u.stage;
    s->record = w->u.record;
    memcpy(s->boot, w->boot.name, sizeof(s->boot));
    memcpy(s->ueid, world_self()->ueid, sizeof(s->ueid));
    return 0;
}

static int tee_request(void *ctx, bool only_check, const struct update_request *r,
                       enum update_answer *answer)
{
    (void)ctx;
    if (w->fail_tee > 0 && w->fail_tee-- > 0)
        return KAPU_EIO;
    *(only_check ? &w->checks : &w->requests) += 1;
    return note(only_check ? update_check(&w->u, r, answer) : update_request(&w->u, r, answer),
                answer);
}

static int tee_confirm(void *ctx, struct bytes approval, struct bytes keys,
                       enum update_answer *answer)
{
    (void)ctx;
    return note(update_confirm(&w->u, !w->dirty, approval, keys, answer), answer);
}

static int tee_keys(void *ctx, struct bytes now, struct bytes next, enum update_answer *answer)
{
    (void)ctx;
    return note(update_keys(&w->u, now, next, answer), answer);
}

static int tee_tell(void *ctx, enum update_answer answer)
{
    (void)ctx;
    if (!update_is_told(answer))
        wrong("the writer tells of what the secure world does not take");
    update_refusals_add(&w->told, answer);
    return 0;
}

static int tee_join(void *ctx, struct bytes membership, struct bytes keys,
                    enum update_answer *answer)
{
    (void)ctx;
    return note(update_join(&w->u, membership, keys, answer), answer);
}

static const char *tee_said(void *ctx)
{
    (void)ctx;
    return "the TPM does not do it";
}

const struct tee_port world_tee = {.state = tee_state,
                                   .request = tee_request,
                                   .confirm = tee_confirm,
                                   .keys = tee_keys,
                                   .join = tee_join,
                                   .tell = tee_tell,
                                   .said = tee_said};

/* ---- boot ---- */

bool world_slot_is(uint8_t slot, uint32_t release)
{
    const struct world_release *r = &world_releases[release];

    return memcmp(w->disk[slot], r->content, WORLD_ROOT * RELEASE_BLOCK) == 0 &&
           memcmp(w->disk[slot] + WORLD_ROOT * RELEASE_BLOCK, r->tree, sizeof(r->tree)) == 0 &&
           memcmp(w->flash[slot], r->content[WORLD_ROOT], WORLD_FIRMWARE_SIZE) == 0;
}

static uint32_t release_in(uint8_t slot)
{
    for (uint32_t i = 0; i < WORLD_RELEASES; i++) {
        if (world_slot_is(slot, i))
            return i;
    }
    return NONE;
}

/* BL1, with as much of its rules as a writer can tell. */
static void choose_slot(void)
{
    struct bootstate s = w->state;
    const bool starts = s.trial && !w->never_starts;
    const bool gives_up = starts && (s.tries == 0 || release_in(s.slot) == NONE);

    if (s.trial && release_in(s.slot) == NONE)
        wrong("a trial began in a slot that does not have all of its release");
    if (starts && !gives_up) {
        s.tries--;
        (void)put_state(&s);
    } else if (gives_up) {
        s.trial = false;
        s.slot = (uint8_t)(1 - s.slot);
        s.gave_up = s.tries == 0 ? BOOTSTATE_GAVE_UP_TRIES : BOOTSTATE_GAVE_UP_REFUSED;
        s.tries = 0;
        memset(s.tried, 0, sizeof(s.tried));
        (void)put_state(&s);
    }
    if (s.trial && !starts) {
        s.slot = (uint8_t)(1 - s.slot);
        s.trial = false;
    }
    w->boot = (struct update_boot){.slot = s.slot, .trial = s.trial};
    w->release = release_in(s.slot);
    if (w->release == NONE)
        wrong("the slot that runs is damaged");
    else
        memcpy(w->boot.identity, world_releases[w->release].m.identity, 32);
    for (size_t i = 0; i < sizeof(w->boot.name); i++)
        w->boot.name[i] = (uint8_t)world_random(256);
    if (w->hangs && s.trial)
        longjmp(w->off, RESET);
}

static bool poll_world(void *ctx, uint32_t ms)
{
    (void)ctx;
    w->now += ms;
    if (++w->polls > POLLS_MAX)
        wrong("it works to no end");
    return w->wrong == NULL && w->operates(w, ms);
}

static uint64_t now_ms(void *ctx)
{
    (void)ctx;
    return w->now;
}

static uint32_t memory_kib(void *ctx)
{
    (void)ctx;
    return 1234;
}

static enum writer_end run_writer(void)
{
    const struct writer_port port = {
        .poll = poll_world, .now_ms = now_ms, .memory_kib = memory_kib};
    const struct job_port slots = {
        .running_root = {w->disk[w->boot.slot], WORLD_ROOT * RELEASE_BLOCK, read_disk, read_only,
                         NULL},
        .other_root = {w->disk[other()], WORLD_DISK, read_disk, write_disk, sync_disk},
        .running_firmware = {w->flash[w->boot.slot], WORLD_FLASH, WORLD_SECTOR, read_flash,
                             erase_nothing, read_only},
        .other_firmware = {w->flash[other()], WORLD_FLASH, WORLD_SECTOR, read_flash, erase_flash,
                           write_flash},
        .server = {NULL, range, fault, said}};
    struct store store;
    enum writer_end end;

    memset(&world_writer, 0, offsetof(struct writer, job));
    memset(&world_writer.job, 0, offsetof(struct job, index));
    must(store_open(&store, w->folder));
    writer_open(&world_writer, &port, &world_tee, &store, &slots);
    end = writer_run(&world_writer);
    store_close(&store);
    return end;
}

static void check_running(void)
{
    if (memcmp(w->disk[w->boot.slot], w->was_disk, WORLD_DISK) != 0 ||
        memcmp(w->flash[w->boot.slot], w->was_flash, WORLD_FLASH) != 0)
        wrong("the slot that runs is another one");
}

static enum writer_end boot_and_run(void)
{
    enum writer_end end;

    w->polls = 0;
    choose_slot();
    if (w->wrong != NULL)
        return WRITER_ENDED;
    memcpy(w->was_disk, w->disk[w->boot.slot], WORLD_DISK);
    memcpy(w->was_flash, w->flash[w->boot.slot], WORLD_FLASH);
    open_secure_world();
    end = run_writer();
    check_running();
    return end;
}

bool world_run(void)
{
    volatile bool ended = false;
    int why = setjmp(w->off);

    if (why == OFF) {
        if (w->boots > 0)
            check_running();
        lose_cache();
        w->cut_at = -1;
        return false;
    }
    while (!ended && w->wrong == NULL) {
        if (++w->boots > BOOTS_MAX)
            wrong("it is reset to no end");
        else
            ended = boot_and_run() == WRITER_ENDED;
    }
    return w->wrong == NULL;
}

/* ---- operator ---- */

static struct bytes encode(const struct protocol_request *r)
{
    static uint8_t body[PROTOCOL_REQUEST_MAX];
    struct wr out;

    wr_init(&out, body, sizeof(body));
    must(protocol_request_encode(r, &out));
    return wr_done(&out);
}

static void sign_order(uint32_t release, enum release_action action, struct update_file *f)
{
    static const unsigned int by = WORLD_KEY_ROLLOUT;
    struct release_rollout r = {.action = action,
                                .number = w->number,
                                .issued_ms = WORLD_BEGIN_MS + w->number * 1000,
                                .until_ms = WORLD_BEGIN_MS + 200 * DAY_MS,
                                .to.n = 1};
    struct update_content c;

    memcpy(r.release, world_releases[release].digest, sizeof(r.release));
    memcpy(r.to.ueid[0], world_self()->ueid, sizeof(r.to.ueid[0]));
    update_files_rollout(&r, &c);
    update_files_sign(&release_rollout_kind, &c, &by, 1, f);
}

/* Under the number of now: the caller counts. */
struct bytes world_install(uint32_t release)
{
    static struct update_file order;
    char folder[] = "release-0";
    struct bytes key = BYTES_OF(world_releases[release].key);

    if (w->order_key == WORLD_WRONG_KEY)
        key = BYTES_OF(world_releases[(release + 1) % WORLD_RELEASES].key);
    else if (w->order_key == WORLD_NO_KEY || !world_releases[release].m.encrypted)
        key = (struct bytes){NULL, 0};
    folder[8] = (char)('0' + release);
    sign_order(release, RELEASE_INSTALL, &order);
    return encode(
        &(struct protocol_request){.kind = PROTOCOL_INSTALL,
                                   .folder = text(folder),
                                   .manifest = update_file_bytes(&world_releases[release].manifest),
                                   .order = update_file_bytes(&order),
                                   .release_key = key});
}

struct bytes world_halt(uint32_t release)
{
    static struct update_file order;

    sign_order(release, RELEASE_HALT, &order);
    return encode(
        &(struct protocol_request){.kind = PROTOCOL_HALT, .order = update_file_bytes(&order)});
}

struct bytes world_join(const char *group, uint64_t number)
{
    static const unsigned int by = WORLD_KEY_ROLLOUT;
    static struct update_file file;
    struct release_membership m = {.number = number,
                                   .issued_ms = WORLD_BEGIN_MS,
                                   .until_ms = WORLD_BEGIN_MS + 200 * DAY_MS,
                                   .group = {(const uint8_t *)group, strlen(group)},
                                   .of = {.n = 1}};
    struct update_content c;

    memcpy(m.of.ueid[0], world_self()->ueid, sizeof(m.of.ueid[0]));
    update_files_membership(&m, &c);
    update_files_sign(&release_membership_kind, &c, &by, 1, &file);
    return encode(
        &(struct protocol_request){.kind = PROTOCOL_JOIN, .order = update_file_bytes(&file)});
}

struct bytes world_approve(void)
{
    static const unsigned int by = WORLD_KEY_APPROVAL;
    static struct update_file file;
    struct release_approval a = {.issued_ms = WORLD_BEGIN_MS};
    struct update_content c;

    memcpy(a.release, w->u.record.release, sizeof(a.release));
    memcpy(a.gateway, world_self()->ueid, sizeof(a.gateway));
    memcpy(a.boot, w->boot.name, sizeof(a.boot));
    update_files_approval(&a, &c);
    update_files_sign(&release_approval_kind, &c, &by, 1, &file);
    return encode(
        &(struct protocol_request){.kind = PROTOCOL_APPROVE, .order = update_file_bytes(&file)});
}

struct protocol_reply world_ask(struct bytes request)
{
    static uint8_t work[1024], body[1024];
    const struct bytes reply = writer_answer(&world_writer, request);
    struct protocol_reply r;

    memcpy(body, reply.p, reply.n);
    must(protocol_reply_decode((struct bytes){body, reply.n}, &r, work, sizeof(work)));
    return r;
}

struct protocol_update world_state(void)
{
    const struct protocol_reply r =
        world_ask(encode(&(struct protocol_request){.kind = PROTOCOL_UPDATE}));

    if (r.kind != PROTOCOL_UPDATE)
        abort();
    return r.update;
}

static bool has_order(void)
{
    char path[80];
    struct stat s;

    (void)snprintf(path, sizeof(path), "%s/" ORDER_FILE, w->folder);
    return stat(path, &s) == 0;
}

bool world_settled(void)
{
    return w->u.stage == UPDATE_IDLE && w->release == w->target && world_slot_is(0, w->target) &&
           world_slot_is(1, w->target);
}

bool world_operator(struct world *unused, uint32_t ms)
{
    (void)unused;
    if (ms == 0) /* it works */
        return true;
    if (w->u.stage == UPDATE_ON_TRIAL && w->u.record.approval) {
        (void)world_ask(world_approve());
    } else if (w->u.stage == UPDATE_IDLE && w->release != w->target && !has_order()) {
        w->number++;
        (void)world_ask(world_install(w->target));
    }
    return !world_settled() || world_state().work != PROTOCOL_RESTING;
}
