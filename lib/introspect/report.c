// SPDX-License-Identifier: Apache-2.0
/* Findings: making them, and counting only what several runs of a check agree on. */
#include "internal.h"

#include <string.h>

#define PATIENCE 4u    /* looks of one attempt */
#define SAID_MAX 4096u /* findings of one look: who makes more of them wants to keep us busy */

void text_append(char *to, size_t n, const char *text)
{
    size_t at = 0;

    while (at < n && to[at] != '\0')
        at++;
    while (at + 1 < n && *text != '\0')
        to[at++] = *text++;
    if (at < n)
        to[at] = '\0';
}

static void append_number(char *to, size_t n, uint64_t v, unsigned base)
{
    char digits[24];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v != 0);
    text_append(to, n, digits + at);
}

void text_append_dec(char *to, size_t n, uint64_t v)
{
    append_number(to, n, v, 10);
}

void text_append_hex(char *to, size_t n, uint64_t v)
{
    text_append(to, n, "0x");
    append_number(to, n, v, 16);
}

bool text_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

void finding_start(struct finding *f, const char *id, enum introspect_severity severity,
                   uint64_t address, const char *object)
{
    memset(f, 0, sizeof(*f));
    f->id = id;
    f->severity = severity;
    f->address = address;
    text_append(f->object, sizeof(f->object), object);
}

void say(struct finding *f, const char *text)
{
    text_append(f->detail, sizeof(f->detail), text);
}

void say_hex(struct finding *f, uint64_t v)
{
    text_append_hex(f->detail, sizeof(f->detail), v);
}

void say_dec(struct finding *f, uint64_t v)
{
    text_append_dec(f->detail, sizeof(f->detail), v);
}

static uint64_t judged(const struct finding *f)
{
    return f->whole != 0 ? f->whole : f->address;
}

/* Not by its name, where there is an address: what it is about may change its name between looks,
 * as a process can at any time. */
bool introspect_same(const struct finding *a, const struct finding *b)
{
    return judged(a) == judged(b) && a->owner == b->owner && text_equal(a->id, b->id) &&
           (judged(a) != 0 || text_equal(a->object, b->object));
}

/* The page of a finding whose check did not say it, when its address is one of the kernel's. */
static void place(struct introspect *in, struct finding *f)
{
    uint64_t absent = in->stats.absent;
    struct leaf leaf;

    if (f->pa == 0 && is_kernel_va(f->address) &&
        translate(in, in->root_pa, f->address, &leaf) == 0)
        f->pa = leaf.pa + (f->address - leaf.va);
    in->stats.absent = absent; /* the check does not need it */
}

static size_t count_of(const struct finding *f, size_t n, const char *id)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += text_equal(f[i].id, id) ? 1 : 0;
    return count;
}

size_t introspect_spare(const struct finding *f, size_t n, const char *id)
{
    if (count_of(f, n, id) > 0)
        return n;
    for (size_t i = n; i-- > 0;) {
        if (count_of(f, n, f[i].id) > 1)
            return i;
    }
    return n;
}

static bool is_foreign_code(const struct finding *f)
{
    return text_equal(f->id, "tables.exec");
}

bool introspect_may_pass(const struct introspect *in, const struct finding *f)
{
    return f->passing || (is_foreign_code(f) && in->has_allow && allow_has_modules(&in->allow));
}

bool introspect_persists(struct introspect *in, const struct finding *f)
{
    budget_start(in);
    return is_foreign_code(f) ? tables_exec_persists(in, f) : credentials_persist(in, f);
}

void finding_add(struct introspect *in, const struct finding *f)
{
    uint32_t at = in->pending_n;

    if (++in->said > SAID_MAX)
        in->budget = 0; /* the check ends at its next read, as one that reads too much */
    for (uint32_t i = 0; i < in->pending_n; i++) {
        if (introspect_same(&in->pending[i], f)) {
            if (in->seen[i] == in->run)
                in->seen[i]++;
            return;
        }
    }
    if (in->run > 0)
        return; /* earlier runs did not see it */
    if (at == INTROSPECT_PENDING) {
        in->lost++; /* this one, or the one that makes room for it */
        at = (uint32_t)introspect_spare(in->pending, at, f->id);
        if (at == INTROSPECT_PENDING)
            return;
    } else {
        in->pending_n++;
    }
    in->pending[at] = *f;
    place(in, &in->pending[at]);
    in->seen[at] = 1;
}

