// SPDX-License-Identifier: Apache-2.0
/* Files and address spaces of processes. */
#include "internal.h"

#include <string.h>

#define FILES_MAX (1u << 20) /* fs.nr_open */
#define NAME_SIZE 256u

/* Puts text in front of what stands at the end of a buffer; *at is where that starts. */
static void prepend(char *buffer, size_t *at, const char *text)
{
    size_t n = 0;

    while (text[n] != '\0')
        n++;
    if (n > *at)
        n = *at;
    *at -= n;
    memcpy(buffer + *at, text, n);
}

/* Folder by folder up to the file system's root; mount points are not crossed. */
int dentry_path(struct introspect *in, uint64_t dentry, char *to, size_t n)
{
    char path[512], name[NAME_SIZE];
    size_t at = sizeof(path) - 1;
    uint64_t parent, text;
    int err = 0;

    path[at] = '\0';
    for (uint32_t i = 0; err == 0 && i < PATH_PARTS; i++) {
        err = field_u64(in, dentry, F_dentry_d_parent, &parent);
        if (err == 0)
            err = read_u64(in, dentry + item(in, F_dentry_d_name) + item(in, F_qstr_name), &text);
        if (err != 0)
            break;
        if (parent == dentry && i > 0)
            break;
        err = read_text(in, text, name, sizeof(name));
        prepend(path, &at, name);
        if (parent == dentry)
            break; /* no folder: a socket, a memfd */
        prepend(path, &at, "/");
        dentry = parent;
    }
    to[0] = '\0';
    if (err == 0)
        text_append(to, n, path + at);
    return err;
}

int file_path(struct introspect *in, uint64_t file, char *to, size_t n)
{
    uint64_t dentry;
    int err = read_u64(in, file + item(in, F_file_f_path) + item(in, F_path_dentry), &dentry);

    return err != 0 ? err : dentry_path(in, dentry, to, n);
}

/* 0: it has none, or its process has the same. */
static int files_of(struct introspect *in, uint64_t task, uint64_t *files)
{
    uint64_t leader, others;
    int err = field_u64(in, task, F_task_struct_files, files);

    if (err == 0)
        err = field_u64(in, task, F_task_struct_group_leader, &leader);
    if (err != 0 || leader == task)
        return err;
    err = field_u64(in, leader, F_task_struct_files, &others);
    if (err == 0 && *files == others)
        *files = 0;
    return err;
}

int process_files(struct introspect *in, uint64_t task, node_fn fn, void *ctx)
{
    uint64_t files, table, slots, file;
    uint32_t n = 0;
    int err = files_of(in, task, &files);

    if (err != 0 || files == 0)
        return err;
    err = field_u64(in, files, F_files_struct_fdt, &table);
    if (err == 0)
        err = field_u32(in, table, F_fdtable_max_fds, &n);
    if (err == 0)
        err = field_u64(in, table, F_fdtable_fd, &slots);
    if (err == 0 && n > FILES_MAX)
        return KAPU_EINVAL;
    for (uint32_t i = 0; err == 0 && i < n; i++) {
        err = read_u64(in, slots + 8 * (uint64_t)i, &file);
        file &= ~3ull; /* flags in the lowest bits */
        if (err == 0 && file != 0)
            err = fn(in, file, ctx);
    }
    return err;
}

int vma_read(struct introspect *in, uint64_t va, struct vma *v)
{
    int err;

    *v = (struct vma){.va = va};
    err = field_u64(in, va, F_vm_area_struct_vm_start, &v->start);
    if (err == 0)
        err = field_u64(in, va, F_vm_area_struct_vm_end, &v->end);
    if (err == 0)
        err = field_u64(in, va, F_vm_area_struct_vm_flags, &v->flags);
    if (err == 0)
        err = field_u64(in, va, F_vm_area_struct_vm_file, &v->file);
    return err != 0 ? err : field_u64(in, va, F_vm_area_struct_vm_pgoff, &v->pgoff);
}
