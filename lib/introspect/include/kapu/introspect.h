/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks into the memory of a Linux kernel (arm64, 4 KiB pages, 48-bit addresses) and says what is
 * not as its signed release says. docs/introspection.md tells what each finding means.
 *
 * Trust: the profile and the allow-list are signed with the release; the reader still checks every
 * bound, so that a damaged one gives an error and nothing worse. The memory belongs to an attacker
 * who may have put anything anywhere and may change it between two reads. Every read is bounded,
 * every walk and every loop has a limit, and what was read twice may differ.
 *
 * Ownership: the caller owns all memory. `struct introspect` points into profile, allow-list and
 * work memory, which must outlive it. Nothing is allocated, there are no globals; two instances do
 * not know of each other.
 *
 * Units: bytes; addresses are physical (pa) or virtual (va) addresses of the watched system.
 * Errors: 0 or a negative KAPU_E*. A check that could not do its work returns an error; what is
 * wrong with the kernel is never an error but a finding.
 */
#ifndef KAPU_INTROSPECT_H
#define KAPU_INTROSPECT_H

#include <kapu/bytes.h>
#include <kapu/sha256.h>

/*
 * The watched system's memory. Reads n bytes at pa, or fails with a negative value: KAPU_EABSENT
 * when the system has that memory and it cannot be read, because a dump lacks it. Any other: it has
 * no such memory.
 */
struct mem {
    int (*read)(void *ctx, uint64_t pa, void *to, size_t n);
    void *ctx;
};

/* EL1 registers of one core, as saved when it entered the secure world or was stopped. */
struct introspect_regs {
    uint64_t vbar, ttbr1, tcr, sctlr, mair;
};

enum introspect_severity {
    INTROSPECT_WARNING = 1, /* unusual; policy decides */
    INTROSPECT_ALARM = 2,   /* cannot happen on an intact system */
};

#define INTROSPECT_OBJECT 64u
#define INTROSPECT_DETAIL 128u

/* One thing that is not as it should be. */
struct finding {
    const char *id; /* stable, "check.what" */
    enum introspect_severity severity;
    char object[INTROSPECT_OBJECT]; /* what it is about: a process, a module, a symbol's name */
    uint64_t address;               /* where, usually a virtual address; 0: nowhere in particular */
    uint64_t whole; /* address of what is judged, if `address` is a place in it; else 0 */
    uint64_t owner; /* whose address it is, when others have the same; else 0 */
    uint64_t pa;    /* the page that it is about; 0: not known, or no single one */
    bool passing;   /* it is about something that is being changed, see introspect_may_pass */
    char detail[INTROSPECT_DETAIL];
};

/* A profile that was opened (profile_format.h): views of its sections. */
struct introspect_profile {
    struct bytes all;
    uint64_t base; /* linked address of _text */
    uint32_t pages;
    struct {
        uint32_t offset, count;
    } section[14];
};

/* An allow-list that was opened (allow_format.h). */
struct introspect_allow {
    struct bytes all;
    struct {
        uint32_t offset, count;
    } section[8];
};

struct introspect_stats {
    uint64_t bytes_hashed;
    uint64_t pages_walked; /* page tables read */
    uint64_t reads;        /* calls of mem.read */
    uint64_t lookups;      /* what the checks asked for, from the page cache too */
    uint64_t absent;       /* of these, what failed with KAPU_EABSENT */
};

#define INTROSPECT_CPUS 8u
#define INTROSPECT_CACHE 256u
#define INTROSPECT_TABLES 64u
#define INTROSPECT_PENDING 48u
#define INTROSPECT_MODULE_CODE 16u
#define INTROSPECT_WORK_MIN (64u << 10)
#define INTROSPECT_CACHED_PAGE 4104u /* work memory that a page of the page cache takes */
#define INTROSPECT_READS (16u << 20) /* an intact gateway takes a hundredth of it */

struct introspect {
    /* Given by the caller. */
    struct introspect_profile profile;
    struct introspect_allow allow;
    bool has_allow;
    struct mem mem;
    struct kapu_sha256 sha;
    uint64_t ram_base, ram_size;
    struct introspect_regs regs[INTROSPECT_CPUS];
    uint32_t cpus;     /* of which regs are known */
    uint32_t attempts; /* a finding counts when that many runs of a check see it */
    uint64_t reads_max;
    void (*report)(void *ctx, const struct finding *f);
    void *report_ctx;
    void (*intact)(void *ctx, uint64_t pa);
    void *intact_ctx;
    uint8_t *work; /* scratch of the checks: the set */
    size_t work_n;
    uint8_t *hashed; /* pages whose content was looked up in this deep check */
    size_t hashed_n;
    uint8_t *pages; /* page cache, then for each of its pages which one it is, and how old */
    uint32_t cache_pages, cache_age;

    /* Found by introspect_locate(). */
    uint64_t text_pa; /* where _text is */
    uint64_t slide;   /* added to linked addresses (KASLR) */
    uint64_t root_pa; /* kernel's page tables */
    struct introspect_stats stats;

