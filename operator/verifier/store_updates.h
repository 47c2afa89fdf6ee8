/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator keeps of updates: releases that were published, campaigns that bring one to
 * gateways in waves, how far each gateway is, and what happened when. A part of each store; errors
 * as in store.h.
 *
 * A campaign is driven by one process at a time (which its caller sees to), and may be halted by
 * any other: what a driver does to a gateway is recorded before it is done, and is refused once the
 * campaign is halted.
 */
#ifndef KAPU_STORE_UPDATES_H
#define KAPU_STORE_UPDATES_H

#include <kapu/protocol.h>
#include <kapu/release.h>

#define STORE_WAVES_MAX 16u
#define STORE_ANSWER_MAX 32u /* the longest name of an answer, with the terminating zero */
#define STORE_WHY_MAX 448u

struct store;

struct store_release {
    uint8_t digest[RELEASE_DIGEST_SIZE]; /* of the manifest's content */
    uint8_t identity[RELEASE_DIGEST_SIZE];
    uint32_t counter;
    bool approval;
    char version[RELEASE_VERSION_MAX + 1], hardware[RELEASE_CLASS_MAX + 1],
        product[RELEASE_CLASS_MAX + 1];
    char folder[PROTOCOL_FOLDER_MAX + 1]; /* on the server of releases */
    uint64_t published_ms;
    size_t manifest_n;
    uint8_t manifest[RELEASE_SIGNED_MAX]; /* signed */
};

enum store_campaign_state { STORE_RUNNING, STORE_HALTED, STORE_FINISHED };

struct store_campaign {
    uint64_t id; /* from 1 */
    uint8_t release[RELEASE_DIGEST_SIZE];
    enum store_campaign_state state;
    char why[STORE_WHY_MAX];          /* it was halted */
    uint32_t waves, wave;             /* how many; the one that is on, from 0 */
    uint8_t percent[STORE_WAVES_MAX]; /* of all its gateways, up to the end of each wave */
    uint32_t limit;                   /* how many of a wave may fail */
    bool limit_percent;               /* that is percent of the wave */
    uint32_t days, timeout_s;
    uint64_t begun_ms;
};

/* How far a gateway is. */
enum store_member_state {
    STORE_WAITING, /* for its wave */
    STORE_ASKED,
    STORE_FETCHING,
    STORE_ON_TRIAL,
    STORE_APPROVED,
    STORE_CONFIRMED,
    /* What counts as a failure of a wave, to STORE_SILENT. */
    STORE_REFUSED,     /* `answer` says as what */
    STORE_FAILED,      /* the trial: `answer` has the outcome */
    STORE_NOT_TRUSTED, /* no approval was given */
    STORE_SILENT,
    STORE_SKIPPED, /* not in any wave; `why` says the reason */
    STORE_MEMBER_STATES,
};

struct store_member {
    uint64_t campaign;
    uint8_t ueid[EVIDENCE_UEID_SIZE];
    char name[PROTOCOL_NAME_SIZE];
    uint32_t wave;
    enum store_member_state state;
    char answer[STORE_ANSWER_MAX]; /* the last one by its name; empty: none */
    char why[STORE_WHY_MAX];
    uint32_t done, all; /* blocks */
    uint64_t fetched;   /* bytes */
    uint64_t number;    /* of the last rollout that it was sent; 0: none */
    uint8_t boot[32];   /* that was approved; zeros: none */
    uint64_t changed_ms;
    /* Kept apart from all the others: who halts is another process. */
    uint64_t halt_number; /* of the last halt; 0: none */
    bool halt_taken;
};

struct store_event {
    uint64_t at_ms;
    uint64_t campaign;
    const char *gateway; /* its name; empty: the whole campaign */
    const char *what;
};

struct store_update_ops {
    /* KAPU_EPIN: another release has that folder. One that is known stays as it is: *known. */
    int (*release_add)(struct store *s, const struct store_release *r, bool *known);
    /* The latest first; a negative result of `each` ends the walk with it. */
    int (*releases)(struct store *s, int (*each)(void *ctx, const struct store_release *r),
                    void *ctx);
    /* Numbers of rollouts: *first and the n - 1 after it are the caller's alone, above all that
     * were given before, and not below `least`. KAPU_ERANGE: there are none left. */
    int (*numbers)(struct store *s, uint64_t least, uint32_t n, uint64_t *first);
    /* Rollouts tell gateways that time (0: none); *latest_ms is the latest that they ever told,
     * which a gateway that took one keeps. */
    int (*told)(struct store *s, uint64_t now_ms, uint64_t *latest_ms);
    /* A signed rollout, by its number. */
    int (*order_put)(struct store *s, uint64_t number, uint64_t campaign, struct bytes order);
    int (*order_get)(struct store *s, uint64_t number, uint8_t order[RELEASE_SIGNED_MAX],
                     size_t *n);
    /* Sets c->id. KAPU_EPIN: a gateway is in another campaign that is running; *taken has its
     * name, and *by that campaign. */
    int (*campaign_add)(struct store *s, struct store_campaign *c, const struct store_member *m,
                        size_t n, char taken[PROTOCOL_NAME_SIZE], uint64_t *by);
    int (*campaign)(struct store *s, uint64_t id, struct store_campaign *c);
    /* The latest first. */
    int (*campaigns)(struct store *s, int (*each)(void *ctx, const struct store_campaign *c),
                     void *ctx);
    /* From one state to another, and what is told of it. When it runs again, all gateways that are
     * not confirmed wait again. KAPU_ESTALE: it is in another state. */
    int (*campaign_turn)(struct store *s, uint64_t id, enum store_campaign_state from,
                         enum store_campaign_state to, const char *why, uint64_t now_ms);
    /* The next wave is on. KAPU_ESTALE: the campaign is not running. */
    int (*campaign_wave)(struct store *s, uint64_t id, uint32_t wave, uint64_t now_ms);
    /* By wave, then by name. */
    int (*members)(struct store *s, uint64_t campaign,
                   int (*each)(void *ctx, const struct store_member *m), void *ctx);
    /* All but the halt, and an event if `event` is not NULL. KAPU_ESTALE, and nothing is changed:
     * the campaign is not running. */
    int (*member_set)(struct store *s, const struct store_member *m, const char *event);
    /* The halt only. */
    int (*member_halt)(struct store *s, const struct store_member *m, const char *event,
                       uint64_t now_ms);
    /* The group that a gateway is of from now on. */
    int (*group_set)(struct store *s, const uint8_t ueid[EVIDENCE_UEID_SIZE], const char *group);
    /* KAPU_ENOENT: it is not of that group. */
    int (*group_has)(struct store *s, const char *group, const uint8_t ueid[EVIDENCE_UEID_SIZE]);
    /* The earliest first; of one campaign, or of all (0). */
    int (*events)(struct store *s, uint64_t campaign,
                  int (*each)(void *ctx, const struct store_event *e), void *ctx);
};

/* For the stores in SQLite. */
struct sqlite3;
struct sqlite3 *store_sqlite_db(struct store *s);
/* KAPU_EIO, with what SQLite says in store->said. */
int store_sqlite_said(struct store *s);
extern const struct store_update_ops store_sqlite_updates;
extern const char store_sqlite_updates_schema[], store_sqlite_groups_schema[];

#endif
