/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of lib/introspect share. */
#ifndef KAPU_INTROSPECT_INTERNAL_H
#define KAPU_INTROSPECT_INTERNAL_H

#include <kapu/introspect.h>

#include "allow_format.h"
#include "profile_format.h"
#include "sectioned_format.h"

#define PAGE_SIZE 4096u
#define PAGE_MASK 0xfffu
#define LIST_MAX 65536u /* nodes of one list */
#define PATH_PARTS 40u  /* folders above a file */

/* Items of profile.def: F_struct_member, Z_struct, N_struct_member, S_symbol, V_enumerator. */
#define FIELD(s, m) F_##s##_##m,
#define SIZE(s) Z_##s,
#define COUNT(s, m) N_##s##_##m,
#define SYMBOL(n) S_##n,
#define VALUE(n) V_##n,
enum item {
#include "profile_items.h"
    ITEMS
};

/* ---- sectioned.c: what profile and allow-list have in common ---- */

/* Whether a file begins and ends as it must. KAPU_EINVAL: another format; KAPU_EUNSUPPORTED:
 * another version; KAPU_ERANGE: cut, or something was added; KAPU_EAUTH: its content is not what
 * its digest is of; KAPU_ECRYPTO. */
KAPU_MUST_CHECK int sectioned_check(const struct kapu_sha256 *sha, struct bytes data,
                                    const char *magic, uint32_t version);
/* The digest with which a file that was checked ends. */
struct bytes sectioned_digest(struct bytes data);

/* ---- profile.c: records of the profile, as validated by profile_open() ---- */

struct range {
    uint32_t start, end, kind, first_hash;
};

struct site {
    uint32_t offset, first_word, extra;
    uint8_t words, kind, variants;
};

KAPU_MUST_CHECK int profile_open(struct introspect_profile *p, struct bytes data,
                                 const struct kapu_sha256 *sha);
uint32_t profile_count(const struct introspect_profile *p, enum profile_section s);
/* Value of an item; PROFILE_ABSENT when the kernel does not have it. */
static inline uint32_t profile_item(const struct introspect_profile *p, enum item i)
{
    return kapu_le32(p->all.p + p->section[SECTION_ITEMS].offset + 4 * (size_t)i);
}
struct range profile_range(const struct introspect_profile *p, uint32_t n);
struct site profile_site(const struct introspect_profile *p, uint32_t n);
/* First site at or behind an offset. */
uint32_t profile_site_from(const struct introspect_profile *p, uint32_t offset);
/* A 32-bit word of a section of such records. */
uint32_t profile_word(const struct introspect_profile *p, enum profile_section s, uint32_t n,
                      uint32_t word);
const uint8_t *profile_hash(const struct introspect_profile *p, uint32_t n);
/* The check bytes of a page of RANGE_TEXT, by the number of its hash. */
const uint8_t *profile_granules(const struct introspect_profile *p, uint32_t n);
/* The 512 bits of a page's relocated words, or NULL when it has none. */
const uint8_t *profile_relocs(const struct introspect_profile *p, uint32_t page);

static inline uint32_t item(const struct introspect *in, enum item i)
{
    return profile_item(&in->profile, i);
}

static inline bool has(const struct introspect *in, enum item i)
{
    return item(in, i) != PROFILE_ABSENT;
}

/* Address of an offset of the image, as the running kernel sees it. */
static inline uint64_t image_va(const struct introspect *in, uint32_t offset)
{
    return in->profile.base + in->slide + offset;
}

static inline uint64_t symbol(const struct introspect *in, enum item i)
{
    return image_va(in, item(in, i));
}

/* ---- allow.c ---- */

struct program {
    uint64_t caps;
    uint32_t flags, first;
    uint16_t users, ports, peers;
};

KAPU_MUST_CHECK int allow_open(struct introspect_allow *a, struct bytes data,
                               const struct kapu_sha256 *sha);
