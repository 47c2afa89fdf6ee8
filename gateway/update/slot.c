// SPDX-License-Identifier: Apache-2.0
#include "slot.h"

#include <string.h>

#include "digest.h"

#define ASK_EACH 16u /* blocks between two questions whether to go on */
/* Stretches: none was written by this job, and the firmware package, which comes after all. */
#define NO_STRETCH UINT64_MAX
#define AFTER_ROOT (UINT64_MAX - 1)

static uint32_t blocks_of(uint64_t bytes)
{
    return (uint32_t)((bytes + RELEASE_BLOCK - 1) / RELEASE_BLOCK);
}

/* ---- the slot that runs ---- */

void slot_running_begin(struct slot_running *s, const struct disk_port *root,
                        const struct flash_port *firmware, const struct release_manifest *m)
{
    const bool fits = m != NULL && m->root.size <= root->size && m->firmware.size <= firmware->size;

    *s = (struct slot_running){.root = *root, .firmware = *firmware};
    s->root_blocks = (uint32_t)((fits ? m->root.size : root->size) / RELEASE_BLOCK);
    s->firmware_size = fits ? m->firmware.size : firmware->size;
}

uint32_t slot_running_blocks(const struct slot_running *s)
{
    return s->root_blocks + blocks_of(s->firmware_size);
}

int slot_running_block(const struct slot_running *s, uint32_t number, uint8_t block[RELEASE_BLOCK])
{
    uint64_t at, left;

    if (number < s->root_blocks)
        return s->root.read(s->root.ctx, (uint64_t)number * RELEASE_BLOCK, block, RELEASE_BLOCK);
    if (number >= slot_running_blocks(s))
        return KAPU_ENOENT;
    at = (uint64_t)(number - s->root_blocks) * RELEASE_BLOCK;
    left = s->firmware_size - at;
    memset(block, 0, RELEASE_BLOCK);
    return s->firmware.read(s->firmware.ctx, at, block,
                            left < RELEASE_BLOCK ? (size_t)left : RELEASE_BLOCK);
}

/* ---- the other slot ---- */

static int failed(struct slot_other *s, enum slot_part part, int err)
{
    if (err != 0 && s->failed == 0) {
        s->failed = err;
        s->failing = part;
    }
    return err;
}

int slot_other_begin(struct slot_other *s, const struct disk_port *root,
                     const struct flash_port *firmware, const struct release_manifest *m,
                     uint8_t *sector)
{
    const uint64_t blocks = m->root.size / RELEASE_BLOCK;

    memset(s, 0, sizeof(*s));
    s->m = m;
    s->root = *root;
    s->stretch = NO_STRETCH;
    if (blocks == 0 || blocks > VERITY_BLOCKS_MAX ||
        (blocks + verity_tree_blocks(blocks)) * RELEASE_BLOCK > root->size) {
        s->failing = SLOT_ROOT;
        return KAPU_ESPACE;
    }
    if ((uint64_t)blocks_of(m->firmware.size) * RELEASE_BLOCK > firmware->size) {
        s->failing = SLOT_FIRMWARE;
        return KAPU_ESPACE;
    }
    return flash_begin(&s->flash, firmware, sector);
}

/* How many of n bytes from there are the root image's. */
static size_t of_root(const struct slot_other *s, uint64_t at, size_t n)
{
    const uint64_t left = at < s->m->root.size ? s->m->root.size - at : 0;

    return n < left ? n : (size_t)left;
}

int slot_other_read(struct slot_other *s, uint64_t at, uint8_t *to, size_t n)
{
    const size_t root = of_root(s, at, n);
    int err = 0;

    if (root > 0)
        err = failed(s, SLOT_ROOT, s->root.read(s->root.ctx, at, to, root));
    if (err == 0 && n > root)
        err = failed(s, SLOT_FIRMWARE,
                     flash_read(&s->flash, at + root - s->m->root.size, to + root, n - root));
    return err;
}

/* What was written before is made lasting; of an earlier job too. */
static int enter(struct slot_other *s, uint64_t stretch)
{
    if (s->stretch == stretch)
        return 0;
    s->stretch = stretch;
    return s->root.sync(s->root.ctx, false);
}

int slot_other_write(struct slot_other *s, uint64_t at, const uint8_t *from, size_t n)
{
    const size_t root = of_root(s, at, n);
    int err = failed(s, SLOT_ROOT, enter(s, root > 0 ? at / s->flash.port.sector : AFTER_ROOT));

    if (err == 0 && root > 0)
        err = failed(s, SLOT_ROOT, s->root.write(s->root.ctx, at, from, root));
    if (err == 0 && n > root)
        err = failed(s, SLOT_FIRMWARE,
                     flash_write(&s->flash, at + root - s->m->root.size, from + root, n - root));
    return err;
}

