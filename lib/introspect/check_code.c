// SPDX-License-Identifier: Apache-2.0
/*
 * code.*: every executable page of every process is a page of an executable file of the signed root
 * image, or of the code that the kernel lends to processes (vDSO). By content, so that neither
 * mappings nor the page cache have to be believed. Nothing is writable and executable, and no
 * process can write the kernel's image.
 */
#include "internal.h"

#define VMAS_MAX 65536u
#define USER_TABLES 16384u
#define EXITS_OR_KERNEL (0x00000004u | 0x00200000u) /* PF_EXITING, PF_KTHREAD */

#define MM_DONE 1u

struct process {
    uint64_t task, mm, root;
};

static void wrong_page(struct introspect *in, const char *id, uint64_t task,
                       const struct leaf *leaf, const char *text)
{
    char label[48];
    struct finding f;

    task_label(in, task, label, sizeof(label));
    finding_start(&f, id, INTROSPECT_ALARM, leaf->va, label);
    say(&f, text);
    f.pa = leaf->pa;
    f.owner = task;
    finding_add(in, &f);
}

static void wrong(struct introspect *in, const char *id, uint64_t task, uint64_t address,
                  const char *text, const char *more)
{
    char label[48];
    struct finding f;

    task_label(in, task, label, sizeof(label));
    finding_start(&f, id, INTROSPECT_ALARM, address, label);
    say(&f, text);
    say(&f, more);
    f.owner = task;
    finding_add(in, &f);
}

static bool is_vdso(const struct introspect *in, uint64_t pa)
{
    uint64_t start = in->text_pa + item(in, S_vdso_start), end = in->text_pa + item(in, S_vdso_end);

    return pa >= start && pa < end; /* its content is checked as read-only data of the kernel */
}

static int check_page(struct introspect *in, const struct process *p, const struct leaf *at)
{
    uint32_t page;
    int err;

    if (in->budget == 0) /* memory that is not there costs no reads */
        return KAPU_ETIMEOUT;
    if (is_vdso(in, at->pa))
        return 0;
    err = page_content(in, at->pa, &page);
    if (err == KAPU_ECRYPTO || err == KAPU_ETIMEOUT)
        return err;
    if (err == KAPU_EABSENT)
        return 0; /* the other pages are judged; the run counts it */
    if (err != 0)
        wrong_page(in, "code.page", p->task, at, "executable page is not in RAM");
    else if (page == ALLOW_NONE)
        wrong_page(in, "code.page", p->task, at, "executable page is in no file of the root image");
    return 0;
}

static int check_leaf(struct introspect *in, const struct leaf *leaf, void *ctx)
{
    const struct process *p = ctx;
    int err = 0;

    if (leaf->exec)
        wrong_page(in, "code.privileged", p->task, leaf, "user page that the kernel could run");
    if (leaf->write && (leaf_touches(in, leaf, S__stext, S___inittext_begin) ||
                        leaf_touches(in, leaf, S__data, S__end)))
        wrong_page(in, "code.kernel", p->task, leaf, "writable mapping of the kernel's image");
    if (!leaf->user_exec)
        return 0;
    if (leaf->user && leaf->write)
        wrong_page(in, "code.writable", p->task, leaf, "page is writable and executable");
    for (uint64_t at = 0; err == 0 && at < leaf->size; at += PAGE_SIZE) {
        struct leaf page = {.va = leaf->va + at, .pa = leaf->pa + at};

        err = check_page(in, p, &page);
    }
    return err;
}

static int check_mapping(struct introspect *in, uint64_t va, void *ctx)
{
    const struct process *p = ctx;
    struct leaf leaf;
    char path[128];
    struct vma v;
    int err = vma_read(in, va, &v);

    if (err != 0 || (v.flags & VM_EXEC) == 0)
        return err;
    if ((v.flags & VM_WRITE) != 0)
        wrong(in, "code.writable", p->task, v.start, "mapping is writable and executable", "");
    if (v.file == 0) {
        /* The vDSO is the only one without a file; it is there as soon as it was used. */
        if (translate(in, p->root, v.start, &leaf) == 0 &&
            !is_vdso(in, leaf.pa + (v.start - leaf.va)))
            wrong(in, "code.anonymous", p->task, v.start, "executable mapping has no file", "");
        return 0;
    }
    err = file_path(in, v.file, path, sizeof(path));
    if (err == 0 && allow_file(&in->allow, path) == ALLOW_NONE)
        wrong(in, "code.file", p->task, v.start,
              "executes a file that is not in the root image: ", path);
    return err;
}

