// SPDX-License-Identifier: Apache-2.0
#include "inspect_memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inspect_formats.h"
#include "inspect_kdump.h"

bool memory_add(struct memory *m, uint64_t pa, uint64_t size, uint64_t offset)
{
    if (m->parts == m->room) {
        size_t room = m->room != 0 ? 2 * m->room : 16;
        struct memory_part *more = realloc(m->part, room * sizeof(*more));

        if (more == NULL)
            return false;
        m->part = more;
        m->room = room;
    }
    m->part[m->parts++] = (struct memory_part){.pa = pa, .size = size, .offset = offset};
    return true;
}

static int by_address(const void *a, const void *b)
{
    const struct memory_part *one = a, *other = b;

    if (one->pa != other->pa)
        return one->pa < other->pa ? -1 : 1;
    return one->offset < other->offset ? -1 : one->offset > other->offset ? 1 : 0;
}

/* The same memory twice, as where a dump was made by virtual addresses: the first one counts. */
static void put_in_order(struct memory *m)
{
    uint64_t end = 0;
    size_t n = 0;

    if (m->parts > 0)
        qsort(m->part, m->parts, sizeof(*m->part), by_address);
    for (size_t i = 0; i < m->parts; i++) {
        struct memory_part p = m->part[i];
        uint64_t skip = p.pa < end ? end - p.pa : 0;

        if (skip >= p.size)
            continue;
        p.pa += skip;
        p.offset += skip;
        p.size -= skip;
        end = p.pa + p.size;
        m->part[n++] = p;
    }
    m->parts = n;
}

/* Where RAM ends: a larger machine's memory goes on without a gap. */
static const char *find_ram(struct memory *m)
{
    uint64_t end = (uint64_t)MEMORY_RAM_BASE + MEMORY_RAM_SIZE;
    bool any = false;

    for (size_t i = 0; i < m->parts; i++) {
        const struct memory_part *p = &m->part[i];

        if (p->pa + p->size <= MEMORY_RAM_BASE)
            continue;
        any = any || p->pa < end;
        if (p->pa <= end && p->pa + p->size > end)
            end = p->pa + p->size;
    }
    m->ram_base = MEMORY_RAM_BASE;
    m->ram_size = end - MEMORY_RAM_BASE;
    return any ? NULL : "holds no memory of a gateway, whose RAM begins at 0x40000000";
}

const char *memory_read(struct memory *m)
{
    const char *wrong;

    m->content = (struct bytes){m->map, m->map != NULL ? m->size : 0};
    wrong = format_read(m);
    if (wrong != NULL)
        return wrong;
    put_in_order(m);
    return find_ram(m);
}

bool memory_begins_at_zero(struct memory *m)
{
    if (!m->raw || m->parts != 1 || m->part[0].pa == 0 || m->part[0].size <= MEMORY_RAM_BASE)
        return false;
    m->part[0].pa = 0;
    return find_ram(m) == NULL;
}

void memory_forget(struct memory *m)
{
    kdump_close(m->kdump);
    if (m->copy != NULL)
        munmap(m->copy, m->content.n);
    free(m->part);
    m->kdump = NULL;
    m->copy = NULL;
    m->part = NULL;
    m->parts = m->room = 0;
}

int memory_open(struct memory *m, const char *path)
{
    const char *wrong = NULL;
    struct stat st;
    void *map = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    memset(m, 0, sizeof(*m));
    if (fd >= 0 && fstat(fd, &st) == 0) {
        if (S_ISREG(st.st_mode))
            map = st.st_size > 0 ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0)
                                 : NULL;
        else
            wrong = S_ISDIR(st.st_mode) ? "is a folder" : "is not a regular file: copy it to one";
    }
    if (map == MAP_FAILED && wrong == NULL) {
        perror(path);
    } else if (wrong == NULL) {
        m->map = map;
        m->size = (size_t)st.st_size;
        wrong = memory_read(m);
    }
    if (wrong != NULL)
        fprintf(stderr, "kapu: %s: %s\n", path, wrong);
    if (fd >= 0)
        close(fd);
    return map != MAP_FAILED && wrong == NULL ? 0 : -1;
}

void memory_close(struct memory *m)
{
    memory_forget(m);
    if (m->map != NULL)
        munmap(m->map, m->size);
    m->map = NULL;
}

/* The first part that ends after pa; m->parts: none. */
static size_t part_from(const struct memory *m, uint64_t pa)
{
    size_t low = 0, high = m->parts;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (m->part[middle].pa + m->part[middle].size <= pa)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool memory_remove(struct memory *m, uint64_t pa, uint64_t size)
{
    const uint64_t end = pa + size;
    size_t n = m->parts;

    for (size_t i = 0; i < n; i++) {
        struct memory_part *p = &m->part[i], rest = *p;
        uint64_t cut;

        if (p->pa >= end || p->pa + p->size <= pa)
            continue;
        cut = end - p->pa;
        p->size = p->pa < pa ? pa - p->pa : 0;
        if (rest.size > cut && !memory_add(m, rest.pa + cut, rest.size - cut,
                                           rest.offset + (m->kdump != NULL ? 0 : cut)))
            return false;
    }
    put_in_order(m);
    return true;
}

bool memory_absent(const struct memory *m, uint64_t *pa, uint64_t *size)
{
    const uint64_t end = m->ram_base + m->ram_size;
    uint64_t at = *pa > m->ram_base ? *pa : m->ram_base;
    size_t i = part_from(m, at);

    for (; i < m->parts && m->part[i].pa <= at; i++)
        at = m->part[i].pa + m->part[i].size;
    if (at >= end)
        return false;
    *pa = at;
    *size = (i < m->parts && m->part[i].pa < end ? m->part[i].pa : end) - at;
    return true;
}

/* As much of what is asked for as one part has; 0: none of it. */
static size_t read_some(const struct memory *m, uint64_t pa, void *to, size_t n)
{
    size_t i = part_from(m, pa);
    const struct memory_part *p = &m->part[i];

    if (i == m->parts || p->pa > pa)
        return 0;
    if (n > p->size - (pa - p->pa))
        n = (size_t)(p->size - (pa - p->pa));
    if (m->kdump != NULL)
        return kdump_read(m->kdump, pa, to, n);
    memcpy(to, m->content.p + p->offset + (pa - p->pa), n);
    return n;
}

static int read_memory(void *ctx, uint64_t pa, void *to, size_t n)
{
    const struct memory *m = ctx;
    bool is_ram = pa >= m->ram_base && pa - m->ram_base <= m->ram_size &&
                  n <= m->ram_size - (pa - m->ram_base);
    uint8_t *out = to;

    while (n > 0) {
        size_t some = read_some(m, pa, out, n);

        if (some == 0)
            return is_ram ? KAPU_EABSENT : KAPU_ERANGE;
        pa += some;
        out += some;
        n -= some;
    }
    return 0;
}

struct mem memory_port(struct memory *m)
{
    return (struct mem){read_memory, m};
}
