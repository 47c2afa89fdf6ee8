/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory in a file, in any format of inspect_formats.h. Read-only.
 *
 * A file may lack some of the machine's memory: it was cut, or the tool left something out. What it
 * lacks is absent (KAPU_EABSENT), which is another thing than memory that the machine does not
 * have.
 */
#ifndef KAPU_CLI_MEMORY_H
#define KAPU_CLI_MEMORY_H

#include <kapu/introspect.h>

/* Normal RAM of qemu-virt (platform/qemu-virt/optee/platform.h). */
#define MEMORY_RAM_BASE 0x40000000u
#define MEMORY_RAM_SIZE 0x40000000u

struct memory_part {
    uint64_t pa, size;
    uint64_t offset; /* in the content; of compressed memory, number of its first block */
};

struct memory {
    uint8_t *map; /* the file */
    size_t size;
    const char *format;          /* its name, for people */
    struct bytes content;        /* of which parts are; the file, or a copy in another order */
    void *copy;                  /* that copy, or NULL */
    struct kdump *kdump;         /* NULL: memory is not compressed */
    uint64_t ram_base, ram_size; /* of the machine */
    struct memory_part *part;    /* ascending, without overlaps */
    size_t parts, room;
    bool raw; /* it does not say at which address it begins */
};

/* 0, or -1 with a message on standard error; memory_close after both. */
int memory_open(struct memory *m, const char *path);
/* The parts, of the `size` bytes at `map`, which may be hostile. NULL, or what is wrong with them;
 * memory_forget after both. */
const char *memory_read(struct memory *m);
void memory_forget(struct memory *m);
void memory_close(struct memory *m);

/* Raw memory may begin at address 0 as well. False: that was tried, or it cannot be. */
bool memory_begins_at_zero(struct memory *m);
/* Adds a part; false when out of memory. For inspect_formats.c. */
bool memory_add(struct memory *m, uint64_t pa, uint64_t size, uint64_t offset);
/* From now on this memory is absent. */
bool memory_remove(struct memory *m, uint64_t pa, uint64_t size);
/* The first memory at or after *pa that the machine has and the file lacks; false: none. */
bool memory_absent(const struct memory *m, uint64_t *pa, uint64_t *size);

struct mem memory_port(struct memory *m);

#endif
