/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gateway in software on a real TPM (swtpm): its EK and AK are the TPM's, which quotes and opens
 * challenges; the AK is persistent under the storage root key, as the factory makes it. Aborts when
 * the TPM does not do what it must.
 */
#ifndef KAPU_SOFT_BOARD_H
#define KAPU_SOFT_BOARD_H

#include "soft_gateway.h"
#include "swtpm.h"

struct soft_board {
    struct swtpm swtpm;
    struct tpm2 tpm;
    uint8_t buf[TPM2_BUFFER_MAX];
    struct tpm2_public srk_public, ek_public, ak_public;
    struct tpm2_entity srk, ek, ak;
    struct tpm2_salt salt;
    struct tpm2_session session;
    struct soft_gateway g; /* its token's key is software, named as given */
};

void soft_board_begin(struct soft_board *b, const char *name, const char *release);
void soft_board_end(struct soft_board *b);
/* As a reset of the board: its TPM starts anew, and it boots the same. */
void soft_board_reset(struct soft_board *b);
/* As a factory upgrade: another attestation key in the place of the first. */
void soft_board_new_ak(struct soft_board *b);
/* false: the TPM does not open the challenge. */
bool soft_board_activate(struct soft_board *b, struct bytes credential, struct bytes secret,
                         uint8_t out[32]);

#endif
