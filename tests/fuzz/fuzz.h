/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's entry point: one per harness. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
