/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands between an idea and a running gateway, each signed by somebody else:
 *
 *   manifest   what a release is, by M of N release keys
 *   rollout    which gateways get it and until when, by the operator's rollout keys
 *   approval   this trial on this gateway is good, by the operator's verifier
 *   membership which gateways are of a group, by the rollout keys
 *   keys       who these are: a set for each role. The next set of a role is signed by the
 *              thresholds of the present set and of the next (as root metadata of TUF and Uptane)
 *
 * wire/release.cddl is the format: deterministic CBOR (RFC 8949, 4.2.1) in a COSE_Sign (RFC 9052,
 * 4.1) with ES256; docs/update.md says what each signature proves. Names follow SUIT (RFC 9124)
 * where they fit.
 *
 * Trust: what is decoded is hostile until its signatures hold, which release_verify says. Decoders
 * are as strict as those of kapu/evidence.h: one meaning has one encoding. They hold nothing to a
 * clock, a gateway or a counter: that is their caller's part.
 *
 * Memory: the caller owns everything; decoded structures hold views into the input. Encoders write
 * behind what is already in a struct wr; when they fail nothing was written there.
 *
 * Errors: 0 or KAPU_E*. Encoders: KAPU_EARG (a value that the format has no place for),
 * KAPU_ESPACE. Decoders: KAPU_EINVAL, KAPU_ERANGE (larger than the bounds), KAPU_EUNSUPPORTED
 * (another kind, or another version of the format), KAPU_ESPACE (work memory smaller than the
 * input).
 */
#ifndef KAPU_RELEASE_H
#define KAPU_RELEASE_H

#include <kapu/evidence.h>

/* ---- bounds, in bytes unless said otherwise ---- */

#define RELEASE_DIGEST_SIZE 32u
#define RELEASE_KEYS_MAX 8u               /* keys of a set */
#define RELEASE_SIGNATURES_MAX 16u        /* of two sets */
#define RELEASE_VERSION_MAX 64u           /* text */
#define RELEASE_CLASS_MAX 32u             /* text: of hardware, of product */
#define RELEASE_GATEWAYS_MAX 32u          /* gateways that a rollout names */
#define RELEASE_GROUP_MAX 32u             /* text */
#define RELEASE_SIZE_MAX (1ull << 31)     /* of firmware, root image, index: each is smaller */
#define RELEASE_TIME_MAX 253402300799999u /* ms since 1970: 9999-12-31T23:59:59.999Z */
#define RELEASE_CONTENT_MAX 1536u         /* what is signed */
#define RELEASE_SIGNED_MAX (RELEASE_CONTENT_MAX + 64u + RELEASE_SIGNATURES_MAX * 112u)

/* ---- signed by several ---- */

struct release_signed {
    struct bytes content;
    size_t signatures;
    struct {
        uint8_t kid[EVIDENCE_KID_SIZE]; /* ascending, no two the same */
        uint8_t signature[EVIDENCE_SIGNATURE_SIZE];
    } by[RELEASE_SIGNATURES_MAX];
};

/* The kinds: their type is signed too, so that nothing signed as one passes for another. */
extern const struct evidence_kind release_manifest_kind, release_keys_kind, release_rollout_kind,
    release_approval_kind, release_membership_kind;

/* What a signer signs with ECDSA: the SHA-256 of the Sig_structure (RFC 9052, 4.4). */
KAPU_MUST_CHECK int release_signed_digest(const struct kapu_sha256 *h,
                                          const struct evidence_kind *kind,
                                          const uint8_t kid[EVIDENCE_KID_SIZE],
                                          struct bytes content, uint8_t digest[32]);
/* Puts a signature in its place; one by the same key before is replaced. KAPU_ESPACE: full. */
KAPU_MUST_CHECK int release_signed_add(struct release_signed *s,
                                       const uint8_t kid[EVIDENCE_KID_SIZE],
                                       const uint8_t signature[EVIDENCE_SIGNATURE_SIZE]);
KAPU_MUST_CHECK int release_signed_encode(const struct evidence_kind *kind,
                                          const struct release_signed *s, struct wr *out);
KAPU_MUST_CHECK int release_signed_decode(const struct evidence_kind *kind, struct bytes in,
                                          struct release_signed *s, uint8_t *work, size_t work_n);

/* ---- sets of keys ---- */

enum release_role { RELEASE_ROLE_RELEASE = 1, RELEASE_ROLE_ROLLOUT = 2, RELEASE_ROLE_APPROVAL = 3 };

struct release_keys {
    enum release_role role;
    uint32_t version;                          /* from 1; the next set has the next one */
    uint32_t threshold;                        /* 1 to `keys`: so many of them must sign */
    size_t keys;                               /* 1 to RELEASE_KEYS_MAX */
    struct evidence_key key[RELEASE_KEYS_MAX]; /* ascending by x, no two the same */
};

