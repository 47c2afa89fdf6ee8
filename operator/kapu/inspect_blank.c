// SPDX-License-Identifier: Apache-2.0
#include "inspect_blank.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096u
/* Free memory is zeros, and so is a page in use now and then. Many of these in a small window of
 * nothing but zeros are not. */
#define WINDOW 64u
#define IN_USE_MIN 16u

struct pages {
    uint64_t base, n;
    uint8_t *kind; /* enum introspect_page of each */
    uint8_t *zero; /* ZEROS, or ZEROS_WRONG */
};

enum { CONTENT, ZEROS, ZEROS_WRONG }; /* the last: there must be something */

/* Checks whose findings are of code, or of objects of the kernel: all of their page cannot be
 * zeros. Others are of single values, and an attacker may have cleared the only one of a page. */
static const char *const about_content[] = {
    "text.",    "rodata.",  "syscalls.",   "code.",   "cache.", "credentials.", "processes.",
    "modules.", "sockets.", "operations.", "timers.", "works.", "notifiers.",
};

static int note_kind(void *ctx, uint64_t pa, uint32_t pages, enum introspect_page kind)
{
    struct pages *p = ctx;
    uint64_t at = (pa - p->base) / PAGE;

    for (uint64_t i = at; i < at + pages && i < p->n; i++)
        p->kind[i] = (uint8_t)kind;
    return 0;
}

static void note_zeros(struct pages *p, struct memory *m)
{
    static const uint8_t zeros[PAGE];
    struct mem port = memory_port(m);
    uint8_t page[PAGE];

    for (uint64_t i = 0; i < p->n; i++)
        p->zero[i] = port.read(port.ctx, p->base + i * PAGE, page, PAGE) == 0 &&
                             memcmp(page, zeros, PAGE) == 0
                         ? ZEROS
                         : CONTENT;
}

static bool is_about_content(const char *id)
{
    for (size_t i = 0; i < sizeof(about_content) / sizeof(about_content[0]); i++) {
        if (strncmp(id, about_content[i], strlen(about_content[i])) == 0)
            return true;
    }
    return false;
}

/* Pages in which something was found to be wrong, and that are zeros. */
static void note_wrong(struct pages *p, const struct list *findings)
{
    const struct finding *f = findings->items;

    for (size_t i = 0; i < findings->n; i++) {
        uint64_t at = (f[i].pa - p->base) / PAGE;

        if (is_about_content(f[i].id) && f[i].pa >= p->base && at < p->n && p->zero[at] == ZEROS)
            p->zero[at] = ZEROS_WRONG;
    }
}

/* Memory of the kernel, or code: it has content as long as it is in use. */
static bool is_in_use(uint8_t kind)
{
    return kind == INTROSPECT_PAGE_TEXT || kind == INTROSPECT_PAGE_RODATA ||
           kind == INTROSPECT_PAGE_TABLE || kind == INTROSPECT_PAGE_SLAB ||
           kind == INTROSPECT_PAGE_CODE;
}

/* Whether the kernel's own account of pages is blank: pages with content of which it knows nothing.
 */
static bool lacks_account(const struct pages *p)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < p->n; i++)
        n += p->kind[i] == INTROSPECT_PAGE_UNKNOWN && p->zero[i] == CONTENT ? 1 : 0;
    return n >= WINDOW;
}

/* Whether zeros from `first` to `end` are memory that is missing. */
static bool is_blank(const struct pages *p, uint64_t first, uint64_t end, bool no_account)
{
    for (uint64_t i = first; i < end; i++) {
        if (p->zero[i] == ZEROS_WRONG)
            return true;
    }
    for (uint64_t at = first; end - at >= WINDOW; at += WINDOW / 4) {
        uint32_t used = 0, unknown = 0;

        for (uint64_t i = at; i < at + WINDOW; i++) {
            used += is_in_use(p->kind[i]) ? 1 : 0;
            unknown += p->kind[i] == INTROSPECT_PAGE_UNKNOWN ? 1 : 0;
        }
        if (used >= IN_USE_MIN || (no_account && unknown == WINDOW))
            return true;
    }
    return false;
}

static uint64_t remove_all(const struct pages *p, struct memory *m)
{
    bool no_account = lacks_account(p);
    uint64_t removed = 0, end;

    for (uint64_t i = 0; i < p->n; i = end + 1) {
        for (end = i; end < p->n && p->zero[end] != CONTENT; end++)
            ;
        if (end == i || !is_blank(p, i, end, no_account))
            continue;
        if (!memory_remove(m, p->base + i * PAGE, (end - i) * PAGE))
            break;
        removed += (end - i) * PAGE;
    }
    return removed;
}

uint64_t blank_remove(struct memory *m, struct introspect *in, const struct list *findings)
{
    struct pages p = {.base = m->ram_base, .n = m->ram_size / PAGE};
    uint64_t removed = 0;

    p.kind = calloc(p.n, 1);
    p.zero = calloc(p.n, 1);
    if (p.kind != NULL && p.zero != NULL) {
        note_zeros(&p, m);
        note_wrong(&p, findings);
        (void)!introspect_pages(in, note_kind, &p); /* as far as it comes */
        removed = remove_all(&p, m);
    }
    free(p.kind);
    free(p.zero);
    return removed;
}
