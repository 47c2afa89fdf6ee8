// SPDX-License-Identifier: Apache-2.0
/*
 * The image's text and read-only data against what was signed. A page in memory differs from the
 * linked one by relocation and at patch sites only: addresses are moved back, each patch site is
 * checked and given its linked content, and then the page must have the linked page's hash.
 */
#include "internal.h"

#include <string.h>

struct page_check {
    uint8_t *page; /* the copy that is checked and normalised */
    uint64_t text_pa, slide;
    uint32_t offset;
    page_fault_fn fn;
    void *ctx;
    int faults;
};

static uint32_t word_at(const uint8_t *page, uint32_t offset)
{
    return kapu_le32(page + (offset & PAGE_MASK));
}

static void put_word(uint8_t *page, uint32_t offset, uint32_t v)
{
    uint8_t *p = page + (offset & PAGE_MASK);

    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static void put_u64(uint8_t *p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static void site_fault(struct introspect *in, struct page_check *c, const struct site *s)
{
    struct page_fault f = {
        .site = true, .offset = s->offset, .value = word_at(c->page, s->offset), .kind = s->kind};

    c->faults++;
    if (c->fn != NULL)
        c->fn(in, &f, c->ctx);
}

/* The lowest byte of the CRC-32 of a granule. */
static uint8_t granule_check(const uint8_t *p)
{
    uint32_t crc = UINT32_MAX;

    for (uint32_t i = 0; i < GRANULE; i++) {
        crc ^= p[i];
        for (uint32_t bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
    }
    return (uint8_t)~crc;
}

/* The page's hash is wrong: where it differs is for people, the hash has judged. */
static void hash_fault(struct introspect *in, struct page_check *c, const struct range *range,
                       uint32_t hash)
{
    struct page_fault f = {.offset = c->offset};

    c->faults++;
    if (c->fn == NULL)
        return;
    for (uint32_t i = PAGE_SIZE / GRANULE; range->kind == RANGE_TEXT && i-- > 0;) {
        if (granule_check(c->page + (size_t)GRANULE * i) !=
            profile_granules(&in->profile, hash)[i]) {
            f.offset = c->offset + GRANULE * i;
            f.granules++;
        }
    }
    c->fn(in, &f, c->ctx);
}

/* Which variant the words of a site are, or -1. */
static int variant_of(const struct introspect *in, const struct site *s, const uint8_t *page)
{
    for (uint32_t v = 0; v < s->variants; v++) {
        uint32_t first = s->first_word + v * s->words, i = 0;

        while (i < s->words && profile_word(&in->profile, SECTION_WORDS, first + i, 0) ==
                                   word_at(page, s->offset + 4 * i))
            i++;
        if (i == s->words)
            return (int)v;
    }
    return -1;
}

/* A word of the image, found without page tables. */
static int image_u64(struct introspect *in, const struct page_check *c, uint32_t offset,
                     uint64_t *v)
{
    uint8_t raw[8];
    int err = read_pa(in, c->text_pa + offset, raw, sizeof(raw));

    *v = err == 0 ? kapu_le64(raw) : 0;
    return err;
}

/* movz and three movk with the halves of a pointer, low first (runtime_const_ptr()). */
static bool pointer_is_right(struct introspect *in, const struct page_check *c,
                             const struct site *s)
{
    uint64_t value = 0, variable = 0;
    bool linked = true;
    int err;

    for (uint32_t i = 0; i < 4; i++) {
        uint32_t word = word_at(c->page, s->offset + 4 * i);
        uint32_t want = profile_word(&in->profile, SECTION_WORDS, s->first_word + i, 0);

        if ((word & 0xffe0001fu) != (want & 0xffe0001fu))
            return false;
        linked = linked && word == want;
        value |= (uint64_t)(word >> 5 & 0xffff) << 16 * i;
    }
    if (linked)
        return true;
    err = image_u64(in, c, s->extra, &variable);
    return err == KAPU_EABSENT || (err == 0 && variable == value);
}

static bool shift_is_right(struct introspect *in, const struct page_check *c, const struct site *s)
{
    uint32_t word = word_at(c->page, s->offset);
    uint32_t want = profile_word(&in->profile, SECTION_WORDS, s->first_word, 0);
    uint64_t variable = 0;
    int err;

    if ((word & 0xffc0ffffu) != (want & 0xffc0ffffu))
        return false;
    if (word == want)
        return true;
    err = image_u64(in, c, s->extra & ~7u, &variable);
    return err == KAPU_EABSENT ||
           (err == 0 && (uint32_t)(variable >> 8 * (s->extra & 4)) == (word >> 16 & 63));
}

static bool site_is_right(struct introspect *in, const struct page_check *c, const struct site *s)
{
    switch (s->kind) {
    case SITE_VARIANTS:
    case SITE_JUMP:
        return variant_of(in, s, c->page) >= 0;
    case SITE_FTRACE: {
        int variant = variant_of(in, s, c->page);

        return variant == 0 || variant == 1;
    }
    case SITE_POINTER:
        return pointer_is_right(in, c, s);
    case SITE_SHIFT:
        return shift_is_right(in, c, s);
    default:
        return false;
    }
}

static void undo_relocations(const struct introspect *in, struct page_check *c)
{
    const uint8_t *bits = profile_relocs(&in->profile, c->offset / PAGE_SIZE);

    for (uint32_t i = 0; bits != NULL && i < PAGE_SIZE / 8; i++) {
        uint8_t *word = c->page + 8 * (size_t)i;

        if ((bits[i / 8] >> i % 8 & 1) != 0)
            put_u64(word, kapu_le64(word) - c->slide);
    }
}

static void undo_patches(struct introspect *in, struct page_check *c)
{
    uint32_t sites = profile_count(&in->profile, SECTION_SITES);

    for (uint32_t n = profile_site_from(&in->profile, c->offset); n < sites; n++) {
        struct site s = profile_site(&in->profile, n);

        if (s.offset - c->offset >= PAGE_SIZE)
            break;
        if (!site_is_right(in, c, &s))
            site_fault(in, c, &s);
        for (uint32_t i = 0; i < s.words; i++)
            put_word(c->page, s.offset + 4 * i,
                     profile_word(&in->profile, SECTION_WORDS, s.first_word + i, 0));
    }
}

static void clear_holes(const struct introspect *in, struct page_check *c)
{
    for (uint32_t n = 0; n < profile_count(&in->profile, SECTION_HOLES); n++) {
        uint32_t start = profile_word(&in->profile, SECTION_HOLES, n, 0);
        uint32_t end = profile_word(&in->profile, SECTION_HOLES, n, 1);
        uint32_t last = c->offset + (PAGE_SIZE - 1);

        if (start > last || end <= c->offset || end <= start)
            continue;
        start = start > c->offset ? start - c->offset : 0;
        end = end > last ? PAGE_SIZE : end - c->offset;
        memset(c->page + start, 0, end - start);
    }
}

int image_page(struct introspect *in, uint64_t text_pa, uint64_t slide, const struct range *range,
               uint32_t offset, page_fault_fn fn, void *ctx)
{
    struct page_check c = {in->page, text_pa, slide, offset, fn, ctx, 0};
    uint8_t hash[KAPU_SHA256_SIZE];
    struct bytes page = {in->page, PAGE_SIZE};
    uint32_t number = range->first_hash + (offset - range->start) / PAGE_SIZE;
    int err = read_pa(in, text_pa + offset, in->page, PAGE_SIZE);

    if (err != 0)
        return err;
    undo_relocations(in, &c);
    undo_patches(in, &c);
    clear_holes(in, &c);
    if (in->sha.hash(in->sha.ctx, &page, 1, hash) != 0)
        return KAPU_ECRYPTO;
    in->stats.bytes_hashed += PAGE_SIZE;
    if (memcmp(hash, profile_hash(&in->profile, number), sizeof(hash)) != 0)
        hash_fault(in, &c, range, number);
    if (c.faults == 0 && in->intact != NULL)
        in->intact(in->intact_ctx, text_pa + offset);
    return c.faults;
}

/* Whether there is a hole in `size` bytes of the image. */
static bool touches_hole(const struct introspect *in, uint64_t offset, uint32_t size)
{
    for (uint32_t n = 0; n < profile_count(&in->profile, SECTION_HOLES); n++) {
        uint32_t start = profile_word(&in->profile, SECTION_HOLES, n, 0);
        uint32_t end = profile_word(&in->profile, SECTION_HOLES, n, 1);

        if (offset < end && offset + size > start)
            return true;
    }
    return false;
}

bool image_is_hole(const struct introspect *in, uint32_t offset)
{
    return touches_hole(in, offset, 1);
}

bool introspect_is_constant(const struct introspect *in, uint64_t pa)
{
    uint64_t offset = (pa & ~(uint64_t)PAGE_MASK) - in->text_pa;

    if (touches_hole(in, offset, PAGE_SIZE))
        return false;
    for (uint32_t n = 0; n < profile_count(&in->profile, SECTION_RANGES); n++) {
        struct range r = profile_range(&in->profile, n);

        if (offset >= r.start && offset < r.end)
            return true;
    }
    return false;
}

bool is_text(const struct introspect *in, uint64_t va)
{
    return va >= symbol(in, S__stext) && va < symbol(in, S__etext);
}
