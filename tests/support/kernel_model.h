/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A little kernel in 1 MiB of memory, made of nothing but what lib/introspect reads: profile,
 * allow-list, page tables, text with a patch site of each kind, tasks in all views, one program.
 * Tests and the fuzzer start from it and break it.
 */
#ifndef KAPU_TEST_KERNEL_MODEL_H
#define KAPU_TEST_KERNEL_MODEL_H

#include "internal.h"

#define MODEL_RAM_BASE 0x40000000ull
#define MODEL_RAM_SIZE (1u << 20)
#define MODEL_TEXT_PA 0x40010000ull
#define MODEL_LINKED 0xffff800080000000ull
#define MODEL_SLIDE 0x1200000ull
#define MODEL_LINEAR 0xffff000000000000ull /* maps all of RAM */
#define MODEL_TASKS 4u                     /* the first is init_task */
#define MODEL_PROGRAM "/bin/a"
#define MODEL_CODE_VA 0x400000ull
#define MODEL_USER 7u
#define MODEL_CACHE_PAGES 8u

/* Places in the image. */
#define MODEL_STEXT 0x1000u
#define MODEL_ETEXT 0x9000u
#define MODEL_RODATA_END 0x13000u
#define MODEL_DATA 0x14000u
#define MODEL_END 0x1b000u
#define MODEL_SITE 0x2100u     /* variants: nop, 0x11111111 */
#define MODEL_JUMP 0x2200u     /* jump label whose key is off */
#define MODEL_POINTER 0x2300u  /* movz, 3 movk with the value of memstart_addr */
#define MODEL_SHIFT 0x2400u    /* lsr by the number in nr_cpu_ids */
#define MODEL_TABLE 0xa000u    /* three entries */
#define MODEL_NOTIFIER 0x5100u /* functions of five types */
#define MODEL_TIMER 0x5200u
#define MODEL_HRTIMER 0x5300u
#define MODEL_WORK 0x5400u
#define MODEL_SHOW 0x5500u
#define MODEL_SOFTIRQ 0x5600u
#define MODEL_RECEIVE 0x5700u
#define MODEL_OPERATIONS 0xa800u /* constants: any table of operations */
#define MODEL_KEYS 0x1af00u      /* of static calls: where function and switch are */
#define MODEL_SLOTS 3u           /* two of the hook that there is, one of another */
#define MODEL_HOOK 0x1aff0u      /* a function pointer in data */

struct kernel_model {
    uint8_t ram[MODEL_RAM_SIZE];
    uint8_t profile[16384], allow[1024];
    uint8_t work[INTROSPECT_WORK_MIN + MODEL_CACHE_PAGES * INTROSPECT_CACHED_PAGE];
    size_t profile_n, allow_n;
    uint32_t item[ITEMS];
    uint64_t task[MODEL_TASKS], cred[MODEL_TASKS], mm, code_pa, slab, pages;
    uint64_t next; /* free memory, physical */
    struct introspect_regs regs;
    struct finding found[64];
    size_t found_n;
};

void model_build(struct kernel_model *m, struct kapu_sha256 sha);
struct introspect_setup model_setup(struct kernel_model *m, struct kapu_sha256 sha);

uint64_t model_symbol(const struct kernel_model *m, enum item s); /* virtual, as running */
/* A static call of the security modules' table; where its function and its switch are. */
uint64_t model_slot(const struct kernel_model *m, uint32_t n);
uint64_t model_slot_key(uint32_t n);
uint64_t model_slot_active(uint32_t n);
uint64_t model_pa(uint64_t va); /* of image and linear map */
void model_put(struct kernel_model *m, uint64_t va, uint64_t v);
void model_put32(struct kernel_model *m, uint64_t va, uint32_t v);
/* The struct page of a page of RAM. */
uint64_t model_page(const struct kernel_model *m, uint64_t pa);
/* After a change of profile or allow-list that a new reader is to take: their digests, and which
 * profile the allow-list belongs to. */
void model_seal(struct kernel_model *m, struct kapu_sha256 sha);
/* Policy: a state's value, the program's flags, the one peer that it may have. */
void model_allow_state(struct kernel_model *m, enum allow_state key, uint32_t value);
/* Offset of the program's path in the allow-list's strings. */
uint32_t model_allow_program_name(struct kernel_model *m);
void model_allow_flags(struct kernel_model *m, uint32_t flags);
void model_allow_peer(struct kernel_model *m, const uint8_t address[4], uint32_t bits,
                      uint32_t port);
uint64_t model_get(const struct kernel_model *m, uint64_t va);
void model_set(struct kernel_model *m, uint64_t va, enum item field, uint64_t v);
/* Where the last descriptor for a kernel address is, as linear address. */
uint64_t model_pte(const struct kernel_model *m, uint64_t va);
/* Zeroed memory for n bytes, as linear address; of whole pages when n is a page or more. */
uint64_t model_allocate(struct kernel_model *m, uint64_t n);
/* Takes a list_head out of its list; puts one at its end; makes an empty one. */
void model_unlink(struct kernel_model *m, uint64_t node);
void model_list_add(struct kernel_model *m, uint64_t head, uint64_t node);
void model_list_init(struct kernel_model *m, uint64_t head);

#endif
