// SPDX-License-Identifier: Apache-2.0
/*
 * Asks the vault TA, as whatever account runs it: vault-key public USE; vault-key sign HEX (a
 * transcript hash). Says what came as hexadecimal digits, or GlobalPlatform's result.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vault_client.h"

static size_t unhex(const char *text, uint8_t *to, size_t most)
{
    size_t n = 0;

    while (n < most && sscanf(text + 2 * n, "%2hhx", &to[n]) == 1)
        n++;
    return n;
}

int main(int argc, char **argv)
{
    uint8_t hash[64], out[64];
    struct vault_client c;
    uint32_t result;

    if (argc != 3)
        return 2;
    result = vault_client_open(&c);
    if (result == 0 && strcmp(argv[1], "public") == 0)
        result = vault_client_public(&c, (uint32_t)strtoul(argv[2], NULL, 0), out);
    else if (result == 0)
        result = vault_client_sign_tls(&c, (struct bytes){hash, unhex(argv[2], hash, sizeof(hash))},
                                       out);
    vault_client_close(&c);
    if (result != 0)
        printf("0x%08x", result);
    for (size_t i = 0; result == 0 && i < sizeof(out); i++)
        printf("%02x", out[i]);
    printf("\n");
    return 0;
}
