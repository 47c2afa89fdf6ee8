// SPDX-License-Identifier: Apache-2.0
/* The right-hand side of tpm2_constants.inc; apart, as both headers define names of the same kind.
 */
#include <stddef.h>
#include <stdint.h>
#include <tss2/tss2_tpm2_types.h>

extern const uint32_t constants_tss[];
extern const size_t constants_tss_n;

const uint32_t constants_tss[] = {
#define ROW(ours, theirs) (uint32_t)(theirs),
#include "tpm2_constants.inc"
};
const size_t constants_tss_n = sizeof(constants_tss) / sizeof(constants_tss[0]);
