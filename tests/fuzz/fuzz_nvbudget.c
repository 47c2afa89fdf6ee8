// SPDX-License-Identifier: Apache-2.0
/* A kept budget from any bytes: what is accepted encodes to the same again, and gives no more than
 * a burst, whatever the time. */
#include <kapu/nvbudget.h>

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t again[NVBUDGET_SIZE];
    struct nvbudget b;
    uint32_t taken = 0;
    uint64_t now_ms;

    if (size < NVBUDGET_SIZE + 8 || nvbudget_decode(data, &b) != 0)
        return 0;
    nvbudget_encode(&b, again);
    if (memcmp(again, data, sizeof(again)) != 0)
        abort();
    now_ms = kapu_le64(data + NVBUDGET_SIZE);
    while (nvbudget_take(&b, now_ms, 1))
        taken++;
    if (taken > NVBUDGET_BURST || nvbudget_wait_ms(&b, now_ms, 1) > NVBUDGET_TOKEN_MS)
        abort();
    return 0;
}