int slot_other_reach(struct slot_other *s, uint64_t at)
{
    const uint64_t root = s->m->root.size;
    const struct flash *f = &s->flash;

    if (s->stretch == NO_STRETCH)
        return 0;
    if (at < root)
        return failed(s, SLOT_ROOT, enter(s, at / f->port.sector));
    if (f->held && f->at + f->port.sector <= at - root)
        return failed(s, SLOT_FIRMWARE, flash_flush(&s->flash));
    return failed(s, SLOT_ROOT, enter(s, AFTER_ROOT));
}

/* ---- the end ---- */

/* A block of the hash tree that is there already is not written again. */
static int put_tree(void *ctx, uint64_t number, const uint8_t block[VERITY_BLOCK])
{
    struct slot_other *s = ctx;
    uint8_t is[VERITY_BLOCK];
    int err = s->root.read(s->root.ctx, number * VERITY_BLOCK, is, sizeof(is));

    if (err == 0 && memcmp(is, block, sizeof(is)) != 0)
        err = s->root.write(s->root.ctx, number * VERITY_BLOCK, block, VERITY_BLOCK);
    return failed(s, SLOT_ROOT, err);
}

/* A block of the hash tree, after all was written. */
static int same_tree(void *ctx, uint64_t number, const uint8_t block[VERITY_BLOCK])
{
    struct slot_other *s = ctx;
    uint8_t is[VERITY_BLOCK];
    int err =
        failed(s, SLOT_ROOT, s->root.read(s->root.ctx, number * VERITY_BLOCK, is, sizeof(is)));

    return err == 0 && memcmp(is, block, sizeof(is)) != 0 ? KAPU_EAUTH : err;
}

struct asked {
    bool (*goes_on)(void *ctx);
    void *ctx;
};

/* The root image from its first to its last block, through dm-verity's hashes. */
static int go_through(struct slot_other *s, const struct kapu_sha256 *sha,
                      int (*each)(void *ctx, uint64_t number, const uint8_t block[VERITY_BLOCK]),
                      const struct asked *a)
{
    const uint64_t blocks = s->m->root.size / RELEASE_BLOCK;
    uint8_t block[VERITY_BLOCK], root[VERITY_HASH];
    int err = verity_begin(&s->verity, sha, s->m->root.salt, blocks, each, s);

    for (uint64_t i = 0; err == 0 && i < blocks; i++) {
        if (i % ASK_EACH == 0 && !a->goes_on(a->ctx))
            return KAPU_ETIMEOUT;
        err = failed(s, SLOT_ROOT,
                     s->root.read(s->root.ctx, i * RELEASE_BLOCK, block, sizeof(block)));
        if (err == 0)
            err = verity_add(&s->verity, block);
    }
    if (err == 0)
        err = verity_end(&s->verity, root);
    if (err == 0 && memcmp(root, s->m->root.hash, sizeof(root)) != 0)
        err = KAPU_EAUTH;
    if (err == KAPU_EAUTH)
        s->failing = SLOT_ROOT;
    return err;
}

static int check_firmware(struct slot_other *s, const struct asked *a)
{
    uint8_t block[RELEASE_BLOCK], digest[KAPU_SHA256_SIZE];
    int err = digest_begin();
    size_t some;

    for (uint64_t at = 0; err == 0 && at < s->m->firmware.size; at += some) {
        const uint64_t left = s->m->firmware.size - at;

        some = left < sizeof(block) ? (size_t)left : sizeof(block);
        if (at % ((uint64_t)ASK_EACH * RELEASE_BLOCK) == 0 && !a->goes_on(a->ctx))
            return KAPU_ETIMEOUT;
        err = failed(s, SLOT_FIRMWARE, flash_read(&s->flash, at, block, some));
        if (err == 0)
            err = digest_add((struct bytes){block, some});
    }
    if (err == 0)
        err = digest_end(digest);
    if (err != 0 || memcmp(digest, s->m->firmware.sha256, sizeof(digest)) == 0)
        return err;
    s->failing = SLOT_FIRMWARE;
    return KAPU_EAUTH;
}

/* The root image twice: once for the hash tree, and then as it is on the medium. */
int slot_other_finish(struct slot_other *s, const struct kapu_sha256 *sha,
                      bool (*goes_on)(void *ctx), void *ctx)
{
    const struct asked a = {goes_on, ctx};
    int err = failed(s, SLOT_FIRMWARE, flash_flush(&s->flash));

    if (err == 0)
        err = go_through(s, sha, put_tree, &a);
    if (err == 0)
        err = failed(s, SLOT_ROOT, s->root.sync(s->root.ctx, true));
    if (err == 0)
        err = go_through(s, sha, same_tree, &a);
    return err == 0 ? check_firmware(s, &a) : err;
}
