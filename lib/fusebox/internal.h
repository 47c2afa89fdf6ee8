/* SPDX-License-Identifier: Apache-2.0 */
/* Internal to lib/fusebox: the objects and their authorisation values. */
#ifndef KAPU_FUSEBOX_INTERNAL_H
#define KAPU_FUSEBOX_INTERNAL_H

#include <kapu/fusebox.h>

/* The NV indices, as the factory makes them; written. */
struct tpm2_nv fusebox_nv_counter(uint32_t index);
uint32_t fusebox_counter_index(enum fusebox_counter which);
/* Boot state (of this release or of an earlier one), update record, last words. */
struct tpm2_nv fusebox_nv_board(uint32_t index, uint16_t size);

/* The board's value for an object: KDFa of the pairing secret, its handle as context. */
KAPU_MUST_CHECK int fusebox_board_value(const struct kapu_sha256 *h,
                                        const struct fusebox_board *board, uint32_t handle,
                                        uint8_t value[32]);

/* Policy of the root secret: PCRs of the authority and the cap, the board's value, Unseal only. */
#define FUSEBOX_ROOT_PCRS ((1u << FUSEBOX_PCR_AUTHORITY) | (1u << FUSEBOX_PCR_CAP))
KAPU_MUST_CHECK int fusebox_root_policy(const struct kapu_sha256 *h,
                                        const uint8_t root_key_hash[32], uint8_t digest[32]);

/* Opens the root secret under its policy: the policy session authorises, f->session, which must be
 * open, encrypts, and each vouches for the other. */
KAPU_MUST_CHECK int fusebox_open_root(struct fusebox *f, uint8_t root[FUSEBOX_SECRET_SIZE]);
/* Extends the cap and sees that it has its value; f->session must be open. */
KAPU_MUST_CHECK int fusebox_close_boot_phase(struct fusebox *f);

/* Opens f->session if none is kept. */
KAPU_MUST_CHECK int fusebox_session(struct fusebox *f);
/* Each operation that opened f->session ends so. The result is err, or that of ending the session,
 * which is kept when it is salted and did well. */
KAPU_MUST_CHECK int fusebox_session_done(struct fusebox *f, int err);
/* Ends a session if it was opened; the result is err, whose response code stays, or that of the
 * ending. */
KAPU_MUST_CHECK int fusebox_session_end(struct fusebox *f, struct tpm2_session *s, int err);

#endif
