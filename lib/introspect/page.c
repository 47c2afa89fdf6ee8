// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's array of struct page (vmemmap), which knows what each page of RAM is used for:
 * folios of the page cache, slabs of objects.
 */
#include "internal.h"

#define VMEMMAP_START 0xfffffdffc0000000ull /* 48-bit addresses, struct page of 64 bytes */
#define LINEAR_MAP 0xffff000000000000ull
#define STRUCT_PAGE 64u
#define ORDER_MAX 10u
#define OBJECT_MIN 8u
#define KFENCE_CANARY 0xadacafaea9a8abaaull /* what it fills the rest of an object's page with */

/* Arithmetic is modulo 2^64: with a random linear map the start of memory is "negative". */
int page_pa(struct introspect *in, uint64_t page, uint64_t *pa)
{
    uint64_t start;
    int err = read_u64(in, symbol(in, S_memstart_addr), &start);

    if (err != 0)
        return err;
    *pa = (page - VMEMMAP_START) / STRUCT_PAGE * PAGE_SIZE + start;
    return page % STRUCT_PAGE == 0 && *pa >= in->ram_base && *pa - in->ram_base < in->ram_size
               ? 0
               : KAPU_ERANGE;
}

int folio_pages(struct introspect *in, uint64_t folio, uint64_t *n)
{
    uint64_t flags, more = 0;
    int err = field_u64(in, folio, F_folio_flags, &flags);

    if (err == 0 && (flags >> (item(in, V_PG_head) & 63) & 1) != 0)
        err = field_u64(in, folio, F_folio__flags_1, &more); /* the lowest byte is the order */
    if (err == 0 && (more & 0xff) > ORDER_MAX)
        err = KAPU_EINVAL;
    *n = 1ull << (more & 0xf);
    return err;
}

struct slab_search {
    uint64_t cache, size, start; /* start: of memory, as the kernel has it */
    uint64_t guarded;            /* where KFENCE puts an object that ends with its page */
    node_fn fn;
    void *ctx;
};

static int walk_objects(struct introspect *in, const struct slab_search *s, uint64_t folio)
{
    uint64_t pages, pa, first, word;
    int err = folio_pages(in, folio, &pages);

    if (err == 0)
        err = page_pa(in, folio, &pa);
    if (err != 0)
        return err;
    first = pa - s->start + LINEAR_MAP;
    if (pages == 1) {
        /* KFENCE puts some objects alone in a page, at its start or end, and unmaps freed ones. */
        err = read_u64(in, first, &word);
        if (err == KAPU_ENOENT)
            return 0;
        if (err == 0 && s->guarded != 0 && word == KFENCE_CANARY)
            return s->fn(in, first + s->guarded, s->ctx);
    }
    for (uint64_t at = 0; err == 0 && s->size <= pages * PAGE_SIZE - at; at += s->size)
        err = s->fn(in, first + at, s->ctx);
    return err;
}

/* The struct pages that stand in one page of the array. */
static int walk_pages(struct introspect *in, const struct slab_search *s, uint64_t at)
{
    uint32_t owner = item(in, F_slab_slab_cache), type = item(in, F_page_page_type);
    uint8_t pages[PAGE_SIZE];
    int err = read_va(in, at, pages, sizeof(pages));

    if (err == KAPU_ENOENT || err == KAPU_ERANGE)
        return 0; /* the array has no page there: no such memory */
    if (err == KAPU_EABSENT)
        return 0; /* the other slabs can still be found; the run counts it */
    for (uint32_t i = 0; err == 0 && i < PAGE_SIZE; i += STRUCT_PAGE) {
        /* The type as well: what a freed slab's page says else may be old. */
        if (kapu_le64(pages + i + owner) == s->cache &&
            kapu_le32(pages + i + type) >> 24 == item(in, V_PGTY_slab))
            err = walk_objects(in, s, at + i);
        if (err == KAPU_EABSENT)
            err = 0;
    }
    return err;
}

int slab_walk(struct introspect *in, uint64_t cache, node_fn fn, void *ctx)
{
    struct slab_search s = {.fn = fn, .ctx = ctx};
    uint64_t first, last;
    uint32_t size = 0, object = 0, align = 0;
    int err = read_u64(in, cache, &s.cache);

    if (err == 0)
        err = read_u64(in, symbol(in, S_memstart_addr), &s.start);
    if (err == 0)
        err = field_u32(in, s.cache, F_kmem_cache_size, &size);
    if (err == 0)
        err = field_u32(in, s.cache, F_kmem_cache_object_size, &object);
    if (err == 0)
        err = field_u32(in, s.cache, F_kmem_cache_align, &align);
    if (err != 0)
        return err;
    if (size < OBJECT_MIN || (align & (align - 1)) != 0 || item(in, Z_page) != STRUCT_PAGE ||
        item(in, F_slab_slab_cache) > STRUCT_PAGE - 8 ||
        item(in, F_page_page_type) > STRUCT_PAGE - 4)
        return KAPU_EINVAL;
    s.size = size;
    if (object < PAGE_SIZE)
        s.guarded = (PAGE_SIZE - object) & ~(uint64_t)(align != 0 ? align - 1 : 0);
    first = VMEMMAP_START + (in->ram_base - s.start) / PAGE_SIZE * STRUCT_PAGE;
    last = first + in->ram_size / PAGE_SIZE * STRUCT_PAGE;
    for (uint64_t at = first & ~(uint64_t)PAGE_MASK; err == 0 && at < last; at += PAGE_SIZE)
        err = walk_pages(in, &s, at);
    return err;
}
