// SPDX-License-Identifier: Apache-2.0
/*
 * A deep check: all checks of lib/introspect over the running normal world, before them what the
 * watch caught since the last one: pages as they were at a moment that Linux could not foresee, and
 * values of registers. It goes in steps, as no other trusted application runs during one.
 */
#include "monitor.h"

#include <stdio.h>
#include <string.h>

#include "sha256_blocks.h"

#define ATTEMPTS 3u /* Linux runs meanwhile: what is wrong stays wrong */
#define CACHE_PAGES 256u
#define CACHE_AGE 256u /* lookups: what is older is read anew, as Linux runs on */
#define WORK_SIZE (512u * 1024 + CACHE_PAGES * INTROSPECT_CACHED_PAGE)
#define REGISTERS_MAX MONITOR_REGISTERS_MAX
#define PASSING_MAX 8u
#define SILENT_MAX 3u /* deep checks in a row that a TPM may leave without an answer */

/* knowledge.S */
extern const uint8_t kernel_profile[], allow_list[];
extern const uint64_t kernel_profile_size, allow_list_size;

static struct introspect in;
static uint8_t work[WORK_SIZE] __aligned(64); /* pages in it are copied word by word then */
static bool opened, watching;

/* Findings that may pass: they count when they are there until the end of the deep check. */
static struct finding passing[PASSING_MAX];
static size_t passing_n;

static void keep_now(struct verdict *v, const struct finding *f)
{
    size_t at;

    for (size_t i = 0; i < v->findings; i++) { /* seen by the watch, and still so */
        if (introspect_same(&v->finding[i], f))
            return;
    }
    if (f->severity == INTROSPECT_ALARM)
        v->alarms++;
    else
        v->warnings++;
    if (v->findings < FINDINGS_MAX) {
        v->finding[v->findings++] = *f;
        return;
    }
    v->not_kept++; /* this one, or the one that makes room for it */
    at = introspect_spare(v->finding, v->findings, f->id);
    if (at < v->findings)
        v->finding[at] = *f;
}

static void keep(void *ctx, const struct finding *f)
{
    if (introspect_may_pass(&in, f) && passing_n < PASSING_MAX)
        passing[passing_n++] = *f;
    else
        keep_now(ctx, f);
}

static void forget_passed(void)
{
    size_t n = 0;

    for (size_t i = 0; i < passing_n; i++) {
        if (introspect_persists(&in, &passing[i]))
            passing[n++] = passing[i];
    }
    passing_n = n;
}

static void keep_passing(struct verdict *v)
{
    for (size_t i = 0; i < passing_n; i++)
        keep_now(v, &passing[i]);
    passing_n = 0;
}

static void set_text(char *to, const char *text, size_t n)
{
    size_t i = 0;

    for (; i + 1 < n && text[i] != '\0'; i++)
        to[i] = text[i];
    to[i] = '\0';
}

static void own_finding(struct verdict *v, const char *id, enum introspect_severity severity,
                        const char *object, const char *detail)
{
    struct finding f = {.id = id, .severity = severity};

    set_text(f.object, object, sizeof(f.object));
    set_text(f.detail, detail, sizeof(f.detail));
    keep(v, &f);
}

static void failed(struct verdict *v, const struct introspect_check *check)
{
    own_finding(v, "monitor.failed", INTROSPECT_ALARM, check->id, "this check could not be made");
}

/* The port of lib/introspect, which hashes whole pages only. */
static int hash_page(void *ctx, const struct bytes *part, size_t parts,
                     uint8_t out[KAPU_SHA256_SIZE])
{
    (void)ctx;
    if (parts != 1 || part[0].n % SHA256_BLOCK != 0)
        return KAPU_EARG;
    sha256_blocks(part[0].p, (uint32_t)(part[0].n / SHA256_BLOCK), out);
    return 0;
}

static int open(struct verdict *v)
{
    const struct introspect_setup setup = {
        .profile = {kernel_profile, kernel_profile_size},
        .allow = {allow_list, allow_list_size},
        .mem = {.read = core_read},
        .sha = {.hash = hash_page},
        .ram_base = RAM_BASE,
        .ram_size = RAM_SIZE,
        .work = work,
        .work_n = sizeof(work),
        .cache_pages = CACHE_PAGES,
        .cache_age = CACHE_AGE,
        .attempts = ATTEMPTS,
        .report = keep,
        .report_ctx = v,
        .intact = core_intact,
    };

    return introspect_init(&in, &setup);
}

