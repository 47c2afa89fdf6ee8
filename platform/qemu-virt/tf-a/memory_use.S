/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is in use while BL1 and BL2 load images, besides the stages' own, as absolute symbols:
 * they cost no memory, and the build reads them in the linked stages (tools/kapu/windows.py).
 */
#include <platform_def.h>

#include "handover.h"

	.macro	region kind, name, base, size
	.globl	kapu_\kind\().\name\().base
	.globl	kapu_\kind\().\name\().size
	.set	kapu_\kind\().\name\().base, \base
	.set	kapu_\kind\().\name\().size, \size
	.endm

	region	ram, secure, SEC_SRAM_BASE, SEC_SRAM_SIZE + SEC_DRAM_SIZE
	region	ram, normal, NS_DRAM0_BASE, KAPU_NORMAL_RAM_SIZE

	region	in_use, mailbox_and_handover, SHARED_RAM_BASE, SHARED_RAM_SIZE
	region	in_use, memory_for_bl2, BL_RAM_BASE, PAGE_SIZE
	region	in_use, event_log, KAPU_EVENT_LOG_BASE, HANDOVER_LOG_MAX
	region	in_use, last_words, KAPU_LAST_WORDS_BASE, PAGE_SIZE
	region	in_use, hardware_device_tree, KAPU_HARDWARE_DT_BASE, PLAT_QEMU_DT_MAX_SIZE
	region	in_use, rom, SEC_ROM_BASE, SEC_ROM_SIZE
	region	in_use, fuses, KAPU_FUSES_BASE, PAGE_SIZE
	region	in_use, slots, KAPU_SLOTS_BASE, 2 * KAPU_SLOT_SIZE
	region	in_use, tpm, KAPU_TPM_BASE, KAPU_TPM_SIZE
