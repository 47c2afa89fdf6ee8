/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nonces that no verifier has to remember: any verifier that has the fleet's key recognises one,
 * for which gateway it was made, and until when it is good.
 *
 *   8  when it ends, ms since 1970, big-endian   \ the sequence: of two nonces for a gateway the
 * one 8  random                                    / with the greater sequence is the later one 16
 * HMAC-SHA256(key, "kapu nonce" || UEID || the 16 bytes before), cut
 *
 * A nonce is used once: the store keeps the last sequence accepted of each gateway, and takes only
 * greater ones. All verifiers of a fleet give the same lifetime.
 */
#ifndef KAPU_NONCE_H
#define KAPU_NONCE_H

#include "verifier.h"

#define NONCE_SEQUENCE 16u
#define NONCE_SKEW_MS VERIFIER_SKEW_MS

struct nonce_key {
    uint8_t b[32];
};

KAPU_MUST_CHECK int nonce_make(const struct nonce_key *key, const uint8_t ueid[EVIDENCE_UEID_SIZE],
                               uint64_t now_ms, uint32_t lifetime_ms,
                               uint8_t nonce[EVIDENCE_NONCE_SIZE]);
/* KAPU_EAUTH: not of this fleet, or for another gateway. KAPU_ETIMEOUT: its time is over, or it
 * ends later than any could (a clock was changed). */
KAPU_MUST_CHECK int nonce_check(const struct nonce_key *key, const uint8_t ueid[EVIDENCE_UEID_SIZE],
                                uint64_t now_ms, uint32_t lifetime_ms,
                                const uint8_t nonce[EVIDENCE_NONCE_SIZE]);
/* When a nonce was made, ms since 1970: of one that nonce_check took. */
uint64_t nonce_made_ms(const uint8_t nonce[EVIDENCE_NONCE_SIZE], uint32_t lifetime_ms);
/* A secret that follows from the fleet's key and these, for nobody else to know. */
KAPU_MUST_CHECK int nonce_derive(const struct nonce_key *key, const char *label,
                                 const struct bytes *part, size_t parts, uint8_t out[32]);

#endif