/* Whether it was made with that kernel profile. */
bool allow_is_of(const struct introspect_allow *a, const struct introspect_profile *p);
#define ALLOW_NONE UINT32_MAX
/* The number of a page of any file of the root image that has that hash; ALLOW_NONE: none has. */
uint32_t allow_page(const struct introspect_allow *a, const uint8_t hash[KAPU_SHA256_SIZE]);
/* An executable file of the root image, for allow_page_of(); ALLOW_NONE: it has no such file. */
uint32_t allow_file(const struct introspect_allow *a, const char *path);
/* The number of a page of a file; ALLOW_NONE: it is in no executable part of it. */
uint32_t allow_page_of(const struct introspect_allow *a, uint32_t file, uint64_t page);
/* Whether two pages of the root image have the same content. */
bool allow_same(const struct introspect_allow *a, uint32_t page, uint32_t other);
/* The policy for a program; KAPU_ENOENT: it may not run. */
KAPU_MUST_CHECK int allow_program(const struct introspect_allow *a, const char *path,
                                  struct program *p);
bool program_user(const struct introspect_allow *a, const struct program *p, uint32_t uid);
bool program_port(const struct introspect_allow *a, const struct program *p, uint32_t protocol,
                  uint32_t port);
/* Whether a program may be connected with a port of an address of `size` (4 or 16) bytes. */
bool program_peer(const struct introspect_allow *a, const struct program *p, const uint8_t *address,
                  uint32_t size, uint32_t port);
/* Whether a module of that name may be loaded. */
bool allow_module(const struct introspect_allow *a, const char *name);
bool allow_has_modules(const struct introspect_allow *a);
/* Whether policy says yes to something that is else not allowed. */
bool allow_yes(const struct introspect_allow *a, enum allow_state key);
/* What the policy says of a state; text for strings. KAPU_ENOENT: nothing. */
KAPU_MUST_CHECK int allow_state(const struct introspect_allow *a, enum allow_state key,
                                uint32_t *value, const char **text);
struct bytes allow_root(const struct introspect_allow *a);

/* ---- set.c: addresses seen so far, in the work memory; one set at a time ---- */

typedef int (*set_fn)(struct introspect *in, uint64_t key, uint64_t value, void *ctx);
void set_clear(struct introspect *in);
/* Adds key if it is new and sets bits of its number. KAPU_ESPACE: full. */
KAPU_MUST_CHECK int set_or(struct introspect *in, uint64_t key, uint64_t bits);
/* The number of a key; 0: not there. */
uint64_t set_get(const struct introspect *in, uint64_t key);
KAPU_MUST_CHECK int set_each(struct introspect *in, set_fn fn, void *ctx);

/* ---- content.c ---- */

/* Which page of the root image a page of memory is, by its content; ALLOW_NONE: none. Hashed once
 * in a deep check. */
KAPU_MUST_CHECK int page_content(struct introspect *in, uint64_t pa, uint32_t *page);
/* The same, hashed now, whatever it was before: memory gets another use while one looks. */
KAPU_MUST_CHECK int page_content_now(struct introspect *in, uint64_t pa, uint32_t *page);
/* Whether this deep check saw that the page is one of the root image. */
bool content_is_known(const struct introspect *in, uint64_t pa);
/* Begins a deep check: what was hashed before has to be hashed again. */
void content_forget(struct introspect *in);

/* ---- memory.c ---- */

struct leaf {
    uint64_t va, pa, size;
    bool write, exec, user, user_exec;
};

