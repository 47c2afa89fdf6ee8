/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Board records: the manufacturer's word that a board is a kapu board. The factory step signs one
 * when it has paired a board with its TPM; an operator enrols only gateways that have one. The
 * format is wire/board-record.cddl, a COSE_Sign1 of the kind board_record_kind; docs/evidence.md
 * says what a record proves.
 *
 * A record names the TPM by its endorsement key, and the attestation key by its name, which covers
 * the key's attributes and parameters too (TPM 2.0 Part 1, 16). Nothing in it is secret.
 *
 * Trust: what is decoded is hostile until the signature holds. The decoder is as strict as those of
 * kapu/evidence.h: one record has one encoding.
 *
 * Errors: 0; encoder: KAPU_EARG (a value that the format has no place for), KAPU_ESPACE. Decoder:
 * KAPU_EINVAL, KAPU_ERANGE, KAPU_EUNSUPPORTED (another version of the format), KAPU_ESPACE (work
 * memory smaller than the input).
 */
#ifndef KAPU_BOARD_H
#define KAPU_BOARD_H

#include <kapu/evidence.h>

#define BOARD_NAME_SIZE 34u    /* TPM2B_NAME's contents: nameAlg SHA-256 and the digest */
#define BOARD_PLATFORM_MAX 32u /* bytes of a platform's name */
#define BOARD_CONTENT_MAX 320u /* what is signed */
#define BOARD_RECORD_MAX (BOARD_CONTENT_MAX + EVIDENCE_SIGNED_MORE)
#define BOARD_ISSUED_MAX 253402300799999u /* 9999-12-31T23:59:59.999Z */

struct board_record {
    uint8_t ek[BOARD_NAME_SIZE];           /* name of the endorsement key */
    uint8_t ueid[EVIDENCE_UEID_SIZE];      /* what evidence calls the gateway: follows from `ek` */
    uint8_t board[EVIDENCE_BOARD_SIZE];    /* UUID, as in the board's fuses */
    uint8_t ak[BOARD_NAME_SIZE];           /* name of the attestation key */
    char platform[BOARD_PLATFORM_MAX + 1]; /* printable ASCII, not empty, with a zero */
    uint64_t issued_ms;                    /* since 1970 */
};

extern const struct evidence_kind board_record_kind;

KAPU_MUST_CHECK int board_record_encode(const struct board_record *r, struct wr *out);
KAPU_MUST_CHECK int board_record_decode(struct bytes in, struct board_record *r, uint8_t *work,
                                        size_t work_n);

/* That the UEID is the endorsement key's. KAPU_EINVAL: it is another's; KAPU_ECRYPTO. */
KAPU_MUST_CHECK int board_record_check(const struct kapu_sha256 *h, const struct board_record *r);

#endif
