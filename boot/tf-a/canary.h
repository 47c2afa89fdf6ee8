/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stack canaries of the boot stages: for each stage another value, derived from the machine's seed
 * of this boot. BL31 runs when the seed is gone; BL2 leaves it its canary (wire/handover.h).
 */
#ifndef CANARY_H
#define CANARY_H

#include <stdint.h>

#define CANARY_SIZE 8

enum canary_stage { CANARY_BL1 = 1, CANARY_BL2 = 2, CANARY_BL31 = 31 };

#ifdef IMAGE_BL1
#define CANARY_THIS_STAGE CANARY_BL1
#else
#define CANARY_THIS_STAGE CANARY_BL2
#endif

/* 0, or not 0: no seed. The caller wipes the canary where it does not stay. */
int canary_derive(enum canary_stage stage, uint8_t canary[CANARY_SIZE]);

#endif
