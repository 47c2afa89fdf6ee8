/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory map of qemu-virt: TF-A's own for QEMU, with kapu's slots and smaller windows.
 * docs/boot.md has the picture.
 */
#ifndef KAPU_PLATFORM_DEF_H
#define KAPU_PLATFORM_DEF_H

#include "plat/qemu/qemu/include/platform_def.h"

/* Flash 0 is the ROM and holds BL1 alone. Flash 1 holds the two firmware slots. */
#define KAPU_SLOTS_BASE QEMU_FLASH1_BASE
#define KAPU_SLOT_SIZE 0x02000000

/* The board's record (kapu/fusebox.h): one-time programmable fuses on a chip, here a page of the
 * read-only flash behind BL1, which only the secure world can read. */
#define KAPU_FUSES_BASE 0x00020000

/* What BL1 and BL2 leave to the secure world (wire/handover.h): words in the page that also holds
 * TF-A's mailbox, and the event log two pages behind it (between them BL1
 * tells BL2 its memory). */
#define KAPU_HANDOVER_BASE SHARED_RAM_BASE
#define KAPU_EVENT_LOG_BASE (BL_RAM_BASE + 0x1000)
/* OP-TEE's (platform.h there): kept over resets, so nothing may be loaded over it. */
#define KAPU_LAST_WORDS_BASE (BL_RAM_BASE + 0x2000)

/* QEMU's first device on the platform bus: tpm-tis-device, the only one. Five localities. */
#define KAPU_TPM_BASE 0x0c000000
#define KAPU_TPM_SIZE 0x00005000

/* Sessions with the TPM need more than QEMU's 4 KiB. */
#if defined(IMAGE_BL1) || defined(IMAGE_BL2)
#undef PLATFORM_STACK_SIZE
#define PLATFORM_STACK_SIZE 0x3000
#endif

/* QEMU puts its own device tree at the start of RAM. Linux and its signed tree come after it. */
#define KAPU_HARDWARE_DT_BASE NS_DRAM0_BASE
/* Of every gateway; TF-A's NS_DRAM0_SIZE is what QEMU could have. */
#define KAPU_NORMAL_RAM_SIZE 0x40000000
#undef NS_IMAGE_OFFSET
#undef NS_IMAGE_MAX_SIZE
#define NS_IMAGE_OFFSET (NS_DRAM0_BASE + 0x00200000)
#define NS_IMAGE_MAX_SIZE 0x03000000
#define KAPU_DT_BASE (NS_DRAM0_BASE + 0x04000000)
#define KAPU_DT_MAX_SIZE 0x00010000
#define KAPU_COMMAND_LINE_MAX 2048 /* COMMAND_LINE_SIZE of Linux on arm64 */

/* No QEMU gateway has more cores; see the signed device tree. */
#define KAPU_MAX_CORES 4

#endif
