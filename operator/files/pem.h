/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one reader of PEM (RFC 7468): all blocks of a text, or an error with the line.
 *
 * Lines of explanation between blocks are allowed, as other tools write them. Blocks that were
 * joined without a line feed are read. Refused: a mark that is damaged, a block without its end or
 * beginning, base64 that is not strict or lies outside of a block, encrypted blocks, control
 * characters, a text that ends in the middle of a line of explanation.
 */
#ifndef KAPU_FILES_PEM_H
#define KAPU_FILES_PEM_H

#include <kapu/bytes.h>

#define PEM_LABEL_MAX 32u
#define PEM_FILE_MAX 1048576u

/* Takes one block; `der` is wiped afterwards. NULL, or why it is refused. */
typedef const char *(*pem_fn)(void *ctx, const char *label, struct bytes der);

/* 0. KAPU_EINVAL: `why` begins with "line N: ". KAPU_ENOENT: it has no PEM block. */
KAPU_MUST_CHECK int pem_parse(struct bytes text, pem_fn each, void *ctx, char *why, size_t why_n);

/* The same of a file; `why` begins with the path. Further errors are those of whole_file
 * (text.h). What was read is wiped. */
KAPU_MUST_CHECK int pem_file(const char *path, pem_fn each, void *ctx, char *why, size_t why_n);

#endif
