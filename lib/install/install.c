// SPDX-License-Identifier: Apache-2.0
#include <kapu/install.h>
#include <kapu/install_code.h>

#include <string.h>

/* ---- hashes ---- */

static const uint8_t *hash_of(const struct install *in, uint32_t number)
{
    return in->x->hashes.p + (size_t)number * RELEASE_BLOCK_HASH;
}

static int hash(const struct install *in, const uint8_t block[RELEASE_BLOCK],
                uint8_t to[RELEASE_BLOCK_HASH])
{
    const struct bytes whole = {block, RELEASE_BLOCK};
    uint8_t digest[KAPU_SHA256_SIZE];

    if (in->sha->hash(in->sha->ctx, &whole, 1, digest) != 0)
        return KAPU_ECRYPTO;
    memcpy(to, digest, RELEASE_BLOCK_HASH);
    return 0;
}

/* 1: it is that block of the content; 0: it is not. */
static int is_block(const struct install *in, uint32_t number, const uint8_t block[RELEASE_BLOCK])
{
    uint8_t digest[RELEASE_BLOCK_HASH];
    int err = hash(in, block, digest);

    return err != 0 ? err : memcmp(digest, hash_of(in, number), sizeof(digest)) == 0;
}

/* ---- the order of hashes ---- */

static int compare(const struct install *in, uint32_t a, uint32_t b)
{
    return memcmp(hash_of(in, in->block[a].ordered), hash_of(in, in->block[b].ordered),
                  RELEASE_BLOCK_HASH);
}

static void swap(struct install *in, uint32_t a, uint32_t b)
{
    const uint32_t kept = in->block[a].ordered;

    in->block[a].ordered = in->block[b].ordered;
    in->block[b].ordered = kept;
}

static void sink(struct install *in, uint32_t at, uint32_t n)
{
    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= n)
            return;
        if (child + 1 < n && compare(in, child, child + 1) < 0)
            child++;
        if (compare(in, at, child) >= 0)
            return;
        swap(in, at, child);
        at = child;
    }
}

/* Heapsort: no recursion, no worst case that somebody could choose. */
static void order(struct install *in)
{
    const uint32_t n = in->x->blocks;

    for (uint32_t i = 0; i < n; i++)
        in->block[i].ordered = i;
    for (uint32_t i = n / 2; i > 0; i--)
        sink(in, i - 1, n);
    for (uint32_t i = n; i > 1; i--) {
        swap(in, 0, i - 1);
        sink(in, 0, i - 1);
    }
}

