// SPDX-License-Identifier: Apache-2.0
/* kapu inspect: runs every check of lib/introspect over memory and prints what there is. */
#include "commands.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inspect_blank.h"
#include "inspect_live.h"
#include "inspect_memory.h"
#include "inspect_options.h"
#include "inspect_picture.h"
#include "inspect_result.h"
#include "leave.h"
#include "reference.h"
#include "text.h"

#define FILE_MAX (64u << 20) /* of a profile, an allow-list */
#define CACHE_PAGES 128u
#define WORK_SIZE ((512u << 10) + CACHE_PAGES * INTROSPECT_CACHED_PAGE)
#define BLANK_ROUNDS 4   /* of a dump, each without the zeros that the one before found */
#define LOOKS 3          /* at a running gateway, when the one before found something */
#define LOOKS_PASSING 10 /* the same, when it may pass (introspect_may_pass) */
#define LOOK_PAUSE_US 200000u
#define LOOK_PAUSE_US_MAX 1000000u
#define STATUS_CLEAN 0
#define STATUS_FINDINGS 1
#define STATUS_ERROR 2

void list_add(struct list *l, const void *item, size_t size)
{
    if (l->n == l->capacity) {
        l->capacity = l->capacity != 0 ? 2 * l->capacity : 64;
        l->items = realloc(l->items, l->capacity * size);
        if (l->items == NULL) {
            perror("kapu");
            exit(STATUS_ERROR);
        }
    }
    memcpy((uint8_t *)l->items + l->n++ * size, item, size);
}

const char *check_error(int err)
{
    switch (err) {
    case KAPU_ENOENT:
    case KAPU_EUNSUPPORTED:
        return "this kernel or release does not have it";
    case KAPU_EARG:
        return "needs the registers, which are not known";
    case KAPU_EINVAL:
        return "a structure of the kernel is broken";
    case KAPU_ERANGE:
    case KAPU_EIO:
        return "memory cannot be read there";
    case KAPU_EABSENT:
        return "memory that it needs is not in the file";
    case KAPU_ESPACE:
        return "too many objects";
    case KAPU_ETIMEOUT:
        return "there is no end to it";
    default:
        return "failed";
    }
}

static int sha256(void *ctx, const struct bytes *part, size_t parts, uint8_t out[32])
{
    EVP_MD_CTX *m = ctx;
    int ok = EVP_DigestInit_ex(m, NULL, NULL);

    for (size_t i = 0; ok && i < parts; i++)
        ok = EVP_DigestUpdate(m, part[i].p, part[i].n);
    return ok && EVP_DigestFinal_ex(m, out, NULL) ? 0 : -1;
}

static int add_task(void *ctx, const struct introspect_task *t)
{
    list_add(ctx, t, sizeof(*t));
    return 0;
}

static int add_module(void *ctx, const struct introspect_module *m)
{
    list_add(ctx, m, sizeof(*m));
    return 0;
}

static int add_socket(void *ctx, const struct introspect_socket *s)
{
    list_add(ctx, s, sizeof(*s));
    return 0;
}

static int add_code(void *ctx, const struct introspect_code *c)
{
    list_add(ctx, c, sizeof(*c));
    return 0;
}

static int add_run(void *ctx, uint64_t pa, uint32_t pages, enum introspect_page kind)
{
    list_add(ctx, &(struct page_run){pa, pages, kind}, sizeof(struct page_run));
    return 0;
}

static void add_finding(void *ctx, const struct finding *f)
{
    list_add(ctx, f, sizeof(*f));
}

struct file {
    uint8_t *p;
    size_t n;
    char path[1300];
};

