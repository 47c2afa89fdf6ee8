/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A panic in BL31, or one of OP-TEE that it cannot write down itself: leaves what is known in the
 * handover page and resets the board. No stack, no lock; addresses are the same with the MMU off.
 */
#include <arch.h>
#include <asm_macros.S>

#include <platform_def.h>

#include "handover.h"

	.globl plat_panic_handler
	.globl platform_panic

/* PL061 (ARM DDI 0190): data registers are addressed by a mask of the pins, shifted by 2. */
#define GPIO_DIR 0x400
#define RESET_PIN (1 << SECURE_GPIO_RESET)

/* TF-A ends here after a panic and after an exception that nobody expected. */
func plat_panic_handler
	mov_imm	x0, HANDOVER_PANIC_EL3
	mrs	x1, esr_el3
	mrs	x2, elr_el3
	b	platform_panic
endfunc plat_panic_handler

/* void platform_panic(uint32_t kind, u_register_t esr, u_register_t elr): does not return */
func platform_panic
	mov_imm	x3, KAPU_HANDOVER_BASE
	str	w1, [x3, #HANDOVER_PANIC_ESR]
	str	w2, [x3, #HANDOVER_PANIC_ELR]
	lsr	x2, x2, #32
	str	w2, [x3, #HANDOVER_PANIC_ELR + 4]
	str	w0, [x3, #HANDOVER_PANIC]
	mvn	w0, w0
	str	w0, [x3, #HANDOVER_PANIC_CHECK]
	dsb	sy

	mov_imm	x3, SECURE_GPIO_BASE
	ldr	w0, [x3, #GPIO_DIR]
	orr	w0, w0, #RESET_PIN
	str	w0, [x3, #GPIO_DIR]
	mov	w0, #RESET_PIN
	str	wzr, [x3, #(RESET_PIN << 2)]
	str	w0, [x3, #(RESET_PIN << 2)]
1:	wfi
	b	1b
endfunc platform_panic
