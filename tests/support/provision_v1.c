// SPDX-License-Identifier: Apache-2.0
/*
 * Makes a board as release 0.1.0 did, on a TPM just switched on:
 *
 *   provision_v1 SOCKET FUSES ID ROOT_KEY_HASH CERTIFICATE    identity and hash in hexadecimal
 */
#include <stdio.h>
#include <string.h>

#include "crypto_openssl.h"
#include "factory_v1.h"
#include "tpm_socket.h"

static int unhex(const char *text, uint8_t *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned int byte;

        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            return -1;
        to[i] = (uint8_t)byte;
    }
    return 0;
}

static size_t read_file(const char *path, uint8_t *to, size_t n)
{
    FILE *f = fopen(path, "rb");
    size_t got = f != NULL ? fread(to, 1, n, f) : 0;

    if (f != NULL)
        fclose(f);
    return got;
}

int main(int argc, char **argv)
{
    static uint8_t buf[TPM2_BUFFER_MAX], certificate[FUSEBOX_CERTIFICATE_MAX];
    uint8_t record[FUSEBOX_BOARD_V1_SIZE];
    struct fusebox_board board = {0};
    struct factory_v1 y = {0};
    struct tpm_socket socket;
    struct tpm2 tpm;
    FILE *f;
    int err;

    if (argc != 6 || unhex(argv[3], board.id, sizeof(board.id)) != 0 ||
        unhex(argv[4], y.root_key_hash, sizeof(y.root_key_hash)) != 0 ||
        tpm_socket_open(&socket, argv[1], 10000) != 0)
        return 2;
    tpm = (struct tpm2){tpm_socket_transport(&socket), &crypto_openssl, buf, sizeof(buf), 0};
    y.tpm = &tpm;
    y.ek_certificate =
        (struct bytes){certificate, read_file(argv[5], certificate, sizeof(certificate))};
    err = factory_v1_provision(&y, &board);
    if (err == 0)
        err = factory_v1_encode(&crypto_openssl.sha256, &board, record);
    if (err != 0) {
        printf("error %d, TPM's answer 0x%x\n", err, tpm.rc);
        return 1;
    }
    f = fopen(argv[2], "wb");
    if (f == NULL || fwrite(record, 1, sizeof(record), f) != sizeof(record) || fclose(f) != 0)
        return 1;
    return 0;
}
