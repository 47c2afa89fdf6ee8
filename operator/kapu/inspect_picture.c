// SPDX-License-Identifier: Apache-2.0
/*
 * A picture of physical memory as SVG: one square a page, rows of COLUMNS pages, coloured by what
 * the page is; findings are marked where they are. Pages side by side of one kind are one shape.
 */
#include "inspect_picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "newfile.h"

#define PAGE 4096u
#define COLUMNS 512u   /* pages of a row: 2 MiB */
#define SCALE 2u       /* a page is so wide and high */
#define LABEL_ROWS 32u /* an address for so many rows */
#define LEFT 110
#define TOP 70
#define GAP 30
#define SIDE 560 /* legend and findings */
#define LINE 20
#define LISTED 40u /* findings; all are marked */

struct look {
    const char *id, *colour, *name;
};

static const struct look looks[INTROSPECT_PAGES] = {
    [INTROSPECT_PAGE_UNKNOWN] = {"unknown", "#000000", "not memory of Linux"},
    [INTROSPECT_PAGE_FREE] = {"free", "#f2f2f2", "free"},
    [INTROSPECT_PAGE_RESERVED] = {"reserved", "#9a9a9a", "reserved at boot"},
    [INTROSPECT_PAGE_TEXT] = {"text", "#7b2d8b", "kernel: code"},
    [INTROSPECT_PAGE_RODATA] = {"rodata", "#b583c4", "kernel: constants"},
    [INTROSPECT_PAGE_DATA] = {"data", "#e3a6d8", "kernel: data"},
    [INTROSPECT_PAGE_TABLE] = {"table", "#1f4e9e", "page tables"},
    [INTROSPECT_PAGE_SLAB] = {"slab", "#4f95d6", "kernel: objects (slab)"},
    [INTROSPECT_PAGE_KERNEL] = {"kernel", "#a9d3f0", "kernel: other (stacks, buffers)"},
    [INTROSPECT_PAGE_CACHE] = {"cache", "#e8c547", "page cache of files"},
    [INTROSPECT_PAGE_CODE] = {"code", "#2e8b57", "programs: code, as in the root image"},
    [INTROSPECT_PAGE_ANONYMOUS] = {"anonymous", "#e58a4b", "programs: data"},
};

static void escaped(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '&')
            fputs("&amp;", to);
        else if (*text == '<')
            fputs("&lt;", to);
        else
            fputc(*text, to);
    }
}

static void rectangle(FILE *to, uint64_t column, uint64_t row, uint64_t width, uint64_t height)
{
    fprintf(to, "M%llu %lluh%lluv%lluh-%lluz", (unsigned long long)column, (unsigned long long)row,
            (unsigned long long)width, (unsigned long long)height, (unsigned long long)width);
}

/* A run's first row, its whole rows, its last row. */
static void draw_run(FILE *to, uint64_t page, uint64_t n)
{
    while (n > 0) {
        uint64_t column = page % COLUMNS, rows = column == 0 ? n / COLUMNS : 0;
        uint64_t part = rows > 0 ? rows * COLUMNS : COLUMNS - column;

        part = part < n ? part : n;
        rectangle(to, column, page / COLUMNS, rows > 0 ? COLUMNS : part, rows > 0 ? rows : 1);
        page += part;
        n -= part;
    }
}

static uint64_t draw_kind(FILE *to, const struct result *r, enum introspect_page kind)
{
    const struct page_run *run = r->pages.items;
    uint64_t pages = 0;

    for (size_t i = 0; i < r->pages.n; i++)
        pages += run[i].kind == kind ? run[i].pages : 0;
    if (pages == 0)
        return 0;
    fprintf(to, "<path class=\"%s\" d=\"", looks[kind].id);
    for (size_t i = 0; i < r->pages.n; i++) {
        if (run[i].kind == kind)
            draw_run(to, (run[i].pa - r->in->ram_base) / PAGE, run[i].pages);
    }
    fprintf(to, "\"><title>%s</title></path>\n", looks[kind].name);
    return pages;
}

static bool has_place(const struct result *r, const struct finding *f)
{
    return f->pa >= r->in->ram_base && f->pa - r->in->ram_base < r->in->ram_size;
}

static void draw_findings(FILE *to, const struct result *r)
{
    const struct finding *f = r->findings.items;

    for (size_t i = 0; i < r->findings.n; i++) {
        uint64_t page = (f[i].pa - r->in->ram_base) / PAGE, x = page % COLUMNS, y = page / COLUMNS;

        if (!has_place(r, &f[i]))
            continue;
        fprintf(to, "<g class=\"finding\" data-page=\"%llu\"><title>", (unsigned long long)page);
        escaped(to, f[i].id);
        fputs(" ", to);
        escaped(to, f[i].object);
        fputs(": ", to);
        escaped(to, f[i].detail);
        fprintf(to,
                "</title><rect x=\"%llu\" y=\"%llu\" width=\"1\" height=\"1\"/>"
                "<circle cx=\"%llu.5\" cy=\"%llu.5\" r=\"6\"/></g>\n",
                (unsigned long long)x, (unsigned long long)y, (unsigned long long)x,
                (unsigned long long)y);
    }
}

