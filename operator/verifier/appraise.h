/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the appraisal share. */
#ifndef KAPU_APPRAISE_H
#define KAPU_APPRAISE_H

#include "symbols.h"

struct appraisal {
    const struct verifier_request *q;
    struct verifier_result *r;
    struct evidence_message message;
    struct evidence_token token;
    struct evidence_claims claims;
    struct evidence_monitor monitor;
    bool quoted;            /* the TPM vouches for the PCRs in the claims */
    bool tried;             /* to find the symbols */
    struct symbols symbols; /* of the kernel that was booted; of size 0: none */
    uint8_t work[EVIDENCE_MESSAGE_MAX];
};

/* Each adds its reasons; negative: the verifier could not work. */
int appraise_boot(struct appraisal *a);
void appraise_monitor(struct appraisal *a);
void appraise_record(struct appraisal *a);
void appraise_starts(struct appraisal *a, uint32_t resets, uint32_t restarts);

/* printf arguments of a view: with "%.*s". */
#define TEXT_OF(b) (int)(b).n, (b).n > 0 ? (const char *)(b).p : ""

#endif