/* Small pieces come from the page cache, large ones from memory as it is now. */
KAPU_MUST_CHECK int read_pa(struct introspect *in, uint64_t pa, void *to, size_t n);
/* Never from the page cache: for what is not near anything else. */
KAPU_MUST_CHECK int read_now(struct introspect *in, uint64_t pa, void *to, size_t n);
/* Drops pages and tables that were read before. */
void caches_drop(struct introspect *in);
KAPU_MUST_CHECK int read_va(struct introspect *in, uint64_t va, void *to, size_t n);
KAPU_MUST_CHECK int read_u64(struct introspect *in, uint64_t va, uint64_t *v);
KAPU_MUST_CHECK int read_u32(struct introspect *in, uint64_t va, uint32_t *v);
KAPU_MUST_CHECK int read_u16(struct introspect *in, uint64_t va, uint16_t *v);
KAPU_MUST_CHECK int read_u8(struct introspect *in, uint64_t va, uint8_t *v);
/* A pointer or number in a structure at va. */
KAPU_MUST_CHECK int field_u64(struct introspect *in, uint64_t va, enum item f, uint64_t *v);
KAPU_MUST_CHECK int field_u32(struct introspect *in, uint64_t va, enum item f, uint32_t *v);
/* A string of at most n - 1 bytes, terminated and made printable. */
KAPU_MUST_CHECK int read_text(struct introspect *in, uint64_t va, char *to, size_t n);
/* Where va leads by the page tables at root; KAPU_ENOENT: nowhere. */
KAPU_MUST_CHECK int translate(struct introspect *in, uint64_t root, uint64_t va, struct leaf *leaf);
/* Calls back for every mapped part, ascending. KAPU_ESPACE when there are more tables than `most`.
 */
typedef int (*table_fn)(struct introspect *in, uint64_t table, void *ctx);
typedef int (*leaf_fn)(struct introspect *in, const struct leaf *leaf, void *ctx);
/* The same, and for each table; table: its physical address. */
KAPU_MUST_CHECK int tables_visit(struct introspect *in, uint64_t root, uint64_t base, uint32_t most,
                                 leaf_fn fn, table_fn table, void *ctx);
KAPU_MUST_CHECK int tables_walk(struct introspect *in, uint64_t root, uint64_t base, uint32_t most,
                                leaf_fn fn, void *ctx);
/* Whether a mapping leads to some of a part of the image. */
static inline bool leaf_touches(const struct introspect *in, const struct leaf *leaf,
                                enum item start, enum item end)
{
    return leaf->pa < in->text_pa + item(in, end) &&
           leaf->pa + leaf->size > in->text_pa + item(in, start);
}
static inline bool is_kernel_va(uint64_t va)
{
    return va >> 48 == 0xffff;
}

/* ---- text.c: content of the image ---- */

struct page_fault {
    bool site;       /* a patch site holds what it may not; else the page has another hash */
    uint32_t offset; /* of the site; of the page, or of the first granule of it that differs */
    uint32_t granules, value; /* how many differ, as far as their check bytes tell; 0: no telling */
    uint8_t kind;
};
typedef void (*page_fault_fn)(struct introspect *in, const struct page_fault *fault, void *ctx);
/* Compares one page of a range with what was signed; fn (may be NULL) hears of each difference.
 * The number of differences, or an error. */
KAPU_MUST_CHECK int image_page(struct introspect *in, uint64_t text_pa, uint64_t slide,
                               const struct range *range, uint32_t offset, page_fault_fn fn,
                               void *ctx);
/* Whether an offset of the image is among what may change, so that no hash covers it. */
bool image_is_hole(const struct introspect *in, uint32_t offset);
/* Whether an address is in kernel text. */
bool is_text(const struct introspect *in, uint64_t va);

/* ---- report.c ---- */

/* Before each run of a check and each listing: nothing that was read before, and a limit to reads.
 */
void budget_start(struct introspect *in);
void finding_start(struct finding *f, const char *id, enum introspect_severity severity,
                   uint64_t address, const char *object);
void say(struct finding *f, const char *text);
void say_hex(struct finding *f, uint64_t v);
void say_dec(struct finding *f, uint64_t v);
void finding_add(struct introspect *in, const struct finding *f);
/* Appends to a terminated string of n bytes, cutting what does not fit. */
void text_append(char *to, size_t n, const char *text);
void text_append_dec(char *to, size_t n, uint64_t v);
void text_append_hex(char *to, size_t n, uint64_t v);
bool text_equal(const char *a, const char *b);

