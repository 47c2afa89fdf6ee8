/* SPDX-License-Identifier: Apache-2.0 */
/* Board records as the factory makes them (kapu/board.h). Functions say on stderr what is wrong. */
#ifndef KAPU_FACTORY_RECORD_H
#define KAPU_FACTORY_RECORD_H

#include <kapu/board.h>
#include <kapu/fusebox.h>

#include "sign_key.h"

/* Who signs. Opened before a board is touched: a key that cannot sign must not be found out after.
 */
struct record_issuer {
    struct sign_key key;
    struct evidence_key public;
};

/* `key`: a PEM file or a pkcs11: URI, which must outlive the issuer. 0 or -1; record_issuer_close
 * is right after both. */
int record_issuer_open(struct record_issuer *i, const char *key);
void record_issuer_close(struct record_issuer *i);

/*
 * Signs a record of this board, dated now, and writes it to `path`: whole or not at all. The board
 * is what fusebox_factory_provision or fusebox_factory_upgrade left. 0 or -1.
 */
int record_issue(struct record_issuer *i, const struct fusebox_board *board, const char *platform,
                 const char *path);

/* Whether that can be a platform's name in a record. */
bool record_platform_is_good(const char *platform);

/* `kapu factory key`: the public half, for operators. A status of commands.h. */
int record_show_key(const char *key);

/* Reads a record of which the signature is not looked at: for displays. 0 or -1. */
int record_read(const char *path, struct board_record *r, uint8_t kid[EVIDENCE_KID_SIZE]);

#endif
