/* SPDX-License-Identifier: Apache-2.0 */
/* How release 0.1.0 provisioned a board. */
#ifndef KAPU_TEST_FACTORY_V1_H
#define KAPU_TEST_FACTORY_V1_H

#include <kapu/fusebox.h>

struct factory_v1 {
    struct tpm2 *tpm;
    uint8_t root_key_hash[32];
    struct bytes ek_certificate;
    uint8_t slot; /* in use */
};

int factory_v1_provision(struct factory_v1 *y, struct fusebox_board *board);
int factory_v1_encode(const struct kapu_sha256 *h, const struct fusebox_board *b,
                      uint8_t to[FUSEBOX_BOARD_V1_SIZE]);

#endif
