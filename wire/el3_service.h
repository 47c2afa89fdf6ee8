/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What BL31 tells the secure world, and nobody else: a fast 64-bit call in the OEM range of the SMC
 * Calling Convention (Arm DEN 0028, 6.1). A caller in the normal world gets "unknown function".
 */
#ifndef KAPU_EL3_SERVICE_H
#define KAPU_EL3_SERVICE_H

/*
 * No arguments. The normal world's EL1 registers of the calling core, as saved when that core left
 * the normal world: x0 VBAR, x1 TTBR1, x2 TCR, x3 SCTLR, x4 MAIR, x5 the interrupted address.
 */
#define EL3_NORMAL_WORLD_REGISTERS 0xc3006b01

/*
 * No arguments; does not return. OP-TEE cannot go on, and cannot say so itself: BL31 leaves ESR_EL1
 * and ELR_EL1 in the handover page (HANDOVER_PANIC) and resets the board.
 */
#define EL3_PANIC 0xc3006b02

#endif
