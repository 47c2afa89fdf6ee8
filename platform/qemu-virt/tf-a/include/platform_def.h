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

/* Failure marks of slots, in the secure page that also holds TF-A's mailbox. */
#define KAPU_SLOT_RECORD_BASE (SHARED_RAM_BASE + 0xf00)

/* Random seeds of this boot for OP-TEE, in the same page; platform/qemu-virt/optee/seed.c reads and
 * wipes them. 8 bytes for the address layout, then 32 for its random number generator. */
#define KAPU_SECURE_SEED_BASE (SHARED_RAM_BASE + 0xf40)

/* QEMU puts its own device tree at the start of RAM. Linux and its signed tree come after it. */
#define KAPU_HARDWARE_DT_BASE NS_DRAM0_BASE
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
