/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence from the attest TA, for whoever carries it to an operator. Nothing of it is looked into
 * here: it was made in the secure world for the operator, and whatever Linux does to it shows.
 *
 * Results: 0; or what tee_service_error explains.
 */
#ifndef KAPU_ATTEST_H
#define KAPU_ATTEST_H

#include <stdint.h>

#include <kapu/bytes.h>

#include "tee_service.h"

struct attest {
    struct tee_service service;
    struct tee_memory memory;
};

/* Closed by attest_close in each case. */
uint32_t attest_open(struct attest *a);
void attest_close(struct attest *a);

/* Views into memory of `a`, until the next call. */
struct attest_identity {
    struct bytes ek_certificate, ak, key, ueid; /* DER; TPMT_PUBLIC; x and y; RFC 9711 */
};
uint32_t attest_identity(struct attest *a, struct attest_identity *id);

/* The evidence made next has the claims of an enrolment: wire/attest_ta.h. */
uint32_t attest_enrol(struct attest *a, struct bytes credential, struct bytes secret);

/* A message with evidence for this nonce; takes as long as one or two deep checks. A view as
 * above. */
uint32_t attest_evidence(struct attest *a, const uint8_t nonce[32], int wants_log,
                         struct bytes *message);

#endif