static const struct introspect_check *find(const char *id)
{
    const struct introspect_check *table;
    size_t n = introspect_checks(&table);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].id, id) == 0)
            return &table[i];
    }
    TEE_Panic(TEE_ERROR_ITEM_NOT_FOUND);
    return NULL;
}

/* The check of the image's pages; what it verified is what the watch gets. */
static int run_text(const struct introspect_check *check)
{
    int found;

    core_collect(watching ? NULL : &in);
    found = introspect_run(&in, check);
    core_collect(NULL);
    if (found == 0 && !watching) {
        core_watch();
        watching = true;
    }
    return found;
}

/* The check that is not of lib/introspect: the TPM must hold what this boot measured. */
static const struct introspect_check tpm_check = {.id = "tpm"};

static void name_pcrs(uint32_t pcrs, char *to, size_t n)
{
    size_t at = (size_t)snprintf(to, n, "PCR");

    for (unsigned int i = 0; i < 32; i++) {
        if ((pcrs >> i & 1) != 0 && at < n)
            at += (size_t)snprintf(to + at, n - at, " %u", i);
    }
}

/* A disturbed bus is no attack yet, and keeps nobody from the next look; a TPM that stays away
 * could hide anything. */
static void judge_silence(struct verdict *v, bool silent)
{
    static uint32_t in_a_row;

    in_a_row = silent ? in_a_row + 1 : 0;
    if (silent)
        own_finding(v, "tpm.silent", in_a_row < SILENT_MAX ? INTROSPECT_WARNING : INTROSPECT_ALARM,
                    "TPM",
                    in_a_row < SILENT_MAX ? "it gives no authentic answer"
                                          : "it has given no authentic answer for several checks");
}

static int run_tpm(struct verdict *v)
{
    const struct core_tpm t = core_tpm();
    char pcrs[sizeof(((struct finding *)0)->object)];

    if (t.reset)
        own_finding(v, "tpm.reset", INTROSPECT_ALARM, "TPM",
                    "it was reset, or lost the secure world's session, while the board ran on");
    name_pcrs(t.pcrs, pcrs, sizeof(pcrs));
    if (t.pcrs != 0)
        own_finding(v, "tpm.pcr", INTROSPECT_ALARM, pcrs, "not what this boot measured");
    judge_silence(v, t.silent);
    return t.silent ? KAPU_EIO : (int)t.reset + (t.pcrs != 0);
}

/*
 * In which order the checks of this deep check run. Linux goes on between two of them: who knew
 * which one comes next could hide from each in its turn. Only where policy knows modules do page
 * tables come first: the code with which one starts may pass, and is looked at until the end.
 */
static uint8_t order[CHECKS_MAX];

static void swap(size_t a, size_t b)
{
    uint8_t one = order[a];

    order[a] = order[b];
    order[b] = one;
}

static void make_order(size_t n)
{
    const struct finding code = {.id = "tables.exec"};
    const struct introspect_check *table;
    const size_t of_table = introspect_checks(&table);
    const size_t fixed = introspect_may_pass(&in, &code) ? 1 : 0;
    uint32_t random[CHECKS_MAX];

    TEE_GenerateRandom(random, sizeof(random));
    if (n > CHECKS_MAX)
        TEE_Panic(TEE_ERROR_OVERFLOW); /* a table of this build */
    for (size_t i = 0; i < n; i++) {
        order[i] = (uint8_t)i;
        if (fixed > 0 && i < of_table && &table[i] == find("tables"))
            swap(i, 0);
    }
    for (size_t i = n - 1; i > fixed; i--)
        swap(i, fixed + random[i] % (i + 1 - fixed));
}

/* Values that secure timers caught, as many at a time as the library takes. */
static void run_registers(struct verdict *v, const struct introspect_regs *r, size_t n)
{
    if (n >= MONITOR_REGISTERS_KEPT)
        own_finding(v, "monitor.registers", INTROSPECT_ALARM, "registers",
                    "they change more often than an intact Linux has them: some were not seen");
    while (n > 0) {
        size_t some = n < INTROSPECT_CPUS ? n : INTROSPECT_CPUS;

        memcpy(in.regs, r, some * sizeof(*r));
        in.cpus = (uint32_t)some;
        if (introspect_run(&in, find("registers")) < 0)
            failed(v, find("registers"));
        r += some;
        n -= some;
    }
}