static void text(FILE *to, int x, int y, const char *class, const char *what)
{
    fprintf(to, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
    escaped(to, what);
    fputs("</text>\n", to);
}

static int legend(FILE *to, const uint64_t *pages, int x, int y)
{
    for (int kind = 0; kind < INTROSPECT_PAGES; kind++) {
        char line[96];

        if (pages[kind] == 0)
            continue;
        snprintf(line, sizeof(line), "%s: %.1f MiB", looks[kind].name, (double)pages[kind] / 256);
        fprintf(to, "<rect x=\"%d\" y=\"%d\" width=\"14\" height=\"14\" class=\"%s\"/>\n", x,
                y - 12, looks[kind].id);
        text(to, x + 22, y, "plain", line);
        y += LINE;
    }
    return y;
}

static void list_findings(FILE *to, const struct result *r, int x, int y)
{
    const struct finding *f = r->findings.items;
    char line[256];

    snprintf(line, sizeof(line), r->findings.n == 0 ? "Nothing found" : "Findings: %zu",
             r->findings.n);
    text(to, x, y, r->findings.n == 0 ? "plain" : "wrong", line);
    for (size_t i = 0; i < r->findings.n && i < LISTED; i++) {
        snprintf(line, sizeof(line), "%s, %s%s", f[i].id, f[i].object,
                 has_place(r, &f[i]) ? "" : " (at no one place)");
        text(to, x, y + LINE * ((int)i + 1), "plain", line);
    }
    if (r->findings.n > LISTED)
        text(to, x, y + LINE * ((int)LISTED + 1), "plain", "and more, all of them marked");
}

static void head(FILE *to, const struct result *r, int width, int height)
{
    struct bytes banner = introspect_banner(r->in);
    char line[160];

    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "font-family=\"sans-serif\" font-size=\"13\">\n<style>\n",
            width, height);
    for (int kind = 0; kind < INTROSPECT_PAGES; kind++)
        fprintf(to, ".%s{fill:%s}\n", looks[kind].id, looks[kind].colour);
    fputs(".finding rect{fill:#e00000}.finding circle{fill:none;stroke:#e00000;stroke-width:1.5}\n"
          ".title{font-size:18px;font-weight:bold}.wrong{fill:#c00000;font-weight:bold}\n"
          ".address{text-anchor:end;font-family:monospace;font-size:12px}\n</style>\n"
          "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
          to);
    snprintf(line, sizeof(line), "Physical memory of %s", r->source);
    text(to, LEFT, 28, "title", line);
    snprintf(line, sizeof(line), "%.*s",
             (int)(banner.n > 0 && banner.p[banner.n - 1] == '\n' ? banner.n - 1 : banner.n),
             (const char *)banner.p);
    text(to, LEFT, 52, "plain", line);
}

static void draw(FILE *to, const struct result *r)
{
    uint64_t pages[INTROSPECT_PAGES], rows = (r->in->ram_size / PAGE + COLUMNS - 1) / COLUMNS;
    int side = LEFT + (int)(COLUMNS * SCALE) + GAP, y;
    int height = TOP + (int)rows * (int)SCALE + GAP, least = TOP + LINE * (int)(LISTED + 20);

    head(to, r, side + SIDE, height > least ? height : least);
    for (uint64_t row = 0; row < rows; row += LABEL_ROWS) {
        char address[32];

        snprintf(address, sizeof(address), "%llx",
                 (unsigned long long)(r->in->ram_base + row * COLUMNS * PAGE));
        text(to, LEFT - 8, TOP + (int)(row * SCALE) + 10, "address", address);
    }
    fprintf(to, "<g transform=\"translate(%d %d) scale(%u)\" shape-rendering=\"crispEdges\">\n",
            LEFT, TOP, SCALE);
    for (int kind = 0; kind < INTROSPECT_PAGES; kind++)
        pages[kind] = draw_kind(to, r, (enum introspect_page)kind);
    draw_findings(to, r);
    fputs("</g>\n", to);
    text(to, side, TOP + 10, "plain", "One square is a page of 4 KiB, a row is 2 MiB");
    y = legend(to, pages, side, TOP + 40);
    if (r->pages_err != 0)
        text(to, side, y, "wrong", "The kernel's own account of its pages could not be read");
    list_findings(to, r, side, y + 2 * LINE);
    fputs("</svg>\n", to);
}

int picture_may_write(const char *path)
{
    static const char begin[] = "<svg ";
    char is[sizeof(begin) - 1];
    FILE *f = fopen(path, "rbe");
    const bool other =
        f != NULL ? fread(is, 1, sizeof(is), f) != sizeof(is) || memcmp(is, begin, sizeof(is)) != 0
                  : errno != ENOENT;

    if (f != NULL)
        fclose(f);
    if (!other)
        return 0;
    (void)fail("%s: is there already, and is not a picture: name another file", path);
    return -1;
}

int write_picture(const char *path, const struct result *r)
{
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);
    int err = -1;

    if (to != NULL)
        draw(to, r);
    if (to != NULL && ferror(to) == 0 && fflush(to) == 0)
        err = newfile_write(path, (struct bytes){(const uint8_t *)text, n}, 0666);
    if (err != 0)
        (void)fail("%s: %s", path, newfile_fault());
    if (to != NULL)
        fclose(to);
    free(text);
    return err;
}
