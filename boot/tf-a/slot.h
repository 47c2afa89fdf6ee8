/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firmware slots: which one BL1 starts, and what happens when one is refused.
 *
 * Two slots hold a firmware package each. The decision is that of lib/bootstate, over the boot
 * state in the TPM and marks in secure RAM, which a warm reset keeps. A stage that cannot verify
 * something resets the board: the other slot then starts from the ROM with nothing left over from
 * the bad one. So does a stage that crashes. The secure world takes the marks away when the system
 * has come up.
 */
#ifndef SLOT_H
#define SLOT_H

#include <stdbool.h>

#include <kapu/bootstate.h>
#include <kapu/bytes.h>

/* BL1: choose the slot of this boot and say so on the console. True when *state has changed and
 * must be kept before the slot is started. */
bool slot_choose(struct bootstate *state);

/* The whole slot that this boot runs from, as it lies in flash. Valid in BL1 and BL2. */
struct bytes slot_content(void);

/* 'A' or 'B'. */
char slot_letter(void);

/* BL2: everything of the current slot is verified. */
void slot_accept(void);

/*
 * The current slot is refused because of `image` (for a person: "BL31", "trusted key certificate")
 * for `reason`. Resets into the other slot, or halts when there is none. Does not return.
 */
void slot_refuse(const char *image, const char *reason) __attribute__((noreturn));

/* Wait for a person. The marks go, so that the next reset tries again. */
void slot_wait(void) __attribute__((noreturn));

#endif
