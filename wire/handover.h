/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the boot stages leave to the secure world, in secure RAM: one page of words and the event
 * log. Read by BL1, BL2 and OP-TEE; every platform says where the two lie. All words are 32 bits,
 * at offsets into the page; the page is device memory to the boot stages.
 */
#ifndef KAPU_HANDOVER_H
#define KAPU_HANDOVER_H

/* Marks of slots (kapu/bootstate.h) and their complement, kept over warm resets. */
#define HANDOVER_MARKS 0xf00
#define HANDOVER_MARKS_CHECK 0xf04
/* HANDOVER_MAGIC when the words below are of this boot. */
#define HANDOVER_VALID 0xf08
#define HANDOVER_MAGIC 0x6b617075U
/* Boot state as chosen for this boot: slot, trial << 8, tries << 16. */
#define HANDOVER_STATE 0xf0c
/* Security counter of the TPM, and that of the release which runs. */
#define HANDOVER_COUNTER_STORED 0xf10
#define HANDOVER_COUNTER_RELEASE 0xf14
/* Bytes of event log. */
#define HANDOVER_LOG_SIZE 0xf18
/* Left by BL31 before a reset because of a panic, its own or one that OP-TEE could not write down:
 * HANDOVER_PANIC_EL3 or HANDOVER_PANIC_CORE, its complement, and the ESR and ELR (low and high
 * word) of the exception, if there was one. OP-TEE takes it away when it starts. */
#define HANDOVER_PANIC 0xf1c
#define HANDOVER_PANIC_CHECK 0xf20
#define HANDOVER_PANIC_ESR 0xf24
#define HANDOVER_PANIC_ELR 0xf28
#define HANDOVER_PANIC_EL3 0x6b617031U
#define HANDOVER_PANIC_CORE 0x6b617032U
/* BL31's stack canary, 8 bytes; BL31 wipes it. */
#define HANDOVER_CANARY 0xf30
/* Random seeds for the secure world: 8 bytes for its address layout, 32 for its generator. */
#define HANDOVER_LAYOUT_SEED 0xf40
#define HANDOVER_RANDOM_SEED 0xf48
/* Identity of the release that runs (boot/tf-a/release.h), 32 bytes. */
#define HANDOVER_RELEASE 0xf70

/* Identity of the release that this boot may start (kapu/bootstate.h), 32 bytes; zeros: any. */
#define HANDOVER_EXPECTED 0xf90

/* The event log's place has this size. */
#define HANDOVER_LOG_MAX 4096

#endif
