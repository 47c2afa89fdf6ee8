// SPDX-License-Identifier: Apache-2.0
#include "kernel_model.h"

#include <stdlib.h>
#include <string.h>

#define NOP 0xd503201fu
#define STRIDE 32u /* between members: room for what is embedded */
#define PTE_KERNEL_RW 0x0060000000000703ull
#define PTE_KERNEL_RO 0x0060000000000783ull
#define PTE_KERNEL_ROX 0x0040000000000783ull
#define PTE_USER_ROX 0x00200000000007c3ull
#define TABLE 3ull

struct name {
    const char *text;
    char kind;
};
#define FIELD(s, m) {#s "." #m, 'f'},
#define SIZE(s) {#s, 'z'},
#define COUNT(s, m) {#s "." #m "[]", 'n'},
#define SYMBOL(n) {#n, 's'},
#define VALUE(n) {#n, 'v'},
static const struct name names[] = {
#include "profile_items.h"
};

static void put(uint8_t *p, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

uint64_t model_pa(uint64_t va)
{
    if (va >= MODEL_LINKED)
        return va - MODEL_LINKED - MODEL_SLIDE + MODEL_TEXT_PA;
    return va - MODEL_LINEAR + MODEL_RAM_BASE;
}

static uint64_t linear(uint64_t pa)
{
    return pa - MODEL_RAM_BASE + MODEL_LINEAR;
}

static uint8_t *at(const struct kernel_model *m, uint64_t pa)
{
    return (uint8_t *)(uintptr_t)m->ram + (pa - MODEL_RAM_BASE);
}

uint64_t model_symbol(const struct kernel_model *m, enum item s)
{
    return MODEL_LINKED + MODEL_SLIDE + m->item[s];
}

uint64_t model_slot(const struct kernel_model *m, uint32_t n)
{
    return model_symbol(m, S_static_calls_table) + (uint64_t)n * m->item[Z_lsm_static_call];
}

uint64_t model_slot_key(uint32_t n)
{
    return MODEL_LINKED + MODEL_SLIDE + MODEL_KEYS + 32 * n;
}

uint64_t model_slot_active(uint32_t n)
{
    return model_slot_key(n) + 16;
}

void model_put(struct kernel_model *m, uint64_t va, uint64_t v)
{
    put(at(m, model_pa(va)), v, 8);
}

void model_put32(struct kernel_model *m, uint64_t va, uint32_t v)
{
    put(at(m, model_pa(va)), v, 4);
}

uint64_t model_get(const struct kernel_model *m, uint64_t va)
{
    return kapu_le64(at(m, model_pa(va)));
}

void model_set(struct kernel_model *m, uint64_t va, enum item field, uint64_t v)
{
    model_put(m, va + m->item[field], v);
}

static void set32(struct kernel_model *m, uint64_t va, enum item field, uint32_t v)
{
    model_put32(m, va + m->item[field], v);
}

static void set_text(struct kernel_model *m, uint64_t va, const char *text)
{
    memcpy(at(m, model_pa(va)), text, strlen(text) + 1);
}

void model_unlink(struct kernel_model *m, uint64_t node)
{
    uint64_t after = model_get(m, node), before = model_get(m, node + 8);

    model_put(m, before, after);
    model_put(m, after + 8, before);
}

uint64_t model_allocate(struct kernel_model *m, uint64_t n)
{
    uint64_t align = n >= PAGE_SIZE ? PAGE_SIZE : 256, pa = (m->next + align - 1) & ~(align - 1);

    m->next = pa + n;
    return linear(pa);
}

/* ---- Layout: what the profile says ---- */

static bool same_structure(const char *a, const char *b)
{
    size_t n = strcspn(a, ".");

    return strcspn(b, ".") == n && memcmp(a, b, n) == 0;
}

static void place_symbols(struct kernel_model *m)
{
    static const struct {
        enum item symbol;
        uint32_t offset;
    } fixed[] = {
        {S__stext, MODEL_STEXT},
        {S__etext, MODEL_ETEXT},
        {S__end, MODEL_END},
        {S___start_rodata, MODEL_ETEXT},
        {S___inittext_begin, MODEL_RODATA_END},
        {S___init_end, MODEL_DATA},
        {S__data, MODEL_DATA},
        {S_vectors, 0x3000},
        {S___bp_harden_el1_vectors, 0x4000},
        {S_rtnetlink_event, MODEL_NOTIFIER},
        {S_delayed_work_timer_fn, MODEL_TIMER},
        {S_hrtimer_wakeup, MODEL_HRTIMER},
        {S_wq_barrier_func, MODEL_WORK},
        {S_version_proc_show, MODEL_SHOW},
        {S_run_timer_softirq, MODEL_SOFTIRQ},
        {S_tcp_v4_rcv, MODEL_RECEIVE},
        {S_sys_call_table, MODEL_TABLE},
        {S_vdso_start, 0xb000},
        {S_vdso_end, 0xc000},
        {S___entry_tramp_text_start, 0xc000},
        {S___entry_tramp_text_end, 0xd000},
        {S_tramp_pg_dir, 0xe000},
        {S_reserved_pg_dir, 0xf000},
        {S_swapper_pg_dir, 0x10000},
    };
    uint32_t next = MODEL_DATA;

    for (size_t i = 0; i < ITEMS; i++) {
        if (names[i].kind != 's')
            continue;
        m->item[i] = next;
        next += i == S_init_task || i == S_runqueues        ? 1024
                : i == S_init_net || i == S_kprobe_table    ? 512
                : i == S_proc_root                          ? 512
                : i == S_timer_bases || i == S_init_nsproxy ? 256
                : i == S_hrtimer_bases                      ? 128
                : i == S_inet_protos || i == S_inet6_protos ? 2048
                : i == S_softirq_vec                        ? 640
                : i == S_static_calls_table                 ? 320
                                                            : 64;
    }
    if (next > MODEL_KEYS)
        abort(); /* MODEL_END is too small */
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        m->item[fixed[i].symbol] = fixed[i].offset;
}

static void place_items(struct kernel_model *m)
{
    const char *before = "";
    uint32_t offset = 0, value = 0;

    for (size_t i = 0; i < ITEMS; i++) {
        if (names[i].kind == 'f')
            offset = same_structure(names[i].text, before) ? offset + STRIDE : 0;
        before = names[i].text;
        m->item[i] = names[i].kind == 'f' ? offset : names[i].kind == 'z' ? 64 : ++value;
    }
    m->item[N_timer_base_vectors] = 4;
    m->item[F_thread_info_flags] = 16; /* between the first members of a task */
    m->item[F_task_struct___state] = 24;
    m->item[N_hrtimer_cpu_base_clock_base] = 2;
    m->item[Z_lsm_static_call] = 96;   /* it has three members */
    m->item[F_sock___sk_common] = 512; /* its members are none of struct sock */
    m->item[Z_page] = 64;
    m->item[F_page_flags] = 0;
    m->item[F_page_private] = 40;
    m->item[F_page_page_type] = 48;
    m->item[F_page__refcount] = 52;
    m->item[F_slab_slab_cache] = 8;
    m->item[F_folio_mapping] = 24;
    m->item[F_folio__flags_1] = 64;
    m->item[V_PGTY_buddy] = 0xf0;
    m->item[V_PGTY_table] = 0xf2;
    m->item[V_PGTY_slab] = 0xf5;
    m->item[F_xa_node_slots] = 64;
    m->item[F_maple_range_64_pivot] = 8;
    m->item[F_maple_range_64_slot] = 128;
    m->item[F_maple_arange_64_pivot] = 8;
    m->item[F_maple_arange_64_slot] = 80;
    place_symbols(m);
}

/* ---- The image ---- */

/* Linked content; the running kernel has it patched and moved afterwards. */
static void fill_image(struct kernel_model *m)
{
    uint8_t *image = at(m, MODEL_TEXT_PA);

    memcpy(image + 56, "ARM\x64", 4);
    for (uint32_t i = MODEL_STEXT; i < MODEL_RODATA_END; i += 4)
        put(image + i, i < MODEL_ETEXT ? 0x91000000u + i : i * 2654435761u, 4);
    memset(image + 0xe000, 0, 0x5000); /* page tables */
    put(image + MODEL_SITE, NOP, 4);
    put(image + MODEL_JUMP, NOP, 4);
    for (uint32_t i = 0; i < 4; i++)
        put(image + MODEL_POINTER + 4 * i, 0xd2800003u | i << 21, 4);
    put(image + MODEL_SHIFT, 0x530c7c00u, 4);
    for (uint32_t i = 0; i < 3; i++)
        put(image + MODEL_TABLE + 8 * i, MODEL_LINKED + 0x1000 + 256 * i, 8);
}

static void put_section(struct kernel_model *m, uint32_t s, const uint8_t *data, size_t size,
                        uint32_t count)
{
    put(m->profile + PROFILE_HEADER + 8 * s, m->profile_n, 4);
    put(m->profile + PROFILE_HEADER + 8 * s + 4, count, 4);
    memcpy(m->profile + m->profile_n, data, size * count);
    m->profile_n += (size * count + 7) & ~(size_t)7;
}

static void put_site(uint8_t *p, uint32_t offset, uint8_t words, uint8_t kind, uint8_t variants,
                     uint32_t first, uint32_t extra)
{
    put(p, offset, 4);
    p[4] = words;
    p[5] = kind;
    p[6] = variants;
    put(p + 8, first, 4);
    put(p + 12, extra, 4);
}

static void put_sites(struct kernel_model *m)
{
    uint8_t sites[4 * 16] = {0}, words[10 * 4];
    static const uint32_t word[] = {NOP,         0x11111111, NOP,         NOP,         0x14000010,
                                    0xd2800003u, 0xd2a00003, 0xd2c00003u, 0xd2e00003u, 0x530c7c00u};

    for (uint32_t i = 0; i < 10; i++)
        put(words + 4 * i, word[i], 4);
    put_site(sites, MODEL_SITE, 1, SITE_VARIANTS, 2, 0, 0);
    put_site(sites + 16, MODEL_JUMP, 1, SITE_JUMP, 3, 2, m->item[S_verity_target]);
    put_site(sites + 32, MODEL_POINTER, 4, SITE_POINTER, 1, 5, m->item[S_memstart_addr]);
    put_site(sites + 48, MODEL_SHIFT, 1, SITE_SHIFT, 1, 9, m->item[S_nr_cpu_ids]);
    put_section(m, SECTION_SITES, sites, 16, 4);
    put_section(m, SECTION_WORDS, words, 4, 10);
}

static uint32_t names_digest(void)
{
    uint32_t d = 0x811c9dc5u;

    for (size_t i = 0; i < ITEMS; i++)
        for (const char *p = names[i].text;; p++) {
            d = (d ^ (uint8_t)*p) * 0x01000193u;
            if (*p == '\0')
                break;
        }
    return d;
}

static void put_hashes(struct kernel_model *m, struct kapu_sha256 sha)
{
    uint8_t hashes[(MODEL_RODATA_END - MODEL_STEXT) / PAGE_SIZE * 32];
    uint32_t n = 0;

    for (uint32_t i = MODEL_STEXT; i < MODEL_RODATA_END; i += PAGE_SIZE) {
        struct bytes page = {at(m, MODEL_TEXT_PA + i), PAGE_SIZE};

        (void)sha.hash(sha.ctx, &page, 1, hashes + 32 * (size_t)n++);
    }
    put_section(m, SECTION_HASHES, hashes, 32, n);
}

static uint8_t check_byte(const uint8_t *p)
{
    uint32_t crc = UINT32_MAX;

    for (uint32_t bit = 0; bit < 8 * GRANULE; bit++)
        crc = crc >> 1 ^ (((crc ^ p[bit / 8] >> bit % 8) & 1) != 0 ? 0xedb88320u : 0);
    return (uint8_t)~crc;
}

static void put_granules(struct kernel_model *m)
{
    uint8_t checks[(MODEL_ETEXT - MODEL_STEXT) / GRANULE] = {0};

    for (uint32_t i = 0; i < sizeof(checks); i++)
        checks[i] = check_byte(at(m, MODEL_TEXT_PA + MODEL_STEXT + GRANULE * i));
    put_section(m, SECTION_GRANULES, checks, PAGE_SIZE / GRANULE,
                sizeof(checks) / (PAGE_SIZE / GRANULE));
}

static void put_slots(struct kernel_model *m)
{
    uint8_t slots[MODEL_SLOTS * 8];

    for (uint32_t i = 0; i < MODEL_SLOTS; i++) {
        put(slots + 8 * (size_t)i, MODEL_KEYS + 32 * i, 4);
        put(slots + 8 * (size_t)i + 4, MODEL_KEYS + 32 * i + 16, 4);
    }
    put_section(m, SECTION_SLOTS, slots, 8, MODEL_SLOTS);
}

/* Zeros to the end of a block, room for the digest, and the size. */
static void end_file(uint8_t *file, size_t *n)
{
    *n = (*n + SECTIONED_BLOCK - 1) / SECTIONED_BLOCK * SECTIONED_BLOCK + SECTIONED_DIGEST;
    put(file + 12, *n, 4);
}

static void make_profile(struct kernel_model *m, struct kapu_sha256 sha)
{
    uint8_t items[4 * ITEMS] = {0}, ranges[32], hole[8], relocs[68] = {0}, table[12], entries[12],
                      pointer[8], hook[16];

    for (uint32_t i = 0; i < ITEMS; i++)
        put(items + 4 * (size_t)i, m->item[i], 4);
    m->profile_n = PROFILE_HEADER + 8 * PROFILE_SECTIONS;
    put_section(m, SECTION_ITEMS, items, 4, ITEMS);
    put(ranges, MODEL_STEXT | (uint64_t)MODEL_ETEXT << 32, 8);
    put(ranges + 8, RANGE_TEXT, 8);
    put(ranges + 16, MODEL_ETEXT | (uint64_t)MODEL_RODATA_END << 32, 8);
    put(ranges + 24, RANGE_RODATA | (uint64_t)((MODEL_ETEXT - MODEL_STEXT) / PAGE_SIZE) << 32, 8);
    put_section(m, SECTION_RANGES, ranges, 16, 2);
    put(hole, 0xe000 | (uint64_t)MODEL_RODATA_END << 32, 8);
    put_section(m, SECTION_HOLES, hole, 8, 1);
    put_hashes(m, sha);
    put(relocs, MODEL_TABLE / PAGE_SIZE, 4);
    relocs[4] = 7;
    put_section(m, SECTION_RELOCS, relocs, 68, 1);
    put_sites(m);
    put(table, MODEL_TABLE | 3ull << 32, 8);
    put(table + 8, 0, 4);
    put_section(m, SECTION_TABLES, table, 12, 1);
    for (uint32_t i = 0; i < 3; i++)
        put(entries + 4 * (size_t)i, 0x1000 + 256 * i, 4);
    put_section(m, SECTION_ENTRIES, entries, 4, 3);
    put(pointer, MODEL_HOOK | 0x1100ull << 32, 8);
    put_section(m, SECTION_POINTERS, pointer, 8, 1);
    put_section(m, SECTION_BANNER, (const uint8_t *)"model\n", 1, 6);
    put(hook, m->item[S_super_blocks] | 0x1200ull << 32, 8);
    put(hook + 8, m->item[S_static_calls_table] | 2ull << 32, 8);
    put_section(m, SECTION_HOOKS, hook, 16, 1);
    put_granules(m);
    put_slots(m);
    memcpy(m->profile, PROFILE_MAGIC, 8);
    put(m->profile + 8, PROFILE_VERSION, 4);
    put(m->profile + 16, MODEL_LINKED, 8);
    put(m->profile + 24, MODEL_END / PAGE_SIZE, 4);
    put(m->profile + 28, names_digest(), 4);
    end_file(m->profile, &m->profile_n);
}

/* What boot does to the image: relocation and patches. */
static void boot(struct kernel_model *m)
{
    uint8_t *image = at(m, MODEL_TEXT_PA);

    for (uint32_t i = 0; i < 3; i++)
        put(image + MODEL_TABLE + 8 * i, MODEL_LINKED + MODEL_SLIDE + 0x1000 + 256 * i, 8);
    put(image + MODEL_SITE, 0x11111111, 4);
    put(image + m->item[S_memstart_addr], MODEL_RAM_BASE, 8);
    for (uint32_t i = 0; i < 4; i++)
        put(image + MODEL_POINTER + 4 * i,
            0xd2800003u | i << 21 | (uint32_t)(MODEL_RAM_BASE >> 16 * i & 0xffff) << 5, 4);
    put(image + m->item[S_nr_cpu_ids], 1, 4);
    put(image + m->item[S___cpu_possible_mask], 1, 8);
    put(image + MODEL_SHIFT, 0x53017c00u, 4);
    put(image + m->item[S_kimage_voffset], MODEL_LINKED + MODEL_SLIDE - MODEL_TEXT_PA, 8);
    put(image + MODEL_HOOK, MODEL_LINKED + MODEL_SLIDE + 0x1100, 8);
}

/* ---- Page tables ---- */

static void map(struct kernel_model *m, uint64_t root, uint64_t va, uint64_t pa,
                uint64_t attributes)
{
    uint64_t table = root;

    for (unsigned level = 0; level < 3; level++) {
        uint8_t *entry = at(m, table + 8 * (va >> (39 - 9 * level) & 511));

        if (kapu_le64(entry) == 0)
            put(entry, model_pa(model_allocate(m, PAGE_SIZE)) | TABLE, 8);
        table = kapu_le64(entry) & 0xfffffffff000ull;
    }
    put(at(m, table + 8 * (va >> 12 & 511)), pa | attributes, 8);
}

uint64_t model_pte(const struct kernel_model *m, uint64_t va)
{
    uint64_t table = MODEL_TEXT_PA + m->item[S_swapper_pg_dir];

    for (unsigned level = 0; level < 3; level++)
        table = kapu_le64(at(m, table + 8 * (va >> (39 - 9 * level) & 511))) & 0xfffffffff000ull;
    return linear(table + 8 * (va >> 12 & 511));
}

static void make_tables(struct kernel_model *m)
{
    uint64_t root = MODEL_TEXT_PA + m->item[S_swapper_pg_dir];

    for (uint32_t i = 0; i < MODEL_RAM_SIZE; i += PAGE_SIZE) {
        uint64_t pa = MODEL_RAM_BASE + i;
        bool constant = pa >= MODEL_TEXT_PA + MODEL_STEXT && pa < MODEL_TEXT_PA + MODEL_RODATA_END;

        map(m, root, linear(pa), pa, constant ? PTE_KERNEL_RO : PTE_KERNEL_RW);
    }
    for (uint32_t i = MODEL_STEXT; i < MODEL_END; i += PAGE_SIZE)
        map(m, root, MODEL_LINKED + MODEL_SLIDE + i, MODEL_TEXT_PA + i,
            i < MODEL_ETEXT        ? PTE_KERNEL_ROX
            : i < MODEL_RODATA_END ? PTE_KERNEL_RO
                                   : PTE_KERNEL_RW);
}

/* The kernel's array of struct page, and one slab: the page with the tasks but the first. */
static void make_slab(struct kernel_model *m)
{
    uint64_t root = MODEL_TEXT_PA + m->item[S_swapper_pg_dir],
             size = MODEL_RAM_SIZE / PAGE_SIZE * 64, array = model_allocate(m, size),
             cache = model_allocate(m, 256);

    m->slab = model_allocate(m, PAGE_SIZE);
    for (uint64_t i = 0; i < size; i += PAGE_SIZE)
        map(m, root, 0xfffffdffc0000000ull + i, model_pa(array) + i, PTE_KERNEL_RW);
    model_put(m, model_symbol(m, S_task_struct_cachep), cache);
    set32(m, cache, F_kmem_cache_size, 1024);
    m->pages = array;
    array = model_page(m, model_pa(m->slab));
    model_set(m, array, F_slab_slab_cache, cache);
    set32(m, array, F_page_page_type, 0xf5000000u);
}

uint64_t model_page(const struct kernel_model *m, uint64_t pa)
{
    return m->pages + (pa - MODEL_RAM_BASE) / PAGE_SIZE * 64;
}

/* ---- Tasks ---- */

void model_list_init(struct kernel_model *m, uint64_t head)
{
    model_put(m, head, head);
    model_put(m, head + 8, head);
}

void model_list_add(struct kernel_model *m, uint64_t head, uint64_t node)
{
    uint64_t last = model_get(m, head + 8);

    model_put(m, node, head);
    model_put(m, node + 8, last);
    model_put(m, last, node);
    model_put(m, head + 8, node);
}

static void make_pids(struct kernel_model *m)
{
    uint64_t node = model_allocate(m, 1024), idr = model_symbol(m, S_init_pid_ns) +
                                                   m->item[F_pid_namespace_idr] +
                                                   m->item[F_idr_idr_rt];

    model_set(m, idr, F_xarray_xa_head, node | 2);
    for (uint32_t i = 1; i < MODEL_TASKS; i++) {
        uint64_t pid = model_allocate(m, 256);

        model_set(m, pid, F_pid_tasks, m->task[i] + m->item[F_task_struct_pid_links]);
        model_set(m, m->task[i], F_task_struct_thread_pid, pid);
        model_put(m, node + m->item[F_xa_node_slots] + 8 * (uint64_t)i, pid);
    }
}

static void make_task(struct kernel_model *m, uint32_t i, const char *comm)
{
    uint64_t t = i == 0 ? model_symbol(m, S_init_task) : m->slab + 1024ull * i,
             cred = model_allocate(m, 512), sig = model_allocate(m, 256);

    m->task[i] = t;
    m->cred[i] = cred;
    set_text(m, t + m->item[F_task_struct_comm], comm);
    set32(m, t, F_task_struct_pid, i);
    set32(m, t, F_task_struct_tgid, i);
    set32(m, t, F_task_struct___state, i == 3 ? 1 : 0);
    set32(m, t, F_task_struct_flags, i < 3 ? 0x00200000u : 0);
    model_set(m, t, F_task_struct_cred, cred);
    model_set(m, t, F_task_struct_real_cred, cred);
    set32(m, cred, F_cred_uid, i < 3 ? 0 : MODEL_USER);
    set32(m, cred, F_cred_euid, i < 3 ? 0 : MODEL_USER);
    set32(m, cred, F_cred_suid, i < 3 ? 0 : MODEL_USER);
    set32(m, cred, F_cred_fsuid, i < 3 ? 0 : MODEL_USER);
    model_set(m, t, F_task_struct_group_leader, t);
    model_set(m, t, F_task_struct_real_parent, m->task[0]);
    model_set(m, t, F_task_struct_signal, sig);
    model_set(m, t, F_task_struct_nsproxy, model_symbol(m, S_init_nsproxy));
    model_set(m, cred, F_cred_user_ns, model_symbol(m, S_init_user_ns));
    model_list_init(m, sig + m->item[F_signal_struct_thread_head]);
    model_list_add(m, sig + m->item[F_signal_struct_thread_head],
                   t + m->item[F_task_struct_thread_node]);
    model_list_init(m, t + m->item[F_task_struct_children]);
    if (i == 0) {
        model_list_init(m, t + m->item[F_task_struct_tasks]);
        return;
    }
    model_list_add(m, m->task[0] + m->item[F_task_struct_tasks], t + m->item[F_task_struct_tasks]);
    model_list_add(m, m->task[0] + m->item[F_task_struct_children],
                   t + m->item[F_task_struct_sibling]);
}

/* A dentry of that name; its own parent when parent is 0. */
static uint64_t dentry(struct kernel_model *m, const char *name, uint64_t parent)
{
    uint64_t d = model_allocate(m, 256), text = model_allocate(m, 64);

    set_text(m, text, name);
    model_set(m, d, F_dentry_d_parent, parent != 0 ? parent : d);
    model_put(m, d + m->item[F_dentry_d_name] + m->item[F_qstr_name], text);
    return d;
}

static void make_program(struct kernel_model *m)
{
    uint64_t t = m->task[3], mm = model_allocate(m, 256), root = model_allocate(m, PAGE_SIZE),
             file = model_allocate(m, 256), vma = model_allocate(m, 256),
             node = model_allocate(m, 512), code = model_allocate(m, PAGE_SIZE),
             leaf = node + m->item[F_maple_range_64_slot];

    m->mm = mm;
    m->code_pa = model_pa(code);
    model_put(m, file + m->item[F_file_f_path] + m->item[F_path_dentry],
              dentry(m, "a", dentry(m, "bin", dentry(m, "/", 0))));
    model_set(m, t, F_task_struct_mm, mm);
    model_set(m, mm, F_mm_struct_exe_file, file);
    model_set(m, mm, F_mm_struct_pgd, root);
    for (uint32_t i = 0; i < PAGE_SIZE; i += 4)
        model_put32(m, code + i, 0xaa000000u + i);
    map(m, model_pa(root), MODEL_CODE_VA, m->code_pa, PTE_USER_ROX);
    model_set(m, vma, F_vm_area_struct_vm_start, MODEL_CODE_VA);
    model_set(m, vma, F_vm_area_struct_vm_end, MODEL_CODE_VA + PAGE_SIZE);
    model_set(m, vma, F_vm_area_struct_vm_flags, VM_READ | VM_EXEC);
    model_set(m, vma, F_vm_area_struct_vm_file, file);
    /* gap, mapping, gap */
    model_put(m, node + m->item[F_maple_range_64_pivot], MODEL_CODE_VA - 1);
    model_put(m, node + m->item[F_maple_range_64_pivot] + 8, MODEL_CODE_VA + PAGE_SIZE - 1);
    model_put(m, node + m->item[F_maple_range_64_pivot] + 16, UINT64_MAX);
    model_put(m, leaf + 8, vma);
    model_put(m, mm + m->item[F_mm_struct_mm_mt] + m->item[F_maple_tree_ma_root],
              node | 1 << 3 | 2);
}

static void make_queues(struct kernel_model *m)
{
    uint64_t queue = model_symbol(m, S_runqueues),
             group = m->item[F_task_struct_se] + m->item[F_sched_entity_group_node];

    model_set(m, queue, F_rq_curr, m->task[0]);
    model_set(m, queue, F_rq_idle, m->task[0]);
    model_list_init(m, queue + m->item[F_rq_cfs_tasks]);
    model_list_add(m, queue + m->item[F_rq_cfs_tasks], m->task[2] + group);
}

static void make_lists(struct kernel_model *m)
{
    uint64_t kset = model_allocate(m, 256);

    model_list_init(m, model_symbol(m, S_modules));
    model_list_init(m, model_symbol(m, S_pack_list));
    model_list_init(m, model_symbol(m, S_bpf_kallsyms));
    model_list_init(m, model_symbol(m, S_workqueues));
    model_list_init(m, model_symbol(m, S_super_blocks));
    model_list_init(m, model_symbol(m, S_net_namespace_list));
    model_list_init(m, model_symbol(m, S_kprobe_insn_slots) + m->item[F_kprobe_insn_cache_pages]);
    model_list_init(m, kset + m->item[F_kset_list]);
    model_put(m, model_symbol(m, S_module_kset), kset);
}

/* One hook of a security module, and static calls that nobody has: of that hook, of another one. */
static void make_hook(struct kernel_model *m)
{
    for (uint32_t i = 0; i < MODEL_SLOTS; i++) {
        uint64_t slot = model_slot(m, i);

        model_set(m, slot, F_lsm_static_call_key, model_slot_key(i));
        model_set(m, slot, F_lsm_static_call_active, model_slot_active(i));
    }
    model_set(m, model_slot(m, 0), F_lsm_static_call_hl, model_symbol(m, S_super_blocks));
    model_set(m, model_slot_key(0), F_static_call_key_func, MODEL_LINKED + MODEL_SLIDE + 0x1200);
    set32(m, model_slot_active(0), F_static_key_enabled, 1);
}

/* ---- What is called for files: an entry of /proc, an inode, a file that the program has open ----
 */

static void make_files(struct kernel_model *m)
{
    uint64_t entry = model_allocate(m, 512), sb = model_allocate(m, 512),
             inode = model_allocate(m, 512), files = model_allocate(m, 512),
             name = model_allocate(m, 64), table = MODEL_LINKED + MODEL_SLIDE + MODEL_OPERATIONS;

    set_text(m, name, "version");
    model_set(m, entry, F_proc_dir_entry_name, name);
    model_set(m, entry, F_proc_dir_entry_proc_ops, table);
    model_set(m, entry, F_proc_dir_entry_single_show, MODEL_LINKED + MODEL_SLIDE + MODEL_SHOW);
    model_set(m, model_symbol(m, S_proc_root), F_proc_dir_entry_subdir,
              entry + m->item[F_proc_dir_entry_subdir_node]);
    model_set(m, sb + 256, F_file_system_type_name, name);
    model_set(m, sb, F_super_block_s_type, sb + 256);
    model_list_add(m, model_symbol(m, S_super_blocks), sb + m->item[F_super_block_s_list]);
    model_list_init(m, sb + m->item[F_super_block_s_inodes]);
    model_list_add(m, sb + m->item[F_super_block_s_inodes], inode + m->item[F_inode_i_sb_list]);
    model_set(m, inode, F_inode_i_fop, table);
    model_set(m, m->task[3], F_task_struct_files, files);
    model_set(m, files, F_files_struct_fdt, files + 64);
    model_set(m, files + 64, F_fdtable_max_fds, 1);
    model_set(m, files + 64, F_fdtable_fd, files + 192);
    model_put(m, files + 192, files + 256);
    model_set(m, files + 256, F_file_f_op, table);
    model_set(m, files + 256, F_file_f_inode, inode);
}

/* ---- The allow-list ---- */

static void make_allow(struct kernel_model *m, struct kapu_sha256 sha)
{
    static const char strings[] = MODEL_PROGRAM;
    static const uint8_t size[ALLOW_SECTIONS] = {16, 32, 4, 32, 4, 8, 1, 1};
    uint8_t file[16] = {0}, hash[32], order[4] = {0}, program[32] = {0}, numbers[32] = {0},
            state[16] = {0}; /* room for one peer, and one more state */
    const uint8_t *data[ALLOW_SECTIONS] = {file,    hash,  order, program,
                                           numbers, state, NULL,  (const uint8_t *)strings};
    uint32_t count[ALLOW_SECTIONS] = {1, 1, 1, 1, 8, 2, 0, sizeof(strings)};
    struct bytes page = {at(m, m->code_pa), PAGE_SIZE};

    put(file + 12, 1, 4);
    (void)sha.hash(sha.ctx, &page, 1, hash);
    put(program + 20, 1, 2); /* one range of users */
    put(numbers, MODEL_USER | (uint64_t)MODEL_USER << 32, 8);
    put(state, STATE_PTRACE_SCOPE | 3ull << 32, 8);
    m->allow_n = ALLOW_HEADER + 8 * ALLOW_SECTIONS;
    for (uint32_t s = 0; s < ALLOW_SECTIONS; s++) {
        put(m->allow + ALLOW_HEADER + 8 * s, m->allow_n | (uint64_t)count[s] << 32, 8);
        if (count[s] > 0)
            memcpy(m->allow + m->allow_n, data[s], (size_t)size[s] * count[s]);
        m->allow_n += ((size_t)size[s] * count[s] + 7) & ~(size_t)7;
    }
    memcpy(m->allow, ALLOW_MAGIC, 8);
    put(m->allow + 8, ALLOW_VERSION, 4);
    end_file(m->allow, &m->allow_n);
}

/* The digest at the end of a file of sections. */
static const uint8_t *seal(uint8_t *file, size_t n, struct kapu_sha256 sha)
{
    struct bytes content = {file, n - SECTIONED_DIGEST};

    (void)sha.hash(sha.ctx, &content, 1, file + content.n);
    return file + content.n;
}

void model_seal(struct kernel_model *m, struct kapu_sha256 sha)
{
    memcpy(m->allow + ALLOW_PROFILE, seal(m->profile, m->profile_n, sha), SECTIONED_DIGEST);
    (void)seal(m->allow, m->allow_n, sha);
}

static uint8_t *allow_section(struct kernel_model *m, enum allow_section s)
{
    return m->allow + kapu_le32(m->allow + ALLOW_HEADER + 8 * s);
}

void model_allow_state(struct kernel_model *m, enum allow_state key, uint32_t value)
{
    put(allow_section(m, ALLOW_STATE) + 8, key | (uint64_t)value << 32, 8);
}

uint32_t model_allow_program_name(struct kernel_model *m)
{
    return kapu_le32(allow_section(m, ALLOW_PROGRAMS));
}

void model_allow_flags(struct kernel_model *m, uint32_t flags)
{
    put(allow_section(m, ALLOW_PROGRAMS) + 4, flags, 4);
}

void model_allow_peer(struct kernel_model *m, const uint8_t address[4], uint32_t bits,
                      uint32_t port)
{
    uint8_t *peer = allow_section(m, ALLOW_NUMBERS) + 8;

    put(allow_section(m, ALLOW_PROGRAMS) + 24, 1, 2);
    put(peer, 4u << 16 | bits, 4);
    put(peer + 4, port, 4);
    memcpy(peer + 8, address, 4);
}

void model_build(struct kernel_model *m, struct kapu_sha256 sha)
{
    static const char *const comm[MODEL_TASKS] = {"swapper/0", "kthreadd", "kworker", "a"};

    memset(m, 0, sizeof(*m));
    m->next = MODEL_TEXT_PA + MODEL_END;
    place_items(m);
    fill_image(m);
    make_profile(m, sha);
    boot(m);
    make_tables(m);
    make_slab(m);
    for (uint32_t i = 0; i < MODEL_TASKS; i++)
        make_task(m, i, comm[i]);
    make_pids(m);
    make_queues(m);
    make_lists(m);
    make_hook(m);
    make_program(m);
    make_allow(m, sha);
    make_files(m);
    model_seal(m, sha);
    model_put32(m, model_symbol(m, S_ptrace_scope), 3);
    m->regs = (struct introspect_regs){
        .vbar = model_symbol(m, S_vectors),
        .ttbr1 = MODEL_TEXT_PA + m->item[S_swapper_pg_dir],
        .tcr = 0x10ull << 16 | 2ull << 30 | 0x10,
        .sctlr = 0x101d,
        .mair = 0x40044ffff,
    };
}

static int read_model(void *ctx, uint64_t pa, void *to, size_t n)
{
    if (pa < MODEL_RAM_BASE || pa - MODEL_RAM_BASE > MODEL_RAM_SIZE ||
        n > MODEL_RAM_SIZE - (pa - MODEL_RAM_BASE))
        abort(); /* the library asks for nothing outside of RAM */
    memcpy(to, at(ctx, pa), n);
    return 0;
}

static void collect(void *ctx, const struct finding *f)
{
    struct kernel_model *m = ctx;

    if (m->found_n < sizeof(m->found) / sizeof(m->found[0]))
        m->found[m->found_n++] = *f;
}

struct introspect_setup model_setup(struct kernel_model *m, struct kapu_sha256 sha)
{
    return (struct introspect_setup){
        .profile = {m->profile, m->profile_n},
        .allow = {m->allow, m->allow_n},
        .mem = {read_model, m},
        .sha = sha,
        .ram_base = MODEL_RAM_BASE,
        .ram_size = MODEL_RAM_SIZE,
        .work = m->work,
        .work_n = sizeof(m->work),
        .cache_pages = MODEL_CACHE_PAGES,
        .attempts = 1,
        .report = collect,
        .report_ctx = m,
    };
}
