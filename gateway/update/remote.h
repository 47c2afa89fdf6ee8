/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file on the server of releases that may be encrypted (kapu/cipher.h): its salt is fetched
 * before the first range of it, and each range is decrypted as it comes.
 *
 * Trust: the server is hostile. What is decrypted is whatever it likes until it was held against a
 * hash. A salt that was changed on its way spoils all ranges, so remote_forget is right after a
 * range that was not what it should be.
 */
#ifndef KAPU_UPDATE_REMOTE_H
#define KAPU_UPDATE_REMOTE_H

#include <kapu/cipher.h>

struct remote {
    const char *name; /* the caller's; set before the first range */
    /* private */
    bool has_key;
    uint8_t key[CIPHER_KEY_SIZE];
};

/* n bytes of the file, as they are on the server. 0, or an error of the caller's. */
typedef int (*remote_fn)(void *ctx, const char *name, uint64_t at, uint8_t *to, uint32_t n);

/* n bytes of the plain file. `release_key`: NULL: the file is not encrypted. What `range` gave, or
 * KAPU_ECRYPTO: then nothing is at `to`. */
KAPU_MUST_CHECK int remote_range(struct remote *f, const uint8_t *release_key, uint64_t at,
                                 uint8_t *to, uint32_t n, remote_fn range, void *ctx);
/* The salt is fetched again before the next range; the file's key is wiped. */
void remote_forget(struct remote *f);

#endif
