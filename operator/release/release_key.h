/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of an encrypted release (kapu/cipher.h) in its file: 32 bytes, readable by its owner
 * only. 0, or -1: `why` says what is wrong. The caller wipes the key.
 */
#ifndef KAPU_RELEASE_KEY_H
#define KAPU_RELEASE_KEY_H

#include <kapu/cipher.h>

#include "package.h"

#define RELEASE_KEY_FILE "key" /* in the release's folder */

/* Draws a key, and writes it to a file that is not there yet. */
int release_key_make(const char *path, uint8_t key[CIPHER_KEY_SIZE], char why[PACKAGE_WHY]);
/* The key of the release with that manifest, which is encrypted. */
int release_key_read(const char *path, const struct release_manifest *m,
                     uint8_t key[CIPHER_KEY_SIZE], char why[PACKAGE_WHY]);

#endif
