// SPDX-License-Identifier: Apache-2.0
/*
 * tables.*: the kernel's page tables. Only kernel text is executable, nothing is writable and
 * executable, no page that must not change is writable through any alias, nothing of the kernel is
 * reachable by user code, and the image is mapped to where it is.
 */
#include "internal.h"

#define LOST_MAX 1000u      /* after so many findings that nobody hears of, more tell nothing */
#define KERNEL_TABLES 8192u /* of 1 GiB mapped by pages: about 540 */

static void wrong(struct introspect *in, const char *id, const struct leaf *leaf, uint64_t va,
                  const char *text)
{
    struct finding f;

    finding_start(&f, id, INTROSPECT_ALARM, va, "kernel page tables");
    say(&f, text);
    say(&f, ", physical ");
    f.pa = leaf->pa + (va > leaf->va ? va - leaf->va : 0);
    say_hex(&f, f.pa);
    finding_add(in, &f);
}

/* Whether all of a mapping lies in a part of the image, given by offsets. */
static bool lies_in(const struct introspect *in, const struct leaf *leaf, uint32_t start,
                    uint32_t end)
{
    uint64_t from = in->text_pa + start, to = in->text_pa + end;

    return leaf->pa >= from && leaf->pa < to && leaf->size <= to - leaf->pa;
}

static bool exec_is_known(struct introspect *in, const struct leaf *leaf)
{
    if (lies_in(in, leaf, item(in, S__stext), item(in, S__etext)))
        return leaf->va == image_va(in, (uint32_t)(leaf->pa - in->text_pa));
    if (lies_in(in, leaf, item(in, S___entry_tramp_text_start),
                (item(in, S___entry_tramp_text_end) + PAGE_MASK) & ~PAGE_MASK))
        return true; /* the trampoline's alias, read-only */
    return code_is_known(in, leaf->va, leaf->size) || code_was_a_modules(in, leaf->va, leaf->size);
}

static int check_leaf(struct introspect *in, const struct leaf *leaf, void *ctx)
{
    (void)ctx;
    if (!leaf->user && !leaf->exec && !leaf->write)
        return 0;
    if (leaf->user)
        wrong(in, "tables.user", leaf, leaf->va, "kernel page is reachable by user code");
    if (leaf->write && leaf->exec)
        wrong(in, "tables.wx", leaf, leaf->va, "page is writable and executable");
    if (leaf->write && leaf_touches(in, leaf, S__stext, S___inittext_begin))
        wrong(in, "tables.alias", leaf, leaf->va, "writable mapping of text or read-only data");
    if (leaf->exec && !exec_is_known(in, leaf))
        wrong(in, "tables.exec", leaf, leaf->va, "executable page is no known code");
    return in->lost > LOST_MAX ? KAPU_ESPACE : 0;
}

/* Each page of the image is where the image is: no redirection by page tables. */
static int check_image(struct introspect *in)
{
    static const enum item parts[][2] = {{S__stext, S___inittext_begin}, {S__data, S__end}};
    struct leaf leaf;
    int err;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        uint32_t end = item(in, parts[i][1]);

        for (uint32_t at = item(in, parts[i][0]) & ~PAGE_MASK; at < end; at += PAGE_SIZE) {
            uint64_t va = image_va(in, at), pa;

            err = translate(in, in->root_pa, va, &leaf);
            if (err == KAPU_ENOENT)
                leaf = (struct leaf){.va = va};
            else if (err != 0)
                return err;
            pa = leaf.pa + (va - leaf.va);
            if (pa != in->text_pa + at)
                wrong(in, "tables.redirect", &leaf, va, "page of the image is mapped elsewhere");
        }
    }
    return 0;
}

/* While user code runs, only the trampoline is mapped. */
static int check_trampoline(struct introspect *in, const struct leaf *leaf, void *ctx)
{
    (void)ctx;
    if (leaf->user || leaf->write ||
        !lies_in(in, leaf, item(in, S___entry_tramp_text_start), item(in, S___inittext_begin)))
        wrong(in, "tables.trampoline", leaf, leaf->va, "mapped while user code runs");
    return 0;
}

bool tables_exec_persists(struct introspect *in, const struct finding *f)
{
    struct leaf leaf;

    return translate(in, in->root_pa, f->address, &leaf) == 0 && leaf.exec &&
           !exec_is_known(in, &leaf);
}

/* The tables that Linux uses when nothing is to be mapped. */
static int check_reserved(struct introspect *in)
{
    uint64_t pa = in->text_pa + item(in, S_reserved_pg_dir);
    int err = read_pa(in, pa, in->page, PAGE_SIZE);

    for (uint32_t i = 0; err == 0 && i < PAGE_SIZE; i += 8) {
        struct leaf leaf = {.va = symbol(in, S_reserved_pg_dir) + i, .pa = pa + i};

        if (kapu_le64(in->page + i) == 0)
            continue;
        wrong(in, "tables.reserved", &leaf, leaf.va, "page tables that must be empty are not");
        break;
    }
    return err;
}

int check_tables(struct introspect *in)
{
    int err;

    modules_remember(in);
    err = tables_walk(in, in->root_pa, 0xffffull << 48, KERNEL_TABLES, check_leaf, NULL);

    if (err == 0)
        err = tables_walk(in, in->text_pa + item(in, S_tramp_pg_dir), 0xffffull << 48,
                          KERNEL_TABLES, check_trampoline, NULL);
    if (err == 0)
        err = check_reserved(in);
    return err != 0 ? err : check_image(in);
}
