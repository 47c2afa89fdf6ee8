/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of reference values (wire/reference.cddl), as tools/reference-values makes them. They are
 * the operator's own, but a damaged one gives an error and nothing worse.
 */
#ifndef KAPU_REFERENCE_H
#define KAPU_REFERENCE_H

#include "verifier.h"

#define REFERENCE_RELEASES 4096u
#define REFERENCE_FILE_MAX (2u << 20) /* bytes */

/* At most `most` releases; *n: how many there are. KAPU_EINVAL, KAPU_EUNSUPPORTED, KAPU_ESPACE. */
KAPU_MUST_CHECK int reference_read(struct bytes file, struct verifier_reference *to, size_t most,
                                   size_t *n);
/* Reads a file and adds what is in it to a store. `why` says what is wrong. */
struct store;
KAPU_MUST_CHECK int reference_load(struct store *s, const char *path, size_t *n, char *why,
                                   size_t why_n);

#endif
