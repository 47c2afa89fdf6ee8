// SPDX-License-Identifier: Apache-2.0
/* What was seen, as text. */
#include "monitor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MORE_SIZE 48u /* "and N findings more" */

struct text {
    char *to;
    size_t at, n;
};

/* Cuts what does not fit; always ends with a zero. */
static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(t->to + t->at, t->n - t->at, format, args);
    va_end(args);
    if (n > 0)
        t->at += (size_t)n < t->n - t->at ? (size_t)n : t->n - t->at - 1;
}

static const char *name_of(enum introspect_severity s)
{
    return s == INTROSPECT_ALARM ? "alarm" : "warning";
}

static bool is_first_of_its_kind(const struct verdict *v, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(v->finding[i].id, v->finding[at].id) == 0)
            return false;
    }
    return true;
}

/* Adds one line, or nothing if the line and "and N findings more" would not both fit. */
static bool put_finding(struct text *t, const struct finding *f)
{
    size_t before = t->at;

    put(t, "%s %s: %s, 0x%" PRIx64 ": %s\n", name_of(f->severity), f->id, f->object, f->address,
        f->detail);
    if (t->n - t->at >= MORE_SIZE)
        return true;
    t->at = before;
    return false;
}

/* One finding of each kind comes first, so that many of one kind cannot crowd out another. */
size_t report_lines(const struct verdict *v, char *to, size_t n)
{
    struct text t = {to, 0, n};
    bool room = true;
    size_t said = 0;

    put(&t, "deep check %" PRIu32 ": ", v->number);
    if (v->alarms + v->warnings == 0)
        put(&t, "clean, ");
    else
        put(&t, "%" PRIu32 " alarms, %" PRIu32 " warnings, ", v->alarms, v->warnings);
    put(&t, "%zu checks in %" PRIu32 " ms\n", v->checks, v->took_ms);
    for (int others = 0; others < 2; others++) {
        for (size_t i = 0; i < v->findings && room; i++) {
            if (is_first_of_its_kind(v, i) != (others == 0))
                continue;
            room = put_finding(&t, &v->finding[i]);
            said += room ? 1 : 0;
        }
    }
    if (said < v->findings || v->not_kept > 0)
        put(&t, "and %zu findings more\n", v->findings - said + v->not_kept);
    return t.at;
}

static void put_state(struct text *t, const struct verdict *v)
{
    struct core_time now = core_time();
    struct core_figures f = core_figures();

    put(t, "monitor\t1\n");
    put(t, "now\t%" PRIu64 "\t%" PRIu32 "\t%s\n", now.now_ms, now.left_ms,
        now.will_reset ? "reset" : "-");
    put(t, "check\t%" PRIu32 "\t%" PRIu64 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\n", v->number,
        v->at_ms, v->took_ms, v->alarms, v->warnings);
    put(t, "work\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", v->work.bytes_hashed,
        v->work.pages_walked, v->work.reads);
    put(t,
        "watch\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32
        "\t%" PRIu32 "\t%" PRIu32 "\n",
        f.ticks, f.pages, f.passes, f.pass_ms, f.changed, f.longest_us, f.p99_us, f.cores);
}

/* Lines that were remembered, each behind its word. */
static void put_last(struct text *t)
{
    static char words[MONITOR_TEXT_MAX];
    uint32_t resets = 0;
    size_t n = 0, begin = 0;
    uint32_t why = core_last(&resets, words, &n);

    put(t, "last\t%" PRIu32 "\t%" PRIu32 "\n", why, resets);
    for (size_t i = 0; i < n; i++) {
        if (words[i] != '\n' && i + 1 < n)
            continue;
        put(t, "before\t%.*s\n", (int)(i + (words[i] != '\n' ? 1 : 0) - begin), words + begin);
        begin = i + 1;
    }
}

size_t report_make(const struct verdict *v, char *to, size_t n)
{
    struct text t = {to, 0, n};

    put_state(&t, v);
    put_last(&t);
    for (size_t i = 0; i < v->checks; i++)
        put(&t, "did\t%s\t%d\n", v->did[i].id, v->did[i].result);
    for (size_t i = 0; i < v->findings; i++) {
        const struct finding *f = &v->finding[i];

        put(&t, "finding\t%s\t%s\t%s\t%" PRIx64 "\t%s\n", name_of(f->severity), f->id, f->object,
            f->address, f->detail);
    }
    if (v->not_kept > 0)
        put(&t, "more\t%zu\n", v->not_kept);
    return t.at;
}
