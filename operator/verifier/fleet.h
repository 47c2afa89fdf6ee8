/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fleet's verifier: store, policy, key and clock together. Any number of processes may work on
 * the same store with the same key. What comes from the network is hostile; the name of the gateway
 * that it came from is the transport's word, and only says with which record the evidence is
 * compared.
 */
#ifndef KAPU_FLEET_H
#define KAPU_FLEET_H

#include "store.h"

#define FLEET_NONCE_MS 120000u /* a nonce's lifetime, unless set otherwise */

struct fleet {
    struct store *store;
    struct nonce_key key;
    struct verifier_policy policy;
    uint32_t nonce_ms;
    uint64_t (*now_ms)(void *ctx); /* ms since 1970; NULL: the system's clock */
    void *clock_ctx;
    /* Told once when this process found that the clock was set back; NULL: nobody is told. */
    void (*set_back)(uint64_t from_ms, uint64_t to_ms);
};

/* ms since 1970 by the fleet's clock. */
uint64_t fleet_now_ms(const struct fleet *f);

/*
 * Tells the store what time it is (store.h), and what it knows of the clock then. `state`: a
 * gateway whose last evidence is known; NULL: none.
 */
KAPU_MUST_CHECK int fleet_clock(const struct fleet *f, const struct store_state *state,
                                struct store_clock *out);

/* "30 days", "5 minutes": for messages. */
#define FLEET_SPAN 32
const char *fleet_span(uint64_t ms, char to[FLEET_SPAN]);

/* A nonce for the gateway with that UEID, later than all that it was given; `state` as above. */
KAPU_MUST_CHECK int fleet_nonce(const struct fleet *f, const struct store_state *state,
                                const uint8_t ueid[EVIDENCE_UEID_SIZE],
                                uint8_t nonce[EVIDENCE_NONCE_SIZE]);

/* A nonce for that gateway. KAPU_ENOENT: there is none of this name. */
KAPU_MUST_CHECK int fleet_challenge(const struct fleet *f, const char *name,
                                    uint8_t nonce[EVIDENCE_NONCE_SIZE]);

/*
 * Judges what came from that gateway, and records it. 0 with a result, also when it is refused; an
 * error: nothing was judged or nothing recorded, and the gateway is what it was before.
 */
KAPU_MUST_CHECK int fleet_answer(const struct fleet *f, const char *name, struct bytes message,
                                 struct verifier_result *r);

/* The record of an appraisal as it goes to the store; *ear is the caller's to free. KAPU_ESPACE.
 * `state`: what was known of the gateway when it was judged; NULL: nothing. */
KAPU_MUST_CHECK int fleet_record(const struct fleet *f, const struct verifier_gateway *g,
                                 const struct store_state *state,
                                 const uint8_t nonce[EVIDENCE_NONCE_SIZE],
                                 const struct verifier_result *r, struct store_record *record,
                                 char **ear);

/*
 * The fleet's key: 32 bytes in a file that its owner alone can read. Makes a new one when there is
 * no file and `make` is set. 0 or -1: `why` says the reason.
 */
KAPU_MUST_CHECK int fleet_key_load(const char *path, bool make, struct nonce_key *key, char *why,
                                   size_t why_n);

/* ---- trust at present ---- */

enum trust { TRUST_NO, TRUST_WARNED, TRUST_YES };

/* In how many of a gateway's intervals it must be judged at least once: one, and some patience. */
#define TRUST_PATIENCE_PERCENT 150u

struct trust_now {
    enum trust trust;
    char
        text[VERIFIER_REASON_TEXT + 64]; /* "not trusted: silent since 2026-11-25T18:00:00Z, ..." */
};

/* Follows from policy, record and time alone, whether anybody ran meanwhile or not: silence is
 * failure, and so is the end of what vouched for a gateway's board. */
void fleet_trust(const struct verifier_policy *p, const struct store_state *state, uint64_t now_ms,
                 struct trust_now *out);

/* Starts of the gateway's TPM in the day before now. */
KAPU_MUST_CHECK int fleet_starts(const struct fleet *f, const struct store_state *state,
                                 uint32_t *day);

#endif
