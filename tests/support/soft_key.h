/* SPDX-License-Identifier: Apache-2.0 */
/*
 * P-256 keys and signatures of them that are the same in each run: for test vectors. The nonce of a
 * signature is a hash of key and message, so nothing here is fit for anything but tests.
 */
#ifndef KAPU_SOFT_KEY_H
#define KAPU_SOFT_KEY_H

#include <kapu/evidence.h>

struct soft_key {
    uint8_t d[32];
    struct evidence_key pub;
};

/* The key of that name; aborts when OpenSSL fails, as all here. */
void soft_key_make(struct soft_key *k, const char *name);
void soft_key_sign(const struct soft_key *k, const uint8_t digest[32], uint8_t signature[64]);

#endif
