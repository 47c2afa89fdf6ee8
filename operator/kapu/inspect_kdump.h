/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory in kdump's compressed format (makedumpfile's IMPLEMENTATION, diskdump_mod.h): blocks of a
 * page of the machine or more, each compressed by itself. With zlib and zstd; lzo and snappy are
 * named and refused.
 */
#ifndef KAPU_CLI_KDUMP_H
#define KAPU_CLI_KDUMP_H

#include "inspect_memory.h"

/* Opens m->content and adds its parts. NULL, or what is wrong. */
const char *kdump_open(struct memory *m);
/* Puts a flattened file, which was written to a pipe, in order: m->content is a copy then. */
const char *kdump_unflatten(struct memory *m);
void kdump_close(struct kdump *k);
/* At most n bytes at an address of a part; how many: up to the block's end. 0: it cannot be read.
 */
size_t kdump_read(struct kdump *k, uint64_t pa, void *to, size_t n);

#endif
