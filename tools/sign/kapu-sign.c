// SPDX-License-Identifier: Apache-2.0
/*
 * kapu-sign: sign with an ECDSA P-256 key that is a PEM file or a PKCS#11 object (sign_key.h).
 *
 *   kapu-sign public KEY            DER SubjectPublicKeyInfo on standard output
 *   kapu-sign sign KEY < DATA       DER ECDSA-Sig-Value over SHA-256 of DATA on standard output
 */
#include <stdio.h>
#include <string.h>

#include "sign_key.h"

#define INPUT_MAX (1U << 20)

static int fail(const struct sign_key *k)
{
    fprintf(stderr, "kapu-sign: %s\n", k->why);
    return 1;
}

static int print(const uint8_t *data, size_t n)
{
    if (fwrite(data, 1, n, stdout) == n && fflush(stdout) == 0)
        return 0;
    fputs("kapu-sign: cannot write the result\n", stderr);
    return 1;
}

static int print_public(struct sign_key *k)
{
    uint8_t der[SIGN_KEY_PUBLIC_MAX];
    size_t n;

    return sign_key_public(k, der, &n) == 0 ? print(der, n) : fail(k);
}

static int print_signature(struct sign_key *k)
{
    static uint8_t input[INPUT_MAX];
    uint8_t der[SIGN_KEY_SIGNATURE_MAX];
    size_t length = fread(input, 1, sizeof(input), stdin), n;

    if (ferror(stdin) || !feof(stdin) || length == 0) {
        fputs("kapu-sign: data to sign is missing, unreadable or larger than 1 MiB\n", stderr);
        return 1;
    }
    return sign_key_sign(k, input, length, der, &n) == 0 ? print(der, n) : fail(k);
}

int main(int argc, char **argv)
{
    struct sign_key key;
    int status = 1;

    if (argc != 3 || (strcmp(argv[1], "sign") != 0 && strcmp(argv[1], "public") != 0)) {
        fputs("usage: kapu-sign public KEY | kapu-sign sign KEY < DATA\n"
              "  KEY: PEM file, or pkcs11: URI\n",
              stderr);
        return 2;
    }
    if (sign_key_open(&key, argv[2]) != 0)
        status = fail(&key);
    else
        status = strcmp(argv[1], "sign") == 0 ? print_signature(&key) : print_public(&key);
    sign_key_close(&key);
    return status;
}
