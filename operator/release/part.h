/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of a release that gateways fetch, to read in ranges as they do: as it is, or decrypted
 * (kapu/cipher.h). Errors: 0, or -1: `why` says what is wrong and in which file.
 */
#ifndef KAPU_RELEASE_PART_H
#define KAPU_RELEASE_PART_H

#include <kapu/cipher.h>

#include "mapped.h"

struct part {
    size_t n; /* bytes of the plain file */
    /* private */
    struct mapped file;
    bool encrypted;
    uint8_t key[CIPHER_KEY_SIZE];
};

/* `key`: of the release; NULL: it is not encrypted. The last part of `path` is the file's name.
 * The plain file has 1 to `most` bytes. Close it after success, or when it is all zeros. */
int part_open(const char *path, uint64_t most, const uint8_t *key, struct part *p,
              char why[PACKAGE_WHY]);
void part_close(struct part *p);
/* n bytes of the plain file from `at`. KAPU_EIO: it does not have them. KAPU_ECRYPTO. */
int part_read(const struct part *p, uint64_t at, uint8_t *to, size_t n);
/* All of it, in memory that the caller frees. {NULL, 0}: no memory, or no crypto. */
struct bytes part_read_all(const struct part *p);

#endif
