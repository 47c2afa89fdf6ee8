/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of the libraries to OP-TEE's core. */
#ifndef KAPU_CORE_INTERNAL_H
#define KAPU_CORE_INTERNAL_H

#include <kapu/tis.h>
#include <kapu/tpm2.h>

extern const struct tpm2_crypto core_crypto;
extern const struct tis_port core_tpm_port;

#endif
