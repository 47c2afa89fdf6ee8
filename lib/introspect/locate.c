// SPDX-License-Identifier: Apache-2.0
/* Finding the kernel: in physical memory, and by how much KASLR moved it. */
#include "internal.h"

#include <string.h>

#define ANCHORS 16u         /* pages of text that are compared to recognise the kernel */
#define ANCHORS_NEEDED 6u   /* an attacker may have changed some */
#define IMAGE_STEP 0x10000u /* a kernel's placement is at least so aligned */
#define IMAGE_MAGIC_AT 56u  /* Documentation/arch/arm64/booting.rst */
#define KERNEL_TABLES 65536u
#define TTBR_TABLE 0xfffffffff000u /* without ASID and CnP */
#define HASHED_SHARE 4u            /* of the work memory without page cache */

/* Work memory: the set, pages that were hashed, the page cache. */
static void share_work(struct introspect *in, const struct introspect_setup *setup)
{
    size_t cache = setup->cache_pages * (size_t)INTROSPECT_CACHED_PAGE;

    in->hashed_n = (setup->work_n - cache) / HASHED_SHARE & ~(size_t)7;
    in->work = setup->work;
    in->work_n = setup->work_n - cache - in->hashed_n;
    in->hashed = in->work + in->work_n;
    in->pages = in->hashed + in->hashed_n;
    in->cache_pages = setup->cache_pages;
    in->cache_age = setup->cache_age != 0 ? setup->cache_age : UINT32_MAX;
}

int introspect_init(struct introspect *in, const struct introspect_setup *setup)
{
    int err;

    memset(in, 0, sizeof(*in));
    if (setup->mem.read == NULL || setup->sha.hash == NULL || setup->report == NULL ||
        setup->work == NULL || setup->work_n < INTROSPECT_WORK_MIN || setup->attempts == 0 ||
        setup->attempts > 100 || setup->ram_size < PAGE_SIZE ||
        setup->ram_base > UINT64_MAX - setup->ram_size ||
        setup->cache_pages > (setup->work_n - INTROSPECT_WORK_MIN) / INTROSPECT_CACHED_PAGE)
        return KAPU_EARG;
    in->mem = setup->mem;
    in->sha = setup->sha;
    in->ram_base = setup->ram_base;
    in->ram_size = setup->ram_size;
    in->attempts = setup->attempts;
    in->reads_max = setup->reads_max != 0 ? setup->reads_max : INTROSPECT_READS;
    in->report = setup->report;
    in->report_ctx = setup->report_ctx;
    in->intact = setup->intact;
    in->intact_ctx = setup->intact_ctx;
    share_work(in, setup);
    err = profile_open(&in->profile, setup->profile, &in->sha);
    if (err != 0 || setup->allow.n == 0)
        return err;
    err = allow_open(&in->allow, setup->allow, &in->sha);
    if (err == 0 && !allow_is_of(&in->allow, &in->profile))
        err = KAPU_EPIN;
    in->has_allow = err == 0;
    return err;
}

/* How many anchors of the kernel are at this place. */
static uint32_t anchors_at(struct introspect *in, uint64_t text_pa, uint32_t stop)
{
    struct range r = profile_range(&in->profile, 0);
    uint32_t pages = (r.end - r.start) / PAGE_SIZE, good = 0, bad = 0;

    for (uint32_t i = 0; i < ANCHORS && good < stop && bad <= ANCHORS - ANCHORS_NEEDED; i++) {
        uint32_t page = (uint32_t)((uint64_t)pages * i / ANCHORS);

        if (image_page(in, text_pa, 0, &r, r.start + page * PAGE_SIZE, NULL, NULL) == 0)
            good++;
        else
            bad++;
        if (i == 3 && good == 0)
            break; /* a kernel with its first four anchors changed is found by its registers */
    }
    return good;
}

static bool kernel_is_at(struct introspect *in, uint64_t text_pa)
{
    uint64_t size = (uint64_t)in->profile.pages * PAGE_SIZE;

    return (text_pa & PAGE_MASK) == 0 && text_pa >= in->ram_base &&
           text_pa - in->ram_base <= in->ram_size &&
           size <= in->ram_size - (text_pa - in->ram_base) &&
           anchors_at(in, text_pa, ANCHORS_NEEDED) >= ANCHORS_NEEDED;
}

