/* SPDX-License-Identifier: Apache-2.0 */
/* What the chain of trust asks of a platform; platform_def.h adds the addresses (KAPU_*). */
#ifndef KAPU_PLATFORM_H
#define KAPU_PLATFORM_H

/* Reset the whole board, secure RAM kept. */
void platform_reset(void) __attribute__((noreturn));

#endif