/* ---- page.c: the kernel's struct page of each page of RAM ---- */

/* Physical address of the memory that a struct page stands for; KAPU_ERANGE: of no RAM. */
KAPU_MUST_CHECK int page_pa(struct introspect *in, uint64_t page, uint64_t *pa);
/* Pages of a folio, 1 when it is a single one. */
KAPU_MUST_CHECK int folio_pages(struct introspect *in, uint64_t folio, uint64_t *n);

/* ---- walk.c: the kernel's containers. A callback's non-zero result ends the walk with it. ---- */

typedef int (*node_fn)(struct introspect *in, uint64_t node, void *ctx);
/* Circular struct list_head at va; node: address of each list_head but the head. KAPU_EINVAL: not
 * circular within `most` nodes, or a node's back pointer is wrong. */
KAPU_MUST_CHECK int list_walk(struct introspect *in, uint64_t head, uint32_t most, node_fn fn,
                              void *ctx);
/* hlist: ends at zero; with nulls markers: at an odd value. KAPU_EINVAL: at something else. */
KAPU_MUST_CHECK int hlist_walk(struct introspect *in, uint64_t head, uint32_t most, node_fn fn,
                               void *ctx);
KAPU_MUST_CHECK int nulls_walk(struct introspect *in, uint64_t head, uint32_t most, node_fn fn,
                               void *ctx);
/* Red-black tree at a struct rb_root. */
KAPU_MUST_CHECK int rbtree_walk(struct introspect *in, uint64_t root, uint32_t most, node_fn fn,
                                void *ctx);
/* Entries of an xarray or IDR. */
KAPU_MUST_CHECK int xarray_walk(struct introspect *in, uint64_t xarray, uint32_t most, node_fn fn,
                                void *ctx);
/* A per-CPU variable: node: its address for each core that may be there. */
KAPU_MUST_CHECK int cpu_walk(struct introspect *in, enum item variable, node_fn fn, void *ctx);
/* Entries of a maple tree (VMAs). */
KAPU_MUST_CHECK int maple_walk(struct introspect *in, uint64_t tree, uint32_t most, node_fn fn,
                               void *ctx);

/* ---- code.c: code outside the image that the kernel has a record of ---- */

/* Whether [va, va + size) is text of a listed module, or in BPF's or kprobes' code pages; also if
 * that cannot be said as memory is absent. */
KAPU_MUST_CHECK bool code_is_known(struct introspect *in, uint64_t va, uint64_t size);
/* Whether an address is in memory of any kind of a listed module, or that cannot be said. */
KAPU_MUST_CHECK bool module_holds(struct introspect *in, uint64_t va);
/*
 * Code of a module that goes stays mapped until no core can be in it any more, though no list has
 * it: on a busy machine for seconds. So code of modules that policy knows is remembered when they
 * are seen in the list, and is known for the rest of this deep check and in the next one.
 */
void modules_remember(struct introspect *in);
KAPU_MUST_CHECK bool code_was_a_modules(const struct introspect *in, uint64_t va, uint64_t size);
/* Whether two functions have the same type, or it cannot be said as memory is absent. */
bool function_is_like(struct introspect *in, uint64_t function, uint64_t like);
/* Makes a finding of a function that the kernel will call unless it is kernel text of the type of
 * another function, or code that the kernel has a record of. `at`: where the pointer's object is.
 */
void callback_check(struct introspect *in, const char *id, const char *object, uint64_t at,
                    uint64_t function, uint64_t like);
KAPU_MUST_CHECK int module_walk(struct introspect *in, node_fn fn, void *ctx);
KAPU_MUST_CHECK int module_read(struct introspect *in, uint64_t va, struct introspect_module *m);

/* ---- task.c, file.c ---- */

