// SPDX-License-Identifier: Apache-2.0
/*
 * Memory of the watched system: physical reads, and page tables (VMSAv8-64, 4 KiB granule, 48-bit
 * addresses: Arm ARM D8.3).
 */
#include "internal.h"

#include <string.h>

#define LEVELS 4
#define DESC_VALID 1u
#define DESC_TABLE 2u           /* a table at levels 0 to 2, a page at level 3 */
#define DESC_PA 0xfffffffff000u /* bits 47 to 12 */
#define DESC_USER (1ull << 6)   /* AP[1] */
#define DESC_RDONLY (1ull << 7) /* AP[2] */
#define DESC_DBM (1ull << 51)   /* hardware makes it writable; Linux' PTE_WRITE */
#define DESC_PXN (1ull << 53)
#define DESC_UXN (1ull << 54)
#define TABLE_PXN (1ull << 59)
#define TABLE_UXN (1ull << 60)
#define TABLE_NO_USER (1ull << 61) /* APTable[0] */
#define TABLE_RDONLY (1ull << 62)  /* APTable[1] */
#define CACHE_WAYS 4u
#define CACHE_ABOUT 8u
#define SMALL 1024u /* longer pieces are read once: they do not go through the page cache */
#define TABLE_BITS (TABLE_PXN | TABLE_UXN | TABLE_NO_USER | TABLE_RDONLY)

static int read_port(struct introspect *in, uint64_t pa, void *to, size_t n)
{
    int err;

    in->stats.reads++;
    err = in->mem.read(in->mem.ctx, pa, to, n);
    return err == 0 || err == KAPU_EABSENT ? err : KAPU_EIO;
}

static void put_u32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/*
 * A page of the page cache, read now if it is not there or too old; NULL when it cannot be read as
 * a whole. The cache is made of sets of CACHE_WAYS pages; behind all pages stands for each of them
 * its number plus one, and at which lookup it was read.
 */
static const uint8_t *cached_page(struct introspect *in, uint32_t number)
{
    uint32_t set = number % (in->cache_pages / CACHE_WAYS) * CACHE_WAYS, way;
    uint32_t now = (uint32_t)in->stats.lookups;
    uint8_t *about = in->pages + (size_t)in->cache_pages * PAGE_SIZE + CACHE_ABOUT * (size_t)set;
    uint8_t *page;

    for (way = 0; way < CACHE_WAYS; way++) {
        if (kapu_le32(about + CACHE_ABOUT * (size_t)way) == number + 1)
            break;
    }
    if (way == CACHE_WAYS)
        way = in->victim++ % CACHE_WAYS;
    else if (now - kapu_le32(about + CACHE_ABOUT * (size_t)way + 4) <= in->cache_age)
        return in->pages + (size_t)(set + way) * PAGE_SIZE;
    about += CACHE_ABOUT * (size_t)way;
    page = in->pages + (size_t)(set + way) * PAGE_SIZE;
    put_u32(about, 0);
    if (read_port(in, in->ram_base + (uint64_t)number * PAGE_SIZE, page, PAGE_SIZE) != 0)
        return NULL;
    put_u32(about, number + 1);
    put_u32(about + 4, now);
    return page;
}

void caches_drop(struct introspect *in)
{
    memset(in->cache, 0, sizeof(in->cache));
    memset(in->tables, 0, sizeof(in->tables));
    memset(in->pages + (size_t)in->cache_pages * PAGE_SIZE, 0,
           CACHE_ABOUT * (size_t)in->cache_pages);
}

/* What bounds and budget say of a read. */
static int may_read(struct introspect *in, uint64_t pa, size_t n)
{
    uint64_t at = pa - in->ram_base;

    if (pa < in->ram_base || at > in->ram_size || n > in->ram_size - at)
        return KAPU_ERANGE;
    if (in->budget == 0)
        return KAPU_ETIMEOUT;
    in->budget--;
    in->stats.lookups++;
    return 0;
}

/* No more than was asked for, so that what is absent next to it does not count. */
static int read_wanted(struct introspect *in, uint64_t pa, void *to, size_t n)
{
    int err = read_port(in, pa, to, n);

    in->stats.absent += err == KAPU_EABSENT ? 1 : 0;
    return err;
}

int read_now(struct introspect *in, uint64_t pa, void *to, size_t n)
{
    int err = may_read(in, pa, n);

    return err != 0 ? err : read_wanted(in, pa, to, n);
}

