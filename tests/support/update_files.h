/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed files of updates, made fast: for tests of what is decided when signatures hold, by the
 * million. A "signature" is a hash of public key and message, which update_files_verify checks.
 * Real signatures are tested by test_release.c.
 */
#ifndef KAPU_UPDATE_FILES_H
#define KAPU_UPDATE_FILES_H

#include <kapu/release.h>

extern const struct evidence_verify update_files_verify;

/* The key of a number. */
struct evidence_key update_files_key(unsigned int number);

/* A set of `n` keys from a number on, for its role and with its version. */
struct release_keys update_files_set(enum release_role role, uint32_t version, unsigned int first,
                                     size_t n, uint32_t threshold);

/* A file: content, signed by the keys of the numbers. */
struct update_file {
    uint8_t b[RELEASE_SIGNED_MAX];
    size_t n;
};
struct bytes update_file_bytes(const struct update_file *f);

struct update_content {
    uint8_t b[RELEASE_CONTENT_MAX];
    size_t n;
};
struct bytes update_content_bytes(const struct update_content *c);

/* Each aborts when the library refuses: tests ask for nothing else. */
void update_files_keys(const struct release_keys *k, struct update_content *c);
void update_files_manifest(const struct release_manifest *m, struct update_content *c);
void update_files_rollout(const struct release_rollout *r, struct update_content *c);
void update_files_membership(const struct release_membership *m, struct update_content *c);
void update_files_approval(const struct release_approval *a, struct update_content *c);
void update_files_sign(const struct evidence_kind *kind, const struct update_content *c,
                       const unsigned int *keys, size_t n, struct update_file *f);

#endif