/* Every process and thread of the task list; node: address of the task_struct. */
KAPU_MUST_CHECK int task_walk(struct introspect *in, node_fn fn, void *ctx);
/* Group leaders only, for lists that people read. */
KAPU_MUST_CHECK int process_walk(struct introspect *in, node_fn fn, void *ctx);
KAPU_MUST_CHECK int task_read(struct introspect *in, uint64_t va, struct introspect_task *t);
/* "comm[pid]" for findings. */
void task_label(struct introspect *in, uint64_t va, char *to, size_t n);
/* Path of a struct dentry or file, within its file system. */
KAPU_MUST_CHECK int dentry_path(struct introspect *in, uint64_t dentry, char *to, size_t n);
KAPU_MUST_CHECK int file_path(struct introspect *in, uint64_t file, char *to, size_t n);
/* Each open file of a task; of a thread only when it does not share them with its process. */
KAPU_MUST_CHECK int process_files(struct introspect *in, uint64_t task, node_fn fn, void *ctx);

/* ---- socket.c ---- */

KAPU_MUST_CHECK int socket_read(struct introspect *in, uint64_t sk, struct introspect_socket *s);
KAPU_MUST_CHECK int process_sockets(struct introspect *in, uint64_t task, node_fn fn, void *ctx);
/* Listening TCP, bound UDP and packet sockets in the kernel's tables. */
KAPU_MUST_CHECK int table_sockets(struct introspect *in, node_fn fn, void *ctx);
/* What is in the table of TCP connections: sockets, and what they leave there when they end. */
KAPU_MUST_CHECK int connected_sockets(struct introspect *in, node_fn fn, void *ctx);

/* ---- slabs and mappings ---- */

/* Every object of a slab cache, in use or not, by its linear address; `cache` is the address of the
 * variable that points to the cache. */
KAPU_MUST_CHECK int slab_walk(struct introspect *in, uint64_t cache, node_fn fn, void *ctx);

struct vma {
    uint64_t va, start, end, flags, file, pgoff;
};
KAPU_MUST_CHECK int vma_read(struct introspect *in, uint64_t va, struct vma *v);
#define VM_READ 1u
#define VM_WRITE 2u
#define VM_EXEC 4u

/* ---- check_state.c: devices of dm-verity ---- */

#define VERITY_DIGEST 64u

struct verity_device {
    uint64_t at;   /* of the digest */
    uint32_t size; /* of the digest, as the kernel says; more than there is room: not read */
    bool alone;    /* it is all of its device */
    uint8_t digest[VERITY_DIGEST]; /* root hash */
    char name[32];
};
typedef int (*verity_fn)(struct introspect *in, const struct verity_device *d, void *ctx);
KAPU_MUST_CHECK int verity_walk(struct introspect *in, verity_fn fn, void *ctx);

/* ---- the checks ---- */

int check_text(struct introspect *in);
int check_registers(struct introspect *in);
int check_tables(struct introspect *in);
int check_syscalls(struct introspect *in);
int check_pointers(struct introspect *in);
int check_modules(struct introspect *in);
int check_processes(struct introspect *in);
int check_credentials(struct introspect *in);
int check_state(struct introspect *in);
int check_code(struct introspect *in);
int check_sockets(struct introspect *in);
int check_netfilter(struct introspect *in);
int check_notifiers(struct introspect *in);
int check_timers(struct introspect *in);
int check_works(struct introspect *in);
int check_tracepoints(struct introspect *in);
int check_lsm(struct introspect *in);
int check_cache(struct introspect *in);
int check_operations(struct introspect *in);
int check_io_uring(struct introspect *in);

/* ---- parts of checks that have files of their own ---- */

/* Whether a finding that may pass (introspect_may_pass) is still there. */
bool tables_exec_persists(struct introspect *in, const struct finding *f);
bool credentials_persist(struct introspect *in, const struct finding *f);

/* eBPF programs and kprobes that policy does not allow; of check "code". */
int check_probes(struct introspect *in);
/* Namespaces of a task; of check "credentials". */
int check_namespaces(struct introspect *in, uint64_t task, const struct program *p);

#endif