/* The first place in the order with this hash, or behind where it would be. */
static uint32_t find(const struct install *in, const uint8_t digest[RELEASE_BLOCK_HASH])
{
    uint32_t low = 0, high = in->x->blocks;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (memcmp(hash_of(in, in->block[middle].ordered), digest, RELEASE_BLOCK_HASH) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- what is there, and what the gateway has ---- */

static uint32_t frame_blocks(const struct install *in, uint32_t number)
{
    const uint32_t first = number * in->x->frame_blocks, left = in->x->blocks - first;

    return left < in->x->frame_blocks ? left : in->x->frame_blocks;
}

size_t install_prefix(const struct release_index *x, const struct release_patch *patch)
{
    const size_t of_patch =
        patch != NULL ? (size_t)patch->window * RELEASE_BLOCK + patch->prefix : 0;

    return of_patch > x->prefix ? of_patch : x->prefix;
}

int install_begin(struct install *in, const struct kapu_sha256 *sha, const struct release_index *x,
                  const struct release_patch *patch, const struct install_port *port,
                  struct install_block *blocks, uint8_t *frame, uint8_t *packed, uint8_t *prefix)
{
    *in = (struct install){.sha = sha,
                           .x = x,
                           .patch = patch,
                           .port = *port,
                           .block = blocks,
                           .frame = frame,
                           .packed = packed,
                           .prefix = prefix};
    for (uint32_t i = 0; i < release_frames(x); i++) {
        uint32_t at, n;

        if (release_frame(x, i, &at, &n) != 0 || n > 2 * x->frame_blocks * RELEASE_BLOCK)
            return KAPU_EINVAL;
    }
    memset(blocks, 0, INSTALL_MEMORY(x->blocks));
    order(in);
    return 0;
}

int install_there(struct install *in, uint32_t number, const uint8_t block[RELEASE_BLOCK])
{
    int is;

    if (number >= in->x->blocks)
        return KAPU_EARG;
    is = is_block(in, number, block);
    if (is < 0)
        return is;
    if (is > 0 && in->block[number].from != INSTALL_THERE) {
        in->block[number].from = INSTALL_THERE;
        in->figures.there++;
    }
    return 0;
}

int install_offer(struct install *in, uint32_t number, const uint8_t block[RELEASE_BLOCK])
{
    uint8_t digest[RELEASE_BLOCK_HASH];
    int err = number >= INSTALL_THERE - 1 ? KAPU_EARG : hash(in, block, digest);

    if (err != 0)
        return err;
    for (uint32_t i = find(in, digest); i < in->x->blocks; i++) {
        const uint32_t wanted = in->block[i].ordered;

        if (memcmp(hash_of(in, wanted), digest, sizeof(digest)) != 0)
            break;
        if (in->block[wanted].from == 0)
            in->block[wanted].from = number + 1;
    }
    return 0;
}

uint32_t install_lacking(const struct install *in)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < in->x->blocks; i++)
        n += in->block[i].from == 0;
    return n;
}

/* ---- frame by frame ---- */

/* Whether each block of it is there or can be copied. */
static bool is_at_hand(const struct install *in, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++) {
        if (in->block[i].from == 0)
            return false;
    }
    return true;
}

static int put(struct install *in, uint32_t number, const uint8_t block[RELEASE_BLOCK])
{
    int err = in->port.write(in->port.ctx, (uint64_t)number * RELEASE_BLOCK, block, RELEASE_BLOCK);

    if (err == 0) {
        in->block[number].from = INSTALL_THERE;
        in->figures.written++;
    }
    return err;
}

/* One block from what the gateway has: looked at again, because it may have changed since. */
static int copy(struct install *in, uint32_t number)
{
    int err = in->port.have(in->port.ctx, in->block[number].from - 1, in->frame);

    if (err != 0)
        return err;
    err = is_block(in, number, in->frame);
    if (err < 0)
        return err;
    if (err == 0) {
        in->block[number].from = 0;
        return KAPU_ESTALE;
    }
    in->figures.copied++;
    return put(in, number, in->frame);
}

static int copy_frame(struct install *in, uint32_t first, uint32_t n)
{
    int err = 0;

    for (uint32_t i = first; err == 0 && i < first + n; i++) {
        if (in->block[i].from != INSTALL_THERE)
            err = copy(in, i);
    }
    return err;
}

/* Puts what lies before a frame in the content, `most` bytes at the most, behind `*n` bytes of the
 * prefix. */
static int add_before(struct install *in, uint32_t first, uint32_t most, size_t *n)
{
    const uint64_t begin = (uint64_t)first * RELEASE_BLOCK;
    const size_t before = begin < most ? (size_t)begin : most;
    uint8_t *to = in->prefix + *n;
    int err = before > 0 ? in->port.read(in->port.ctx, begin - before, to, before) : 0;

    if (err == 0)
        install_code_absolute(to, before, begin - before);
    *n += before;
    return err;
}

/* Puts the window of a patch's frame into the empty prefix: fewer blocks at the end of what it is
 * for. */
