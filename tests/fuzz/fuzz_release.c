// SPDX-License-Identifier: Apache-2.0
/*
 * Manifests, sets of keys, rollouts and approvals on any bytes: the file as it comes, and what
 * would be signed. What is accepted is the only encoding of what it means, and of one kind only.
 * And indexes, of payloads and patches.
 */
#include <kapu/release.h>

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static uint8_t work[RELEASE_SIGNED_MAX], again[RELEASE_SIGNED_MAX];

static void same(struct bytes in, int err, const struct wr *w)
{
    if (err != 0 || w->at != in.n || memcmp(w->p, in.p, in.n) != 0)
        abort();
}

#define CONTENT(what)                                                                              \
    static unsigned is_##what(struct bytes in)                                                     \
    {                                                                                              \
        struct release_##what v;                                                                   \
        struct wr w;                                                                               \
                                                                                                   \
        if (release_##what##_decode(in, &v, work, sizeof(work)) != 0)                              \
            return 0;                                                                              \
        wr_init(&w, again, sizeof(again));                                                         \
        same(in, release_##what##_encode(&v, &w), &w);                                             \
        return 1;                                                                                  \
    }
CONTENT(manifest)
CONTENT(keys)
CONTENT(rollout)
CONTENT(membership)
CONTENT(approval)

/* A release's own by its hash in a manifest; all the same nothing in it may lead out of it. */
static void index_of(struct bytes in)
{
    struct release_index x;

    if (release_index_decode(in, &x) != 0)
        return;
    for (uint32_t i = 0, end = 0, at, n; i < release_frames(&x); i++, end = at + n) {
        if (release_frame(&x, i, &at, &n) != 0 || at != end || n == 0)
            abort();
    }
    if ((uint64_t)x.blocks * RELEASE_BLOCK_HASH != x.hashes.n)
        abort();
}

static void patch_of(struct bytes in)
{
    struct release_patch p;
    struct release_patch_frame f;
    struct wr w;
    size_t size = 0;
    int err = in.n < RELEASE_PATCH_HEAD ? KAPU_EINVAL : release_patch_size(in.p, &size);

    if (err == 0 && (size < RELEASE_PATCH_HEAD || size > RELEASE_PATCH_INDEX_MAX))
        abort();
    if (release_patch_decode(in, &p) != 0)
        return;
    if (size != in.n)
        abort();
    wr_init(&w, again, sizeof(again));
    if (release_patch_encode(&p, &w) != 0 && w.err != KAPU_ESPACE)
        abort();
    for (uint32_t i = 0; i < 64; i++) {
        if (release_patch_find(&p, i, &f) == 0 && (f.number != i || f.n == 0))
            abort();
    }
}

static void content(struct bytes in)
{
    patch_of(in);
    index_of(in);
    if (is_manifest(in) + is_keys(in) + is_rollout(in) + is_membership(in) + is_approval(in) > 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct evidence_kind *const kinds[] = {
        &release_manifest_kind, &release_keys_kind, &release_rollout_kind, &release_membership_kind,
        &release_approval_kind};
    const struct bytes in = {data, size};
    unsigned taken = 0;

    content(in);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct release_signed s;
        struct wr w;

        if (release_signed_decode(kinds[i], in, &s, work, sizeof(work)) != 0)
            continue;
        wr_init(&w, again, sizeof(again));
        same(in, release_signed_encode(kinds[i], &s, &w), &w);
        content(s.content);
        taken++;
    }
    if (taken > 1)
        abort();
    return 0;
}
