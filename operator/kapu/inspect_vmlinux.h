/* SPDX-License-Identifier: Apache-2.0 */
/* Names of places in the kernel's image, from the vmlinux of a release. For people only. */
#ifndef KAPU_CLI_VMLINUX_H
#define KAPU_CLI_VMLINUX_H

#include <stddef.h>
#include <stdint.h>

struct vmlinux {
    uint8_t *map; /* the file; NULL: there is none, and nothing has a name */
    size_t size;
    size_t at, n;        /* symbol table */
    size_t text, text_n; /* its strings */
};

/* A file that is missing, or that has no symbols, gives no names. */
void vmlinux_open(struct vmlinux *s, const char *path);
void vmlinux_close(struct vmlinux *s);
/* "vfs_read+0x40" for an address that the kernel was linked for; empty when nothing is known. */
void vmlinux_name(const struct vmlinux *s, uint64_t linked, char *to, size_t n);

#endif
