/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of `kapu factory` share. */
#ifndef KAPU_FACTORY_H
#define KAPU_FACTORY_H

#include <kapu/fusebox.h>

#include "tpm_socket.h"

#define HEX_MAX (2u * 64u + 1u)

/* A TPM behind a socket, ready for commands. */
struct station {
    struct tpm_socket socket;
    struct tpm2 tpm;
    uint8_t buf[TPM2_BUFFER_MAX];
};

/* 0, or -1 after saying why. */
int station_open(struct station *s, const char *path);

/* Reads the board's record. 0; KAPU_ENOENT: no file, or an erased record; else -1 after saying. */
int fuses_read(const char *path, struct fusebox_board *board);
/* The same of a board that an earlier release provisioned; KAPU_E*, and says nothing. */
int fuses_read_v1(const char *path, struct fusebox_board *board);

/* n bytes (at most 64) as hexadecimal digits. */
const char *hex(const uint8_t *p, size_t n, char text[HEX_MAX]);
/* Exactly n bytes from hexadecimal digits; dashes between them are passed over. 0 or -1. */
int unhex(const char *text, uint8_t *to, size_t n);
/* A UUID in its usual form: 37 characters with the end. */
const char *uuid_text(const uint8_t id[16], char text[HEX_MAX]);

/* `kapu factory show`. */
int factory_show(const char *tpm, const char *fuses, const char *record, bool json);

#endif
