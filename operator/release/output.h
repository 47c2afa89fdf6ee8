/* SPDX-License-Identifier: Apache-2.0 */
/* A file that appears when all of it is there. 0, or -1 with the reason. */
#ifndef KAPU_RELEASE_OUTPUT_H
#define KAPU_RELEASE_OUTPUT_H

#include <kapu/cipher.h>
#include <stdio.h>

#include "newfile.h"
#include "package.h"

struct output {
    const char *path;
    struct newfile new;
    FILE *file;
    /* Of one that is encrypted: */
    bool encrypted;
    uint64_t at; /* bytes of the plain file so far */
    uint8_t key[CIPHER_KEY_SIZE];
};

/* `path` must outlive it. */
int output_open(struct output *o, const char *path, char why[PACKAGE_WHY]);
/* What is written from now on is encrypted (kapu/cipher.h), with a salt of its own; the last part
 * of the path is the file's name. `key`: of the release; NULL: nothing is encrypted. */
int output_encrypt(struct output *o, const uint8_t *key, char why[PACKAGE_WHY]);
int output_write(struct output *o, const void *p, size_t n, char why[PACKAGE_WHY]);
/* err: what the writing came to, which is the result; the file is kept only if it is 0. Also after
 * output_open failed, and on one that is all zeros. */
int output_close(struct output *o, int err, char why[PACKAGE_WHY]);

#endif
