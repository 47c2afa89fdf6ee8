/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in a slot in flash. */
#ifndef KAPU_CORE_SLOTS_H
#define KAPU_CORE_SLOTS_H

#include <stddef.h>
#include <stdint.h>
#include <tee_api_types.h>

/* n bytes from an offset; both are whole words. TEE_ERROR_BAD_PARAMETERS: the slot has fewer. */
TEE_Result slot_read(unsigned int slot, size_t at, uint8_t *to, size_t n);

#endif
