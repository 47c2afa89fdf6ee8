// SPDX-License-Identifier: Apache-2.0
/*
 * What pages of memory hold, by their hashes. A page is in several processes and in the page cache,
 * and is hashed once in a deep check. The memory of it is a table of 8 bytes an entry: number of
 * the page in RAM and of the page of the root image, each plus one; 0: of no page any more. A full
 * table costs time only.
 */
#include "internal.h"

#include <string.h>

#define ENTRY 8u

static void put_u32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t capacity(const struct introspect *in)
{
    return (uint32_t)(in->hashed_n / ENTRY);
}

/* The entry of a page, or the empty one where it belongs. */
static uint8_t *find(const struct introspect *in, uint32_t key)
{
    uint32_t n = capacity(in), i = (uint32_t)((uint64_t)(key * 0x9e3779b1u) * n >> 32);

    for (;;) { /* never full: content_add() */
        uint8_t *e = in->hashed + (size_t)i * ENTRY;
        uint32_t found = kapu_le32(e);

        if (found == key || found == 0)
            return e;
        i = i + 1 == n ? 0 : i + 1;
    }
}

void content_forget(struct introspect *in)
{
    memset(in->hashed, 0, in->hashed_n);
    in->hashed_used = 0;
}

static void content_add(struct introspect *in, uint32_t key, uint32_t page)
{
    uint8_t *e = find(in, key);

    if (kapu_le32(e) == 0) {
        if (page == ALLOW_NONE || in->hashed_used >= capacity(in) / 4 * 3)
            return; /* what is wrong is looked at again */
        in->hashed_used++;
    }
    put_u32(e, key);
    put_u32(e + 4, page + 1);
}

/* The number of a page in RAM, plus one; 0: it has none. */
static uint32_t key_of(const struct introspect *in, uint64_t pa)
{
    uint64_t number = (pa - in->ram_base) / PAGE_SIZE + 1;

    return (pa & PAGE_MASK) == 0 && pa >= in->ram_base && number < UINT32_MAX ? (uint32_t)number
                                                                              : 0;
}

/* What is remembered of a page; ALLOW_NONE: nothing. */
static uint32_t remembered(const struct introspect *in, uint64_t pa)
{
    uint32_t key = key_of(in, pa);
    const uint8_t *e = key != 0 ? find(in, key) : NULL;

    return e != NULL && kapu_le32(e) != 0 ? kapu_le32(e + 4) - 1 : ALLOW_NONE;
}

bool content_is_known(const struct introspect *in, uint64_t pa)
{
    return remembered(in, pa) != ALLOW_NONE;
}

int page_content(struct introspect *in, uint64_t pa, uint32_t *page)
{
    *page = remembered(in, pa);
    return *page != ALLOW_NONE ? 0 : page_content_now(in, pa, page);
}

int page_content_now(struct introspect *in, uint64_t pa, uint32_t *page)
{
    uint32_t key = key_of(in, pa);
    struct bytes content = {in->page, PAGE_SIZE};
    uint8_t hash[KAPU_SHA256_SIZE];
    int err;

    *page = ALLOW_NONE;
    err = read_pa(in, pa, in->page, PAGE_SIZE);
    if (err != 0)
        return err;
    if (in->sha.hash(in->sha.ctx, &content, 1, hash) != 0)
        return KAPU_ECRYPTO;
    in->stats.bytes_hashed += PAGE_SIZE;
    *page = allow_page(&in->allow, hash);
    if (key != 0)
        content_add(in, key, *page);
    return 0;
}
