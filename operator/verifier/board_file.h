/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of board records (wire/board-record.cddl), as factories make them.
 *
 * Trust: a file is hostile until its signature holds by one of the factory keys that the operator
 * believes. What it says is then the manufacturer's word, and must still be possible: the UEID is
 * the endorsement key's, and the date is not to come.
 */
#ifndef KAPU_BOARD_FILE_H
#define KAPU_BOARD_FILE_H

#include "reference.h"
#include "store.h"

/* A factory's clock may be that much ahead of ours. */
#define BOARD_FILE_AHEAD_MS VERIFIER_DAY_MS

/* 0, or a negative value: `why` says the reason. */
KAPU_MUST_CHECK int board_file_read(struct bytes file, const struct reference_keys *keys,
                                    uint64_t now_ms, struct store_board *out, char *why,
                                    size_t why_n);
/* The same of a file by its name, with which `why` begins. */
KAPU_MUST_CHECK int board_file_open(const char *path, const struct reference_keys *keys,
                                    uint64_t now_ms, struct store_board *out, char *why,
                                    size_t why_n);

#endif
