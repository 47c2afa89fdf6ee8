/* SPDX-License-Identifier: Apache-2.0 */
/* Board records as the factory makes them (kapu/board.h). Functions say on stderr what is wrong. */
#ifndef KAPU_FACTORY_RECORD_H
#define KAPU_FACTORY_RECORD_H

#include <kapu/board.h>
#include <kapu/fusebox.h>

#include "signer.h"

/*
 * Signs a record of this board, dated now, and writes it to `path`: whole or not at all. The board
 * is what fusebox_factory_provision or fusebox_factory_upgrade left. 0 or -1.
 */
int record_issue(struct signer *by, const struct fusebox_board *board, const char *platform,
                 const char *path);

/* Whether that can be a platform's name in a record. */
bool record_platform_is_good(const char *platform);

/* Reads a record of which the signature is not looked at: for displays. 0 or -1. */
int record_read(const char *path, struct board_record *r, uint8_t kid[EVIDENCE_KID_SIZE]);

#endif