static int add_window(struct install *in, uint32_t first, size_t *n)
{
    int err = 0;

    for (uint32_t i = 0; err == 0 && i < in->patch->window; i++) {
        err = in->port.have(in->port.ctx, first + i, in->prefix + *n);
        if (err == 0)
            *n += RELEASE_BLOCK;
    }
    install_code_absolute(in->prefix, *n, (uint64_t)first * RELEASE_BLOCK);
    return err == KAPU_ENOENT ? 0 : err;
}

/* Unpacks what was fetched, and looks at each of its blocks. */
static int unpack(struct install *in, uint32_t first, uint32_t n, size_t prefix, uint32_t size)
{
    int err =
        in->port.unpack(in->port.ctx, (struct bytes){in->prefix, prefix},
                        (struct bytes){in->packed, size}, in->frame, (size_t)n * RELEASE_BLOCK);

    if (err == KAPU_EINVAL)
        return KAPU_EAUTH;
    if (err == 0)
        install_code_relative(in->frame, (size_t)n * RELEASE_BLOCK,
                              (uint64_t)first * RELEASE_BLOCK);
    for (uint32_t i = 0; err == 0 && i < n; i++) {
        int is = is_block(in, first + i, in->frame + (size_t)i * RELEASE_BLOCK);

        err = is < 0 ? is : (is == 0 ? KAPU_EAUTH : 0);
    }
    return err;
}

static int from_payload(struct install *in, uint32_t number, uint32_t first, uint32_t n)
{
    uint32_t at, size;
    size_t prefix = 0;
    int err = release_frame(in->x, number, &at, &size);

    if (err == 0)
        err = in->port.fetch(in->port.ctx, at, in->packed, size);
    if (err != 0)
        return err;
    in->figures.frames++;
    in->figures.bytes += size;
    err = add_before(in, first, in->x->prefix, &prefix);
    return err == 0 ? unpack(in, first, n, prefix, size) : err;
}

/* KAPU_EAUTH: it is not for what the gateway has, or is damaged. */
static int from_patch(struct install *in, const struct release_patch_frame *f, uint32_t first,
                      uint32_t n)
{
    size_t prefix = 0;
    int err;

    if (f->n > 2 * in->x->frame_blocks * RELEASE_BLOCK)
        return KAPU_EAUTH;
    err = in->port.fetch_patch(in->port.ctx, f->at, in->packed, f->n);
    if (err != 0)
        return err;
    in->figures.frames++;
    in->figures.patched++;
    in->figures.bytes += f->n;
    err = add_window(in, f->window, &prefix);
    if (err == 0)
        err = add_before(in, first, in->patch->prefix, &prefix);
    return err == 0 ? unpack(in, first, n, prefix, f->n) : err;
}

static int unpack_frame(struct install *in, uint32_t number, uint32_t first, uint32_t n)
{
    struct release_patch_frame f;
    int err;

    if (in->patch == NULL || in->port.fetch_patch == NULL ||
        release_patch_find(in->patch, number, &f) != 0)
        return from_payload(in, number, first, n);
    err = from_patch(in, &f, first, n);
    if (err != KAPU_EAUTH)
        return err;
    in->figures.spoiled++;
    return from_payload(in, number, first, n);
}

static int fetch_frame(struct install *in, uint32_t number, uint32_t first, uint32_t n)
{
    int err = unpack_frame(in, number, first, n);

    for (uint32_t i = 0; err == 0 && i < n; i++) {
        if (in->block[first + i].from == INSTALL_THERE)
            continue;
        in->figures.fetched++;
        err = put(in, first + i, in->frame + (size_t)i * RELEASE_BLOCK);
    }
    return err;
}

int install_step(struct install *in)
{
    const uint32_t frames = release_frames(in->x), number = in->next;
    uint32_t first, n;
    int err;

    if (number >= frames)
        return 0;
    first = number * in->x->frame_blocks;
    n = frame_blocks(in, number);
    err = is_at_hand(in, first, n) ? copy_frame(in, first, n) : fetch_frame(in, number, first, n);
    if (err != 0)
        return err;
    in->next++;
    return in->next < frames;
}
