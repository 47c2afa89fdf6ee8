// SPDX-License-Identifier: Apache-2.0
/*
 * cache.page: what the kernel holds in memory of executable files of the root image is what the
 * image has there, page by page, also when no process uses it now: the next one would run it.
 */
#include "internal.h"

#define FILE_SYSTEMS_MAX 1024u
#define INODES_MAX 65536u
#define FOLIOS_MAX 65536u
#define EROFS_MAGIC 0xe0f5e1e2u

struct file {
    bool any;        /* file system of the image's kind */
    uint32_t number; /* allow_file() */
    char path[128];
};

static void wrong(struct introspect *in, const struct file *file, uint64_t pa, uint64_t page)
{
    struct finding f;

    finding_start(&f, "cache.page", INTROSPECT_ALARM, pa, "page cache");
    say(&f, "page ");
    say_dec(&f, page);
    say(&f, " is not that of ");
    say(&f, file->path);
    f.pa = pa;
    finding_add(in, &f);
}

static int check_page(struct introspect *in, const struct file *file, uint64_t pa, uint64_t number)
{
    uint32_t want = allow_page_of(&in->allow, file->number, number), page;
    int err;

    if (want == ALLOW_NONE)
        return 0; /* no executable part of the file */
    err = page_content(in, pa, &page);
    if (err == 0 && !allow_same(&in->allow, page, want))
        err = page_content_now(in, pa, &page);
    if (err == 0 && !allow_same(&in->allow, page, want))
        wrong(in, file, pa, number);
    return err == KAPU_EABSENT ? 0 : err; /* the other pages are judged; the run counts it */
}

/* A folio: pages that lie side by side in file and memory. Its first struct page tells where. */
static int check_folio(struct introspect *in, uint64_t folio, void *ctx)
{
    const struct file *file = ctx;
    uint64_t flags, index, pa, n;
    int err = field_u64(in, folio, F_folio_flags, &flags);

    if (err == 0)
        err = field_u64(in, folio, F_folio_index, &index);
    if (err == 0)
        err = folio_pages(in, folio, &n);
    if (err == 0)
        err = page_pa(in, folio, &pa);
    if (err != 0 || (flags >> (item(in, V_PG_uptodate) & 63) & 1) == 0)
        return err; /* else it is being read from the disk */
    for (uint64_t i = 0; err == 0 && i < n; i++)
        err = check_page(in, file, pa + i * PAGE_SIZE, index + i);
    return err;
}

static int check_inode(struct introspect *in, uint64_t node, void *ctx)
{
    uint64_t inode = node - item(in, F_inode_i_sb_list), alias, mapping;
    struct file *file = ctx;
    int err = field_u64(in, inode, F_inode_i_dentry, &alias);

    if (err != 0 || alias == 0)
        return err; /* no name now, so nobody knows which file it is */
    err = dentry_path(in, alias - item(in, F_dentry_d_u), file->path, sizeof(file->path));
    if (err != 0)
        return err;
    file->number = allow_file(&in->allow, file->path);
    if (file->number == ALLOW_NONE)
        return 0;
    err = field_u64(in, inode, F_inode_i_mapping, &mapping);
    if (err != 0)
        return err;
    return xarray_walk(in, mapping + item(in, F_address_space_i_pages), FOLIOS_MAX, check_folio,
                       ctx);
}

static int check_file_system(struct introspect *in, uint64_t node, void *ctx)
{
    uint64_t sb = node - item(in, F_super_block_s_list), magic;
    struct file *file = ctx;
    int err = field_u64(in, sb, F_super_block_s_magic, &magic);

    if (err != 0 || magic != EROFS_MAGIC)
        return err;
    file->any = true;
    return list_walk(in, sb + item(in, F_super_block_s_inodes), INODES_MAX, check_inode, ctx);
}

int check_cache(struct introspect *in)
{
    struct file file = {0};
    struct finding f;
    int err;

    if (!in->has_allow)
        return KAPU_EUNSUPPORTED;
    err = list_walk(in, symbol(in, S_super_blocks), FILE_SYSTEMS_MAX, check_file_system, &file);
    if (err != 0 || file.any || allow_root(&in->allow).n == 0)
        return err;
    finding_start(&f, "cache.missing", INTROSPECT_ALARM, symbol(in, S_super_blocks), "page cache");
    say(&f, "no file system of the root image's kind is there to compare");
    finding_add(in, &f);
    return 0;
}