int read_pa(struct introspect *in, uint64_t pa, void *to, size_t n)
{
    uint64_t at = pa - in->ram_base, number = at / PAGE_SIZE;
    const uint8_t *page = NULL;
    int err = may_read(in, pa, n);

    if (err != 0)
        return err;
    if (in->cache_pages >= CACHE_WAYS && n <= SMALL && (at & PAGE_MASK) + n <= PAGE_SIZE &&
        number < UINT32_MAX && in->ram_size - number * PAGE_SIZE >= PAGE_SIZE)
        page = cached_page(in, (uint32_t)number);
    if (page == NULL)
        return read_wanted(in, pa, to, n);
    memcpy(to, page + (at & PAGE_MASK), n);
    return 0;
}

static unsigned level_shift(unsigned level)
{
    return 39 - 9 * level;
}

/* What a last descriptor says, with the restrictions of the tables above it. */
static struct leaf leaf_of(uint64_t va, uint64_t desc, uint64_t above, unsigned level)
{
    uint64_t size = 1ull << level_shift(level);
    struct leaf leaf = {.va = va & ~(size - 1), .pa = desc & DESC_PA & ~(size - 1), .size = size};

    leaf.user = (desc & DESC_USER) != 0 && (above & TABLE_NO_USER) == 0;
    leaf.write =
        ((desc & DESC_RDONLY) == 0 || (desc & DESC_DBM) != 0) && (above & TABLE_RDONLY) == 0;
    leaf.exec = (desc & DESC_PXN) == 0 && (above & TABLE_PXN) == 0;
    leaf.user_exec = (desc & DESC_UXN) == 0 && (above & TABLE_UXN) == 0;
    return leaf;
}

/* The descriptor for va in a table; KAPU_ENOENT when it leads nowhere. */
static int read_descriptor(struct introspect *in, uint64_t table, uint64_t va, unsigned level,
                           uint64_t *desc)
{
    uint8_t raw[8];
    int err = read_pa(in, table + 8 * (va >> level_shift(level) & 0x1ff), raw, sizeof(raw));

    if (err != 0)
        return err;
    *desc = kapu_le64(raw);
    if ((*desc & DESC_VALID) == 0)
        return KAPU_ENOENT;
    if ((level == 0 || level == LEVELS - 1) && (*desc & DESC_TABLE) == 0)
        return KAPU_ENOENT; /* reserved encodings */
    return 0;
}

/* Goes down to the last table, which is remembered: most lookups are near an earlier one. */
int translate(struct introspect *in, uint64_t root, uint64_t va, struct leaf *leaf)
{
    size_t slot = (size_t)((va >> 21 ^ va >> 30 ^ root >> 12) % INTROSPECT_TABLES);
    bool known = root != 0 && in->tables[slot].root == root && in->tables[slot].va == va >> 21;
    uint64_t table = known ? in->tables[slot].table : root;
    uint64_t above = known ? in->tables[slot].above : 0, desc;

    for (unsigned level = known ? LEVELS - 1 : 0; level < LEVELS; level++) {
        int err;

        if (level == LEVELS - 1) {
            in->tables[slot].root = root;
            in->tables[slot].va = va >> 21;
            in->tables[slot].table = table;
            in->tables[slot].above = above;
        }
        err = read_descriptor(in, table, va, level, &desc);
        if (err != 0)
            return err;
        if (level == LEVELS - 1 || (desc & DESC_TABLE) == 0) {
            *leaf = leaf_of(va, desc, above, level);
            return 0;
        }
        above |= desc & TABLE_BITS;
        table = desc & DESC_PA;
    }
    return KAPU_ENOENT;
}

/* Physical address of a kernel address, from the cache if it was looked up before. */
static int kernel_pa(struct introspect *in, uint64_t va, uint64_t *pa)
{
    uint64_t page = va & ~(uint64_t)PAGE_MASK;
    size_t slot = (size_t)((page >> 12 ^ page >> 20) % INTROSPECT_CACHE);
    struct leaf leaf;
    int err;

    if (!is_kernel_va(va))
        return KAPU_ERANGE;
    if (in->cache[slot].va != page) {
        err = translate(in, in->root_pa, va, &leaf);
        if (err != 0)
            return err;
        in->cache[slot].va = page;
        in->cache[slot].pa = leaf.pa + (page - leaf.va);
    }
    *pa = in->cache[slot].pa + (va & PAGE_MASK);
    return 0;
}

int read_va(struct introspect *in, uint64_t va, void *to, size_t n)
{
    uint8_t *out = to;
    uint64_t pa;
    int err;

    if (va >> 55 & 1)
        va |= 0xffull << 56; /* the top byte may be a tag of memory tagging */
    while (n > 0) {
        size_t part = PAGE_SIZE - (va & PAGE_MASK);

        if (part > n)
            part = n;
        err = kernel_pa(in, va, &pa);
        if (err == 0)
            err = read_pa(in, pa, out, part);
        if (err != 0)
            return err;
        out += part;
        va += part;
        n -= part;
    }
    return 0;
}

