/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firmware slots: which one BL1 tries, and what happens when one is refused.
 *
 * Two slots hold a firmware package each. BL1 marks the slot that it is about to try in secure RAM,
 * which a warm reset keeps; BL2 takes the marks away when it has verified everything. A stage that
 * cannot verify something resets the board: the other slot then starts from the ROM with nothing
 * left over from the bad one. So does a stage that crashes, or that something outside resets. When
 * both slots are refused the board halts; also when neither comes to a verdict in SLOT_ROUNDS
 * rounds. Marks do not survive a power cycle or a successful boot, so a repaired slot is tried
 * again. A mark can only make the firmware skip a slot; it never makes it trust one.
 */
#ifndef SLOT_H
#define SLOT_H

#include <stdint.h>

#include <kapu/bytes.h>

#define SLOT_COUNT 2U

/* How often both slots are tried when they end in a crash or a reset from outside. */
#define SLOT_ROUNDS 3U

/* BL1: choose the slot of this boot and say so on the console. Does not return if none is left. */
void slot_choose(void);

/* The whole slot that this boot runs from, as it lies in flash. Valid in BL1 and BL2. */
struct bytes slot_content(void);

/* 'A' or 'B'. */
char slot_letter(void);

/* BL2: everything of the current slot is verified; forget earlier failures. */
void slot_accept(void);

/*
 * The current slot is refused because of `image` (for a person: "BL31", "trusted key certificate")
 * for `reason`. Resets into the other slot, or halts when there is none. Does not return.
 */
void slot_refuse(const char *image, const char *reason) __attribute__((noreturn));

#endif
