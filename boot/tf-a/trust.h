/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of trust as the boot stages use it: the TPM's counter and boot state, measurements with
 * their event log, and what is left to the secure world (wire/handover.h). Where the TPM or the
 * board's record is not as it must be, the board says so in one line and halts.
 */
#ifndef TRUST_H
#define TRUST_H

#include <stdint.h>

#include <kapu/bootstate.h>

/* BL1: finds the board's record and the TPM, starts both, measures the ROM, reads the boot state.
 */
void trust_begin(struct bootstate *state);

/* BL1: keeps a boot state that has changed. */
void trust_store(const struct bootstate *state);

/* BL1, last: leaves the boot state of this boot, whose slot is the one that starts, to BL2 and the
 * secure world. */
void trust_hand_over(const struct bootstate *state);

/* The boot state that BL1 left, without what it says of releases. */
void trust_state(struct bootstate *state);

/* BL2: goes on where BL1 ended. */
void trust_resume(void);

/* Measures n bytes into a PCR; the log calls it `name`. Dies when the TPM fails: what is not
 * measured does not run. */
void trust_measure(uint32_t pcr, uint32_t event_type, const char *name, const void *image,
                   uint32_t n);

/* BL1: records which root key has verified. */
void trust_measure_authority(void);

/* BL2, last: closes the TPM's platform hierarchy. */
void trust_end(void);

#endif
