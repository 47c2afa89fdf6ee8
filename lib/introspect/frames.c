// SPDX-License-Identifier: Apache-2.0
/*
 * What each page of RAM is used for, for people to look at: the image by its own layout, page
 * tables by following them, the rest by what the kernel's struct page says. Nothing here is proof
 * of anything but for pages of programs whose content a check knew.
 */
#include "internal.h"

#define VMEMMAP_START 0xfffffdffc0000000ull /* as in page.c */
#define STRUCT_PAGE 64u
#define ORDER_MAX 10u
#define KERNEL_TABLES 8192u
#define USER_TABLES 16384u
#define MAPPING_KIND 3u /* lowest bits of folio.mapping; 1: anonymous */

struct frames {
    introspect_page_fn fn;
    void *ctx;
    uint64_t pa, pages; /* the run so far */
    enum introspect_page kind;
    uint64_t group; /* pages left of the folio or free block that began last */
    enum introspect_page group_kind;
};

static int remember_table(struct introspect *in, uint64_t table, void *ctx)
{
    (void)ctx;
    return set_or(in, table, 1);
}

static int any_leaf(struct introspect *in, const struct leaf *leaf, void *ctx)
{
    (void)in;
    (void)leaf;
    (void)ctx;
    return 0;
}

/* A process' page tables; what cannot be followed is a matter of check "code". */
static int remember_process(struct introspect *in, uint64_t task, void *ctx)
{
    uint64_t mm, pgd;
    struct leaf leaf;
    int err = field_u64(in, task, F_task_struct_mm, &mm);

    if (err != 0 || mm == 0 || field_u64(in, mm, F_mm_struct_pgd, &pgd) != 0 ||
        !is_kernel_va(pgd) || translate(in, in->root_pa, pgd, &leaf) != 0)
        return err;
    err =
        tables_visit(in, leaf.pa + (pgd - leaf.va), 0, USER_TABLES, any_leaf, remember_table, ctx);
    return err == KAPU_ETIMEOUT ? err : 0;
}

/* The part of the image that a page is in; INTROSPECT_PAGE_UNKNOWN: none, or one that was freed. */
static enum introspect_page image_kind(const struct introspect *in, uint64_t pa)
{
    uint64_t at = pa - in->text_pa;

    if (pa < in->text_pa || at >= item(in, S__end))
        return INTROSPECT_PAGE_UNKNOWN;
    for (uint32_t n = 0; n < profile_count(&in->profile, SECTION_RANGES); n++) {
        struct range r = profile_range(&in->profile, n);

        if (at >= r.start && at < r.end)
            return r.kind == RANGE_TEXT ? INTROSPECT_PAGE_TEXT : INTROSPECT_PAGE_RODATA;
    }
    return at >= item(in, S__data) ? INTROSPECT_PAGE_DATA : INTROSPECT_PAGE_UNKNOWN;
}

/* What a struct page says, and of how many pages; `left`: bytes of the array from it on. */
static enum introspect_page struct_kind(const struct introspect *in, const uint8_t *page,
                                        size_t left, uint64_t *pages)
{
    uint64_t flags = kapu_le64(page + item(in, F_page_flags));
    uint64_t mapping = kapu_le64(page + item(in, F_folio_mapping)), order = 0;
    uint32_t type = kapu_le32(page + item(in, F_page_page_type)) >> 24;
    bool head = (flags >> (item(in, V_PG_head) & 63) & 1) != 0;

    if (type == item(in, V_PGTY_buddy))
        order = kapu_le64(page + item(in, F_page_private));
    else if (head && item(in, F_folio__flags_1) < left)
        order = page[item(in, F_folio__flags_1)]; /* the lowest byte */
    *pages = order <= ORDER_MAX ? 1ull << order : 1;
    if (type == item(in, V_PGTY_buddy))
        return INTROSPECT_PAGE_FREE;
    if (type == item(in, V_PGTY_table))
        return INTROSPECT_PAGE_TABLE;
    if (type == item(in, V_PGTY_slab))
        return INTROSPECT_PAGE_SLAB;
    if ((flags >> (item(in, V_PG_reserved) & 63) & 1) != 0)
        return INTROSPECT_PAGE_RESERVED;
    if (kapu_le32(page + item(in, F_page__refcount)) == 0)
        return INTROSPECT_PAGE_FREE; /* in a list of one core */
    if ((mapping & MAPPING_KIND) == 1)
        return INTROSPECT_PAGE_ANONYMOUS;
    return mapping != 0 && (mapping & MAPPING_KIND) == 0 ? INTROSPECT_PAGE_CACHE
                                                         : INTROSPECT_PAGE_KERNEL;
}

