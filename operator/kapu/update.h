/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of `kapu update` share. Functions that return int give a status of commands.h,
 * after saying on stderr what is wrong, unless they say otherwise. */
#ifndef KAPU_UPDATE_COMMAND_H
#define KAPU_UPDATE_COMMAND_H

#include <signal.h>

#include <kapu/cipher.h>

#include "operator.h"
#include "release_file.h"

#define UPDATE_GIVEN_MAX 32u
#define UPDATE_NAMED_MAX 4096u /* gateways that a command line names */

struct update_options {
    const char *at;                         /* the operator's folder */
    const char *to, *folder, *release_keys; /* publish */
    const char **gateway;                   /* rollout, join: as people call them */
    size_t gateways;
    const char *waves, *limit, *group;
    uint64_t days, number;
    uint32_t timeout_s;
    bool all, json, ask, history;
    size_t given_n; /* which options were given, each once */
    int given[UPDATE_GIVEN_MAX];
};

int update_publish(struct operator* o, const struct update_options *p, const char *folder);
int update_rollout(struct operator* o, const struct update_options *p, const char *release);
int update_join_group(struct operator* o, const struct update_options *p, const char *group);
int update_resume(struct operator* o, const struct update_options *p, const char *release);
/* `release`: NULL with --all. */
int update_halt(struct operator* o, const struct update_options *p, const char *release);
/* `release`: NULL: of all. */
int update_status(struct operator* o, const struct update_options *p, const char *release);

/* ms by a clock that nobody sets. */
uint64_t update_ticks_ms(void);

/* ---- releases and campaigns ---- */

/* By version, folder, or the first characters (at least 8) of its digest. */
int update_find_release(const struct operator* o, const char *given, struct store_release *r);
/* The latest campaign of a release. */
int update_find_campaign(const struct operator* o, const struct store_release *r,
                         struct store_campaign *c);
/* The gateways that a command line names, which are in the store: all, by name, or of a group.
 * `each` returns 0 or KAPU_ESPACE. */
int update_each_gateway(const struct operator* o, const struct update_options *p,
                        int (*each)(void *ctx, const struct store_state *s), void *ctx);
struct update_named {
    char name[PROTOCOL_NAME_SIZE];
    uint8_t ueid[EVIDENCE_UEID_SIZE];
};
/* The same as a list; the caller frees *g. */
int update_find_gateways(const struct operator* o, const struct update_options *p,
                         struct update_named **g, size_t *n);
/* All gateways of a campaign; the caller frees *m. */
int update_members(const struct operator* o, uint64_t campaign, struct store_member **m, size_t *n);
bool update_is_over(enum store_member_state s); /* nothing more is done with that gateway */
bool update_is_failure(enum store_member_state s);
const char *update_state_name(enum store_member_state s);
/* "fetching 40 %", "refused: rollback" */
const char *update_state_text(const struct store_member *m, char *to, size_t n);
int update_store_failed(const struct operator* o);

/* ---- signing ---- */

/* A key of the operator's with the set that it is in. */
struct update_signer {
    struct signer key;
    struct release_file_read set;
    char path[OPERATOR_PATH]; /* the key's */
};

/* Rollouts or approvals: it must be enough that this key signs. update_signer_close is right after
 * both. */
int update_signer_open(struct update_signer *s, const struct operator* o, enum release_role role);
void update_signer_close(struct update_signer *s);
/* A set of the operator's folder. `path`: NULL: the one of operator.conf. */
int update_read_set(const struct operator* o, enum release_role role, const char *path,
                    struct release_file_read *set);

struct update_file {
    size_t n;
    uint8_t b[RELEASE_SIGNED_MAX];
};

/* Until when what is signed now for so many days is good: that long after the latest time that any
 * rollout told gateways, of which they refuse what ended before. `tells`: it tells them now. */
int update_until(const struct operator* o, uint64_t now_ms, uint64_t days, bool tells,
                 uint64_t *until_ms);

/*
 * Rollouts of one action for gateways: numbers are taken, up to 32 gateways share one, and all are
 * kept in the store, before anything is returned. number[i]: of the rollout that names gateway i.
 */
int update_make_rollouts(const struct operator* o, struct update_signer *s,
                         const struct store_campaign *c, enum release_action action, uint64_t least,
                         const uint8_t (*ueid)[EVIDENCE_UEID_SIZE], size_t n, uint64_t *number);
int update_make_membership(struct update_signer *s, const struct release_membership *m,
                           struct update_file *file);
int update_make_approval(struct update_signer *s, const struct release_approval *a,
                         struct update_file *file);

/* ---- keys of encrypted releases ---- */

/* Kept until somebody deletes it: with the release's digest as its name. */
int update_key_keep(const struct operator* o, const struct store_release *r,
                    const uint8_t key[CIPHER_KEY_SIZE]);
/* The key of a release that was published, which the caller wipes. *encrypted: it has one; it is
 * the one that its manifest names. */
int update_key_load(const struct operator* o, const struct store_release *r,
                    uint8_t key[CIPHER_KEY_SIZE], bool *encrypted);

/* ---- driving ---- */

/* Goes on with a campaign that is running, until it is done, halted, or a signal comes. EXIT_FAILED
 * without a word: it was halted. `least`: of numbers of rollouts. */
int update_drive(struct operator* o, const struct update_options *p, struct store_campaign *c,
                 const struct store_release *r);
/* One process at a time drives a campaign, or begins or resumes one: a lock for as long as *fd is
 * open. */
int update_lock(const struct operator* o, uint64_t campaign, int *fd);

/* ---- halting ---- */

/* Halts a campaign, whatever it is: in the store first, then on its gateways, all at once. Prints
 * who took it. EXIT_FAILED: not all did that are connected. */
int update_halt_campaign(struct operator* o, const struct update_options *p,
                         const struct store_campaign *c, const char *why);

/* A line of the progress, or an object of JSON: begins with the time and the gateway. */
void update_tell(const struct operator* o, bool json, const char *gateway, const char *what,
                 const char *why);

#endif