/* Whoever has memory is looked at, whatever its flags say of it: a kernel thread has none, and what
 * ends has none any more. */
static int check_process(struct introspect *in, uint64_t task, void *ctx)
{
    struct process p = {.task = task};
    struct leaf leaf = {0};
    uint32_t flags = 0;
    uint64_t pgd = 0;
    int err = field_u64(in, task, F_task_struct_mm, &p.mm);

    (void)ctx;
    if (err == 0)
        err = field_u32(in, task, F_task_struct_flags, &flags);
    if (err == 0 && p.mm == 0 && (flags & EXITS_OR_KERNEL) == 0)
        wrong(in, "code.hidden", task, task, "is no kernel thread and shows no memory", "");
    if (err != 0 || p.mm == 0 || (set_get(in, p.mm) & MM_DONE) != 0)
        return err;
    err = set_or(in, p.mm, MM_DONE);
    if (err == 0)
        err = field_u64(in, p.mm, F_mm_struct_pgd, &pgd);
    if (err == 0 && is_kernel_va(pgd))
        err = translate(in, in->root_pa, pgd, &leaf);
    if (err == KAPU_EABSENT)
        return 0;
    if (err != 0 || !is_kernel_va(pgd)) {
        wrong(in, "code.wild", task, p.mm, "page tables cannot be found", "");
        return 0;
    }
    p.root = leaf.pa + (pgd - leaf.va);
    err = tables_walk(in, p.root, 0, USER_TABLES, check_leaf, &p);
    if (err == 0)
        err = maple_walk(in, p.mm + item(in, F_mm_struct_mm_mt), VMAS_MAX, check_mapping, &p);
    if (err == KAPU_EINVAL || err == KAPU_ERANGE || err == KAPU_ENOENT) {
        wrong(in, "code.wild", task, p.mm, "the tree of its mappings is broken", "");
        err = 0;
    }
    return err == KAPU_EABSENT ? 0 : err;
}

int check_code(struct introspect *in)
{
    int err;

    if (!in->has_allow)
        return KAPU_EUNSUPPORTED;
    set_clear(in);
    err = check_probes(in);
    return err != 0 ? err : task_walk(in, check_process, NULL);
}

/* ---- The listing ---- */

struct listing {
    introspect_code_fn fn;
    void *ctx;
    uint64_t task, root;
};

static int list_mapping(struct introspect *in, uint64_t va, void *ctx)
{
    const struct listing *l = ctx;
    struct introspect_code c = {0};
    struct leaf leaf;
    struct vma v;
    int err = vma_read(in, va, &v);

    if (err != 0 || (v.flags & VM_EXEC) == 0)
        return err;
    c.start = v.start;
    c.end = v.end;
    c.flags = v.flags;
    err = field_u32(in, l->task, F_task_struct_pid, &c.pid);
    if (err == 0)
        err = read_text(in, l->task + item(in, F_task_struct_comm), c.comm, sizeof(c.comm));
    if (err == 0 && v.file != 0)
        err = file_path(in, v.file, c.file, sizeof(c.file));
    for (uint64_t at = v.start; err == 0 && at < v.end && at - v.start < (1ull << 30);
         at += PAGE_SIZE)
        c.resident += translate(in, l->root, at, &leaf) == 0 && leaf.user_exec ? 1 : 0;
    return err != 0 ? err : l->fn(l->ctx, &c);
}

static int list_process(struct introspect *in, uint64_t task, void *ctx)
{
    struct listing *l = ctx;
    uint64_t mm, pgd;
    struct leaf leaf;
    int err = field_u64(in, task, F_task_struct_mm, &mm);

    if (err != 0 || mm == 0)
        return err;
    err = field_u64(in, mm, F_mm_struct_pgd, &pgd);
    if (err == 0)
        err = translate(in, in->root_pa, pgd, &leaf);
    if (err != 0)
        return err;
    l->task = task;
    l->root = leaf.pa + (pgd - leaf.va);
    return maple_walk(in, mm + item(in, F_mm_struct_mm_mt), VMAS_MAX, list_mapping, l);
}

int introspect_code(struct introspect *in, introspect_code_fn fn, void *ctx)
{
    struct listing l = {fn, ctx, 0, 0};

    budget_start(in);
    return process_walk(in, list_process, &l);
}
