/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign while a process drives it: what update_drive.c and update_trial.c share. */
#ifndef KAPU_UPDATE_DRIVE_H
#define KAPU_UPDATE_DRIVE_H

#include "attest_ask.h"
#include "update.h"

enum update_want { WANT_STATE, WANT_INSTALL, WANT_EVIDENCE, WANT_APPROVAL };

/* A gateway of the wave that is on. Times are of a clock that nobody sets. */
struct update_gateway {
    struct store_member m;
    enum update_want want;
    enum protocol_kind waits; /* for the reply to that; 0: for none */
    bool delivered;           /* what was sent last */
    bool proving;             /* the evidence shall show that the release is confirmed */
    bool rolls_back;          /* or else it refused the release as a rollback */
    unsigned misses;          /* replies that did not come, one after another */
    unsigned bad;             /* pieces of evidence that proved nothing, one after another */
    uint64_t begun_ms, sent_ms, next_ms, progress_ms, installed_ms, approved_ms, kept_ms;
    uint8_t nonce[EVIDENCE_NONCE_SIZE];
    struct protocol_update said; /* last, without `why` */
};

struct drive {
    struct operator* o;
    const struct update_options *p;
    struct store_campaign *c;
    const struct store_release *r;
    struct update_signer rollout, approval;
    struct release_file_read release_set;
    bool encrypted; /* the release; then: */
    uint8_t release_key[CIPHER_KEY_SIZE];
    struct update_gateway *gateway;
    size_t n;
    uint64_t strays, strays_ms, flooded_ms; /* counted when; a flood was seen last */
    bool flooded;
    size_t young; /* asked just now, and without an answer yet */
    struct exchange *x;
    struct transport *alone;
    struct transport_message reply;
    struct attested out;
    uint8_t work[PROTOCOL_BODY_MAX];
    uint64_t checked_ms, told_ms;
    bool halted, broken; /* by somebody else; the store does not work */
};

/* The gateway is in another state from now on, which is kept and told. 0, or -1: the campaign was
 * halted, or the store does not work, and nothing was kept. */
int drive_turn(struct drive *d, struct update_gateway *g, enum store_member_state state,
               const char *answer, const char *why);

/* The broker drops what it cannot queue for a client (docs/transport.md): so many are asked at
 * once. */
#define DRIVE_WINDOW 12u

/* Whether nothing more is to be done: a signal came, somebody halted it, or the store does not
 * work. `ctx`: the struct drive. */
bool drive_stops(void *ctx);
/* What is due for one gateway that is not over. */
void drive_step(struct drive *d, struct update_gateway *g);
/* All waves from the present one on, in update_wave.c. A status of commands.h. */
int drive_waves(struct drive *d);

/* The question for evidence: -1: there is none at present. */
int trial_ask(struct drive *d, struct update_gateway *g, struct wr *body);
/* What came to it. */
void trial_judge(struct drive *d, struct update_gateway *g, struct bytes body);
/* The approval of the boot in g->m.boot, as a request. 0 or -1. */
int trial_approve(struct drive *d, const struct update_gateway *g, struct wr *body);

#endif
