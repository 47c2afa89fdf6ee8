// SPDX-License-Identifier: Apache-2.0
/* Any slot content: each image found lies inside the slot, and reading all of it is safe. */
#include <stdlib.h>

#include <kapu/fip.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fip fip;
    volatile uint8_t sum = 0;

    if (fip_open(&fip, (struct bytes){data, size}) != 0)
        return 0;
    if (fip.entries > FIP_MAX_ENTRIES)
        abort();
    for (size_t i = 0; i < fip.entries; i++) {
        struct bytes out;

        if (fip_find(&fip, data + 16 + i * 40, &out) != 0)
            abort();
        for (size_t j = 0; j < out.n; j++)
            sum = (uint8_t)(sum + out.p[j]);
    }
    return 0;
}
