/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the secure world decides about updates: which release gets a trial, what came of it, and
 * when it is confirmed. docs/update.md has the state machine in one picture.
 *
 *     update_open       at the start of each boot: finishes what a power cut left half done, and
 *                       records a trial that failed
 *     update_check      what update_request would say, before the slot is written
 *     update_request    a manifest and a rollout: a trial from the next reset on, or its end
 *     update_confirm    the trial that runs is good
 *     update_keys       the next set of keys of a role
 *     update_join       the group that this gateway is of
 *
 * Three things are kept over power cycles, all in the TPM: the record below, the boot state
 * (kapu/bootstate.h) and the security counter. Each is written by itself, and the power may go
 * between any two writes. The order of writes makes each state between them one that update_open
 * understands.
 *
 * Trust: requests are hostile until the signatures hold. The record and the boot state come from
 * authenticated reads. `boot` and `self` come from the secure world.
 *
 * Memory: the caller's; struct update has all work memory. Nothing is allocated. Inputs must not
 * change during a call: copy them out of shared memory first.
 *
 * Errors: 0 or KAPU_E*: a port failed, and it is not known what the TPM holds: each call but
 * update_open gives KAPU_ESESSION then. A refusal is not an error; `answer` says it.
 */
#ifndef KAPU_UPDATE_H
#define KAPU_UPDATE_H

#include <kapu/bootstate.h>
#include <kapu/release.h>
#include <kapu/update_outcome.h>
#include <kapu/update_refusals.h>

#define UPDATE_TRIES 3u /* starts that a trial has */
/* Trials that a rollout has on a gateway; then a new one is needed. */
#define UPDATE_TRIALS_MAX 2u
/* Most that the number of a rollout rises at once, and most that it is later than its manifest, in
 * ms (a year): a stolen rollout key cannot make all later rollouts and manifests look old. */
#define UPDATE_NUMBER_JUMP (1u << 20)
#define UPDATE_TIME_JUMP (366ull * 24 * 3600 * 1000)
/* Most that a release's security counter is above the TPM's; FUSEBOX_RAISE_MAX is the same. */
#define UPDATE_COUNTER_JUMP 4095u
#define UPDATE_ROLES 3u

/* ---- answers ---- */

/* What came of a request. From UPDATE_ROLLBACK to UPDATE_REPLAYED_APPROVAL, and the last two: the
 * attack that it looks like, by its name in TUF, Uptane or SUIT. Values are on the wire. */
enum update_answer {
    UPDATE_DONE,
    UPDATE_ROLLBACK,           /* its security counter is not above the TPM's */
    UPDATE_FREEZE,             /* manifest or rollout ended before the last time that was told */
    UPDATE_MIX_AND_MATCH,      /* manifest and rollout are of two releases */
    UPDATE_WRONG_HARDWARE,     /* for another hardware or product */
    UPDATE_ARBITRARY_SOFTWARE, /* too few good signatures, or malformed */
    UPDATE_FAST_FORWARD,       /* counter, number or time is further ahead than ever allowed */
    UPDATE_PARTIAL_BUNDLE,     /* the slot does not hold the manifest's firmware package */
    UPDATE_REPLAYED_ROLLOUT,   /* of another gateway, or older than the last one */
    UPDATE_CHANGED,            /* what runs on trial is not what was verified (TOCTOU) */
    UPDATE_REVOKED_KEY,        /* signed by keys that were replaced */
    UPDATE_REPLAYED_APPROVAL,  /* of another gateway, release or boot */
    /* Not attacks. */
    UPDATE_RUNS_ALREADY, /* the release runs, and is confirmed */
    UPDATE_BETWEEN,      /* another release has to be installed first, or another set of keys */
    UPDATE_TRIED,        /* this rollout has had its trials */
    UPDATE_BUSY,         /* a trial runs: the other slot is what it falls back to */
    UPDATE_NO_TRIAL,     /* nothing to confirm */
    UPDATE_NOT_CLEAN,    /* no deep check of this boot has ended without alarms */
    UPDATE_NOT_APPROVED, /* an approval is needed */
    /* Not by anything here, but by the writer in Linux, which fetches releases. */
    UPDATE_ENDLESS_DATA,   /* a server sends more than was asked for */
    UPDATE_SLOW_RETRIEVAL, /* a server sends, but so slowly that no update would ever end */
    UPDATE_ANSWERS,
};

/* Its name, such as "rollback", and what is wrong, as the end of a sentence. */
const char *update_answer_name(enum update_answer a);
const char *update_answer_says(enum update_answer a);

/* Whether an answer given here looks like an attack: evidence tells of it. */
bool update_is_attack(enum update_answer a);
/* Whether the writer in Linux may tell that a server did this: it sees what servers send, and the
 * secure world does not. */
bool update_is_told(enum update_answer a);

/* ---- the record ---- */

/* Such as "confirmed" or "tries gone". */
const char *update_outcome_name(enum update_outcome o);

struct update_record {
    bool trial;       /* a release was accepted, and it is not known yet what came of it */
    uint8_t slot;     /* of the trial */
    bool approval;    /* it needs an approval */
    uint8_t trials;   /* of the last rollout on this gateway */
    uint8_t last;     /* enum update_outcome of the last trial that ended */
    uint8_t reset;    /* why the monitor reset the board before that was recorded; 0: it did not */
    uint64_t time_ms; /* the latest time of a rollout that was taken to install, since 1970 */
    uint64_t rollout; /* number of the last one that was taken */
    uint64_t membership;                   /* number of the last one that was taken; 0: none */
    char group[RELEASE_GROUP_MAX];         /* of that membership; filled up with zeros */
    uint8_t release[RELEASE_DIGEST_SIZE];  /* of the trial, or of the last one */
    uint8_t identity[RELEASE_DIGEST_SIZE]; /* of the same */
    struct {
        uint32_t version; /* 0: the built-in set */
        uint8_t digest[RELEASE_DIGEST_SIZE];
    } keys[UPDATE_ROLES]; /* the set of each role, by its SHA-256 */
};