/* A whole file; {NULL, 0} when there is none and it may be missing. */
static int read_file(const char *path, bool may_miss, struct file *out)
{
    uint8_t *data = malloc(FILE_MAX);
    char why[512] = "no memory";
    size_t n = 0;
    int err = data != NULL ? whole_file(path, FILE_MAX, data, &n, why, sizeof(why)) : KAPU_ESPACE;

    *out = (struct file){NULL, 0, ""};
    snprintf(out->path, sizeof(out->path), "%s", path);
    if (err == 0) {
        out->p = data;
        out->n = n;
        return 0;
    }
    free(data);
    if (err == KAPU_ENOENT && may_miss)
        return 0;
    (void)fail("%s", why);
    return -1;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void run_checks(struct result *r)
{
    const struct introspect_check *table;
    size_t n = introspect_checks(&table);

    for (size_t i = 0; i < n && i < CHECKS_MAX; i++) {
        double begin = now();
        size_t before = r->findings.n;

        r->checks[i].check = &table[i];
        r->checks[i].result = introspect_run(r->in, &table[i]);
        r->checks[i].findings = r->findings.n - before;
        r->checks[i].seconds = now() - begin;
        r->seconds += r->checks[i].seconds;
        r->checks_n++;
    }
}

static void run_listings(const struct options *o, struct result *r)
{
    /* First, as long as the library knows what code was compared. */
    if (o->picture != NULL)
        r->pages_err = introspect_pages(r->in, add_run, &r->pages);
    r->tasks_err = introspect_tasks(r->in, add_task, &r->tasks);
    r->modules_err = introspect_modules(r->in, add_module, &r->modules);
    r->sockets_err = introspect_sockets(r->in, add_socket, &r->sockets);
    r->code_err = introspect_code(r->in, add_code, &r->code);
}

/* Names of places in the kernel. The build leaves the key that signed them next to them; damaged
 * ones would name a wrong place. */
static void load_names(const struct options *o, struct result *r)
{
    struct reference_keys keys;
    char path[1300], why[1600] = "";
    bool has_key;
    int err;

    snprintf(path, sizeof(path), "%s/reference-key.pem", o->release);
    has_key = access(path, F_OK) == 0;
    err = has_key ? reference_keys_load(path, &keys, why, sizeof(why)) : 0;
    snprintf(path, sizeof(path), "%s/reference.cbor", o->release);
    if (err == 0)
        err = reference_names(path, has_key ? &keys : NULL, &r->symbols, why, sizeof(why));
    if (err != 0 && err != KAPU_ENOENT)
        (void)fail("%s; places in the kernel are not named", why);
}

static void show(const struct options *o, struct result *r)
{
    const struct finding *f = r->findings.items;

    if (o->profile == NULL && r->findings.n > 0) /* else it may be another kernel's */
        load_names(o, r);
    if (o->json) {
        print_json(stdout, r);
    } else if (o->quiet) {
        for (size_t i = 0; i < r->findings.n; i++) {
            char symbol[SYMBOLS_FINDING_MAX];

            finding_symbol(r, &f[i], symbol);
            printf("%s %s%s%s: %s\n", f[i].id, f[i].object, symbol[0] != '\0' ? " at " : "", symbol,
                   f[i].detail);
        }
    } else {
        print_text(stdout, r, isatty(1));
    }
    symbols_close(&r->symbols);
}

/* What is wrong with profile or allow-list. */
static void refused(int err, const char *path, const char *what, const char *other)
{
    switch (err) {
    case KAPU_EUNSUPPORTED:
        (void)fail("%s: this %s was made by another version of kapu", path, what);
        break;
    case KAPU_EINVAL:
        (void)fail("%s: is not a %s, or its beginning is damaged", path, what);
        break;
    case KAPU_ERANGE:
        (void)fail("%s: this %s is damaged: it was cut, or something was added", path, what);
        break;
    case KAPU_EAUTH:
        (void)fail("%s: this %s is damaged: its digest is of another content", path, what);
        break;
    case KAPU_EPIN:
        (void)fail("%s: this %s is of another build than %s", path, what, other);
        break;
    default:
        (void)fail("%s: %s cannot be used (%d)", path, what, err);
    }
}

/* Opens profile and allow-list: whether each is whole, and both are of one build. */
static int open_knowledge(struct introspect *in, const struct introspect_setup *setup,
                          const struct file *profile, const struct file *allow)
{
    struct introspect_setup profile_alone = *setup;
    int err = introspect_init(in, setup), alone;

    if (err == 0)
        return 0;
    profile_alone.allow = (struct bytes){NULL, 0};
    alone = introspect_init(in, &profile_alone);
    if (alone != 0)
        refused(alone, profile->path, "kernel profile", NULL);
    else
        refused(err, allow->path, "allow-list", profile->path);
    return err;
}

static int find_kernel(struct introspect *in, struct introspect_setup *setup, struct memory *memory,
                       const struct live *live)
{
    int err =
        introspect_locate(in, live != NULL ? live->regs : NULL, live != NULL ? live->cpus : 0);

    if (err != KAPU_ENOENT && err != KAPU_EABSENT)
        return err;
    if (!memory_begins_at_zero(memory))
        return err;
    setup->ram_base = memory->ram_base;
    setup->ram_size = memory->ram_size;
    err = introspect_init(in, setup);
    return err != 0 ? err : introspect_locate(in, NULL, 0);
}

/* Whether there is something to compare; or says in a sentence why not. */
static int prepare(struct introspect *in, struct introspect_setup *setup, struct memory *memory,
                   const struct live *live, const struct file *allow)
{
    char root[INTROSPECT_ROOT];
    int err = find_kernel(in, setup, memory, live);

    if (err == KAPU_ENOENT)
        return fail("no kernel of this release is in this memory; is it the right release "
                    "(--release)?");
    if (err == KAPU_EABSENT)
        return fail("no kernel of this release is in the memory that the file has, and it lacks "
                    "some: it may be there, or be of another release (--release)");
    if (err != 0)
        return fail("kernel: %s (%d)", check_error(err), err);
    switch (introspect_fits(in, root)) {
    case INTROSPECT_STARTING:
        return fail("Linux had not started its first program yet: the checks do not apply to this "
                    "memory");
    case INTROSPECT_OTHER_ROOT:
        return fail("this gateway runs another root image than %s is of: root hash %s; is it the "
                    "right release (--release)?",
                    allow->path, root);
    default:
        return 0;
    }
}

/* Whether a check could not be made that has something to look at: this kernel may not have what it
 * is about, and a dump has no registers. */
static bool is_lacking(const struct result *r, int result)
{
    if (result == KAPU_EUNSUPPORTED)
        return !r->in->has_allow;
    if (result == KAPU_EARG)
        return r->live;
    return result < 0;
}

static int verdict(const struct result *r)
{
    if (r->findings.n > 0)
        return STATUS_FINDINGS;
    if (r->absent.n > 0)
        return STATUS_ERROR;
    for (size_t i = 0; i < r->checks_n; i++) {
        if (is_lacking(r, r->checks[i].result)) /* no clean bill of health */
            return STATUS_ERROR;
    }
    return STATUS_CLEAN;
}

/* What memory the file lacks; it is said whatever else is printed. */
static void note_absent(const struct options *o, const struct memory *memory, uint64_t blank,
                        struct result *r)
{
    struct absent a = {0};
    uint64_t all = 0;

    r->absent.n = 0;
    for (; memory_absent(memory, &a.pa, &a.size); a.pa += a.size) {
        list_add(&r->absent, &a, sizeof(a));
        all += a.size;
    }
    if (all == 0)
        return;
    a = *(const struct absent *)r->absent.items;
    fprintf(stderr, "kapu: %s: %llu KiB of the memory are not in the file", o->file,
            (unsigned long long)(all + 1023) / 1024);
    if (blank > 0)
        fprintf(stderr, ", %llu KiB of them are zeros there, though the kernel uses them",
                (unsigned long long)blank / 1024);
    fprintf(stderr, ": the first at %#llx; nothing is said of what is there\n",
            (unsigned long long)a.pa);
}

static void run(const struct options *o, struct result *r)
{
    r->findings.n = r->tasks.n = r->modules.n = r->sockets.n = r->code.n = r->pages.n = 0;
    r->checks_n = 0;
    r->seconds = 0;
    run_checks(r);
    run_listings(o, r);
}

/* A dump that has zeros where it lacks memory looks as if somebody had changed it: if that is so,
 * all is done again without that memory. */
static int run_on_dump(const struct options *o, struct introspect_setup *setup,
                       struct memory *memory, const struct file *allow, struct result *r)
{
    uint64_t blank = 0, more = 1;
    int err = 0;

    for (int i = 0; err == 0 && more > 0 && r->findings.n > 0 && i < BLANK_ROUNDS; i++) {
        more = blank_remove(memory, r->in, &r->findings);
        blank += more;
        if (more == 0)
            break;
        r->findings.n = r->checks_n = 0;
        err = introspect_init(r->in, setup);
        if (err == 0)
            err = prepare(r->in, setup, memory, NULL, allow);
        if (err == 0)
            run(o, r);
    }
    note_absent(o, memory, blank, r);
    return err;
}

/* Only one look: what it finds is in r, which the caller frees. */
static int look(const struct options *o, struct memory *memory, const struct live *live,
                const struct file *profile, const struct file *allow, struct result *r)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    uint8_t *work = malloc(WORK_SIZE);
    struct introspect_setup setup = {
        .profile = {profile->p, profile->n},
        .allow = {allow->p, allow->n},
        .mem = memory_port(memory),
        .sha = {sha256, digest},
        .ram_base = memory->ram_base,
        .ram_size = memory->ram_size,
        .work = work,
        .work_n = WORK_SIZE,
        .cache_pages = CACHE_PAGES,
        .attempts = 1,
        .report = add_finding,
        .report_ctx = &r->findings,
    };
    int status = STATUS_ERROR;

    if (digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 && work != NULL &&
        open_knowledge(r->in, &setup, profile, allow) == 0) {
        if (prepare(r->in, &setup, memory, live, allow) == 0) {
            r->live = live != NULL && live->stopped;
            r->registers = live != NULL && live->cpus > 0;
            run(o, r);
            if (live != NULL || run_on_dump(o, &setup, memory, allow, r) == 0)
                status = verdict(r);
        } else if (live == NULL) {
            note_absent(o, memory, 0, r);
        }
    }
    free(work);
    EVP_MD_CTX_free(digest);
    return status;
}

