/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the attack modules share: finding what the kernel does not export, writing what is
 * read-only, and making memory executable. For the lab flavour only.
 */
#ifndef KAPU_ATTACK_H
#define KAPU_ATTACK_H

#include <asm/cacheflush.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#define pr_attack(...) pr_info("kapu-attack: " __VA_ARGS__)

/* Address of any symbol: a probe tells where kallsyms_lookup_name() is. 0: there is none. */
static inline unsigned long lookup(const char *name)
{
    static unsigned long (*find)(const char *name);

    if (find == NULL) {
        struct kprobe probe = {.symbol_name = "kallsyms_lookup_name"};

        if (register_kprobe(&probe) != 0)
            return 0;
        find = (void *)probe.addr;
        unregister_kprobe(&probe);
    }
    return find(name);
}

/* A second, writable mapping of a place in the kernel's image, up to the end of its page. */
static inline void *alias_map(unsigned long va)
{
    struct page *page = phys_to_page(__pa_symbol(va & PAGE_MASK));
    char *alias = vmap(&page, 1, VM_MAP, PAGE_KERNEL);

    return alias != NULL ? alias + offset_in_page(va) : NULL;
}

static inline void alias_unmap(void *alias)
{
    vunmap((void *)((unsigned long)alias & PAGE_MASK));
}

/* Overwrite a few bytes of the image that do not cross a page. */
static inline int image_write(unsigned long va, const void *data, size_t n)
{
    void *alias;

    if (va == 0 || offset_in_page(va) + n > PAGE_SIZE)
        return -ERANGE;
    alias = alias_map(va);
    if (alias == NULL)
        return -ENOMEM;
    memcpy(alias, data, n);
    caches_clean_inval_pou((unsigned long)alias, (unsigned long)alias + n);
    caches_clean_inval_pou(va, va + n);
    alias_unmap(alias);
    return 0;
}

static inline int page_protection(const char *function, void *page)
{
    int (*set)(unsigned long page, int pages) = (void *)lookup(function);

    return set != NULL ? set((unsigned long)page, 1) : -ENOENT;
}

/* A filled page of vmalloc() memory becomes code that no module owns. */
static inline int page_to_code(void *page)
{
    int err;

    caches_clean_inval_pou((unsigned long)page, (unsigned long)page + PAGE_SIZE);
    err = page_protection("set_memory_ro", page);
    return err != 0 ? err : page_protection("set_memory_x", page);
}

static inline void page_free(void *page)
{
    if (page_protection("set_memory_nx", page) == 0 && page_protection("set_memory_rw", page) == 0)
        vfree(page);
}

#endif