KAPU_MUST_CHECK int release_keys_encode(const struct release_keys *k, struct wr *out);
KAPU_MUST_CHECK int release_keys_decode(struct bytes in, struct release_keys *k, uint8_t *work,
                                        size_t work_n);
/* Into the order of the format. KAPU_EARG: two are the same key. */
KAPU_MUST_CHECK int release_keys_sort(struct release_keys *k);

/*
 * That at least the threshold of a set signed. Signatures of others, and such that do not hold, do
 * not count. KAPU_EAUTH: too few; KAPU_EARG: the set is none; KAPU_ECRYPTO. `good`, which may be
 * NULL, gets how many hold.
 */
KAPU_MUST_CHECK int release_verify(const struct kapu_sha256 *h, const struct evidence_verify *port,
                                   const struct evidence_kind *kind, const struct release_signed *s,
                                   const struct release_keys *k, size_t *good);

/*
 * That `next`, decoded from the content of `s`, follows `now`: the same role, the version after its
 * own, signed by the thresholds of both. KAPU_EPIN: another role; KAPU_EREPLAY: its version is not
 * a later one; KAPU_ESTALE: sets between the two are missing; KAPU_EAUTH; KAPU_ECRYPTO.
 */
KAPU_MUST_CHECK int release_keys_follow(const struct kapu_sha256 *h,
                                        const struct evidence_verify *port,
                                        const struct release_signed *s,
                                        const struct release_keys *now,
                                        const struct release_keys *next);

/* ---- manifest ---- */

struct release_file {
    uint64_t size; /* bytes, below RELEASE_SIZE_MAX */
    uint8_t sha256[RELEASE_DIGEST_SIZE];
};

struct release_manifest {
    uint8_t identity[RELEASE_DIGEST_SIZE]; /* what all its certificates carry: docs/boot.md */
    struct bytes version;                  /* text, not empty */
    struct bytes hardware;                 /* text, not empty: platform, as in board records */
    struct bytes product;                  /* text, not empty: "gateway", "lab", an integrator's */
    uint32_t counter;                      /* security counter of its certificates */
    uint32_t counter_from; /* the least counter that a gateway must have, at most `counter` */
    uint64_t made_ms, expires_ms; /* since 1970; not started anew after `expires_ms` */
    struct release_file firmware; /* firmware package, as it lies in a slot */
    struct {
        uint64_t size;    /* bytes of the file system: whole blocks of 4,096; the hash tree follows
                             from it */
        uint8_t salt[32]; /* of dm-verity */
        uint8_t hash[32]; /* root hash: also in the firmware's device tree */
    } root;
    struct release_file index; /* of the payload: where a gateway finds what it lacks */
    bool approval;             /* a trial is confirmed only with an approval */
    /* What gateways fetch is encrypted (kapu/cipher.h), and the check value of its key. Sizes and
     * hashes above are of the plain files all the same. */
    bool encrypted;
    uint8_t key_check[RELEASE_DIGEST_SIZE];
};

KAPU_MUST_CHECK int release_manifest_encode(const struct release_manifest *m, struct wr *out);
KAPU_MUST_CHECK int release_manifest_decode(struct bytes in, struct release_manifest *m,
                                            uint8_t *work, size_t work_n);
/* What rollouts and approvals call a release: SHA-256 of its encoded manifest. KAPU_ECRYPTO. */
KAPU_MUST_CHECK int release_digest(const struct kapu_sha256 *h, struct bytes manifest,
                                   uint8_t digest[RELEASE_DIGEST_SIZE]);

/* ---- index ---- */

/*
 * Where a gateway finds what it lacks. The content of a release is the file system of its root
 * image, followed by the firmware package, filled up with zeros to whole blocks. A gateway that
 * has a block of that content anywhere, by its hash, takes its own; the others come in frames,
 * which are stored one after another in the payload. A frame covers some blocks in a row, and may
 * be fetched alone (HTTP range). It is a Zstandard frame (RFC 8878) of which the content before it,
 * as much as the index says, is the prefix: what a gateway rebuilds from front to back it has by
 * then. Code is in both as kapu/install_code.h makes it.
 *
 * The manifest has the index' SHA-256, so what is decoded is a release's own; sizes are checked all
 * the same.
 */
#define RELEASE_BLOCK 4096u
#define RELEASE_BLOCK_HASH 12u        /* bytes of a block's SHA-256 that the index has */
#define RELEASE_FRAME_BLOCKS_MAX 256u /* blocks of a frame */
#define RELEASE_PREFIX_MAX (8u << 20) /* bytes */
#define RELEASE_BLOCKS_MAX (2u * (uint32_t)(RELEASE_SIZE_MAX / RELEASE_BLOCK))

struct release_index {
    uint32_t blocks;       /* of the content */
    uint32_t frame_blocks; /* of each frame but the last, which may have fewer */
    uint32_t prefix;       /* bytes: whole blocks */
    struct bytes hashes;   /* RELEASE_BLOCK_HASH bytes for each block */
    struct bytes ends;     /* for each frame, where in the payload it ends: 4 bytes, big-endian */
};