/* Whether the header of an Image is there: quick to see, but anybody may have changed it. */
static bool header_is_at(struct introspect *in, uint64_t pa)
{
    uint8_t raw[4];

    return read_now(in, pa + IMAGE_MAGIC_AT, raw, sizeof(raw)) == 0 &&
           memcmp(raw, "ARM\x64", 4) == 0;
}

static int scan_ram(struct introspect *in)
{
    for (int quick = 1; quick >= 0; quick--) {
        for (uint64_t at = 0; at < in->ram_size; at += IMAGE_STEP) {
            uint64_t pa = in->ram_base + at;

            if ((quick == 0 || header_is_at(in, pa)) && kernel_is_at(in, pa)) {
                in->text_pa = pa;
                return 0;
            }
        }
    }
    return KAPU_ENOENT;
}

/* TTBR1 holds one of three tables, whose places in the image are known. */
static int from_ttbr(struct introspect *in, uint64_t ttbr1)
{
    static const enum item tables[] = {S_swapper_pg_dir, S_tramp_pg_dir, S_reserved_pg_dir};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        uint64_t text_pa = (ttbr1 & TTBR_TABLE) - item(in, tables[i]);

        if (kernel_is_at(in, text_pa)) {
            in->text_pa = text_pa;
            return 0;
        }
    }
    return KAPU_ENOENT;
}

/* Whether the page tables map the image at this slide, at three places. */
static bool slide_is(struct introspect *in, uint64_t slide)
{
    static const enum item places[] = {S__stext, S___start_rodata, S__data};
    uint32_t good = 0;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        uint32_t offset = item(in, places[i]) & ~PAGE_MASK;
        uint64_t va = in->profile.base + slide + offset;
        struct leaf leaf;

        if (is_kernel_va(va) && translate(in, in->root_pa, va, &leaf) == 0 &&
            leaf.pa + (va - leaf.va) == in->text_pa + offset)
            good++;
    }
    return good >= 2; /* one may be redirected by an attacker; check "tables" tells */
}

struct slide_search {
    uint64_t slide;
};

static int try_leaf(struct introspect *in, const struct leaf *leaf, void *ctx)
{
    struct slide_search *s = ctx;
    uint64_t stext = in->text_pa + item(in, S__stext), slide;

    if (!leaf->exec || stext < leaf->pa || stext - leaf->pa >= leaf->size)
        return 0; /* the linear map has it too, but not executable */
    slide = leaf->va + (stext - leaf->pa) - item(in, S__stext) - in->profile.base;
    if (!slide_is(in, slide))
        return 0; /* an alias of this page only */
    s->slide = slide;
    return 1;
}

/* The offset that the kernel keeps in memory, proven by its page tables; else search those. */
static int find_slide(struct introspect *in)
{
    struct slide_search search = {0};
    uint8_t raw[8];
    int err = read_pa(in, in->text_pa + item(in, S_kimage_voffset), raw, sizeof(raw));

    if (err == 0) {
        in->slide = kapu_le64(raw) + in->text_pa - in->profile.base;
        if (slide_is(in, in->slide))
            return 0;
    }
    err = tables_walk(in, in->root_pa, 0xffffull << 48, KERNEL_TABLES, try_leaf, &search);
    in->slide = search.slide;
    return err == 1 ? 0 : KAPU_ENOENT;
}

int introspect_locate(struct introspect *in, const struct introspect_regs *regs, uint32_t cpus)
{
    uint64_t absent = in->stats.absent;
    int err = KAPU_ENOENT;

    if (cpus > INTROSPECT_CPUS || profile_count(&in->profile, SECTION_RANGES) == 0)
        return KAPU_EARG;
    budget_start(in);
    content_forget(in);
    in->ran = 0;
    in->cpus = cpus;
    for (uint32_t i = 0; i < cpus; i++)
        in->regs[i] = regs[i];
    for (uint32_t i = 0; i < cpus && err != 0; i++)
        err = from_ttbr(in, regs[i].ttbr1);
    if (err != 0) /* no registers, or each core has foreign page tables: check "registers" tells */
        err = scan_ram(in);
    if (err == 0) {
        in->root_pa = in->text_pa + item(in, S_swapper_pg_dir);
        err = find_slide(in);
    }
    return err == KAPU_ENOENT && in->stats.absent != absent ? KAPU_EABSENT : err;
}

uint64_t introspect_image_base(const struct introspect *in)
{
    return image_va(in, 0);
}