    /* Inner state. */
    struct {
        uint64_t va, pa; /* pages; va 0: empty */
    } cache[INTROSPECT_CACHE];
    struct {
        uint64_t root, va, table, above; /* last tables on the way to va; root 0: empty */
    } tables[INTROSPECT_TABLES];
    struct {
        uint64_t va, size;
        uint32_t deep; /* deep check that saw it last */
    } module_code[INTROSPECT_MODULE_CODE];
    uint32_t deep; /* number of this deep check */
    struct finding pending[INTROSPECT_PENDING];
    uint32_t pending_n, lost, run, said;
    uint32_t set_n, hashed_used, victim;
    uint64_t budget; /* lookups that the current run may still do */
    uint64_t ran;    /* checks of this deep check, by their places in the table */
    uint64_t one_pa; /* the page that introspect_run_page() is about */
    uint8_t seen[INTROSPECT_PENDING];
    _Alignas(8) uint8_t page[4096]; /* aligned: copied word by word */
    _Alignas(8) uint8_t table[4][4096];
};

struct introspect_setup {
    struct bytes profile;
    struct bytes allow; /* {NULL, 0}: none, the checks that need it say KAPU_ENOENT */
    struct mem mem;
    struct kapu_sha256 sha;
    uint64_t ram_base, ram_size;
    /* At least INTROSPECT_WORK_MIN; more lets it follow more tasks. Aligned, it is faster. */
    uint8_t *work;
    size_t work_n;
    /*
     * Pages of the page cache, taken from the end of the work memory: so many times
     * INTROSPECT_CACHED_PAGE beyond INTROSPECT_WORK_MIN. It saves calls of mem.read, and is dropped
     * before each run of a check. 0: none. Where the kernel runs on meanwhile, a copy must not get
     * old: cache_age says for how many lookups of a check it serves; 0: for all of one run.
     */
    uint32_t cache_pages, cache_age;
    uint32_t attempts;  /* 1 for a dump or a stopped system, 3 for a running one */
    uint64_t reads_max; /* lookups of one run of a check, so that all ends; 0: INTROSPECT_READS */
    void (*report)(void *ctx, const struct finding *f);
    void *report_ctx;
    /* May be NULL: told of each page of the image that was read, whole, and is as it was signed. */
    void (*intact)(void *ctx, uint64_t pa);
    void *intact_ctx;
};

/*
 * Opens profile and allow-list. KAPU_EINVAL: another format; KAPU_ERANGE: cut, or something was
 * added; KAPU_EAUTH: damaged, its content is not what its digest is of; KAPU_EUNSUPPORTED: other
 * version or other list of items than this library was built with; KAPU_EPIN: each is good, and the
 * allow-list was made with another profile; KAPU_ECRYPTO; KAPU_EARG.
 */
KAPU_MUST_CHECK int introspect_init(struct introspect *in, const struct introspect_setup *setup);

/*
 * Finds the kernel. With registers of at least one core: from TTBR1, proven by hashes of its text.
 * Without (cpus 0): by looking for the kernel's text in all of RAM. KAPU_ENOENT when no kernel with
 * this profile is there; KAPU_EABSENT when it is not found, and memory was absent where it could
 * be.
 */
KAPU_MUST_CHECK int introspect_locate(struct introspect *in, const struct introspect_regs *regs,
                                      uint32_t cpus);

#define INTROSPECT_ROOT 65u /* a root hash in hexadecimal, terminated */

enum introspect_fit {
    INTROSPECT_FITS,       /* or nothing speaks against it */
    INTROSPECT_STARTING,   /* Linux has started no program yet: there is nothing to compare */
    INTROSPECT_OTHER_ROOT, /* it runs another root image than the allow-list's */
};

/* Whether the allow-list can be compared with this system. After introspect_locate(). `root`: root
 * hash of the image that it runs, when that is another one. */
enum introspect_fit introspect_fits(struct introspect *in, char root[INTROSPECT_ROOT]);

/* One check. */
struct introspect_check {
    const char *id;    /* stable */
    const char *name;  /* for people */
    const char *reads; /* what it reads, for people */
    int (*run)(struct introspect *in);
};

/* The table of checks. */
size_t introspect_checks(const struct introspect_check **table);

/*
 * Runs a check, `attempts` times if it finds something, and reports what all runs saw. The number
 * of findings, or KAPU_EUNSUPPORTED when the kernel does not have what it is about or the
 * allow-list that it needs was not given; KAPU_EARG when it needs registers that are unknown;
 * KAPU_ECRYPTO. A kernel that cannot be followed to the end is a finding: report.broken,
 * report.endless. KAPU_EABSENT when memory that it needs is absent: what could be judged without
 * it was judged, and reported if it is wrong. No absent memory is a finding.
 *
 * One run of each check is a deep check. Within it no page of a program is hashed twice, though
 * several checks want to know it; a check that runs again begins a new one.
 */
KAPU_MUST_CHECK int introspect_run(struct introspect *in, const struct introspect_check *check);

/* Virtual address of the first byte of the kernel's image in this boot. After introspect_locate().
 */
uint64_t introspect_image_base(const struct introspect *in);

