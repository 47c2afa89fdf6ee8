/* SPDX-License-Identifier: Apache-2.0 */
/* Where qemu-virt has what secure/core uses; the boot stages' side: tf-a/include/platform_def.h. */
#ifndef KAPU_OPTEE_PLATFORM_H
#define KAPU_OPTEE_PLATFORM_H

#include <compiler.h>

#define PLATFORM_FUSES 0x00020000UL      /* the board's record, in the ROM's flash */
#define PLATFORM_TPM 0x0c000000UL        /* TIS registers of locality 0 */
#define PLATFORM_HANDOVER 0x0e000000UL   /* words of wire/handover.h */
#define PLATFORM_EVENT_LOG 0x0e002000UL  /* HANDOVER_LOG_MAX bytes */
#define PLATFORM_LAST_WORDS 0x0e003000UL /* a page that nothing else uses; kept over resets */
#define PLATFORM_NV_BUDGET 0x0e004000UL  /* likewise */

/* Slots in flash, one after another: KAPU_SLOTS_BASE and KAPU_SLOT_SIZE of the boot stages. */
#define PLATFORM_SLOTS 0x04000000UL
#define PLATFORM_SLOT_SIZE 0x02000000UL

#define PLATFORM_NORMAL_RAM 0x40000000UL
#define PLATFORM_NORMAL_RAM_SIZE 0x40000000UL
#define PLATFORM_SECURE_TIMER 29 /* CNTPS, a private interrupt of each core */

/* Seconds until the board resets without a deep check: after OP-TEE's start, after a deep check,
 * and after the watch found something. */
#define PLATFORM_WATCHDOG_BOOT_S 300U
#define PLATFORM_WATCHDOG_S 120U
#define PLATFORM_HURRY_S 60U

/* Reset the whole board and its TPM, secure RAM kept. */
void __noreturn platform_reset(void);

#endif
