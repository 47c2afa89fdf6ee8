// SPDX-License-Identifier: Apache-2.0
/*
 * What tests need to know, and what an attacker with the board's fuses in hand would do: asks a TPM
 * for the root secret of a board.
 *
 *   root_secret boot SOCKET FUSES ROOT_KEY_HASH   as firmware does it, on a TPM just switched on
 *   root_secret now SOCKET FUSES                  with the TPM as it is
 *
 * Prints the secret and what derives from it, in hexadecimal; or why not, and exits with 1.
 */
#include <stdio.h>
#include <string.h>

#include <kapu/fusebox.h>

#include "crypto_openssl.h"
#include "tpm_socket.h"

static void print_hex(const char *name, const uint8_t *p, size_t n)
{
    printf("%s ", name);
    for (size_t i = 0; i < n; i++)
        printf("%02x", p[i]);
    printf("\n");
}

static int read_fuses(const char *path, struct fusebox_board *board)
{
    uint8_t record[FUSEBOX_BOARD_SIZE];
    FILE *f = fopen(path, "rb");
    size_t n = f != NULL ? fread(record, 1, sizeof(record), f) : 0;

    if (f != NULL)
        fclose(f);
    return n == sizeof(record) ? fusebox_board_decode(&crypto_openssl.sha256, record, board) : -1;
}

static int as_firmware(struct fusebox *box, const char *hash)
{
    uint8_t digest[32] = {0};
    int err;

    for (size_t i = 0; i < sizeof(digest); i++) {
        unsigned int byte;

        if (sscanf(hash + 2 * i, "%2x", &byte) != 1)
            return KAPU_EARG;
        digest[i] = (uint8_t)byte;
    }
    err = fusebox_start(box);
    if (err == 0)
        err = tpm2_pcr_extend(box->tpm, FUSEBOX_PCR_AUTHORITY, &TPM2_AUTH_CLEAR, digest);
    return err == 0 ? fusebox_close_platform(box) : err;
}

int main(int argc, char **argv)
{
    static const char *const labels[] = {FUSEBOX_LABEL_OPTEE, FUSEBOX_LABEL_OWNER,
                                         FUSEBOX_LABEL_ENDORSEMENT, FUSEBOX_LABEL_LOCKOUT};
    static uint8_t buf[TPM2_BUFFER_MAX];
    struct tpm_socket socket;
    struct fusebox_board board;
    struct fusebox box;
    struct tpm2 tpm;
    uint8_t root[32], derived[32];
    int err;

    if (argc < 4 || read_fuses(argv[3], &board) != 0 ||
        tpm_socket_open(&socket, argv[2], 10000) != 0)
        return 2;
    tpm = (struct tpm2){tpm_socket_transport(&socket), &crypto_openssl, buf, sizeof(buf), 0};
    fusebox_init(&box, &tpm, &board);
    err = strcmp(argv[1], "boot") == 0 && argc == 5 ? as_firmware(&box, argv[4]) : 0;
    if (err == 0)
        err = fusebox_init_salted(&box, &tpm, &board);
    if (err == 0)
        err = fusebox_take_root(&box, root);
    if (err != 0) {
        printf("%s: %s\n", box.at, fusebox_explain(err, &tpm));
        return 1;
    }
    print_hex("root", root, sizeof(root));
    print_hex("pairing", board.pairing, sizeof(board.pairing));
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        if (fusebox_derive(&crypto_openssl.sha256, root, labels[i], derived) != 0)
            return 2;
        print_hex("derived", derived, sizeof(derived));
    }
    return 0;
}
