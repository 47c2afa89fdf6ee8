/* SPDX-License-Identifier: Apache-2.0 */
/* A board with its fuse box: a real swtpm behind an interposer, provisioned by the factory. */
#ifndef KAPU_TEST_FUSEBOX_FIXTURE_H
#define KAPU_TEST_FUSEBOX_FIXTURE_H

#include <kapu/fusebox.h>

#include "tpm2_fixture.h"

struct shop {
    struct env e; /* its SRK and salt are not used */
    struct fusebox_board board;
    struct fusebox box;
    uint8_t root[32];
    struct tpm2_public ak; /* as the factory gave it back */
    char steps[1024];
};

/* Hash of the root key that the board is made for. */
extern const uint8_t shop_key[32];
extern const uint8_t shop_record[FUSEBOX_RECORD_SIZE]; /* of a new board */

/* Group fixtures: with a board that is provisioned. */
int shop_begin(void **state);
int shop_end(void **state);

/* For a fixture that has the shop as its first member: shop_end frees it. */
int shop_open(struct shop *s);
int shop_provision(struct shop *s);

/* As the ROM and BL2 do it, up to OP-TEE. */
void shop_boot(struct shop *s, const uint8_t key[32]);
void shop_enter_secure_world(struct shop *s);
/* All of it, until the root secret is taken: s->root. */
void shop_start(struct shop *s);

struct tpm2_name shop_name_of(const struct tpm2_public *pub);

#endif
