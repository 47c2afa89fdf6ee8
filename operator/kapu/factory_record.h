/* SPDX-License-Identifier: Apache-2.0 */
/* Board records as the factory makes them (kapu/board.h). Functions say on stderr what is wrong. */
#ifndef KAPU_FACTORY_RECORD_H
#define KAPU_FACTORY_RECORD_H

#include <kapu/board.h>
#include <kapu/fusebox.h>

#include "newfile.h"
#include "signer.h"

/* Whether a record of the board with that identity may be written there: there is no file, or a
 * record of this board. Else -1 after saying what is there. */
int record_may_write(const char *path, const uint8_t id[16]);

/*
 * Signs a record of this board, dated now, and writes all of it to `to`, which the caller keeps or
 * drops. The board is what fusebox_factory_provision or fusebox_factory_upgrade left. 0 or -1.
 */
int record_issue(struct signer *by, const struct fusebox_board *board, const char *platform,
                 struct newfile *to);

/* Whether that can be a platform's name in a record. */
bool record_platform_is_good(const char *platform);

/* Reads a record of which the signature is not looked at: for displays. 0 or -1. */
int record_read(const char *path, struct board_record *r, uint8_t kid[EVIDENCE_KID_SIZE]);

#endif
