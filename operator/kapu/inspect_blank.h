/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of which a dump has zeros only, though the kernel has it in use: a tool that could not
 * read it, a file system that lost it. It is as absent as what is not in the file.
 */
#ifndef KAPU_CLI_BLANK_H
#define KAPU_CLI_BLANK_H

#include "inspect_memory.h"
#include "inspect_result.h"

/* Removes such memory from m, of the kernel that `in` has located, in which that was found. How
 * many bytes that were. */
uint64_t blank_remove(struct memory *m, struct introspect *in, const struct list *findings);

#endif