static void free_result(struct result *r)
{
    free(r->findings.items);
    free(r->tasks.items);
    free(r->modules.items);
    free(r->sockets.items);
    free(r->code.items);
    free(r->pages.items);
    free(r->absent.items);
}

void finding_symbol(const struct result *r, const struct finding *f, char to[SYMBOLS_FINDING_MAX])
{
    const uint64_t start = r->in->profile.base + r->in->slide;
    const struct bytes detail = {(const uint8_t *)f->detail, strlen(f->detail)};

    if (f->address < start || !symbols_finding(&r->symbols, f->address - start, detail, to))
        to[0] = '\0';
}

static bool has_finding(const struct list *l, const struct finding *f)
{
    const struct finding *other = l->items;

    for (size_t i = 0; i < l->n; i++) {
        if (introspect_same(&other[i], f))
            return true;
    }
    return false;
}

static bool is_of_check(const struct finding *f, const char *check)
{
    size_t n = strlen(check);

    return (strncmp(f->id, check, n) == 0 && f->id[n] == '.') ||
           (strncmp(f->id, "report.", 7) == 0 && strcmp(f->object, check) == 0);
}

/* Keeps the findings that an earlier look had too, and counts them again. */
static void confirm(struct result *r, const struct list *earlier)
{
    struct finding *f = r->findings.items;
    size_t n = 0;

    for (size_t i = 0; i < r->findings.n; i++) {
        if (has_finding(earlier, &f[i]))
            f[n++] = f[i];
    }
    r->findings.n = n;
    for (size_t i = 0; i < r->checks_n; i++) {
        int count = 0;

        for (size_t j = 0; j < n; j++)
            count += is_of_check(&f[j], r->checks[i].check->id) ? 1 : 0;
        if (r->checks[i].result > 0)
            r->checks[i].result = count;
        r->checks[i].findings = (size_t)count;
    }
}