static void report(struct introspect *in, const struct finding *f, int *count)
{
    in->report(in->report_ctx, f);
    ++*count;
}

/* What each complete look saw; if none was complete, what the last one saw. */
static int report_pending(struct introspect *in)
{
    struct finding more;
    int count = 0;

    for (uint32_t i = 0; i < in->pending_n; i++) {
        if (in->seen[i] >= in->run)
            report(in, &in->pending[i], &count);
    }
    if (in->lost > 0 && count > 0) {
        finding_start(&more, "report.more", INTROSPECT_WARNING, 0, in->pending[0].id);
        say_dec(&more, in->lost);
        say(&more, " more findings of this check are not listed");
        report(in, &more, &count);
    }
    return count;
}

static bool is_endless(int err)
{
    return err == KAPU_ETIMEOUT || err == KAPU_ESPACE;
}

/* What a check could not follow is wrong by itself: nobody hides behind broken structures. */
static int report_not_followed(struct introspect *in, const struct introspect_check *check, int err)
{
    bool endless = is_endless(err);
    struct finding f;
    int count = 0;

    finding_start(&f, endless ? "report.endless" : "report.broken", INTROSPECT_ALARM, 0, check->id);
    say(&f, endless ? "there is no end to what this check has to read"
                    : "this check could not follow the kernel's structures to their end");
    report(in, &f, &count);
    return count;
}

void budget_start(struct introspect *in)
{
    in->budget = in->reads_max;
    in->said = 0;
    caches_drop(in);
}

/* A check that runs again begins a new deep check. */
static void note_run(struct introspect *in, const struct introspect_check *check)
{
    const struct introspect_check *table;
    size_t n = introspect_checks(&table);

    for (size_t i = 0; i < n && i < 64; i++) {
        if (check != &table[i])
            continue;
        if ((in->ran >> i & 1) != 0) {
            content_forget(in);
            in->ran = 0;
            in->deep++;
        }
        in->ran |= 1ull << i;
    }
}

static bool is_broken(int err)
{
    return err == KAPU_EINVAL || err == KAPU_ERANGE || err == KAPU_ENOENT || err == KAPU_EIO;
}

/* What a look saw that did not come to its end counts for nothing. */
static void look_again(struct introspect *in)
{
    if (in->run == 0)
        in->pending_n = in->lost = 0;
    for (uint32_t i = 0; i < in->pending_n; i++) {
        if (in->seen[i] > in->run)
            in->seen[i]--;
    }
    budget_start(in);
}

/* One attempt. Where the system runs meanwhile, a structure may be caught while it changes, and
 * there are thousands of them: what cannot be followed is begun anew. */
static int attempt(struct introspect *in, const struct introspect_check *check)
{
    uint32_t most = in->attempts > 1 ? PATIENCE : 1;
    int err = KAPU_EINVAL;

    for (uint32_t i = 0; i < most && is_broken(err); i++) {
        look_again(in);
        err = check->run(in);
    }
    return err;
}

/* Whether all complete looks saw something. */
static bool agree(const struct introspect *in)
{
    for (uint32_t i = 0; i < in->pending_n; i++) {
        if (in->seen[i] == in->run)
            return true;
    }
    return false;
}

/*
 * A verdict needs so many complete looks as there are attempts, or one that saw nothing of what
 * those before it saw. Whoever has attempts fail gains nothing by it: they are made up for, and if
 * too many fail, that is an alarm by itself.
 */
int introspect_run(struct introspect *in, const struct introspect_check *check)
{
    uint32_t tries = in->attempts > 1 ? 2 * in->attempts : 1, cost;
    uint64_t absent = in->stats.absent;
    int err, failure = 0, count;

    note_run(in, check);
    for (in->run = 0; tries > 0 && in->run < in->attempts;) {
        err = attempt(in, check);
        if (err == KAPU_EUNSUPPORTED || err == KAPU_EARG || err == KAPU_ECRYPTO)
            return err;
        if (err == KAPU_EABSENT || (err >= 0 && in->stats.absent != absent)) {
            (void)report_pending(in); /* what was there is judged all the same */
            return KAPU_EABSENT;
        }
        if (err >= 0) {
            in->run++;
            tries--;
            if (!agree(in))
                return 0;
            continue;
        }
        failure = err;
        cost = is_endless(err) ? in->attempts : 1; /* it takes long */
        tries -= cost < tries ? cost : tries;
    }
    count = report_pending(in);
    return in->run < in->attempts ? count + report_not_followed(in, check, failure) : count;
}
