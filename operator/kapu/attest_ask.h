/* SPDX-License-Identifier: Apache-2.0 */
/* A question for evidence, and what its answer is worth: what `kapu attest` and campaigns of
 * updates share. How both travel is theirs. */
#ifndef KAPU_ATTEST_ASK_H
#define KAPU_ATTEST_ASK_H

#include "fleet.h"
#include <kapu/protocol.h>

#define ATTEST_TRIES 5u /* of a question, when others ask the same gateway */

/* What came of one question. */
struct attested {
    int status; /* EXIT_DONE, EXIT_FAILED: not trusted, EXIT_NO_ANSWER */
    char why[512];
    size_t bytes; /* of the evidence */
    bool judged;  /* `result` is filled in */
    struct verifier_result result;
};

/* The request, with a new nonce. -1: `out` says why there is none. */
int attest_question(const struct fleet *f, const char *gateway, bool log, struct wr *body,
                    uint8_t nonce[EVIDENCE_NONCE_SIZE], struct attested *out);
/* Judges a reply and records the verdict. `work`: PROTOCOL_BODY_MAX bytes. */
void attest_judge(const struct fleet *f, const char *gateway, struct bytes body, uint8_t *work,
                  struct attested *out);
void attest_no_answer(struct attested *out, const char *what, const char *why);

/* Whether somebody else asked after us, and was answered before: then our answer counts no more,
 * but that says nothing against the gateway. What is replayed is older than our question. */
bool attest_was_overtaken(const struct fleet *f, const char *gateway, const struct attested *out,
                          const uint8_t nonce[EVIDENCE_NONCE_SIZE]);

#endif
