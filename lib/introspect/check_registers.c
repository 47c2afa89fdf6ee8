// SPDX-License-Identifier: Apache-2.0
/*
 * registers.*: what EL1 of each core is set to: vectors, page tables, translation control, memory
 * attributes (Arm ARM D19.2).
 */
#include "internal.h"

/* M, C, I: MMU and caches; SA, SA0: aligned stacks. */
#define SCTLR_MUST ((1ull << 0) | (1ull << 2) | (1ull << 12) | (1ull << 3) | (1ull << 4))
/* EE, E0E: big-endian; UMA: programs mask interrupts. */
#define SCTLR_MUST_NOT ((1ull << 25) | (1ull << 24) | (1ull << 9))
/* Both halves: 48 bits (T0SZ, T1SZ 16), pages of 4 KiB (TG0 0, TG1 2), walked (EPD0, EPD1), and
 * with the restrictions in upper tables (HPD0, HPD1). */
#define TCR_JUDGED                                                                                 \
    (63ull | 63ull << 16 | 3ull << 14 | 3ull << 30 | 1ull << 7 | 1ull << 23 | 3ull << 41)
#define TCR_RIGHT (16ull | 16ull << 16 | 2ull << 30)
/* Indices as Linux numbers them: normal, tagged (or normal), non-cacheable, two kinds of device. */
#define MAIR_PLAIN 0x000000040044ffffull
#define MAIR_TAGGED 0x000000040044f0ffull
#define VECTORS_SIZE 0x800u
#define VECTOR_SLOTS 4u /* enum arm64_bp_harden_el1_vectors */
#define TTBR_TABLE 0xfffffffff000ull

static void wrong(struct introspect *in, const char *id, uint32_t cpu, uint64_t value,
                  const char *text)
{
    char object[16] = "core ";
    struct finding f;

    text_append_dec(object, sizeof(object), cpu);
    finding_start(&f, id, INTROSPECT_ALARM, value, object);
    say(&f, text);
    say(&f, ": ");
    say_hex(&f, value);
    f.owner = cpu + 1ull;
    finding_add(in, &f);
}

static bool is_slot_of(uint64_t vbar, uint64_t start)
{
    return vbar >= start && (vbar - start) % VECTORS_SIZE == 0 &&
           (vbar - start) / VECTORS_SIZE < VECTOR_SLOTS;
}

/* The kernel's own vectors, its hardened copies, or the trampoline that runs while user code does:
 * wherever that is mapped, it must lead to the trampoline's text. */
static bool vbar_is_right(struct introspect *in, uint64_t vbar)
{
    uint64_t tramp = in->text_pa + item(in, S___entry_tramp_text_start), pa;
    struct leaf leaf;
    int err;

    if (vbar == symbol(in, S_vectors) || is_slot_of(vbar, symbol(in, S___bp_harden_el1_vectors)))
        return true;
    err = is_kernel_va(vbar) ? translate(in, in->root_pa, vbar, &leaf) : KAPU_ERANGE;
    if (err != 0)
        return err == KAPU_EABSENT;
    pa = leaf.pa + (vbar - leaf.va);
    return is_slot_of(pa, tramp) && !leaf.write;
}

int check_registers(struct introspect *in)
{
    if (in->cpus == 0)
        return KAPU_EARG;
    for (uint32_t i = 0; i < in->cpus; i++) {
        const struct introspect_regs *r = &in->regs[i];
        uint64_t table = r->ttbr1 & TTBR_TABLE;

        if (!vbar_is_right(in, r->vbar))
            wrong(in, "registers.vbar", i, r->vbar, "exception vectors are not the kernel's");
        if (table != in->root_pa && table != in->text_pa + item(in, S_tramp_pg_dir) &&
            table != in->text_pa + item(in, S_reserved_pg_dir))
            wrong(in, "registers.ttbr1", i, r->ttbr1, "page tables are not the kernel's");
        if ((r->tcr & TCR_JUDGED) != TCR_RIGHT)
            wrong(in, "registers.tcr", i, r->tcr, "translation is not set up as Linux does");
        if ((r->sctlr & SCTLR_MUST) != SCTLR_MUST || (r->sctlr & SCTLR_MUST_NOT) != 0)
            wrong(in, "registers.sctlr", i, r->sctlr,
                  "MMU, caches, byte order or masks are changed");
        if (r->mair != MAIR_PLAIN && r->mair != MAIR_TAGGED)
            wrong(in, "registers.mair", i, r->mair, "memory attributes are not Linux'");
    }
    return 0;
}
