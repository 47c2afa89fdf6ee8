// SPDX-License-Identifier: Apache-2.0
/* Reader of kernel profiles. profile_open() proves all bounds once; then records are only decoded.
 */
#include "internal.h"

#define SITE_SIZE 16u
#define RANGE_SIZE 16u
#define RELOC_SIZE 68u
#define IMAGE_PAGES_MAX (1u << 14) /* 64 MiB */

static const uint8_t record_size[PROFILE_SECTIONS] = {
    [SECTION_ITEMS] = 4,
    [SECTION_RANGES] = RANGE_SIZE,
    [SECTION_HOLES] = 8,
    [SECTION_HASHES] = 32,
    [SECTION_RELOCS] = RELOC_SIZE,
    [SECTION_SITES] = SITE_SIZE,
    [SECTION_WORDS] = 4,
    [SECTION_TABLES] = 12,
    [SECTION_ENTRIES] = 4,
    [SECTION_POINTERS] = 8,
    [SECTION_BANNER] = 1,
    [SECTION_HOOKS] = 16,
    [SECTION_GRANULES] = PAGE_SIZE / GRANULE,
    [SECTION_SLOTS] = 8,
};

_Static_assert(sizeof(((struct introspect_profile *)0)->section) ==
                   PROFILE_SECTIONS * sizeof(uint64_t),
               "struct introspect_profile has room for each section");

#define NAME(text) text "\0"
#define FIELD(s, m) NAME(#s "." #m)
#define SIZE(s) NAME(#s)
#define COUNT(s, m) NAME(#s "." #m "[]")
#define SYMBOL(n) NAME(#n)
#define VALUE(n) NAME(#n)
static const char item_names[] =
#include "profile_items.h"
    ;

/* Which items every kernel has, and which are places in the image. */
#define REQUIRED 1u
#define IN_IMAGE 2u
#define FIELD(s, m) REQUIRED,
#define SIZE(s) REQUIRED,
#define COUNT(s, m) REQUIRED,
#define SYMBOL(n) REQUIRED | IN_IMAGE,
#define VALUE(n) REQUIRED,
#define FIELD_IF(o, s, m) 0,
#define SIZE_IF(o, s) 0,
#define COUNT_IF(o, s, m) 0,
#define SYMBOL_IF(o, n) IN_IMAGE,
#define VALUE_IF(o, n) 0,
static const uint8_t item_kind[] = {
#include "profile_items.h"
};

static uint32_t names_digest(void)
{
    uint32_t digest = 0x811c9dc5u; /* FNV-1a */

    for (size_t i = 0; i + 1 < sizeof(item_names); i++)
        digest = (digest ^ (uint8_t)item_names[i]) * 0x01000193u;
    return digest;
}

static const uint8_t *record(const struct introspect_profile *p, enum profile_section s, uint32_t n)
{
    return p->all.p + p->section[s].offset + (size_t)n * record_size[s];
}

uint32_t profile_count(const struct introspect_profile *p, enum profile_section s)
{
    return p->section[s].count;
}

struct range profile_range(const struct introspect_profile *p, uint32_t n)
{
    const uint8_t *r = record(p, SECTION_RANGES, n);

    return (struct range){kapu_le32(r), kapu_le32(r + 4), kapu_le32(r + 8), kapu_le32(r + 12)};
}

struct site profile_site(const struct introspect_profile *p, uint32_t n)
{
    const uint8_t *r = record(p, SECTION_SITES, n);

    return (struct site){
        .offset = kapu_le32(r),
        .words = r[4],
        .kind = r[5],
        .variants = r[6],
        .first_word = kapu_le32(r + 8),
        .extra = kapu_le32(r + 12),
    };
}

