/* SPDX-License-Identifier: Apache-2.0 */
/* What the chain of trust asks of a platform; platform_def.h adds the addresses (KAPU_*). */
#ifndef KAPU_PLATFORM_H
#define KAPU_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#include <kapu/tis.h>

/* Reset the whole board and its TPM, secure RAM kept. */
void platform_reset(void) __attribute__((noreturn));

/* BL31: leave the words HANDOVER_PANIC* (wire/handover.h) and reset the whole board. */
void platform_panic(uint32_t kind, uint64_t esr, uint64_t elr) __attribute__((noreturn));

/* BL1: whether the TPM's registers can be touched at all; whether a TPM answers is another matter.
 */
bool platform_has_tpm(void);

/* Registers of the TPM, and a clock. */
extern const struct tis_port platform_tpm;

/* Random bytes that are new at each reset. 0, or negative: the machine has none. */
int platform_random_seed(uint8_t seed[32]);

#endif
