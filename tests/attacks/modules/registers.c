// SPDX-License-Identifier: Apache-2.0
/*
 * System registers of core 1. which=vbar: exceptions go to vectors of the module's own, each of
 * which leads on to the kernel's. which=ttbr1: a copy of the kernel's top page table is used.
 * Leaving the kernel sets both again, so a thread stays in it on that core until the module goes.
 */
#include <asm/sysreg.h>
#include <linux/completion.h>
#include <linux/kthread.h>

#include "attack.h"

#define CORE 1
#define VECTORS 16u
#define VECTOR_WORDS 32u
#define TABLE_ADDRESS GENMASK_ULL(47, 12)

static char *which = "vbar";
module_param(which, charp, 0444);

static bool use_vbar;
static u32 *page;
static u64 value;
static bool stop;
static DECLARE_COMPLETION(begun);
static DECLARE_COMPLETION(ended);

static u64 exchange(u64 wanted)
{
    u64 old;

    if (use_vbar) {
        old = read_sysreg(vbar_el1);
        write_sysreg(wanted, vbar_el1);
    } else {
        old = read_sysreg(ttbr1_el1);
        write_sysreg((old & ~TABLE_ADDRESS) | (wanted & TABLE_ADDRESS), ttbr1_el1);
    }
    isb();
    return old;
}

static int thread(void *unused)
{
    u64 old;

    preempt_disable();
    old = exchange(value);
    complete(&begun);
    while (!READ_ONCE(stop))
        cpu_relax();
    exchange(old);
    preempt_enable();
    complete(&ended);
    return 0;
}

typedef void *(*allocate_fn)(unsigned long size, unsigned long align, unsigned long start,
                             unsigned long end, gfp_t gfp, pgprot_t prot, unsigned long flags,
                             int node, const void *caller);

/* A page behind the kernel's image, so that a branch reaches its text. */
static void *allocate_near(unsigned long image)
{
    allocate_fn allocate = (allocate_fn)lookup("__vmalloc_node_range_noprof");

    if (allocate == NULL || image == 0)
        return NULL;
    return allocate(PAGE_SIZE, PAGE_SIZE, PAGE_ALIGN(image), image + SZ_64M, GFP_KERNEL,
                    PAGE_KERNEL, 0, NUMA_NO_NODE, __builtin_return_address(0));
}

static int make_vectors(void)
{
    unsigned long vectors = lookup("vectors");

    for (unsigned int i = 0; i < VECTORS; i++) {
        u32 *at = page + i * VECTOR_WORDS;
        s64 distance = (s64)(vectors + 4 * i * VECTOR_WORDS) - (s64)at;

        if (vectors == 0 || distance < -SZ_128M || distance >= SZ_128M)
            return -ERANGE;
        *at = 0x14000000 | (distance >> 2 & GENMASK(25, 0)); /* b */
    }
    value = (u64)page;
    return page_to_code(page);
}

static int make_table(void)
{
    unsigned long table = lookup("swapper_pg_dir");

    if (table == 0)
        return -ENOENT;
    memcpy(page, (void *)table, PAGE_SIZE);
    value = page_to_phys(vmalloc_to_page(page));
    return 0;
}

static int __init mount(void)
{
    struct task_struct *task;
    int err;

    use_vbar = strcmp(which, "vbar") == 0;
    page = use_vbar ? allocate_near(lookup("_end")) : vmalloc(PAGE_SIZE);
    if (page == NULL)
        return -ENOMEM;
    memset(page, 0, PAGE_SIZE);
    err = use_vbar ? make_vectors() : make_table();
    task = err == 0 ? kthread_create(thread, NULL, "kapu-attack") : ERR_PTR(err);
    if (IS_ERR(task)) {
        page_free(page);
        return PTR_ERR(task);
    }
    kthread_bind(task, CORE);
    wake_up_process(task);
    wait_for_completion(&begun);
    return 0;
}

static void __exit undo(void)
{
    WRITE_ONCE(stop, true);
    wait_for_completion(&ended);
    page_free(page);
}

module_init(mount);
module_exit(undo);
MODULE_DESCRIPTION("replaced VBAR or TTBR1");
MODULE_LICENSE("GPL");
