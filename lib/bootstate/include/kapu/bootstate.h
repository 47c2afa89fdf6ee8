/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of two slots boots: the decision, apart from where its facts are kept.
 *
 * `struct bootstate` is kept over power cycles (in the TPM): the slot that is in use, and whether
 * it is on trial after an update. A slot on trial has a number of tries; each start takes one, and
 * when none is left, or the slot was refused, the other slot is in use again, and the state says
 * why. The secure world ends a trial by confirming it. The state names two releases by their
 * identities (docs/boot.md): the confirmed one, which either slot may start, and the one on trial,
 * which only the slot on trial may. What else somebody wrote into a slot, signed or not, does not
 * start.
 *
 * `struct bootmarks` is kept over warm resets only (in secure RAM): which slots were refused since
 * power-on, and how often each was started without coming up. A slot that was refused, or started
 * BOOTSTATE_STARTS times in vain, gives way to the other; when both have, all is tried again.
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

#define BOOTSTATE_IDENTITY_SIZE 32u

/* Why the slot in use is not the one that was on trial last. */
enum bootstate_gave_up {
    BOOTSTATE_NOT_GIVEN_UP,
    BOOTSTATE_GAVE_UP_TRIES,   /* none was left */
    BOOTSTATE_GAVE_UP_REFUSED, /* a boot stage refused the slot */
};

/* Persistent. */
struct bootstate {
    uint8_t slot;                   /* in use, or on trial: 0 or 1 */
    bool trial;                     /* not confirmed yet */
    uint8_t tries;                  /* starts left on trial; 0 when not on trial */
    enum bootstate_gave_up gave_up; /* a trial of the other slot, until the secure world has taken
                                       note of it; not while another trial is on */
    /* By an update, or by the factory step. Zeros: any release that is signed. */
    uint8_t confirmed[BOOTSTATE_IDENTITY_SIZE];
    uint8_t tried[BOOTSTATE_IDENTITY_SIZE]; /* zeros when not on trial */
};

/* Volatile. */
struct bootmarks {
    uint8_t current; /* slot of this boot */
    bool refused[BOOTSTATE_SLOTS];
    uint8_t starts[BOOTSTATE_SLOTS]; /* in vain; at most BOOTSTATE_STARTS */
};

#define BOOTSTATE_SIZE 72u

/* As it lies in the TPM: "KBS", version 2, slot, trial, tries, gave_up, confirmed, tried. */
void bootstate_encode(const struct bootstate *s, uint8_t to[BOOTSTATE_SIZE]);
/* KAPU_EINVAL: no such state. */
KAPU_MUST_CHECK int bootstate_decode(const uint8_t from[BOOTSTATE_SIZE], struct bootstate *s);

/* The state of an earlier release, 8 bytes: it names no releases. */
#define BOOTSTATE_V1_SIZE 8u
KAPU_MUST_CHECK int bootstate_decode_v1(const uint8_t from[BOOTSTATE_V1_SIZE], struct bootstate *s);

/* As one word in RAM; a word that no kapu wrote gives empty marks. */
uint32_t bootmarks_encode(const struct bootmarks *m);
void bootmarks_decode(uint32_t word, struct bootmarks *m);

enum bootstate_verdict {
    BOOTSTATE_BOOT,      /* m->current is to be started */
    BOOTSTATE_FELL_BACK, /* the same, after a trial that failed: *s has changed */
    BOOTSTATE_NONE,      /* neither slot came up; the marks are empty again: try again, or wait */
};

/*
 * At the start of a boot: chooses the slot and counts the start. *s may change (a try is taken, a
 * trial is given up): the caller stores it before it starts anything.
 */
enum bootstate_verdict bootstate_choose(struct bootstate *s, struct bootmarks *m);

/* The release that a slot may start; zeros: any. */
const uint8_t *bootstate_expected(const struct bootstate *s, uint8_t slot);
/* Whether a slot may start this release. */
bool bootstate_allows(const struct bootstate *s, uint8_t slot,
                      const uint8_t identity[BOOTSTATE_IDENTITY_SIZE]);

/* The current slot is refused: true when another slot is worth a reset, for it was not refused
 * itself. False: none is left, and the marks are empty again. */
KAPU_MUST_CHECK bool bootstate_refuse(const struct bootstate *s, struct bootmarks *m);

/* The system of the current slot came up. */
void bootstate_complete(struct bootmarks *m);

#endif