/* Whether a page is in the kernel's text or read-only data and the check "text" compares all of it
 * with the signed image: nothing in it may change by itself. After introspect_locate(). */
bool introspect_is_constant(const struct introspect *in, uint64_t pa);

/*
 * What the check "text" says of one page of the image, in which mem gives a picture of it as it was
 * at some time. What the keys of its jump labels said then is not known and not asked. As
 * introspect_run(), and no part of a deep check; KAPU_EARG: no such page.
 */
KAPU_MUST_CHECK int introspect_run_page(struct introspect *in, uint64_t pa);

/* Whether Linux switches code by jump labels while it runs: then pages of text change by
 * themselves. */
bool introspect_has_jump_labels(const struct introspect *in);

/* What a listing shows. Strings are cut to fit and terminated; control characters become '?'. */
struct introspect_task {
    uint64_t va;
    uint32_t pid, tgid, parent, uid, euid, suid, fsuid;
    uint64_t caps, permitted; /* caps: effective */
    uint8_t seccomp;
    bool kernel, no_new_privs, memory; /* memory: it has an address space of its own */
    char comm[16];
    char exe[128]; /* empty: none */
};

struct introspect_module {
    uint64_t va, base;
    uint32_t size, state;
    char name[56];
};

struct introspect_socket {
    uint64_t va;
    uint16_t family, type, protocol, state, port, peer_port;
    uint8_t address[16], peer[16]; /* IPv4 in the first 4 bytes */
    uint32_t pid;                  /* 0: found in the kernel's tables, in no process */
    char comm[16];
};

struct introspect_code {
    uint32_t pid;
    uint64_t start, end, flags;
    uint32_t resident; /* executable pages that are mapped */
    char comm[16];
    char file[128]; /* empty: anonymous */
};

/* What a page of RAM is used for. */
enum introspect_page {
    INTROSPECT_PAGE_UNKNOWN, /* the kernel knows no such page */
    INTROSPECT_PAGE_FREE,
    INTROSPECT_PAGE_RESERVED, /* since boot */
    INTROSPECT_PAGE_TEXT,     /* of the kernel's image */
    INTROSPECT_PAGE_RODATA,
    INTROSPECT_PAGE_DATA,
    INTROSPECT_PAGE_TABLE, /* page tables */
    INTROSPECT_PAGE_SLAB,
    INTROSPECT_PAGE_KERNEL,    /* of the kernel, something else */
    INTROSPECT_PAGE_CACHE,     /* of a file */
    INTROSPECT_PAGE_CODE,      /* of a file, and a page of code of the root image by its content */
    INTROSPECT_PAGE_ANONYMOUS, /* of processes */
    INTROSPECT_PAGES,
};

/* Listings call back for each object; a negative result of the callback ends them with it. */
typedef int (*introspect_task_fn)(void *ctx, const struct introspect_task *t);
typedef int (*introspect_module_fn)(void *ctx, const struct introspect_module *m);
typedef int (*introspect_socket_fn)(void *ctx, const struct introspect_socket *s);
typedef int (*introspect_code_fn)(void *ctx, const struct introspect_code *c);
/*
 * What all of RAM is used for, ascending, in runs of pages of one kind; beginning at pa. Image and
 * page tables are seen by themselves, code as far as the checks of this deep check compared it; for
 * the rest the kernel's account is believed: this is for people to look at, not a check.
 */
typedef int (*introspect_page_fn)(void *ctx, uint64_t pa, uint32_t pages,
                                  enum introspect_page kind);
KAPU_MUST_CHECK int introspect_pages(struct introspect *in, introspect_page_fn fn, void *ctx);
KAPU_MUST_CHECK int introspect_tasks(struct introspect *in, introspect_task_fn fn, void *ctx);
KAPU_MUST_CHECK int introspect_modules(struct introspect *in, introspect_module_fn fn, void *ctx);
KAPU_MUST_CHECK int introspect_sockets(struct introspect *in, introspect_socket_fn fn, void *ctx);
KAPU_MUST_CHECK int introspect_code(struct introspect *in, introspect_code_fn fn, void *ctx);

/* The kernel's version string from the profile. */
struct bytes introspect_banner(const struct introspect *in);

/*
 * What an intact system, when it is busy, may leave as it is for longer than all attempts. Such a
 * finding (may_pass) is one when it is still there (persists) whenever somebody looks in the rest
 * of a deep check: a process that has a new program and the rights of the old one yet; and where
 * policy knows modules, the code with which one starts, which stays mapped for seconds after, in no
 * list.
 */
bool introspect_may_pass(const struct introspect *in, const struct finding *f);
bool introspect_persists(struct introspect *in, const struct finding *f);

/* Whether two looks found the same: identifier, object, and what was judged. Not the place in it,
 * which somebody could change between two looks to have each find something new. */
bool introspect_same(const struct finding *a, const struct finding *b);

/* Many findings of one kind must not hide another kind: of n findings, all that there is room for,
 * the one whose place the first of kind `id` takes; n: none, `id` has one already. */
size_t introspect_spare(const struct finding *f, size_t n, const char *id);

#endif