/* Looks at a dump, or at a gateway that is stopped for it; *went_on: it runs between two looks. */
static int look_at(const struct options *o, const char *folder, const struct file *profile,
                   const struct file *allow, struct result *r, bool *went_on)
{
    struct live live = {.qmp = -1, .gdb = -1, .guard = GUARD_NONE};
    struct memory memory = {0};
    int status = STATUS_ERROR;

    if ((o->live == NULL || live_begin(&live, folder) == 0) &&
        memory_open(&memory, o->live != NULL ? live.ram : o->file) == 0)
        status = look(o, &memory, o->live != NULL ? &live : NULL, profile, allow, r);
    *went_on = live.stopped;
    memory_close(&memory);
    live_end(&live);
    return status;
}

static bool any_may_pass(const struct result *r)
{
    const struct finding *f = r->findings.items;

    for (size_t i = 0; i < r->findings.n; i++) {
        if (introspect_may_pass(r->in, &f[i]))
            return true;
    }
    return false;
}

/*
 * A gateway can be stopped in the middle of a change, when a module has left the kernel's list and
 * still has memory, for example. What is wrong stays: it is there at each of some looks. What may
 * pass is looked at more often and for longer, for a busy gateway takes seconds over it, and the
 * next module often has the addresses of the last.
 */