/* Blocks that the content of these sizes has. */
uint32_t release_content_blocks(const struct release_manifest *m);
uint32_t release_frames(const struct release_index *x);
/* A frame's place in the payload: bytes from *at, *n of them. KAPU_EARG: there is none of that
 * number. */
KAPU_MUST_CHECK int release_frame(const struct release_index *x, uint32_t number, uint32_t *at,
                                  uint32_t *n);

KAPU_MUST_CHECK int release_index_encode(const struct release_index *x, struct wr *out);
/* Views into the input, of which no second copy is made. */
KAPU_MUST_CHECK int release_index_decode(struct bytes in, struct release_index *x);

/* ---- patches ---- */

/*
 * The way from one release to another: frames as those of the payload, but each with a window of
 * the release that the gateway has before the content in its prefix. Nobody signs a patch: a frame
 * that does not give the blocks of the index is not used, and the payload's is. The frames are
 * stored one after another in a file, and the index of a patch says which there are.
 */
#define RELEASE_PATCH_FRAMES_MAX 65536u

struct release_patch {
    uint8_t from[RELEASE_DIGEST_SIZE]; /* identity of the release that it is for */
    uint32_t window; /* blocks of that release's content; at most RELEASE_PREFIX_MAX */
    uint32_t prefix; /* bytes of the content before the frame, after the window */
    uint32_t frames;
    struct bytes
        table; /* 12 bytes for each frame: its number, first block of its window, its end */
};

struct release_patch_frame {
    uint32_t number, window; /* in the content; first block, in the other release's */
    uint32_t at, n;          /* bytes of the patch */
};

/* The patch's frame for a frame of the content. KAPU_ENOENT: it has none. */
KAPU_MUST_CHECK int release_patch_find(const struct release_patch *p, uint32_t number,
                                       struct release_patch_frame *f);
KAPU_MUST_CHECK int release_patch_encode(const struct release_patch *p, struct wr *out);
#define RELEASE_PATCH_NAME                                                                         \
    16u /* bytes of that release's identity in the name of the file: patch-HEX */
/* Bytes of an index of a patch, from its first ones: nobody says how many there are before it is
 * fetched. At most RELEASE_PATCH_INDEX_MAX. KAPU_EINVAL: it is none. */
#define RELEASE_PATCH_HEAD 56u /* each is longer, or as long */
#define RELEASE_PATCH_INDEX_MAX (64u + RELEASE_PATCH_FRAMES_MAX * 12u)
KAPU_MUST_CHECK int release_patch_size(const uint8_t head[RELEASE_PATCH_HEAD], size_t *n);
/* Views into the input. */
KAPU_MUST_CHECK int release_patch_decode(struct bytes in, struct release_patch *p);

/* ---- rollout ---- */

enum release_action { RELEASE_INSTALL = 1, RELEASE_HALT = 2 };

/* Ascending by UEID, no two the same. */
struct release_gateways {
    size_t n;
    uint8_t ueid[RELEASE_GATEWAYS_MAX][EVIDENCE_UEID_SIZE];
};

struct release_rollout {
    uint8_t release[RELEASE_DIGEST_SIZE];
    enum release_action action;
    uint64_t number; /* of this operator's rollouts, from 1: a gateway takes later ones only */
    uint64_t issued_ms, until_ms; /* since 1970 */
    /* Who: either some gateways or a group. */
    struct release_gateways to;
    struct bytes group; /* text; empty: gateways by name */
};

KAPU_MUST_CHECK int release_rollout_encode(const struct release_rollout *r, struct wr *out);
KAPU_MUST_CHECK int release_rollout_decode(struct bytes in, struct release_rollout *r,
                                           uint8_t *work, size_t work_n);

/* ---- membership ---- */

/* These gateways are of the group from now on, and of no other that was said before. */
struct release_membership {
    uint64_t number; /* of this operator's memberships, from 1: a gateway takes later ones only */
    uint64_t issued_ms, until_ms; /* since 1970: not taken any more after `until_ms` */
    struct bytes group;           /* text, not empty */
    struct release_gateways of;   /* at least one */
};

KAPU_MUST_CHECK int release_membership_encode(const struct release_membership *m, struct wr *out);
KAPU_MUST_CHECK int release_membership_decode(struct bytes in, struct release_membership *m,
                                              uint8_t *work, size_t work_n);

/* ---- approval ---- */

struct release_approval {
    uint8_t release[RELEASE_DIGEST_SIZE];
    uint8_t gateway[EVIDENCE_UEID_SIZE];
    uint8_t boot[32]; /* the secure world's random name of this boot */
    uint64_t issued_ms;
};

KAPU_MUST_CHECK int release_approval_encode(const struct release_approval *a, struct wr *out);
KAPU_MUST_CHECK int release_approval_decode(struct bytes in, struct release_approval *a,
                                            uint8_t *work, size_t work_n);

#endif
