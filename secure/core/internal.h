/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of the libraries to OP-TEE's core, and what its parts share. */
#ifndef KAPU_CORE_INTERNAL_H
#define KAPU_CORE_INTERNAL_H

#include <kapu/tis.h>
#include <kapu/tpm2.h>
#include <stdbool.h>
#include <stdint.h>
#include <tee_api_types.h>

extern const struct tpm2_crypto core_crypto;
extern const struct tis_port core_tpm_port;

/* Whoever is about to write to the TPM's memory because the normal world asked for it says how
 * often (kapu/nvbudget.h). TEE_ERROR_BUSY: not now. May sleep. */
TEE_Result nv_budget_take(uint32_t writes);
/* The same for a write of the last words, which have a budget of their own. keep_one: not the last
 * one that there is now. */
TEE_Result nv_budget_take_words(bool keep_one);

#endif
