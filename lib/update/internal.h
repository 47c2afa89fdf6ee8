/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of lib/update share. */
#ifndef KAPU_UPDATE_INTERNAL_H
#define KAPU_UPDATE_INTERNAL_H

#include <kapu/update.h>

/*
 * The set of keys of a role that counts now, into u->set: `given`, an encoded set, or the built-in
 * one. *answer is UPDATE_DONE, or why it is not taken.
 */
KAPU_MUST_CHECK int update_use_set(struct update *u, enum release_role role, struct bytes given,
                                   enum update_answer *answer);

/* Decodes a signed file into u->signed_ and verifies it by the role's set, which is in use.
 * *answer as above. */
KAPU_MUST_CHECK int update_open_signed(struct update *u, const struct evidence_kind *kind,
                                       enum release_role role, struct bytes in,
                                       enum update_answer *answer);

/* How each public function ends: after an error it is not known what the TPM holds, so nothing is
 * done before update_open has read it again. */
KAPU_MUST_CHECK int update_done(struct update *u, int err);

/* The record in the TPM becomes this one. */
KAPU_MUST_CHECK int update_put_record(struct update *u, const struct update_record *r);
/* The boot state in the TPM becomes this one. */
KAPU_MUST_CHECK int update_put_state(struct update *u, const struct bootstate *s);
/* The trial of the record starts with the next reset: UPDATE_WAITING. */
KAPU_MUST_CHECK int update_set_trial(struct update *u);
/* The running release was started on trial and is not confirmed: a trial must not fall back to it.
 */
bool update_runs_unconfirmed(const struct update *u);
/* The trial has ended, with `r` as the record of that; the boot state follows. */
KAPU_MUST_CHECK int update_end_trial(struct update *u, const struct update_record *r);

/* This gateway is in the list. */
bool update_is_named(const struct update *u, const struct release_gateways *g);
/* This gateway is of that group: by itself, or by the last membership. */
bool update_is_of_group(const struct update *u, struct bytes group);

static inline uint8_t other_slot(uint8_t slot)
{
    return slot == 0 ? 1 : 0;
}

static inline uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
