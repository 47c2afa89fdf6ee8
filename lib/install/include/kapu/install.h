/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the content of a release (kapu/release.h, "index") where the gateway will boot it from,
 * and fetches only what the gateway lacks. It keeps no journal: what is done is what the target
 * holds, so after a power cut it is looked at again, block by block, and the rest is done.
 *
 *     install_begin
 *     install_there   for each block of the target: what is right there already
 *     install_offer   for each block of what the gateway has: what need not be fetched
 *     install_step    until nothing is left: one frame each, copied or fetched, verified, written
 *
 * Trust: the index is a release's, by its hash in a signed manifest. All else is hostile: what is
 * fetched, what is offered, and what the target held. No block is written that does not have the
 * hash that the index says. That the whole is the release's says the secure world when it has read
 * the target: the index has a part of each hash only, so as to be small.
 *
 * Memory: the caller's; struct install and INSTALL_MEMORY bytes for the blocks, and buffers for a
 * frame and its prefix. Nothing is allocated.
 */
#ifndef KAPU_INSTALL_H
#define KAPU_INSTALL_H

#include <kapu/release.h>
#include <kapu/sha256.h>

/* What the installer works with. Each function gives 0 or a negative KAPU_E*, which ends the step.
 */
struct install_port {
    void *ctx;
    /* A block of what the gateway has, by the number that it was offered by. KAPU_ENOENT: none
     * such. */
    int (*have)(void *ctx, uint32_t number, uint8_t block[RELEASE_BLOCK]);
    /* n bytes of the target from an offset that is a whole number of blocks. */
    int (*read)(void *ctx, uint64_t at, uint8_t *to, size_t n);
    int (*write)(void *ctx, uint64_t at, const uint8_t *from, size_t n);
    /* Exactly n bytes of the payload from there; KAPU_EIO, KAPU_ETIMEOUT: the step may be repeated.
     */
    int (*fetch)(void *ctx, uint32_t at, uint8_t *to, uint32_t n);
    /* The same of the patch; NULL: there is none. */
    int (*fetch_patch)(void *ctx, uint32_t at, uint8_t *to, uint32_t n);
    /* A frame that is to give exactly n bytes, with what lies before it; code is as
     * kapu/install_code.h makes it, which the installer undoes. KAPU_EINVAL: it does not. */
    int (*unpack)(void *ctx, struct bytes prefix, struct bytes frame, uint8_t *to, size_t n);
};

/* For each block of the content: its place in the order of hashes, and where it comes from. */
struct install_block {
    uint32_t ordered; /* the block that is at this place when they are ordered by hash */
    uint32_t from;    /* 0: lacking; INSTALL_THERE; else the number that it was offered by, and 1 */
};
#define INSTALL_THERE UINT32_MAX
#define INSTALL_MEMORY(blocks) ((size_t)(blocks) * sizeof(struct install_block))

struct install_figures {
    uint32_t there, copied, fetched; /* blocks: found in place, taken from what it has, others */
    uint32_t frames;                 /* fetched, of payload and patch */
    uint32_t patched, spoiled;       /* of those, frames of the patch; and such that were no good */
    uint64_t bytes;                  /* fetched */
    uint32_t written;                /* blocks */
};

struct install {
    const struct kapu_sha256 *sha;
    const struct release_index *x;
    const struct release_patch *patch; /* or NULL */
    struct install_port port;
    struct install_block *block;
    uint8_t *frame, *packed, *prefix; /* of frame_blocks blocks; twice that; install_prefix() */
    uint32_t next;                    /* frame */
    struct install_figures figures;
};

/* Bytes of the longest prefix. `patch` may be NULL. */
size_t install_prefix(const struct release_index *x, const struct release_patch *patch);

/*
 * The index must outlive the installation, and so must the memory: `blocks` of
 * INSTALL_MEMORY(x->blocks) bytes, `frame` of x->frame_blocks blocks, `packed` of twice that,
 * `prefix` of install_prefix() bytes. KAPU_EINVAL: a frame of the index is larger than `packed`.
 *
 * `patch` may be NULL. With one, port.have knows the blocks of the content of the release that it
 * is for by their numbers in it. It is not trusted.
 */
KAPU_MUST_CHECK int install_begin(struct install *in, const struct kapu_sha256 *sha,
                                  const struct release_index *x, const struct release_patch *patch,
                                  const struct install_port *port, struct install_block *blocks,
                                  uint8_t *frame, uint8_t *packed, uint8_t *prefix);

/* What the target has at a block: marks it when it is right. KAPU_ECRYPTO; KAPU_EARG: no such
 * block. */
KAPU_MUST_CHECK int install_there(struct install *in, uint32_t number,
                                  const uint8_t block[RELEASE_BLOCK]);

/* A block that the gateway has, by a number below UINT32_MAX - 1 that port.have knows: marks the
 * blocks of the content that are the same and not there yet. */
KAPU_MUST_CHECK int install_offer(struct install *in, uint32_t number,
                                  const uint8_t block[RELEASE_BLOCK]);

/* Blocks of the content that have to be fetched, as far as is known now. */
uint32_t install_lacking(const struct install *in);

/*
 * The next frame. 1: more are left; 0: all of the content is in the target. KAPU_EIO,
 * KAPU_ETIMEOUT: call it again. KAPU_EAUTH: what was fetched is not what the index says;
 * KAPU_ESTALE: what was offered, or was found in place, is another one by now, and is to be
 * fetched: call it again. Others: the port's.
 */
KAPU_MUST_CHECK int install_step(struct install *in);

#endif
