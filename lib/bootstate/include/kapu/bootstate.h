/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of two slots boots: the decision, apart from where its facts are kept.
 *
 * `struct bootstate` is kept over power cycles (in the TPM): the slot that is in use, and whether
 * it is on trial after an update. A slot on trial has a number of tries; each start takes one, and
 * when none is left, or the slot was refused, the other slot is in use again. The secure world ends
 * a trial by confirming it.
 *
 * `struct bootmarks` is kept over warm resets only (in secure RAM): which slots were refused since
 * power-on, and how often each was started without coming up. A slot that was refused, or started
 * BOOTSTATE_STARTS times in vain, gives way to the other; when both have, no slot is left.
 *
 * Trust: the encoded state comes from an authenticated read and is checked all the same. The marks
 * come from RAM that is random after power-on. They can only make a slot be skipped.
 */
#ifndef KAPU_BOOTSTATE_H
#define KAPU_BOOTSTATE_H

#include <kapu/bytes.h>

#define BOOTSTATE_SLOTS 2u
/* Starts without a report that the system came up, until the other slot is tried. */
#define BOOTSTATE_STARTS 3u
/* Most tries that a slot can be given. */
#define BOOTSTATE_TRIES_MAX 7u

/* Persistent. */
struct bootstate {
    uint8_t slot;  /* in use, or on trial: 0 or 1 */
    bool trial;    /* not confirmed yet */
    uint8_t tries; /* starts left on trial; 0 when not on trial */
};

/* Volatile. */
struct bootmarks {
    uint8_t current; /* slot of this boot */
    bool refused[BOOTSTATE_SLOTS];
    uint8_t starts[BOOTSTATE_SLOTS]; /* in vain; at most BOOTSTATE_STARTS */
};

#define BOOTSTATE_SIZE 8u

/* As it lies in the TPM: "KBS", version 1, slot, trial, tries, 0. */
void bootstate_encode(const struct bootstate *s, uint8_t to[BOOTSTATE_SIZE]);
/* KAPU_EINVAL: no such state. */
KAPU_MUST_CHECK int bootstate_decode(const uint8_t from[BOOTSTATE_SIZE], struct bootstate *s);

/* As one word in RAM; a word that no kapu wrote gives empty marks. */
uint32_t bootmarks_encode(const struct bootmarks *m);
void bootmarks_decode(uint32_t word, struct bootmarks *m);

enum bootstate_verdict {
    BOOTSTATE_BOOT,      /* m->current is to be started */
    BOOTSTATE_FELL_BACK, /* the same, after a trial that failed: *s has changed */
    BOOTSTATE_NONE,      /* no slot is left; the marks are empty again */
};

/*
 * At the start of a boot: chooses the slot and counts the start. *s may change (a try is taken, a
 * trial is given up): the caller stores it before it starts anything.
 */
enum bootstate_verdict bootstate_choose(struct bootstate *s, struct bootmarks *m);

/* The current slot is refused: true when another slot is worth a reset. False: none is left, and
 * the marks are empty again. */
KAPU_MUST_CHECK bool bootstate_refuse(const struct bootstate *s, struct bootmarks *m);

/* The system of the current slot came up. */
void bootstate_complete(struct bootmarks *m);

#endif
