/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator keeps: enrolled gateways, reference values, what was judged and when. A store is
 * a table of functions; store_sqlite.c is one. Several processes may share a store: what must
 * happen together is one call, which happened altogether or not at all, also when the process is
 * killed.
 *
 * Errors: 0; KAPU_ENOENT; KAPU_EIO: the store does not work (store->said tells why); others as
 * said. Times: ms since 1970.
 */
#ifndef KAPU_STORE_H
#define KAPU_STORE_H

#include "nonce.h"
#include "store_updates.h"
#include "verifier.h"

/* A gateway and what is known of it now. */
struct store_state {
    struct verifier_gateway gateway;
    uint64_t enrolled_ms;
    bool appraised;        /* authentic evidence was judged at least once */
    uint64_t appraised_ms; /* when, last */
    enum verifier_tier status;
    char reason[VERIFIER_REASON_TEXT]; /* the first of the worst; empty when affirming */
    uint8_t sequence[NONCE_SEQUENCE];  /* of the last nonce accepted */
    /* The clock was set back after that, to a time before it (from_ms to to_ms): nobody can say
     * how long ago it was, and it counts no more. from_ms is 0: it was not. */
    struct {
        uint64_t from_ms, to_ms;
    } set_back;
    struct verifier_starts starts; /* of its TPM; `day` is not filled in */
    uint32_t monitor_resets;       /* since power-on, as it said last */
    /* What of its record is not as it was written; NULL: nothing. Then it is not to be trusted, and
     * the other fields are for people alone. */
    const char *damaged;
};

struct store_result {
    uint64_t at_ms;
    enum verifier_tier status;
    bool authentic;
    const char *ear; /* JSON */
};

/* What is recorded of one appraisal. */
struct store_record {
    uint8_t ueid[EVIDENCE_UEID_SIZE];
    uint8_t sequence[NONCE_SEQUENCE]; /* of its nonce */
    /* Of the last evidence when this one was judged, as starts of the TPM are counted from it;
     * NULL: there was none. */
    const uint8_t *after;
    const struct verifier_result *result;
    uint64_t at_ms;
    const char *ear; /* JSON */
};

/* What somebody did that no gateway can prove: kept for good, also when the gateway is removed. */
struct store_audit {
    uint64_t at_ms;
    const char *user;    /* of the operator's */
    const char *what;    /* "enrolled without a board record" */
    const char *subject; /* a gateway's name, or a board's UUID */
    const char *why;     /* what they gave as the reason; may be empty */
};

/* A board record that was believed, and whose signature it has. */
struct store_board {
    struct board_record record;
    uint8_t kid[EVIDENCE_KID_SIZE];
    uint64_t added_ms;
    bool damaged; /* in the store: vouches for nothing; board_remove takes `board` of it */
};

/* What the store knows of the clock. */
struct store_clock {
    uint32_t epoch; /* 1, and one more each time that the clock was set back */
    /* The clock was found to be set back just now, and the epoch is a new one: what it had said
     * before. Else 0. */
    uint64_t from_ms;
};

enum store_added { STORE_ADDED, STORE_REPLACED, STORE_KNOWN };