/* "KUR", version, fields. Integers are big-endian. */
#define UPDATE_RECORD_SIZE                                                                         \
    (4u + 6u + 3u * 8u + RELEASE_GROUP_MAX + 2u * RELEASE_DIGEST_SIZE + 3u * 36u)
void update_record_encode(const struct update_record *r, uint8_t to[UPDATE_RECORD_SIZE]);
/* KAPU_EINVAL: no such record. */
KAPU_MUST_CHECK int update_record_decode(const uint8_t from[UPDATE_RECORD_SIZE],
                                         struct update_record *r);

/* The group; empty: no membership was taken. A view. */
struct bytes update_record_group(const struct update_record *r);

/* ---- one gateway ---- */

struct update_port {
    void *ctx;
    /* The factory writes the first one, of an empty struct update_record. */
    int (*read_record)(void *ctx, uint8_t record[UPDATE_RECORD_SIZE]);
    /* Whole or not at all, also when the power goes. */
    int (*write_record)(void *ctx, const uint8_t record[UPDATE_RECORD_SIZE]);
    /* What counts from the next reset on. */
    int (*read_state)(void *ctx, struct bootstate *state, uint32_t *counter);
    int (*write_state)(void *ctx, const struct bootstate *state);
    /* Ends the trial of the running slot, then raises the counter to that of the release which
     * runs: as fusebox_confirm, all of it. */
    int (*confirm)(void *ctx);
    /* SHA-256 of that many bytes of a slot in flash. KAPU_ERANGE: it has fewer. */
    int (*hash_slot)(void *ctx, uint8_t slot, uint64_t n, uint8_t digest[32]);
};

/* What this gateway is. Views must outlive the struct update. */
struct update_self {
    struct bytes hardware, product; /* as in manifests */
    struct bytes group;             /* that each gateway is of without a membership; empty: none */
    uint8_t ueid[EVIDENCE_UEID_SIZE];
    struct bytes first[UPDATE_ROLES]; /* encoded sets of keys that are built in, by role - 1 */
};

/* What this boot is. */
struct update_boot {
    uint8_t slot;
    bool trial;                            /* when it started */
    uint8_t identity[RELEASE_DIGEST_SIZE]; /* of the release that runs */
    uint8_t name[32];                      /* random, of this boot */
    uint8_t reset; /* why the monitor reset the board before this boot; 0: it did not */
};

enum update_stage {
    UPDATE_IDLE,
    UPDATE_WAITING,  /* the trial starts with the next reset */
    UPDATE_ON_TRIAL, /* it runs */
    UPDATE_OVER,     /* what runs is a trial that has ended: the next reset starts the other slot */
    UPDATE_CLOSED,   /* a port has failed */
    UPDATE_STAGES,
};

/* Such as "waiting". */
const char *update_stage_name(enum update_stage s);

struct update {
    const struct kapu_sha256 *sha;
    const struct evidence_verify *verify;
    struct update_port port;
    const struct update_self *self;
    const struct update_boot *boot;
    struct update_record record; /* as it is in the TPM */
    struct bootstate next;
    uint32_t counter;
    enum update_stage stage;
    /* work memory */
    struct release_keys set[UPDATE_ROLES];
    struct release_signed signed_;
    struct release_manifest manifest;
    struct release_rollout rollout;
    uint8_t work[RELEASE_SIGNED_MAX];
};

/* The members before `record` are the caller's. KAPU_EINVAL: the record or a built-in set is
 * malformed. */
KAPU_MUST_CHECK int update_open(struct update *u);

/* A request, as it comes from the normal world. */
struct update_request {
    struct bytes keys[UPDATE_ROLES]; /* encoded set of each role (the content of its file); empty:
                                        the built-in one */
    struct bytes manifest, rollout;  /* signed */
};

/* To install: verifies all, reads the slot that does not run, then sets the trial. To halt: ends
 * the trial; one that runs gives way at the next reset. */
KAPU_MUST_CHECK int update_request(struct update *u, const struct update_request *r,
                                   enum update_answer *answer);

/*
 * Whether the request would be taken now, if the slot held what the manifest names: so a gateway
 * fetches nothing that it would not start. All is looked at but the slot, and nothing is changed.
 */
KAPU_MUST_CHECK int update_check(struct update *u, const struct update_request *r,
                                 enum update_answer *answer);

/*
 * Confirms the trial that runs. `clean`: a deep check was made in this boot and found nothing.
 * `approval`: signed; empty: there is none. `keys`: encoded set of the approval role; empty: the
 * built-in one.
 */
KAPU_MUST_CHECK int update_confirm(struct update *u, bool clean, struct bytes approval,
                                   struct bytes keys, enum update_answer *answer);

/*
 * The next set of a role, signed by the thresholds of `now` (as in a request) and of itself. A new
 * set of the rollout role makes numbers and time begin anew if it has fewer keys of the former than
 * its threshold: else what was rolled out and halted before would count again. A set that comes
 * built in with a release begins nothing anew.
 */
KAPU_MUST_CHECK int update_keys(struct update *u, struct bytes now, struct bytes next,
                                enum update_answer *answer);

/*
 * A membership, signed by rollout keys: the group that this gateway is of from now on, besides the
 * one that it is of without a membership. The same one may come again. `keys`: encoded set of the
 * rollout role; empty: the built-in one.
 */
KAPU_MUST_CHECK int update_join(struct update *u, struct bytes membership, struct bytes keys,
                                enum update_answer *answer);

#endif
