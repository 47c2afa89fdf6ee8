// SPDX-License-Identifier: Apache-2.0
/* What a TLS library wants signed, from any bytes: what is taken for a client's handshake is
 * exactly that, so the vault TA puts the same content together. */
#include <kapu/vault.h>

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t again[VAULT_TLS_CONTENT_MAX];
    struct bytes transcript;
    struct wr w;

    if (vault_tls_decode((struct bytes){data, size}, &transcript) != 0)
        return 0;
    wr_init(&w, again, sizeof(again));
    if (vault_tls_encode(transcript, &w) != 0 || wr_done(&w).n != size ||
        memcmp(again, data, size) != 0)
        abort();
    return 0;
}