uint32_t profile_site_from(const struct introspect_profile *p, uint32_t offset)
{
    uint32_t low = 0, high = profile_count(p, SECTION_SITES);

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (kapu_le32(record(p, SECTION_SITES, middle)) < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t profile_word(const struct introspect_profile *p, enum profile_section s, uint32_t n,
                      uint32_t word)
{
    return kapu_le32(record(p, s, n) + 4 * (size_t)word);
}

const uint8_t *profile_hash(const struct introspect_profile *p, uint32_t n)
{
    return record(p, SECTION_HASHES, n);
}

const uint8_t *profile_granules(const struct introspect_profile *p, uint32_t n)
{
    return record(p, SECTION_GRANULES, n);
}

const uint8_t *profile_relocs(const struct introspect_profile *p, uint32_t page)
{
    uint32_t low = 0, high = profile_count(p, SECTION_RELOCS);

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const uint8_t *r = record(p, SECTION_RELOCS, middle);
        uint32_t found = kapu_le32(r);

        if (found == page)
            return r + 4;
        if (found < page)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static int open_sections(struct introspect_profile *p)
{
    struct rd r;

    rd_init(&r, p->all);
    (void)rd_bytes(&r, PROFILE_HEADER);
    for (uint32_t i = 0; i < PROFILE_SECTIONS; i++) {
        uint32_t offset = rd_le32(&r), count = rd_le32(&r);

        if (r.err != 0)
            return r.err;
        if (offset > p->all.n || count > (p->all.n - offset) / record_size[i])
            return KAPU_ERANGE;
        p->section[i].offset = offset;
        p->section[i].count = count;
    }
    return 0;
}

static int check_items(const struct introspect_profile *p)
{
    if (profile_count(p, SECTION_ITEMS) != ITEMS)
        return KAPU_EUNSUPPORTED;
    for (uint32_t i = 0; i < ITEMS; i++) {
        uint32_t value = profile_item(p, (enum item)i);

        if (value == PROFILE_ABSENT
                ? (item_kind[i] & REQUIRED) != 0
                : (item_kind[i] & IN_IMAGE) != 0 && value / PAGE_SIZE > p->pages)
            return KAPU_EINVAL;
    }
    return 0;
}

static int check_ranges(const struct introspect_profile *p)
{
    uint32_t end = 0, hashes = profile_count(p, SECTION_HASHES);
    uint32_t granules = profile_count(p, SECTION_GRANULES);
    struct range r;

    for (uint32_t i = 0; i < profile_count(p, SECTION_RANGES); i++) {
        r = profile_range(p, i);
        if (r.start < end || r.end <= r.start || ((r.start | r.end) & PAGE_MASK) != 0)
            return KAPU_EINVAL;
        end = r.end;
        if (end / PAGE_SIZE > p->pages || r.first_hash > hashes ||
            (r.end - r.start) / PAGE_SIZE > hashes - r.first_hash)
            return KAPU_ERANGE;
        if (r.kind == RANGE_TEXT &&
            (r.first_hash > granules || (r.end - r.start) / PAGE_SIZE > granules - r.first_hash))
            return KAPU_ERANGE;
    }
    return 0;
}

static int check_sites(const struct introspect_profile *p)
{
    uint32_t end = 0, words = profile_count(p, SECTION_WORDS);

    for (uint32_t i = 0; i < profile_count(p, SECTION_SITES); i++) {
        struct site s = profile_site(p, i);
        uint32_t size = 4u * s.words;

        if (s.offset < end || s.offset % 4 != 0 || s.words == 0 || s.variants == 0 ||
            size > PAGE_SIZE - (s.offset & PAGE_MASK))
            return KAPU_EINVAL;
        if (s.first_word > words || (uint32_t)s.words * s.variants > words - s.first_word)
            return KAPU_ERANGE;
        if ((s.kind == SITE_JUMP && (s.variants != 3 || s.words != 1)) ||
            (s.kind == SITE_POINTER && s.words != 4) || (s.kind == SITE_SHIFT && s.words != 1))
            return KAPU_EINVAL;
        end = s.offset + size;
    }
    return 0;
}

static int check_tables_of(const struct introspect_profile *p)
{
    uint32_t entries = profile_count(p, SECTION_ENTRIES);

    for (uint32_t i = 0; i < profile_count(p, SECTION_TABLES); i++) {
        uint32_t count = profile_word(p, SECTION_TABLES, i, 1);
        uint32_t first = profile_word(p, SECTION_TABLES, i, 2);

        if (first > entries || count > entries - first)
            return KAPU_ERANGE;
    }
    return 0;
}

int profile_open(struct introspect_profile *p, struct bytes data, const struct kapu_sha256 *sha)
{
    int err = sectioned_check(sha, data, PROFILE_MAGIC, PROFILE_VERSION);

    *p = (struct introspect_profile){.all = data};
    if (err != 0)
        return err;
    if (data.n < PROFILE_HEADER)
        return KAPU_ERANGE;
    if (kapu_le32(data.p + 28) != names_digest())
        return KAPU_EUNSUPPORTED;
    p->base = kapu_le64(data.p + 16);
    p->pages = kapu_le32(data.p + 24);
    if (!is_kernel_va(p->base) || (p->base & PAGE_MASK) != 0 || p->pages > IMAGE_PAGES_MAX)
        return KAPU_EINVAL;
    err = open_sections(p);
    if (err == 0)
        err = check_items(p);
    if (err == 0)
        err = check_ranges(p);
    if (err == 0)
        err = check_sites(p);
    return err != 0 ? err : check_tables_of(p);
}

struct bytes introspect_banner(const struct introspect *in)
{
    return (struct bytes){record(&in->profile, SECTION_BANNER, 0),
                          profile_count(&in->profile, SECTION_BANNER)};
}
