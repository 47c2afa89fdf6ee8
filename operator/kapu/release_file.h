/* SPDX-License-Identifier: Apache-2.0 */
/* Files that several sign (kapu/release.h): manifests, sets of keys, rollouts, memberships,
 * approvals. Functions say on stderr what is wrong. */
#ifndef KAPU_RELEASE_FILE_H
#define KAPU_RELEASE_FILE_H

#include <kapu/release.h>

#include "newfile.h"
#include "signer.h"

enum release_what {
    RELEASE_A_MANIFEST,
    RELEASE_A_SET,
    RELEASE_A_ROLLOUT,
    RELEASE_A_MEMBERSHIP,
    RELEASE_AN_APPROVAL,
};
#define RELEASE_WHATS 5

/* Of each of them: how people call it, and whose keys sign it. */
struct release_about {
    const char *name, *a_name; /* with its article */
    const struct evidence_kind *kind;
    enum release_role role; /* of a set: its own */
};
extern const struct release_about release_about[RELEASE_WHATS];
extern const char *const release_role_name[RELEASE_ROLE_APPROVAL + 1];

/* One that was read; it points into itself, so it is not copied. */
struct release_file_read {
    enum release_what what;
    struct release_signed seen;
    union {
        struct release_manifest manifest;
        struct release_keys keys;
        struct release_rollout rollout;
        struct release_membership membership;
        struct release_approval approval;
    } is;
    uint8_t bytes[RELEASE_SIGNED_MAX];
};

/* 0 or -1. No signature is looked at. */
int release_file_read(const char *path, struct release_file_read *f);
/* The same, of that kind. */
int release_file_read_a(const char *path, enum release_what what, struct release_file_read *f);
/* Adds a signature; `name` is for messages. A status of commands.h. */
int release_file_sign(const char *name, enum release_what what, struct release_signed *s,
                      struct signer *by);
/* Whether a file of that kind may be written there, without losing what others made or signed:
 * there is none, or one of the same kind that nobody has signed. Else -1 after saying what is
 * there. */
int release_file_may_write(const char *path, enum release_what what);
/* To a file that is open; it is kept, or dropped. 0 or -1. */
int release_file_put(struct newfile *to, enum release_what what, const struct release_signed *s);
/* Whole or not at all. 0 or -1. */
int release_file_write(const char *path, enum release_what what, const struct release_signed *s);

#endif