static int flush(struct frames *f)
{
    int err = f->pages > 0 ? f->fn(f->ctx, f->pa, (uint32_t)f->pages, f->kind) : 0;

    f->pages = 0;
    return err;
}

static int add(struct frames *f, uint64_t pa, enum introspect_page kind)
{
    int err = f->pages > 0 && kind != f->kind ? flush(f) : 0;

    if (f->pages == 0) {
        f->pa = pa;
        f->kind = kind;
    }
    f->pages++;
    return err;
}

/* One page of RAM; `page`: its struct page, NULL when there is none. */
static int add_page(struct introspect *in, struct frames *f, uint64_t pa, const uint8_t *page,
                    size_t left)
{
    enum introspect_page kind = image_kind(in, pa);

    if (f->group == 0) {
        f->group = 1;
        f->group_kind =
            page != NULL ? struct_kind(in, page, left, &f->group) : INTROSPECT_PAGE_UNKNOWN;
    }
    f->group--;
    if (set_get(in, pa) != 0)
        kind = INTROSPECT_PAGE_TABLE;
    else if (kind == INTROSPECT_PAGE_UNKNOWN && content_is_known(in, pa))
        kind = INTROSPECT_PAGE_CODE;
    else if (kind == INTROSPECT_PAGE_UNKNOWN)
        kind = f->group_kind;
    return add(f, pa, kind);
}

/* struct_kind() reads nothing outside of a struct page. */
static bool layout_is_known(const struct introspect *in)
{
    return item(in, Z_page) == STRUCT_PAGE && item(in, F_page_flags) <= STRUCT_PAGE - 8 &&
           item(in, F_folio_mapping) <= STRUCT_PAGE - 8 &&
           item(in, F_page_private) <= STRUCT_PAGE - 8 &&
           item(in, F_page_page_type) <= STRUCT_PAGE - 4 &&
           item(in, F_page__refcount) <= STRUCT_PAGE - 4;
}

int introspect_pages(struct introspect *in, introspect_page_fn fn, void *ctx)
{
    struct frames f = {.fn = fn, .ctx = ctx};
    uint8_t array[PAGE_SIZE];
    uint64_t start = 0, loaded = 0;
    bool there = false;
    int err;

    budget_start(in);
    set_clear(in);
    err = tables_visit(in, in->root_pa, 0xffffull << 48, KERNEL_TABLES, any_leaf, remember_table,
                       NULL);
    if (err == 0 && process_walk(in, remember_process, NULL) == KAPU_ETIMEOUT)
        err = KAPU_ETIMEOUT; /* with a broken list there are fewer tables in the picture */
    if (err == 0)
        err = read_u64(in, symbol(in, S_memstart_addr), &start);
    if (err == 0 && !layout_is_known(in))
        err = KAPU_EINVAL;
    for (uint64_t at = 0; err == 0 && in->ram_size - at >= PAGE_SIZE; at += PAGE_SIZE) {
        uint64_t va = VMEMMAP_START + (in->ram_base + at - start) / PAGE_SIZE * STRUCT_PAGE;
        size_t offset = (size_t)(va & PAGE_MASK);

        if (va - offset != loaded) {
            loaded = va - offset;
            there = read_va(in, loaded, array, sizeof(array)) == 0;
        }
        err = add_page(in, &f, in->ram_base + at, there ? array + offset : NULL,
                       sizeof(array) - offset);
        if (in->ram_size - at == PAGE_SIZE)
            break;
    }
    return err != 0 ? err : flush(&f);
}