struct store;
struct store_ops {
    /*
     * Adds a gateway, with its first verdict and what is to be audited, if there are any.
     * KAPU_EPIN: something of it belongs to another gateway already; *taken says what.
     */
    int (*gateway_add)(struct store *s, const struct verifier_gateway *g, uint64_t now_ms,
                       const struct store_record *first, const struct store_audit *audit,
                       const char **taken);
    /*
     * The gateway with that UEID has the other keys, board, interval and standing of `g` from now
     * on; it keeps its name and history, and its TPM's starts are counted anew. KAPU_ENOENT;
     * KAPU_EPIN, KAPU_EREPLAY, KAPU_ESTALE as gateway_add and record.
     */
    int (*gateway_renew)(struct store *s, const struct verifier_gateway *g,
                         const struct store_record *first, const struct store_audit *audit,
                         const char **taken);
    int (*gateway_remove)(struct store *s, const char *name);
    /* KAPU_EIO also when its record is damaged; `said` names it. */
    int (*gateway_named)(struct store *s, const char *name, struct store_state *out);
    int (*gateway_of_ueid)(struct store *s, const uint8_t ueid[EVIDENCE_UEID_SIZE],
                           struct store_state *out);
    /* By name, ascending, damaged ones too; a negative result of `each` ends the walk with it. */
    int (*gateways)(struct store *s, int (*each)(void *ctx, const struct store_state *state),
                    void *ctx);
    /*
     * A result is kept. When it is authentic, it counts as the gateway's present one, and the
     * sequence of its nonce must be greater than the last one's: else KAPU_EREPLAY, nothing is
     * kept. When another was accepted since r->after, nothing is kept either: KAPU_ESTALE, judge
     * it anew.
     */
    int (*record)(struct store *s, const struct store_record *r);
    /* The newest first, at most `most`. */
    int (*history)(struct store *s, const uint8_t ueid[EVIDENCE_UEID_SIZE], uint32_t most,
                   int (*each)(void *ctx, const struct store_result *r), void *ctx);
    /*
     * Tells the store what time it is. `seen_ms`: a time that is known to have been (0: none). When
     * `now_ms` is more than NONCE_SKEW_MS before the latest of all such times of this epoch, the
     * clock was set back: the next epoch begins, and this is audited. Starts of TPMs that were
     * counted at times to come are counted at this one.
     */
    int (*clock)(struct store *s, uint64_t now_ms, uint64_t seen_ms, struct store_clock *out);
    /* Forgets results from before that time; what counts at present stays. */
    int (*forget)(struct store *s, uint64_t before_ms);
    /* Starts of a gateway's TPM that were counted since then. */
    int (*starts)(struct store *s, const uint8_t ueid[EVIDENCE_UEID_SIZE], uint64_t since_ms,
                  uint32_t *n);
    /*
     * A board record takes the place of older ones of the same TPM, board or attestation key.
     * KAPU_EREPLAY: one of these is not older than it; nothing changes, and *older is its date.
     */
    int (*board_add)(struct store *s, const struct store_board *b, const struct store_audit *audit,
                     enum store_added *how, uint64_t *older);
    int (*board_remove)(struct store *s, const uint8_t board[EVIDENCE_BOARD_SIZE],
                        const struct store_audit *audit);
    int (*board_of_ueid)(struct store *s, const uint8_t ueid[EVIDENCE_UEID_SIZE],
                         struct store_board *out);
    /* By UUID, damaged ones too; as `gateways`. */
    int (*boards)(struct store *s, int (*each)(void *ctx, const struct store_board *b), void *ctx);
    /* The oldest first; as `gateways`. */
    int (*audits)(struct store *s, int (*each)(void *ctx, const struct store_audit *a), void *ctx);
    /* All of them with their kernels, or none. Those that are there already stay as they are. */
    int (*references_add)(struct store *s, const struct verifier_reference *ref, size_t n);
    int (*references_remove)(struct store *s, const char *release, const char *flavour);
    int (*reference_find)(struct store *s, const uint8_t key[32], struct verifier_reference *out);
    int (*reference_of_release)(struct store *s, const char *release,
                                struct verifier_reference *out);
    /* Gives the kernel of a release with that PCR 8 to `use`, and gives back what `use` did. */
    int (*kernel_find)(struct store *s, const uint8_t pcr[32], verifier_kernel_fn use, void *ctx);
    const struct store_update_ops *updates; /* store_updates.h */
    void (*close)(struct store *s);
};

struct store {
    const struct store_ops *ops;
    char said[256]; /* why KAPU_EIO */
};

/* Opens or makes a database file. NULL: `why` says the reason. */
struct store *store_sqlite_open(const char *path, char *why, size_t why_n);
/* The same for what changes nothing: a file in a folder that is read-only is opened too, if nothing
 * of the store is in a file beside it. */
struct store *store_sqlite_open_to_read(const char *path, char *why, size_t why_n);
void store_close(struct store *s);

/* For the stores in SQLite: store_clock.c. */
int store_sqlite_clock(struct store *s, uint64_t now_ms, uint64_t seen_ms, struct store_clock *out);
extern const char store_sqlite_clock_schema[];

/* The port that the appraisal looks up reference values by. */
struct verifier_references store_references(struct store *s);

#endif
