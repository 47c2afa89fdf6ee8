/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gateway in memory, for power cuts by the million: the real code of slot choice (lib/bootstate),
 * installer (lib/install) and update decisions (lib/update) on a simulated TPM, flash, disk and
 * server. Signatures are those of update_files.h; what BL1, BL2 and dm-verity verify is compared
 * with the releases that there are.
 *
 * Each write is an operation, and the power can go at any: the write was not done, was done but
 * nobody learnt of it, or (flash and disk) was done in part. What the disk has not flushed is lost
 * in part too. A write of the TPM is done or not.
 *
 * Linux of the simulation is honest, or an attacker's (gateway_attack).
 */
#ifndef KAPU_POWERCUT_GATEWAY_H
#define KAPU_POWERCUT_GATEWAY_H

#include <setjmp.h>

#include <kapu/install.h>
#include <kapu/update.h>

#include "update_files.h"

#define ROOT_BLOCKS 4u
#define FIRMWARE_BLOCKS 2u
#define BLOCKS (ROOT_BLOCKS + FIRMWARE_BLOCKS)
#define RELEASES 5u   /* counters rise with their numbers */
#define RESETS_MAX 40 /* without a cut, until something is settled */

/* What becomes of a release that is started. */
enum quality { GOOD, HANGS, UNCLEAN, REFUSED_BY_VERITY, QUALITIES };

struct a_release {
    uint8_t content[BLOCKS][RELEASE_BLOCK];
    uint8_t hashes[BLOCKS * RELEASE_BLOCK_HASH], ends[4 * BLOCKS];
    struct release_index x;
    uint32_t counter;
    uint8_t identity[RELEASE_DIGEST_SIZE], digest[RELEASE_DIGEST_SIZE];
    struct update_file manifest;
};

struct gateway {
    uint32_t seed;
    const struct a_release *releases;
    enum quality quality[RELEASES];

    /* kept without power */
    uint8_t record[UPDATE_RECORD_SIZE], state[BOOTSTATE_SIZE];
    uint32_t counter;
    uint8_t slot[BOOTSTATE_SLOTS][BLOCKS][RELEASE_BLOCK];

    /* lost with it */
    struct bootmarks marks;
    bool running;
    uint32_t release; /* that runs */
    struct update_boot boot;
    struct {
        uint8_t slot, block, was[RELEASE_BLOCK];
    } cache[BOOTSTATE_SLOTS * BLOCKS];
    size_t cached;
    bool attacked; /* this boot: the monitor finds it */

    /* the operator */
    uint32_t target; /* release */
    uint64_t rollout, time_ms;
    struct update_file order, approval;
    bool approved; /* this boot */

    /* power */
    jmp_buf off;
    long operations, cut_at; /* of all operations; -1: the power stays */
    bool clean_cuts;         /* what is cut was not done at all */

    /* what must never be, and what was seen */
    uint32_t floor;   /* counter of the last release whose confirmation was completed */
    uint32_t ceiling; /* the highest of a release whose confirmation began */
    bool confirmed;   /* any was, by an update or by the factory step */
    const char *wrong;
    uint32_t boots, halts, trials, reverts;
};

/* The releases of all gateways; made once. */
void gateway_releases(struct a_release r[RELEASES]);

/* Delivered: release 0 in slot A, and the TPM names it; slot B empty. */
void gateway_init(struct gateway *g, const struct a_release *releases, uint32_t seed);
/* Provisioned without a release: any that is signed may start, until one is confirmed. */
void gateway_unnamed(struct gateway *g);
/* The operator rolls a release out, or halts it; g->order is what is signed. */
void gateway_order(struct gateway *g, uint32_t release);
void gateway_order_halt(struct gateway *g, uint32_t release);
uint32_t gateway_random(struct gateway *g, uint32_t below);

/*
 * Power on, until all is settled: the target runs from both slots, confirmed, or has failed. True;
 * false when the power went (cut_at) or something is wrong. Call it again after a cut.
 */
bool gateway_run(struct gateway *g);
/* One power-on with an attacker in Linux, who does what a seed says. */
void gateway_attack(struct gateway *g);
/* Both slots hold the release that was confirmed last; the TPM keeps what it has. */
void gateway_repair(struct gateway *g);

/*
 * The steps of that, for replay.c, which says by g->cut_at when the power goes. They end in a
 * longjmp to g->off, with one of these, when the gateway does not go on.
 */
enum { GATEWAY_POWER_OFF = 1, GATEWAY_RESET = 2, GATEWAY_HALT = 3 };
/* To a system that came up; its release. */
uint32_t gateway_boot(struct gateway *g);
void gateway_open(struct gateway *g, struct update *u);
/* g->order, with the manifest of its release. */
int gateway_ask(struct gateway *g, struct update *u, enum update_answer *answer);
/* With the operator's approval of this boot or without; a deep check was clean. */
enum update_answer gateway_confirm(struct gateway *g, struct update *u, bool approves);

/* Which release a slot has, whole; RELEASES: none. */
uint32_t gateway_holds(const struct gateway *g, uint8_t slot);
uint32_t gateway_runs(const struct gateway *g);
/* NULL: as it has to be in the end; else what is wrong. */
const char *gateway_check(struct gateway *g);

#endif
