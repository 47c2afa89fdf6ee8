/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for places in a kernel's image, of the table that a release has (wire/reference.cddl).
 *
 * The table was signed with the reference values; a damaged one gives an error and nothing worse.
 */
#ifndef KAPU_SYMBOLS_H
#define KAPU_SYMBOLS_H

#include "verifier.h"

#define SYMBOLS_MAX (1u << 20)
#define SYMBOLS_TABLE_MAX (32u << 20) /* bytes, unpacked */
#define SYMBOLS_NAME_MAX 255u

struct symbols {
    uint32_t size; /* of the image; 0: there are no symbols */
    uint32_t n;
    uint32_t *offset; /* in the image, ascending */
    uint32_t *name;   /* where it begins in the table; ends with a zero */
    uint8_t *table;
};

/* Unpacks and checks all of it; symbols_close frees, also after an error. KAPU_EINVAL, KAPU_ERANGE
 * (larger than the bounds), KAPU_ESPACE (no memory). */
KAPU_MUST_CHECK int symbols_open(struct symbols *s, const struct verifier_kernel *kernel);
void symbols_close(struct symbols *s);

/* The same of a table that is not packed, of which a copy is made. */
KAPU_MUST_CHECK int symbols_read(struct symbols *s, uint32_t size, uint32_t n, struct bytes table);

/* "SYMBOL+0x10" for an offset in the image; false when there is no symbol at or before it. */
bool symbols_place(const struct symbols *s, uint64_t offset, char *to, size_t n);

#define SYMBOLS_FINDING_MAX 256 /* bytes of the text, with its end */

/*
 * The same for a finding of lib/introspect. When `detail` says that it is about a piece of text,
 * and a function ends in the piece and the next one begins, the text tells both: nobody knows in
 * which the change is.
 */
bool symbols_finding(const struct symbols *s, uint64_t offset, struct bytes detail,
                     char to[SYMBOLS_FINDING_MAX]);

#endif
