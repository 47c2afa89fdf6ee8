/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arm64 code that compresses better: a call (BL) and the address of a page (ADRP) tell how far
 * their target is from themselves, so the same target looks different at each place. Here both
 * tell where it is in the content instead, as the filters of xz do; offsets that the instruction
 * cannot hold wrap around (Arm Architecture Reference Manual, C6.2: BL, ADRP).
 *
 * Any bytes may be given: what only looks like such an instruction is changed too, and comes back
 * as it was. Frames of payloads and patches, and their prefixes, are made so (kapu/release.h).
 */
#ifndef KAPU_INSTALL_CODE_H
#define KAPU_INSTALL_CODE_H

#include <stddef.h>
#include <stdint.h>

/* n bytes that are at `at` in the content: both multiples of 4. */
void install_code_absolute(uint8_t *p, size_t n, uint64_t at);
/* Undoes it. */
void install_code_relative(uint8_t *p, size_t n, uint64_t at);

#endif
