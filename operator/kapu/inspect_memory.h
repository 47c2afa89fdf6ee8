/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory in a file: an ELF core of QEMU's dump-guest-memory, or raw RAM. Read-only. */
#ifndef KAPU_CLI_MEMORY_H
#define KAPU_CLI_MEMORY_H

#include <kapu/introspect.h>

#define MEMORY_PARTS 64
#define RAW_RAM_BASE 0x40000000u /* of qemu-virt */

struct memory {
    uint8_t *map;
    size_t size;
    bool elf;
    uint64_t ram_base, ram_size; /* the largest part */
    size_t parts;
    struct {
        uint64_t pa, offset, size;
    } part[MEMORY_PARTS];
};

/* 0, or -1 with a message on standard error; memory_close after both. */
int memory_open(struct memory *m, const char *path);
/* The parts, of the `size` bytes at `map`, which may be hostile. NULL, or what is wrong with them.
 */
const char *memory_read(struct memory *m);
void memory_close(struct memory *m);
struct mem memory_port(struct memory *m);

#endif
