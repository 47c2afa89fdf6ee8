/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody's private key, and signatures by it that were seen to hold. Functions say on stderr what
 * is wrong. */
#ifndef KAPU_SIGNER_H
#define KAPU_SIGNER_H

#include <kapu/evidence.h>

#include "sign_key.h"

struct signer {
    const char *what; /* how messages call the key: "the factory key" */
    struct sign_key key;
    struct evidence_key public;
    uint8_t kid[EVIDENCE_KID_SIZE];
};

/*
 * `key`: a PEM file or a pkcs11: URI, which must outlive the signer, as `what`. Signs something to
 * try it: a key that cannot sign must not be found out after work was done. 0 or -1; signer_close
 * is right after both.
 */
int signer_open(struct signer *s, const char *what, const char *key);
void signer_close(struct signer *s);

/* r || s over a SHA-256. 0 or -1. */
int signer_sign(struct signer *s, const uint8_t digest[32],
                uint8_t signature[EVIDENCE_SIGNATURE_SIZE]);

/* The public half of a key, as PEM on stdout. A status of commands.h. */
int signer_show(const char *what, const char *key);

#endif