int read_u64(struct introspect *in, uint64_t va, uint64_t *v)
{
    uint8_t raw[8];
    int err = read_va(in, va, raw, sizeof(raw));

    *v = err == 0 ? kapu_le64(raw) : 0;
    return err;
}

int read_u32(struct introspect *in, uint64_t va, uint32_t *v)
{
    uint8_t raw[4];
    int err = read_va(in, va, raw, sizeof(raw));

    *v = err == 0 ? kapu_le32(raw) : 0;
    return err;
}

int read_u16(struct introspect *in, uint64_t va, uint16_t *v)
{
    uint8_t raw[2] = {0};
    int err = read_va(in, va, raw, sizeof(raw));

    *v = (uint16_t)(raw[0] | raw[1] << 8);
    return err;
}

int read_u8(struct introspect *in, uint64_t va, uint8_t *v)
{
    int err = read_va(in, va, v, 1);

    if (err != 0)
        *v = 0;
    return err;
}

int field_u64(struct introspect *in, uint64_t va, enum item f, uint64_t *v)
{
    return read_u64(in, va + item(in, f), v);
}

int field_u32(struct introspect *in, uint64_t va, enum item f, uint32_t *v)
{
    return read_u32(in, va + item(in, f), v);
}

int read_text(struct introspect *in, uint64_t va, char *to, size_t n)
{
    size_t at = 0;
    int err = 0;

    if (n == 0)
        return KAPU_EARG;
    memset(to, 0, n);
    /* Not beyond the page's end in one go: what lies behind may not be mapped. */
    while (at < n - 1 && err == 0) {
        size_t part = PAGE_SIZE - (size_t)((va + at) & PAGE_MASK);
        size_t old = at;

        if (part > n - 1 - at)
            part = n - 1 - at;
        err = read_va(in, va + at, to + at, part);
        while (err == 0 && at < old + part && to[at] != '\0')
            at++;
        if (at < old + part)
            break;
    }
    memset(to + at, 0, n - at);
    for (size_t i = 0; i < at; i++) {
        if (to[i] < 0x20 || to[i] > 0x7e)
            to[i] = '?';
    }
    return err;
}

/* State of a walk over all tables: one table of each level is held in in->table. */
struct walk {
    leaf_fn fn;
    table_fn table; /* may be NULL */
    void *ctx;
    uint64_t va[LEVELS], above[LEVELS];
    uint32_t index[LEVELS], left;
};

static int walk_enter(struct introspect *in, struct walk *w, unsigned level, uint64_t table,
                      uint64_t va, uint64_t above)
{
    int err;

    if (w->left == 0)
        return KAPU_ESPACE;
    w->left--;
    in->stats.pages_walked++;
    w->va[level] = va;
    w->above[level] = above;
    w->index[level] = 0;
    err = w->table != NULL ? w->table(in, table, w->ctx) : 0;
    if (err != 0)
        return err;
    return read_pa(in, table, in->table[level], PAGE_SIZE);
}

/* Handles the next descriptor of a level; *down is set when a lower table was entered. */
static int walk_step(struct introspect *in, struct walk *w, unsigned level, bool *down)
{
    uint32_t i = w->index[level]++;
    uint64_t desc = kapu_le64(in->table[level] + 8 * (size_t)i);
    uint64_t va = w->va[level] + ((uint64_t)i << level_shift(level));
    struct leaf leaf;
    int err;

    if ((desc & DESC_VALID) == 0 || (level == 0 && (desc & DESC_TABLE) == 0) ||
        (level == 3 && (desc & DESC_TABLE) == 0))
        return 0;
    if (level < 3 && (desc & DESC_TABLE) != 0) {
        err =
            walk_enter(in, w, level + 1, desc & DESC_PA, va, w->above[level] | (desc & TABLE_BITS));
        *down = err == 0;
        return err == KAPU_EABSENT ? 0 : err; /* the other tables can still be followed */
    }
    leaf = leaf_of(va, desc, w->above[level], level);
    return w->fn(in, &leaf, w->ctx);
}

int tables_walk(struct introspect *in, uint64_t root, uint64_t base, uint32_t most, leaf_fn fn,
                void *ctx)
{
    return tables_visit(in, root, base, most, fn, NULL, ctx);
}

int tables_visit(struct introspect *in, uint64_t root, uint64_t base, uint32_t most, leaf_fn fn,
                 table_fn table, void *ctx)
{
    struct walk w = {.fn = fn, .table = table, .ctx = ctx, .left = most};
    unsigned level = 0;
    int err = walk_enter(in, &w, 0, root, base, 0);

    while (err == 0) {
        bool down = false;

        if (w.index[level] == 512) {
            if (level == 0)
                break;
            level--;
            continue;
        }
        err = walk_step(in, &w, level, &down);
        if (down)
            level++;
    }
    return err;
}