/* Who fills the watch's room with changes that are legal has the others unseen. Only a kernel that
 * switches jump labels has so many by itself. */
static void judge_missed(struct verdict *v)
{
    if (core_missed() == 0)
        return;
    watching = false;
    own_finding(v, "monitor.missed",
                introspect_has_jump_labels(&in) ? INTROSPECT_WARNING : INTROSPECT_ALARM, "watch",
                "more pages changed than it has room for: some were not seen as they were then");
}

/* Pages that the watch found changed, as they were then. If they are as they may be, a label was
 * switched since they were verified: this deep check has the pages watched anew. No more than
 * there is room for: who changes pages all the time does not keep it here. */
static void run_captured(struct verdict *v)
{
    uint64_t pa;

    for (size_t i = 0; i < MONITOR_CAPTURES && core_captured_next(&pa); i++) {
        if (introspect_run_page(&in, pa) < 0)
            failed(v, find("text"));
        watching = false;
    }
    core_captured_end();
    judge_missed(v);
}

/* Row `place` of the table, or behind it the one of our own. */
static void run_one(struct verdict *v, size_t place)
{
    const struct introspect_check *table, *check = &tpm_check;
    int found;

    if (place < introspect_checks(&table))
        check = &table[place];
    core_forget();
    if (check == &tpm_check)
        found = run_tpm(v);
    else
        found = check == find("text") ? run_text(check) : introspect_run(&in, check);
    v->did[place].id = check->id;
    v->did[place].result = found;
    v->checks++;
    if (found < 0 && found != KAPU_EUNSUPPORTED && check != &tpm_check)
        failed(v, check);
}

/* The first step: where the kernel is, and what was caught since the last deep check. */
static int begin(struct verdict *v, uint64_t now_ms)
{
    static struct introspect_regs regs[REGISTERS_MAX];
    size_t now, n = core_registers(regs, REGISTERS_MAX, &now);
    uint32_t number = v->number;
    int err;

    memset(v, 0, sizeof(*v));
    v->number = number + 1;
    v->began_ms = now_ms;
    err = opened ? 0 : open(v);
    if (err != 0)
        return err;
    opened = true;
    memset(&in.stats, 0, sizeof(in.stats));
    err = introspect_locate(&in, regs, (uint32_t)(now < INTROSPECT_CPUS ? now : INTROSPECT_CPUS));
    if (err != 0)
        return err;
    v->image_base = introspect_image_base(&in);
    run_captured(v);
    if (v->number > 1) /* before the first one Linux was starting, cores without its page tables */
        run_registers(v, regs + now, n - now);
    /* What follows looks at the registers of now. */
    in.cpus = (uint32_t)(now < INTROSPECT_CPUS ? now : INTROSPECT_CPUS);
    memcpy(in.regs, regs, in.cpus * sizeof(*regs));
    return 0;
}

uint32_t look_step(struct verdict *v)
{
    static uint32_t step; /* 0: a new deep check begins */
    const struct introspect_check *table;
    uint32_t checks = (uint32_t)introspect_checks(&table) + 1; /* and the TPM's */
    bool last;
    int err = 0;

    /* Steps that come late are no reason to begin anew, which would forget what was found: the
     * watchdog limits their time. */
    if (step == 0) {
        err = begin(v, core_time().now_ms);
        if (err == 0)
            make_order(checks);
        else if (opened)
            own_finding(v, "monitor.kernel", INTROSPECT_ALARM, "monitor",
                        "the release's kernel is not where a core's tables lead");
        else
            own_finding(v, "monitor.failed", INTROSPECT_ALARM, "monitor",
                        "kernel profile or allow-list of its own image are damaged");
    } else {
        if (step <= checks)
            run_one(v, order[step - 1]);
        forget_passed();
    }
    last = err != 0 || step > checks; /* one more, for what the last check found to pass */
    if (last)
        keep_passing(v);
    step = last ? 0 : step + 1;
    v->work = in.stats;
    v->at_ms = core_time().now_ms;
    v->took_ms = (uint32_t)(v->at_ms - v->began_ms);
    return step == 0 ? 0 : checks + 2 - step;
}
