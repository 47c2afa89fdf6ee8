/* SPDX-License-Identifier: Apache-2.0 */
/* Well-formed answers to every command that lib/tpm2 sends, for fuzzing to start from. */
#ifndef KAPU_FUZZ_ANSWERS_H
#define KAPU_FUZZ_ANSWERS_H

#include <kapu/tpm2.h>

#define ANSWER_MAC 0x5a /* each byte of each digest and MAC */
#define ANSWER_INDEX 0x01001234u
#define ANSWER_NV_SIZE 8u

/* The answer to cmd: header, handle, parameters, and sessions as the command has them. */
void answer(struct wr *w, struct bytes cmd, uint8_t nonce);

#endif
