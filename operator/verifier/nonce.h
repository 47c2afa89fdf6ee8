/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nonces that no verifier has to remember: any verifier that has the fleet's key recognises one,
 * for which gateway it was made, and until when it is good.
 *
 *    4  epoch of the store's clock (store.h), big-endian  \
 *    6  when it was made, ms since 1970, big-endian        } the sequence
 *    6  random                                            /
 *   16  HMAC-SHA256(key, "kapu nonce 2" || UEID || the sequence), cut
 *
 * Of two nonces for a gateway the one with the greater sequence is the later one. A nonce is used
 * once: the store keeps the last sequence accepted of each gateway, and takes only greater ones.
 * The clock decides how long a nonce is good, and not alone which one is the later one: when it was
 * set back, an epoch begins, whose nonces are later than all before. Nonces of earlier epochs are
 * refused for ever, so none becomes good again when the clock comes to its time once more. Only
 * the clock of the verifier's own machine begins an epoch; nothing that is received does.
 */
#ifndef KAPU_NONCE_H
#define KAPU_NONCE_H

#include "verifier.h"

#define NONCE_SEQUENCE 16u
#define NONCE_EPOCH 4u /* the first bytes of the sequence */
#define NONCE_SKEW_MS VERIFIER_SKEW_MS

struct nonce_key {
    uint8_t b[32];
};

KAPU_MUST_CHECK int nonce_make(const struct nonce_key *key, const uint8_t ueid[EVIDENCE_UEID_SIZE],
                               uint32_t epoch, uint64_t now_ms, uint8_t nonce[EVIDENCE_NONCE_SIZE]);
/* KAPU_EAUTH: not of this fleet, or for another gateway. KAPU_ESTALE: of another epoch than
 * `epoch`. KAPU_ETIMEOUT: its time is over, or to come. */
KAPU_MUST_CHECK int nonce_check(const struct nonce_key *key, const uint8_t ueid[EVIDENCE_UEID_SIZE],
                                uint32_t epoch, uint64_t now_ms, uint32_t lifetime_ms,
                                const uint8_t nonce[EVIDENCE_NONCE_SIZE]);
/* Of a sequence, which a nonce begins with: its epoch, and when it was made, ms since 1970. */
uint32_t nonce_epoch(const uint8_t sequence[NONCE_EPOCH]);
uint64_t nonce_made_ms(const uint8_t sequence[NONCE_SEQUENCE]);
/* A secret that follows from the fleet's key and these, for nobody else to know. */
KAPU_MUST_CHECK int nonce_derive(const struct nonce_key *key, const char *label,
                                 const struct bytes *part, size_t parts, uint8_t out[32]);

#endif
