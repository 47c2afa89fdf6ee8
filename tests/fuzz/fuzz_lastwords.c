// SPDX-License-Identifier: Apache-2.0
/* Last words from any bytes: what is accepted encodes to the same again. */
#include <kapu/lastwords.h>

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t again[LASTWORDS_SIZE];
    struct lastwords w, made;

    lastwords_make(&made, 1, (const char *)data, size);
    lastwords_encode(&made, again);
    if (made.n > LASTWORDS_TEXT_MAX || lastwords_decode(again, &w) != 0 ||
        memcmp(&w, &made, sizeof(w)) != 0)
        abort();
    if (size < LASTWORDS_SIZE || lastwords_decode(data, &w) != 0)
        return 0;
    lastwords_encode(&w, again);
    if (memcmp(again, data, sizeof(again)) != 0)
        abort();
    return 0;
}