static int look_until_sure(const struct options *o, const char *folder, const struct file *profile,
                           const struct file *allow)
{
    struct introspect in;
    struct result r = {0}, earlier = {0};
    useconds_t pause = LOOK_PAUSE_US;
    bool went_on = false;
    int status = STATUS_ERROR;

    for (int i = 0; i < LOOKS_PASSING; i++) {
        r = (struct result){.source = o->live != NULL ? o->live : o->file, .in = &in};
        status = look_at(o, folder, profile, allow, &r, &went_on);
        if (i > 0 && status == STATUS_ERROR) {
            fprintf(stderr, "kapu: it cannot be looked at again; this is what one look found\n");
            free_result(&r);
            r = earlier;
            status = STATUS_FINDINGS;
            break;
        }
        if (i > 0)
            confirm(&r, &earlier.findings);
        free_result(&earlier);
        if (status != STATUS_ERROR)
            status = verdict(&r);
        if (status != STATUS_FINDINGS || !went_on || i + 1 == LOOKS_PASSING ||
            (i + 1 >= LOOKS && !any_may_pass(&r)))
            break;
        earlier = r;
        usleep(pause);
        pause = pause < LOOK_PAUSE_US_MAX / 3 * 2 ? pause / 2 * 3 : LOOK_PAUSE_US_MAX;
    }
    if (status != STATUS_ERROR || r.checks_n > 0)
        show(o, &r);
    if (r.checks_n > 0 && o->picture != NULL && write_picture(o->picture, &r) != 0)
        status = STATUS_ERROR;
    free_result(&r);
    return status;
}

/* The release of a gateway is build/FLAVOUR of this checkout. */
static void release_of(const char *folder, char *to, size_t n)
{
    char path[1200];
    struct file facts;
    const char *flavour = "gateway";

    snprintf(path, sizeof(path), "%s/instance.json", folder);
    if (read_file(path, true, &facts) == 0 && facts.n > 0 &&
        memmem(facts.p, facts.n, "\"flavour\": \"lab\"", 16) != NULL)
        flavour = "lab";
    free(facts.p);
    snprintf(to, n, "build/%s", flavour);
}

/* The files of a release, each of which an option may replace. */
static int read_release(const struct options *o, const char *release, struct file *profile,
                        struct file *allow)
{
    char path[1300];

    snprintf(path, sizeof(path), "%s/kernel.profile", release);
    if (read_file(o->profile != NULL ? o->profile : path, false, profile) != 0)
        return -1;
    snprintf(path, sizeof(path), "%s/allow.list", release);
    if (read_file(o->allow != NULL ? o->allow : path, o->allow == NULL, allow) != 0)
        return -1;
    if (allow->n == 0)
        fprintf(stderr, "kapu: there is no %s; what needs it is not checked\n", path);
    return 0;
}

int command_inspect(int argc, char **argv)
{
    struct options o = {0};
    char folder[600] = "", release[600] = "build/gateway";
    struct file profile = {0}, allow = {0};
    int status = STATUS_ERROR;

    leave_when_cut(STATUS_ERROR);
    if (options_parse(argc, argv, &o) != 0)
        return STATUS_ERROR;
    if (o.live != NULL) {
        snprintf(folder, sizeof(folder), strchr(o.live, '/') != NULL ? "%s" : "build/gateways/%s",
                 o.live);
        release_of(folder, release, sizeof(release));
    }
    if (o.release == NULL)
        o.release = release;
    if ((o.picture == NULL || picture_may_write(o.picture) == 0) &&
        read_release(&o, o.release, &profile, &allow) == 0)
        status = look_until_sure(&o, folder, &profile, &allow);
    free(profile.p);
    free(allow.p);
    return status;
}
