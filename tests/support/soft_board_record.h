/* SPDX-License-Identifier: Apache-2.0 */
/* A board record of tests, and a factory in software that signs records. */
#ifndef KAPU_SOFT_BOARD_RECORD_H
#define KAPU_SOFT_BOARD_RECORD_H

#include <kapu/board.h>

#include "soft_key.h"

#define SOFT_FACTORY "factory of tests" /* the name of its key (soft_key_make) */

/* That of tests/vectors/board: of the soft gateway "vector". */
struct board_record soft_board_record(void);
void soft_board_record_sign(const struct soft_key *factory, const struct board_record *r,
                            struct wr *out);

#endif
